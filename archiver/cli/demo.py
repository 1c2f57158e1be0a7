"""``archiver demo``: the newcomer's first minute."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from archiver.archive import Archive, Snapshot
from archiver.article import READABLE, Article
from archiver.cli.output import print_table
from archiver.demo.site import SHORT_LINKS, DemoSite
from archiver.errors import SaveFailed

PORT = 8463
"""Taken when it is free."""
PLACE = Path("archive-demo")
DESERTIONS = "/business/markets/soldiers-desert"
STYLE = "/style.css"


def demo(options: Namespace) -> int:
    """Crawl a small paper, let its editor change it, crawl it again, and show what is kept."""
    place = Path(options.keep) if options.keep else PLACE
    with _site(is_first=not place.exists()) as site, Archive.open(place) as archive:
        print(f"A small paper, The Harbour Courier, is being served at {site.url}/ ; crawling it into {place}/ ...")
        first = _crawl(archive, place, site.url)
        saved = _save_all(archive, [site.url + path for path in (*SHORT_LINKS, STYLE)])
        print(f"\n{len(first) + len(saved)} pages archived, every HTTP exchange byte for byte:\n")
        _print_pages([*first, *saved])
        site.next_edition()
        print("\nThe editor has changed two stories and withdrawn one. Crawling the paper again ...\n")
        _print_changes(_crawl(archive, place, site.url))
        return _conclude(archive, place, site.url + DESERTIONS)


def _crawl(archive: Archive, place: Path, site: str) -> list[Snapshot]:
    """Crawl as ``archiver crawl --url`` does, and return what was captured of its pages."""
    command = [sys.executable, "-m", "archiver", "--archive", str(place), "crawl", "--json", "--url", f"{site}/"]
    crawl = subprocess.run([*command, "--allow-private", "--delay", "0"], stdout=subprocess.PIPE, check=True)
    attempts = [json.loads(line) for line in crawl.stdout.splitlines()]
    captured = [archive.snapshot(each["final_url"], at=each["timestamp"]) for each in attempts if each["timestamp"]]
    return [snapshot for snapshot in captured if snapshot is not None]


def _site(*, is_first: bool) -> DemoSite:
    """Serve the paper; at a new address if the archive is there from an earlier demo, which has seen it all."""
    try:
        return DemoSite(PORT if is_first else 0)
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
    print("\nThe others were left alone: the feed names no change of them, and their next visit is not due yet.")


def _conclude(archive: Archive, place: Path, story: str) -> int:
    example = next(each for each in archive.snapshots(story, match="prefix") if each.article is not None)
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
