"""What the archive holds of an exchange is what crossed the wire, byte for byte, whatever a server does."""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from storage import message
from tests.crawl.crawling import Ask, Crawl, Kept, connect_anew, run_crawl, store_every_payload
from tests.oddcases import CASES, IDLE_408, Case
from tests.wirelog import Exchange, Listener, WireLog

Way = Literal["plain", "tls", "proxy", "tunnel"]
WAYS: tuple[Way, ...] = ("plain", "tls", "proxy", "tunnel")


def allows(case: Case, way: Way) -> bool:
    return ("proxy" if way == "tunnel" else way) in case.transports


PLACES = [(case, way) for way in WAYS for case in CASES.values() if allows(case, way)]
SWIFT = [
    case
    for case in CASES.values()
    if not case.stalls and case.max_size is None and not case.junk and case.name not in ("large-20mb", "gzip-bomb")
]
"""Cases to send many of; what follows an answer could reach a client that is asking something else already."""


def listener_of(way: Way) -> Listener:
    """Where what the client says and hears can be overheard."""
    return "tls" if way == "tunnel" else way


def mark_of(case: Case, way: Way) -> str:
    return f"{case.name}-over-{way}"


def ask_for(server: WireLog, case: Case, way: Way, mark: str) -> Ask:
    scheme: Literal["http", "https"] = "http" if way in ("plain", "proxy") else "https"
    query = "&".join(part for part in (case.query, f"mark={mark};") if part)
    meta = {
        "verbatim_url": case.verbatim,
        **({"proxy": server.proxy} if way in ("proxy", "tunnel") else {}),
        **({"download_timeout": 3} if case.stalls else {}),
        **({"download_maxsize": case.max_size} if case.max_size is not None else {}),
    }
    return Ask(server.url(case.name, scheme, query), case.method, body=case.request_body, meta=meta)


def arrange() -> None:
    connect_anew()
    store_every_payload()


@pytest.fixture(scope="module")
def crawls(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> dict[Way, Crawl]:
    """All cases, one crawl per way; each exchange has a connection of its own and is stored whole."""
    places = {way: tmp_path_factory.mktemp(way) for way in WAYS}  # not in threads: two first calls undo each other

    def crawl(way: Way) -> Crawl:
        # Those with a time limit come last, when the machine has nothing else to do any more.
        cases = sorted((case for case, each in PLACES if each == way), key=lambda case: case.stalls)
        asks = [ask_for(server, case, way, mark_of(case, way)) for case in cases]
        return run_crawl(
            places[way] / "archive",
            asks,
            arrange=arrange,
            RETRY_ENABLED=False,
            REDIRECT_ENABLED=False,
            CONCURRENT_REQUESTS=32,
            CONCURRENT_REQUESTS_PER_DOMAIN=32,
        )

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(WAYS, pool.map(crawl, WAYS), strict=True))


def exchanges_of(server: WireLog, mark: str, listener: Listener) -> list[Exchange]:
    return [each for each in server.exchanges if each.listener == listener and f"mark={mark};" in each.target]


def check_kept(case: Case, kept: Kept, sent: Exchange) -> None:
    """Assert that a capture holds what the server read and sent."""
    assert case.is_faithful(kept.response, sent.response)
    check_request(case, kept, sent)
    assert b"".join(map(base64.b64decode, kept.metadata.get("interimResponseBase64", []))) == case.interim
    assert int(kept.metadata.get("bytesAfterMessageDropped", ["0"])[0]) <= len(case.junk)
    assert kept.kind == ("response" if kept.response else "")
    assert kept.fields.get("WARC-Truncated") == ([case.truncated] if case.truncated and kept.response else None)


def check_request(case: Case, kept: Kept, sent: Exchange) -> None:
    if case.reads_body:
        assert kept.request == sent.request
    else:
        assert kept.request.startswith(sent.request)
        assert kept.request.endswith(case.request_body)


