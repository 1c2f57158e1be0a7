"""Tables: those that lay a page out are none, and small ones of prices above an article are no part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from archiver.page.markup import Node, text_of

_LONG_CELL = 60
"""Words from which a cell holds a text and not a datum."""
_MOST_ROWS = 20
"""Rows of a table of quotes; a longer one is what the article is about."""
_FIGURE = re.compile(
    r"[-+−–±▲▼△▽↑↓(\s]*(?:[A-Z]{0,3}[$£€¥₹]|[A-Z]{3}\s)?\s*[-+−–]?\d[\d.,'\s]*(?:%|‰|[a-z]{1,3}\b|[$£€¥₹])?[)\s▲▼△▽↑↓]*|[-–—]|n/?a",
    re.IGNORECASE,
)


def unwrap_layout(tree: Node) -> None:
    """Make plain containers of tables that only lay out a page: those without headers in which a cell holds a text."""
    for table in [table for table in tree.iter("table") if _is_layout(table)]:
        for part in [table, *_parts(table)]:
            part.tag = "div"


def _is_layout(table: Node) -> bool:
    parts = _parts(table)
    return not any(part.tag in ("th", "caption") for part in parts) and any(
        part.tag == "td" and _is_long(part) for part in parts
    )


def _parts(table: Node) -> list[Node]:
    """Return the rows and cells of a table, those of tables within it left out."""
    groups = [table, *(group for group in table if group.tag in ("thead", "tbody", "tfoot"))]
    rows = [row for group in groups for row in group if row.tag in ("tr", "caption")]
    cells = [cell for row in rows for cell in row if cell.tag in ("td", "th")]
    return [*groups[1:], *rows, *cells]


def _is_long(cell: Node) -> bool:
    words = (word for text in cell.itertext() for word in text[:1000].split())
    return next(islice(words, _LONG_CELL, None), None) is not None


def is_quotes(table: Node) -> bool:
    """Tell whether a table of a body is a small one of quotes: names, and nothing but figures beside them."""
    rows = [[text_of(cell)[:60] for cell in row.iter("cell")] for row in islice(table.iter("row"), _MOST_ROWS + 1)]
    kinds = list(_kinds(rows))
    return 0 < len(kinds) <= _MOST_ROWS and "figures" in kinds and "text" not in kinds


def _kinds(rows: list[list[str]]) -> Iterator[str]:
    for number, cells in enumerate(rows):
        values = list(filter(None, cells[1:]))
        if values and all(map(_FIGURE.fullmatch, values)):
            yield "figures"
        elif number == 0 or not values:
            yield "heading"
        else:
            yield "text"
