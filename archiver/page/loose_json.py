"""JSON as pages write it: with comments, trailing commas, line breaks in texts, quotes nobody escaped, cut short.

What is valid is read by the standard library. The rest is read token by token, and what makes no sense is skipped, so
that one comma too many does not cost an article its date.
"""

from __future__ import annotations

import html
import json
import re
from itertools import islice
from typing import Any

_TOKEN = re.compile(
    r"(?P<skip>/\*.*?(?:\*/|\Z)|//[^\n]*|<!--|-->|<!\[CDATA\[|\]\]>)"
    r"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)"
    r'|"(?P<text>(?:[^"\\]++|\\.|"(?!\s*(?:[,:}\]]|\Z|//|/\*|"[\w@:-]{1,40}"\s*:)))*+)"?'
    r'|(?P<word>[^\s{}\[\],:"/<]+)',
    re.DOTALL,
)
"""A quote within a text that nobody escaped is not followed by what may follow a text."""
_MOST_TOKENS = 200_000
_MOST_LEVELS = 64


def read_json(text: str) -> Any:
    """Read JSON, broken or not; of several values in a row a list, ``None`` if there is nothing.

    >>> read_json('/* by hand */ {"title": "The "old" bridge", "tags": ["rain",],} // end')
    {'title': 'The "old" bridge', 'tags': ['rain']}
    """
    text = text.strip()
    if not text:
        return None
    if '"' not in text[:2000] and "&quot;" in text[:2000]:
        text = html.unescape(text)
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        values = _values(text)
        return values[0] if len(values) == 1 else values or None


def _values(text: str) -> list[Any]:
    roots: list[Any] = []
    levels: list[tuple[Any, list[str]]] = []  # each with the key that waits for its value
    for match in islice(_TOKEN.finditer(text), _MOST_TOKENS):
        kind = match.lastgroup
        if kind == "close":
            if levels:
                levels.pop()
        elif kind == "comma":
            if levels:
                levels[-1][1].clear()
        elif kind == "open":
            value: Any = {} if match["open"] == "{" else []
            if len(levels) < _MOST_LEVELS:
                _put(value, roots, levels)
            levels.append((value, []))
        elif kind == "text":
            _put(_unescaped(match["text"]), roots, levels)
        elif kind == "word" and levels:
            _put(_plain(match["word"]), roots, levels)
    return [root for root in roots if isinstance(root, (dict, list))]


def _put(value: Any, roots: list[Any], levels: list[tuple[Any, list[str]]]) -> None:
    if not levels:
        roots.append(value)
        return
    holder, key = levels[-1]
    if isinstance(holder, list):
        holder.append(value)
    elif key:
        holder[key.pop()] = value
    elif isinstance(value, str):
        key.append(value)


_CONSTANTS = {"true": True, "false": False, "null": None}


def _plain(word: str) -> Any:
    if word.lower() in _CONSTANTS:
        return _CONSTANTS[word.lower()]
    if re.fullmatch(r"-?\d{1,15}", word):
        return int(word)
    return float(word) if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", word) else None


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": " "}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
