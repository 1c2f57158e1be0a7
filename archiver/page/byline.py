"""The byline: the short lines next to the headline that say who wrote the page and when."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice
from typing import Any

from archiver.article import Precision
from archiver.page.dates import Moment, find_clock, find_date, moment
from archiver.page.lines import Line, lines_above, lines_below, lines_of
from archiver.page.markup import Node, normal, squeeze
from archiver.page.names import (
    BY,
    BY_SIGNS,
    BY_WORDS,
    PARTICLES,
    ROLE,
    is_organisation,
    like_a_name,
    like_a_person,
    split_names,
)


@dataclass(frozen=True, slots=True)
class Byline:
    """What stands in the lines around the headline, and the text slots that hold them."""

    authors: tuple[str, ...] = ()
    published: Moment | None = None
    modified: Moment | None = None
    perhaps: tuple[str, ...] = ()
    """A name that stands with a date, but without a word that says what it is."""
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
_HINT = re.compile(rf"\d{{4}}|\b(?:{BY_WORDS})|{BY_SIGNS}|{_LABELS.pattern}", re.IGNORECASE)
"""What a byline has at least one of; most lines have none."""
# fmt: off
_SMALL_WORDS = PARTICLES | frozenset({
    "at", "on", "in", "min", "mins", "minute", "minutes", "read", "ago", "hours", "hour", "updated", "am", "pm",
    "o'clock", "uhr", "est", "from", "um", "à", "a", "las", "às", "alle", "ore", "kl", "klo", "o", "godz", "h", "hrs",
    "hs", "om", "em", "en", "as", "в", "о", "saat", "stand"
})
# fmt: on
_END = re.compile(
    r"\W*(?:\d+ )?(?:comments?|responses?|replies|kommentare|commentaires|comentarios|commenti|reacties)\b"
    r"|(?:leave a|post a) (?:reply|comment)|related (?:posts|articles|stories)",
    re.IGNORECASE,
)
"""Where readers' comments or other articles begin."""
_ABOVE = 3
_WINDOW = 14
_PROSE = 20
"""Words from which a line is taken for a paragraph."""


def read_byline(
    tree: Node, headline: Node | None, headlines: frozenset[str], latest: datetime, day_first: bool | None = None
) -> Byline:
    """Read the short lines next to the headline that say who wrote the page and when.

    A line belongs to the block when nothing but names, dates, times, separators and words like "By" or "Updated" stand
    in it. Dates above the headline are taken only with such a word: bare ones there are today's date.
    """
    reader = _BylineReader(latest, day_first)
    paragraphs = 0
    for line, is_above in _lines_near(tree, headline, headlines):
        if is_above and not _is_in_same_box(line, headline):
            continue
        if reader.take(line, labelled_only=is_above) or (not is_above and _take_start(reader, line)):
            continue
        if _END.match(line.text):
            break
        paragraphs += not is_above and len(line.text.split()) >= _PROSE
        if paragraphs == 2:
            break
    return reader.result()


def _take_start(reader: _BylineReader, line: Line) -> bool:
    """Read a byline that runs on into the text without a break, as rows of spans do."""
    if len(line.pieces) < 3 or not find_date(line.text, reader.day_first):
        return False
    for length in range(min(len(line.pieces) - 1, 12), 1, -1):
        start = Line(line.pieces[:length], line.slots[:length])
        kinds = {kind for kind, _, _ in byline_tokens(start.text, reader.day_first) or ()}
        if {"by", "date"} <= kinds:
            return reader.take(start, labelled_only=True)
    return False


def _lines_near(tree: Node, headline: Node | None, headlines: frozenset[str]) -> Iterator[tuple[Line, bool]]:
    """Yield some lines around the headline, and whether they stand above it."""
    if headline is not None:
        above = islice(lines_above(headline), _ABOVE)
        yield from ((line, True) for line in list(above)[::-1])
        below = (line for line in lines_below(headline) if not _is_within(line, headline))
        yield from ((line, False) for line in islice(below, _WINDOW))
        return
    before: deque[Line] = deque(maxlen=_ABOVE)
    lines = lines_of(tree)
    for line in lines:
        if normal(line.text) in headlines:
            yield from ((each, True) for each in before)
            yield from ((each, False) for each in islice(lines, _WINDOW))
            return
        before.append(line)


