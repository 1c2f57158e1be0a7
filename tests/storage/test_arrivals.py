from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.arrivals import Arrival, Arrivals
from storage.cdx import ArticleEntry
from storage.index import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index.open(tmp_path / "index.sqlite3")
    yield index
    index.close()


def article(
    name: str, timestamp: str, outcome: str = "saved", *, version: int | None = 1, revision: int = 1,
    site: str | None = "courier", offset: int | None = None,
) -> ArticleEntry:  # fmt: skip
    return ArticleEntry(
        segment="2026/11/22/a",
        capture_offset=int(timestamp) if offset is None else offset,
        revision=revision,
        offset=0,
        length=1,
        id=f"{name} {timestamp}",
        url=f"https://courier.example/{name}",
        timestamp=timestamp,
        site=site,
        title=name.title(),
        published_at=None,
        language=None,
        outcome=outcome,
        text_sha256=None,
        version=version,
        word_count=None,
    )


def date(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_only_the_first_capture_of_an_article_is_its_arrival(index: Index) -> None:
    index.add(
        (),
        [
            article("ferry", "20261120080000"),
            article("ferry", "20261120090000", "unchanged"),
            article("ferry", "20261121090000", version=2),
            article("wall", "20261120083000", "paywalled"),
            article("wall", "20261122083000", "paywalled"),
            article("door", "20261122093000", "blocked", version=None),
            article("coast", "20261122103000", site="gazette"),
            article("nobody", "20261122113000", site=None),
        ],
    )
    arrivals = Arrivals(index)
    assert arrivals.newest("courier", 9) == [date(20, 8, 30), date(20, 8)]
    assert arrivals.newest("courier", 1) == [date(20, 8, 30)]
    assert arrivals.last("courier") == Arrival(date(20, 8, 30), "Wall")
    assert arrivals.last("nobody") is None
    assert arrivals.count("courier", date(20, 8, 1), date(1, 0)) == [1, 2]
    assert arrivals.count("nobody", date(1, 0)) == [0]


def test_articles_that_were_read_again_count_once(index: Index) -> None:
    index.add((), [article("ferry", "20261120080000"), article("ferry", "20261120080000", revision=2)])
    assert Arrivals(index).newest("courier", 9) == [date(20, 8)]


def test_an_article_that_got_its_site_when_it_was_read_again_is_one_of_it(index: Index) -> None:
    again = [article("ferry", "20261120080000", revision=number) for number in (2, 3)]
    index.add((), [article("ferry", "20261120080000", site=None), *again])
    assert Arrivals(index).newest("courier", 9) == [date(20, 8)]


def test_hours_in_which_something_came_are_named_once(index: Index) -> None:
    moments = ["20261101080000", "20261120080000", "20261120085959", "20261121060000"]
    index.add((), [article(f"a{number}", moment) for number, moment in enumerate(moments)])
    assert Arrivals(index).hours("courier", date(10, 0)) == [date(20, 8), date(21, 6)]
