"""Feeds made harmless and whole before feedparser sees them: bounded in every dimension, closed where they broke off.

feedparser takes a time that grows with the square of a long author, of many categories or of a doctype without end,
falls back to a lossier parser at the first stray ``&``, and cleans bodies that discovery has no use for. So the text is
walked once: bodies, comments, doctypes and entities go, long texts are cut, tags are closed as they were opened. What
comes out is a fraction of the feed and well-formed but for its attributes.
"""

from __future__ import annotations

import re
from html.entities import html5

MOST_ENTRIES = 2000
"""Entries read of one feed."""
MOST_TAGS = 200_000
MOST_TAGS_OF_AN_ENTRY = 300
DEEPEST = 60
LONGEST_TEXT = 2000
LONGEST_TAG = 4096
_LONGEST_TEXTS = dict.fromkeys(("author", "creator", "name", "managingeditor", "webmaster", "publisher", "email"), 150)
"""Characters kept of elements that feedparser looks for an address in, at the price of their length squared."""
_MOST_VAIN = 2_000_000
"""Characters searched in vain for the ends of bodies, all in all."""

_TOKEN = re.compile(r"<!\[CDATA\[|<!--|<[?!]|<+(?=<)|<(?P<close>/?)(?P<name>[A-Za-z_][\w:.-]{0,80})|<|[^<]+")
_BODY = re.compile(
    r"(?:content|encoded|description|summary|fulltext|full-text|abstract|body|text|tagline|copyright|rights|generator)|media:\w+"
    r"|itunes:summary|[\w-]+:(?:encoded|description|content|full-?text)",
    re.IGNORECASE,
)
_ENTRY = ("item", "entry")
_ENTITY = re.compile(r"&(?:#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6});|([A-Za-z]\w{1,30});)?")
_KNOWN = frozenset({"amp", "lt", "gt", "quot", "apos"})
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BROKEN_REFERENCE = re.compile(r"&[^;\s]{0,10}\Z")


