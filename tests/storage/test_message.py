from __future__ import annotations

import gzip
import random
import resource
import sys
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import message
from storage.message import ContentTooLarge, Dechunker, decode_content, head_end, parse_head, payload_of, split_interim

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = "".join(random.Random(1).choices("aeinrst <>/p\n", k=60_000)).encode()
MANY = 1 << 30
CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstd.compress(TEXT),
}
BARE_DEFLATE = zlib.compress(TEXT)[2:-4]


# Heads


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", 25),
        (b"HTTP/1.1 200 OK\nA: b\n\nbody", 22),
        (b"HTTP/1.1 200 OK\r\nA: b\n\r\nbody", 24),
        (b"ICY 200 OK\r\n\r\n\xff\xfb", 14),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", 2),
        (b"<html>\n\n<p>", 8),
    ],
)
def test_a_head_ends_at_its_first_empty_line(data: bytes, end: int) -> None:
    assert head_end(data) == end


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r"])
def test_a_head_that_has_not_come_whole_has_no_end(data: bytes) -> None:
    assert head_end(data) is None


def test_a_head_keeps_order_case_and_repeats_of_its_fields() -> None:
    head = parse_head(b"HTTP/1.0 301 Moved  for good \r\nSet-Cookie: a=1\r\nX: \r\nset-cookie:b=2\r\n\r\n")
    assert (head.version, head.status, head.reason) == (b"HTTP/1.0", 301, b"Moved  for good")
    assert head.fields == ((b"Set-Cookie", b"a=1"), (b"X", b""), (b"set-cookie", b"b=2"))
    assert head.values(b"SET-COOKIE") == [b"a=1", b"b=2"]
    assert head.value(b"x") == b""
    assert head.value(b"y") is None


def test_folded_lines_are_joined_and_lines_without_a_colon_skipped() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\nX: one\n\ttwo\n  three\nno colon here\nY : z\n\n")
    assert head.fields == ((b"X", b"one two three"), (b"Y", b"z"))


def test_a_fold_before_the_first_field_is_no_field() -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\n folded\r\nX: y\r\n\r\n").fields == ((b"X", b"y"),)


def test_bytes_beyond_ascii_survive_in_a_head() -> None:
    head = parse_head("HTTP/1.1 404 Gefälscht\r\nX-Größe: Übel\r\n\r\n".encode("latin-1"))
    assert head.reason.decode("latin-1") == "Gefälscht"
    assert head.value("X-Größe".encode("latin-1")) == "Übel".encode("latin-1")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"HTTP/1.1 999 Denied", 999),
        (b"ICY 200 OK", 200),
        (b"HTTP/1.1  204", 204),
        (b"HTTP/1.1", None),
        (b"HTTP/1.1 OK", None),
        (b"HTTP/1.1 2000 OK", None),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_a_status_is_three_digits_or_none(line: bytes, status: int | None) -> None:
    assert parse_head(line + b"\r\n\r\n").status == status


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\n\r\nbody"


@pytest.mark.parametrize(
    "interim", [[], [HINTS], [HINTS, HINTS, HINTS], [b"HTTP/1.1 100 Continue\n\n", HINTS], [b"http/1.1 100\r\n\r\n"]]
)
def test_interim_heads_are_told_from_the_final_one(interim: list[bytes]) -> None:
    data = b"".join(interim) + FINAL
    assert split_interim(data) == (interim, len(data) - len(FINAL))


def test_an_interim_head_that_is_cut_off_counts_as_final() -> None:
    assert split_interim(HINTS + HINTS[:-2]) == ([HINTS], len(HINTS))


def test_switching_protocols_is_final() -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
    assert split_interim(HINTS + switching) == ([HINTS], len(HINTS))


