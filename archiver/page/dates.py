"""Moments as pages write them: finding one in a text, reading it, and refusing what cannot be one."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from urllib.parse import urlsplit

from archiver.article import Precision
from archiver.page.markup import squeeze

EARLIEST = date(1990, 1, 1)
"""No news page is older than the web."""
AHEAD = timedelta(days=2)
"""Clocks and zones differ; a publication date further in the future is a mistake."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date as far as the page tells it; ``value`` is the ISO 8601 form used in the article."""

    value: str
    precision: Precision
    raw: str
    source: str


_MONTHS = (
    "jan january januar janvier enero gennaio janeiro januari jän jänner ene janv gen",
    "feb february februar février febrero febbraio fevereiro februari fév févr fev",
    "mar march märz mars marzo março maart mär mrz mrt",
    "apr april avril abril aprile avr abr",
    "may mai mayo maggio maio mei mag",
    "jun june juni juin junio giugno junho giu",
    "jul july juli juillet julio luglio julho juil lug",
    "aug august août agosto augustus ago aoû augusti",
    "sep sept september septembre septiembre settembre setembro set",
    "oct october oktober octobre octubre ottobre outubro okt ott out",
    "nov november novembre noviembre novembro",
    "dec december dezember décembre diciembre dicembre dezembro desember dez déc dic december",
)
_MONTH_NUMBER = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_MONTH = "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True))
_ORDINAL = r"(?:st|nd|rd|th|er|\.|º|ª)?"
_DATE = re.compile(
    rf"(?<!\d)(?:(?P<ya>\d{{4}})[-/](?P<ma>\d\d)[-/](?P<da>\d\d)"
    rf"|(?P<db>\d{{1,2}}){_ORDINAL}[\s-]+(?:de\s+|of\s+)?(?P<mb>{_MONTH})\.?,?[\s-]+(?:de\s+|del\s+)?(?P<yb>\d{{4}})"
    rf"|\b(?P<mc>{_MONTH})\.?\s+(?P<dc>\d{{1,2}}){_ORDINAL},?\s+(?P<yc>\d{{4}})"
    r"|(?P<yd>\d{4})\s?年\s?(?P<md>\d{1,2})\s?月\s?(?P<dd>\d{1,2})\s?日"
    r"|(?P<de>\d{1,2})(?P<sep>[./])(?P<me>\d{1,2})(?P=sep)(?P<ye>\d{4}))(?!\d)",
    re.IGNORECASE,
)
_ZONES = {"Z": 0, "GMT": 0, "UTC": 0, "BST": 60, "WET": 0, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180,
          "EST": -300, "EDT": -240, "PST": -480, "PDT": -420, "JST": 540, "AEST": 600, "AEDT": 660}  # fmt: skip
"""Minutes east; names that mean several zones (CST, IST) are left out and their times stay local."""
_CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>[01]?\d|2[0-3])(?:(?P<mark>[:.h])(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d+)?)?)?"
    r"\s*(?P<half>[ap]\.?\s?m\b\.?)?\s*(?P<zone>(?:GMT|UTC)?[+-]\d\d:?\d\d|\(?\b[A-Z]{1,4}\b\)?|[zZ]\b)?",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d)(:\d\d(?:[.,]\d+)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?\s*(?:GMT|UTC)?", re.I
)
_URL_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([/_-]?)(0?[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01]|[1-9](?!\d))(?!\d)")


@dataclass(frozen=True, slots=True)
class Found:
    """A calendar date in a text and where it stands."""

    day: date
    start: int
    end: int


def find_date(text: str) -> Found | None:
    """Find the first calendar date with a year in a text; 03/04/2019 is ambiguous and no date."""
    for match in _DATE.finditer(text[:300]):
        if day := _day(match):
            return Found(day, match.start(), match.end())
    return None


def _day(match: re.Match[str]) -> date | None:
    form = next(form for form in "abcde" if match["y" + form])
    year, month, day = match["y" + form], match["m" + form], match["d" + form]
    try:
        numbers = int(year), _MONTH_NUMBER.get(month.lower()) or int(month), int(day)
        if form == "e" and match["sep"] == "/":
            return _slashed(*numbers)
        return date(*numbers)
    except ValueError:
        return None


def _slashed(year: int, second: int, first: int) -> date | None:
    if first <= 12 and second <= 12 and first != second:
        return None
    return date(year, first, second) if second > 12 else date(year, second, first)


