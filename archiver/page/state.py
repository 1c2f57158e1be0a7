"""The article in the state that a page embeds for its own scripts, for pages whose elements are a stub.

Frameworks write what they render into a script, as JSON: ``__NEXT_DATA__``, ``window.__INITIAL_STATE__``,
``Fusion.globalContent`` and many more. Their names and shapes differ, but an article in them is either one long string
or a list whose items hold a paragraph each. The longest such run that speaks of the page's subject is taken.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from archiver.page.lines import lines_of
from archiver.page.markup import Node, normal, squeeze
from archiver.page.parse import parse

_MOST_CHARACTERS = 4_000_000
"""Of all scripts together; reading them takes half a second."""
_MOST_NODES = 200_000
"""Values of the JSON looked at."""
_MOST_STATES = 200
_MOST_COMPARED = 100
"""Runs whose words are compared with the subject."""
_MOST_RUN = 1000
"""Paragraphs of one run."""
_LEAST = 400
"""Characters of prose that make an article."""
_ASSIGNED = re.compile(r"[\w$\])]\s{0,9}=\s{0,9}(?:(JSON\.parse\(\s{0,9})(?=\")|(?=\{\s{0,20}\"|\[\s{0,20}[{\[]))")
_UNDEFINED = re.compile(r"(?<=[:\[,])undefined(?=[,}\]])")
_TEXT_KEYS = frozenset(
    {"text", "content", "contents", "html", "body", "value", "data", "raw", "paragraph", "paragraphs", "children",
     "articlebody", "bodyhtml", "bodytext", "markdown", "elements", "items", "components", "blocks", "nodes", "props",
     "content_elements", "model", "storybody", "story", "article"}
)  # fmt: skip


def read_state(scripts: Sequence[str], subject: str) -> list[str]:
    """Return the paragraphs of the article that scripts embed; none when there is no run that looks like one.

    ``subject`` is headline and description: of two runs of a like length, the one that holds its words is the article.
    """
    words = {word for word in normal(subject).split() if len(word) > 3}
    best: list[str] = []
    most, compared = 0.0, 0
    for run in _runs(scripts):
        length = sum(len(text) for text in run if _is_prose(text))
        if length >= _LEAST and 1.5 * length > most and compared < _MOST_COMPARED:
            compared += 1
            found = len(words.intersection(normal(" ".join(run)[:50_000]).split())) / len(words) if words else 1.0
            if (score := length * (0.5 + found)) > most:
                best, most = run, score
    return _paragraphs(best)


def _runs(scripts: Sequence[str]) -> Iterator[list[str]]:
    """Yield each long string and each list of paragraphs."""
    waiting = list(islice(_states(scripts), _MOST_STATES))
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, str):
            if len(value) >= _LEAST:
                yield [value]
        elif isinstance(value, dict):
            waiting.extend(islice(value.values(), _MOST_NODES))
        elif isinstance(value, list):
            if len(value) > 1 and isinstance(value[0], (dict, str)):
                yield list(filter(None, map(_text, value[:_MOST_RUN])))
            waiting.extend(value[:_MOST_NODES])


def _states(scripts: Sequence[str]) -> Iterator[Any]:
    left = _MOST_CHARACTERS
    for script in scripts:
        text = script.strip()[:left]
        left -= len(text)
        if len(text) < _LEAST:
            continue
        if text[0] in "{[":
            yield from _decoded(text, 0)
        for match in islice(_ASSIGNED.finditer(text), _MOST_STATES):
            for value in _decoded(text, match.end()):
                yield from _decoded(value, 0) if match[1] and isinstance(value, str) else [value]


def _decoded(text: str, start: int) -> Iterator[Any]:
    """Yield the JSON value that starts there, if it is one; what follows it is of no interest."""
    decoder = json.JSONDecoder(strict=False)
    try:
        yield decoder.raw_decode(text, start)[0]
    except RecursionError:
        return
    except ValueError:
        if "undefined" in text:
            try:
                yield decoder.raw_decode(_UNDEFINED.sub("null", text[start:]))[0]
            except (ValueError, RecursionError):
                return


_MOST_PIECES = 60


def _text(item: Any) -> str:
    """Join the strings of an item that stand under keys for text, in their order."""
    pieces: list[str] = []
    waiting = [item]
    for _ in range(_MOST_PIECES):
        if not waiting:
            break
        value = waiting.pop()
        if isinstance(value, str):
            pieces.append(value)
        elif isinstance(value, list):
            waiting.extend(reversed(value[:_MOST_PIECES]))
        elif isinstance(value, dict):
            named = [each for key, each in value.items() if isinstance(key, str) and key.lower() in _TEXT_KEYS]
            waiting.extend(reversed(named[:_MOST_PIECES]))
    return "".join(pieces)


_SENTENCE = re.compile(r"[.!?…。！？»”\"']\s*(?:<|$)|[.!?]\s|[。！？]")
_CODE = re.compile(r"[{};]\s*(?:[.#\w-]+\s*[{:(]|function|var |const |return)|^(?:https?:|data:|/)[^\s]+$")


def _is_prose(text: str) -> bool:
    start = text[:2000]
    return len(text) >= 40 and bool(_SENTENCE.search(start)) and not _CODE.search(start)


def _paragraphs(run: Sequence[str]) -> list[str]:
    found: list[str] = []
    for text in run:
        if "<" in text and (tree := _tree(text)) is not None:
            found.extend(line.text for line in lines_of(tree))
        else:
            found.extend(html.unescape(text).splitlines())
    return list(filter(None, map(squeeze, found)))


def _tree(fragment: str) -> Node | None:
    return parse(f"<html><body>{fragment}</body></html>")[0]
