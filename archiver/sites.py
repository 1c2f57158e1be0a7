"""The sites file: which news sites there are, how their pages are found and read, and when they are crawled.

    sites = Sites(read_sites(Path("sites.toml")))           # read_sites is in sites_file
    site = sites.of("https://www.example.com/story")        # whose host it is, or None
    sites.rules_for("https://www.example.com/story", date(2019, 2, 7))

docs/sites.md explains every key. A site may also be declared in code, as the ``site`` of a spider class; its keys
are the fields of :class:`Site`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from archiver.article import Extractor
from archiver.crawl.pace import LADDER
from archiver.errors import BadRequest
from archiver.extract import Page, extractor
from archiver.page.rules import RULE_KEYS, Rule, pattern, search
from archiver.urls import check_url


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a site is crawled: every so often, or at the times of a cron expression.

    >>> Schedule("15m").next_after(datetime(2026, 11, 22, 8, 0, tzinfo=UTC)).isoformat()
    '2026-11-22T08:15:00+00:00'
    >>> Schedule("0 6 * * MON-FRI", "Europe/London").next_after(datetime(2026, 7, 4, tzinfo=UTC)).isoformat()
    '2026-07-06T05:00:00+00:00'
    """

    text: str
    """As written: ``15m``, or the five fields of cron."""
    timezone: str = "UTC"
    """The zone that cron's hours are of, such as ``Europe/London``."""

    def __post_init__(self) -> None:
        self.next_after(datetime.now(UTC))  # raises for what cannot be understood

    @property
    def interval(self) -> timedelta | None:
        """The time between two crawls; ``None`` for a cron expression."""
        is_cron = " " in self.text.strip() and not _DURATION.fullmatch(self.text)
        return None if is_cron else parse_duration(self.text)

    def next_after(self, moment: datetime) -> datetime:
        """Return when to crawl next, in UTC; `moment` is when the last crawl began."""
        if (interval := self.interval) is not None:
            if interval < SHORTEST:
                raise ValueError(f"{self.text!r} is more often than once a minute")
            return moment.astimezone(UTC) + interval
        if len(self.text.split()) != 5:
            raise ValueError(f"{self.text!r} is no schedule; write 15m, or five fields of cron such as 0 6 * * *")
        from cronsim import CronSim, CronSimError

        try:
            return next(CronSim(self.text, moment.astimezone(_zone(self.timezone)))).astimezone(UTC)
        except StopIteration:
            raise ValueError(f"{self.text!r} names a time that never comes") from None
        except (CronSimError, AssertionError, TypeError) as error:
            raise ValueError(f"{self.text!r} is no cron expression ({error or 'not understood'})") from None


SHORTEST = timedelta(minutes=1)
_DURATION = re.compile(r"\s*(?:[0-9]{1,6}\s?[smhdwy]\s*){1,6}")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31_536_000}


