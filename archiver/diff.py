"""What differs between two readings of an article."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from archiver.article import Article, Change

COMPARED = ("title", "subtitle", "text", "authors", "published_at", "section")
"""Fields whose change is worth telling; ``modified_at`` changes with every save of many sites' editors."""

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_WORDS = 20_000


def measure_change(older: Article, newer: Article) -> Change:
    """Return which fields changed and how many characters of the text came and went, counted by whole words."""
    fields = tuple(field for field in COMPARED if getattr(older, field) != getattr(newer, field))
    added, removed = count_characters(older.text or "", newer.text or "")
    return Change(kind="edited", fields=fields, chars_added=added, chars_removed=removed)


def count_characters(older: str, newer: str) -> tuple[int, int]:
    """Return how many characters were added and removed, by words; very long texts are compared by lines.

    >>> count_characters("The mayor said no.", "The mayor said yes.")
    (3, 2)
    """
    split = _WORD.findall if len(older) + len(newer) < _MAX_WORDS * 6 else str.splitlines
    before, after = split(older), split(newer)
    added = removed = 0
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            removed += sum(map(len, before[i1:i2]))
            added += sum(map(len, after[j1:j2]))
    return added, removed
