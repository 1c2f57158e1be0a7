"""What a crawl knows of its sites before it asks for anything, and what it learns: the visits in the index.

    plan = Plan(archive)
    plan.documents(site)            the feeds, sitemaps and sections known
    plan.take_in(site, entries)     note what a document led to; what is unknown is due from now on
    plan.next_articles(site, 100)   what to fetch next, lent for half an hour to this crawl
    plan.note_article(visit, attempt)

Nothing of it is kept anywhere else, so a crawl that was killed goes on where it was. Pages that the archive holds but
the visits do not know, because they were saved by hand or the index was rebuilt, take their place by their captures.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from archiver.article import Author
from archiver.crawl.discovery.found import Found, instant
from archiver.crawl.discovery.identity import seen_key
from archiver.crawl.pace import Finding, Interval, Standing, replay, spread
from archiver.page.dates import Moment
from archiver.reading import READ_AS_ARTICLE
from storage.cdx import ArticleEntry
from storage.visits import Kind, Visit, Visits

if TYPE_CHECKING:
    from archiver.archive import Archive
    from archiver.crawl.attempt import Attempt
    from archiver.sites import Site

DOCUMENTS: tuple[Kind, ...] = ("feed", "sitemap", "section")
LOAN = timedelta(minutes=30)
"""How long a page that a crawl took is left to it; a crawl that was killed loses it then."""
AT_ONCE = 20
"""Visits that are written together; the last ones are lost by a kill, and their pages may be fetched again."""
TRUSTED = 2
"""Times a server's validators must have told the truth before they are relied on."""
DISTRUST = -1_000_000
VERIFIED_EVERY = 5
"""Of so many conditional visits one is made without condition, to see whether the validators still tell the truth."""
WITHHELD = timedelta(days=180)
"""After which time a page is looked at again whose publisher reserved its text."""
_ORDER = timedelta(milliseconds=1)
"""Between the entries of one document, so that they are fetched in its order."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Plan:
    """What is to be fetched of any number of sites, and when. Thread-safe."""

    def __init__(self, archive: Archive, *, now: Callable[[], datetime] = utc_now) -> None:
        self._archive = archive
        self._visits = Visits(archive.index)
        self._now = now
        self._lock = threading.Lock()
        self._unwritten: dict[str, Visit] = {}

    # Documents

    def documents(self, site: Site, *, due: bool) -> list[Visit]:
        """Return the feeds, sitemaps and sections of a site; with `due`, only those whose time has come."""
        now = self._now()
        known = self._visits.documents(site.name)
        return [visit for visit in known if visit.due is not None and (not due or visit.due <= now)]

    def document(self, site: Site, url: str, kind: Kind) -> Visit:
        """Return the visit of a document, a new one if it is not known yet."""
        key = f"{kind} {seen_key(url)}"  # a front page may be an article of another site's, and a section here
        found = self._pending([key]).get(key) or self._visits.get([key]).get(key)
        return found or Visit(key, url, site.name, kind, due=self._now())

    def note_document(
        self, visit: Visit, *, has_news: bool, hint: timedelta | None = None, validators: Validators | None = None
    ) -> None:
        """Note that a document was fetched, and plan when it is fetched again."""
        now = self._now()
        silence = None if visit.changed is None else now - visit.changed
        interval = _interval(visit).after(has_news=has_news, silence=silence, hint=hint)
        noted = replace(
            visit,
            visited=now,
            changed=now if has_news or visit.changed is None else visit.changed,
            failures=0,
            interval=interval.current.total_seconds(),
            due=now + spread(interval.wait, visit.key),
        )
        self._put([judged(noted, validators)])

    def note_failure(self, visit: Visit) -> None:
        """Note that a document could not be fetched; the wait grows each time, but it is never given up."""
        interval = _interval(visit).after_failure()
        due = self._now() + spread(interval.wait, visit.key)
        self._put([replace(visit, visited=self._now(), failures=interval.failures, due=due)])

    # Articles

    def take_in(self, site: Site, entries: Sequence[Found]) -> int:
        """Note what a document led to; return how many entries are new or were edited, so are due now.

        An entry that names a later date than that of the last visit brings the next visit forward.
        """
        by_key: dict[str, Found] = {}
        for entry in entries:
            by_key.setdefault(seen_key(entry.url), entry)
        known = {**self._visits.get(by_key), **self._pending(by_key)}
        now = self._now()
        news: list[Visit] = []
        for number, (key, entry) in enumerate(by_key.items()):
            visit = known.get(key)
            if visit is None:
                visit = self._from_captures(site, key, entry.url)
                if visit is None:
                    due = now + number * _ORDER
                    news.append(Visit(key, entry.url, site.name, "article", due, found=write_found(entry)))
                    continue
                self._put([visit])
            if visit.visited is None and visit.kind == "article":
                better = _better_found(visit, entry)
                self._put([better] if better is not visit else [])
            elif _was_edited(visit, entry, now):
                news.append(replace(visit, due=now + number * _ORDER))
        self._put(news)
        return len(news)

    def bring_forward(self, urls: Iterable[str]) -> int:
        """Make pages that were visited before due now; return how many of these there are."""
        keys = [seen_key(url) for url in urls]
        known = {**self._visits.get(keys), **self._pending(keys)}
        doubtful = [visit for visit in known.values() if visit.kind == "article" and visit.visited and not visit.misses]
        self._put([replace(visit, due=self._now()) for visit in doubtful])
        return len(doubtful)

    def next_articles(self, site: Site, limit: int) -> list[Visit]:
        """Return pages to fetch now, new ones before those to look at again, and lend them to the caller."""
        self.flush()
        now = self._now() + 100_000 * _ORDER  # entries of one document are spread over some milliseconds
        new = self._visits.due(site.name, now, kinds=("article",), new=True, limit=limit)
        again = self._visits.due(site.name, now, kinds=("article",), new=False, limit=limit - len(new))
        taken = [*new, *again] if len(new) < limit else new
        self._visits.put(replace(visit, due=now + LOAN) for visit in taken)
        return taken

    def give_back(self, visits: Iterable[Visit]) -> None:
        """Make pages due again that were taken and not fetched."""
        self._put([replace(visit, due=self._now()) for visit in visits])

    def note_article(self, site: Site, visit: Visit, attempt: Attempt, validators: Validators | None = None) -> None:
        """Note what a visit found, and plan the next."""
        now = datetime.fromisoformat(attempt.captures[-1].date) if attempt.captures else self._now()
        if _is_withheld(attempt):
            self._put([_left_alone(visit, now)])
            return
        finding = _finding(visit, attempt)
        if finding is None:  # no article, and it will not become one
            self._put([replace(visit, visited=now, due=None, found=None)])
            return
        standing = _standing(visit).after(finding)
        noted = replace(
            visit,
            visited=now if finding != "failed" or visit.visited else None,
            changed=now if finding in ("new", "changed") else visit.changed,
            step=standing.step,
            misses=standing.misses,
            failures=standing.failures,
            due=self._due(site, visit.key, standing, now),
            found=visit.found if finding == "failed" else None,
        )
        self._put([judged(noted, validators), *self._aliases(site, visit, attempt)])

    def _due(self, site: Site, key: str, standing: Standing, now: datetime) -> datetime | None:
        if not site.revisit and not standing.failures:
            return None
        return now + spread(standing.wait(site.revisit or (timedelta(days=365),)), key)

    def _aliases(self, site: Site, visit: Visit, attempt: Attempt) -> list[Visit]:
        """Return where redirects led, so that another link to that page does not fetch it again."""
        if attempt.final_url is None or (key := seen_key(attempt.final_url)) == visit.key:
            return []
        if self._visits.get([key]) or self._pending([key]):
            return []
        return [Visit(key, attempt.final_url, site.name, "alias", visited=self._now())]

    def _from_captures(self, site: Site, key: str, url: str) -> Visit | None:
        """Return the visit of a page that the archive holds already, by what its captures found."""
        index = self._archive.index
        articles = sorted(index.articles(index.captures(url)).values(), key=lambda article: article.timestamp)
        if not any(article.outcome in (*READ_AS_ARTICLE, "robots") for article in articles):
            return None
        standing = replay(_findings(articles))
        visited = datetime.strptime(articles[-1].timestamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        if articles[-1].outcome == "robots":
            return _left_alone(Visit(key, url, site.name, "article"), visited)
        return Visit(
            key,
            url,
            site.name,
            "article",
            due=self._due(site, key, standing, visited),
            visited=visited,
            changed=visited,
            step=standing.step,
            misses=standing.misses,
            failures=standing.failures,
        )

    # Writing

    def flush(self) -> None:
        """Write what has been noted."""
        with self._lock:
            visits, self._unwritten = self._unwritten, {}
        self._visits.put(visits.values())

    def _put(self, visits: Sequence[Visit]) -> None:
        with self._lock:
            self._unwritten.update((visit.key, visit) for visit in visits)
            is_much = len(self._unwritten) >= AT_ONCE
        if is_much:
            self.flush()

    def _pending(self, keys: Iterable[str]) -> dict[str, Visit]:
        with self._lock:
            return {key: self._unwritten[key] for key in keys if key in self._unwritten}


class Validators:
    """What an answer says about its version, and whether that was the truth."""

    def __init__(self, etag: str | None, last_modified: str | None, *, same_payload: bool | None) -> None:
        """`same_payload` tells whether the payload is that of the visit before; ``None`` if that is not known."""
        self.etag, self.last_modified, self.same_payload = etag, last_modified, same_payload


NOT_MODIFIED = Validators(None, None, same_payload=None)
"""Of a 304, which names no version but the one that was asked about."""


def judged(visit: Visit, validators: Validators | None) -> Visit:
    """Return a visit with the validators of its answer, trusted more or less by what they said.

    A 304 counts too, so that after some of them the server is asked without condition.
    """
    if validators is None:
        return visit
    if validators is NOT_MODIFIED:
        return replace(visit, trust=visit.trust + 1)
    named = (validators.etag, validators.last_modified)
    trust = visit.trust
    if validators.same_payload is not None and any(named) and named == (visit.etag, visit.last_modified):
        trust = trust + 1 if validators.same_payload else DISTRUST
    return replace(visit, etag=validators.etag, last_modified=validators.last_modified, trust=trust)


def conditions(visit: Visit) -> dict[str, str]:
    """Return the header fields that ask for the page only if it has changed; none where the server is not trusted."""
    if visit.trust < TRUSTED or visit.trust % VERIFIED_EVERY == 0:
        return {}
    fields = {"If-None-Match": visit.etag, "If-Modified-Since": visit.last_modified}
    return {name: value for name, value in fields.items() if value}


def _interval(visit: Visit) -> Interval:
    if visit.interval is None:
        return Interval(failures=visit.failures)
    return Interval(timedelta(seconds=visit.interval), visit.failures)


def _standing(visit: Visit) -> Standing:
    return Standing(visit.step, visit.misses, visit.failures)


_PRECISION = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "day": timedelta(0)}


def _was_edited(visit: Visit, entry: Found, now: datetime) -> bool:
    """Tell whether an entry names a date after the last visit; a day counts from its beginning.

    Dates in the future are nonsense, but for clocks that run a little fast.
    """
    if entry.modified is None or visit.kind != "article" or visit.visited is None:
        return False
    changed = instant(entry.modified)
    return visit.visited < changed + _PRECISION[entry.modified.precision] and changed <= now + timedelta(minutes=10)


_TELLS_MOST = ("news-sitemap", "feed", "sitemap", "section", "link")


def _better_found(visit: Visit, entry: Found) -> Visit:
    """Return a visit that was not made yet with the entry that says most of its page."""
    held = read_found(visit.url, visit.found)
    if held is not None and _TELLS_MOST.index(held.kind) <= _TELLS_MOST.index(entry.kind):
        return visit
    return replace(visit, found=write_found(entry))


def _is_withheld(attempt: Attempt) -> bool:
    """Tell whether a page was fetched and left unread; what robots.txt forbids has no answer, or that of a redirect."""
    return attempt.outcome == "robots" and attempt.status is not None and not 300 <= attempt.status < 304


def _left_alone(visit: Visit, visited: datetime) -> Visit:
    due = visited + spread(WITHHELD, visit.key)
    return replace(visit, visited=visited, due=due, misses=0, failures=0, found=None)


def _finding(visit: Visit, attempt: Attempt) -> Finding | None:
    match attempt.outcome:
        case "saved" if visit.visited and (attempt.version or 1) > 1:
            return "changed"
        case "saved":
            return "new"
        case "unchanged":
            return "same"
        case "paywalled":
            return "same" if visit.visited else "new"
        case "gone":
            return "missing"
        case "not_article" | "empty":
            return "same" if visit.changed else None
    if attempt.outcome == "failed" and attempt.status in (404, 410):
        return "missing"
    return "failed"


def _findings(articles: Iterable[ArticleEntry]) -> Iterator[Finding]:
    version: int | None = None
    for article in articles:
        if article.outcome in READ_AS_ARTICLE:
            yield "new" if version is None else "same" if article.version == version else "changed"
            version = article.version or 0
        else:
            yield "missing" if article.outcome == "gone" else "failed"


def write_found(found: Found) -> str:
    """Write down what an entry said, until its page is fetched."""
    facts = {
        "kind": found.kind,
        "via": found.via,
        "title": found.title,
        "authors": [[author.name, author.url] for author in found.authors],
        "published": found.published and astuple(found.published),
        "modified": found.modified and astuple(found.modified),
        "language": found.language,
        "section": found.section,
        "tags": found.tags,
    }
    return json.dumps({name: value for name, value in facts.items() if value}, ensure_ascii=False)


def read_found(url: str, text: str | None) -> Found | None:
    """Return what an entry said, as :func:`write_found` wrote it down."""
    if text is None:
        return None
    facts = json.loads(text)
    for name in ("published", "modified"):
        if name in facts:
            facts[name] = Moment(*facts[name])
    facts["authors"] = tuple(Author(*author) for author in facts.get("authors", ()))
    facts["tags"] = tuple(facts.get("tags", ()))
    return Found(url=url, **facts)
