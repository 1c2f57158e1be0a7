"""``archiver sites``: the configured sites, and how their pages are read."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from archiver.archive import Archive, Snapshot, find_sites_file
from archiver.article import Article, Author
from archiver.cli.adding import look, print_found
from archiver.cli.output import one_line, opened, print_json, print_table
from archiver.crawl.health import Examiner, Health, in_words
from archiver.crawl.readers import Readers
from archiver.crawl.sites import load_sites
from archiver.errors import ArchiveError, BadRequest, BadSites, NoArchive
from archiver.extract import Page
from archiver.page.dates import AHEAD, Moment
from archiver.page.findings import Finding, find
from archiver.page.markup import text_of
from archiver.page.parse import decode, parse
from archiver.page.rules import FIELDS, WHOLE, Rule
from archiver.page.structured import header
from archiver.reading import page_of_snapshot
from archiver.sites import Site, Sites
from archiver.urls import check_url
from storage.visits import Visits

EVER = datetime.min.replace(tzinfo=UTC)
SHOWN = 60
"""Characters of a value in a table."""


def list_sites(options: Namespace) -> int:
    """List the sites that are configured, in the file and in code, and how the crawls of each are doing."""
    sites = _load(options)
    if sites is None:
        return 2
    healths = _healths(sites, options)
    if options.json:
        for site in sites:
            print_json({**site.to_json(), **(healths[site.name].to_json() if healths else {})})
        return 0
    if healths is None:
        rows = [
            (site.name, site.homepage, _schedule(site), len(site.rules) or None, _where(site, sites)) for site in sites
        ]
        print_table(("name", "homepage", "schedule", "rules", "written in"), rows)
        return 0
    print_table(
        ("name", "homepage", "schedule", "last article", "next visit", "normal gap", "health"),
        [(site.name, site.homepage, _schedule(site), *_of_health(healths[site.name])) for site in sites],
    )
    return 0


def _healths(sites: Sites, options: Namespace) -> dict[str, Health] | None:
    """Return the health of each site; ``None`` while there is no archive."""
    try:
        with opened(options) as archive:
            examiner = Examiner(archive)
            return {site.name: examiner.examine(site) for site in sites}
    except NoArchive:
        return None


def _of_health(health: Health) -> tuple[str | None, ...]:
    now = datetime.now(UTC)
    last = f"{in_words(now - health.last.date)} ago" if health.last else None
    due = health.next_visit
    upcoming = None if due is None else f"in {in_words(due - now)}" if due > now else "due"
    gap = in_words(health.normal_gap) if health.normal_gap else None
    return last, upcoming, gap, f"{health.state}: {health.reason}" if health.reason else health.state


def check(options: Namespace) -> int:
    """Check the sites file; of a site, what is found there and how a page is read: 1 when a rule finds nothing."""
    sites = _load(options)
    if sites is None:
        return 2
    if options.site is None and options.url is None:
        return _say_sound(options, sites)
    site = _site_asked_for(options, sites)
    found: list[tuple[str, str, int]] = []
    with opened(options, create=options.at is None) as archive:
        if options.at:
            snapshot = archive.snapshot(check_url(options.url or site.homepage), at=options.at)
        elif options.url:
            snapshot = _captured(archive, check_url(options.url), options)
        else:
            found, snapshot = _looked_at(archive, site, options)
        reading = _Reading.of(archive, snapshot, site)
    if options.json:
        lists = [{"kind": kind, "url": url, "entries": count} for kind, url, count in found]
        print_json({**reading.to_json(), **({"found": lists} if found else {})})
    else:
        if found:
            print_found(found)
            print()
        reading.print()
    return 0 if reading.is_sound else 1


def _looked_at(archive: Archive, site: Site, options: Namespace) -> tuple[list[tuple[str, str, int]], Snapshot]:
    """Return the documents of a site that name articles, and one article: a new one, else the one visited last."""
    spider, attempts = look(archive, site, options)
    progress = spider.progress
    if not progress.lists:
        reasons = "; ".join(f"{url}: {reason}" for url, reason in progress.failed_documents.items())
        raise ArchiveError(f"nothing of {site.name} could be read ({reasons or 'no answer'})")
    for attempt in attempts:
        if attempt.final_url and attempt.timestamp:
            return progress.lists, archive.snapshot(attempt.final_url, at=attempt.timestamp)
    known = Visits(archive.index).of_site(site.name, ("article",))
    last = max((visit for visit in known if visit.changed), key=lambda visit: visit.visited or EVER, default=None)
    if last is None:
        print_found(progress.lists)
        raise ArchiveError(f"no article of {site.name} was found there; name feeds, sitemaps or sections, or use --url")
    return progress.lists, archive.snapshot(last.url)


def _load(options: Namespace) -> Sites | None:
    """Return the sites, or print every mistake in their file."""
    try:
        return load_sites(find_sites_file(options.sites))
    except BadSites as error:
        print("\n".join(map(one_line, error.problems)), file=sys.stderr)
        return None


def _say_sound(options: Namespace, sites: Sites) -> int:
    from_file = [site for site in sites if site.line is not None]
    rules = sum(len(site.rules) for site in from_file)
    if options.json:
        print_json({"file": str(sites.path) if sites.path else None, "sites": len(from_file), "rules": rules})
    elif sites.path is None:
        print("there is no sites file; docs/sites.md says how one is written")
    else:
        print(f"{sites.path}: {len(from_file)} sites with {rules} rules, all in order")
    return 0


def _site_asked_for(options: Namespace, sites: Sites) -> Site:
    if options.site is not None:
        return sites.named(options.site)
    site = sites.of(check_url(options.url))
    if site is None:
        raise BadRequest(f"{options.url} is on no host of a configured site; `archiver sites list` shows those")
    return site


def _captured(archive: Archive, url: str, options: Namespace) -> Snapshot:
    snapshot = archive.save(url, allow_private=options.allow_private)
    if snapshot.article is None:
        raise ArchiveError(f"{url}: what came back is not read as a page (status {snapshot.status})")
    return snapshot


def _schedule(site: Site) -> str | None:
    if site.schedule is None:
        return None
    zone = site.schedule.timezone
    return site.schedule.text if zone == "UTC" else f"{site.schedule.text} ({zone})"


def _where(site: Site, sites: Sites) -> str:
    return f"{sites.path}:{site.line}" if site.line is not None else "code"


@dataclass(frozen=True, slots=True)
class _Reading:
    """A page of a site as it is read, with and without the site's rules."""

    site: Site
    snapshot: Snapshot
    article: Article
    generic: Article
    findings: tuple[Finding, ...]
    """Of the rules in force."""
    idle: tuple[Rule, ...]
    """The rules that are for other days."""

    @classmethod
    def of(cls, archive: Archive, snapshot: Snapshot, site: Site) -> _Reading:
        if snapshot.outcome is None:
            raise ArchiveError(f"{snapshot.url} at {snapshot.timestamp} was not read as a page; --url names another")
        page = Sites([site]).prepared(replace(page_of_snapshot(snapshot), rules=()), site=site.name)
        readers = Readers(1)
        try:
            article = readers.read_and_wait(page)
            generic = readers.read_and_wait(replace(page, rules=()))
        finally:
            readers.close()
        findings = () if article.outcome == "failed" else _findings(page)  # it may be its rules that broke the reader
        idle = tuple(rule for rule in site.rules if rule not in page.rules)
        return cls(site, snapshot, article, generic, findings, idle)

    @property
    def is_sound(self) -> bool:
        """Whether the page could be read, and every rule found something or was not needed."""
        return self.article.outcome != "failed" and not any(map(self.is_lost, self.findings))

    def is_lost(self, finding: Finding) -> bool:
        """Tell whether a rule found nothing and no other rule for the field did either."""
        if finding.error or finding.rule.field == "remove":
            return finding.value is None
        return all(each.value is None for each in self.findings if each.rule.field == finding.rule.field)

    def winner(self, field: str) -> Rule | None:
        """Return the rule that a field's value is from."""
        found = (each.rule for each in self.findings if each.rule.field == field and each.value is not None)
        return next(found, None)

    def fields(self) -> list[tuple[str, Any, str | None, Any]]:
        """Return field, value, source, and what the generic reader has, for all fields that either has."""
        rows = []
        for field in FIELDS:
            if field == "remove":
                continue
            value, other = getattr(self.article, field), getattr(self.generic, field)
            rule = self.winner(field)
            source = self.source(rule) if rule else None if value in (None, ()) else "generic reader"
            if source and not rule and field == "published_at":
                source = f"{source} ({self.article.published_source})"
            if source or other not in (None, ()):
                rows.append((field, value, source, other))
        return rows

    def source(self, rule: Rule) -> str:
        return f"rule in line {rule.line}" if rule.line else f"rule {self.site.rules.index(rule) + 1}"

    def print(self) -> None:
        article = self.article
        print(one_line(f"{article.outcome}  {self.snapshot.url}  captured {self.snapshot.date:%Y-%m-%d %H:%M:%S} UTC"))
        print(one_line("; ".join(article.evidence)))
        print()
        print_table(
            ("field", "value", "from", "the generic reader alone"),
            [
                (field, _short(value), source, "the same" if value == other else _short(other))
                for field, value, source, other in self.fields()
            ],
        )
        rows = [
            (self.source(each.rule), each.rule.field, each.rule.selector, _found(each)) for each in self.findings
        ] + [(self.source(rule), rule.field, rule.selector, _not_in_force(rule)) for rule in self.idle]
        if rows:
            print()
            print_table(("rule", "for", "selects", "found"), rows)

    def to_json(self) -> dict[str, Any]:
        return {
            "site": self.site.name,
            "url": self.snapshot.url,
            "timestamp": self.snapshot.timestamp,
            "outcome": self.article.outcome,
            "evidence": list(self.article.evidence),
            "sound": self.is_sound,
            "fields": [
                {"field": field, "value": _plain(value), "source": source, "generic": _plain(other)}
                for field, value, source, other in self.fields()
            ],
            "rules": [self._rule_json(each.rule, each) for each in self.findings]
            + [self._rule_json(rule, None) for rule in self.idle],
        }

    def _rule_json(self, rule: Rule, finding: Finding | None) -> dict[str, Any]:
        facts = {"line": rule.line, "field": rule.field, "css": rule.css, "xpath": rule.xpath}
        if finding is None:
            return {**facts, "found": "not in force"}
        found = "error" if finding.error else "nothing" if finding.value is None else "value"
        return {**facts, "found": found, "value": _plain(_of_elements(finding)), "count": finding.count,
                "error": finding.error}  # fmt: skip


