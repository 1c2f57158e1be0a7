"""From a capture to its article: what the reader gets, and what the archive knows that the page does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from archiver.article import Article, Previous, WarcRef
from archiver.diff import comparable, measure_change
from archiver.errors import ArchiveError
from archiver.extract import Page, failed_article, read_page
from archiver.repeats import reasons_of
from archiver.sitelines import SiteLines
from storage import message
from storage.cdx import ArticleEntry
from storage.index import Index
from storage.segment import warc_key
from storage.warc import parse_date

if TYPE_CHECKING:
    from archiver.archive import Archive, Snapshot

NOT_MODIFIED = 304
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
    """Return `article` with its id, its place and its history, without the lines that its site repeats.

    `warc` is the article's ``warc`` field, `date` the WARC-Date of the capture. An article whose text and title equal
    those of the version before, lines that the site repeats aside, gets the outcome ``unchanged``.
    """
    return _completed(archive, _placed(article, warc, date))


def _completed(archive: Archive, article: Article) -> Article:
    return give_history(archive, SiteLines.of(archive).clean(article, learn=True))


def _placed(article: Article, warc: dict[str, Any], date: str) -> Article:
    captured_at = parse_date(date).isoformat()
    return replace(article, id=article_id(warc["record_id"]), warc=WarcRef(**warc), captured_at=captured_at)


def give_history(archive: Archive, article: Article) -> Article:
    """Return an article that has its place with version, previous and change; what cannot be read has none."""
    if article.outcome not in READ_AS_ARTICLE:
        return article
    # A second later, because an earlier capture may carry the timestamp of this one.
    moment = datetime.fromisoformat(article.captured_at or "")
    before = f"{moment + timedelta(seconds=1):%Y%m%d%H%M%S}"
    found = _previous(archive.index, article, before)
    if found is not None and found.id == article.id:  # it is being read again
        before = f"{moment:%Y%m%d%H%M%S}"
        found = _previous(archive.index, article, before)
    if found is None:
        return replace(article, version=1)
    previous = Previous(timestamp=found.timestamp, id=found.id)
    version = found.version or 1
    if article.http.status == NOT_MODIFIED and not article.text:
        return replace(_as_before(archive, article, found), version=version, previous=previous)
    is_same, change = found.text_sha256 == article.text_sha256, None
    if not is_same:
        with suppress(ArchiveError):  # the older version cannot be read; `archiver verify` says why
            older, newer = comparable(SiteLines.of(archive).clean(archive.read_article(found)), article)
            is_same = older.text_sha256 == newer.text_sha256
            change = None if is_same else measure_change(older, newer)
    if not is_same and (known := _shown_lately(archive.index, article, moment, before)) is not None:
        is_same, version = True, known
        article = replace(article, evidence=(*article.evidence, f"the text of version {known} again"))
    if is_same:
        outcome = "unchanged" if article.outcome == "saved" else article.outcome
        return replace(article, outcome=outcome, version=version, previous=previous)
    highest = archive.index.highest_version(article.url, before)
    return replace(article, version=max(version, highest) + 1, previous=previous, change=change)


FLAPPING = timedelta(days=7)
"""A text that comes back within so long is one of several that the publisher shows in turn, and no new version."""


def _shown_lately(index: Index, article: Article, moment: datetime, before: str) -> int | None:
    """Return the version that had this text already, when that was lately."""
    if article.text_sha256 is None:
        return None
    since = f"{moment - FLAPPING:%Y%m%d%H%M%S}"
    found = index.article_with_text(article.url, article.text_sha256, since=since, before=before)
    return found.version if found is not None and found.id != article.id else None


def _as_before(archive: Archive, article: Article, found: ArticleEntry) -> Article:
    """Return the article of a 304, which says nothing but that the page is as it was."""
    try:
        older = archive.read_article(found)
    except ArchiveError:
        return article
    return replace(
        older,
        id=article.id,
        url=article.url,
        requested_url=article.requested_url,
        captured_at=article.captured_at,
        outcome="unchanged",
        evidence=(*article.evidence, *(line for line in older.evidence if line not in reasons_of(older))),
        http=article.http,
        warc=article.warc,
        discovered_via=article.discovered_via,
        change=None,
    )


def _previous(index: Index, article: Article, before: str) -> Any:
    asked = article.requested_url or article.url
    found = index.previous_article(article.url, before)
    return index.previous_article(asked, before) if found is None and asked != article.url else found


def page_of_snapshot(snapshot: Snapshot) -> Page:
    """Return what the reader gets of a capture that is in the archive; raises ``message.ContentTooLarge``.

    The page has the rules of its site, if that is configured.
    """
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in snapshot.head.fields)
    page = Page(
        url=snapshot.url,
        requested_url=snapshot.url,
        status=snapshot.status or 0,
        headers=headers,
        body=snapshot.body(limit=1 << 26),
        captured_at=snapshot.date,
    )
    return snapshot.archive.sites.prepared(page)


def article_of_snapshot(
    archive: Archive, snapshot: Snapshot, *, read: Callable[[Page], Article] = read_page
) -> Article:
    """Read the article of a capture again, with `read`; in this process by default."""
    return _completed(archive, read_snapshot(archive, snapshot, read=read))


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
    if snapshot.status == NOT_MODIFIED and snapshot.entry.is_revisit:
        read = _reading_of_304(archive, snapshot, read)
    try:
        page = replace(page_of_snapshot(snapshot), truncated=truncated is not None)
        article = failed_article(page, f"the answer was cut short ({truncated})") if truncated else read(page)
    except message.ContentTooLarge as error:
        page = Page(snapshot.url, snapshot.url, snapshot.status or 0, (), b"", snapshot.date)
        article = failed_article(archive.sites.prepared(page), str(error))
    return _placed(article, warc, record.field("WARC-Date") or "")


def _reading_of_304(archive: Archive, snapshot: Snapshot, read: Callable[[Page], Article]) -> Callable[[Page], Article]:
    """Return a reader that reads the page which the server said is still the same, by the head it came with."""

    def read_original(page: Page) -> Article:
        original = archive.resolve(snapshot)
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in original.head.fields)
        article = read(replace(page, status=original.status or 0, headers=headers))
        outcome = "unchanged" if article.outcome == "saved" else article.outcome
        return replace(article, outcome=outcome, http=replace(article.http, status=NOT_MODIFIED))

    return read_original
