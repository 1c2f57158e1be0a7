from datetime import UTC, datetime

import pytest

from archiver.extract import parse
from archiver.metadata import Metadata, byline_tokens, parse_moment, read_metadata, split_names, url_date

LATEST = datetime(2026, 11, 24, tzinfo=UTC)


def metadata_of(head: str = "", body: str = "", url: str = "https://example.com/a", **options: object) -> Metadata:
    page = f"<html><head>{head}</head><body>{body}<p>Rain fell on the hills all day and all night.</p></body></html>"
    return read_metadata(parse(page), url, captured_at=datetime(2026, 11, 22, tzinfo=UTC), **options)  # type: ignore[arg-type]


def json_ld(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


@pytest.mark.parametrize(
    ("raw", "value", "precision"),
    [
        ("2019-02-07", "2019-02-07", "day"),
        ("2019-02-07T18:21:30Z", "2019-02-07T18:21:30+00:00", "second"),
        ("2019-02-07T18:21:30.123+0100", "2019-02-07T18:21:30+01:00", "second"),
        ("2019-02-07 18:21:30 -05:00", "2019-02-07T18:21:30-05:00", "second"),
        ("2019-02-07T18:21+01:00", "2019-02-07T18:21+01:00", "minute"),
        ("2019-02-07T18:21", "2019-02-07T18:21", "minute"),
        ("2019-02-07T00:00:00+00:00", "2019-02-07T00:00:00+00:00", "second"),
        ("Thu, 07 Feb 2019 18:21:30 GMT", "2019-02-07T18:21:30+00:00", "second"),
        ("07 Feb, 2019", "2019-02-07", "day"),
        ("February 7th, 2019 6:21 p.m. EST", "2019-02-07T18:21-05:00", "minute"),
        ("7 February 2019 at 12:05 am", "2019-02-07T00:05", "minute"),
        ("Feb. 7, 2019, 6pm", "2019-02-07T18:00", "minute"),
        ("7. Februar 2019, 18:21 Uhr", "2019-02-07T18:21", "minute"),
        ("07.02.2019", "2019-02-07", "day"),
        ("le 7 février 2019 à 18h21", "2019-02-07T18:21", "minute"),
        ("7 de febrero de 2019", "2019-02-07", "day"),
        ("2019年2月7日", "2019-02-07", "day"),
        ("25/12/2019", "2019-12-25", "day"),
        ("12/25/2019", "2019-12-25", "day"),
        ("1549563690", "2019-02-07T18:21:30+00:00", "second"),
    ],
)
def test_dates_are_read_as_far_as_they_are_written(raw: str, value: str, precision: str) -> None:
    found = parse_moment(raw, "meta", LATEST)
    assert found is not None
    assert (found.value, found.precision, found.raw) == (value, precision, raw)


@pytest.mark.parametrize(
    "raw",
    ["", "soon", "03/04/2019", "2019-02-30", "1989-12-31", "2027-01-01", "2026-12-01T00:00:00Z", "31 Feb 2019",
     "9" * 400, "2019-02-07T99:00:00Z", "0000-00-00", "Thu, 99 Foo 2019", "2019"],
)  # fmt: skip
def test_ambiguous_impossible_and_implausible_dates_are_refused(raw: str) -> None:
    assert parse_moment(raw, "meta", LATEST) is None


def test_a_date_is_taken_from_the_best_source_and_says_which() -> None:
    meta = '<meta property="article:published_time" content="2020-01-02T10:00:00Z">'
    item = json_ld('{"@type": "NewsArticle", "headline": "Rain", "datePublished": "2020-01-01"}')
    tag = '<h1>Rain</h1><time datetime="2020-01-03">3 January</time>'
    url = "https://example.com/2020/01/04/rain"
    assert [
        (found.published.value, found.published.source)
        for found in (
            metadata_of(meta + item, tag, url),
            metadata_of(meta, tag, url),
            metadata_of("", tag, url),
            metadata_of("", "<h1>Rain</h1>", url),
        )
        if found.published
    ] == [
        ("2020-01-01", "json-ld"),
        ("2020-01-02T10:00:00+00:00", "meta"),
        ("2020-01-03", "time tag"),
        ("2020-01-04", "url"),
    ]


def test_a_future_date_gives_way_to_the_next_source() -> None:
    head = '<meta property="article:published_time" content="2031-01-02T10:00:00Z">'
    found = metadata_of(head, "<h1>Rain</h1>", "https://example.com/2020/01/04/rain").published
    assert found is not None
    assert found.source == "url"


def test_the_time_tag_of_an_update_is_no_publication() -> None:
    found = metadata_of(body='<h1>Rain</h1><p>Updated <time datetime="2020-01-03T10:00Z">3 January</time></p>')
    assert found.modified is not None
    assert found.modified.value == "2020-01-03T10:00+00:00"


@pytest.mark.parametrize("url", ["https://example.com/2019/02/rain", "https://example.com/a-20191399", "http://[bad"])
def test_a_url_without_a_day_gives_no_date(url: str) -> None:
    assert url_date(url, LATEST) is None


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


@pytest.mark.parametrize(
    ("og_title", "body", "title"),
    [
        ("Rain at last | The Daily Example", "<h1>Rain at last</h1>", "Rain at last"),
        ("Rain at last - example.com", "", "Rain at last"),
        ("The Daily Example: Rain at last", "<h1>The Daily Example</h1><h1>Rain at last</h1>", "Rain at last"),
        ("Rain - and wind - at last", "<h1>Rain - and wind - at last</h1>", "Rain - and wind - at last"),
        ("Rain at last for the whole of the ...", "<h1>Rain at last for the whole of the north</h1>",
         "Rain at last for the whole of the north"),
        ("Why the north is dry", "<h1>More weather</h1>", "Why the north is dry"),
    ],
)  # fmt: skip
def test_the_title_is_the_headline_without_the_site(og_title: str, body: str, title: str) -> None:
    head = f'<meta property="og:title" content="{og_title}"><meta property="og:site_name" content="The Daily Example">'
    assert metadata_of(head, body).title == title


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
    "line",
    [
        "By the end of 7 February 2019 most of the soldiers had gone home.",
        "Updated figures show that rain fell on nine days.",
        "On 7 February 2019 the council voted to close the pool.",
        "By morning it was over.",
        "Rain",
        "Published accounts differ.",
        "",
    ],
)
def test_sentences_are_no_byline(line: str) -> None:
    assert byline_tokens(line) is None


