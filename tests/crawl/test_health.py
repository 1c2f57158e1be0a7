from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.archive import Archive
from archiver.crawl.health import Examiner, Health, Watch, normal_gap
from archiver.sites import Site
from storage.cdx import ArticleEntry
from storage.jobs import Jobs
from storage.visits import Visit, Visits
from tests.storage.test_arrivals import article

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SITE = Site(homepage="https://courier.example/", name="courier", feeds=("https://courier.example/feed",))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive") as archive:
        yield archive


def document(name: str = "feed", *, visited: datetime | None = NOW, failures: int = 0, read: bool = True) -> Visit:
    url = f"https://courier.example/{name}"
    changed = NOW - 400 * DAY if read else None
    return Visit(f"feed {name}", url, "courier", "feed", NOW + HOUR, visited, changed, failures=failures)


def arrived(*ago: timedelta) -> list[ArticleEntry]:
    dates = [(NOW - each).strftime("%Y%m%d%H%M%S") for each in ago]
    return [article(f"a{number}", date, offset=number) for number, date in enumerate(dates)]


def judged(archive: Archive, *ago: timedelta, visits: tuple[Visit, ...] = (document(),)) -> Health:
    """The health of a site with articles that came so long ago."""
    archive.index.add((), arrived(*ago))
    Visits(archive.index).put(visits)
    return Examiner(archive, now=lambda: NOW).examine(SITE)


def office_hours(days: range) -> list[timedelta]:
    """An article every hour from 8 to 18 on working days; so many days ago."""
    found = []
    for day in days:
        noon = NOW - day * DAY
        if noon.weekday() < 5:
            found += [day * DAY + hour * HOUR for hour in range(-6, 5)]
    return found


def test_a_site_is_new_before_its_first_crawl(archive: Archive) -> None:
    health = judged(archive, visits=(document(visited=None, read=False),))
    assert (health.state, health.last, health.normal_gap) == ("new", None, None)


def test_the_facts_of_a_site_that_is_well(archive: Archive) -> None:
    page = Visit("p", "https://courier.example/p", "courier", "article", NOW + timedelta(minutes=5))
    gone = replace(page, key="g", visited=NOW, misses=3, due=NOW + 30 * DAY)
    health = judged(archive, *(number * HOUR for number in range(10, 300)), visits=(document(), page, gone))
    assert (health.state, health.reason) == ("ok", None)
    assert health.last is not None
    assert (health.last.date, health.last.title) == (NOW - 10 * HOUR, "A0")
    assert (health.last_7_days, health.last_30_days) == (159, 290)
    assert health.normal_gap == HOUR
    assert health.next_visit == NOW + timedelta(minutes=5)
    assert (health.waiting, health.gone, health.failing) == (1, 1, ())


def test_the_gap_is_a_median_that_the_first_crawl_does_not_spoil(archive: Archive) -> None:
    first_crawl = [20 * DAY + timedelta(seconds=second) for second in range(100)]
    health = judged(archive, *(number * DAY for number in range(15)), *first_crawl)
    assert health.normal_gap == DAY


@pytest.mark.parametrize("number", range(1, 5))
def test_a_site_with_few_articles_has_no_gap_and_is_not_silent(archive: Archive, number: int) -> None:
    health = judged(archive, *(DAY * 9 + HOUR * each for each in range(number)))
    assert (health.state, health.normal_gap) == ("ok", None)


def test_a_site_that_never_brought_anything_is_silent_in_the_end(archive: Archive) -> None:
    health = judged(archive)
    assert (health.state, health.reason) == ("silent", "nothing new for 400 days")


def test_nothing_new_for_three_times_the_normal_gap_is_silence(archive: Archive) -> None:
    every_other_day = [number * 2 * DAY for number in range(20)]
    assert judged(archive, *(7 * DAY + each for each in every_other_day)).reason == (
        "nothing new for 7 days, usually every 48 h"
    )


def test_less_than_three_times_the_normal_gap_is_none(archive: Archive) -> None:
    assert judged(archive, *((5 + 2 * number) * DAY for number in range(20))).state == "ok"


def test_nights_are_no_silence(archive: Archive) -> None:
    assert judged(archive, *(number * HOUR / 4 + 11 * HOUR for number in range(2000))).state == "ok"
    assert judged(archive, *(number * HOUR / 4 + 11 * HOUR for number in range(2000))).normal_gap == HOUR / 4


