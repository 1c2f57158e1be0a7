"""Serves The Harbour Courier on the loopback interface, and lets its editor change it meanwhile.

    with DemoSite() as site:
        fetch(site.url + "/news/2019/02/08/night-ferry-returns.html")
        site.edit("/news/2019/02/08/night-ferry-returns.html", "£14.50", "£12.00")

``python -m archiver.demo.site`` serves it until Ctrl-C.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from archiver.demo import newspaper
from archiver.demo.newspaper import SECTIONS, STORIES, UNREADABLE, Story

FILES = Path(__file__).with_name("site")
"""Pages as they are served, except that text is kept in UTF-8 here; names with ``_`` are parts and templates."""

FERRY = "/news/2019/02/08/night-ferry-returns.html"
STORM = "/news/live/storm-ingrid.html"
WALKS = "/culture/2019/02/04/winter-walks.html"
BEHIND_A_BOT_CHECK = "/news/2019/02/08/council-papers.html"
GERMAN = "/international/2019/02/05/gruss-aus-krabbenhaven.html"
CHUNKED = "/sport/2019/02/03/winter-regatta.html"
SHORT_LINKS = {"/s/4f7a": FERRY}

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}

NEXT_EDITION = (
    (FERRY, "Night ferry returns to Skarra after nine winters", "Night ferry returns to Skarra, and its fare is cut"),
    (FERRY, '"dateModified": "2019-02-08T09:15:00+00:00"', '"dateModified": "2019-02-08T16:40:00+00:00"'),
    (
        FERRY,
        "A single fare is £14.50, and islanders with a resident's card pay half.",
        "A single fare is £12.00, cut from £14.50 on Friday, and islanders with a resident's card travel free.",
    ),
    (STORM, '"dateModified": "2019-02-08T11:20:00+00:00"', '"dateModified": "2019-02-08T15:05:00+00:00"'),
    (
        STORM,
        '<section class="update" id="u4">',
        '<section class="update" id="u5">\n'
        '<h2><time datetime="2019-02-08T15:05:00+00:00">15:05</time> Fish dock under water</h2>\n'
        "<p>The sea is over the fish dock an hour before it was expected. The market hall is being cleared, and the "
        "auctioneer has been seen carrying the ledgers upstairs himself.</p>\n</section>\n"
        '<section class="update" id="u4">',
    ),
)
"""What changes between this edition and the next: (path, old text, new text)."""

WITHDRAWN = (WALKS,)
"""Stories that the next edition takes down."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the site says to a GET of one path."""

    status: int
    content_type: str
    body: bytes
    modified: datetime | None = None
    """Absent on error pages, which carry no validators."""
    location: str | None = None
    chunked: bool = False


