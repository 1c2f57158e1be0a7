"""The facts kept beside the bytes, what a capture costs in memory, and what happens when capturing itself fails."""

from __future__ import annotations

import hashlib
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from storage.warc import parse_date, read_records
from tests.crawl.crawling import Ask, Crawl, Kept, run_crawl
from tests.oddcases import Case, gzip_bomb, head, ok
from tests.wirelog import Talk, WireLog, wire_log

MEGABYTE = 1 << 20


class OldTLS(WireLog):
    """A server that knows no TLS 1.3."""

    def _make_certificate(self) -> ssl.SSLContext:
        context = super()._make_certificate()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


@contextmanager
def old_tls(directory: Path) -> Iterator[WireLog]:
    server = OldTLS(directory)
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def facts(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crawl, datetime, datetime]]:
    """A crawl that trusts the server's CA but not that of the older one, and when it began and ended."""
    place = tmp_path_factory.mktemp("facts")
    with old_tls(place) as old:
        asks = [
            Ask(server.url("plain", query="n=1"), then=(Ask(server.url("chunked", query="n=2")),)),
            Ask(server.url("plain", "https", "n=3"), headers={"Referer": "https://example.com/front"}),
            Ask(old.url("plain", "https", "n=4")),
            Ask(server.url("plain", query="n=5"), meta={"proxy": server.proxy}),
            Ask(server.url("plain", "https", "n=6"), meta={"proxy": server.proxy}),
            Ask(server.url("close-delimited", query="n=7")),
        ]
        began = datetime.now(UTC)
        crawl = run_crawl(place / "archive", asks, env={"SSL_CERT_FILE": str(server.ca_pem)}, CONCURRENT_REQUESTS=1)
        yield crawl, began, datetime.now(UTC)


def numbered(crawl: Crawl, number: int) -> Kept:
    (kept,) = crawl.find(f"?n={number}")
    return kept


Facts = tuple[Crawl, datetime, datetime]


def test_the_address_of_the_server_is_kept(facts: Facts) -> None:
    for number in (1, 2, 3, 4):
        kept = numbered(facts[0], number)
        assert kept.fields["WARC-IP-Address"] == kept.request_fields["WARC-IP-Address"] == ["127.0.0.1"]
        assert "WARC-Proxy-Host" not in kept.fields


def test_behind_a_proxy_the_proxy_is_named_instead(server: WireLog, facts: Facts) -> None:
    for number in (5, 6):
        kept = numbered(facts[0], number)
        assert "WARC-IP-Address" not in kept.fields | kept.request_fields
        assert kept.fields["WARC-Proxy-Host"] == [urlsplit(server.proxy).netloc]


def test_the_protocols_are_kept(facts: Facts) -> None:
    protocols = {number: numbered(facts[0], number).fields["WARC-Protocol"] for number in range(1, 7)}
    plain, tls = ["http/1.1"], ["http/1.1", "tls/1.3"]
    assert protocols == {1: plain, 2: plain, 3: tls, 4: ["http/1.1", "tls/1.2"], 5: plain, 6: tls}


def test_the_cipher_suite_is_kept(facts: Facts) -> None:
    assert re.fullmatch("TLS_[A-Z0-9_]+", numbered(facts[0], 3).fields["WARC-Cipher-Suite"][0])
    assert re.fullmatch("ECDHE-[A-Z0-9-]+", numbered(facts[0], 4).fields["WARC-Cipher-Suite"][0])
    assert "WARC-Cipher-Suite" not in numbered(facts[0], 1).fields


def test_the_certificate_is_identified_and_judged(server: WireLog, facts: Facts) -> None:
    pem = ssl.get_server_certificate(("127.0.0.1", urlsplit(server.https).port or 0))
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    trusted, unknown = numbered(facts[0], 3).metadata, numbered(facts[0], 4).metadata
    assert trusted["tlsCertificateSha256"] == [fingerprint] == numbered(facts[0], 6).metadata["tlsCertificateSha256"]
    assert trusted["tlsCertificateTrusted"] == ["yes"]
    assert unknown["tlsCertificateTrusted"] == ["no"]
    assert "tlsCertificateTrusted" not in numbered(facts[0], 1).metadata