@pytest.mark.parametrize(("case", "way"), PLACES, ids=[mark_of(case, way) for case, way in PLACES])
def test_an_exchange_is_kept_as_it_crossed_the_wire(
    server: WireLog, crawls: dict[Way, Crawl], case: Case, way: Way
) -> None:
    mark = mark_of(case, way)
    (sent,) = exchanges_of(server, mark, listener_of(way))
    (kept,) = crawls[way].find(f"mark={mark};")
    check_kept(case, kept, sent)
    if case.status is not None:  # what is no HTTP has whatever status other WARC tools read in it
        assert kept.entry
        assert kept.entry.status == case.status


@pytest.mark.parametrize("way", WAYS)
def test_there_are_as_many_captures_as_exchanges(server: WireLog, crawls: dict[Way, Crawl], way: Way) -> None:
    sent = [each for each in server.exchanges if f"-over-{way};" in each.target and each.listener == listener_of(way)]
    assert len(crawls[way].exchanges) == len(sent) == len([each for _, each in PLACES if each == way])


def test_nothing_said_to_the_proxy_about_a_tunnel_is_kept(server: WireLog, crawls: dict[Way, Crawl]) -> None:
    assert any(each.method == "CONNECT" for each in server.exchanges)
    for kept in crawls["tunnel"].exchanges:
        assert not kept.request.startswith(b"CONNECT")
        assert b"Connection established" not in kept.response


# Connections that live on.


