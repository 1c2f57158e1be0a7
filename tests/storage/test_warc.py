from __future__ import annotations

import gzip
import hashlib
import io
import random
import subprocess
import sys
import textwrap
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fastwarc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from storage import warc
from storage.capture import Capture
from storage.errors import DamagedRecord
from storage.warc import (
    Member,
    Original,
    RecordWriter,
    digest_capture,
    format_digest,
    read_record,
    read_records,
)
from tests.storage.captures import (
    DATE,
    GET,
    PAGE,
    SOFTWARE,
    URL,
    Record,
    chunked,
    fix_identities,
    make_capture,
    ok,
    ok_chunked,
    records_in,
    spooled,
)

ORIGINAL = Original("<urn:uuid:00000000-0000-4000-8000-000000009999>", "http://example.com/a", "2020-01-02T03:04:05.6Z")
JPEG = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"


def sha1(data: bytes) -> str:
    return format_digest(hashlib.sha1(data).digest())


def member_bytes(member: Member) -> bytes:
    return b"".join(member.pieces)


def records_of(capture: Capture, writer: RecordWriter | None = None) -> list[bytes]:
    """The members of one capture: response, request, metadata."""
    writer = writer or RecordWriter("a.warc.gz", software=SOFTWARE)
    digests = digest_capture(capture)
    response = writer.response(capture, digests, warc.new_record_id())
    return [
        member_bytes(response),
        member_bytes(writer.request(capture, response.record_id, warc.new_record_id())),
        member_bytes(writer.metadata(capture, response.record_id, digests)),
    ]


def response_record(capture: Capture) -> Record:
    return records_in(records_of(capture)[0])[0]


def request_record(capture: Capture) -> Record:
    return records_in(records_of(capture)[1])[0]


def metadata_lines(capture: Capture) -> list[str]:
    return records_in(records_of(capture)[2])[0].block.decode().splitlines()


# What is written


GOLDEN = """\
WARC/1.1
WARC-Type: warcinfo
WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>
WARC-Date: 2026-11-22T06:43:21.123456Z
WARC-Filename: news-1.warc.gz
WARC-Block-Digest: sha1:YQJ25BH7I3QCGOOPUKATFG3TS2S7WOIL
Content-Type: application/warc-fields
Content-Length: 169

software: article-archiver/test
format: WARC File Format 1.1
conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/
operator: Ex


WARC/1.1
WARC-Type: response
WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000003>
WARC-Target-URI: https://example.com/story
WARC-Date: 2026-11-22T06:43:21.123456Z
WARC-Warcinfo-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>
WARC-IP-Address: 192.0.2.7
WARC-Protocol: http/1.1
WARC-Protocol: tls/1.3
WARC-Cipher-Suite: TLS_AES_128_GCM_SHA256
WARC-Truncated: disconnect
WARC-Block-Digest: sha1:3YHV6G2M2SCLJMQ3TCGXUSSGCAUWI2DX
WARC-Payload-Digest: sha1:624LPMSRBPSFL3CIFFY6CDMPLFK3WCLY
Content-Type: application/http; msgtype=response
Content-Length: 99

HTTP/1.1 200 OK
Content-Type: text/html
Transfer-Encoding: chunked

5
Hello
7
, flood
0



WARC/1.1
WARC-Type: request
WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000004>
WARC-Target-URI: https://example.com/story
WARC-Date: 2026-11-22T06:43:21.123456Z
WARC-Warcinfo-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>
WARC-IP-Address: 192.0.2.7
WARC-Protocol: http/1.1
WARC-Protocol: tls/1.3
WARC-Cipher-Suite: TLS_AES_128_GCM_SHA256
WARC-Concurrent-To: <urn:uuid:00000000-0000-4000-8000-000000000003>
WARC-Redacted-Fields: Cookie
WARC-Block-Digest: sha1:QZBGMUW3PEB57FCUE2H3T7BKVE6264PV
Content-Type: application/http; msgtype=request
Content-Length: 42

GET /story HTTP/1.1
Host: example.com



WARC/1.1
WARC-Type: metadata
WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000005>
WARC-Target-URI: https://example.com/story
WARC-Date: 2026-11-22T06:43:21.123456Z
WARC-Warcinfo-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>
WARC-Concurrent-To: <urn:uuid:00000000-0000-4000-8000-000000000003>
WARC-Block-Digest: sha1:QWURZTYCCMYF4LDVPX2JXG6VJYQ5ANGY
Content-Type: application/warc-fields
Content-Length: 330

fetchTimeMs: 250
timeToFirstByteMs: 125
connection: 2
bytesAfterMessageDropped: 3
interimResponseBase64: SFRUUC8xLjEgMTAzIEVhcmx5IEhpbnRzDQoNCg==
tlsCertificateSha256: abababababababababababababababababababababababababababababababab
tlsCertificateTrusted: yes
note: robots.txt was not consulted
via: https://example.com/


WARC/1.1
WARC-Type: revisit
WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000002>
WARC-Target-URI: https://example.com/story
WARC-Date: 2026-11-22T06:43:21.123456Z
WARC-Warcinfo-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>
WARC-IP-Address: 192.0.2.7
WARC-Protocol: http/1.1
WARC-Protocol: tls/1.3
WARC-Cipher-Suite: TLS_AES_128_GCM_SHA256
WARC-Profile: http://netpreserve.org/warc/1.1/revisit/identical-payload-digest
WARC-Refers-To: <urn:uuid:00000000-0000-4000-8000-000000009999>
WARC-Refers-To-Target-URI: http://example.com/a
WARC-Refers-To-Date: 2020-01-02T03:04:05.6Z
WARC-Truncated: length
WARC-Payload-Digest: sha1:624LPMSRBPSFL3CIFFY6CDMPLFK3WCLY
WARC-Block-Digest: sha1:XPMCME6PPEFZLYWYO6HNHGYUZI4CENMT
Content-Type: application/http; msgtype=response
Content-Length: 72

HTTP/1.1 200 OK
Content-Type: text/html
Transfer-Encoding: chunked



"""