def parse_duration(text: str) -> timedelta:
    """Return a length of time such as ``15m``, ``12h``, ``1h 30m`` or ``1y``; raises ``ValueError``.

    >>> parse_duration("1h 30m")
    datetime.timedelta(seconds=5400)
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no length of time; write 15m, 12h, 7d or 1y")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)\s*(\w)", text)))


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone this machine knows; write one such as Europe/London") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A configured news source. Only ``homepage`` is needed. Raises ``ValueError`` for values that make no sense."""

    homepage: str
    """URL of the front page; its host, with and without ``www.``, is the site's."""
    name: str = ""
    """Stands in articles as ``site``; the homepage's host unless given, and its port if that is unusual."""
    hosts: tuple[str, ...] = ()
    """Further hosts of the site; ``*.example.com`` means all below."""
    labels: tuple[str, ...] = ()
    """Words to group sites by."""
    schedule: Schedule | None = None
    """When it is crawled; ``None``: only when asked for."""
    feeds: tuple[str, ...] | None = None
    """URLs of its feeds; ``None``: they are discovered; none at all: they are not used. So also the next two."""
    sitemaps: tuple[str, ...] | None = None
    sections: tuple[str, ...] | None = None
    """URLs of pages that link to articles."""
    article: tuple[str, ...] = ()
    """Regular expressions, one of which is found in the URL of every article; empty: any URL may be one."""
    ignore: tuple[str, ...] = ()
    """Regular expressions none of which is found in a URL that is fetched."""
    delay: float | None = None
    """Seconds between two requests to a host of the site; ``None``: as for all sites."""
    concurrency: int | None = None
    """Requests to a host at once."""
    requisites: bool = False
    """Whether pictures, style sheets and scripts of articles are archived too."""
    obey_opt_out: bool | None = None
    """Whether articles are left unread whose publisher reserves their use by machines; ``None``: as for all sites."""
    revisit: tuple[timedelta, ...] = LADDER
    """After which times an article is looked at again; empty: never."""
    rules: tuple[Rule, ...] = ()
    """How its pages are read, where the generic reader misreads them."""
    line: int | None = field(default=None, compare=False)
    """Where it stands in the sites file; ``None`` for a site in code."""

    def __post_init__(self) -> None:
        wrong: list[str] = []
        for key, check in CHECKS.items():
            value = getattr(self, key)
            if value is None or (key == "name" and not value):
                continue
            try:
                check(value)
            except ValueError as error:
                wrong.append(f"{key}: {error}")
        wrong += [message for _, message in overlaps(self.rules)]
        if wrong:
            raise ValueError(f"site {self.name or self.homepage!r}: {'; '.join(wrong)}")
        object.__setattr__(self, "name", self.name or site_name(self.homepage))
        for key in ("feeds", "sitemaps", "sections"):
            if (urls := getattr(self, key)) is not None:
                object.__setattr__(self, key, tuple(urljoin(self.homepage, url) for url in urls))

    def covers(self, url: str) -> bool:
        """Tell whether a URL is on a host of the site."""
        host = site_host(url)
        return any(host == own or (own[:2] == "*." and host.endswith(own[1:])) for own in self.all_hosts)

    @property
    def all_hosts(self) -> tuple[str, ...]:
        """The hosts of the site, folded: lower case, without ``www.``."""
        return tuple(dict.fromkeys([site_host(self.homepage), *map(_fold_host, self.hosts)]))

    def may_be_article(self, url: str) -> bool:
        """Tell whether a URL of the site may be an article's, by the site's patterns."""
        return (not self.article or _matches(self.article, url)) and not _matches(self.ignore, url)

    def rules_on(self, day: date) -> tuple[Rule, ...]:
        """Return the rules by which captures of a day are read."""
        return tuple(rule for rule in self.rules if rule.is_in_force(day))

    def moved_to(self, homepage: str) -> Site:
        """Return the same site at another address, such as a copy of it on this machine."""
        moved: dict[str, Any] = {
            key: None if (urls := getattr(self, key)) is None else tuple(map(_path, urls))
            for key in ("feeds", "sitemaps", "sections")
        }
        return replace(self, homepage=homepage, **moved)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain values: what ``archiver sites list --json`` prints."""
        value = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "rules"}
        value["schedule"] = self.schedule.text if self.schedule else None
        value["timezone"] = self.schedule.timezone if self.schedule else None
        value["revisit"] = [int(each.total_seconds()) for each in self.revisit]
        value["rules"] = [_rule_json(rule) for rule in self.rules]
        return value


def _rule_json(rule: Rule) -> dict[str, Any]:
    values = {key: getattr(rule, key) for key in (*RULE_KEYS, "line")}
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in values.items()}


def _matches(patterns: Iterable[str], url: str) -> bool:
    try:
        return any(search(each, url) for each in patterns)
    except TimeoutError:  # a URL made for that
        return False


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(scheme="", netloc="").geturl() or "/"


def site_name(homepage: str) -> str:
    """Return what a site is called that has no name: its host, with the port if that is not the usual one.

    >>> site_name("https://www.example.com/"), site_name("http://127.0.0.1:8463/")
    ('example.com', '127.0.0.1-8463')
    """
    host, port = site_host(homepage), urlsplit(homepage).port
    return f"{host}-{port}" if port not in (None, 80, 443) else host


def site_host(url: str) -> str:
    try:
        return _fold_host(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def _fold_host(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("www.")


class Sites:
    """The sites that are configured, in the file and in code; one in the file stands before its namesake in code."""

    def __init__(self, sites: Iterable[Site] = (), *, path: Path | None = None) -> None:
        by_name: dict[str, Site] = {}
        for site in sites:
            by_name.setdefault(site.name, site)
        self._by_name = by_name
        self._by_host: dict[str, list[Site]] = {}
        for site in by_name.values():
            for host in site.all_hosts:
                self._by_host.setdefault(host, []).append(site)
        self.path = path
        """The sites file; ``None`` when there is none."""

    def __iter__(self) -> Iterator[Site]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> Site:
        """Return the site of this name; raises :class:`archiver.errors.BadRequest`."""
        if site := self._by_name.get(name):
            return site
        near = get_close_matches(name, self._by_name, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`archiver sites list` shows those there are"
        raise BadRequest(f"no site is called {name!r} in {self.path or 'any sites file'}; {hint}")

    def of(self, url: str) -> Site | None:
        """Return the site a URL belongs to; of several on one host, the one whose homepage is nearest above."""
        host = site_host(url)
        labels = host.split(".")
        names = [host, *("*." + ".".join(labels[start:]) for start in range(1, len(labels)))]
        for name in names:
            if sites := self._by_host.get(name):
                return max(sites, key=lambda site: _nearness(site, url))
        return None

    def rules_for(self, url: str, when: date | str, *, site: str | None = None) -> tuple[Rule, ...]:
        """Return the rules for a capture of `url` made then, at a date or timestamp.

        `site` is the name of its site, if that is known: it counts before the URL.
        """
        found = self._site(url, site)
        return found.rules_on(_day(when)) if found else ()

    def prepared(self, page: Page, *, site: str | None = None) -> Page:
        """Return a page with its site and the rules of its day; `site` is the name of its site, if that is known."""
        found = self._site(page.url, site)
        if found is None:
            return page if site is None else replace(page, site=site)
        return replace(page, site=found.name, rules=found.rules_on(_day(page.captured_at)))

    def extractor_for(self, url: str, when: date | str, *, site: str | None = None) -> Extractor:
        """Return what stands as extractor in an article read now from a capture of `url` made then."""
        found = self._site(url, site)
        return extractor(found.rules_on(_day(when)), found.name) if found else extractor()

    def _site(self, url: str, name: str | None) -> Site | None:
        return self._by_name.get(name or "") or self.of(url)


def _nearness(site: Site, url: str) -> int:
    path = urlsplit(site.homepage).path.rstrip("/")
    return len(path) if f"{_path(url)}/".startswith(f"{path}/") else -1


def _day(when: date | str) -> date:
    if isinstance(when, str):
        return date.fromisoformat(when[:8])
    if isinstance(when, datetime):
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).date()
    return when


def overlaps(rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    """Yield the later rule of each pair for one field whose times overlap in part, which is always a slip.

    The same time, or one within the other, makes a rule and its fallback.
    """
    for one, other in combinations([rule for rule in rules if rule.field != "remove"], 2):
        if one.field == other.field:
            (start, end), (since, until) = _span(one), _span(other)
            if (start < since <= end < until) or (since < start <= until < end):
                where = f"of line {one.line} " if one.line else ""
                yield other, f"its time overlaps in part with that of the rule {where}for {one.field}, {_words(one)}"


def _span(rule: Rule) -> tuple[date, date]:
    return rule.valid_from or date.min, rule.valid_until or date.max


def _words(rule: Rule) -> str:
    return f"which is valid {f'from {rule.valid_from} ' if rule.valid_from else ''}" + (
        f"until {rule.valid_until}" if rule.valid_until else "on"
    )


# What the keys of a site may say. Each check returns the value as `Site` has it.


class WrongValue(ValueError):
    """A value cannot be used; `at` is its position when it is an element of a list."""

    def __init__(self, message: str, *at: int) -> None:
        super().__init__(message)
        self.at = at


def checked_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WrongValue("this has to be a text")
    return value


def _texts(value: Any, check: Callable[[str], str] = str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        raise WrongValue("this has to be a list of texts")
    checked = []
    for number, each in enumerate(values):
        try:
            checked.append(check(checked_text(each)))
        except (ValueError, BadRequest) as error:
            raise WrongValue(str(error), *([] if isinstance(value, str) else [number])) from None
    return tuple(checked)


def _name(value: Any) -> str:
    if not re.fullmatch(r"\w[\w.-]{0,99}", checked_text(value)):
        raise WrongValue(f"{value!r} is no name; it has letters, digits, dots, hyphens and underscores")
    return str(value)


def _homepage(value: Any) -> str:
    try:
        return check_url(checked_text(value))
    except BadRequest as error:
        raise WrongValue(str(error)) from None


def _hosts(value: Any) -> tuple[str, ...]:
    def check(host: str) -> str:
        if not re.fullmatch(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*", host):
            raise ValueError(f"{host!r} is no host; write www.example.com or *.example.com")
        return host

    return _texts(value, check)


def _urls(value: Any) -> tuple[str, ...]:
    return _texts(value, lambda url: check_url(urljoin("https://example.com/", url)) and url)


def _patterns(value: Any) -> tuple[str, ...]:
    return _texts(value, lambda text: pattern(text) and text)


def _delay(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 3600:
        raise WrongValue("this has to be a number of seconds, 0 to 3600")
    return float(value)


def _concurrency(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 64:
        raise WrongValue("this has to be a whole number, 1 to 64")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValue("this has to be true or false")
    return value


def _ladder(value: Any) -> tuple[timedelta, ...]:
    if value is False:
        return ()
    if not isinstance(value, (list, tuple)):
        raise WrongValue('this has to be false, or a list of lengths of time such as ["1h", "1d", "30d"]')
    steps = []
    for number, each in enumerate(value):
        try:
            steps.append(each if isinstance(each, timedelta) else parse_duration(checked_text(each)))
        except ValueError as error:
            raise WrongValue(str(error), number) from None
        if steps[-1] < SHORTEST or (number and steps[-1] < steps[-2]):
            raise WrongValue("the times have to be a minute at least, and may not become shorter", number)
    return tuple(steps)


def checked_timezone(value: Any) -> str:
    return _zone(checked_text(value)).key


CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "homepage": _homepage,
    "hosts": _hosts,
    "labels": _texts,
    "schedule": lambda value: value,
    "feeds": _urls,
    "sitemaps": _urls,
    "sections": _urls,
    "article": _patterns,
    "ignore": _patterns,
    "delay": _delay,
    "concurrency": _concurrency,
    "requisites": _flag,
    "obey_opt_out": _flag,
    "revisit": _ladder,
}
