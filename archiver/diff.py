"""What differs between two readings of an article."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from archiver.article import Article, Change
from archiver.repeats import leave_out, lines_left_out

COMPARED = ("title", "subtitle", "text", "authors", "published_at", "section")
"""Fields whose change is worth telling; ``modified_at`` changes with every save of many sites' editors."""

_SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]+\s*|[^.!?\n]+")
_WORD = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")  # space belongs to its word: alone it would match everywhere
_MOST_PAIRS = 200_000
"""Pairs of equal pieces up to which two texts are aligned; beyond, only how often each piece occurs is compared."""


def comparable(older: Article, newer: Article) -> tuple[Article, Article]:
    """Return both readings without the lines that were left out of either as repeated on the site.

    The same page read before and after a site's lines were known differs in nothing else.
    """
    return leave_out(older, lines_left_out(newer)), leave_out(newer, lines_left_out(older))


def measure_change(older: Article, newer: Article) -> Change:
    """Return which fields changed and how many characters of the text came and went, counted by whole words."""
    fields = tuple(field for field in COMPARED if getattr(older, field) != getattr(newer, field))
    added, removed = count_characters(older.text or "", newer.text or "")
    return Change(kind="edited", fields=fields, chars_added=added, chars_removed=removed)


def count_characters(older: str, newer: str) -> tuple[int, int]:
    """Return how many characters were added and removed, by words, in the sentences that differ.

    >>> count_characters("The mayor said no.", "The mayor said yes.")
    (3, 2)
    """
    added = removed = 0
    for gone, come in _differences(_SENTENCE.findall(older), _SENTENCE.findall(newer)):
        for less, more in _differences(_WORD.findall("".join(gone)), _WORD.findall("".join(come))):
            removed += sum(map(len, less))
            added += sum(map(len, more))
    return added, removed


def _differences(before: list[str], after: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield what came in place of what.

    Aligning takes time for every pair of equal pieces. Where these are too many, as in a text made of few words,
    pieces that only moved count as the same.
    """
    had, has = Counter(before), Counter(after)
    if sum(count * has[piece] for piece, count in had.items()) > _MOST_PAIRS:
        yield list((had - has).elements()), list((has - had).elements())
        return
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            yield before[i1:i2], after[j1:j2]