def test_a_whole_file_is_as_the_standard_says_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_identities(monkeypatch)
    writer = RecordWriter("news-1.warc.gz", software=SOFTWARE, extra={"operator": "Ex"})
    capture = make_capture(
        "https://example.com/story",
        ok_chunked(b"Hello, flood", 5),
        protocols=("http/1.1", "tls/1.3"),
        cipher_suite="TLS_AES_128_GCM_SHA256",
        certificate_sha256="ab" * 32,
        certificate_trusted=True,
        interim=(b"HTTP/1.1 103 Early Hints\r\n\r\n",),
        redacted=("Cookie",),
        truncated="disconnect",
        dropped=3,
        connection=2,
        notes=("robots.txt was not consulted",),
        annotations={"via": "https://example.com/"},
    )
    revisit = writer.revisit(capture, sha1(b"Hello, flood"), ORIGINAL, warc.new_record_id())
    data = member_bytes(writer.warcinfo(DATE)) + b"".join(records_of(capture, writer)) + member_bytes(revisit)
    assert gzip.decompress(data).replace(b"\r\n", b"\n").decode() == GOLDEN


def test_every_record_is_its_own_gzip_member(tmp_path: Path) -> None:
    data = b"".join(records_of(make_capture()))
    path = tmp_path / "a.warc.gz"
    path.write_bytes(data)
    subprocess.run(["gzip", "-t", str(path)], check=True)
    members = []
    while data:
        inflater = zlib.decompressobj(31)
        members.append(inflater.decompress(data))
        assert inflater.eof
        data = inflater.unused_data
    assert [member.split(b"\r\n")[1] for member in members] == [
        b"WARC-Type: response",
        b"WARC-Type: request",
        b"WARC-Type: metadata",
    ]
    assert all(member.endswith(b"\r\n\r\n") for member in members)