class Tamer:
    """Walks the text of one feed; ``notes`` says what was wrong with it."""

    def __init__(self, text: str) -> None:
        self._text = _NOT_XML.sub("", text)
        self._out: list[str] = []
        self._open: list[str] = []
        self._room: list[int] = []
        self._tags = 0
        self._tags_of_entry = 0
        self._vain = 0
        self._entries = 0
        self.notes: dict[str, None] = {}

    def tame(self) -> str:
        position = 0
        while position < len(self._text) and (match := _TOKEN.match(self._text, position)):
            position = self._take(match)
            if self._entries > MOST_ENTRIES or self._tags > MOST_TAGS:
                self.notes[f"only the first {min(self._entries, MOST_ENTRIES)} entries were read"] = None
                break
        if self._open:
            self._note("it ends before it is complete" if position >= len(self._text) else None)
            self._close(0)
        return "".join(self._out)

    def _note(self, note: str | None) -> None:
        if note:
            self.notes[f"malformed: {note}"] = None

    def _take(self, match: re.Match[str]) -> int:
        """Deal with one token and return where the next begins."""
        token, start = match[0], match.start()
        if token == "<![CDATA[":
            end = self._find("]]>", match.end())
            if self._open:
                inside = self._fitting(self._text[match.end() : min(end, match.end() + LONGEST_TEXT)])
                self._out.append(inside.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
            return end + 3
        if token == "<!--":
            return self._find("-->", match.end()) + 3
        if token == "<?":
            return self._find("?>", match.end()) + 2
        if token == "<!":
            return self._after_doctype(start)
        if match["name"]:
            return self._take_tag(match)
        if token[0] == "<":
            self._note("a stray <")
        if self._open:
            self._out.append("&lt;" if token[0] == "<" and self._fitting("<") else self._clean(self._fitting(token)))
        return match.end()

    def _find(self, what: str, start: int) -> int:
        """Return where something is next; the end of the text when it never comes, and then nothing follows."""
        found = self._text.find(what, start)
        return found if found >= 0 else len(self._text)

    def _after_doctype(self, start: int) -> int:
        end, subset = self._find(">", start), self._text.find("[", start, start + 1000)
        if 0 <= subset < end:
            end = self._find(">", self._find("]", subset))
        return end + 1

    def _fitting(self, text: str) -> str:
        """Cut a text to what its element has room for."""
        room = self._room[-1]
        self._room[-1] = max(room - len(text), 0)
        return text if len(text) <= room else _BROKEN_REFERENCE.sub("", text[:room])

    def _clean(self, text: str) -> str:
        return _ENTITY.sub(self._entity, text) if "&" in text else text

    def _entity(self, match: re.Match[str]) -> str:
        if match[0] == "&":
            self._note("a stray &")
            return "&amp;"
        if not (name := match[1]):
            return match[0] if _is_xml(match[0]) else ""
        if name in _KNOWN:
            return match[0]
        return html5.get(f"{name};", f"&amp;{name};").replace("<", "&lt;")

    def _take_tag(self, match: re.Match[str]) -> int:
        end = self._text.find(">", match.end(), match.start() + LONGEST_TAG)
        if end < 0:
            self._note("a tag without end")
            return match.end()
        name = match["name"]
        local = name.rpartition(":")[2].lower()
        self._tags += 1
        self._tags_of_entry += 1
        if match["close"]:
            self._end(name)
            return end + 1
        if local in _ENTRY:
            self._begin_entry()
        is_empty = self._text[end - 1] == "/"
        if _BODY.fullmatch(name) and self._open:
            return end + 1 if is_empty else self._after_body(name, end + 1)
        if len(self._open) >= DEEPEST or self._tags_of_entry > MOST_TAGS_OF_AN_ENTRY:
            self._note("too many elements in one another or in an entry")
            return end + 1
        attributes = self._clean(self._text[match.end() : end - is_empty].replace("<", "&lt;"))
        if local == "guid" and "ispermalink" not in attributes.lower() and not self._is_url(end + 1):
            attributes += ' isPermaLink="false"'
        self._out.append(f"<{name}{attributes}{'/' if is_empty else ''}>")
        if not is_empty:
            self._open.append(name)
            self._room.append(_LONGEST_TEXTS.get(local, LONGEST_TEXT))
        return end + 1

    def _is_url(self, start: int) -> bool:
        return (
            re.match(r"\s{0,99}(?:<!\[CDATA\[)?\s{0,99}https?://", self._text[start : start + 220], re.IGNORECASE)
            is not None
        )

    def _begin_entry(self) -> None:
        """Close an entry that was left open: entries do not nest."""
        self._entries += 1
        self._tags_of_entry = 0
        for level, name in enumerate(self._open):
            if name.rpartition(":")[2].lower() in _ENTRY:
                self._note("an entry left open")
                self._close(level)
                return

    def _end(self, name: str) -> None:
        if name not in self._open:
            self._note(f"</{name}> closes nothing") if not _BODY.fullmatch(name) else None
            return
        level = len(self._open) - 1 - self._open[::-1].index(name)
        if level < len(self._open) - 1:
            self._note("elements left open")
        self._close(level)

    def _close(self, level: int) -> None:
        while len(self._open) > level:
            self._out.append(f"</{self._open.pop()}>")
            self._room.pop()

    def _after_body(self, name: str, start: int) -> int:
        """Return where a body ends; where it began, if it does not end before the next entry."""
        position = start
        while position - start + self._vain < _MOST_VAIN and (match := _MARK.search(self._text, position)):
            if match[0].startswith("<!"):
                closing = "]]>" if match[0] == "<![CDATA[" else "-->"
                position = self._find(closing, match.end()) + 3
            elif match[0] == f"</{name}":
                return self._find(">", match.end()) + 1
            elif match[0].lstrip("</").rpartition(":")[2].lower() in _ENTRY:
                break
            else:
                position = match.end()
        self._vain += position - start
        self._note(f"<{name}> is not closed")
        return start


_MARK = re.compile(r"<!\[CDATA\[|<!--|</?[A-Za-z_][\w:.-]{0,80}")


def _is_xml(reference: str) -> bool:
    """Whether a numeric character reference stands for a character that XML allows."""
    digits = reference[2:-1]
    number = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return number in (9, 10, 13) or 0x20 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or 0x10000 <= number < 0x110000
