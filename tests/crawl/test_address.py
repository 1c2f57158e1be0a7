"""Nothing connects to a private address unless that was allowed, however the address is written or arrived at."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from archiver.crawl.address import forbid_private_literal, is_public
from tests.crawl.crawling import Ask, Crawl, resolve_as, run_crawl
from tests.wirelog import WireLog

PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808")
PRIVATE = """
    127.0.0.1 127.255.255.255 0.0.0.0 10.1.2.3 100.64.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1
    192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1
    ::ffff:10.0.0.1 ::127.0.0.1 fc00::1 fd12::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 2001:db8::1 2001::1 2002:7f00:1::
    2002:a00:1:: 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1
"""


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_of_anything_else_are_not(address: str) -> None:
    assert not is_public(address)


def test_a_name_is_no_address() -> None:
    with pytest.raises(ValueError):
        is_public("example.com")


# What really connects: every socket is counted where it would arrive.

LITERALS = """
    127.0.0.1 localhost LOCALHOST [::1] 2130706433 0x7f000001 0177.0.0.1 127.1 0 [::ffff:127.0.0.1] [::ffff:7f00:1] [::]
    0.0.0.0 127.0.0.2 ①②⑦.⓪.⓪.① 127。0。0。1 169.254.169.254
"""
NAMES = {
    "private.test": ["127.0.0.1"],
    "private6.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    "several.test": ["10.0.0.1", "127.0.0.1", "::1"],
    "bücher.test".encode("idna").decode(): ["127.0.0.1"],
}
TYPED = (*NAMES, "Private.TEST", "bücher.test")


class Door:
    """A listening port of which it can be said whether anybody knocked."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port: int = self._sockets[0].getsockname()[1]
        if socket.has_ipv6:
            with suppress(OSError):  # no loopback of that kind here, so nothing can connect to it
                self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))

    def knocks(self) -> int:
        """How many connections wait to be accepted."""
        count = 0
        for listening in self._sockets:
            listening.setblocking(False)
            try:
                while True:
                    listening.accept()[0].close()
                    count += 1
            except BlockingIOError:
                continue
        return count

    def close(self) -> None:
        for listening in self._sockets:
            listening.close()


@contextmanager
def closed_door() -> Iterator[Door]:
    door = Door()
    try:
        yield door
    finally:
        door.close()


def know_names() -> None:
    """Answer for the test's names, and tell on standard error where connections are really made to."""
    resolve_as(NAMES)
    tell_connections()


def tell_connections() -> None:
    import sys

    from twisted.internet import reactor

    connect = reactor.connectTCP  # type: ignore[attr-defined]  # the module is the reactor

    def told(host: str, port: int, *rest: object, **more: object) -> object:
        print(f"CONNECT {host} {port}", file=sys.stderr, flush=True)
        return connect(host, port, *rest, **more)

    reactor.connectTCP = told  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crawl, Door]]:
    """Every spelling and name, over http and https, pages and support alike, with private addresses not allowed."""
    with closed_door() as door:
        asks = [
            Ask(f"{scheme}://{host}:{door.port}/", page=True)
            for host in (*LITERALS.split(), *TYPED)
            for scheme in ("http", "https")
        ]
        archive = tmp_path_factory.mktemp("refused") / "archive"
        yield run_crawl(archive, asks, arrange=know_names, ARCHIVER_ALLOW_PRIVATE=False), door


def test_nothing_connects_to_a_private_address(refused: tuple[Crawl, Door]) -> None:
    crawl, door = refused
    assert "CONNECT" not in crawl.stderr
    assert door.knocks() == 0
    assert crawl.exchanges == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", [*LITERALS.split(), *TYPED])
def test_a_private_address_is_refused_once_with_the_way_out(
    refused: tuple[Crawl, Door], scheme: str, host: str
) -> None:
    crawl, door = refused
    line = crawl.line(f"{scheme}://{host}:{door.port}/")
    assert line["outcome"] == "refused"
    assert re.search("private address.*--allow-private", line["evidence"][0])


def test_robots_txt_is_not_fetched_from_a_private_address_either(tmp_path: Path) -> None:
    with closed_door() as door:
        asks = [Ask(f"http://127.0.0.1:{door.port}/page", page=True)]
        crawl = run_crawl(
            tmp_path / "archive", asks, arrange=know_names, ARCHIVER_ALLOW_PRIVATE=False, ROBOTSTXT_OBEY=True
        )
        assert door.knocks() == 0
    assert "CONNECT" not in crawl.stderr
    assert crawl.line(asks[0].url)["outcome"] == "refused"
    (support,) = [line for line in crawl.lines if line["kind"] == "support"]
    assert support["url"].endswith("/robots.txt")
    assert support["outcome"] == "refused"


