"""Attempts: every URL a crawl tried, each with exactly one outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from storage.segment import warc_key
from storage.writer import Stored

attempt_finished = object()
"""Scrapy signal: an attempt has its outcome and what it kept is durable; sent with ``attempt``."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One URL that was tried, redirects and retries included."""

    url: str
    """The URL as asked for."""
    outcome: str
    """One of the outcomes of the archive; see ``archiver.outcome``."""
    evidence: tuple[str, ...] = ()
    """Why the outcome is what it is, for people."""
    kind: str = "page"
    """``page`` for what was asked for, ``support`` for robots.txt and the like."""
    final_url: str | None = None
    """Where redirects led; ``None`` when nothing answered."""
    timestamp: str | None = None
    """Of the capture that was read; ``None`` when there is none."""
    status: int | None = None
    title: str | None = None
    version: int | None = None
    warc: dict[str, Any] | None = None
    captures: tuple[Stored, ...] = field(default=())
    """Every exchange that was kept on the way: redirect hops, retries, the page itself."""
    requisites: dict[str, int] | None = None
    """How many requisites of the page are ``saved``, ``failed`` and ``known``; ``None`` when none were asked for."""

    def to_json(self) -> dict[str, Any]:
        """Return the line of the crawl log."""
        line = {
            "url": self.url,
            "timestamp": self.timestamp,
            "outcome": self.outcome,
            "status": self.status,
            "title": self.title,
            "version": self.version,
            "evidence": list(self.evidence),
            "kind": self.kind,
            "final_url": self.final_url,
            "warc": self.warc,
            "captures": [_capture_json(stored) for stored in self.captures],
        }
        return line if self.requisites is None else {**line, "requisites": self.requisites}


def warc_json(stored: Stored) -> dict[str, Any]:
    """Return where a capture lies, in the shape of an article's ``warc`` field."""
    return {
        "file": warc_key(stored.entry.segment),
        "offset": stored.entry.offset,
        "length": stored.entry.length,
        "record_id": stored.record_id,
        "payload_digest": stored.payload_digest,
    }


def _capture_json(stored: Stored) -> dict[str, Any]:
    return {
        "url": stored.entry.url,
        "timestamp": stored.entry.timestamp,
        "status": stored.entry.status,
        "truncated": stored.truncated,
        "warc": {"file": warc_key(stored.entry.segment), "offset": stored.entry.offset},
    }