def test_half_a_day_is_one_where_there_are_no_nights(archive: Archive) -> None:
    assert judged(archive, *(number * HOUR / 4 + 13 * HOUR for number in range(2000))).state == "silent"


def test_weekends_are_no_silence_for_who_keeps_them(archive: Archive) -> None:
    health = judged(archive, *office_hours(range(2, 35)))
    assert (health.state, health.normal_gap) == ("ok", HOUR)


def test_a_weekend_that_does_not_end_is_one(archive: Archive) -> None:
    health = judged(archive, *office_hours(range(6, 40)))
    assert (health.state, health.reason) == ("silent", "nothing new for 5 days, usually every 60 min")


def test_weekends_are_awaited_of_who_is_not_known_yet(archive: Archive) -> None:
    assert judged(archive, *(2 * DAY + number * HOUR for number in range(30))).state == "ok"


def test_one_long_silence_does_not_make_the_next_usual(archive: Archive) -> None:
    hours = [*range(24 * 3, 24 * 10), *range(24 * 20, 24 * 30)]
    assert judged(archive, *(number * HOUR for number in hours)).state == "silent"


def test_a_crawl_that_did_not_run_makes_no_site_silent(archive: Archive) -> None:
    hours = [timedelta(hours=number) for number in range(24 * 10, 24 * 30)]
    health = judged(archive, *hours, visits=(document(visited=NOW - 10 * DAY + HOUR),))
    assert health.state == "ok"


def test_a_site_fails_when_nothing_of_it_can_be_read(archive: Archive) -> None:
    health = judged(archive, HOUR, visits=(document("a", failures=2), document("b", failures=1)))
    assert health.state == "failing"
    assert health.reason == (
        "none of its feeds, sitemaps and sections can be read (https://courier.example/a failed 2 times in a row)"
    )
    assert [(each.url, each.failures) for each in health.failing] == [
        ("https://courier.example/a", 2),
        ("https://courier.example/b", 1),
    ]


def test_a_single_failure_is_none_of_the_site_unless_it_is_the_first_visit(archive: Archive) -> None:
    assert judged(archive, HOUR, visits=(document(failures=1),)).state == "ok"
    assert judged(archive, HOUR, visits=(document(failures=1, read=False),)).state == "failing"


def test_one_feed_of_many_that_is_gone_is_told_and_no_failure(archive: Archive) -> None:
    health = judged(archive, HOUR, visits=(document("old", failures=9), document("new")))
    assert health.state == "ok"
    assert [each.url for each in health.failing] == ["https://courier.example/old"]


def test_a_feed_that_the_sites_file_names_is_missed(archive: Archive) -> None:
    assert judged(archive, HOUR, visits=(document("feed", failures=2), document("new"))).state == "ok"
    assert judged(archive, HOUR, visits=(document("feed", failures=3), document("new"))).reason == (
        "its sites file entry names what cannot be read (https://courier.example/feed failed 3 times in a row)"
    )


def test_a_site_fails_whose_crawl_broke_off(archive: Archive) -> None:
    jobs = Jobs(archive.index)
    identifier = jobs.put("crawl", "courier")
    jobs.claim("w", ["crawl"])
    jobs.finish(identifier, {"error": "its process died (-9)"}, failed=True)
    assert judged(archive, HOUR).reason == "its last crawl broke off: its process died (-9)"
    again = jobs.put("crawl", "courier")
    jobs.claim("w", ["crawl"])
    jobs.finish(again, {})
    assert judged(archive, HOUR).state == "ok"


def test_a_warning_is_given_once_and_so_is_the_recovery(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    visits = Visits(archive.index)
    archive.index.add((), arrived(HOUR))
    watch = Watch(Examiner(archive, now=lambda: NOW))
    for failures in (0, 0, 2, 3, 0, 0, 2):
        visits.put([document(failures=failures)])
        watch.look([SITE])
    assert [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records] == [
        ("WARNING", "courier is failing"),
        ("INFO", "courier has recovered from being failing"),
        ("WARNING", "courier is failing"),
    ]
    watch.keep_only([])
    assert watch.healths == {}


def test_the_gap_needs_five_moments() -> None:
    assert normal_gap([NOW - number * HOUR for number in range(4)]) is None
    assert normal_gap([NOW - number * HOUR for number in range(5)]) == HOUR
