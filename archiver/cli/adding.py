"""``archiver sites add``: a news site, or all of a feed reader's list, written into the sites file."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from archiver.cli.output import one_line, opened, print_json, print_table
from archiver.errors import ArchiveError, BadRequest
from archiver.opml import Outline, read_opml
from archiver.sites import Schedule, Site, site_host, site_name
from archiver.sites_entry import add_entries, entry_of, free_name, is_same_place, known_sites
from archiver.sites_file import DEFAULT_FILE
from archiver.urls import check_url

if TYPE_CHECKING:
    from archiver.archive import Archive
    from archiver.crawl.attempt import Attempt
    from archiver.crawl.site_spider import SiteSpider


def add(options: Namespace) -> int:
    """Find out how a site names its articles, read one of them, and write the site into the file."""
    path = Path(options.sites or os.environ.get("ARCHIVER_SITES") or DEFAULT_FILE)
    schedule = _schedule(options.schedule)
    known = known_sites(path)
    if options.opml:
        return _add_list(options, path, known, schedule)
    if not options.url:
        raise BadRequest("no site to add; write `archiver sites add https://www.example.com/`, or use --opml FILE")
    homepage = check_url(options.url)
    if twin := next((site for site in known if is_same_place(site.homepage, homepage)), None):
        raise BadRequest(f"{path}:{twin.line} has {homepage} already, as {twin.name!r}")
    name = options.name or free_name(site_name(homepage), [site.name for site in known])
    site = Site(homepage=homepage, name=name, schedule=schedule, labels=tuple(options.label or ()))
    with opened(options, create=True) as archive:
        spider, attempts = look(archive, site, options)
    lists = spider.progress.lists
    if not lists:
        reasons = "; ".join(f"{url}: {reason}" for url, reason in spider.progress.failed_documents.items())
        raise ArchiveError(f"{homepage} could not be read, so nothing was added ({reasons or 'no answer'})")
    remarks = [f"found: {kind} {url} ({count} entries)" for kind, url, count in lists if kind != "section"]
    add_entries(path, [entry_of(site, remarks=remarks[:10])])
    _tell(options, path, site, lists, attempts)
    return 0


def look(archive: Archive, site: Site, options: Namespace) -> tuple[SiteSpider, list[Attempt]]:
    """Crawl a site for one article only; what was found and tried is the spider's progress and the attempts."""
    from archiver.crawl.run import SpiderRun, project_settings

    attempts: list[Attempt] = []
    settings = project_settings(ARCHIVER_ALLOW_PRIVATE=options.allow_private or None, DOWNLOAD_DELAY=options.delay)
    run = SpiderRun(archive, "news", lambda attempt, job: attempts.append(attempt), settings=settings)
    failure = run.run(sites=[site], max_articles=1)
    if failure is not None:
        raise failure
    return run.spider, attempts  # type: ignore[return-value]  # the one it was made with


def _tell(options: Namespace, path: Path, site: Site, lists: list[Any], attempts: list[Attempt]) -> None:
    sample = attempts[0] if attempts else None
    if options.json:
        found = [{"kind": kind, "url": url, "entries": count} for kind, url, count in lists]
        print_json({"site": site.to_json(), "file": str(path), "found": found, "sample": sample and sample.to_json()})
        return
    print_found(lists)
    if sample is None:
        print("No article was found there; name feeds, sitemaps or sections in the file (docs/sites.md).")
    elif sample.title:
        print(f"One article read: {sample.outcome}, {one_line(sample.title)!r}, {sample.url}")
    else:
        print(f"One page tried: {sample.outcome}, {one_line('; '.join(sample.evidence))}, {sample.url}")
    when = f"every {site.schedule.text}" if site.schedule and site.schedule.interval else "as scheduled"
    print(f"Added to {path} as {site.name!r}. `archiver run` crawls it {when}, `archiver crawl {site.name}` now.")


def print_found(lists: list[tuple[str, str, int]]) -> None:
    """Print the feeds, sitemaps and sections that were read, and how many usable entries each had."""
    print_table(("found", "entries", "at"), [(kind, count, url) for kind, url, count in lists])


def _add_list(options: Namespace, path: Path, known: tuple[Site, ...], schedule: Schedule | None) -> int:
    try:
        data = Path(options.opml).read_bytes()
    except OSError as error:
        raise BadRequest(f"{options.opml} cannot be read ({error.strerror})") from None
    sites = _sites_of(read_opml(data, options.opml), known, schedule, tuple(options.label or ()))
    if sites:
        add_entries(path, [entry_of(site) for site in sites])
    if options.json:
        for site in sites:
            print_json(site.to_json())
    else:
        print(f"{len(sites)} sites added to {path}; `archiver sites list` shows them")
    return 0


def _sites_of(
    outlines: list[Outline], known: tuple[Site, ...], schedule: Schedule | None, labels: tuple[str, ...]
) -> list[Site]:
    """Return the sites of a list of feeds, several feeds of one host in one; those that are known are left out."""
    taken = [site.name for site in known]
    held = {feed for site in known for feed in site.feeds or ()} | {site_host(site.homepage) for site in known}
    sites: dict[str, Site] = {}
    for outline in outlines:
        try:
            feed = check_url(outline.feed)
            homepage = check_url(outline.homepage or _origin(feed))
        except BadRequest as error:
            print(f"archiver: {one_line(outline.title)} is left out: {error}", file=sys.stderr)
            continue
        host = site_host(homepage)
        if host in held or feed in held:
            continue
        if host in sites:
            sites[host] = replace(sites[host], feeds=(*(sites[host].feeds or ()), feed))
            continue
        name = free_name(outline.title if len(outline.title) <= 40 else host, taken)
        taken.append(name)
        folders = tuple(dict.fromkeys((*labels, *outline.labels)))
        sites[host] = Site(homepage=homepage, name=name, schedule=schedule, feeds=(feed,), labels=folders)
    return list(sites.values())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _schedule(text: str) -> Schedule | None:
    if text == "none":
        return None
    try:
        return Schedule(text)
    except ValueError as error:
        raise BadRequest(f"--schedule: {error}") from None
