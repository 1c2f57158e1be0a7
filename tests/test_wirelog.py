"""The witness must be right: what the wire log says was sent and read is what a raw client received and sent."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

import pytest

from tests.oddcases import CASES, IDLE_408, PAGE, Case, Transport, gzip_bomb, head, ok
from tests.wirelog import Exchange, Request, WireLog, ends_by_itself, wire_log

IDLE = ("idle-408", "idle-close")
ENDING = [
    (case, transport)
    for case in CASES.values()
    if not case.stalls and case.max_size is None and case.name not in IDLE
    for transport in case.transports
]
UNENDING = [case for case in CASES.values() if case.stalls or case.max_size is not None]


@pytest.fixture(scope="module")
def shared() -> Iterator[WireLog]:
    with wire_log() as server:
        yield server


@pytest.fixture
def server() -> Iterator[WireLog]:
    with wire_log() as server:
        yield server


def port_of(base: str) -> int:
    port = urlsplit(base).port
    assert port
    return port


def connect(server: WireLog, transport: Transport = "plain") -> socket.socket:
    base = {"plain": server.http, "tls": server.https, "proxy": server.proxy}[transport]
    sock = socket.create_connection(("127.0.0.1", port_of(base)), timeout=20)
    if transport == "tls":
        return ssl.create_default_context(cafile=server.ca_pem).wrap_socket(sock, server_hostname="localhost")
    return sock


def request_bytes(server: WireLog, target: str, case: Case | None = None, transport: Transport = "plain") -> bytes:
    """A request as a careful client would send it, asking to close afterwards."""
    method, body = (case.method, case.request_body) if case else ("GET", b"")
    prefix = server.http if transport == "proxy" else ""
    lines = [f"{method} {prefix}{target} HTTP/1.1", "Host: localhost", "Connection: close"]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return head(*(line.encode() for line in lines)) + body


def read_until_end(sock: socket.socket) -> bytes:
    data = bytearray()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := sock.recv(1 << 16):
            data += piece
    return bytes(data)


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, f"closed after {len(data)} of {size} bytes"
        data += piece
    return bytes(data)


def only(exchanges: list[Exchange]) -> Exchange:
    (exchange,) = exchanges
    return exchange


@pytest.mark.parametrize(("case", "transport"), ENDING, ids=lambda value: getattr(value, "name", value))
def test_the_log_equals_what_a_raw_client_sent_and_received(shared: WireLog, case: Case, transport: Transport) -> None:
    target = f"/odd/{case.name}?{transport}"
    request = request_bytes(shared, target, case, transport)
    with connect(shared, transport) as sock:
        sock.sendall(request)
        if not case.reads_body:
            received = sock.recv(1 << 16)  # this server leaves the closing to its client
        else:
            received = read_until_end(sock)

    shared.wait_for(lambda: all(exchange.finished for exchange in shared.find(target)))
    logged = only(shared.find(target, transport))
    assert logged.response == received
    assert logged.request == request
    assert logged.case == case.name
    assert case.is_faithful(case.expected_response(received), logged.response)


@pytest.mark.parametrize("case", UNENDING, ids=lambda case: case.name)
def test_a_client_that_leaves_an_unending_answer_ends_the_exchange(shared: WireLog, case: Case) -> None:
    target = f"/odd/{case.name}?left"
    with connect(shared) as sock:
        sock.sendall(request_bytes(shared, target, case))
        received = read_exactly(sock, len(case.interim) + case.at_least)
        shared.wait_for(lambda: bool(shared.find(target)))
    shared.wait_for(lambda: only(shared.find(target)).finished)
    logged = only(shared.find(target))
    assert logged.response.startswith(received)
    assert case.is_faithful(received.removeprefix(case.interim), logged.response)


@pytest.mark.parametrize("transport", ["plain", "tls", "proxy"])
@pytest.mark.parametrize("name", [case.name for case in CASES.values() if case.name.startswith("silent")])
def test_a_silent_server_goes_on_when_released(server: WireLog, name: str, transport: Transport) -> None:
    with connect(server, transport) as sock:
        sock.sendall(request_bytes(server, f"/odd/{name}", transport=transport))
        first = read_exactly(sock, CASES[name].at_least)
        server.wait_for(lambda: bool(server.find(f"/odd/{name}")))
        assert not server.find(f"/odd/{name}")[0].finished
        server.release(name)
        rest = read_until_end(sock)
    assert rest
    assert server.find(f"/odd/{name}", transport)[0].response == first + rest


def test_an_exchange_under_way_is_seen_as_far_as_it_got(server: WireLog) -> None:
    with connect(server) as sock:
        sock.sendall(b"POST /odd/post-binary HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
        server.wait_for(lambda: any(exchange.request.endswith(b"12345") for exchange in server.exchanges))
        assert not server.exchanges[0].finished
    server.wait_for(lambda: server.exchanges[0].finished)
    assert server.exchanges[0].response == b""


def test_waiting_for_what_never_happens_is_an_error(server: WireLog) -> None:
    with pytest.raises(TimeoutError, match="0 exchanges"):
        server.wait_for(lambda: bool(server.exchanges), seconds=0)


def test_find_takes_a_path_with_or_without_its_query(server: WireLog) -> None:
    for query in ("a", "b"):
        with connect(server) as sock:
            sock.sendall(request_bytes(server, f"/odd/plain?{query}"))
            read_until_end(sock)
    assert [exchange.target for exchange in server.find("/odd/plain")] == ["/odd/plain?a", "/odd/plain?b"]
    assert len(server.find("/odd/plain?b")) == 1
    assert server.find("/odd/plain", "tls") == []
    assert server.hits["/odd/plain"] == 2


def test_kept_alive_requests_share_a_connection_number(server: WireLog) -> None:
    for _ in range(2):
        client = HTTPConnection("127.0.0.1", port_of(server.http), timeout=20)
        for name in ("plain", "chunked-trailers", "not-modified-304", "http-1.0-keep-alive", "no-content-204"):
            client.request("GET", f"/odd/{name}")
            client.getresponse().read()
        client.close()
    numbers = [exchange.connection for exchange in server.exchanges]
    assert numbers == [1] * 5 + [2] * 5


def test_a_reused_connection_can_be_closed_without_an_answer(server: WireLog) -> None:
    keep = b"GET /odd/closed-on-reuse HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(server) as sock:
        sock.sendall(keep)
        read_exactly(sock, len(ok(PAGE, b"Content-Type: text/html; charset=utf-8")))
        sock.sendall(keep)
        assert read_until_end(sock) == b""
    first, second = server.exchanges
    assert first.response
    assert second.response == b""
    assert first.connection == second.connection


def test_an_idle_connection_gets_a_408_after_release(server: WireLog) -> None:
    answer = ok(PAGE, b"Content-Type: text/html; charset=utf-8")
    with connect(server) as sock:
        sock.sendall(b"GET /odd/idle-408 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_exactly(sock, len(answer)) == answer
        server.release("idle-408")
        assert read_until_end(sock) == IDLE_408
    logged = only(server.exchanges)
    assert logged.response == answer + IDLE_408
    assert CASES["idle-408"].expected_response(logged.response) == answer


def test_an_idle_connection_serves_the_next_request_if_it_comes_before_release(server: WireLog) -> None:
    client = HTTPConnection("127.0.0.1", port_of(server.http), timeout=20)
    for name in ("idle-408", "idle-close", "idle-close"):
        client.request("GET", f"/odd/{name}")
        assert client.getresponse().read() == PAGE
    server.release()
    assert client.sock.recv(1) == b""
    client.close()
    assert {exchange.connection for exchange in server.exchanges} == {1}


def test_a_reset_is_a_reset_after_the_bytes_before_it(server: WireLog) -> None:
    with connect(server) as sock:
        sock.sendall(request_bytes(server, "/odd/reset-mid-body"))
        server.wait_for(lambda: server.exchanges[0].finished if server.exchanges else False)
        assert sock.recv(1 << 16) == server.exchanges[0].response
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_tls_can_end_without_close_notify(server: WireLog) -> None:
    sock = socket.create_connection(("127.0.0.1", port_of(server.https)), timeout=20)
    context = ssl.create_default_context(cafile=server.ca_pem)
    with context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False) as client:
        client.sendall(request_bytes(server, "/odd/tls-without-close-notify"))
        assert read_exactly(client, len(PAGE)).startswith(b"HTTP/1.1 200 OK")
        with pytest.raises(ssl.SSLEOFError):
            read_exactly(client, len(PAGE))


def test_fifty_clients_at_once_get_their_own_bytes(server: WireLog) -> None:
    names = [name for name in CASES if (CASES[name], "plain") in ENDING and name not in ("large-20mb", "gzip-bomb")]

    def visit(number: int) -> None:
        name = names[number % len(names)]
        target = f"/odd/{name}?{number}"
        with connect(server) as sock:
            together.wait()
            sock.sendall(request_bytes(server, target, CASES[name]))
            received = read_until_end(sock) if CASES[name].reads_body else sock.recv(1 << 16)
        assert only(server.find(target)).response == received

    together = threading.Barrier(50)
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(visit, range(50)))
    assert len({exchange.connection for exchange in server.exchanges}) == 50


def test_two_hundred_and_fifty_connections_stay_open_together(server: WireLog) -> None:
    request = b"GET /odd/empty-body HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = ok(b"", b"Content-Type: text/html; charset=utf-8")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(250)]
        for _ in range(2):
            for client in clients:
                client.sendall(request)
            assert {read_exactly(client, len(answer)) for client in clients} == {answer}
    assert server.hits["/odd/empty-body"] == 500


def test_closing_leaves_no_thread_and_no_listener_behind() -> None:
    before = set(threading.enumerate())
    with wire_log() as server, contextlib.ExitStack() as stack:
        for transport in ("plain", "tls", "proxy"):
            stack.enter_context(connect(server, transport))  # says nothing
            stalled = stack.enter_context(connect(server, transport))
            stalled.sendall(request_bytes(server, f"/odd/silent?{transport}", transport=transport))
        server.wait_for(lambda: len(server.find("/odd/silent")) == 4)  # the proxied one counts at both listeners
        bases = (server.http, server.https, server.proxy)
        server.close()
    assert set(threading.enumerate()) == before
    for base in bases:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port_of(base)), timeout=20)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_certificate_is_good_for_both_names_of_this_machine(server: WireLog, host: str) -> None:
    context = ssl.create_default_context(cafile=server.ca_pem)
    client = HTTPSConnection(host, port_of(server.https), context=context, timeout=20)
    client.request("GET", "/odd/plain")
    assert client.getresponse().read() == PAGE
    client.close()
    assert only(server.exchanges).listener == "tls"


def test_a_client_that_does_not_know_the_ca_is_not_served(server: WireLog) -> None:
    client = HTTPSConnection("localhost", port_of(server.https), context=ssl.create_default_context(), timeout=20)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.request("GET", "/odd/plain")
    client.close()
    assert server.exchanges == []


def test_connect_tunnels_tls_untouched(server: WireLog) -> None:
    context = ssl.create_default_context(cafile=server.ca_pem)
    client = HTTPSConnection("127.0.0.1", port_of(server.proxy), context=context, timeout=20)
    target = f"localhost:{port_of(server.https)}"
    client.set_tunnel("localhost", port_of(server.https))
    for _ in range(2):
        client.request("GET", "/odd/chunked-gzip")
        assert gzip.decompress(client.getresponse().read()) == PAGE
    client.close()

    tunnel, *inside = server.exchanges
    assert (tunnel.listener, tunnel.method, tunnel.target) == ("proxy", "CONNECT", target)
    assert tunnel.request.startswith(f"CONNECT {target} HTTP/1.".encode())
    assert tunnel.response == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert [exchange.listener for exchange in inside] == ["tls", "tls"]
    assert len({exchange.connection for exchange in inside}) == 1


def test_the_proxy_forwards_on_one_client_connection_and_closes_upstream_ones(server: WireLog) -> None:
    client = HTTPConnection("127.0.0.1", port_of(server.proxy), timeout=20)
    for name in ("plain", "chunked-trailers", "post-binary"):
        case = CASES[name]
        client.request(case.method, server.url(name), body=case.request_body or None)
        client.getresponse().read()
    client.close()

    asked = [exchange for exchange in server.exchanges if exchange.listener == "proxy"]
    reached = [exchange for exchange in server.exchanges if exchange.listener == "plain"]
    assert [exchange.response for exchange in asked] == [exchange.response for exchange in reached]
    assert [exchange.target for exchange in reached] == ["/odd/plain", "/odd/chunked-trailers", "/odd/post-binary"]
    assert len({exchange.connection for exchange in asked}) == 1
    assert len({exchange.connection for exchange in reached}) == 3
    assert reached[2].request.endswith(CASES["post-binary"].request_body)
    assert b"Connection: close\r\n" in reached[0].request


def test_the_proxy_never_leaves_this_machine(server: WireLog) -> None:
    server.page("/a.html", "here")
    client = HTTPConnection("127.0.0.1", port_of(server.proxy), timeout=20)
    client.request("GET", f"http://news.example:{port_of(server.http)}/a.html")
    assert client.getresponse().read() == b"here"
    client.close()


def test_the_proxy_answers_502_where_nothing_listens(server: WireLog) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = HTTPConnection("127.0.0.1", port_of(server.proxy), timeout=20)
        client.request("GET", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        assert client.getresponse().status == 502
        client.close()


def test_pages_are_served_and_counted(server: WireLog) -> None:
    url = server.page("/a.html", "<p>Grüße", headers=[("ETag", '"1"')])
    server.pages["/raw?x=1"] = b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 3\r\n\r\ntea"
    server.pages["/echo"] = lambda request: ok(f"{request.method} {request.query} {request.header('HOST')}".encode())
    client = HTTPConnection("127.0.0.1", port_of(server.http), timeout=20)

    def get(target: str, method: str = "GET") -> tuple[int, bytes]:
        client.request(method, target, headers={"Host": "news.example"})
        response = client.getresponse()
        return response.status, response.read()

    assert url == f"{server.http}/a.html"
    assert get("/a.html?any") == (200, "<p>Grüße".encode())
    assert get("/a.html", "HEAD") == (200, b"")
    assert get("/raw?x=1") == (418, b"tea")
    assert get("/raw")[0] == 404
    assert get("/echo?q") == (200, b"GET q news.example")
    client.close()
    assert server.hits == {"/a.html": 2, "/raw": 2, "/echo": 1}
    assert only(server.find("/a.html?any")).response.startswith(
        b'HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: "1"\r\nContent-Length: 10\r\n\r\n<p>'
    )


def test_a_page_that_fails_fails_the_test() -> None:
    def broken(request: Request) -> bytes:
        raise ValueError(request.path)

    def visit() -> None:
        with wire_log() as server:
            server.pages["/broken"] = broken
            with connect(server) as sock:
                sock.sendall(request_bytes(server, "/broken"))
                assert read_until_end(sock) == b""

    with pytest.raises(ExceptionGroup) as caught:
        visit()
    assert [str(error) for error in caught.value.exceptions] == ["/broken"]


def test_there_are_many_cases_and_their_names_need_no_quoting() -> None:
    assert len(CASES) >= 60
    assert all(name.replace("-", "").replace(".", "").isalnum() and name.islower() for name in CASES)


def test_urls_carry_the_query_of_their_case(server: WireLog) -> None:
    assert server.url("plain") == f"{server.http}/odd/plain"
    assert server.url("url-non-ascii", "https") == f"{server.https}/odd/url-non-ascii?q=café x|{{}}[]^`%zz"
    assert server.url("url-non-ascii", query="a=b").endswith("?a=b")


def test_faithful_means_no_interim_head_and_no_junk() -> None:
    case = CASES["junk-after-body"]
    sent = ok(b"hello") + b"EXTRA JUNK"
    assert case.rule == "exact-minus-trailing-junk"
    assert case.is_faithful(ok(b"hello"), sent)
    assert not case.is_faithful(sent, sent)
    hinted = CASES["interim-103-twice"]
    assert hinted.is_faithful(ok(b"hello"), hinted.interim + ok(b"hello"))


def test_faithful_within_a_limit_means_a_long_enough_prefix() -> None:
    case = CASES["silent-mid-body"]
    sent = bytes(case.at_least) + b"more"
    assert case.rule == "prefix"
    assert case.is_faithful(sent[:-1], sent)
    assert not case.is_faithful(sent[: case.at_least - 1], sent)
    assert not case.is_faithful(sent[:-1] + b"x", sent)


def test_the_first_visit_finds_the_busy_server_busy(server: WireLog) -> None:
    client = HTTPConnection("127.0.0.1", port_of(server.http), timeout=20)
    statuses = []
    for query in ("a", "a", "b"):
        client.request("GET", server.url("busy-once-503", query=query).removeprefix(server.http))
        response = client.getresponse()
        response.read()
        statuses.append(response.status)
    client.close()
    assert statuses == [503, 200, 503]


def test_the_early_refusal_comes_before_the_body_and_the_body_is_still_logged(server: WireLog) -> None:
    case = CASES["early-413"]
    request = request_bytes(server, "/odd/early-413", case)
    start = request[: -len(case.request_body)]
    with connect(server) as sock:
        sock.sendall(start)
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
        sock.sendall(case.request_body)
    server.wait_for(lambda: server.exchanges[0].finished)
    assert server.exchanges[0].request == request


def test_the_bomb_is_one_valid_gzip_member_of_a_gibibyte() -> None:
    bomb, unpack = gzip_bomb(), zlib.decompressobj(31)
    size = sum(len(unpack.decompress(bomb[start : start + 256])) for start in range(0, len(bomb), 256))
    assert unpack.eof
    assert (size, unpack.unused_data) == (1 << 30, b"")


@pytest.mark.parametrize(
    ("method", "response", "ends"),
    [
        ("GET", ok(b"body"), True),
        ("GET", ok(b"body") + b"junk", False),
        ("GET", ok(b"body", b"Connection: close"), False),
        ("GET", head(b"HTTP/1.1 103 Early Hints", b"Link: </a>") + ok(b"body"), True),
        ("GET", head(b"HTTP/1.1 103 Early Hints", b"Link: </a>"), False),
        ("HEAD", head(b"HTTP/1.1 200 OK"), True),
        ("GET", head(b"HTTP/1.1 200 OK"), False),
        ("GET", head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 9"), True),
        ("GET", head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"0\r\nX: y\r\n\r\n", True),
        ("GET", head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"1\r\na\r\n", False),
        ("GET", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", True),
        ("GET", head(b"HTTP/1.0 200 OK", b"Content-Length: 2") + b"ok", False),
        ("GET", head(b"HTTP/1.0 200 OK", b"Connection: keep-alive", b"Content-Length: 2") + b"ok", True),
        ("GET", b"<html>\r\n\r\n", False),
        ("GET", b"", False),
    ],
)
def test_a_connection_stays_open_only_after_a_delimited_answer(method: str, response: bytes, ends: bool) -> None:
    assert ends_by_itself(method, response) is ends
