"""What a crawl plans, told by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver import Archive
from archiver.crawl.attempt import Attempt
from archiver.crawl.discover import Discovered, Found, seen_key
from archiver.crawl.plan import NOT_MODIFIED, Plan, Validators, conditions, judged, read_found, write_found
from archiver.crawl.site_spider import vanished
from archiver.page.dates import Moment
from archiver.sites import Site
from storage.visits import Visit, Visits

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SITE = Site(name="paper", homepage="https://paper.example/")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive") as archive:
        yield archive


@pytest.fixture
def plan(archive: Archive, clock: Clock) -> Plan:
    return Plan(archive, now=clock)


def entry(name: str, modified: str | None = None, precision: str = "second", **facts: Any) -> Found:
    moment = Moment(modified, precision, modified, "sitemap") if modified else None  # type: ignore[arg-type]  # as is
    url = f"https://paper.example/{name}"
    return Found(url=url, kind="feed", via="https://paper.example/feed", modified=moment, **facts)


def attempt(visit: Visit, outcome: str, version: int | None = None, **facts: Any) -> Attempt:
    return Attempt(visit.url, outcome, version=version, **facts)


def take(plan: Plan, limit: int = 100) -> list[Visit]:
    return plan.next_articles(SITE, limit)


def names(visits: list[Visit]) -> list[str]:
    return [visit.url.rpartition("/")[2] for visit in visits]


def waited(archive: Archive, visit: Visit) -> timedelta:
    """How long after its visit a page comes due, jitter left out."""
    (noted,) = Visits(archive.index).get([visit.key]).values()
    assert noted.due
    assert noted.visited
    return timedelta(hours=round((noted.due - noted.visited) / HOUR / 1.05))


def test_what_is_new_is_fetched_once_in_the_order_in_which_it_was_named(plan: Plan) -> None:
    assert plan.take_in(SITE, [entry("c"), entry("a"), entry("b"), entry("c?utm_source=rss")]) == 3
    assert names(take(plan, 2)) == ["c", "a"]
    assert names(take(plan)) == ["b"]
    assert take(plan) == []
    assert plan.take_in(SITE, [entry("a")]) == 0


def test_a_page_lent_to_a_crawl_that_was_killed_is_due_again(plan: Plan, clock: Clock) -> None:
    plan.take_in(SITE, [entry("a")])
    take(plan)
    clock.now += timedelta(minutes=31)
    assert names(take(plan)) == ["a"]


def test_a_page_given_back_is_due_at_once(plan: Plan) -> None:
    plan.take_in(SITE, [entry("a")])
    plan.give_back(take(plan))
    assert names(take(plan)) == ["a"]


def test_an_article_is_visited_on_its_ladder(plan: Plan, archive: Archive, clock: Clock) -> None:
    plan.take_in(SITE, [entry("a")])
    (visit,) = take(plan)
    seen = []
    for outcome, version in [("saved", 1), ("unchanged", 1), ("unchanged", 1), ("saved", 2), ("unchanged", 2)]:
        plan.note_article(SITE, visit, attempt(visit, outcome, version))
        plan.flush()
        seen.append(waited(archive, visit))
        clock.now += seen[-1] * 1.2
        (visit,) = take(plan)
    assert seen == [HOUR, 3 * HOUR, 12 * HOUR, HOUR, 3 * HOUR]


def test_what_is_no_article_is_not_visited_again(plan: Plan, clock: Clock) -> None:
    plan.take_in(SITE, [entry("video"), entry("empty")])
    for visit, outcome in zip(take(plan), ("not_article", "empty"), strict=True):
        plan.note_article(SITE, visit, attempt(visit, outcome))
    clock.now += 1000 * DAY
    assert take(plan) == []


def test_a_page_behind_a_fault_is_tried_again_soon(plan: Plan, archive: Archive, clock: Clock) -> None:
    plan.take_in(SITE, [entry("a", title="Told by the feed")])
    (visit,) = take(plan)
    plan.note_article(SITE, visit, attempt(visit, "failed"))
    plan.flush()
    clock.now += timedelta(minutes=17)
    (again,) = take(plan)
    assert again.failures == 1
    found = read_found(again.url, again.found)
    assert found is not None
    assert found.title == "Told by the feed", "what led there is kept until the page could be read"


def test_new_pages_go_before_those_to_look_at_again(plan: Plan, clock: Clock) -> None:
    plan.take_in(SITE, [entry("old")])
    (old,) = take(plan)
    plan.note_article(SITE, old, attempt(old, "saved", 1))
    clock.now += 2 * HOUR
    plan.take_in(SITE, [entry("new")])
    assert names(take(plan)) == ["new", "old"]


@pytest.mark.parametrize(
    ("modified", "precision", "is_due"),
    [
        ("2026-11-22T12:30:00+00:00", "second", True),
        ("2026-11-22T12:00:00+00:00", "second", True),
        ("2026-11-22T11:59:58+00:00", "second", False),
        ("2026-11-22T12:00+00:00", "minute", True),
        ("2026-11-22", "day", False),
        ("2026-11-23", "day", False),
        ("2031-01-01T00:00:00+00:00", "second", False),
        (None, "second", False),
    ],
)
def test_a_date_after_the_last_visit_brings_the_next_forward(
    plan: Plan, clock: Clock, modified: str | None, precision: str, is_due: bool
) -> None:
    plan.take_in(SITE, [entry("a")])
    (visit,) = take(plan)
    plan.note_article(SITE, visit, attempt(visit, "saved", 1))
    clock.now += HOUR * 0.9
    assert plan.take_in(SITE, [entry("a", modified, precision)]) == is_due
    assert len(take(plan)) == is_due


def test_where_a_redirect_led_is_known_too(plan: Plan) -> None:
    plan.take_in(SITE, [entry("short")])
    (visit,) = take(plan)
    plan.note_article(SITE, visit, attempt(visit, "saved", 1, final_url="https://paper.example/the-long-way"))
    assert plan.take_in(SITE, [entry("the-long-way")]) == 0


def test_a_site_may_look_at_its_articles_once_only(plan: Plan, clock: Clock) -> None:
    once = replace(SITE, revisit=())
    plan.take_in(once, [entry("a")])
    (visit,) = plan.next_articles(once, 10)
    plan.note_article(once, visit, attempt(visit, "saved", 1))
    clock.now += 1000 * DAY
    assert plan.next_articles(once, 10) == []


# Documents


def test_a_feed_without_news_is_asked_for_less_often(plan: Plan, clock: Clock) -> None:
    feed = plan.document(SITE, "https://paper.example/feed", "feed")
    plan.note_document(feed, has_news=True)
    plan.flush()
    assert plan.documents(SITE, due=True) == []
    clock.now += 2 * HOUR
    (feed,) = plan.documents(SITE, due=True)
    before = feed.interval or 0
    plan.note_document(feed, has_news=False)
    plan.flush()
    (feed,) = plan.documents(SITE, due=False)
    assert (feed.interval or 0) >= before


def test_a_feed_that_fails_is_never_given_up(plan: Plan, clock: Clock) -> None:
    feed = plan.document(SITE, "https://paper.example/feed", "feed")
    for _ in range(100):
        plan.note_failure(feed)
        plan.flush()
        (feed,) = plan.documents(SITE, due=False)
        assert feed.due
        assert feed.due - clock.now <= 33 * DAY
        clock.now = feed.due
    assert feed.failures == 100


# Validators


def test_a_server_is_relied_on_when_its_validators_told_the_truth_and_never_after_a_lie(
    plan: Plan, archive: Archive
) -> None:
    plan.take_in(SITE, [entry("a")])
    (visit,) = take(plan)

    def answered(etag: str, same: bool | None) -> dict[str, str]:
        (known,) = Visits(archive.index).get([visit.key]).values()
        plan.note_article(SITE, known, attempt(visit, "unchanged", 1), Validators(etag, "Sunday", same_payload=same))
        plan.flush()
        (known,) = Visits(archive.index).get([visit.key]).values()
        return conditions(known)

    assert [answered('"a"', None), answered('"a"', True)] == [{}, {}]
    assert answered('"a"', True) == {"If-None-Match": '"a"', "If-Modified-Since": "Sunday"}
    assert answered('"b"', False) == {"If-None-Match": '"b"', "If-Modified-Since": "Sunday"}, (
        "another tag for another text"
    )
    assert answered('"b"', False) == {}, "one tag for two texts"
    for _ in range(20):
        assert answered('"b"', True) == {}


def test_of_some_conditional_visits_one_is_made_without_condition() -> None:
    visit = Visit("k", "https://paper.example/a", "paper", "article", etag='"a"', trust=2)
    asked = []
    for _ in range(8):
        asked.append(bool(conditions(visit)))
        answer = NOT_MODIFIED if asked[-1] else Validators('"a"', None, same_payload=True)
        visit = judged(visit, answer)
    assert asked == [True, True, True, False, True, True, True, True]
    assert visit.etag == '"a"'


# Entries


def test_what_an_entry_said_comes_back_as_it_was() -> None:
    found = entry("a", "2026-11-22T12:30:00+01:00", title="Ä title", language="de", tags=("a", "b"), section="Town")
    assert read_found(found.url, write_found(found)) == found
    assert read_found("https://a.example/", None) is None


def lists(kind: str, *names: str) -> Discovered:
    return Discovered(url="https://paper.example/feed", kind=kind, entries=tuple(entry(name) for name in names))  # type: ignore[arg-type]  # as is


def test_what_vanished_from_the_middle_of_a_list_is_doubted() -> None:
    before = lists("feed", "e", "d", "c", "b", "a")
    gone = "https://paper.example/d"
    assert vanished(before, lists("feed", "f", "e", "c", "b", "a")) == [gone]
    assert vanished(before, lists("feed", "g", "f", "e", "d", "c")) == [], "the oldest fall off its end"
    assert vanished(before, lists("feed", "x", "y", "z")) == [], "a list made anew says nothing"
    assert vanished(lists("section", "c", "b", "a"), lists("section", "c", "a")) == []
    assert vanished(None, before) == []
    many = [f"n{number}" for number in range(200)]
    assert vanished(lists("feed", "first", *many, "last"), lists("feed", "first", "last")) == []


def test_a_withdrawn_page_is_looked_at(plan: Plan, clock: Clock) -> None:
    plan.take_in(SITE, [entry("a")])
    (visit,) = take(plan)
    plan.note_article(SITE, visit, attempt(visit, "saved", 1))
    clock.now += timedelta(minutes=5)
    assert plan.bring_forward([visit.url, "https://paper.example/unknown"]) == 1
    (again,) = take(plan)
    plan.note_article(SITE, again, attempt(again, "gone", status=404))
    assert plan.bring_forward([visit.url]) == 0, "that it is missing is known"
    assert seen_key(visit.url) == visit.key
