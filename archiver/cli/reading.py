"""``archiver snapshots`` and ``archiver get``."""

from __future__ import annotations

import sys
from argparse import Namespace

from archiver.archive import AS_ARTICLE, REDIRECTS, Snapshot
from archiver.article import Article
from archiver.cli.output import one_line, opened, print_json
from archiver.errors import ArchiveError, NotArchived
from storage.message import ContentTooLarge


def snapshots(options: Namespace) -> int:
    """List snapshots; 1 when there are none."""
    with opened(options) as archive:
        found = archive.snapshots(options.url, match=options.match or "exact", since=options.since, until=options.until)
        for snapshot in found:
            if options.json:
                print_json(snapshot.to_json())
            else:
                print(_line(snapshot, shows_url=bool(options.match)))
        if not found and not options.json:
            raise _nothing_found(options)
    return 0 if found else 1


def _nothing_found(options: Namespace) -> ArchiveError:
    if options.since or options.until:
        return ArchiveError(f"{options.url} has no snapshot in that time; --from and --to set it")
    if options.match:
        return ArchiveError(f"nothing is archived by the {options.match} of {options.url}; `archiver stats` counts all")
    return NotArchived(options.url)


def get(options: Namespace) -> int:
    """Print one snapshot in the format asked for."""
    if options.json and options.format == "text":
        options.format = "json"
    with opened(options) as archive:
        if options.format in ("text", "markdown", "clean", "json"):
            return _print_article(archive.find_article(options.url, at=options.at), options)
        snapshot = archive.snapshot(options.url, at=options.at)
        sys.stdout.buffer.write(_bytes_of(snapshot, options.format))
        sys.stdout.buffer.flush()
        if snapshot.status in REDIRECTS and options.format == "html" and not options.quiet:
            target = one_line((snapshot.head.value(b"Location") or b"").decode("latin-1"))
            print(f"archiver: this is a redirect to {target}", file=sys.stderr)
    return 0


def _print_article(snapshot: Snapshot, options: Namespace) -> int:
    article = snapshot.article
    if article is None:
        raise ArchiveError(
            f"{snapshot.url} at {snapshot.timestamp} (status {snapshot.status}) was not read as an article; "
            "--format html or headers shows what was kept"
        )
    if options.format == "json":
        print_json(article.to_json())
        return 0
    text = article.text if options.format == "text" else article.text_markdown
    if article.outcome not in AS_ARTICLE or text is None:
        reason, hint = "; ".join(article.evidence), "--format html shows what was kept"
        hint = f"--format json shows what could be read, {hint}" if text else hint
        raise ArchiveError(f"{snapshot.url} at {snapshot.timestamp} is {article.outcome}: {reason}; {hint}")
    print(_shown(article, text, options.format))
    if options.at is None and not options.quiet:
        newest = snapshot.archive.snapshot(options.url)
        if newest.date > snapshot.date and newest.outcome not in (None, *AS_ARTICLE):
            print(f"archiver: the newest snapshot ({newest.timestamp}) is {newest.outcome}", file=sys.stderr)
    return 0


def _shown(article: Article, text: str, form: str) -> str:
    if form == "clean":
        from archiver.page.safe_html import article_document

        return article_document(article).rstrip()
    title = article.title or article.url
    return f"{title}\n\n{text}" if form == "text" else f"# {title}\n\n{text}"


def _bytes_of(snapshot: Snapshot, form: str) -> bytes:
    if form == "headers":
        return snapshot.head_bytes
    if form == "warc":
        return snapshot.record_bytes()
    try:
        return snapshot.body()
    except ContentTooLarge as error:
        raise ArchiveError(f"{snapshot.url} at {snapshot.timestamp}: {error}; --format warc gives it as kept") from None


def _line(snapshot: Snapshot, *, shows_url: bool) -> str:
    facts = snapshot.to_json()
    parts = [
        f"{snapshot.date:%Y-%m-%d %H:%M:%S}",
        str(snapshot.status or "-"),
        f"{snapshot.outcome or '-':<11}",
        f"v{facts['version']}" if facts["version"] else "-",
        "revisit" if snapshot.entry.is_revisit else snapshot.entry.mime,
        snapshot.url if shows_url else facts["title"] or "",
    ]
    return one_line("  ".join(parts).rstrip())
