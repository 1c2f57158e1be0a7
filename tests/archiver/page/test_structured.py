import pytest

from tests.archiver.page.pages import json_ld, metadata_of


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"@type": ["NewsArticle"], "author": {"name": {"name": []}}, "datePublished": {}, "keywords": [[1]]}',
        '{"@graph": {"@graph": [[[{"@type": "Article", "hasPart": [1], "author": [null, 3]}]]]}}',
        "[" * 100_000,
        '{"@type": "Article", "headline": ' + "9" * 5000 + "}",
        '{"@type": "Article", "itemListElement": 1, "video": [{"contentUrl": ["a", ["b"]]}], "license": [{}]}',
        '{"@id": "#a", "@type": "Article", "author": {"@id": "#a"}, "image": 4, "inLanguage": {"name": {}}}',
    ],
)
def test_odd_json_ld_is_skipped_quietly(text: str) -> None:
    assert metadata_of(json_ld(text) + "<title>Rain</title>").title == "Rain"


def test_json_ld_with_comments_and_trailing_commas_is_read() -> None:
    item = json_ld('<!-- {"@type": "NewsArticle", "headline": "Rain", "keywords": ["a", "b",],} -->')
    assert metadata_of(item).tags == ("a", "b")
