"""``archiver demo``: the newcomer's first minute."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from archiver.archive import Archive, Snapshot
from archiver.article import READABLE, Article
from archiver.cli.output import print_table
from archiver.demo.newspaper import STORIES, UNREADABLE
from archiver.demo.site import SHORT_LINKS, DemoSite
from archiver.errors import SaveFailed

PORT = 8463
"""Taken when it is free, so that a second demo finds the pages of the first."""
PLACE = Path("archive-demo")
DESERTIONS = "/business/markets/soldiers-desert"
SUPPORT = ("/", "/robots.txt", "/feed.xml", "/news-sitemap.xml", "/style.css")


def demo(options: Namespace) -> int:
    """Archive a small paper, let its editor change it, archive it again, and show what is kept."""
    place = Path(options.keep) if options.keep else PLACE
    with _site() as site, Archive.open(place) as archive:
        print(f"A small paper, The Harbour Courier, is being served at {site.url}/ ; archiving it into {place}/ ...")
        paths = [*SUPPORT, *(story.path for story in (*STORIES, *UNREADABLE)), *SHORT_LINKS]
        first = _save_all(archive, [site.url + path for path in paths])
        print(f"\n{len(first)} pages archived, every HTTP exchange byte for byte:\n")
        _print_pages(first)
        site.next_edition()
        print("\nThe editor has changed two stories and withdrawn one. Archiving the stories again ...\n")
        second = _save_all(archive, [site.url + story.path for story in STORIES])
        _print_changes(second)
        return _conclude(archive, place, first)


def _site() -> DemoSite:
    try:
        return DemoSite(PORT)
    except OSError:
        return DemoSite()


def _save_all(archive: Archive, urls: list[str]) -> list[Snapshot]:
    def save(url: str) -> Snapshot | None:
        try:
            return archive.save(url, allow_private=True)
        except SaveFailed as error:
            print(f"archiver: {error}", file=sys.stderr)
            return None

    with ThreadPoolExecutor(4) as threads:
        return [snapshot for snapshot in threads.map(save, urls) if snapshot is not None]


def _print_pages(snapshots: list[Snapshot]) -> None:
    rows: list[tuple[object, ...]] = []
    for snapshot in snapshots:
        article = snapshot.article
        if article is not None and article.outcome in READABLE:
            authors = ", ".join(author.name for author in article.authors)
            rows.append((article.outcome, article.published_at, authors, article.word_count, _short(article.title)))
        else:
            why = "; ".join(article.evidence[-1:]) if article else ""
            rows.append((snapshot.outcome, None, None, None, f"{_path(snapshot.url)}  {why}"))
    print_table(("outcome", "published", "authors", "words", "title, or what it is instead"), rows)


def _print_changes(snapshots: list[Snapshot]) -> None:
    rows: list[tuple[object, ...]] = []
    for snapshot in snapshots:
        article = snapshot.article
        if article is None or (article.outcome in READABLE and article.change is None):
            continue
        change = article.change
        what = "; ".join(article.evidence[-1:])
        if change is not None:
            what = f"{', '.join(change.fields)}: +{change.chars_added} -{change.chars_removed} characters"
        rows.append((article.outcome, article.version, _path(snapshot.url), what))
    print_table(("outcome", "version", "story", "what changed"), rows)
    print(f"\nThe other {len(snapshots) - len(rows)} are unchanged, kept as revisits of a few hundred bytes each.")


def _conclude(archive: Archive, place: Path, snapshots: list[Snapshot]) -> int:
    example = next(snapshot for snapshot in snapshots if DESERTIONS in snapshot.url)
    if example.article is not None:
        _print_reading(example.article)
    checked = archive.verify()
    state = "everything is in order" if checked.is_clean else f"{len(checked.problems)} problems"
    print(f"\nVerified: {checked.records} WARC records in {checked.segments} segments, {state}.")
    print("\nWhere to look next:")
    command = f"{_command()} --archive {place}"
    for verb, what in (
        (f"snapshots --host {example.url}", "every capture of the site"),
        (f"get {example.url}", "that story as text"),
        (f"get {example.url} --format headers", "what its server said, byte for byte"),
        ("stats --by outcome --by mime", "what there is"),
        ("verify", "every digest and reference checked"),
    ):
        print(f"  {command} {verb}\n      {what}")
    print(f"  ls {place}/warc/*/*/*\n      the WARC files, which any web archive tool reads")
    return 0 if checked.is_clean else 1


def _print_reading(article: Article) -> None:
    authors = ", ".join(author.name for author in article.authors)
    start = (article.text or "").partition("\n")[0]
    print(
        f"\nOne of them, as it was read:\n\n  {article.title}\n  by {authors}, published {article.published_at} "
        f"(to the {article.published_precision}), modified {article.modified_at}\n  {start[:150]} ..."
    )


def _command() -> str:
    own = Path(sys.argv[0])
    on_path = shutil.which("archiver")
    if on_path and Path(on_path).resolve() == own.resolve():
        return "archiver"
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def _short(title: str | None) -> str:
    return f"{title[:59]}…" if title and len(title) > 60 else title or "-"