def find_clock(text: str) -> tuple[time, Precision, int, int] | None:
    """Find a time of day: (time with zone if told, precision, start, end). A bare number is none."""
    for match in _CLOCK.finditer(text[:300]):
        if not match["minute"] and not match["half"]:
            continue
        hour = int(match["hour"])
        if match["half"]:
            if not 1 <= hour <= 12:
                continue
            hour = hour % 12 + (12 if match["half"][0].lower() == "p" else 0)
        elif match["mark"] == "." and not match["zone"]:
            continue  # 18.21 alone is more often a number than a time
        zone = _zone(match["zone"])
        clock = time(hour, int(match["minute"] or 0), int(match["second"] or 0), tzinfo=zone)
        known = match["zone"] is None or zone is not None
        return (
            clock,
            "second" if match["second"] else "minute",
            match.start(),
            match.end() if known else match.start("zone"),
        )
    return None


def _zone(text: str | None) -> timezone | None:
    text = (text or "").strip("() ").upper()
    if text in _ZONES:
        return timezone(timedelta(minutes=_ZONES[text]))
    match = re.fullmatch(r"(?:GMT|UTC)?([+-])(\d\d):?(\d\d)?", text)
    if not match or int(match[2]) > 23 or int(match[3] or 0) > 59:
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    return timezone(timedelta(minutes=minutes if match[1] == "+" else -minutes))


def parse_moment(raw: str | None, source: str, latest: datetime) -> Moment | None:
    """Read a date as pages write them; ``None`` if unreadable, before 1990 or later than ``latest``.

    >>> parse_moment("2019-02-07T18:21:30Z", "meta", datetime(2030, 1, 1, tzinfo=UTC)).value
    '2019-02-07T18:21:30+00:00'
    """
    text = squeeze(raw or "")[:200]
    if match := _ISO.fullmatch(text):
        return _iso_moment(match, text, source, latest)
    if re.fullmatch(r"\d{10}|\d{13}", text):
        return moment(datetime.fromtimestamp(int(text[:10]), UTC), "second", text, source, latest)
    if re.match(r"[A-Z][a-z]{2}, \d", text):
        try:
            return moment(email.utils.parsedate_to_datetime(text), "second", text, source, latest)
        except (ValueError, OverflowError, TypeError):
            pass
    if not (found := find_date(text)):
        return None
    clock = find_clock(text[found.end :]) or find_clock(text[: found.start])
    if clock:
        return moment(datetime.combine(found.day, clock[0]), clock[1], text, source, latest)
    return moment(found.day, "day", text, source, latest)


def _iso_moment(match: re.Match[str], raw: str, source: str, latest: datetime) -> Moment | None:
    day, clock, seconds, zone = match.groups()
    try:
        if clock is None:
            return moment(date.fromisoformat(day), "day", raw, source, latest)
        known = datetime.fromisoformat(f"{day}T{clock}{(seconds or '')[:3]}")
    except ValueError:
        return None
    offset = _zone(zone) or (UTC if raw[-3:].upper() in ("GMT", "UTC") else None)
    return moment(known.replace(tzinfo=offset), "second" if seconds else "minute", raw, source, latest)


def moment(when: date | datetime, precision: Precision, raw: str, source: str, latest: datetime) -> Moment | None:
    """Build a moment from a plausible date, cut to its precision."""
    latest = latest if latest.tzinfo else latest.replace(tzinfo=UTC)
    last_day = latest.astimezone(timezone(timedelta(hours=14))).date()
    day = when.date() if isinstance(when, datetime) else when
    if not EARLIEST <= day <= last_day:
        return None
    if isinstance(when, datetime) and when.tzinfo and when > latest:
        return None
    if precision == "day" or not isinstance(when, datetime):
        return Moment(day.isoformat(), "day", raw, source)
    return Moment(when.isoformat(timespec="minutes" if precision == "minute" else "seconds"), precision, raw, source)


def url_date(url: str, latest: datetime) -> Moment | None:
    """Read a day from the path of a URL.

    >>> url_date("https://example.com/2019/02/07/rain", datetime(2030, 1, 1, tzinfo=UTC)).value
    '2019-02-07'
    """
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    for match in _URL_DATE.finditer(path):
        try:
            day = date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
        if found := moment(day, "day", match[0], "url", latest):
            return found
    return None
