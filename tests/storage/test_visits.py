from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.index import Index
from storage.visits import Due, Kind, Visit, Visits

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def visits(tmp_path: Path) -> Iterator[Visits]:
    index = Index.open(tmp_path / "index.sqlite3")
    yield Visits(index)
    index.close()


def visit(name: str, due: datetime | None = NOW, site: str = "courier") -> Visit:
    return Visit(name, f"https://{site}.example/{name}", site, "article", due)


def waiting(visits: Visits, kinds: Sequence[Kind] = ("article",), *, new: bool = True, limit: int = -1) -> list[str]:
    return [each.key for each in visits.due("courier", NOW, kinds=kinds, new=new, limit=limit)]


def test_a_visit_comes_back_as_it_was_put(visits: Visits) -> None:
    full = Visit(
        "k",
        "https://a.example/ü",
        "a",
        "feed",
        NOW,
        NOW - HOUR,
        NOW - 2 * HOUR,
        3,
        1,
        2,
        600.0,
        '"tag"',
        "Sun, 22 Nov",
        -1,
    )
    bare = Visit("l", "https://a.example/l", "a", "alias")
    visits.put([full, bare])
    assert visits.get(["k", "l", "unknown"]) == {"k": full, "l": bare}


def test_a_visit_replaces_the_one_before(visits: Visits) -> None:
    visits.put([visit("a")])
    visits.put([replace(visit("a"), step=4, due=NOW + HOUR)])
    assert visits.get(["a"])["a"].step == 4
    assert waiting(visits) == []


def test_what_is_due_comes_in_the_order_in_which_it_waited(visits: Visits) -> None:
    visits.put([visit("late", NOW + HOUR), visit("b", NOW - HOUR), visit("a", NOW), visit("never", None)])
    visits.put([visit("elsewhere", NOW - 2 * HOUR, site="other")])
    visits.put([replace(visit("known", NOW), visited=NOW - HOUR), replace(visit("feed"), kind="feed")])
    assert waiting(visits) == ["b", "a"]
    assert waiting(visits, limit=1) == ["b"]
    assert waiting(visits, new=False) == ["known"]
    assert waiting(visits, kinds=["feed"]) == ["feed"]
    assert visits.next_due("courier") == NOW - HOUR
    assert visits.next_due("nobody") is None


def test_sites_that_have_something_due_are_told(visits: Visits) -> None:
    visits.put([visit("a", NOW - HOUR), visit("b", NOW), visit("c", NOW + HOUR), visit("d", NOW + HOUR, site="later")])
    sites = ["courier", "later", "unknown"]
    assert visits.due_by_site(sites, NOW) == {"courier": Due("courier", 2, NOW - HOUR)}
    assert visits.due_by_site(sites, NOW, limit=1)["courier"].count == 1


def test_thousands_of_keys_are_asked_for_at_once(visits: Visits) -> None:
    many = [visit(f"page-{number:05}") for number in range(3000)]
    visits.put(many)
    assert visits.get([each.key for each in many] + ["more"]) == {each.key: each for each in many}
    assert list(visits.of_site("courier")) == many


def test_a_site_is_listed_by_kind_and_forgotten_as_a_whole(visits: Visits) -> None:
    visits.put([visit("a"), replace(visit("feed"), kind="feed"), visit("b", site="other")])
    assert [each.key for each in visits.of_site("courier", ["feed"])] == ["feed"]
    assert visits.forget("courier") == 2
    assert list(visits.of_site("courier")) == []
    assert [each.key for each in visits.of_site("other")] == ["b"]


def test_a_date_without_time_zone_is_refused(visits: Visits) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        visits.put([visit("a", datetime(2026, 11, 22))])


def test_visits_survive_the_index_being_closed(tmp_path: Path) -> None:
    index = Index.open(tmp_path / "index.sqlite3")
    Visits(index).put([visit("a")])
    index.close()
    again = Index.open(tmp_path / "index.sqlite3")
    assert Visits(again).get(["a"]) == {"a": visit("a")}
    again.close()


def test_documents_are_found_among_many_pages(visits: Visits) -> None:
    documents = [replace(visit(kind), kind=kind) for kind in ("feed", "section", "sitemap")]
    visits.put([*documents, visit("page"), replace(visit("other"), kind="alias"), visit("feed2", site="other")])
    assert visits.documents("courier") == documents


def test_pages_that_wait_and_pages_that_are_missing_are_counted(visits: Visits) -> None:
    seen = [replace(visit(f"seen{misses}"), visited=NOW, misses=misses) for misses in range(5)]
    visits.put([visit("new"), visit("later", NOW + HOUR), visit("never", None), *seen, visit("b", site="other")])
    assert visits.waiting("courier") == 2
    assert visits.missing("courier", misses=3) == 2
    assert visits.missing("other", misses=1) == 0
