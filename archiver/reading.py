"""From a capture to its article: what the reader gets, and what the archive knows that the page does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from archiver.article import Article, Previous, WarcRef
from archiver.diff import measure_change
from archiver.errors import ArchiveError
from archiver.extract import Page, failed_article, read_page
from storage import message
from storage.index import Index
from storage.segment import warc_key
from storage.warc import parse_date

if TYPE_CHECKING:
    from archiver.archive import Archive, Snapshot

READ_AS_ARTICLE = ("saved", "unchanged", "paywalled")
"""Outcomes under which a capture counts as a version of its article."""


def article_id(record_id: str) -> str:
    """Return the id of the article read from a record: stable, so that a re-extraction keeps it."""
    try:
        record = UUID(record_id.strip("<>").removeprefix("urn:uuid:"))
    except ValueError:
        record = uuid5(NAMESPACE_URL, record_id)
    return str(uuid5(record, "article"))


def complete_article(archive: Archive, article: Article, *, warc: dict[str, Any], date: str) -> Article:
    """Return `article` with its id, its place and its history.

    `warc` is the article's ``warc`` field, `date` the WARC-Date of the capture. An article whose text and title equal
    those of the version before gets the outcome ``unchanged``.
    """
    return give_history(archive, _placed(article, warc, date))


def _placed(article: Article, warc: dict[str, Any], date: str) -> Article:
    captured_at = parse_date(date).isoformat()
    return replace(article, id=article_id(warc["record_id"]), warc=WarcRef(**warc), captured_at=captured_at)


def give_history(archive: Archive, article: Article) -> Article:
    """Return an article that has its place with version, previous and change; what cannot be read has none."""
    if article.outcome not in READ_AS_ARTICLE:
        return article
    # A second later, because an earlier capture may carry the timestamp of this one.
    moment = datetime.fromisoformat(article.captured_at or "")
    found = _previous(archive.index, article, (moment + timedelta(seconds=1)).strftime("%Y%m%d%H%M%S"))
    if found is not None and found.id == article.id:  # it is being read again
        found = _previous(archive.index, article, moment.strftime("%Y%m%d%H%M%S"))
    if found is None:
        return replace(article, version=1)
    previous = Previous(timestamp=found.timestamp, id=found.id)
    version = found.version or 1
    if found.text_sha256 == article.text_sha256:
        outcome = "unchanged" if article.outcome == "saved" else article.outcome
        return replace(article, outcome=outcome, version=version, previous=previous)
    try:
        change = measure_change(archive.read_article(found), article)
    except ArchiveError:
        change = None  # the older version cannot be read; `archiver verify` says why
    return replace(article, version=version + 1, previous=previous, change=change)


def _previous(index: Index, article: Article, before: str) -> Any:
    asked = article.requested_url or article.url
    found = index.previous_article(article.url, before)
    return index.previous_article(asked, before) if found is None and asked != article.url else found


def page_of_snapshot(snapshot: Snapshot) -> Page:
    """Return what the reader gets of a capture that is in the archive; raises ``message.ContentTooLarge``."""
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in snapshot.head.fields)
    return Page(
        url=snapshot.url,
        requested_url=snapshot.url,
        status=snapshot.status or 0,
        headers=headers,
        body=snapshot.body(limit=1 << 26),
        captured_at=snapshot.date,
    )


def article_of_snapshot(
    archive: Archive, snapshot: Snapshot, *, read: Callable[[Page], Article] = read_page
) -> Article:
    """Read the article of a capture again, with `read`; in this process by default."""
    return give_history(archive, read_snapshot(archive, snapshot, read=read))


def read_snapshot(archive: Archive, snapshot: Snapshot, *, read: Callable[[Page], Article] = read_page) -> Article:
    """Read a capture that is in the archive; the article has its id and its place, but no history."""
    record = archive.read_record(snapshot.entry)
    warc = {
        "file": warc_key(snapshot.entry.segment),
        "offset": snapshot.entry.offset,
        "length": snapshot.entry.length,
        "record_id": record.field("WARC-Record-ID") or "",
        "payload_digest": snapshot.entry.payload_digest,
    }
    truncated = record.field("WARC-Truncated") if record.type == "response" else None
    try:
        page = replace(page_of_snapshot(snapshot), truncated=truncated is not None)
        article = failed_article(page, f"the answer was cut short ({truncated})") if truncated else read(page)
    except message.ContentTooLarge as error:
        page = Page(snapshot.url, snapshot.url, snapshot.status or 0, (), b"", snapshot.date)
        article = failed_article(page, str(error))
    return _placed(article, warc, record.field("WARC-Date") or "")