ANY_RESPONSE = st.binary(max_size=300) | st.builds(
    lambda head, body: head + b"\r\n\r\n" + body,
    st.sampled_from(
        [b"HTTP/1.1 200 OK", b"ICY 200", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", JPEG[:-4], b"\xff\0"]
    ),
    st.binary(max_size=300),
)


@settings(deadline=None)
@given(ANY_RESPONSE, st.binary(max_size=100), st.integers(0, 400))
def test_blocks_are_verbatim_whatever_the_bytes(response: bytes, request: bytes, limit: int) -> None:
    capture = make_capture(response=spooled(response, limit=limit), request=request)
    record, asked, _ = records_in(b"".join(records_of(capture)))
    assert record.block == response
    assert record.value("Content-Length") == str(len(response))
    assert record.value("WARC-Block-Digest") == sha1(response)
    assert asked.block == request


BODIES = {
    "small text": ok(),
    "chunked": ok_chunked(PAGE, 7, 11),
    "chunked gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(gzip.compress(PAGE), 9),
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "stored, empty": JPEG,
    "stored, 65 KiB": JPEG + random.Random(1).randbytes(65535 + 100),
    "stored, more than 1 MiB": JPEG + random.Random(2).randbytes((1 << 20) + 12345),
    "deflated, more than 1 MiB": ok(b"a line of text\n" * 100_000),
    "stored though compressible": JPEG + bytes(300_000),
}


@pytest.mark.parametrize("name", BODIES)
def test_three_independent_readers_agree_on_every_kind_of_member(name: str, tmp_path: Path) -> None:
    block = BODIES[name]
    writer = RecordWriter("a.warc.gz", software=SOFTWARE)
    data = member_bytes(writer.warcinfo(DATE)) + b"".join(records_of(make_capture(response=block), writer))
    path = tmp_path / "a.warc.gz"
    path.write_bytes(data)

    subprocess.run(["gzip", "-t", str(path)], check=True)
    by_warcio = {}
    for record in ArchiveIterator(io.BytesIO(data), no_record_parse=True):
        by_warcio[record.rec_type] = record.raw_stream.read()
    assert list(by_warcio) == ["warcinfo", "response", "request", "metadata"]
    assert by_warcio["response"] == block
    by_fastwarc = {}
    for record in fastwarc.ArchiveIterator(io.BytesIO(data), parse_http=False):
        assert record.verify_block_digest()
        by_fastwarc[record.headers["WARC-Type"]] = record.reader.read()
    assert by_fastwarc["response"] == block
    assert len(by_fastwarc) == 4


def test_already_compressed_bodies_are_not_deflated_again() -> None:
    member = records_of(make_capture(response=BODIES["stored though compressible"]))[0]
    assert len(member) > 300_000
    assert len(records_of(make_capture(response=ok(bytes(300_000))))[0]) < 3000


def test_the_payload_digest_is_taken_without_chunk_framing_and_with_content_coding() -> None:
    zipped = gzip.compress(PAGE, mtime=0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    plain = response_record(make_capture(response=head + b"\r\n" + zipped))
    framed = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(zipped, 3, 10)
    for limit in (0, 1 << 20):
        record = response_record(make_capture(response=spooled(framed, limit=limit)))
        assert record.value("WARC-Payload-Digest") == sha1(zipped) == plain.value("WARC-Payload-Digest")


@pytest.mark.parametrize(
    ("response", "payload"),
    [
        (ok_chunked(b"cut off in the second chunk", 6)[:-15], b"cut off in the seco"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<p>never chunked", b"<p>never chunked"),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nServer: no end of the head", b""),
        (b"<p>old\n\nschool", b"school"),
    ],
)
def test_the_payload_of_odd_responses_is_what_can_be_decoded(response: bytes, payload: bytes) -> None:
    digests = digest_capture(make_capture(response=response))
    assert digests.payload == sha1(payload)
    assert digests.payload_length == len(payload)
    assert digests.block == sha1(response)


def test_malformed_chunk_framing_is_noted() -> None:
    capture = make_capture(response=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\n")
    assert any("chunk framing malformed" in line for line in metadata_lines(capture))
    assert not any("chunk framing malformed" in line for line in metadata_lines(make_capture(response=ok_chunked())))


def test_a_response_carries_the_fields_of_its_type() -> None:
    capture = make_capture(protocols=("http/1.1", "tls/1.3"), cipher_suite="TLS_AES_128_GCM_SHA256", truncated="time")
    writer = RecordWriter("a.warc.gz", software=SOFTWARE)
    record, *others = records_in(b"".join(records_of(capture, writer)))
    assert record.value("WARC-Type") == "response"
    assert record.value("WARC-Target-URI") == URL
    assert record.value("WARC-Date") == "2026-11-22T06:43:21.123456Z"
    assert record.value("WARC-Warcinfo-ID") == writer.warcinfo_id
    assert record.value("WARC-IP-Address") == "192.0.2.7"
    assert record.values("WARC-Protocol") == ["http/1.1", "tls/1.3"]
    assert record.value("WARC-Cipher-Suite") == "TLS_AES_128_GCM_SHA256"
    assert record.value("WARC-Truncated") == "time"
    assert record.value("Content-Type") == "application/http; msgtype=response"
    assert not {"WARC-Refers-To", "WARC-Profile", "WARC-Filename", "WARC-Concurrent-To"} & set(dict(record.fields))
    for other in others:
        assert other.value("WARC-Concurrent-To") == record.value("WARC-Record-ID")
        assert other.value("WARC-Date") == record.value("WARC-Date")
        assert other.value("WARC-Target-URI") == URL
        assert other.value("WARC-Warcinfo-ID") == writer.warcinfo_id
        assert other.value("WARC-Payload-Digest") is None
        assert other.value("WARC-Truncated") is None


def test_fields_without_a_value_are_left_out() -> None:
    record = response_record(make_capture(ip_address=None, protocols=()))
    absent = {"WARC-IP-Address", "WARC-Protocol", "WARC-Cipher-Suite", "WARC-Truncated", "WARC-Proxy-Host"}
    assert not absent & set(dict(record.fields))


def test_behind_a_proxy_the_record_names_it_instead_of_an_address() -> None:
    record = response_record(make_capture(ip_address=None, proxy="proxy.example:3128"))
    assert record.value("WARC-IP-Address") is None
    assert record.value("WARC-Proxy-Host") == "proxy.example:3128"


def test_a_warcinfo_names_file_and_software_and_no_url() -> None:
    writer = RecordWriter("a.warc.gz", software=SOFTWARE, extra={"robots": "obey\r\nX: y", "operator": "Jürgen"})
    (record,) = records_in(member_bytes(writer.warcinfo(DATE)))
    assert record.value("WARC-Record-ID") == writer.warcinfo_id
    assert record.value("WARC-Filename") == "a.warc.gz"
    assert record.value("Content-Type") == "application/warc-fields"
    assert record.value("WARC-Target-URI") is None
    assert record.value("WARC-Warcinfo-ID") is None
    assert "robots: obey X: y\r\noperator: Jürgen\r\n".encode() in record.block


def test_a_revisit_refers_to_its_original_exactly() -> None:
    capture = make_capture(response=ok())
    writer = RecordWriter("a.warc.gz", software=SOFTWARE)
    (record,) = records_in(member_bytes(writer.revisit(capture, sha1(PAGE), ORIGINAL, warc.new_record_id())))
    assert record.value("WARC-Profile") == "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
    assert record.value("WARC-Refers-To") == ORIGINAL.record_id
    assert record.value("WARC-Refers-To-Target-URI") == ORIGINAL.url
    assert record.value("WARC-Refers-To-Date") == "2020-01-02T03:04:05.6Z"
    assert record.value("WARC-Payload-Digest") == sha1(PAGE)
    assert record.value("WARC-Truncated") == "length"
    assert record.block == ok()[: -len(PAGE)]
    assert record.value("WARC-Block-Digest") == sha1(record.block)


def test_a_not_modified_revisit_has_no_payload_digest() -> None:
    block = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"
    writer = RecordWriter("a.warc.gz", software=SOFTWARE)
    member = writer.revisit(make_capture(response=block), None, ORIGINAL, warc.new_record_id())
    (record,) = records_in(member_bytes(member))
    assert record.value("WARC-Profile") == "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
    assert record.value("WARC-Payload-Digest") is None
    assert record.value("WARC-Truncated") is None
    assert record.value("WARC-Refers-To-Date") == ORIGINAL.date
    assert record.block == block


def test_a_redacted_request_field_is_named_and_its_value_absent() -> None:
    record = request_record(make_capture(redacted=("Cookie", "Authorization")))
    assert record.value("WARC-Redacted-Fields") == "Cookie, Authorization"
    assert record.block == GET
    assert request_record(make_capture()).value("WARC-Redacted-Fields") is None


def test_a_request_without_a_response_stands_alone() -> None:
    writer = RecordWriter("a.warc.gz", software=SOFTWARE)
    (record,) = records_in(member_bytes(writer.request(make_capture(response=b""), None, warc.new_record_id())))
    assert record.value("WARC-Concurrent-To") is None


def test_the_metadata_record_tells_what_the_response_does_not() -> None:
    capture = make_capture(
        interim=(b"HTTP/1.1 103 Early Hints\r\n\r\n",),
        dropped=4,
        connection=7,
        certificate_sha256="cd" * 32,
        certificate_trusted=False,
        notes=("first\r\nnote",),
        annotations={"via": "https://example.com/"},
    )
    assert metadata_lines(capture) == [
        "fetchTimeMs: 250",
        "timeToFirstByteMs: 125",
        "connection: 7",
        "bytesAfterMessageDropped: 4",
        "interimResponseBase64: SFRUUC8xLjEgMTAzIEVhcmx5IEhpbnRzDQoNCg==",
        "tlsCertificateSha256: " + "cd" * 32,
        "tlsCertificateTrusted: no",
        "note: first note",
        "via: https://example.com/",
    ]


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://example.com/ü?q=ß", "http://example.com/ü?q=ß"),
        ("http://example.com/a b", "http://example.com/a%20b"),
        ("http://example.com/\r\nWARC-Type: warcinfo", "http://example.com/%20WARC-Type:%20warcinfo"),
        ("http://example.com/\u2028x\x85", "http://example.com/\u2028x"),
    ],
)
def test_no_url_can_break_out_of_its_header_field(url: str, written: str) -> None:
    data = b"".join(records_of(make_capture(url)))
    assert [record.value("WARC-Target-URI") for record in records_in(data)] == [written] * 3
    assert [record.rec_headers["WARC-Target-URI"] for record in ArchiveIterator(io.BytesIO(data))] == [written] * 3


def test_dates_are_utc_with_microseconds_and_read_back_from_any_precision() -> None:
    berlin = datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert warc.format_date(berlin) == "2026-06-30T23:30:00.000000Z"
    assert warc.parse_date("2026-06-30T23:30:00Z") == berlin
    assert warc.parse_date("2026-06-30T23:30:00.123456789Z").microsecond == 123456
    assert warc.parse_date("2026-06-30T23:30:00.5Z") == datetime(2026, 6, 30, 23, 30, 0, 500000, tzinfo=UTC)
    for text in ("2026-06-30", "2026-06-30T23:30:00", "2026-06-30T23:30:00+00:00", "2026-13-30T23:30:00Z", ""):
        with pytest.raises(ValueError, match=r"."):
            warc.parse_date(text)


def test_a_200_megabyte_body_passes_in_bounded_memory(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import io, os, resource, sys, zlib
        from datetime import UTC, datetime
        from pathlib import Path
        from storage.capture import Capture, Spool
        from storage.cdx import index_warc
        from storage.index import Index
        from storage.blobs import LocalBlobs
        from storage.writer import SegmentWriter

        place = Path(sys.argv[1])
        writer = SegmentWriter(LocalBlobs(place), place, Index.open(place / "i"), prefix="a", software="t")
        spool = Spool()
        spool.write(b"HTTP/1.1 200 OK\\r\\n\\r\\nfirst, as it loads what is loaded late")
        writer.write_capture(Capture("http://example.com/", "GET", datetime.now(UTC), b"GET", spool)).result()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        block = os.urandom(1 << 16)
        for type_ in (b"video/mp4", b"text/plain"):
            spool = Spool(directory=place)
            spool.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: " + type_ + b"\\r\\n\\r\\n" + type_)
            for _ in range(3200 if type_ == b"video/mp4" else 1600):
                spool.write(block if type_ == b"video/mp4" else bytes(1 << 16))
            capture = Capture("http://example.com/" + type_.decode(), "GET", datetime.now(UTC), b"GET", spool)
            stored = writer.write_capture(capture).result()
        writer.close()
        with (place / f"warc/{stored.entry.segment}.warc.gz").open("rb") as file:
            assert sum(line is not None for _, line in index_warc(file, "x")) == 3
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=True, text=True, timeout=120
    )
    assert int(done.stdout) < 60 * 1024
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.warc.gz")) > 200_000_000


# What is read


def small_file() -> tuple[bytes, list[int]]:
    """A file of a warcinfo and one capture, and where its records begin."""
    writer = RecordWriter("a.warc.gz", software=SOFTWARE)
    members = [member_bytes(writer.warcinfo(DATE)), *records_of(make_capture(response=ok(b"short")), writer)]
    starts = [sum(map(len, members[:number])) for number in range(len(members))]
    return b"".join(members), starts


def read_until_damage(data: bytes, **options: Any) -> tuple[list[int], DamagedRecord | None]:
    """The offsets of the records that were whole, and the damage behind them."""
    whole: list[int] = []
    try:
        for record in read_records(io.BytesIO(data), "warc/x.warc.gz", **options):
            record.finish()
            whole.append(record.offset)
    except DamagedRecord as error:
        return whole, error
    return whole, None


def test_every_record_is_read_from_its_offset_to_its_end() -> None:
    data, starts = small_file()
    records = []
    for record in read_records(io.BytesIO(data), "x"):
        record.read(3)
        records.append((record.offset, record.finish()))
    ends = [*starts[1:], len(data)]
    assert records == [(start, end - start) for start, end in zip(starts, ends, strict=True)]
    assert read_until_damage(data) == (starts, None)


def test_reading_can_begin_at_any_record() -> None:
    data, starts = small_file()
    stream = io.BytesIO(data)
    stream.seek(starts[2])
    assert [record.offset for record in read_records(stream, "x", offset=starts[2])] == starts[2:]
    record = read_record(data[starts[1] : starts[2]], "x", starts[1])
    assert (record.type, record.offset, b"".join(record.block())) == ("response", starts[1], ok(b"short"))
    assert record.finish() == starts[2] - starts[1]


@pytest.mark.parametrize("cut", ["last", "first"])
def test_a_file_torn_at_any_byte_gives_everything_before_and_names_the_place(cut: str) -> None:
    data, starts = small_file()
    low, high = (starts[-1], len(data)) if cut == "last" else (0, starts[1])
    before = [start for start in starts if start < low]
    for end in range(low + 1, high):
        whole, damage = read_until_damage(data[:end])
        assert whole == before, end
        assert damage is not None, end
        assert f"warc/x.warc.gz: record at offset {low}" in str(damage)


def test_a_file_cut_between_records_is_whole() -> None:
    data, starts = small_file()
    for number, start in enumerate(starts):
        assert read_until_damage(data[:start]) == (starts[:number], None)


def test_a_flipped_byte_anywhere_is_noticed_in_its_record() -> None:
    data, starts = small_file()
    blocks = [record.block for record in records_in(data)]
    unnoticed = 0
    for position in range(starts[1], starts[2]):
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        whole, damage = read_until_damage(bytes(flipped))
        if damage is None:  # the time in the gzip header, and bits that pad its end, mean nothing
            assert [record.block for record in records_in(bytes(flipped))] == blocks
            unnoticed += 1
        else:
            assert whole == starts[:1], position
            assert f"record at offset {starts[1]}:" in str(damage)
    assert unnoticed < 10


@pytest.mark.parametrize("tail", [bytes(1), bytes(512), b"\0" * 70_000, b"garbage", b"\x1f", b"\x1f\x8b"])
def test_whatever_follows_the_last_record_is_damage(tail: bytes) -> None:
    data, starts = small_file()
    whole, damage = read_until_damage(data + tail)
    assert whole == starts
    assert f"record at offset {len(data)}:" in str(damage)


def gzipped(*parts: bytes) -> bytes:
    return gzip.compress(b"".join(parts), mtime=0)


HEADER = b"WARC/1.1\r\nWARC-Type: resource\r\nContent-Length: %s\r\n\r\n"


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (gzipped(HEADER % b"4", b"abcd", b"\r\n\r\nX"), "bytes follow the record"),
        (gzipped(HEADER % b"4", b"abcd", b"\r\n\r\n", HEADER % b"0", b"\r\n\r\n"), "bytes follow the record"),
        (gzipped(HEADER % b"4", b"abcd", b"\r\n"), "two empty lines"),
        (gzipped(HEADER % b"4", b"abcdefgh", b"\r\n\r\n"), "two empty lines"),
        (gzipped(HEADER % b"99999999999999", b"abcd", b"\r\n\r\n"), "ends 99999999999991 bytes early"),
        (gzipped(HEADER % b"-4", b"abcd", b"\r\n\r\n"), "Content-Length is '-4'"),
        (gzipped(HEADER % b"", b"abcd", b"\r\n\r\n"), "Content-Length is ''"),
        (gzipped(HEADER % "٤".encode(), b"abcd", b"\r\n\r\n"), "Content-Length is"),
        (gzipped(HEADER % (b"9" * 5000), b"abcd", b"\r\n\r\n"), "Content-Length is"),
        (gzipped(b"WARC/1.1\r\nWARC-Type: resource\r\n\r\n", b"\r\n\r\n"), "Content-Length is"),
        (gzipped(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\n\r\n"), "does not begin with a WARC version"),
        (gzipped(b"WARC/1.1\r\nX: " + b"x" * (1 << 17) + b"\r\n\r\n"), "no end of the record header within"),
        (gzipped(b"WARC/1.1\r\nX: y"), "no end of the record header"),
        (gzipped(b""), "no end of the record header"),
        (gzipped(b"\r\n\r\n"), "does not begin with a WARC version"),
    ],
)
def test_a_forged_member_is_refused_with_its_reason(member: bytes, reason: str) -> None:
    data, starts = small_file()
    whole, damage = read_until_damage(data + member)
    assert whole == starts
    assert f"record at offset {len(data)}:" in str(damage)
    assert reason in str(damage)
    assert len(str(damage)) < 6000


def test_a_header_bomb_is_refused_before_it_unfolds() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = deflater.compress(b"WARC/1.1\r\nX: ") + b"".join(deflater.compress(b"x" * (1 << 20)) for _ in range(30))
    stream = io.BytesIO(bomb + deflater.flush())
    with pytest.raises(DamagedRecord, match="no end of the record header within"):
        list(read_records(stream, "x"))


@pytest.mark.parametrize("data", [b"WARC/1.1\r\nWARC-Type: warcinfo\r\n\r\n", b"<html>", b"PK\3\4zip"])
def test_a_file_that_is_no_gzip_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(DamagedRecord, match=r"^x\.warc: record at offset 0: not valid gzip"):
        list(read_records(io.BytesIO(data), "x.warc"))
    with pytest.raises(DamagedRecord, match=r"^x\.warc: record at offset 7: not valid gzip"):
        read_record(data, "x.warc", 7)
    with pytest.raises(DamagedRecord, match="nothing is stored there"):
        read_record(b"", "x.warc", 7)


def test_an_empty_file_has_no_records() -> None:
    assert list(read_records(io.BytesIO(b""), "x")) == []


class Trickle(io.RawIOBase):
    """A stream that gives little at a time, as sockets do."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._step) if size >= 0 else self._step)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_it_does_not_matter_how_a_store_cuts_what_it_gives(step: int) -> None:
    block = ok(b"some text, repeated. " * 20_000)
    data = b"".join(records_of(make_capture(response=block)))
    records = [b"".join(record.block()) for record in read_records(Trickle(data, step), "x")]  # type: ignore[arg-type]
    assert records[:2] == [block, GET]


def test_records_of_older_versions_are_read() -> None:
    member = gzipped(
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://example.com/a b>\r\n"
        b"Content-Length: 0\r\n\r\n\r\n\r\n"
    )
    (record,) = read_records(io.BytesIO(member), "x")
    assert record.url == "http://example.com/a%20b"
