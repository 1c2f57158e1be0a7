"""A site's own rules: where on its pages each field stands, for sites that the generic reader misreads.

``findings`` applies them. Rules are written by people one trusts, but applied to pages that one does not trust.
XPath 1.0 as libxml2 has it can read no files; regular expressions are searched with a time limit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from lxml import etree
from lxml.html import document_fromstring

from archiver.page.markup import Node

FIELDS = (
    "title", "subtitle", "description", "authors", "published_at", "modified_at", "section", "breadcrumbs", "tags",
    "language", "lead_image", "article_type", "license", "accessible_for_free", "text", "remove",
)  # fmt: skip
"""What a rule may be for: fields of the article, and ``remove``, which takes elements out before anything is read."""
DATES = ("published_at", "modified_at")
WHOLE = ("text", "remove")
"""Fields of which the elements themselves are wanted, not what they say."""
MOST_SEARCHED = 2000
"""Characters of a text that a regular expression sees."""
REGEX_SECONDS = 0.2
"""CPU time one regular expression may take on one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to find one field; raises ``ValueError`` where the values make no sense.

    Of several rules for a field the first that finds something is taken.
    """

    field: str
    """One of ``FIELDS``."""
    css: str | None = None
    """CSS selector, with Scrapy's ``::text`` and ``::attr(name)``. Either this or ``xpath``."""
    xpath: str | None = None
    """XPath 1.0."""
    attribute: str | None = None
    """Attribute of the elements that holds the value, instead of their text."""
    regex: str | None = None
    """Searched in what was found; the first group is the value, or the whole match. What doesn't match is not found."""
    date_format: str | None = None
    """As for ``datetime.strptime``; without it the usual forms are understood."""
    value: str | bool | None = None
    """The value when something is found, instead of what is found."""
    valid_from: date | None = None
    """First day, UTC, on whose captures the rule is used."""
    valid_until: date | None = None
    """Last day."""
    line: int | None = dataclasses.field(default=None, compare=False)
    """Where it stands in the sites file."""

    def __post_init__(self) -> None:
        facts = {name: getattr(self, name) for name in RULE_KEYS if getattr(self, name) is not None}
        if problems := rule_problems(facts):
            raise ValueError(f"rule for {self.field}: {'; '.join(message for _, message in problems)}")

    @property
    def selector(self) -> str:
        """The selector for people, its kind first."""
        return f"css {self.css}" if self.css is not None else f"xpath {self.xpath}"

    def is_in_force(self, day: date) -> bool:
        """Tell whether captures of a day are read by this rule."""
        return (self.valid_from or date.min) <= day <= (self.valid_until or date.max)


RULE_KEYS = tuple(each.name for each in dataclasses.fields(Rule) if each.name != "line")


def rules_digest(rules: Sequence[Rule]) -> str:
    """Return eight digits that change when what the rules say does; where they stand and until when does not count."""
    said = [{key: getattr(rule, key) for key in RULE_KEYS if not key.startswith("valid_")} for rule in rules]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


# What a rule may say.


def rule_problems(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong with a rule's values, each with the key it is about.

    >>> rule_problems({"field": "title", "css": "h1["})[0][0]
    'css'
    """
    return [(key, message) for check in _CHECKS for key, message in check(facts)]


Problems = Iterator[tuple[str, str]]


def _check_field(facts: Mapping[str, Any]) -> Problems:
    field = facts.get("field")
    if field is None:
        yield "", "field is missing; it says what the rule finds, such as title or text"
    elif field not in FIELDS:
        from difflib import get_close_matches

        near = get_close_matches(field, FIELDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(FIELDS)}"
        yield "field", f"no rule can be for {field!r}; {hint}"


def _check_selector(facts: Mapping[str, Any]) -> Problems:
    css, xpath = facts.get("css"), facts.get("xpath")
    if (css is None) == (xpath is None):
        yield "xpath" if css is not None else "", "a rule has either css or xpath"
        return
    key = "xpath" if css is None else "css"
    try:
        found = compiled(css, xpath)(_empty_page())
    except ValueError as error:
        yield key, str(error)
        return
    if facts.get("field") in WHOLE and (not isinstance(found, list) or "::" in (css or "")):
        yield key, f"a rule for {facts['field']} has to select elements"
    elif isinstance(found, bool) and facts.get("field") != "accessible_for_free":
        yield key, "it says only true or false, which is an answer for accessible_for_free alone"


def _check_extras(facts: Mapping[str, Any]) -> Problems:
    field = facts.get("field")
    if field in WHOLE:
        for key in ("attribute", "regex", "value"):
            if key in facts:
                yield key, f"{key} means nothing in a rule for {field}, which takes whole elements"
    if "date_format" in facts and field not in DATES:
        yield "date_format", f"date_format means nothing in a rule for {field}"
    if isinstance(facts.get("value"), bool) != (field == "accessible_for_free") and "value" in facts:
        yield "value", "value has to be true or false for accessible_for_free, and a text for any other field"
    if "regex" in facts:
        try:
            pattern(facts["regex"])
        except ValueError as error:
            yield "regex", str(error)
    start, end = facts.get("valid_from"), facts.get("valid_until")
    if start and end and start > end:
        yield "valid_until", f"valid_until {end} is before valid_from {start}"


_CHECKS: tuple[Callable[[Mapping[str, Any]], Problems], ...] = (_check_field, _check_selector, _check_extras)


@lru_cache(maxsize=1)
def _empty_page() -> Node:
    return document_fromstring("<html><head><title></title></head><body><p></p></body></html>")


@lru_cache(maxsize=1024)
def compiled(css: str | None, xpath: str | None) -> Callable[[Node], Any]:
    """Return a selector as a function of a tree; raises ``ValueError``."""
    from cssselect import SelectorError
    from parsel.csstranslator import HTMLTranslator  # knows ::text and ::attr; it brings has-class() to XPath

    try:
        expression = HTMLTranslator().css_to_xpath(css) if css is not None else xpath
        select: Callable[[Node], Any] = etree.XPath(expression, smart_strings=False, regexp=False)
        select(_empty_page())  # functions and prefixes nobody has defined show only now
    except SelectorError as error:
        raise ValueError(f"{css!r} is no CSS selector: {error}") from None
    except (etree.XPathError, ValueError, RecursionError) as error:
        raise ValueError(f"{css or xpath!r} cannot be used as XPath: {error}") from None
    return select


@lru_cache(maxsize=1024)
def pattern(text: str) -> Any:
    """Compile a regular expression that is searched with a time limit; raises ``ValueError``."""
    import regex

    try:
        return regex.compile(text)
    except regex.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def search(expression: str, text: str) -> Any:
    """Return the match of a regular expression in the start of a text; raises ``TimeoutError`` when it takes long."""
    return pattern(expression).search(text[:MOST_SEARCHED], timeout=REGEX_SECONDS)
