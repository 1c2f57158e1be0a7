"""The byline: the short lines next to the headline that say who wrote the page and when."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from archiver.article import Precision
from archiver.page.dates import Moment, find_clock, find_date, moment
from archiver.page.lines import Line, lines_of
from archiver.page.markup import Node, normal
from archiver.page.names import BY, PARTICLES, ROLE, like_a_name, split_names


@dataclass(frozen=True, slots=True)
class Byline:
    """What stands in the lines around the headline, and the text slots that hold them."""

    authors: tuple[str, ...] = ()
    published: Moment | None = None
    modified: Moment | None = None
    slots: tuple[tuple[Node, bool], ...] = ()
    """(element, is its tail); see ``erase``."""

    def erase(self) -> None:
        """Take the lines out of the tree, so that they are not read as text of the article.

        Elements left empty go with them: text that follows an empty heading would be taken for its own.
        """
        for element, is_tail in self.slots:
            if is_tail:
                element.tail = " "
            else:
                element.text = None
        for element, is_tail in self.slots:
            if not is_tail and not len(element) and element.getparent() is not None:
                element.drop_tree()


_LABELS = re.compile(
    r"\b(?P<updated>(?:last\s+|zuletzt\s+)?"
    r"(?:updated|modified|edited|aktualisiert|geändert|mis à jour|actualizado|aggiornato|atualizado)"
    r"(?:\s+(?:on|at|am|le|el|em|il))?\s*:?)"
    r"|\b(?P<published>(?:first\s+)?(?:published|posted|created|veröffentlicht|publié|publicado|pubblicato|date)"
    r"(?:\s+(?:on|at|am|le|el|em|il))?\s*:?)(?!\s+by\b)",
    re.IGNORECASE,
)
# fmt: off
_SMALL_WORDS = PARTICLES | frozenset({
    "at", "on", "in", "min", "mins", "minute", "minutes", "read", "ago", "hours", "hour", "updated", "am", "pm",
    "o'clock", "uhr", "est", "from"
})
# fmt: on
_WINDOW = 14
_PROSE = 20
"""Words from which a line is taken for a paragraph."""


def read_byline(tree: Node, headline: Node, headlines: frozenset[str], latest: datetime) -> Byline:
    """Read the short lines next to the headline that say who wrote the page and when.

    A line belongs to the block when nothing but names, dates, times, separators and words like "By" or "Updated" stand
    in it. Dates above the headline are taken only with such a word: bare ones there are today's date.
    """
    reader = _BylineReader(latest)
    paragraphs = 0
    for line, is_above in _lines_near(tree, headline, headlines):
        if reader.take(line, labelled_only=is_above) or (not is_above and _take_start(reader, line)):
            continue
        paragraphs += not is_above and len(line.text.split()) >= _PROSE
        if paragraphs == 2:
            break
    return reader.result()


def _take_start(reader: _BylineReader, line: Line) -> bool:
    """Read a byline that runs on into the text without a break, as rows of spans do."""
    for length in range(min(len(line.pieces) - 1, 12), 1, -1):
        start = Line(line.pieces[:length], line.slots[:length])
        kinds = {kind for kind, _, _ in byline_tokens(start.text) or ()}
        if {"by", "date"} <= kinds:
            return reader.take(start, labelled_only=True)
    return False


def _lines_near(tree: Node, headline: Node, headlines: frozenset[str]) -> Iterator[tuple[Line, bool]]:
    above: deque[Line] = deque(maxlen=3)
    below = -1
    for line in lines_of(tree):
        if below < 0 and _is_headline(line, headline, headlines):
            yield from ((each, True) for each in above)
            below = 0
        elif below < 0:
            above.append(line)
        elif below < _WINDOW:
            below += 1
            yield line, False
        else:
            return


def _is_headline(line: Line, headline: Node, headlines: frozenset[str]) -> bool:
    if headline is None:
        return normal(line.text) in headlines
    return any(owner is headline or headline in owner.iterancestors() for owner in line.owners() if owner is not None)


@lru_cache(maxsize=256)
def byline_tokens(text: str) -> tuple[tuple[str, Any, str], ...] | None:
    """Cut a line into (kind, value, raw) of by, updated, published, date, clock, text; ``None`` if it is no byline.

    >>> [kind for kind, _, _ in byline_tokens("Example News | 07 Feb, 2019 Updated : 18:21")]
    ['text', 'date', 'updated', 'clock']
    >>> byline_tokens("By the end of 7 February 2019 most of the soldiers had gone home.")
    """
    if not text or len(text) > 160:
        return None
    tokens = tuple(_tokens(text))
    kinds = {kind for kind, _, _ in tokens}
    texts = [value for kind, value, _ in tokens if kind == "text"]
    if not kinds & {"by", "date", "updated", "published"} or sum(len(each.split()) for each in texts) > 14:
        return None
    if kinds <= {"updated", "text"} or kinds <= {"published", "text"}:
        return tokens if not texts and text.rstrip().endswith(":") else None
    return tokens if all(_byline_words(each) for each in texts) else None


def _byline_words(text: str) -> bool:
    name, *roles = re.split(r",\s+", text)
    words = name.split() if roles and all(map(ROLE.search, roles)) else text.split()
    if len(words) > 3 and text.endswith((".", "!", "?")):
        return False
    return len(words) <= 9 and all(not w[0].islower() or w.lower().strip(".,") in _SMALL_WORDS for w in words)


def _tokens(text: str) -> Iterator[tuple[str, Any, str]]:
    rest = text
    if match := BY.match(rest):
        yield "by", None, match[0]
        rest = rest[match.end() :]
    while rest:
        found = find_date(rest)
        clock = find_clock(rest)
        label = _LABELS.search(rest)
        marks: list[tuple[int, int, str, Any]] = []
        if found:
            marks.append((found.start, found.end, "date", found.day))
        if clock:
            marks.append((clock[2], clock[3], "clock", clock[:2]))
        if label:
            marks.append((label.start(), label.end(), "updated" if label["updated"] else "published", None))
        start, end, kind, value = min(marks, default=(len(rest), len(rest), "", None), key=lambda mark: mark[:1])
        yield from _plain_tokens(rest[:start])
        if kind:
            yield kind, value, rest[start:end].strip()
        rest = rest[end:]


def _plain_tokens(text: str) -> Iterator[tuple[str, Any, str]]:
    for part in re.split(r"\s*[|•·●/–—]\s*|\s-\s", text):
        part = re.sub(r"^\W+|[\s,:;|(-]+$", "", re.sub(_WEEKDAY, "", part))
        if match := BY.match(part):
            yield "by", None, match[0]
            part = part[match.end() :]
        if part:
            yield "text", part, part


_WEEKDAY = re.compile(
    r"\b(?:(?:mon|tues?|wednes|thurs?|fri|satur|sun)(?:day)?|wed|sat|montag|dienstag|mittwoch|donnerstag|freitag|samstag|"
    r"sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b\.?,?",
    re.I,
)


class _BylineReader:
    """Reads the block line by line; a "By" or "Updated" at a line's end waits for the next line."""

    def __init__(self, latest: datetime) -> None:
        self.latest = latest
        self.names: list[str] = []
        self.days: dict[str, tuple[date, str]] = {}
        self.clocks: dict[str, tuple[tuple[time, Precision], str]] = {}
        self.slots: list[tuple[Node, bool]] = []
        self.waiting = ""
        self.last_day = ""

    def take(self, line: Line, *, labelled_only: bool) -> bool:
        """Read a line if it belongs to the byline block; return whether it did."""
        tokens = byline_tokens(line.text)
        if tokens is None and self.waiting == "by" and len(line.text) < 80 and like_a_name(line.text):
            tokens = (("text", line.text, line.text),)
        elif tokens is None and self.waiting in ("updated", "published") and (clock := find_clock(line.text)):
            tokens = (("clock", clock[:2], line.text),) if len(line.text) < 20 else None
        kinds = {kind for kind, _, _ in tokens or ()}
        if tokens is None or (labelled_only and not kinds & {"by", "updated", "published"} and not self.waiting):
            self.waiting = ""
            return False
        for kind, value, raw in tokens:
            self._take_token(kind, value, raw, line)
        self.slots.extend(line.slots)
        return True

    def _take_token(self, kind: str, value: Any, raw: str, line: Line) -> None:
        if kind in ("by", "updated", "published"):
            self.waiting = kind
        elif kind == "text":
            if self.waiting == "by" or (not self.names and len(value.split()) > 1 and line.is_marked()):
                self.names.extend(split_names(value))
                self.waiting = ""
        elif kind == "date":
            self.last_day = "updated" if self.waiting == "updated" else "published"
            self.days.setdefault(self.last_day, (value, raw))
            self.waiting = ""
        elif kind == "clock":
            self.clocks.setdefault("updated" if self.waiting == "updated" else self.last_day, (value, raw))
            self.waiting = ""

    def result(self) -> Byline:
        published = self._moment("published", self.days.get("published"))
        modified = self._moment("updated", self.days.get("updated") or self._same_day())
        return Byline(tuple(dict.fromkeys(self.names)), published, modified, tuple(self.slots))

    def _same_day(self) -> tuple[date, str] | None:
        """An update told by its time alone happened on the day of publication."""
        day = self.days.get("published")
        return (day[0], "") if day and "updated" in self.clocks else None

    def _moment(self, which: str, day: tuple[date, str] | None) -> Moment | None:
        if day is None:
            return None
        if which not in self.clocks:
            return moment(day[0], "day", day[1], "byline", self.latest)
        (clock, precision), raw = self.clocks[which]
        return moment(datetime.combine(day[0], clock), precision, f"{day[1]} {raw}".strip(), "byline", self.latest)
