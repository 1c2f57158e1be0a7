from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.capture import Spool
from storage.message import MAX_HEAD
from tests.storage.captures import make_capture, ok, spooled


def content(spool: Spool, offset: int = 0, **options: int) -> bytes:
    return b"".join(spool.pieces(offset, **options))


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 150), st.integers(0, 200), st.integers(1, 64))
def test_what_was_written_is_read_back_from_memory_or_file(
    pieces: list[bytes], limit: int, offset: int, step: int
) -> None:
    spool = Spool(limit=limit)
    for number, piece in enumerate(pieces):
        spool.write(piece)
        so_far = b"".join(pieces[: number + 1])
        assert spool.start(7) == so_far[:7]
        assert next(spool.pieces(), b"") == so_far
    data = b"".join(pieces)
    assert spool.size == len(data)
    assert content(spool, offset, step=step) == data[offset:]
    assert content(spool) == data


@pytest.mark.parametrize("limit", [0, 1000])
def test_a_spool_cut_short_goes_on_where_it_was_cut(limit: int) -> None:
    spool = spooled(b"headbodyjunk", limit=limit)
    spool.truncate(8)
    assert (spool.size, content(spool)) == (8, b"headbody")
    spool.write(b"!")
    assert (spool.size, content(spool)) == (9, b"headbody!")
    spool.truncate(100)
    assert spool.size == 9


def test_a_long_response_lies_in_a_file_without_a_name(tmp_path: Path) -> None:
    spool = Spool(limit=1000, directory=tmp_path)
    spool.write(b"x" * 600)
    spool.write(b"y" * 600)
    assert list(tmp_path.iterdir()) == []
    assert content(spool) == b"x" * 600 + b"y" * 600
    spool.close()
    spool.close()


def test_a_full_disk_is_reported_where_it_happens_and_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def full(file: int, data: bytes, offset: int) -> int:
        if offset >= 2000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[: 2000 - offset], offset)

    spool = spooled(b"a" * 1500, limit=1000)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        spool.write(b"b" * 1000)
    assert content(spool) == spool.start(9999) == b"a" * 1500
    monkeypatch.undo()
    spool.write(b"c")
    assert content(spool) == b"a" * 1500 + b"c"


def test_a_full_disk_met_while_leaving_memory_keeps_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    spool = spooled(b"a" * 900, limit=1000)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        spool.write(b"b" * 200)
    assert content(spool) == b"a" * 900


@pytest.mark.parametrize("store", [spooled, lambda data: spooled(data, limit=10)])
def test_the_head_of_a_capture_is_found_in_memory_and_file(store: Callable[[bytes], Spool]) -> None:
    head, length = make_capture(response=store(ok(b"body"))).head()
    assert head is not None
    assert head.status == 200
    assert ok(b"body")[length:] == b"body"


def test_a_capture_without_a_whole_head_has_none() -> None:
    assert make_capture(response=b"HTTP/1.1 200 OK\r\nServer: x").head() == (None, 0)
    assert make_capture(response=b"").head() == (None, 0)
    assert make_capture(response=b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n").head() == (None, 0)
