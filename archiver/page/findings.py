"""What the rules of a site find on a page.

Pages are hostile, so what a rule finds is bounded in number and length. A selector that takes very long on some page
is stopped by the time limit of whoever reads pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from lxml import etree

from archiver.article import Author
from archiver.page.container import INLINE, read_containers
from archiver.page.dates import AHEAD, Moment, moment, parse_moment
from archiver.page.markup import Node, absolute, clip, normal, squeeze
from archiver.page.names import BY, split_names
from archiver.page.rules import DATES, REGEX_SECONDS, WHOLE, Rule, compiled, search

if TYPE_CHECKING:
    from archiver.metadata import Metadata

MOST_FOUND = 50
"""Elements looked at for one field."""
MOST_TEXT = 2000
"""Characters read of each."""
MOST_STEPS = 5000
"""Tags walked over in each."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found on a page."""

    rule: Rule
    value: Any = None
    """As the article has it, but dates as :class:`Moment`; for ``text`` and ``remove`` the elements; or ``None``."""
    count: int = 0
    """Elements or values that the selector found, whatever was made of them."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What the rules of a site found on a page."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """By field, without ``text`` and ``remove``."""
    containers: tuple[Node, ...] = ()
    """The elements that hold the text."""
    notes: tuple[str, ...] = ()
    """What went wrong, for the article's evidence."""

    def improve(self, metadata: Metadata) -> Metadata:
        """Return what the generic reader found, with what the rules found in its place."""
        values = {_IN_METADATA.get(name, name): value for name, value in self.values.items()}
        if title := normal(values.get("title", "")):
            values["headlines"] = metadata.headlines | {title}
        return replace(metadata, **values)

    def body(self, title: str | None) -> tuple[str, str, str | None] | None:
        """Return plain text, Markdown and a note on where they come from; ``None`` where no rule found the text."""
        text, markdown = read_containers(self.containers, title)
        return (text, markdown, "text from the site's rules") if text else None


_IN_METADATA = {"published_at": "published", "modified_at": "modified"}


def apply_rules(tree: Node, rules: Sequence[Rule], url: str, captured_at: datetime | None = None) -> Findings:
    """Find every field that has rules, and take out of the tree what the rules remove.

    `captured_at` bounds plausible dates and defaults to now.
    """
    latest = (captured_at or datetime.now(UTC)) + AHEAD
    values: dict[str, Any] = {}
    unwanted: list[Node] = []
    notes: list[str] = []
    for rule in rules:
        if rule.field in values:
            continue
        found = find(tree, rule, url, latest)
        if found.error:
            notes.append(f"the rule for {rule.field} ({rule.selector[:80]}) failed: {found.error}")
        elif rule.field == "remove":
            unwanted.extend(found.value or ())
        elif found.value is not None:
            values[rule.field] = found.value
    containers = values.pop("text", ())
    if not containers and any(rule.field == "text" for rule in rules):
        notes.append("no rule found the text; it was read as on any site")
    for element in unwanted:
        element.clear(keep_tail=True)  # removing it would join the text around it, which is quadratic when repeated
    return Findings(values, _outermost(containers), tuple(notes))


def find(tree: Node, rule: Rule, url: str, latest: datetime) -> Finding:
    """Apply one rule to a page; the tree stays as it is. `latest` is the latest plausible date."""
    try:
        found = compiled(rule.css, rule.xpath)(tree)
        if rule.field in WHOLE:
            return _whole(rule, found)
        if isinstance(found, bool):
            return Finding(rule, found if rule.value is None else (rule.value if found else None), 1)
        results = found if isinstance(found, list) else [found]
        texts = [text for each in results[:MOST_FOUND] if (text := _text(each, rule))]
        return Finding(rule, _value(rule, results, texts, url, latest), len(results) if isinstance(found, list) else 1)
    except TimeoutError:
        return Finding(rule, error=f"the regular expression took more than {REGEX_SECONDS:g} s on one text")
    except (etree.XPathError, ValueError) as error:
        return Finding(rule, error=squeeze(str(error))[:200])


def _whole(rule: Rule, found: Any) -> Finding:
    if not all(isinstance(each, etree._Element) for each in found):
        raise ValueError("it selects something else than elements")
    return Finding(rule, tuple(found) or None, len(found))


def _outermost(elements: Sequence[Node]) -> tuple[Node, ...]:
    chosen = set(elements)
    return tuple(each for each in elements if not any(above in chosen for above in each.iterancestors()))


