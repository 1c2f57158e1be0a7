import pytest

from archiver.page.names import split_names
from tests.archiver.page.pages import json_ld, metadata_of


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("By Ann Lee", ["Ann Lee"]),
        ("Tom O'Neil, PhD", ["Tom O'Neil, PhD"]),
        ("Ann Lee and Bo Ek", ["Ann Lee", "Bo Ek"]),
        ("Ann Lee, Bo Ek & Cy Marsh Jr.", ["Ann Lee", "Bo Ek", "Cy Marsh Jr"]),
        ("Ann Lee, Senior Political Correspondent", ["Ann Lee"]),
        ("Ann Lee | 7 Feb 2019", ["Ann Lee"]),
        ("Ann Lee ann@example.com", ["Ann Lee"]),
        ("Sharecast News", ["Sharecast News"]),
        ("https://example.com/people/ann", []),
        ("Updated 18:21", []),
        ("", []),
    ],
)
def test_names_are_taken_out_of_a_byline(text: str, names: list[str]) -> None:
    assert split_names(text) == names


def test_persons_come_before_the_publisher() -> None:
    item = json_ld(
        '{"@type": "NewsArticle", "headline": "Rain", "author": {"@type": "Organization", "name": "Example"}}'
    )
    found = metadata_of(item + '<meta name="author" content="Ann Lee">', url="https://www.example.com/a")
    assert [author.name for author in found.authors] == ["Ann Lee"]


def test_the_publisher_is_the_author_when_nobody_else_is_named() -> None:
    item = json_ld(
        '{"@type": "NewsArticle", "headline": "Rain", "author": {"@type": "Organization", "name": "Example"}}'
    )
    assert [author.name for author in metadata_of(item).authors] == ["Example"]


def test_the_name_that_links_to_the_front_page_is_no_person() -> None:
    body = '<a href="/">The Daily Example</a><h1>Rain at last</h1><p>By Ann Lee</p>'
    found = metadata_of('<meta name="author" content="Daily Example">', body, "https://paper.test/a")
    assert [author.name for author in found.authors] == ["Ann Lee"]