def _findings(page: Page) -> tuple[Finding, ...]:
    source, _ = decode(page.body, header(page.headers, "content-type"))
    tree, _ = parse(source)
    if tree is None:
        return tuple(Finding(rule) for rule in page.rules)
    latest = page.captured_at.astimezone(UTC) + AHEAD
    return tuple(find(tree, rule, page.url, latest) for rule in page.rules)


def _of_elements(finding: Finding) -> Any:
    """Return the value, of elements what they say."""
    if finding.rule.field in WHOLE and finding.value is not None:
        return " … ".join(filter(None, map(text_of, finding.value[:3])))[:500]
    return finding.value


def _found(finding: Finding) -> str:
    if finding.error:
        return f"error: {finding.error}"
    if finding.value is None:
        return f"nothing, of {finding.count} selected" if finding.count else "nothing"
    return f"{finding.count}: {_short(_of_elements(finding))}"


def _not_in_force(rule: Rule) -> str:
    span = [f"from {rule.valid_from}"] if rule.valid_from else []
    span += [f"until {rule.valid_until}"] if rule.valid_until else []
    return f"not in force: valid {' '.join(span)}"


def _short(value: Any) -> str | None:
    if value is None or value == ():
        return None
    text = _words(value)
    return f"{text[:SHOWN]}… ({len(text)} characters)" if len(text) > SHOWN + 20 else text


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Moment):
        return value.value
    if isinstance(value, Author):
        return value.name
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_words, value))
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Moment):
        return value.value
    if isinstance(value, Author):
        return asdict(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
