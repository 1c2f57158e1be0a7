"""Writes entries of the sites file: below what stands there, which is left as it is, comments and all."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from archiver.errors import BadRequest
from archiver.sites import Site
from archiver.sites_file import parse_sites, read_sites

HEADER = "# The sites that are crawled; docs/sites.md explains the keys, `archiver sites check` checks them.\n"


def entry_of(site: Site, *, remarks: Sequence[str] = ()) -> str:
    """Return the entry of a site as it is written in the file; `remarks` become comments."""
    lines = ["[[site]]", f"name = {_quoted(site.name)}", f"homepage = {_quoted(site.homepage)}"]
    if site.labels:
        lines.append(f"labels = [{', '.join(map(_quoted, site.labels))}]")
    if site.schedule:
        lines.append(f"schedule = {_quoted(site.schedule.text)}")
    if site.feeds is not None:
        lines.append(f"feeds = [{', '.join(map(_quoted, site.feeds))}]")
    lines += [f"# {' '.join(remark.split())}" for remark in remarks]
    return "\n".join(lines) + "\n"


def add_entries(path: Path, entries: Sequence[str]) -> None:
    """Add entries to a sites file, which is made if need be; all of them or, when one makes no sense, none."""
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else HEADER
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read ({error})") from None
    text = before.rstrip("\n") + "\n" + "".join(f"\n{entry}" for entry in entries)
    parse_sites(text, str(path))
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(path.stat().st_mode if path.exists() else 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written ({error.strerror})") from None


def known_sites(path: Path) -> tuple[Site, ...]:
    """Return the sites of a file that may not be there yet."""
    return read_sites(path) if path.exists() else ()


def free_name(wanted: str, taken: Sequence[str]) -> str:
    """Return a name for a site that none has yet, made of letters, digits, dots and hyphens.

    >>> free_name("www.example.com", ["example.com"])
    'example.com-2'
    """
    base = re.sub(r"[^\w.-]+", "-", wanted.lower().removeprefix("www.")).strip("-.") or "site"
    names = [base[:80], *(f"{base[:80]}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def is_same_place(one: str, other: str) -> bool:
    """Tell whether two homepages are one."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc.lower().removeprefix("www."), url.partition(parts.netloc)[2].strip("/")


def _quoted(text: str) -> str:
    """Return a text as a TOML basic string; JSON's escapes are among those that TOML knows."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
