import time

import pytest

from archiver.page.dates import Moment
from tests.archiver.page.pages import json_ld, metadata_of


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


def published(head: str = "", body: str = "", url: str = "https://example.com/a", **options: object) -> Moment | None:
    return metadata_of(head, body, url, **options).published


def stated(date: str, modified: str = "") -> str:
    more = f', "dateModified": "{modified}"' if modified else ""
    return json_ld(f'{{"@type": "NewsArticle", "headline": "Rain", "datePublished": "{date}"{more}}}')


def value(found: Moment | None) -> tuple[str, str, str] | None:
    return (found.value, found.precision, found.source) if found else None


@pytest.mark.parametrize("zero", ["T00:00:00Z", "T00:00:00+01:00", " 00:00:00", "T00:00:00.000-0500", "T00:00"])
def test_a_midnight_that_a_template_prints_is_a_day(zero: str) -> None:
    assert value(published(stated(f"2019-02-07{zero}"))) == ("2019-02-07", "day", "json-ld")


def test_the_time_of_a_day_is_taken_from_the_next_source_that_tells_it() -> None:
    meta = '<meta property="article:published_time" content="2019-02-07T18:21:30+01:00">'
    assert value(published(stated("2019-02-07") + meta)) == ("2019-02-07T18:21:30+01:00", "second", "meta")
    other = meta.replace("-07T", "-05T")
    assert value(published(stated("2019-02-07") + other)) == ("2019-02-07", "day", "json-ld")


def test_an_offset_is_taken_from_the_source_that_tells_the_same_clock() -> None:
    meta = '<meta property="article:published_time" content="2019-02-07T18:21:30+01:00">'
    assert value(published(stated("2019-02-07 18:21:30") + meta)) == ("2019-02-07T18:21:30+01:00", "second", "meta")
    later = stated("2019-02-07 18:21:30", "2019-02-08T09:00:00+01:00")
    assert value(published(later)) == ("2019-02-07T18:21:30", "second", "json-ld"), "an offset is not borrowed"


EVENING = stated("2019-02-08T01:48:19Z")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("<time>February 7, 2019 at 8:48 p.m.</time>", ("2019-02-07T20:48:19-05:00", "second", "json-ld")),
        ("<p>By Ann Lee | Feb. 7, 2019 8:48 pm EST</p>", ("2019-02-07T20:48:19-05:00", "second", "json-ld")),
        ('<time datetime="2019-02-07T20:48:19-05:00">7/2</time>', ("2019-02-07T20:48:19-05:00", "second", "json-ld")),
        ("<p>February 7, 2019</p>", ("2019-02-07", "day", "json-ld")),
        ("<p>February 8, 2019 1:48 am</p>", ("2019-02-08T01:48:19+00:00", "second", "json-ld")),
        ("<p>February 7, 2019 3:33 pm</p>", ("2019-02-08T01:48:19+00:00", "second", "json-ld")),
        ("<p>February 5, 2019</p>", ("2019-02-08T01:48:19+00:00", "second", "json-ld")),
        ("", ("2019-02-08T01:48:19+00:00", "second", "json-ld")),
    ],
)  # fmt: skip
def test_the_day_is_the_one_that_readers_see(shown: str, expected: tuple[str, str, str]) -> None:
    found = published(EVENING, f"<h1>Rain</h1>{shown}")
    assert value(found) == expected
    assert found is not None
    assert found.raw == "2019-02-08T01:48:19Z"


def test_the_day_in_the_address_is_one_that_readers_see() -> None:
    assert value(published(EVENING, url="https://example.com/2019/02/07/rain")) == ("2019-02-07", "day", "json-ld")
    early = stated("2019-02-07T14:48:19-05:00")
    seen = published(early, url="https://example.com/2019/02/08/rain")
    assert value(seen) == ("2019-02-08", "day", "json-ld"), "it was the eighth in the east"


def test_the_day_of_an_update_does_not_become_the_publication() -> None:
    head = stated("2019-02-07T16:22:00Z", "2019-02-08T05:39:00Z")
    for shown in ("Friday 8 February 2019 05:39, UK", "8 February 2019"):
        assert value(published(head, f"<h1>Rain</h1><p>{shown}</p>")) == (
            "2019-02-07T16:22:00+00:00",
            "second",
            "json-ld",
        )