def _is_in_same_box(line: Line, headline: Node | None) -> bool:
    """Tell whether a line above the headline belongs to it, and not to a list of other articles."""
    if headline is None:
        return True
    boxes = [box for box in islice(headline.iterancestors(), 5) if box.tag not in ("body", "html")]
    owner = next((owner for owner in line.owners() if owner is not None), None)
    around = [] if owner is None else list(owner.iterancestors())
    return any(box in boxes for box in around) and not any(each.tag in ("li", "nav", "aside") for each in around)


def _is_within(line: Line, headline: Node) -> bool:
    return any(owner is headline or headline in owner.iterancestors() for owner in line.owners() if owner is not None)


@lru_cache(maxsize=256)
def byline_tokens(text: str, day_first: bool | None = None) -> tuple[tuple[str, Any, str], ...] | None:
    """Cut a line into (kind, value, raw) of by, updated, published, date, clock, text; ``None`` if it is no byline.

    >>> [kind for kind, _, _ in byline_tokens("Example News | 07 Feb, 2019 Updated : 18:21")]
    ['text', 'date', 'updated', 'clock']
    >>> byline_tokens("By the end of 7 February 2019 most of the soldiers had gone home.")
    """
    if not text or len(text) > 160 or not _HINT.search(text):
        return None
    tokens = tuple(_tokens(text, day_first))
    kinds = {kind for kind, _, _ in tokens}
    texts = [value for kind, value, _ in tokens if kind == "text"]
    if not kinds & {"by", "date", "updated", "published"} or sum(len(each.split()) for each in texts) > 14:
        return None
    if kinds <= {"updated", "text"} or kinds <= {"published", "text"}:
        return tokens if not texts and text.rstrip().endswith(":") else None
    named = {place for place, kind in enumerate(kind for kind, _, _ in tokens[:-1]) if kind == "by" and "date" in kinds}
    texts = [
        value
        for place, (kind, value, _) in enumerate(tokens)
        if kind == "text" and not (place - 1 in named and len(value.split()) <= 2)
    ]
    return tokens if all(_byline_words(each) for each in texts) else None


def _byline_words(text: str) -> bool:
    name, *roles = re.split(r",\s+", text)
    words = name.split() if roles and all(map(ROLE.search, roles)) else text.split()
    if len(words) > 3 and text.endswith((".", "!", "?")):
        return False
    return len(words) <= 9 and all(not w[0].islower() or w.lower().strip(".,") in _SMALL_WORDS for w in words)


def _tokens(text: str, day_first: bool | None) -> Iterator[tuple[str, Any, str]]:
    rest = text
    if match := BY.match(rest):
        yield "by", None, match[0]
        rest = rest[match.end() :]
    while rest:
        found = find_date(rest, day_first)
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


def _spaced(line: Line) -> str:
    """Return a line's text, its pieces set apart where each is more than a word: names, papers and jobs in spans."""
    pieces = [squeeze(piece) for piece in line.pieces[:12]]
    pieces = [piece for piece in pieces if piece]
    if len(pieces) < 2 or len(line.pieces) > 12 or not all(" " in piece or BY.fullmatch(piece) for piece in pieces):
        return line.text
    return " | ".join(pieces)


def _is_caption(line: Line) -> bool:
    owner = line.owners()[0] if line.slots else None
    return owner is not None and any(each.tag == "figcaption" for each in (owner, *islice(owner.iterancestors(), 3)))


_SOURCE = re.compile(r"(?:source|quelle|fuente|fonte|bron)\s*:", re.IGNORECASE)


