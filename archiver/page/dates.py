"""Moments as pages write them: finding one in a text, reading it, and refusing what cannot be one."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from urllib.parse import urlsplit

from archiver.article import Precision
from archiver.page.markup import squeeze

EARLIEST = date(1990, 1, 1)
"""A page is hardly older than the web; an earlier date counts when two sources of the page agree on it."""
OLDEST = date(1600, 1, 1)
"""Before the first newspapers."""
AHEAD = timedelta(days=1)
"""Clocks and zones differ; a publication date further in the future is a mistake."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date as far as the page tells it; ``value`` is the ISO 8601 form used in the article."""

    value: str
    precision: Precision
    raw: str
    source: str

    @property
    def day(self) -> date:
        """The calendar day that ``value`` names."""
        return date.fromisoformat(self.value[:10])

    @property
    def instant(self) -> datetime | None:
        """The point in time, ``None`` where a clock or an offset is missing."""
        if self.precision == "day":
            return None
        known = datetime.fromisoformat(self.value)
        return known if known.tzinfo else None

    def is_before(self, other: Moment) -> bool:
        """Tell whether this is certainly earlier: by the instant where both tell one, else by the day."""
        one, two = self.instant, other.instant
        if one and two:
            return one < two
        if bool(one) != bool(two):  # only one tells its offset, so a day is in doubt
            return self.day < other.day - timedelta(days=1)
        return self.value[: len(other.value)] < other.value[: len(self.value)]


_MONTHS = (
    "jan january januar janvier enero gennaio janeiro januari jän jänner ene janv gen january januára január ocak oca "
    "stycznia styczeń sty января янв січня ledna ianuarie tammikuuta ιανουαρίου يناير jaanuar siječnja јануар",
    "feb february februar février febrero febbraio fevereiro februari fév févr fev february şubat şub "
    "lutego luty lut февраля фев лютого února február februarie helmikuuta φεβρουαρίου فبراير veebruar veljače фебруар",
    "mar march märz mars marzo março maart mär mrz mrt maret mart "
    "marca marzec марта мар березня března március martie maaliskuuta μαρτίου مارس märts ožujka март",
    "apr april avril abril aprile avr abr nisan nis "
    "kwietnia kwiecień kwi апреля апр квітня dubna április aprilie huhtikuuta απριλίου أبريل aprill travnja април",
    "may mai mayo maggio maio mei mag maj mayıs "
    "maja мая май травня května máj május toukokuuta μαΐου μαΐου مايو svibnja мај",
    "jun june juni juin junio giugno junho giu haziran haz "
    "czerwca czerwiec cze июня июн червня června június iunie kesäkuuta ιουνίου يونيو juuni lipnja јун",
    "jul july juli juillet julio luglio julho juil lug temmuz tem "
    "lipca lipiec lip июля июл липня července július iulie heinäkuuta ιουλίου يوليو juuli srpnja јул",
    "aug august août agosto augustus ago aoû augusti agustus ağustos ağu "
    "sierpnia sierpień sie августа авг серпня srpna augusztus elokuuta αυγούστου أغسطس kolovoza август",
    "sep sept september septembre septiembre settembre setembro set eylül eyl "
    "września wrzesień wrz сентября сен вересня září szeptember septembrie syyskuuta "
    "σεπτεμβρίου سبتمبر rujna септембар",
    "oct october oktober octobre octubre ottobre outubro okt ott out ekim eki "
    "października październik paź октября окт жовтня října október octombrie lokakuuta "
    "οκτωβρίου أكتوبر oktoober октобар",
    "nov november novembre noviembre novembro kasım kas "
    "listopada listopad lis ноября ноя листопада listopadu noiembrie marraskuuta νοεμβρίου نوفمبر studenoga новембар",
    "dec december dezember décembre diciembre dicembre dezembro desember dez déc dic aralık ara "
    "grudnia grudzień gru декабря дек грудня prosince decembrie joulukuuta "
    "δεκεμβρίου ديسمبر detsember prosinca децембар",
)
_MONTH_NUMBER = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_ORDINAL = r"(?:st|nd|rd|th|er|\.|º|ª)?"
_WORD = r"[^\W\d_]{3,14}"
"""Any word: looking each up is faster than trying 300 names of months."""
_DATE = re.compile(
    rf"(?<!\d)(?:(?P<ya>\d{{4}})[-/.](?P<ma>\d\d)[-/.](?P<da>\d\d)"
    rf"|(?P<db>\d{{1,2}}){_ORDINAL}[\s-]*(?:de\s+|of\s+)?(?P<mb>{_WORD})\.?,?['’\s-]*(?:de\s+|del\s+)?(?P<yb>\d{{4}})"
    rf"|\b(?P<mc>{_WORD})\.?\s+(?P<dc>\d{{1,2}}){_ORDINAL},?\s+(?:at\s+\d\d?:\d\d\s+)?(?P<yc>\d{{4}})"
    r"|(?P<yd>\d{4})\s?[年년]\s?(?P<md>\d{1,2})\s?[月월]\s?(?P<dd>\d{1,2})\s?[日일]"
    r"|(?P<df>\d{1,2})\s+tháng\s+(?P<mf>\d{1,2})(?:,\s+|\s+năm\s+)(?P<yf>\d{4})"
    r"|(?P<de>\d{1,2})(?P<sep>[./-])\s?(?P<me>\d{1,2})(?P=sep)\s?(?P<ye>\d{4}))(?!\d)",
    re.IGNORECASE,
)
_ZONES = {"Z": 0, "GMT": 0, "UTC": 0, "BST": 60, "WET": 0, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180,
          "EST": -300, "EDT": -240, "PST": -480, "PDT": -420, "JST": 540, "AEST": 600, "AEDT": 660}  # fmt: skip