def test_the_date_is_when_the_request_began_to_a_fraction_of_a_second(facts: Facts) -> None:
    crawl, began, ended = facts
    for kept in crawl.exchanges:
        (date,) = kept.fields["WARC-Date"]
        assert re.search(r"\.\d{6}Z$", date)
        assert began <= parse_date(date) <= ended
        assert kept.request_fields["WARC-Date"] == [date]
        took, first = int(kept.metadata["fetchTimeMs"][0]), int(kept.metadata["timeToFirstByteMs"][0])
        assert 0 <= first <= took <= (ended - began).total_seconds() * 1000
    assert len({kept.fields["WARC-Date"][0] for kept in crawl.exchanges}) == len(crawl.exchanges)


def test_a_kept_alive_connection_keeps_its_number(facts: Facts) -> None:
    number = {each: numbered(facts[0], each).metadata["connection"][0] for each in range(1, 7)}
    assert number[1] == number[2]
    assert len(set(number.values())) == 5


def test_where_a_link_was_found_is_kept(facts: Facts) -> None:
    assert numbered(facts[0], 3).metadata["via"] == ["https://example.com/front"]
    assert "via" not in numbered(facts[0], 1).metadata


def test_without_trusted_roots_that_know_it_a_certificate_is_not_trusted(server: WireLog, tmp_path: Path) -> None:
    crawl = run_crawl(tmp_path / "archive", [Ask(server.url("plain", "https", "untrusted"))])
    (kept,) = crawl.exchanges
    assert kept.metadata.get("tlsCertificateTrusted", ["no"]) == ["no"]  # absent on a machine without any roots
    assert kept.entry


def shake_hands(authority: trustme.CA, *names: str, **facts: Any) -> SSL.Connection:
    """The client's side of a handshake, in memory, with a server whose certificate is for `names`."""
    certificate = authority.issue_cert(*names, **facts)
    served = SSL.Context(SSL.TLS_SERVER_METHOD)
    served.use_certificate(x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes()))
    served.use_privatekey(load_pem_private_key(certificate.private_key_pem.bytes(), None))
    server, client = SSL.Connection(served), SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    server.set_accept_state()
    client.set_connect_state()
    client.set_tlsext_host_name(b"news.example")
    sides = [(client, server), (server, client)]
    for side, other in sides * 4:
        with suppress(SSL.WantReadError):
            side.do_handshake()
        with suppress(SSL.WantReadError):
            other.bio_write(side.bio_read(1 << 16))
    return client


def test_a_certificate_is_trusted_for_its_name_and_time_from_a_known_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archiver.crawl import trust

    known, unknown = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    monkeypatch.setattr(trust, "_trust_store", trust._trust_store.__wrapped__)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    assert trust.is_trusted(shake_hands(known, "news.example")) is True
    assert trust.is_trusted(shake_hands(known, "mail.example", "news.example")) is True
    assert trust.is_trusted(shake_hands(known, "other.example")) is False
    assert trust.is_trusted(shake_hands(known, "news.example", not_before=past, not_after=past)) is False
    assert trust.is_trusted(shake_hands(unknown, "news.example")) is False


# Memory.


@cache
def pattern(letter: bytes) -> bytes:
    return letter * (MEGABYTE - 1) + b"\n"


class Streaming(socketserver.StreamRequestHandler):
    """`/<type>/<subtype>/<megabytes>` sends so much of that type; `endless` never ends."""

    digests: dict[str, str]

    def handle(self) -> None:
        lines = iter(self.rfile.readline, b"\r\n")
        path = next(lines).split()[1].decode()
        list(lines)
        kind, size = path[1:].rpartition("/")[::2]
        length = b"" if size == "endless" else b"Content-Length: %d\r\n" % (int(size) * MEGABYTE)
        digest = hashlib.sha1()
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n" % (kind.encode(), length), digest)
        try:
            for number in range(10_000 if size == "endless" else int(size)):
                self.send(pattern(b"%c" % (65 + number % 26)), digest)
        except OSError:
            return  # the client had enough
        self.digests[path] = digest.hexdigest()

    def send(self, data: bytes, digest: hashlib._Hash) -> None:
        digest.update(data)
        self.wfile.write(data)


