"""A user's credentials are sent and not kept, and the record says so; what servers hand out themselves is kept."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

import pytest

from storage.capture import Capture, Spool
from storage.segment import now_utc
from tests.crawl.crawling import Ask, Crawl, run_crawl
from tests.wirelog import WireLog

LOGIN = base64.b64encode(b"us er:s3cret-proxy/").decode()


def proxy_of(server: WireLog) -> str:
    return f"http://us%20er:s3cret-proxy%2F@{urlsplit(server.proxy).netloc}"


def asks(server: WireLog) -> list[Ask]:
    """Everything a user may be known by, and cookies of the servers' own."""
    jar = {"cookiejar": "of the server"}
    both = Ask(server.url("plain", query="both"), cookies={"login": "s3cret-both"}, meta=jar)
    echo = Ask(server.url("cookie-echo", query="echo"), meta=jar, then=(both,))
    raw = {"Cookie": "login=s3cret-raw; theme=s3cret-too"}
    return [
        Ask(server.url("plain", query="authorization"), headers={"Authorization": "Bearer s3cret-token"}),
        Ask(server.url("plain", query="raw"), headers=raw, meta={"dont_merge_cookies": True}),
        Ask(server.url("plain", query="jar"), cookies={"login": "s3cret-jar"}, meta={"cookiejar": "of the user"}),
        Ask(server.url("cookie-set", query="set"), meta=jar, then=(echo,)),
        Ask(server.url("plain", query="page"), headers={"Authorization": "Bearer s3cret-page"}, page=True),
        Ask(server.http + "/missing?authorization", headers={"Authorization": "Bearer s3cret-404"}, page=True),
        Ask("http://127.0.0.1:1/?refused", headers={"Authorization": "Bearer s3cret-refused"}, page=True),
    ]