"""Minutes east; names that mean several zones (CST, IST) are left out and their times stay local."""
_CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>2[0-3]|[01]?\d)(?:(?P<mark>[:.h])(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d+)?)?)?"
    r"\s*(?P<half>[ap]\.?\s?m\b\.?)?\s*(?P<zone>(?:GMT|UTC)?[+-]\d\d:?\d\d|\(?\b[A-Z]{1,4}\b\)?|[zZ]\b)?",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d)(:\d\d(?:[.,]\d+)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?\s*(?:GMT|UTC)?", re.I
)
_URL_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([/_-]?)(0?[1-9]|1[0-2]|[a-z]{3})\2(0[1-9]|[12]\d|3[01]|[1-9](?!\d))(?!\d)", re.I
)


@dataclass(frozen=True, slots=True)
class Found:
    """A calendar date in a text and where it stands."""

    day: date
    start: int
    end: int


_HAS_YEAR = re.compile(r"\d{4}")


def find_date(text: str, day_first: bool | None = None) -> Found | None:
    """Find the first calendar date with a year in a text.

    03/04/2019 is no date unless ``day_first`` tells how the page's language writes dates.
    """
    if not _HAS_YEAR.search(text, 0, 300):
        return None
    for match in _DATE.finditer(text[:300]):
        if day := _day(match, day_first):
            return Found(day, match.start(), match.end())
    return None


def _day(match: re.Match[str], day_first: bool | None) -> date | None:
    form = next(form for form in "abcdef" if match["y" + form])
    year, month, day = match["y" + form], match["m" + form], match["d" + form]
    try:
        numbers = int(year), _MONTH_NUMBER.get(month.lower()) or int(month), int(day)
        if form == "e" and match["sep"] != ".":
            return _slashed(*numbers, day_first)
        return date(*numbers)
    except ValueError:
        return None


def _slashed(year: int, second: int, first: int, day_first: bool | None) -> date | None:
    if first <= 12 and second <= 12 and first != second and day_first is None:
        return None
    is_month_first = second > 12 or (first <= 12 and day_first is False)
    return date(year, first, second) if is_month_first else date(year, second, first)


# fmt: off
_DAY_FIRST = frozenset({
    "ar", "bg", "ca", "cs", "da", "de", "el", "es", "et", "fi", "fr", "gl", "he", "hr", "id", "is", "it", "lv", "nb",
    "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "tr", "uk", "vi"
})
# fmt: on


def is_day_first(language: str | None) -> bool | None:
    """Tell whether 03/04/2019 is the third of April in a language; ``None`` where countries differ.

    >>> is_day_first("de-AT"), is_day_first("en_US"), is_day_first("en")
    (True, False, None)
    """
    main, _, region = (language or "").lower().replace("_", "-").partition("-")
    if main == "en":
        return {"us": False, "": None}.get(region, region in ("gb", "au", "nz", "ie", "in", "za") or None)
    return main in _DAY_FIRST or None


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


_COMPACT = re.compile(r"(\d{4})[ .]?(\d\d)[ .]?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d))?\s?(Z|[+-]\d\d:?\d\d)?)?")


