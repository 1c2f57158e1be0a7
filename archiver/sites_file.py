"""Reads the sites file, and names every mistake in it by its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from archiver.archive import SITES_FILE
from archiver.errors import BadRequest, BadSites
from archiver.page.rules import RULE_KEYS, Rule, rule_problems
from archiver.sites import CHECKS, Schedule, Site, WrongValue, checked_text, checked_timezone, overlaps, site_host
from archiver.toml_lines import key_lines

DEFAULT_FILE = SITES_FILE
MOST_BYTES = 16 * 2**20
"""A sites file of a thousand sites has less than one."""


def read_sites(path: Path) -> tuple[Site, ...]:
    """Read a sites file; raises :class:`archiver.errors.BadSites` naming every mistake in it and its line."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSites([f"{path}:1: the file is not UTF-8; save it as that"]) from None
    except OSError as error:
        raise BadRequest(f"{path} cannot be read ({error.strerror})") from None
    if len(text) > MOST_BYTES:
        raise BadSites([f"{path}:1: the file has more than {MOST_BYTES // 2**20} MB"])
    return parse_sites(text, str(path))


def parse_sites(text: str, name: str = DEFAULT_FILE) -> tuple[Site, ...]:
    """Read the text of a sites file, as :func:`read_sites`."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r" \(at line ([0-9]+), column ([0-9]+)\)$", str(error))
        line = int(place[1]) if place else max(1, len(text.splitlines()))
        raise BadSites([f"{name}:{line}: this is no TOML: {error}"]) from None
    reading = _Reading(name, key_lines(text))
    sites = reading.all(tables)
    if reading.problems:
        raise BadSites([f"{name}:{line}: {message}" for line, message in sorted(reading.problems)])
    return sites


@dataclass(slots=True)
class _Reading:
    name: str
    lines: Mapping[tuple[str | int, ...], int]
    problems: list[tuple[int, str]] = field(default_factory=list)

    def all(self, tables: Mapping[str, Any]) -> tuple[Site, ...]:
        self.unknown((), tables, ["site"], "")
        entries = tables.get("site", [])
        if not _is_tables(entries):
            self.wrong(("site",), "a site is written as [[site]], in double brackets, and its keys below")
            return ()
        read = [self.site(("site", number), entry) for number, entry in enumerate(entries)]
        self.twins(entries)
        return tuple(site for site in read if site is not None)

    def site(self, path: tuple[str | int, ...], entry: Mapping[str, Any]) -> Site | None:
        before = len(self.problems)
        who = f"site {_called(entry)!r}: " if _called(entry) else ""
        self.unknown(path, entry, [*CHECKS, "timezone", "rule"], who)
        if "homepage" not in entry:
            self.wrong(path, f"{who}homepage is missing, the only key that every site needs")
        values: dict[str, Any] = {}
        for key, value in entry.items():
            if key in _FROM_FILE:
                try:
                    values[key] = _FROM_FILE[key](value)
                except ValueError as error:
                    at = error.at if isinstance(error, WrongValue) else ()
                    self.wrong((*path, key, *at), f"{who}{key}: {error}")
        try:
            if "schedule" in values:
                values["schedule"] = Schedule(values["schedule"], values.pop("timezone", "UTC"))
        except ValueError as error:
            self.wrong((*path, "schedule"), f"{who}schedule: {error}")
        if "timezone" in entry and "schedule" not in entry:
            self.wrong((*path, "timezone"), f"{who}timezone means nothing without a schedule")
        rules = self.rules((*path, "rule"), entry.get("rule", []), who)
        if len(self.problems) > before:
            return None
        return Site(**values, rules=rules, line=self.lines[path])

    def rules(self, path: tuple[str | int, ...], entries: Any, who: str) -> tuple[Rule, ...]:
        if not _is_tables(entries):
            self.wrong(path, f"{who}a rule is written as [[site.rule]], in double brackets, and its keys below")
            return ()
        read = [self.rule((*path, number), entry, who) for number, entry in enumerate(entries)]
        rules = [rule for rule in read if rule is not None]
        for rule, message in overlaps(rules):
            self.problems.append((rule.line or 0, f"{who}{message}"))
        return tuple(rules)

    def rule(self, path: tuple[str | int, ...], entry: Mapping[str, Any], who: str) -> Rule | None:
        before = len(self.problems)
        self.unknown(path, entry, RULE_KEYS, who)
        facts: dict[str, Any] = {}
        for key, value in entry.items():
            kinds, called = _RULE_TYPES.get(key, ((str,), "a text"))
            if key not in RULE_KEYS:
                continue
            if type(value) in kinds:
                facts[key] = value
            else:
                self.wrong((*path, key), f"{who}{key} has to be {called}")
        if len(self.problems) == before:
            for key, message in rule_problems(facts):
                self.wrong((*path, key) if key else path, f"{who}{message}")
        return None if len(self.problems) > before else Rule(**facts, line=self.lines[path])

    def twins(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Report sites that share a name or a homepage."""
        seen: dict[tuple[str, str], int] = {}
        for number, entry in enumerate(entries):
            homepage = entry.get("homepage")
            place = _without_slash(homepage) if isinstance(homepage, str) else ""
            for key, value in (("name", _called(entry)), ("homepage", place)):
                line = self.lines["site", number]
                if value and (other := seen.setdefault((key, value), line)) != line:
                    self.wrong(
                        ("site", number, key), f"site {_called(entry)!r}: the site in line {other} has this {key} too"
                    )
                    break

    def unknown(self, path: tuple[str | int, ...], table: Mapping[str, Any], known: Iterable[str], who: str) -> None:
        for key in table:
            if key not in (names := list(known)):
                near = get_close_matches(key, names, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
                self.wrong((*path, key), f"{who}unknown key {key!r}; {hint}")

    def wrong(self, path: tuple[str | int, ...], message: str) -> None:
        while path and path not in self.lines:
            path = path[:-1]
        self.problems.append((self.lines.get(path, 1), message))


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _called(entry: Mapping[str, Any]) -> str:
    name, homepage = entry.get("name"), entry.get("homepage")
    return name if isinstance(name, str) else site_host(homepage) if isinstance(homepage, str) else ""


def _without_slash(url: str) -> str:
    if not site_host(url):  # it is no URL
        return ""
    parts = urlsplit(url)
    return f"{parts.netloc.lower().removeprefix('www.')}{parts.path.rstrip('/')}"


_RULE_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "value": ((str, bool), "a text, or true or false"),
    "valid_from": ((date,), "a date without quotes, such as 2019-02-07"),
    "valid_until": ((date,), "a date without quotes, such as 2019-02-07"),
}

_FROM_FILE = {**CHECKS, "schedule": checked_text, "timezone": checked_timezone}