@pytest.fixture(scope="module")
def redacted(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    return run_crawl(tmp_path_factory.mktemp("redacted") / "archive", asks(server), LOG_LEVEL="DEBUG")


@pytest.fixture(scope="module")
def proxied(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Through a proxy that wants a password: plain, through a tunnel, and through one that cannot be opened."""
    wanted = [
        Ask(server.url("plain", query="by-proxy")),
        Ask(server.url("redirect-308", query="by-proxy")),
        Ask(server.url("plain", "https", "by-tunnel")),
        Ask("https://127.0.0.1:1/?no-tunnel", page=True),
    ]
    archive = tmp_path_factory.mktemp("proxied") / "archive"
    return run_crawl(archive, wanted, ARCHIVER_PROXY=proxy_of(server), LOG_LEVEL="DEBUG")


@pytest.fixture(scope="module")
def unredacted(server: WireLog, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    archive = tmp_path_factory.mktemp("unredacted") / "archive"
    wanted = [
        Ask(ask.url + "-kept", headers=ask.headers, cookies=ask.cookies, meta=ask.meta) for ask in asks(server)[:3]
    ]
    return run_crawl(archive, wanted, ARCHIVER_PROXY=proxy_of(server), ARCHIVER_KEEP_CREDENTIALS=True)


@pytest.mark.parametrize(
    ("query", "secrets", "fields"),
    [
        ("authorization", ["Bearer s3cret-token"], "Authorization"),
        ("raw", ["s3cret-raw", "s3cret-too"], "Cookie"),
        ("jar", ["s3cret-jar"], "Cookie"),
        ("page", ["Bearer s3cret-page"], "Authorization"),
        ("both", ["s3cret-both"], "Cookie"),
    ],
)
def test_only_the_secret_itself_is_replaced(
    server: WireLog, redacted: Crawl, query: str, secrets: list[str], fields: str
) -> None:
    (expected,) = [each.request for each in server.exchanges if each.path.endswith(f"/odd/plain?{query}")]
    for secret in secrets:
        assert expected.count(secret.encode()) == 1
        expected = expected.replace(secret.encode(), b"[redacted]")
    (kept,) = redacted.find(f"/odd/plain?{query}")
    assert kept.request == expected
    assert kept.request_fields["WARC-Redacted-Fields"] == [fields]


def test_cookies_set_by_the_server_are_kept(server: WireLog, redacted: Crawl) -> None:
    (sent,) = server.find("/odd/cookie-echo?echo")
    (kept,) = redacted.find("/odd/cookie-echo?echo")
    assert b"\r\nCookie: sid=abc\r\n" in kept.request
    assert kept.request == sent.request
    assert "WARC-Redacted-Fields" not in kept.request_fields
    assert b"sid=abc" in redacted.find("/odd/plain?both")[0].request


def test_the_proxy_is_given_its_password_and_no_one_else(server: WireLog, proxied: Crawl) -> None:
    field = f"\r\nProxy-Authorization: Basic {LOGIN}\r\n".encode()
    plain, tunnels = server.find("/odd/plain?by-proxy", "proxy"), [e for e in server.exchanges if e.method == "CONNECT"]
    assert plain
    assert tunnels
    assert all(field in each.request for each in plain + tunnels)
    for each in server.find("/odd/plain?by-tunnel", "tls"):
        assert b"Proxy-Authorization" not in each.request
    (kept,) = proxied.find("/odd/plain?by-proxy")
    assert kept.request == plain[0].request.replace(f"Basic {LOGIN}".encode(), b"[redacted]")
    assert kept.request_fields["WARC-Redacted-Fields"] == ["Proxy-Authorization"]
    assert kept.fields["WARC-Proxy-Host"] == [urlsplit(server.proxy).netloc]


def test_secrets_stand_nowhere(redacted: Crawl, proxied: Crawl) -> None:
    assert redacted.holds(b"s3cret") == []
    assert proxied.holds(b"s3cret") == []
    assert proxied.holds(LOGIN.encode()) == []


def test_credentials_are_kept_on_request(server: WireLog, unredacted: Crawl) -> None:
    for query in ("authorization", "raw", "jar"):
        (sent,) = server.find(f"/odd/plain?{query}-kept", "proxy")
        (kept,) = unredacted.find(f"?{query}-kept")
        assert b"s3cret" in kept.request
        assert LOGIN.encode() in kept.request
        assert kept.request == sent.request
        assert "WARC-Redacted-Fields" not in kept.request_fields


def capture_of(request: bytes) -> Capture:
    return Capture(url="http://example.com/", method="GET", date=now_utc(), request=request, response=Spool())


@pytest.mark.parametrize(
    ("request_head", "kept"),
    [
        (b"GET / HTTP/1.1\r\nauthorization:x y\r\n\r\n", b"GET / HTTP/1.1\r\nauthorization: [redacted]\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nCOOKIE: a; b=2\r\n\r\n", b"GET / HTTP/1.1\r\nCOOKIE: [redacted]; b=[redacted]\r\n\r\n"),
        (b"GET /Cookie:a HTTP/1.1\r\nX: 1\r\n\r\n", b"GET /Cookie:a HTTP/1.1\r\nX: 1\r\n\r\n"),
        (b"POST / HTTP/1.1\r\nA: 1\r\n\r\nCookie: a=1\r\n", b"POST / HTTP/1.1\r\nA: 1\r\n\r\nCookie: a=1\r\n"),
        (b"GET / HTTP/1.1\r\nCookie: s=1; a==1=\r\n\r\n", b"GET / HTTP/1.1\r\nCookie: s=1; a=[redacted]\r\n\r\n"),
    ],
)  # fmt: skip
def test_redaction_touches_secret_fields_of_the_head_alone(request_head: bytes, kept: bytes) -> None:
    from archiver.crawl.handler import redact

    capture = capture_of(request_head)
    redact(capture, {b"s=1"})
    assert capture.request == kept
    assert bool(capture.redacted) == (kept != request_head)
