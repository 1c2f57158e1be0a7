from datetime import UTC, datetime

import pytest

from archiver.page.dates import parse_moment, url_date

LATEST = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "value", "precision"),
    [
        ("2019-02-07", "2019-02-07", "day"),
        ("2019-02-07T18:21:30Z", "2019-02-07T18:21:30+00:00", "second"),
        ("2019-02-07T18:21:30.123+0100", "2019-02-07T18:21:30+01:00", "second"),
        ("2019-02-07 18:21:30 -05:00", "2019-02-07T18:21:30-05:00", "second"),
        ("2019-02-07T18:21+01:00", "2019-02-07T18:21+01:00", "minute"),
        ("2019-02-07T18:21", "2019-02-07T18:21", "minute"),
        ("2019-02-07T00:00:00+00:00", "2019-02-07", "day"),
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
        ("1549563690000", "2019-02-07T18:21:30+00:00", "second"),
        ("20190207", "2019-02-07", "day"),
        ("20190207T182130Z", "2019-02-07T18:21:30+00:00", "second"),
        ("2019 02 07 18:21:30", "2019-02-07T18:21:30", "second"),
        ("2019-02-07 23:30 EST", "2019-02-07T23:30-05:00", "minute"),
        ("7 lutego 2019, 21:05", "2019-02-07T21:05", "minute"),
        ("2019년 2월 7일", "2019-02-07", "day"),
        ("7 tháng 2, 2019", "2019-02-07", "day"),
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


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/2019/02/rain",
        "https://example.com/2019/for/12/rain",
        "https://example.com/a-20191399",
        "http://[bad",
    ],
)
def test_a_url_without_a_day_gives_no_date(url: str) -> None:
    assert url_date(url, LATEST) is None


@pytest.mark.parametrize(
    "path", ["2019/02/07/rain", "2019-02-07-rain", "20190207/rain", "2019/feb/07/rain", "a_2019_2_7"]
)
def test_a_url_tells_its_day(path: str) -> None:
    found = url_date(f"https://example.com/{path}", LATEST)
    assert found is not None
    assert found.value == "2019-02-07"