def trust_one_port() -> None:
    """Let one loopback port stand for the Internet, the way a proxy named by the operator is let through."""
    import os

    from archiver.crawl.address import guard

    port = int(os.environ["TEST_OUTSIDE"])
    guard.trusted.add(("127.0.0.1", port))
    resolve_as({**NAMES, "mixed.test": ["169.254.169.254", "127.0.0.1", "10.0.0.1"]})
    tell_connections()


@pytest.fixture(scope="module")
def led_astray(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crawl, Door, int]]:
    """An allowed server that leads elsewhere: by redirects, by robots.txt, by a meta refresh, by its own name."""
    outside = int(server.http.rpartition(":")[2])
    with closed_door() as door:
        hosts = ("127.0.0.1", "localhost", "2130706433", "[::1]", "private.test", "169.254.169.254")
        for number, host in enumerate(hosts):
            target = f"http://{host}:{door.port}/inside"
            server.pages[f"/to/{number}"] = redirect_to(target)
            server.page(f"/refresh/{number}", f'<meta http-equiv="refresh" content="0; url={target}">')
        server.page("/ordinary", "<p>Nothing to see.</p>")
        asks = [Ask(server.http + path, page=True) for path in server.pages]
        asks.append(Ask(f"http://mixed.test:{outside}/ordinary", page=True))
        crawl = run_crawl(
            tmp_path_factory.mktemp("astray") / "archive", asks, arrange=trust_one_port,
            env={"TEST_OUTSIDE": str(outside)}, ARCHIVER_ALLOW_PRIVATE=False,
        )  # fmt: skip
        yield crawl, door, outside


def redirect_to(target: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_redirect_to_a_private_address_is_refused_and_its_hop_kept(
    server: WireLog, led_astray: tuple[Crawl, Door, int]
) -> None:
    crawl, door, _ = led_astray
    astray = [path for path in server.pages if path != "/ordinary"]
    assert len(astray) == 12
    for path in astray:
        line = crawl.line(server.http + path)
        assert line["outcome"] == "refused"
        assert "private address" in line["evidence"][0]
        assert [capture["url"] for capture in line["captures"]] == [server.http + path]
    assert door.knocks() == 0


def test_of_several_addresses_only_a_public_one_is_connected_to(led_astray: tuple[Crawl, Door, int]) -> None:
    crawl, _, outside = led_astray
    assert crawl.line(f"http://mixed.test:{outside}/ordinary")["outcome"] not in ("refused", "failed")
    connections = set(re.findall(r"^CONNECT (\S+) (\d+)$", crawl.stderr, re.MULTILINE))
    assert connections == {("127.0.0.1", str(outside))}


def test_behind_a_proxy_a_private_literal_is_refused_before_the_proxy_hears_of_it(
    server: WireLog, tmp_path: Path
) -> None:
    hosts = "127.0.0.1 localhost localhost. x.localhost [::1] 2130706433 0x7f000001 127.1 0 127.0.0.1. 169.254.169.254"
    asks = [Ask(f"{scheme}://{host}/by-proxy", page=True) for host in hosts.split() for scheme in ("http", "https")]
    crawl = run_crawl(
        tmp_path / "archive", asks, arrange=know_names, ARCHIVER_ALLOW_PRIVATE=False, ARCHIVER_PROXY=server.proxy
    )
    assert [each for each in server.exchanges if each.listener == "proxy"] == []
    assert [crawl.line(ask.url)["outcome"] for ask in asks] == ["refused"] * len(asks)


def test_an_operators_proxy_may_have_a_private_name(server: WireLog, tmp_path: Path) -> None:
    proxy = server.proxy.replace("127.0.0.1", "localhost")
    ask = Ask("http://example.com/through-the-proxy", page=True)
    crawl = run_crawl(tmp_path / "archive", [ask], ARCHIVER_ALLOW_PRIVATE=False, ARCHIVER_PROXY=proxy)
    assert crawl.line(ask.url)["status"] == 502  # the proxy was reached; it knows no example.com
    assert server.find("/through-the-proxy", "proxy")


@pytest.mark.parametrize("url", ["http://8.8.8.8/", "http://example.com/", "http://local.example/"])
def test_what_is_not_a_private_literal_is_the_proxys_to_resolve(url: str) -> None:
    forbid_private_literal(url)