def test_only_the_last_transfer_coding_frames_the_body() -> None:
    def is_chunked(*values: bytes) -> bool:
        lines = b"".join(b"Transfer-Encoding: %s\r\n" % value for value in values)
        return message.is_chunked(parse_head(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n"))

    assert is_chunked(b"Chunked")
    assert is_chunked(b"gzip, chunked")
    assert is_chunked(b"gzip", b"chunked")
    assert not is_chunked(b"chunked, gzip")
    assert not is_chunked(b"identity")
    assert not is_chunked()


# Chunk framing


def dechunk(*pieces: bytes) -> tuple[bytes, bool]:
    dechunker = Dechunker()
    return b"".join(map(dechunker.feed, pieces)), dechunker.malformed


BODIES = {
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n": (b"hello world", False),
    b"5;name=value;x\r\nhello\r\n0;last\r\n\r\n": (b"hello", False),
    b"5 \r\nhello\r\n0\r\nX-Trailer: 3\r\n\r\n": (b"hello", False),
    b"A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n": (b"0123456789" * 2, False),
    b"5\nhello\n0\n\n": (b"hello", False),
    b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK": (b"hello", False),
    b"0\r\n\r\n": (b"", False),
    b"": (b"", False),
    b"5\r\nhel": (b"hel", False),
    b"5\r\nhello\r\n1": (b"hello", False),
    b"5\r\nhello\r\nzz\r\nlost": (b"hello", True),
    b"5\r\nhello\r\n-1\r\n": (b"hello", True),
    b"<html>\nnever chunked</html>": (b"<html>\nnever chunked</html>", True),
    b'{"never": "chunked"}': (b'{"never": "chunked"}', True),
    b"\r\n5\r\nhello": (b"\r\n5\r\nhello", True),
    b"11111111111111111\r\n": (b"11111111111111111\r\n", True),
    b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n": (b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n", True),
    b"5\r\nhello\r\n5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n": (b"hello", True),
}


@pytest.mark.parametrize("body", BODIES)
def test_chunk_framing_is_removed_and_nothing_before_a_fault_is_lost(body: bytes) -> None:
    assert dechunk(body) == BODIES[body]


@pytest.mark.parametrize("body", BODIES)
def test_byte_by_byte_chunk_framing_reads_the_same(body: bytes) -> None:
    assert dechunk(*(body[i : i + 1] for i in range(len(body)))) == BODIES[body]


@given(st.data())
def test_it_does_not_matter_how_the_network_splits_a_chunked_body(data: st.DataObject) -> None:
    body = data.draw(
        st.sampled_from(sorted(BODIES)) | st.lists(st.sampled_from(sorted(BODIES)), max_size=3).map(b"".join)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[low:high] for low, high in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert dechunk(*pieces) == dechunk(body)


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=5), st.data())
def test_a_body_survives_any_chunking(body: bytes, sizes: list[int], data: st.DataObject) -> None:
    framed, start = bytearray(), 0
    for size in [*sizes, len(body)]:
        if part := body[start : start + size]:
            framed += b"%X\r\n%s\r\n" % (len(part), part)
        start += size
    framed += b"0\r\nTrailer: yes\r\n\r\n"
    cut = data.draw(st.integers(0, len(framed)))
    assert dechunk(bytes(framed[:cut]), bytes(framed[cut:])) == (body, False)
    whole, is_malformed = dechunk(bytes(framed[:cut]))
    assert body.startswith(whole)
    assert not is_malformed


def test_a_body_that_is_not_chunked_passes_through_piece_by_piece() -> None:
    pieces: list[bytes | memoryview] = [b"a", memoryview(b"b"), b""]
    assert list(payload_of(pieces, chunked=False)) == pieces
    assert list(payload_of([b"3\r\nabc", b"", b"\r\n0\r\n"], chunked=True)) == [b"abc"]


# Content codings


def test_codings_are_named_in_the_order_they_were_applied() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nContent-Encoding: Deflate, identity\r\ncontent-encoding: GZIP,\r\n\r\n")
    assert message.content_codings(head) == ["deflate", "gzip"]


@pytest.mark.parametrize("coding", CODED)
def test_a_coded_body_is_decoded(coding: str) -> None:
    assert decode_content(CODED[coding], [coding], limit=len(TEXT)) == TEXT


def test_bare_deflate_as_many_servers_send_it_is_decoded() -> None:
    assert decode_content(BARE_DEFLATE, ["deflate"], limit=len(TEXT)) == TEXT


