"""``archiver verify``, ``archiver reindex`` and ``archiver stats``: the archive looked after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli.command import Place, flipped
from tests.cli.conftest import make_place
from tests.stories import story
from tests.wirelog import wire_log


@dataclass(frozen=True)
class Kept:
    """An archive of two segments, whose second holds a revisit."""

    place: Place
    site: str
    saved: dict[str, Any]

    def listing(self) -> list[dict[str, Any]]:
        return self.place.command("snapshots", "--json", "--host", self.site).objects


@pytest.fixture(scope="module", params=["local", "s3"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    place = make_place(request, tmp_path_factory.mktemp("home"))
    with wire_log() as server:
        urls = [server.page(f"/{number}", story(f"Story {number}")) for number in range(3)]
        place.command("save", "--allow-private", *urls)
        saved = place.command("save", "--allow-private", "--json", urls[0]).object
        yield Kept(place, server.http, saved)


def test_verify_finds_nothing_wrong(kept: Kept) -> None:
    done = kept.place.command("verify")
    assert done.lines[-1].endswith("4 captures (1 revisits), 4 articles: everything is in order")
    assert done.err == ""
    assert kept.place.command("verify", "--json").object["clean"] is True
    assert kept.place.leftovers() == []


@pytest.mark.parametrize("kind", ["warc", "articles"])
def test_verify_names_the_file_and_the_offset_of_damage(kept: Kept, kind: str) -> None:
    key = next(key for key in kept.place.stored() if key.startswith(f"{kind}/"))
    size = len(kept.place.read(key))
    with flipped(kept.place, key, size // 2):
        found = kept.place.command("verify", "--json", code=1).object
        lines = kept.place.command("verify", code=1).lines
    assert found["clean"] is False
    place = next(problem["where"] for problem in found["problems"] if problem["where"].startswith(f"{key} offset "))
    assert 0 <= int(place.rpartition(" ")[2]) <= size // 2
    assert any(line.startswith(f"{place}: ") for line in lines)


def test_verify_notices_a_missing_file(kept: Kept) -> None:
    key = kept.saved["warc"]["file"]
    sound = kept.place.read(key)
    kept.place.write(key, b"")
    done = kept.place.command("verify", code=1)
    kept.place.write(key, sound)
    assert any(line.startswith(key) for line in done.lines)


def test_reading_damage_is_one_clear_line(kept: Kept) -> None:
    warc, url = kept.saved["warc"], kept.saved["url"]
    with flipped(kept.place, warc["file"], warc["offset"] + 20):
        complaint = kept.place.command("get", url, "--format", "headers", code=1).complaint
    assert complaint.startswith(f"archiver: {warc['file']}")
    assert str(warc["offset"]) in complaint


def test_reindex_rebuilds_the_same_listing(kept: Kept) -> None:
    before, counted = kept.listing(), kept.place.command("stats", "--json").object
    for path in kept.place.indexes():
        path.unlink()
    done = kept.place.command("reindex")
    assert done.lines == ["2 segments: 4 captures and 4 articles are indexed"]
    assert kept.listing() == before
    assert kept.place.command("stats", "--json").object == counted
    for path in kept.place.indexes():
        path.unlink()
    assert kept.listing() == before, "any command makes a missing index anew"


@pytest.mark.parametrize("damage", ["all", "behind the first page"])
def test_a_damaged_index_is_mended_by_reindex(kept: Kept, damage: str) -> None:
    before, url = kept.listing(), kept.saved["url"]
    index, *_ = kept.place.indexes()
    sound = index.read_bytes()
    start = 0 if damage == "all" else 4096
    index.write_bytes(sound[:start] + b"\x55" * (len(sound) - start))
    for command in (["snapshots", url], ["save", "--allow-private", url]):
        complaint = kept.place.command(*command, code=1).complaint
        assert complaint.startswith(f"archiver: {index} is no usable index (")
        assert complaint.endswith("); `archiver reindex` rebuilds it")
    mended = kept.place.command("reindex")
    assert mended.lines == ["2 segments: 4 captures and 4 articles are indexed"]
    assert mended.complaint.endswith(f"; it is {index}.damaged now")
    assert kept.listing() == before
    kept.place.command("verify")
