"""URLs as people type them."""

from __future__ import annotations

import pytest

from archiver.errors import BadRequest
from archiver.urls import check_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/story",
        "http://example.com",
        "HTTP://EXAMPLE.com/Story?a=1&b=%20#part",
        "http://a_b.example.com:8080/",
        "http://example.com./",
        "http://127.0.0.1/",
        "http://[::1]:8000/",
        "https://müller.example/straße",
        "https://日本語.example/記事",
    ],
)
def test_what_can_be_fetched_stays_as_it_is(url: str) -> None:
    assert check_url(f"  {url}\n") == url


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write it like https://example.com/story"),
        ("story", "write it like https://example.com/story"),
        ("localhost:8000/story", "write it like https://example.com/story"),
        ("//example.com/story", "write it like https://example.com/story"),
        ("www.example.com", "did you mean https://www.example.com"),
        ("example.com/story", "did you mean https://example.com/story"),
        ("http:///story", "write it like https://example.com/story"),
        ("http://a b.example/", "it holds spaces or control characters"),
        ("http://example.com/\x00", "it holds spaces or control characters"),
        ("http://example.com/\udcff", "it holds spaces or control characters"),
        ("http://[::1/", "Invalid IPv6 URL"),
        ("http://example.com:eighty/", "Port could not be cast"),
        ("http://example.com:99999/", "Port out of range"),
        ("http://../", "'..' cannot be a host"),
        ("http://a..b/", "'a..b' cannot be a host"),
        ("http://%20/", "'%20' cannot be a host"),
        (f"http://{'a' * 64}.com/", "cannot be a host"),
        (f"http://{'a.' * 130}com/", "cannot be a host"),
        ("ftp://example.com/", "not ftp:"),
        ("javascript:alert(1)", "not javascript:"),
        ("data:text/html,hello", "not data:"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        check_url(text)
    assert hint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_passwords_are_not_taken_along() -> None:
    with pytest.raises(BadRequest, match=r"\[redacted\].* names a user, which cannot be passed on"):
        check_url("https://ann:secret@example.com/")