def test_two_codings_are_undone_in_reverse() -> None:
    assert decode_content(gzip.compress(CODED["br"]), ["br", "gzip"], limit=MANY) == TEXT


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_several_members_are_one_body(coding: str, compress: object) -> None:
    assert callable(compress)
    body = compress(b"one ") + compress(b"") + compress(b"two")
    assert decode_content(body, [coding], limit=100) == b"one two"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_an_empty_body_decodes_to_nothing(coding: str) -> None:
    empty = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}[coding](b"")
    assert decode_content(empty, [coding], limit=10) == b""
    assert decode_content(b"", [coding], limit=10) == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
def test_of_a_truncated_body_all_that_came_is_decoded(coding: str, share: float) -> None:
    cut = CODED[coding][: int(len(CODED[coding]) * share)]
    decoded = decode_content(cut, [coding], limit=MANY)
    assert TEXT.startswith(decoded)
    assert len(decoded) > len(TEXT) * share * 0.6


def test_of_a_truncated_zstd_body_all_whole_blocks_are_decoded() -> None:
    text = TEXT * 20
    coded = zstd.compress(text, options={zstd.CompressionParameter.compression_level: 1})
    decoded = decode_content(coded[:-10], ["zstd"], limit=MANY)
    assert text.startswith(decoded)
    assert decoded


@pytest.mark.parametrize("text", [TEXT, TEXT[:300]])
def test_a_page_whose_checksum_is_wrong_is_still_read(text: bytes) -> None:
    for coding, coded in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        assert decode_content(coded[:-4] + b"\0\1\2\3", [coding], limit=MANY) == text


def test_damage_in_the_middle_keeps_what_came_before() -> None:
    coded = bytearray(gzip.compress(TEXT))
    coded[len(coded) // 2 : len(coded) // 2 + 50] = b"\xff" * 50
    decoded = decode_content(bytes(coded), ["gzip"], limit=MANY)
    assert decoded[: len(TEXT) // 3] == TEXT[: len(TEXT) // 3]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_follows_the_compressed_body_is_ignored(coding: str) -> None:
    assert decode_content(CODED[coding] + b"\r\nPHP Warning", [coding], limit=MANY) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "dcb", "nonsense"])
@pytest.mark.parametrize("body", [b"<!doctype html><p>plain</p>", b'{"a": 1}', b"<html>" * 3000])
def test_a_body_that_is_not_coded_at_all_is_returned_as_it_is(coding: str, body: bytes) -> None:
    assert decode_content(body, [coding], limit=MANY) == body


def test_an_unknown_coding_stops_the_decoding_there() -> None:
    assert decode_content(gzip.compress(b"coded"), ["secret", "gzip"], limit=MANY) == b"coded"
    assert decode_content(CODED["gzip"], ["gzip", "secret"], limit=MANY) == CODED["gzip"]


@pytest.mark.parametrize("coding", CODED)
def test_the_limit_is_exact(coding: str) -> None:
    with pytest.raises(ContentTooLarge):
        decode_content(CODED[coding], [coding], limit=len(TEXT) - 1)


def bomb(coding: str) -> bytes:
    """Sixty megabytes of zeros, coded."""
    zeros = bytes(1 << 20)
    if coding == "br":
        brotlier = brotli.Compressor(quality=4)
        return b"".join([*(brotlier.process(zeros) for _ in range(60)), brotlier.finish()])
    if coding == "zstd":
        zstder = zstd.ZstdCompressor()
        return b"".join([*(zstder.compress(zeros) for _ in range(60)), zstder.flush()])
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    return b"".join([*(deflater.compress(zeros) for _ in range(60)), deflater.flush()])


@pytest.mark.parametrize("codings", [["gzip"], ["deflate"], ["br"], ["zstd"], ["gzip", "br"]])
def test_a_bomb_is_refused_without_being_unpacked(codings: list[str]) -> None:
    coded = bomb(codings[0])
    for coding in codings[1:]:
        assert coding == "br"
        coded = brotli.compress(coded)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContentTooLarge):
        decode_content(coded, codings, limit=1 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


def test_a_hundred_thousand_empty_members_are_no_bomb() -> None:
    assert decode_content(gzip.compress(b"") * 100_000 + gzip.compress(b"end"), ["gzip"], limit=10) == b"end"
