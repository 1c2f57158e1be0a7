"""Where in a TOML file each value stands, which the standard library's parser does not tell.

The text must be valid TOML: :mod:`tomllib` has read it before. So it is enough to tell keys from values and to keep
count of lines and of array elements.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and positions from the root to a value: ``("site", 0, "name")``."""

_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
    r"|\#[^\n]*+|\n|[\[\]{}=,.]"
    r"""|[^\s\[\]{}=,."'#]++""",
    re.DOTALL,
)


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, of every key, table header and array element.

    >>> key_lines('[[site]]\\nname = "a"\\nfeeds = [\\n  "/rss",\\n]')
    {('site',): 1, ('site', 0): 1, ('site', 0, 'name'): 2, ('site', 0, 'feeds'): 3, ('site', 0, 'feeds', 0): 4}
    """
    return _Scan(list(_tokens(text))).all()


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, end = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        if not match[0].startswith("#"):
            yield match[0], line


@dataclass(slots=True)
class _Scan:
    tokens: list[tuple[str, int]]
    at: int = 0
    lines: dict[Path, int] = field(default_factory=dict)
    elements: Counter[Path] = field(default_factory=Counter)
    """How many elements each array of tables has so far."""

    def all(self) -> dict[Path, int]:
        table: Path = ()
        while (token := self.peek()) is not None:
            if token == "\n":
                self.at += 1
            elif token == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def peek(self) -> str | None:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    def skip(self, *wanted: str) -> bool:
        """Step over tokens of these kinds; tell whether there were any."""
        start = self.at
        while self.peek() in wanted:
            self.at += 1
        return self.at > start

    def header(self) -> Path:
        line = self.tokens[self.at][1]
        self.at += 1
        is_element = self.peek() == "["
        self.at += is_element
        *above, last = self.key()
        self.at += 1 + is_element
        table: Path = ()
        for part in above:
            table = self.newest((*table, part))
        table = (*table, last)
        self.lines.setdefault(table, line)
        if is_element:
            self.elements[table] += 1
        table = self.newest(table)
        self.lines.setdefault(table, line)
        return table

    def newest(self, table: Path) -> Path:
        count = self.elements[table]
        return (*table, count - 1) if count else table

    def key(self) -> list[str]:
        parts: list[str] = []
        while True:
            token = self.tokens[self.at][0]
            parts.append(next(iter(tomllib.loads(f"{token} = 0"))) if token[0] in "\"'" else token)
            self.at += 1
            if self.peek() != ".":
                return parts
            self.at += 1

    def pair(self, table: Path) -> None:
        line = self.tokens[self.at][1]
        for part in self.key():
            table = (*table, part)
            self.lines.setdefault(table, line)
        self.at += 1  # the equals sign
        self.value(table)

    def value(self, path: Path) -> None:
        if self.peek() == "[":
            self.at += 1
            self.array(path)
        elif self.peek() == "{":
            self.at += 1
            self.skip("\n")
            while not self.skip_one("}"):
                self.pair(path)
                self.skip(",", "\n")
        else:
            while self.peek() not in (None, ",", "]", "}", "\n"):
                self.at += 1

    def array(self, path: Path) -> None:
        self.skip("\n")
        number = 0
        while not self.skip_one("]"):
            self.lines[(*path, number)] = self.tokens[self.at][1]
            self.value((*path, number))
            self.skip(",", "\n")
            number += 1

    def skip_one(self, wanted: str) -> bool:
        found = self.peek() == wanted
        self.at += found
        return found
