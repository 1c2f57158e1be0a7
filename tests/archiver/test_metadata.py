import pytest

from tests.archiver.page.pages import json_ld, metadata_of


@pytest.mark.parametrize(
    ("declared", "free"),
    [("false", False), ('"False"', False), ('"http://schema.org/True"', True), ("true", True), ('"maybe"', None)],
)
def test_accessible_for_free_is_read_in_every_spelling(declared: str, free: bool | None) -> None:
    item = json_ld(f'{{"@type": "NewsArticle", "headline": "Rain", "isAccessibleForFree": {declared}}}')
    assert metadata_of(item).accessible_for_free is free


def test_a_locked_part_makes_the_article_not_free() -> None:
    item = json_ld('{"@type": "NewsArticle", "headline": "Rain", "hasPart": {"isAccessibleForFree": "False"}}')
    assert metadata_of(item).accessible_for_free is False


def test_rights_are_read_from_tags_and_headers() -> None:
    head = '<meta name="robots" content="noarchive"><meta name="tdm-reservation" content="0">'
    headers = (
        ("X-Robots-Tag", "noai"),
        ("x-robots-tag", "noindex"),
        ("TDM-Reservation", "1"),
        ("tdm-policy", "/p.json"),
    )
    rights = metadata_of(head, headers=headers).rights
    assert rights.robots_meta == "noarchive"
    assert rights.x_robots_tag == "noai, noindex"
    assert rights.tdm_reservation is True
    assert rights.tdm_policy == "/p.json"


def test_a_page_that_says_nothing_reserves_nothing() -> None:
    assert metadata_of().rights.tdm_reservation is None
