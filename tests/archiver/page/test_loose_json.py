import time

import pytest

from archiver.page.loose_json import read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, true, null]}', {"a": [1, 2.5, True, None]}),
        ('<!-- {"a": "b"} -->', {"a": "b"}),
        ('//<![CDATA[\n{"a": "b"}\n//]]>', {"a": "b"}),
        ('<![CDATA[{"a": "b"}]]>', {"a": "b"}),
        ('/* by hand */ {"a": "b", // the first\n "c": "d"}', {"a": "b", "c": "d"}),
        ('{"a": ["b", "c",], "d": "e",}', {"a": ["b", "c"], "d": "e"}),
        ('{"a": "b"};', {"a": "b"}),
        ('{"a": "b"}}', {"a": "b"}),
        ('{"a": "one\ntwo\tthree"}', {"a": "one\ntwo\tthree"}),
        ('{"a": "one\ntwo",}', {"a": "one\ntwo"}),
        ('{"a": "The "old" bridge", "b": 1}', {"a": 'The "old" bridge', "b": 1}),
        ('{"a": "x" "b": "y"}', {"a": "x", "b": "y"}),
        ('{"a": "it\\\'s", "b": "\\u00e9\\ud83d\\ude00"}', {"a": "it's", "b": "é😀"}),
        ("{&quot;a&quot;: &quot;b&quot;}", {"a": "b"}),
        ('{"a": "b"}\n{"c": "d"}', [{"a": "b"}, {"c": "d"}]),
        ('{"a": , "b": undefined, "c": "d"}', {"b": None, "c": "d"}),
        ('{"a": {"b": "c"}, "d": [{"e": "cut sho', {"a": {"b": "c"}, "d": [{"e": "cut sho"}]}),
        ('{"url": "https://example.com/a//b",}', {"url": "https://example.com/a//b"}),
        ("window.data = 4", None),
        ("", None),
    ],
)
def test_json_is_read_as_far_as_it_goes(text: str, value: object) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, '{"a":' * 200_000, '"' * 1_000_000, '" ' * 500_000, '{"a": "' + "\\" * 1_000_001, "/*" * 500_000,
     '"a "' * 300_000, '"' + " " * 1_000_000 + '"' * 9, '{"a": ' + "9" * 5000 + "}"],
)  # fmt: skip
def test_hostile_json_takes_no_time(text: str) -> None:
    begun = time.process_time()
    read_json(text)
    assert time.process_time() - begun < 30


def test_what_is_nested_too_deep_is_left_out() -> None:
    value = read_json('{"a": "b", "c": ' + "[" * 200 + "]" * 200 + ', "d": "e",}')
    assert (value["a"], value["d"]) == ("b", "e")
