"""The archive in Python: the same verbs as on the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import archiver
from archiver import Archive, Snapshot
from archiver.archive import instant
from archiver.errors import ArchiveError, BadRequest, NewerFormat, NoArchive, NotArchived, SaveFailed
from storage.errors import DamagedIndex
from tests.archiver.conftest import place_for
from tests.oddcases import head
from tests.stories import CAPTCHA, story
from tests.wirelog import WireLog, wire_log


@dataclass(frozen=True)
class Saved:
    """An archive, and what saving three pages into it returned."""

    archive: Archive
    server: WireLog
    bridge: Snapshot
    again: Snapshot
    blocked: Snapshot
    moved: Snapshot


@pytest.fixture(scope="module", params=["local", "s3"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    with pytest.MonkeyPatch.context() as patch, wire_log() as server:
        place = place_for(request, tmp_path_factory.mktemp("archive"), patch)
        bridge = server.page("/bridge", story("Bridge to be repaired"))
        captcha = server.page("/captcha", CAPTCHA)
        server.pages["/moved"] = head(b"HTTP/1.1 302 Found", b"Location: /new?a=1", b"Content-Length: 0")
        server.page("/new", story("At its new place"))
        with Archive.open(place) as archive:
            first = archive.save(bridge, allow_private=True)
            time.sleep(1.01 - time.time() % 1)  # timestamps are no finer than a second
            others = (archive.save(url, allow_private=True) for url in (bridge, captcha, f"{server.http}/moved"))
            yield Saved(archive, server, first, *others)


def test_a_saved_page_comes_back_with_its_article(saved: Saved) -> None:
    snapshot = saved.bridge
    assert (snapshot.status, snapshot.outcome) == (200, "saved")
    assert snapshot.article is not None
    assert snapshot.article.title == "Bridge to be repaired"
    assert (snapshot.article.version, snapshot.article.requested_url) == (1, snapshot.url)
    assert snapshot.date == datetime.strptime(snapshot.timestamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def test_a_snapshot_gives_the_bytes_of_its_capture(saved: Saved) -> None:
    first, second = (exchange.response for exchange in saved.server.find("/bridge"))
    assert saved.bridge.head_bytes + saved.bridge.body() == first
    assert saved.again.entry.is_revisit
    assert saved.again.head_bytes + saved.again.body() == second
    assert saved.again.article is not None
    assert (saved.again.outcome, saved.again.article.version) == ("unchanged", 1)


def test_a_blocked_page_is_a_snapshot_named_so(saved: Saved) -> None:
    assert saved.blocked.outcome == "blocked"
    assert saved.blocked.article is not None
    assert saved.blocked.article.text is None


def test_saving_a_redirect_returns_where_it_led(saved: Saved) -> None:
    assert saved.moved.url == f"{saved.server.http}/new?a=1"
    assert saved.archive.find_article(f"{saved.server.http}/moved").entry == saved.moved.entry
    (redirect,) = saved.archive.snapshots(f"{saved.server.http}/moved")
    assert (redirect.status, redirect.outcome, redirect.article) == (302, None, None)


def test_snapshots_are_oldest_first(saved: Saved) -> None:
    found = saved.archive.snapshots(saved.bridge.url)
    assert [each.entry for each in found] == [saved.bridge.entry, saved.again.entry]
    everything = saved.archive.snapshots(saved.server.http, match="host")
    assert len(everything) == len(saved.server.exchanges)
    assert saved.archive.snapshots(saved.bridge.url, since="2100") == []
    assert len(saved.archive.snapshots(saved.bridge.url, until=saved.again.timestamp)) == 2


@pytest.mark.parametrize("at", ["1999", datetime(1999, 1, 1), datetime(1999, 1, 1, tzinfo=UTC), "1999-12-31T23+01:00"])
def test_a_snapshot_is_the_nearest_in_time(saved: Saved, at: str | datetime) -> None:
    assert saved.archive.snapshot(saved.bridge.url, at=at).entry == saved.bridge.entry
    assert saved.archive.snapshot(saved.bridge.url).entry == saved.again.entry


def test_verify_and_reindex_find_everything_in_order(saved: Saved) -> None:
    before = [each.to_json() for each in saved.archive.snapshots(saved.server.http, match="host")]
    steps: list[tuple[int, int]] = []
    assert saved.archive.verify(progress=lambda done, total: steps.append((done, total))).is_clean
    segments = saved.archive.reindex(progress=lambda done, total: steps.append((done, total)))
    assert (segments, segments) == steps[-1]
    assert [each.to_json() for each in saved.archive.snapshots(saved.server.http, match="host")] == before


def test_what_is_not_there_is_said_with_the_way_to_get_it(saved: Saved) -> None:
    with pytest.raises(NotArchived) as missing:
        saved.archive.snapshot("https://example.com/never")
    assert str(missing.value) == (
        'https://example.com/never has no snapshot; "archiver save https://example.com/never" makes one'
    )
    assert missing.value.url == "https://example.com/never"
    assert saved.archive.snapshots("https://example.com/never") == []


def test_a_failed_save_says_outcome_and_reason(saved: Saved) -> None:
    with pytest.raises(SaveFailed) as failure:
        saved.archive.save("http://no-such-host.invalid/")
    assert failure.value.outcome == "failed"
    assert str(failure.value).startswith("http://no-such-host.invalid/: failed: the name no-such-host.invalid ")
    with pytest.raises(SaveFailed) as refusal:
        saved.archive.save(saved.bridge.url)
    assert refusal.value.outcome == "refused"
    assert "is a private address" in refusal.value.evidence[0]
    with pytest.raises(BadRequest, match="is not a URL"):
        saved.archive.save("nonsense")


def test_a_recent_snapshot_is_good_enough(saved: Saved) -> None:
    asked = len(saved.server.exchanges)
    hour = timedelta(hours=1)
    for url, known in ((saved.bridge.url, saved.again), (f"{saved.server.http}/moved", saved.moved)):
        assert saved.archive.save(url, allow_private=True, if_older_than=hour).entry == known.entry
    assert len(saved.server.exchanges) == asked


def test_threads_save_and_read_at_once(place: str, server: WireLog) -> None:
    pages = [server.page(f"/{number}", story(f"Story {number}")) for number in range(8)]

    def work(url: str) -> list[str | None]:
        titles = []
        for _ in range(3):
            snapshot = archive.save(url, allow_private=True)
            titles.append(snapshot.article.title if snapshot.article else None)
            assert archive.find_article(url).article is not None
            assert archive.snapshot(url).body() == snapshot.body()
            assert len(archive.snapshots(server.http, match="host")) >= len(titles)
        return titles

    with Archive.open(place) as archive, ThreadPoolExecutor(8) as threads:
        titles = list(threads.map(work, pages))
        assert titles == [[f"Story {number}"] * 3 for number in range(8)]
        assert archive.verify().is_clean
    with Archive.open(place) as reopened:
        kept = reopened.snapshots(server.http, match="host")
        assert [each.url for each in kept] == sorted(pages * 3)
        assert reopened.recovered == []


def test_the_public_names_are_these() -> None:
    assert archiver.__all__ == ["Archive", "ArchiverAddon", "Article", "Snapshot", "__version__"]
    for name in archiver.__all__:
        assert getattr(archiver, name)
    with pytest.raises(AttributeError, match="has no attribute 'Spider'"):
        _ = archiver.Spider


def test_opening_what_is_not_there_makes_it_unless_told_otherwise(place: str) -> None:
    with pytest.raises(NoArchive, match="there is no archive at"):
        Archive.open(place, create=False)
    with Archive.open(place) as archive:
        first = archive.id
    with Archive.open(place, create=False) as archive:
        assert archive.id == first


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text(json.dumps({"format": 2, "id": "a"}))
    with pytest.raises(NewerFormat, match="has format 2, this version of archiver reads up to 1; install a newer one"):
        Archive.open(tmp_path)


def test_a_damaged_index_says_how_to_mend_it(tmp_path: Path) -> None:
    Archive.open(tmp_path).close()
    (tmp_path / "index.sqlite3").write_bytes(b"no database" * 99)
    with pytest.raises(DamagedIndex, match="`archiver reindex` rebuilds it"):
        Archive.open(tmp_path)


def test_all_errors_are_one_tree() -> None:
    from archiver import errors

    kinds = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(kind, ArchiveError) for kind in kinds)
    assert all(name in (errors.__doc__ or "") for name in ("NotArchived", "NoArchive", "BadRequest", "SaveFailed"))


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("2019", "20190701000000"),
        ("2019-02", "20190215120000"),
        ("2019-02-07", "20190207120000"),
        ("20190207", "20190207120000"),
        ("2019-02-07T18:21", "20190207182100"),
        ("2019-02-07 18:21:30", "20190207182130"),
        ("2019-02-07T18:21+01:00", "20190207172100"),
        ("2019-02-07T18:21:00Z", "20190207182100"),
        ("20190207182130", "20190207182130"),
        (" 2019-02-07 ", "20190207120000"),
    ],
)
def test_dates_cut_short_mean_their_middle(text: str, digits: str) -> None:
    assert instant(text) == digits


@pytest.mark.parametrize("text", ["", "2019-02-31", "2019-13", "2019-W07", "19", "yesterday", "٢٠١٩", "9" * 20, "0000"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no date; write 2019-02-07"):
        instant(text)