_HELD_IN = {"meta": "content", "link": "href", "data": "value"}
"""Elements that say in an attribute what they have to say."""
_LINKS = {"img": "src", "amp-img": "src", "source": "src", "a": "href"}


def _text(found: Any, rule: Rule) -> str | None:
    """Return what a result says, or the part of it that the rule's regular expression wants."""
    if isinstance(found, etree._Element):
        name = rule.attribute or _attribute_for(rule.field, found)
        text = found.get(name, "") if name else _start(found)
    else:
        text = f"{found:.15g}" if isinstance(found, float) else str(found)
    text = squeeze(text[:MOST_TEXT])
    if rule.regex is None or not text:
        return text or None
    match = search(rule.regex, text)
    return squeeze(match[1] if match.re.groups else match[0]) if match and (match[0] or match.re.groups) else None


def _attribute_for(field: str, element: Node) -> str | None:
    if element.tag in _HELD_IN:
        return _HELD_IN[element.tag]
    if field in DATES and element.tag == "time" and element.get("datetime"):
        return "datetime"
    return _LINKS.get(element.tag) if field == "lead_image" else None


def _start(element: Node) -> str:
    """Return the first words of an element, blocks set apart, without walking all of a long one."""
    pieces: list[str] = []
    length = 0
    for event, each in islice(etree.iterwalk(element, events=("start", "end")), MOST_STEPS):
        tail = "" if each is element else each.tail
        piece = ("" if each.tag in INLINE else " ") + ((each.text if event == "start" else tail) or "")
        pieces.append(piece)
        length += len(piece)
        if length > 2 * MOST_TEXT:
            break
    return " ".join("".join(pieces).split())


def _value(rule: Rule, results: Sequence[Any], texts: Sequence[str], url: str, latest: datetime) -> Any:
    """Make the field's value of what was found; ``None`` when nothing is left of it."""
    if rule.value is not None and (texts or (rule.regex is None and any(map(_is_there, results)))):
        texts = [str(rule.value)]
    if not texts:
        return None
    if rule.field in DATES:
        return next(filter(None, (_moment(rule, text, latest) for text in texts)), None)
    if rule.field == "authors":
        return _authors(results, texts, url)
    read = _READ.get(rule.field)
    return read(texts, url) if read else clip(texts[0], _LENGTH.get(rule.field, 1000))


def _is_there(result: Any) -> bool:
    return isinstance(result, etree._Element) or bool(result)


_LENGTH = {"description": 5000, "section": 200, "article_type": 200}


def _moment(rule: Rule, text: str, latest: datetime) -> Moment | None:
    if rule.date_format is None:
        return parse_moment(text, "rule", latest)
    try:
        when = datetime.strptime(text, rule.date_format)
    except ValueError:
        return None
    has_time = re.search(r"%[HIcX]", rule.date_format)
    precision = "day" if not has_time else "second" if re.search(r"%[ScX]", rule.date_format) else "minute"
    return moment(when, precision, text, "rule", latest)  # type: ignore[arg-type]


def _authors(results: Sequence[Any], texts: Sequence[str], url: str) -> tuple[Author, ...] | None:
    links = [each.get("href") if isinstance(each, etree._Element) else None for each in results]
    authors: dict[str, Author] = {}
    for text, link in zip(texts, links if len(links) == len(texts) else [None] * len(texts), strict=True):
        names = split_names(text) or [name for name in [squeeze(BY.sub("", text))[:100]] if name]
        for name in names:
            authors.setdefault(name.casefold(), Author(name, absolute(url, link) if len(names) == 1 else None))
    return tuple(islice(authors.values(), 30)) or None


def _tags(texts: Sequence[str], url: str) -> tuple[str, ...] | None:
    words = re.split("[,;]", texts[0]) if len(texts) == 1 else texts
    return tuple(dict.fromkeys(filter(None, (squeeze(word)[:200] for word in words)))) or None


def _language(texts: Sequence[str], url: str) -> str | None:
    match = re.match(r"([a-z]{2,3})(?:[-_]|$)", texts[0], re.IGNORECASE)
    return match[1].lower() if match else None


def _truth(texts: Sequence[str], url: str) -> bool | None:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(texts[0].lower())


_READ: dict[str, Callable[[Sequence[str], str], Any]] = {
    "tags": _tags,
    "breadcrumbs": lambda texts, url: tuple(text[:200] for text in texts[:20]),
    "language": _language,
    "lead_image": lambda texts, url: absolute(url, texts[0]),
    "accessible_for_free": _truth,
}