def test_an_older_day_in_the_address_is_believed_unless_the_page_shows_the_other() -> None:
    head, url = stated("2019-02-07T18:21:30Z"), "https://example.com/2012/05/03/rain"
    assert value(published(head, url=url)) == ("2012-05-03", "day", "url")
    assert value(published(head, "<h1>Rain</h1><p>3 May 2012, 09:15</p>", url)) == (
        "2012-05-03T09:15",
        "minute",
        "byline",
    )
    assert value(published(head, "<h1>Rain</h1><p>7 February 2019</p>", url)) == (
        "2019-02-07T18:21:30+00:00",
        "second",
        "json-ld",
    )
    assert published(head, url="https://example.com/2021/05/03/rain").source == "json-ld"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "absurd", ["2026-11-24T00:00:01Z", "2039-01-01", "1970-01-01T00:00:00Z", "0001-01-01", "1900-01-01", "1985-03-04"]
)
def test_absurd_dates_give_way(absurd: str) -> None:
    assert value(published(stated(absurd), url="https://example.com/2019/02/07/rain")) == ("2019-02-07", "day", "url")


def test_an_old_date_counts_when_two_sources_agree() -> None:
    url = "https://example.com/1969/07/21/archives/moon.html"
    assert value(published(stated("1969-07-21T05:00:00Z"), url=url)) == (
        "1969-07-21T05:00:00+00:00",
        "second",
        "json-ld",
    )
    assert published(stated("1969-07-21"), url="https://example.com/1969/07/22/a.html") is None
    zero = stated("1970-01-01") + '<meta property="article:published_time" content="1970-01-01">'
    assert published(zero) is None


def test_a_modification_is_never_before_the_publication() -> None:
    found = metadata_of(stated("2019-02-07T18:00:00Z", "2019-02-07T06:00:00Z"))
    assert (value(found.published), found.modified) == (("2019-02-07T18:00:00+00:00", "second", "json-ld"), None)
    across = metadata_of(stated("2019-02-07T18:00:00+01:00", "2019-02-07T17:30:00Z")).modified
    assert across is not None, "half an hour later, in another zone"
    day = metadata_of(stated("2019-02-07T18:00:00Z", "2019-02-07")).modified
    assert day is not None
    assert day.value == "2019-02-07"


def test_dates_that_the_page_shows_the_other_way_round_are_swapped() -> None:
    found = metadata_of(stated("2019-02-07T16:52:44-05:00", "2018-11-02T17:45:58-04:00"),
                        "<h1>Rain</h1><p>Updated on: Feb 7, 2019 4:52 pm</p>")  # fmt: skip
    assert found.published is not None
    assert found.modified is not None
    assert (found.published.value[:10], found.modified.value[:10]) == ("2018-11-02", "2019-02-07")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<h1>Rain</h1><time datetime="2019-02-07T18:21Z">7 Feb</time>', "2019-02-07T18:21+00:00"),
        ("<h1>Rain</h1><time>7 February 2019, 18:21</time>", "2019-02-07T18:21"),
        ('<time datetime="2019-02-07">7 Feb</time><h1>Rain</h1><time datetime="2019-03-01">1 Mar</time>',
         "2019-03-01"),
        ('<h1>Rain</h1><time datetime="2001-01-01">February 7, 2019 7:30am</time>', "2019-02-07T07:30"),
        ('<h1>Rain</h1><time datetime="2019-02-09T01:00Z">Posted: Feb 7, 2019 6:21 pm | Updated: February 8</time>',
         "2019-02-07T18:21"),
        ("<h1>Rain</h1>" + "<p>x <i>y</i></p>" * 120 + '<time datetime="2020-01-01">New Year</time>', None),
        ('<h1>Rain</h1><time datetime="2019-02-09">9 Feb</time><time class="entry-date" datetime="2019-02-07">a</time>',
         "2019-02-07"),
    ],
)  # fmt: skip
def test_the_time_tag_beside_the_headline_counts(body: str, expected: str | None) -> None:
    found = published(body=body, url="https://example.com/")
    assert (found.value if found and found.source in ("time tag", "microdata") else None) == expected


