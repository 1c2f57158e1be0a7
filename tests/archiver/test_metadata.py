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


@pytest.mark.parametrize(
    ("declared", "free"),
    [
        ('"http://schema.org/False"', False),
        ('"https://schema.org/True"', True),
        ('{"@id": "http://schema.org/False"}', False),
        ('{"@value": "false"}', False),
        ('["False"]', False),
        ("0", False),
        ("1", True),
        ("null", None),
        ("[[]]", None),
    ],
)
def test_accessible_for_free_is_read_in_every_shape(declared: str, free: bool | None) -> None:
    item = json_ld(f'{{"@type": "NewsArticle", "headline": "Rain", "isAccessibleForFree": {declared}}}')
    assert metadata_of(item).accessible_for_free is free


def test_one_locked_part_of_several_makes_the_article_not_free() -> None:
    parts = (
        '[{"@type": "WebPageElement", "isAccessibleForFree": true}, null, {"isAccessibleForFree": "schema.org/False"}]'
    )
    item = json_ld(f'{{"@type": "NewsArticle", "headline": "Rain", "hasPart": {parts}}}')
    assert metadata_of(item).accessible_for_free is False


@pytest.mark.parametrize(("tier", "free"), [("free", True), ("locked", False), ("metered", None)])
def test_the_tier_of_a_page_says_whether_it_is_free(tier: str, free: bool | None) -> None:
    assert metadata_of(f'<meta property="article:content_tier" content="{tier}">').accessible_for_free is free


def test_what_each_robot_is_told_is_kept_with_its_name() -> None:
    head = """<meta name="robots" content="noindex, noai"><meta name="ROBOTS" content="noimageai">
    <meta name="GPTBot" content="nofollow"><meta name="Google-Extended" content="none">
    <meta name="user-login" content="x">
    <meta name="robots-version" content="2">"""
    headers = (("X-Robots-Tag", "googlebot: noindex"), ("X-Robots-Tag", "otherbot: noai, nosnippet"))
    rights = metadata_of(head, headers=headers).rights
    assert rights.robots_meta == "noindex, noai, noimageai, gptbot: nofollow, google-extended: none"
    assert rights.x_robots_tag == "googlebot: noindex, otherbot: noai, nosnippet"


def test_reservations_and_signals_are_read_from_headers_before_tags() -> None:
    head = '<meta name="tdm-reservation" content="1"><meta name="tdm-policy" content="https://example.com/tdm.json">'
    rights = metadata_of(head).rights
    assert (rights.tdm_reservation, rights.tdm_policy) == (True, "https://example.com/tdm.json")
    headers = (("tdm-reservation", "0"), ("Content-Signal", "search=yes, ai-train=no"), ("Content-Usage", "train-ai=n"))
    rights = metadata_of(head, headers=headers).rights
    assert (rights.tdm_reservation, rights.content_signal) == (False, "search=yes, ai-train=no, train-ai=n")


@pytest.mark.parametrize(
    ("head", "language"),
    [
        ('<meta property="og:locale" content="de_AT">', "de"),
        ('<meta http-equiv="Content-Language" content="pt-BR, en">', "pt"),
        ('<meta name="DC.language" content="fr">', "fr"),
        (json_ld('{"@type": "NewsArticle", "inLanguage": {"@type": "Language", "alternateName": "sv-SE"}}'), "sv"),
        (json_ld('{"@type": "NewsArticle", "inLanguage": "zh-Hans-CN"}'), "zh"),
        ('<meta property="og:locale" content="{{ locale }}">', None),
        ("", None),
    ],
)
def test_the_language_is_the_declared_one(head: str, language: str | None) -> None:
    assert metadata_of(head).language == language