def parse_moment(
    raw: str | None, source: str, latest: datetime, *, day_first: bool | None = None, earliest: date = EARLIEST
) -> Moment | None:
    """Read a date as pages write them; ``None`` if unreadable, before ``earliest`` or later than ``latest``.

    >>> parse_moment("2019-02-07T18:21:30Z", "meta", datetime(2030, 1, 1, tzinfo=UTC)).value
    '2019-02-07T18:21:30+00:00'
    """
    text = squeeze((raw or "")[:1000])[:200]
    if not text:
        return None
    if match := _ISO.fullmatch(text):
        return _iso_moment(match, text, source, latest, earliest)
    if re.fullmatch(r"1?\d{9}(?:\d{3})?", text):
        return moment(datetime.fromtimestamp(int(text[:10]), UTC), "second", text, source, latest, earliest)
    if match := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups()
        iso = f"{year}-{month}-{day}" + (f" {hour}:{minute}:{second or '00'}{zone or ''}" if hour else "")
        return _iso_moment(_ISO.fullmatch(iso), text, source, latest, earliest)
    if re.match(r"[A-Z][a-z]{2}, \d", text):
        try:
            return moment(email.utils.parsedate_to_datetime(text), "second", text, source, latest, earliest)
        except (ValueError, OverflowError, TypeError):
            pass
    if not (found := find_date(text, day_first)):
        return None
    clock = find_clock(text[found.end :]) or find_clock(text[: found.start])
    if clock:
        return moment(datetime.combine(found.day, clock[0]), clock[1], text, source, latest, earliest)
    return moment(found.day, "day", text, source, latest, earliest)


def _iso_moment(match: re.Match[str] | None, raw: str, source: str, latest: datetime, earliest: date) -> Moment | None:
    if match is None:
        return None
    day, clock, seconds, zone = match.groups()
    try:
        if clock is None:
            return moment(date.fromisoformat(day), "day", raw, source, latest, earliest)
        known = datetime.fromisoformat(f"{day}T{clock}{(seconds or '')[:3]}")
    except ValueError:
        return None
    offset = _zone(zone) or (UTC if raw[-3:].upper() in ("GMT", "UTC") else None)
    return moment(known.replace(tzinfo=offset), "second" if seconds else "minute", raw, source, latest, earliest)


def moment(
    when: date | datetime, precision: Precision, raw: str, source: str, latest: datetime, earliest: date = EARLIEST
) -> Moment | None:
    """Build a moment from a plausible date, cut to its precision.

    A time of exactly midnight is what programs print when they know the day alone, so it is read as the day.
    """
    latest = latest if latest.tzinfo else latest.replace(tzinfo=UTC)
    last_day = latest.astimezone(timezone(timedelta(hours=14))).date()
    day = when.date() if isinstance(when, datetime) else when
    if not earliest <= day <= last_day:
        return None
    if isinstance(when, datetime) and when.tzinfo and when > latest:
        return None
    if precision == "day" or not isinstance(when, datetime) or not any((when.hour, when.minute, when.second)):
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
    for match in _URL_DATE.finditer(path[:4000]):
        try:
            month = int(match[3]) if match[3].isdigit() else _MONTH_NUMBER[match[3].lower()]
            day = date(int(match[1]), month, int(match[4]))
        except (ValueError, KeyError):
            continue
        if found := moment(day, "day", match[0], "url", latest, OLDEST):
            return found
    return None


_SAME_INSTANT = timedelta(minutes=1)


def as_read(stated: Moment, shown: Sequence[Moment], others: Sequence[Moment] = ()) -> Moment:
    """Give a moment the day that readers of the page see, where its offset made another one of it.

    A story of Friday evening in New York is stated as Saturday, 01:48 in UTC. When the page shows a clock, the offset
    follows from it; when it shows a day alone, the day is kept and the time is left to ``raw``. What is shown, most
    reliable first, may belong to one of the ``others`` (an update); then nothing is changed.
    """
    instant = stated.instant
    near = [seen for seen in shown if abs((seen.day - stated.day).days) <= 1]
    if instant is None or not near or near[0].day == stated.day:
        return stated
    day = near[0].day
    clocks = [seen for seen in near if seen.day == day and seen.precision != "day"]
    for seen in clocks:
        if (offset := _offset_between(instant, seen)) is not None:
            local = instant.astimezone(timezone(offset))
            cut = "minutes" if stated.precision == "minute" else "seconds"
            return Moment(local.isoformat(timespec=cut), stated.precision, stated.raw, stated.source)
    is_of_another = any(other.day == day and other.instant != instant for other in others)
    if clocks or is_of_another or not _may_be(instant, day):
        return stated
    return Moment(day.isoformat(), "day", stated.raw, stated.source)


def _may_be(instant: datetime, day: date) -> bool:
    """Tell whether it is this day at an instant anywhere where many people live: from UTC-10 to UTC+13."""
    east, west = (instant.astimezone(timezone(timedelta(hours=hours))).date() for hours in (13, -10))
    return west <= day <= east


def _offset_between(instant: datetime, seen: Moment) -> timedelta | None:
    """Return the offset at which the clock shown tells the instant; ``None`` if there is no such zone."""
    known = datetime.fromisoformat(seen.value)
    if known.tzinfo:
        return known.utcoffset() if abs(known - instant) <= _SAME_INSTANT else None
    apart = known - instant.astimezone(UTC).replace(tzinfo=None)
    halves = round(apart / timedelta(minutes=30))
    offset = timedelta(minutes=30 * halves)
    return offset if abs(halves) <= 28 and abs(apart - offset) <= _SAME_INSTANT else None