@pytest.mark.parametrize(
    "line",
    ["By", "By Ann Lee", "Ann Lee | 07 Feb, 2019", "Updated : 18:21", "Published: 7 February 2019 at 6:21pm GMT",
     "By Ann Lee and Bo Ek in London • Feb. 7, 2019 • 4 min read", "Last updated on 2019-02-07"],
)  # fmt: skip
def test_lines_of_names_and_dates_are_a_byline(line: str) -> None:
    assert byline_tokens(line) is not None


def test_todays_date_above_the_headline_is_not_the_articles() -> None:
    assert metadata_of(body="<p>22 November 2026</p><h1>Rain at last</h1>").byline.published is None


def test_an_update_on_another_day_keeps_its_day() -> None:
    dates = "<p>Published: 7 Feb 2019, 09:00 GMT</p><p>Updated: 8 Feb 2019, 18:21 GMT</p>"
    body = f"<h1>Rain at last</h1><p>By Ann Lee</p>{dates}"
    found = metadata_of(body=body)
    assert found.published is not None
    assert found.modified is not None
    assert (found.published.value, found.published.source) == ("2019-02-07T09:00+00:00", "byline")
    assert found.modified.value == "2019-02-08T18:21+00:00"
    assert [author.name for author in found.authors] == ["Ann Lee"]
