from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from archiver.crawl.timetable import Timetable
from archiver.sites import Schedule, Site

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def site(name: str, schedule: str | None = "15m") -> Site:
    return Site(name=name, homepage=f"https://{name}.example/", schedule=Schedule(schedule) if schedule else None)


def names(sites: list[Site]) -> list[str]:
    return [each.name for each in sites]


def test_a_new_site_is_crawled_at_once_and_then_on_its_schedule() -> None:
    table = Timetable([site("a")], {}, NOW)
    assert names(table.due(NOW)) == ["a"]
    assert table.due(NOW + 60 * MINUTE) == []
    assert table.next_moment() is None
    table.done("a", NOW)
    moment = table.next_moment()
    assert moment is not None
    assert NOW + 15 * MINUTE <= moment <= NOW + 17 * MINUTE
    assert table.due(moment - MINUTE) == []
    assert names(table.due(moment)) == ["a"]


def test_a_site_without_schedule_is_never_due() -> None:
    table = Timetable([site("a", None)], {}, NOW)
    assert len(table) == 0
    assert table.due(NOW + timedelta(days=400)) == []


def test_cron_is_kept_to_the_minute() -> None:
    table = Timetable([site("a", "30 6 * * *")], {"a": NOW}, NOW)
    assert table.moments() == {"a": datetime(2026, 11, 23, 6, 30, tzinfo=UTC)}


def test_a_restart_makes_up_for_what_was_missed_one_by_one_and_the_longest_waiting_first() -> None:
    sites = [site(f"s{number}") for number in range(500)]
    last = {each.name: NOW - timedelta(days=2, seconds=number) for number, each in enumerate(sites)}
    table = Timetable(sites, last, NOW)
    at_once = names(table.due(NOW))
    assert len(at_once) <= 2
    counts = Counter(len(table.due(NOW + timedelta(seconds=second))) for second in range(1, 901))
    assert max(counts) <= 2
    assert len(table.moments()) == 0


def test_a_thousand_sites_are_crawled_on_time_through_a_simulated_day() -> None:
    """Each crawl takes half a minute; there is room for all of them."""
    schedules = ["15m", "1h", "*/20 * * * *", "0 6 * * *"]
    sites = [site(f"s{number}", schedules[number % 4]) for number in range(1000)]
    last = {each.name: NOW - timedelta(seconds=number % 900) for number, each in enumerate(sites)}
    table = Timetable(sites, last, NOW)
    planned = table.moments()
    under_way: list[tuple[datetime, datetime, str]] = []
    crawls: Counter[str] = Counter()
    late = timedelta(0)
    now = NOW
    for _ in range(24 * 60):
        now += MINUTE
        for ended, started, name in [each for each in under_way if each[0] <= now]:
            under_way.remove((ended, started, name))
            table.done(name, started)
            planned[name] = table.moments()[name]
        for each in table.due(now):
            late = max(late, now - planned[each.name])
            crawls[each.name] += 1
            under_way.append((now + timedelta(seconds=30), now, each.name))
    assert late <= MINUTE
    assert crawls["s3"] == 1
    assert 70 <= crawls["s2"] <= 73
    assert 80 <= crawls["s0"] <= 96
