from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.crawl.pace import (
    LADDER,
    LONGEST,
    LONGEST_OF_THE_DEAD,
    SHORTEST,
    Finding,
    Interval,
    Standing,
    replay,
    spread,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FINDINGS: list[Finding] = ["new", "same", "changed", "missing", "failed"]


def waits(*findings: Finding) -> list[timedelta]:
    """The wait after each of these visits."""
    return [replay(findings[: count + 1]).wait() for count in range(len(findings))]


def test_an_article_nobody_edits_is_visited_ever_more_seldom() -> None:
    found: list[Finding] = ["new", *["same"] * 10]  # type: ignore[list-item]  # mypy widens the repeated literal
    assert waits(*found) == [*LADDER, LADDER[-1], LADDER[-1]]


def test_an_edit_moves_it_two_steps_back() -> None:
    assert waits("new", "same", "same", "same", "changed", "same") == [
        HOUR,
        3 * HOUR,
        12 * HOUR,
        DAY,
        3 * HOUR,
        12 * HOUR,
    ]
    assert waits("new", "changed") == [HOUR, HOUR]


def test_a_page_is_gone_after_two_confirmations_and_looked_for_seldom() -> None:
    standings = [replay(["new", *["missing"] * count]) for count in range(5)]  # type: ignore[list-item]  # as above
    assert [each.is_gone for each in standings] == [False, False, False, True, True]
    assert [each.wait() for each in standings] == [HOUR, HOUR, DAY, 30 * DAY, 90 * DAY]


def test_a_page_that_was_missing_for_a_moment_goes_on_where_it_stood() -> None:
    before = replay(["new", "same", "same"])
    assert replay(["new", "same", "same", "missing", "missing", "same"]) == before
    assert not replay(["new", "missing", "missing", "missing", "same"]).is_gone


def test_failures_wait_longer_each_time_and_do_not_move_the_page() -> None:
    minutes = timedelta(minutes=15)
    assert waits("new", "failed", "failed", "failed") == [HOUR, minutes, 2 * minutes, 4 * minutes]
    assert replay(["new", "same", *["failed"] * 100]).wait() == DAY  # type: ignore[list-item]  # as above
    assert replay(["new", "same", "failed", "failed", "same"]) == replay(["new", "same", "same"])


def test_a_site_may_have_a_ladder_of_its_own() -> None:
    assert replay(["new", "same", "same"]).wait((HOUR, 2 * HOUR)) == 2 * HOUR


@given(st.lists(st.sampled_from(FINDINGS), max_size=60))
def test_whatever_happens_there_is_a_next_visit_within_a_year(findings: list[Finding]) -> None:
    standing = replay(findings)
    assert timedelta(0) < standing.wait() <= LADDER[-1]
    assert standing.after("new") == Standing()


@given(st.text())
def test_the_spread_of_a_page_is_its_own_and_at_most_a_tenth(key: str) -> None:
    assert DAY <= spread(DAY, key) <= 1.1 * DAY
    assert spread(DAY, key) == spread(DAY, key)


def test_pages_found_together_come_due_apart() -> None:
    moments = sorted(spread(10 * HOUR, f"com,example)/{number}") for number in range(100))
    assert moments[-1] - moments[0] > 0.8 * HOUR
    assert len(set(moments)) == 100


def test_a_feed_with_news_is_fetched_more_often_and_one_without_less() -> None:
    busy = quiet = Interval()
    for _ in range(60):
        busy, quiet = busy.after(has_news=True), quiet.after(has_news=False)
    assert SHORTEST <= busy.wait < SHORTEST + timedelta(seconds=10)
    assert quiet.wait == LONGEST


def test_a_silent_night_does_not_cost_the_morning() -> None:
    interval, silence = Interval(SHORTEST), timedelta(0)
    while silence < 8 * HOUR:
        interval = interval.after(has_news=False, silence=silence)
        silence += interval.wait
    assert interval.wait <= 1.1 * HOUR
    while silence < 30 * DAY:
        interval = interval.after(has_news=False, silence=silence)
        silence += interval.wait
    assert interval.wait == LONGEST


@pytest.mark.parametrize(
    ("hint", "least"),
    [
        (timedelta(seconds=1), SHORTEST),
        (6 * HOUR, 6 * HOUR),
        (400 * DAY, LONGEST),
    ],
)
def test_what_a_feed_says_of_itself_counts_within_bounds(hint: timedelta, least: timedelta) -> None:
    assert Interval().after(has_news=True, hint=hint).wait >= least
    assert Interval().after(has_news=True, hint=hint).wait <= LONGEST


def test_a_feed_that_fails_is_asked_less_often_but_never_given_up() -> None:
    interval = Interval()
    found = []
    for _ in range(2000):
        interval = interval.after_failure()
        found.append(interval.wait)
    assert found[:3] == [2 * HOUR, 3 * HOUR, 4 * HOUR]
    assert found[-1] == LONGEST_OF_THE_DEAD
    assert interval.after(has_news=True).failures == 0