@pytest.fixture(scope="module")
def conversation(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Requests that depend on those before, with retries, redirects, cookies and robots.txt as they come."""
    server.page("/robots.txt", "User-agent: *\nDisallow: /private", content_type="text/plain")
    asks = [
        Ask(server.url("plain", query="mark=first;"), then=(Ask(server.url("closed-on-reuse", query="mark=stale;")),)),
        Ask(server.url("busy-once-503", query="mark=busy;")),
        Ask(server.url("redirect-301", query="mark=moved;")),
        Ask(
            server.url("cookie-set", "https", "mark=set;"),
            then=(Ask(server.url("cookie-echo", "https", "mark=echo;")),),
        ),
        Ask(server.http + "/nothing-here?mark=missing;"),
        Ask(server.http + "/private/page?mark=forbidden;"),
    ]
    archive = tmp_path_factory.mktemp("conversation") / "archive"
    return run_crawl(archive, asks, CONCURRENT_REQUESTS=1, ROBOTSTXT_OBEY=True)


def test_every_exchange_of_a_conversation_is_kept(server: WireLog, conversation: Crawl) -> None:
    """Redirect hops, robots.txt, errors, retries, and what Twisted repeats on a fresh connection by itself."""
    sent = [(each.request, each.response) for each in server.exchanges]
    kept = [(each.request, each.response) for each in conversation.exchanges if each.kind != "revisit"]
    for request, response in kept:
        assert (request, response) in sent
    assert len(conversation.find("mark=first;")) == 1
    assert len(conversation.find("/odd/redirect-")) == 3
    assert [each.entry.status for each in conversation.find("mark=busy;") if each.entry] == [503, 200]
    assert [each.entry.status for each in conversation.find("mark=missing;") if each.entry] == [404]
    assert len(conversation.find("/robots.txt")) == 2  # of the plain and of the TLS host
    assert not conversation.find("mark=forbidden;")
    assert conversation.answers[server.http + "/private/page?mark=forbidden;"].error == "RobotsForbid"


def test_a_request_repeated_on_a_fresh_connection_is_two_exchanges(server: WireLog, conversation: Crawl) -> None:
    (first,) = conversation.find("mark=first;")
    unanswered, answered = conversation.find("mark=stale;")
    for kept, sent in zip((unanswered, answered), exchanges_of(server, "stale", "plain"), strict=True):
        assert kept.request == sent.request
    assert (unanswered.response, unanswered.entry) == (b"", None)
    assert answered.entry
    assert answered.entry.status == 200
    assert unanswered.metadata["connection"] == first.metadata["connection"] != answered.metadata["connection"]


def test_a_revisit_keeps_the_head_and_names_the_capture_with_its_payload(server: WireLog, conversation: Crawl) -> None:
    revisits = [kept for kept in conversation.exchanges if kept.kind == "revisit"]
    assert revisits
    originals = {kept.fields["WARC-Record-ID"][0]: kept for kept in conversation.exchanges if kept.kind == "response"}
    for kept in revisits:
        original = originals[kept.fields["WARC-Refers-To"][0]]
        assert kept.fields["WARC-Payload-Digest"] == original.fields["WARC-Payload-Digest"]
        assert kept.fields["WARC-Refers-To-Target-URI"] == [original.url]
        assert kept.fields["WARC-Refers-To-Date"] == original.fields["WARC-Date"]
        assert kept.response + payload_of(original.response) in [each.response for each in server.exchanges]


def payload_of(block: bytes) -> bytes:
    end = message.head_end(block)
    assert end
    assert not message.is_chunked(message.parse_head(block[:end]))
    return block[end:]


def test_what_arrives_on_an_idle_connection_belongs_to_no_capture(
    server: WireLog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A 408 nobody asked for comes while another connection is busy; then the first host is asked again."""
    last = Ask(server.url("plain", query="mark=afterwards;"))
    busy = Ask(server.url("silent", "https", "mark=meanwhile;"), then=(last,))
    first = Ask(server.url("idle-408", query="mark=idle;"), then=(busy,))

    def complain() -> None:
        server.wait_for(lambda: bool(exchanges_of(server, "meanwhile", "tls")), 120)
        server.release("idle-408")
        server.wait_for(lambda: exchanges_of(server, "idle", "plain")[0].finished)
        server.release("silent")

    thread = threading.Thread(target=complain)
    thread.start()
    crawl = run_crawl(tmp_path_factory.mktemp("idle") / "archive", [first], arrange=store_every_payload)
    thread.join()
    for mark, case, listener in (("idle", "idle-408", "plain"), ("afterwards", "plain", "plain")):
        (sent,) = exchanges_of(server, mark, listener)
        (kept,) = crawl.find(f"mark={mark};")
        check_kept(CASES[case], kept, sent)
    assert exchanges_of(server, "idle", "plain")[0].response.endswith(IDLE_408)


# Many at once.


def test_many_requests_at_once_are_neither_mixed_up_nor_missing(
    server: WireLog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """300 requests on 16 kept-alive connections, with robots.txt and retries: a request may be several exchanges."""
    chance = random.Random(20_26)
    chosen = [chance.choice([(case, way) for case in SWIFT for way in WAYS if allows(case, way)]) for _ in range(300)]
    asks = [ask_for(server, case, way, f"many-{number}") for number, (case, way) in enumerate(chosen)]
    crawl = run_crawl(
        tmp_path_factory.mktemp("many") / "archive",
        asks,
        arrange=store_every_payload,
        ROBOTSTXT_OBEY=True,
        REDIRECT_ENABLED=False,
        RETRY_TIMES=1,
        CONCURRENT_REQUESTS=16,
        CONCURRENT_REQUESTS_PER_DOMAIN=16,
    )
    for number, (case, way) in enumerate(chosen):
        sent = exchanges_of(server, f"many-{number}", listener_of(way))
        kept = crawl.find(f"mark=many-{number};")
        assert sent
        assert len(kept) == len(sent), case.name
        for each_kept, each_sent in zip(kept, sent, strict=True):
            check_kept_of_many(case, each_kept, each_sent)
    sent_numbers = {number for number in range(300) if crawl.find(f"mark=many-{number};")}
    assert len(sent_numbers) == 300
    assert connections(crawl.exchanges) < len(crawl.exchanges), "connections were kept alive"


def check_kept_of_many(case: Case, kept: Kept, sent: Exchange) -> None:
    """As `check_kept`, but a case is not always played to its end on a connection that was used before."""
    check_request(case, kept, sent)
    assert kept.response == case.expected_response(sent.response)


def connections(exchanges: Iterable[Kept]) -> int:
    return len({kept.metadata["connection"][0] for kept in exchanges})