def test_slashed_dates_are_read_as_the_language_writes_them() -> None:
    body = "<h1>Rain</h1><p>By Ann Lee | 03/04/2019</p>"
    for language, day in (("en-US", "2019-03-04"), ("en-GB", "2019-04-03"), ("de", "2019-04-03")):
        found = published(f'<meta http-equiv="content-language" content="{language}">', body)
        assert found is not None
        assert (found.value, found.source) == (day, "byline")


def test_a_guess_is_not_later_than_the_file() -> None:
    body = "<div>Rain until 7 February 2019</div>"
    headers = (("Last-Modified", "Thu, 01 Jan 2015 18:21:30 GMT"),)
    assert value(published("", body)) == ("2019-02-07", "day", "htmldate")
    assert published("", body, headers=headers) is None


def test_a_page_of_long_texts_is_searched_in_bounded_time() -> None:
    body = "<div>" + "<p>" + "word 12 " * 2000 + "</p>" + "</div><p>Posted 7 February 2019</p>"
    begun = time.process_time()
    published("", body * 40)
    assert time.process_time() - begun < 40


RAIN = "<p>" + "Rain fell on the hills and nobody in the town below seemed to mind it very much at all. " * 2 + "</p>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<h2>Rain</h2><small>January 5th, 2013 by admin</small>{}<h3>3 Responses</h3><p>Bo, January 9th, 2014</p>",
         "2013-01-05"),
        ("<h2 class=date-header>Saturday, January 5, 2013</h2><h3>Rain</h3>{}<div>Posted by <i class=fn>Ann Lee</i> at "
         "<abbr class=published title=2013-01-05T10:11:00-08:00>10:11</abbr></div>", "2013-01-05T10:11:00-08:00"),
        ("<h1>Regen</h1><p>Von Anna Müller, veröffentlicht am 5. Januar 2013 um 10:11 Uhr</p>{}", "2013-01-05T10:11"),
        ("<h1>Regen</h1><p>Stand: 05.01.2013 10:11 Uhr</p>{}", "2013-01-05T10:11"),
        ("<h1>Lluvia</h1><p>Madrid, 5 de enero de 2013 | Actualizado a las 10:11 h</p>{}", "2013-01-05"),
        ("<h1>Deszcz</h1><p>Anna Kowalska, 5 stycznia 2013</p>{}", "2013-01-05"),
        ("<h1>Sade</h1><p>5. tammikuuta 2013 klo 10:11</p>{}", "2013-01-05T10:11"),
        ("<h1>Дождь</h1><p>5 января 2013, 10:11</p>{}", "2013-01-05T10:11"),
        ("<h1>雨が降る</h1><p>2013年1月5日 10時11分</p>{}", "2013-01-05"),
        ("<h1>Rain</h1>{}{}{}<p>Posted in Weather, January 5, 2013</p>", "2013-01-05"),
        ("<h1>Firm opens plant</h1><p>Hamburg, 5. Januar 2013 - Die Firma hat ein Werk.</p>{}", "2013-01-05"),
        ("<h1>Rain</h1>{}<p>1 January 2013</p>", "2013-01-01"),
        ("<h1>Rain</h1>{}<p>© 2013 Firm</p>", None),
    ],
)  # fmt: skip
def test_pages_without_structured_data_show_their_day(body: str, expected: str | None) -> None:
    found = published("<title>Rain</title>", body.replace("{}", RAIN))
    assert (found.value if found else None) == expected


def test_a_live_blog_is_published_when_it_begins() -> None:
    update = '{"@type": "BlogPosting", "headline": "More", "datePublished": "2019-02-07T09:00:00Z"}'
    item = f'{{"@type": "LiveBlogPosting", "coverageStartTime": "2019-02-07T06:00:00Z", "liveBlogUpdate": [{update}]}}'
    assert value(published(json_ld(item))) == ("2019-02-07T06:00:00+00:00", "second", "json-ld")
