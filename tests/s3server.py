"""A real S3 server on loopback for tests, and a proxy that stands between and misbehaves as told.

with s3_server() as server:              # moto, behind real HTTP
    bucket = server.make_bucket()
    use_environment(monkeypatch, server.env)
"""

from __future__ import annotations

import http.client
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

_BUCKETS = itertools.count()
"""Of all servers of this process: moto keeps what they hold in one place."""
_UNWANTED = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "BOTO_CONFIG")


def aws_environment(endpoint: str) -> dict[str, str]:
    """Return variables that point every AWS client at ``endpoint`` and away from this machine's own settings."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
    }


def clean_environ(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with ``settings`` for its AWS part; made for subprocesses."""
    kept = {name: value for name, value in os.environ.items() if not _is_foreign(name)}
    return kept | settings


def use_environment(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    """Have clients made from now on in this process see ``settings`` and nothing else of AWS."""
    for name in filter(_is_foreign, list(os.environ)):
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def _is_foreign(name: str) -> bool:
    return name.upper().startswith("AWS_") or name.upper() in _UNWANTED


@dataclass
class S3Server:
    """A running server; ``env`` is what a client needs to find it."""

    endpoint: str
    env: dict[str, str]

    @cached_property
    def client(self) -> Any:
        """A plain boto3 client, for looking behind the project's back."""
        import boto3
        from botocore.config import Config

        return boto3.session.Session(
            aws_access_key_id="test-key", aws_secret_access_key="test-secret", region_name="us-east-1"
        ).client("s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"}))

    def make_bucket(self, name: str | None = None) -> str:
        """Create a bucket, by default one of a name not used before, and return its name."""
        name = name or f"bucket-{next(_BUCKETS)}"
        self.client.create_bucket(Bucket=name)
        return name


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run moto's S3 on a free port of 127.0.0.1."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        yield S3Server(endpoint, aws_environment(endpoint))
    finally:
        server.stop()


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    cut: int | None = None
    """Close the connection after so many bytes of the body; the headers still promise all of it."""

    @classmethod
    def error(cls, status: int, code: str, message: str = "no") -> Answer:
        """Return an S3 error document."""
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return cls(status, {"Content-Type": "application/xml"}, text.encode())


@dataclass
class Proxy:
    """Passes requests on to ``upstream``; a test sets one of the two functions to make it misbehave."""

    upstream: str | None
    endpoint: str = ""
    on_request: Callable[[Request], Answer | None] = lambda request: None
    """May change the request, or answer it instead of the server."""
    on_answer: Callable[[Request, Answer], None] = lambda request, answer: None
    """May change the answer."""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def env(self) -> dict[str, str]:
        return aws_environment(self.endpoint)

    def pass_on(self, request: Request) -> Answer:
        """Ask the server."""
        assert self.upstream is not None, "this proxy has no server behind it"
        url = urlsplit(self.upstream)
        assert url.hostname
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            response = connection.getresponse()
            body = response.read()
            return Answer(response.status, dict(response.getheaders()), body)
        finally:
            connection.close()


@contextmanager
def proxy(upstream: str | None = None) -> Iterator[Proxy]:
    """Run a Proxy on a free port of 127.0.0.1; without ``upstream`` its ``on_request`` must answer everything."""
    between = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            between.connections += 1

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _PER_HOP}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            between.requests.append(request)
            answer = between.on_request(request) or between.pass_on(request)
            between.on_answer(request, answer)
            self._send(request, answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do

        def _send(self, request: Request, answer: Answer) -> None:
            self.send_response(answer.status)
            if request.method != "HEAD":
                answer.headers = _without(answer.headers, "content-length") | {"Content-Length": str(len(answer.body))}
            for name, value in _without(answer.headers, *_PER_HOP).items():
                self.send_header(name, value)
            self.end_headers()
            if request.method != "HEAD":
                self.wfile.write(answer.body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    between.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_PER_HOP = ("connection", "expect", "transfer-encoding", "keep-alive", "date", "server")


def _without(headers: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in names}