class DemoSite:
    """The paper on ``http://127.0.0.1:port`` for as long as the context lasts; port 0 takes a free one.

    The editor's methods may be called while it serves.
    """

    def __init__(self, port: int = 0) -> None:
        self._files = {_path_of(file): file for file in FILES.rglob("*") if file.is_file() and file.name[0] != "_"}
        self._lock = threading.Lock()
        self._edits: dict[str, list[tuple[str, str]]] = {}
        self._edited: dict[str, datetime] = {}
        self._removed: set[str] = set()
        self._changed = max(story.modified for story in STORIES)
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        """Where the front page is, without a trailing slash."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stopping = True
        self._server.shutdown()
        self._server.server_close()

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces ``old`` wherever it stands in the page at ``path``, front page, feed and style sheet included.

        Raises ``ValueError`` where there is no such page, or no such text in it.
        """
        with self._lock:
            text = self._text(path)
            if text is None or old not in text:
                raise ValueError(f"{path} does not contain {old!r}")
            self._edits.setdefault(path, []).append((old, new))
            self._changed = self._edited[path] = _now()

    def remove(self, path: str) -> None:
        """From now on ``path`` answers 410 and no list mentions it."""
        with self._lock:
            self._removed.add(path)
            self._changed = _now()

    def restore(self) -> None:
        """Undoes every edit and every removal, which changes those pages once more."""
        with self._lock:
            self._changed = _now()
            self._edited = dict.fromkeys([*self._edits, *self._removed], self._changed)
            self._edits.clear()
            self._removed.clear()

    def next_edition(self) -> None:
        """Two stories change and one disappears: what a second crawl has to find."""
        for path, old, new in NEXT_EDITION:
            self.edit(path, old, new)
        for path in WITHDRAWN:
            self.remove(path)

    def answer(self, path: str) -> Answer:
        """The answer to a GET of ``path``, without its query."""
        with self._lock:
            return self._answer(path)

    def _answer(self, path: str) -> Answer:
        if path in self._removed:
            return self._error(410, "_removed.html")
        if path == BEHIND_A_BOT_CHECK:
            return self._error(403, "_verify.html")
        target = SHORT_LINKS.get(path) or (f"{path}/" if f"{path}/" in SECTIONS else None)
        if target:
            return Answer(301, "text/plain", b"", location=self.url + target)
        content_type = _content_type(path)
        text = self._text(path)
        if text is not None:
            charset = "iso-8859-1" if path == GERMAN else "utf-8"
            content_type = f"{content_type}; charset={charset}"
            return Answer(200, content_type, text.encode(charset), self._modified(path), chunked=path == CHUNKED)
        if path in self._files:
            return Answer(200, content_type, self._files[path].read_bytes(), self._modified(path))
        return self._error(404, "_missing.html")

    def _error(self, status: int, template: str) -> Answer:
        return Answer(status, "text/html; charset=utf-8", self._fill(_part(template)).encode())

    def _text(self, path: str) -> str | None:
        """The page at ``path`` as it reads now; ``None`` where there is no page of text."""
        template = self._template(path)
        return None if template is None else self._with_edits(path, self._fill(template))

    def _template(self, path: str) -> str | None:
        stories = list(self._stories())
        if path == "/":
            return _part("_front.html").replace("{{stories}}", newspaper.teasers(stories))
        if section := SECTIONS.get(path):
            teasers = newspaper.teasers(story for story in stories if story.section == section)
            page = _part("_section.html").replace("{{section}}", section).replace("{{path}}", path)
            return page.replace("{{stories}}", teasers)
        if path == "/feed.xml":
            return newspaper.feed(stories)
        if path == "/news-sitemap.xml":
            return newspaper.news_sitemap([*stories, *UNREADABLE])
        if path == "/robots.txt":
            return newspaper.ROBOTS
        file = self._files.get(path)
        return file.read_text("utf-8") if file and file.suffix != ".png" else None

    def _stories(self) -> Iterator[Story]:
        for story in STORIES:
            if story.path not in self._removed:
                headline = self._with_edits(story.path, story.headline)
                yield replace(story, headline=headline, modified=self._edited.get(story.path, story.modified))

    def _with_edits(self, path: str, text: str) -> str:
        for old, new in self._edits.get(path, ()):
            text = text.replace(old, new)
        return text

    def _fill(self, template: str) -> str:
        for name in ("masthead", "footer"):
            template = template.replace(f"{{{{{name}}}}}", _part(f"_{name}.html").rstrip())
        return template.replace("{{site}}", self.url)

    def _modified(self, path: str) -> datetime:
        """When the story at ``path`` changed; anything else counts as new as the last change anywhere."""
        for story in STORIES:
            if story.path == path:
                return self._edited.get(path, story.modified)
        return self._changed


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _part(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def _path_of(file: Path) -> str:
    """
    >>> _path_of(FILES / "members" / "index.html")
    '/members/'
    """
    return "/" + file.relative_to(FILES).as_posix().removesuffix("index.html")


def _content_type(path: str) -> str:
    if path == "/feed.xml":
        return "application/rss+xml"
    return MEDIA_TYPES.get(Path(path).suffix, "text/html")


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    stopping = False

    def __init__(self, site: DemoSite, port: int) -> None:
        self.site = site
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks a name server for the name of this machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self) -> None:
        if self.server.stopping:
            self.close_connection = True
            return
        answer = self.server.site.answer(unquote(urlsplit(self.path).path))
        zipped = answer.chunked and "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(answer.body, mtime=0) if zipped else answer.body
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        fresh = answer.modified is not None and self._client_has(etag, answer.modified)
        self.send_response(304 if fresh else answer.status)
        if answer.modified:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", format_datetime(answer.modified, usegmt=True))
        if answer.location:
            self.send_header("Location", answer.location)
        if answer.chunked:
            self.send_header("Vary", "Accept-Encoding")
        if fresh:
            self.end_headers()
            return
        self.send_header("Content-Type", answer.content_type)
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self._send_body(body, chunked=answer.chunked and self.request_version == "HTTP/1.1")

    do_HEAD = do_GET

    def _client_has(self, etag: str, modified: datetime) -> bool:
        """RFC 9110, section 13.2.2: an If-None-Match decides alone."""
        if (known := self.headers.get("If-None-Match")) is not None:
            return known.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in known.split(","))
        with suppress(TypeError, ValueError):
            return modified <= parsedate_to_datetime(self.headers.get("If-Modified-Since", ""))
        return False

    def _send_body(self, body: bytes, *, chunked: bool) -> None:
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            pieces = [body[start : start + 400] for start in range(0, len(body), 400)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "HarbourCourier"

    def log_message(self, format: str, *args: Any) -> None:
        """The demo has better things to print."""


def main() -> None:
    """Serves the paper until Ctrl-C."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="a free one is taken by default")
    with DemoSite(parser.parse_args().port) as site:
        print(f"The Harbour Courier is at {site.url}/ (Ctrl-C stops it)", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