def _is_author(text: str, line: Line) -> bool:
    """Tell whether a line is a name that its markup or its link calls an author, with a paper or a job beside it."""
    name, *rest = text.split(" | ")
    return (
        len(text) < 100
        and like_a_person(name)
        and all(is_organisation(each) or ROLE.search(each) for each in rest)
        and (line.is_marked() or _is_author_link(line))
    )


_AUTHOR_LINK = re.compile(
    r"(?:^|/|[?&])(?:authors?|by|people|person|profiles?|staff|contributors?|journalists?|users?|columnists?|team|writers?|"
    r"autor(?:en|es)?|auteurs?|autore|redakteure?|reporters?|bio)[/=]",
    re.IGNORECASE,
)


def _is_author_link(line: Line) -> bool:
    owners = [
        each for owner in line.owners()[:3] if owner is not None for each in (owner, *islice(owner.iterancestors(), 2))
    ]
    return any(
        each.tag == "a" and (_AUTHOR_LINK.search((each.get("href") or "")[:500]) or each.get("rel") == "author")
        for each in owners
    )


def _names_beside_date(tokens: Sequence[tuple[str, Any, str]], line: Line) -> list[str]:
    """Return the name in a line such as "Ann Lee - 7 February 2019", unless it links to something else."""
    kinds = [kind for kind, _, _ in tokens]
    if "date" not in kinds or "by" in kinds or kinds.count("text") > 4:
        return []
    place = kinds.index("date")
    beside = [value for kind, value, _ in tokens[max(0, place - 1) : place + 2] if kind == "text"][:1]
    is_linked = any(owner is not None and owner.tag == "a" for owner in line.owners()[:3])
    if not beside or not like_a_person(beside[0]) or (is_linked and not _is_author_link(line)):
        return []
    return beside


class _BylineReader:
    """Reads the block line by line; a "By" or "Updated" at a line's end waits for the next line."""

    def __init__(self, latest: datetime, day_first: bool | None) -> None:
        self.latest = latest
        self.day_first = day_first
        self.names: list[str] = []
        self.perhaps: list[str] = []
        self.days: dict[str, tuple[date, str]] = {}
        self.clocks: dict[str, tuple[tuple[time, Precision], str]] = {}
        self.slots: list[tuple[Node, bool]] = []
        self.waiting = ""
        self.last_day = ""

    def take(self, line: Line, *, labelled_only: bool) -> bool:
        """Read a line if it belongs to the byline block; return whether it did."""
        if _is_caption(line):
            return False
        text = _spaced(line)
        tokens = byline_tokens(text, self.day_first)
        if tokens is None and not labelled_only and not self.names and _is_author(text, line):
            tokens = (("by", None, ""), ("text", text, text))
        elif tokens is None and not labelled_only and _SOURCE.fullmatch(text):
            tokens = (("source", None, ""),)
        elif tokens is None and self.waiting in ("by", "source") and len(line.text) < 80 and like_a_name(line.text):
            tokens = (("text", line.text, line.text),)
        elif tokens is None and self.waiting in ("updated", "published") and (clock := find_clock(line.text)):
            tokens = (("clock", clock[:2], line.text),) if len(line.text) < 20 else None
        kinds = {kind for kind, _, _ in tokens or ()}
        if tokens is None or (labelled_only and not kinds & {"by", "updated", "published"} and not self.waiting):
            self.waiting = ""
            return False
        if names := _names_beside_date(tokens, line):
            if _is_author_link(line) and not self.names:
                self.names.extend(names)
            self.perhaps = self.perhaps or names
        for kind, value, raw in tokens:
            self._take_token(kind, value, raw, line)
        self.slots.extend(line.slots)
        return True

    def _take_token(self, kind: str, value: Any, raw: str, line: Line) -> None:
        if kind in ("by", "updated", "published", "source"):
            self.waiting = kind
        elif kind == "text" and self.waiting == "source":
            self.perhaps = self.perhaps or split_names(value)
            self.waiting = ""
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
        names = tuple(dict.fromkeys(self.names))
        return Byline(names, published, modified, tuple(self.perhaps), tuple(self.slots))

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