@contextmanager
def streaming() -> Iterator[tuple[str, dict[str, str]]]:
    """A server of huge bodies: its base URL, and the SHA-1 of every whole response it has sent."""
    digests: dict[str, str] = {}
    handler = type("Handler", (Streaming,), {"digests": digests})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", digests
        finally:
            server.shutdown()
            thread.join()


def response_digests(archive: Path) -> dict[str, str]:
    """URL -> SHA-1 of the response block, read in pieces."""
    found = {}
    for path in archive.glob("warc/**/*.warc.gz"):
        with path.open("rb") as file:
            for record in read_records(file, path.name):
                if record.type == "response":
                    digest = hashlib.sha1()
                    for piece in record.block():
                        digest.update(piece)
                    found[record.url or ""] = digest.hexdigest()
    return found


@pytest.fixture(scope="module")
def baseline(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Bytes of memory that a crawl takes for one small page."""
    return run_crawl(tmp_path_factory.mktemp("small") / "archive", [Ask(server.url("plain"), page=True)]).peak


def test_a_body_of_200_megabytes_is_kept_whole_in_bounded_memory(tmp_path: Path, baseline: int) -> None:
    with streaming() as (base, digests):
        crawl = run_crawl(tmp_path / "archive", [Ask(f"{base}/video/mp4/200", page=True)])
    assert response_digests(tmp_path / "archive") == {base + path: digest for path, digest in digests.items()}
    assert crawl.line(f"{base}/video/mp4/200")["outcome"] == "not_article"
    assert crawl.peak < baseline + 80 * MEGABYTE
    assert leftovers(tmp_path / "archive") == []


def test_a_long_text_is_compressed_in_bounded_memory(tmp_path: Path, baseline: int) -> None:
    with streaming() as (base, digests):
        crawl = run_crawl(tmp_path / "archive", [Ask(f"{base}/text/plain/120", meta={"download_timeout": 100})])
    assert response_digests(tmp_path / "archive") == {base + path: digest for path, digest in digests.items()}
    assert crawl.peak < baseline + 80 * MEGABYTE


def leftovers(archive: Path) -> list[str]:
    """Names of files that only a crawl under way may have."""
    whole = ("archive.json", "index.sqlite3")
    return [path.name for path in archive.rglob("*") if path.is_file() and not path.name.endswith((".gz", *whole))]


@pytest.fixture(scope="module")
def limits(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crawl, str]]:
    """Bodies beyond the limit on what is captured, and one that is small only on the wire."""
    with streaming() as (base, _):
        asks = [
            Ask(f"{base}/video/mp4/600", page=True),
            Ask(f"{base}/text/html/endless", page=True),
            Ask(server.url("gzip-bomb"), page=True),
        ]
        archive = tmp_path_factory.mktemp("limits") / "archive"
        yield run_crawl(archive, asks, ARCHIVER_MAX_CAPTURE=5 * MEGABYTE, CONCURRENT_REQUESTS=1), base


@pytest.mark.parametrize("path", ["/video/mp4/600", "/text/html/endless"])
def test_a_body_beyond_the_limit_is_cut_and_says_so(limits: tuple[Crawl, str], path: str) -> None:
    crawl, base = limits
    (kept,) = crawl.find(path)
    assert kept.fields["WARC-Truncated"] == ["length"]
    assert len(kept.response) < 8 * MEGABYTE
    line = crawl.line(base + path)
    assert (line["outcome"], line["status"]) == ("failed", 200)
    assert "ARCHIVER_MAX_CAPTURE" in line["evidence"][-1]


def test_a_decompression_bomb_is_kept_as_it_came_and_not_unpacked(
    server: WireLog, limits: tuple[Crawl, str], baseline: int
) -> None:
    crawl, _ = limits
    (kept,) = crawl.find("gzip-bomb")
    assert kept.response.endswith(gzip_bomb())
    assert "WARC-Truncated" not in kept.fields
    line = crawl.line(server.url("gzip-bomb"))
    assert line["outcome"] == "failed"
    assert "bomb" in line["evidence"][-1]
    assert crawl.peak < baseline + 80 * MEGABYTE


def test_the_default_limit_lies_above_half_a_gigabyte(tmp_path: Path) -> None:
    """Announced bodies of 500 MB are begun, of 600 MB are not; neither has to be sent to show it."""

    async def announce(talk: Talk) -> None:
        megabytes = int(talk.request.query)
        await talk.send(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % (megabytes * MEGABYTE)) + b"the start")
        await talk.read_until_closed()

    with wire_log({"announced": Case("announced", announce)}) as server:
        asks = [
            Ask(server.url("announced", query="600")),
            Ask(server.url("announced", query="500"), meta={"download_timeout": 2}),
        ]
        crawl = run_crawl(tmp_path / "archive", asks, RETRY_ENABLED=False)
    assert {kept.url[-3:]: kept.fields["WARC-Truncated"] for kept in crawl.exchanges} == {
        "600": ["length"],
        "500": ["time"],
    }


# Faults of our own.


def break_hooks() -> None:
    """Let each hook of the tee fail for the exchanges that name it."""
    from archiver.crawl import wire

    feed, complete, facts = wire.Exchange.feed, wire.Exchange.complete, wire._tls_facts

    def broken_feed(exchange: wire.Exchange, data: bytes) -> None:
        if b"break-feed" in exchange.request:
            raise RuntimeError("feed is broken")
        feed(exchange, data)

    def broken_complete(exchange: wire.Exchange, rest: bytes) -> None:
        if b"break-complete" in exchange.request:
            raise RuntimeError("complete is broken")
        complete(exchange, rest)

    def broken_facts(transport: object) -> wire.TLSFacts | None:
        if hasattr(transport, "getPeerCertificate"):
            raise RuntimeError("no facts")
        return facts(transport)

    wire.Exchange.feed = broken_feed  # type: ignore[method-assign]
    wire.Exchange.complete = broken_complete  # type: ignore[method-assign]
    wire._tls_facts = broken_facts


def test_a_hook_that_raises_fails_its_page_and_never_hangs_the_crawl(server: WireLog, tmp_path: Path) -> None:
    broken = [server.url("plain", query=f"break-{hook}") for hook in ("feed", "complete")]
    secure = server.url("plain", "https", "no-facts")
    sound = server.url("plain", query="sound")
    asks = [Ask(url, page=True) for url in (*broken, secure, sound)]
    crawl = run_crawl(tmp_path / "archive", asks, arrange=break_hooks)
    assert [crawl.line(url)["outcome"] for url in broken] == ["failed", "failed"]
    assert crawl.line(sound)["outcome"] not in ("failed", "refused")
    assert crawl.line(secure)["outcome"] not in ("failed", "refused"), "bytes come first, facts about them second"
    (kept,) = crawl.find("break-complete")
    assert kept.fields["WARC-Truncated"] == ["unspecified"]
    assert kept.metadata["note"] == ["capture broke off: complete is broken"]


def test_codings_that_do_not_hold_what_they_say_are_kept_and_reach_the_spider(tmp_path: Path) -> None:
    """Each decoder fails in a way of its own."""
    codings = (b"gzip", b"deflate", b"br", b"zstd")
    with wire_log() as server:
        for coding in codings:
            server.pages[f"/{coding.decode()}"] = ok(b"<p>not encoded</p>", b"Content-Encoding: " + coding)
        asks = [Ask(f"{server.http}/{coding.decode()}") for coding in codings]
        crawl = run_crawl(tmp_path / "archive", asks)
    assert {url.rpartition("/")[2]: answer.status for url, answer in crawl.answers.items()} == dict.fromkeys(
        [coding.decode() for coding in codings], 200
    )


def test_what_a_closing_connection_still_reads_does_not_reach_a_capture_that_is_being_stored() -> None:
    """After a parse error Twisted goes on reading until the socket is closed."""
    from archiver.crawl.wire import Exchange, Wiretap
    from storage.capture import Spool

    wiretap = Wiretap(None)
    exchange = Exchange(Spool(), 1, "127.0.0.1", None)
    exchange.request += b"GET / HTTP/1.1\r\n\r\n"
    wiretap.exchanges.append(exchange)
    exchange.feed(b"ICY 200 OK\r\n\r\n")
    (capture,) = wiretap.captures("http://example.com/", "GET", proxy=None, truncation="disconnect")
    exchange.feed(b"more of the stream")
    exchange.complete(b"stream")
    assert b"".join(capture.response.pieces()) == b"ICY 200 OK\r\n\r\n"
    assert capture.truncated == "disconnect"
