"""Turns public sets of annotated pages into folders that the benchmark reads; none of them is shipped here.

    python -m benchmarks.extraction.convert SET SOURCE DEST

| SET | SOURCE is |
|---|---|
| ``scrapinghub`` | a copy of article-extraction-benchmark: ``ground-truth.json``, ``html/*.html.gz`` |
| ``trafilatura`` | the folder ``tests`` of trafilatura: ``evaldata.json``, pages in ``cache`` and ``eval`` |
| ``wcxb`` | a copy of web-content-extraction-benchmark, or its ``dev`` or ``test``; only its articles are taken |
| ``fundus`` | the folder ``tests/resources/parser/test_data`` of Fundus |
| ``htmldate`` | the folder ``tests`` of htmldate: ``eval_*.json``, pages in ``test_set``, ``cache`` and ``eval`` |

What a set does not tell is left out and not scored. trafilatura's set and wcxb have pieces of text that must or must
not be read, ``with`` and ``without``; they are kept under these names, and the benchmark does not score them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Annotated:
    """A page of a set."""

    file: Path
    truth: Mapping[str, Any]
    """As a line of ``truth.jsonl``, without ``page``; ``None`` is not known."""


def read_scrapinghub(source: Path) -> Iterator[Annotated]:
    """Read the URL and the body of each page."""
    for name, told in _json(source / "ground-truth.json").items():
        yield Annotated(source / "html" / f"{name}.html.gz", {"url": told["url"], "text": told["articleBody"]})


def read_trafilatura(source: Path) -> Iterator[Annotated]:
    """Read the pieces of text and, where they are told, title, authors and day."""
    for url, told in _json(source / "evaldata.json").items():
        truth = {
            "url": url,
            "title": told.get("title") or None,
            "authors": _names(told.get("author")),
            "published": _day(told.get("date")),
            "with": told["with"],
            "without": told["without"],
        }
        yield Annotated(_found(source, ("cache", "eval"), told["file"]), truth)


def read_wcxb(source: Path) -> Iterator[Annotated]:
    """Read the articles of one split, or of both."""
    splits = [source] if (source / "ground-truth").is_dir() else [source / "dev", source / "test"]
    for split in splits:
        for file in sorted((split / "ground-truth").glob("*.json")):
            told = _json(file)
            if _type(told) == "article":
                yield Annotated(split / "html" / f"{file.stem}.html.gz", _wcxb_truth(told))


def _type(told: Mapping[str, Any]) -> str:
    value = (told.get("_internal") or {}).get("page_type")
    return str(value.get("primary") if isinstance(value, dict) else value or "article")


def _wcxb_truth(told: Mapping[str, Any]) -> dict[str, Any]:
    truth = told["ground_truth"]
    return {
        "url": told.get("url") or truth["url"],
        "text": truth["main_content"],
        "title": truth.get("title") or None,
        "authors": _names(truth.get("author")),
        "published": _day(truth.get("publish_date")),
        "with": truth.get("with") or [],
        "without": truth.get("without") or [],
    }


def read_fundus(source: Path) -> Iterator[Annotated]:
    """Read the test cases of each publisher.

    A publisher's file has a case for each version of its parser, its pages have only a date. They are paired in their
    order; publishers whose numbers of both differ are left out and said.
    """
    for about in sorted(source.glob("*/meta.info")):
        urls = {name: told["url"] for name, told in _json(about).items()}
        for file in sorted(about.parent.glob("*.json")):
            cases = sorted(_json(file).items(), key=lambda case: _version(case[0]))
            pages = sorted(name for name in urls if re.fullmatch(rf"{re.escape(file.stem)}_[\d_]+\.html\.gz", name))
            if len(cases) != len(pages):
                print(f"{file}: {len(cases)} cases for {len(pages)} pages, left out", file=sys.stderr)
                continue
            for page, (_, case) in zip(pages, cases, strict=True):
                yield Annotated(about.parent / page, {"url": urls[page], **_fundus_truth(case)})


def _version(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _fundus_truth(case: Mapping[str, Any]) -> dict[str, Any]:
    body = case.get("body")
    return {
        "text": "\n\n".join(_paragraphs(body)) if body else None,
        "title": case.get("title") or None,
        "authors": case.get("authors"),
        "published": _day(case.get("publishing_date")),
    }


def _paragraphs(body: Mapping[str, Any]) -> Iterator[str]:
    yield from body.get("summary") or ()
    for section in body.get("sections") or ():
        yield from section.get("headline") or ()
        yield from section.get("paragraphs") or ()


def read_htmldate(source: Path) -> Iterator[Annotated]:
    """Read the day of each page; a URL in both lists is taken once."""
    told = {url: each for file in sorted(source.glob("eval_*.json")) for url, each in _json(file).items()}
    for url, each in told.items():
        file = _found(source, ("test_set", "cache", "eval"), each["file"])
        yield Annotated(file, {"url": url, "published": _day(each["date"])})


SETS: Mapping[str, Callable[[Path], Iterator[Annotated]]] = {
    "scrapinghub": read_scrapinghub,
    "trafilatura": read_trafilatura,
    "wcxb": read_wcxb,
    "fundus": read_fundus,
    "htmldate": read_htmldate,
}


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _found(source: Path, folders: tuple[str, ...], name: str) -> Path:
    """Return the first of the places where a page may stand; the last when it is nowhere."""
    places = [source / folder / Path(name).name for folder in folders]
    return next((place for place in places if place.is_file()), places[-1])


def _names(value: str | list[str] | None) -> list[str] | None:
    """Return a list of names; sets that tell one string part several with semicolons.

    >>> _names("Ann Lee; Bo Ray"), _names(""), _names(["Ann Lee"])
    (['Ann Lee', 'Bo Ray'], None, ['Ann Lee'])
    """
    if isinstance(value, str):
        return [name.strip() for name in value.split(";") if name.strip()] or None
    return value


def _day(value: str | None) -> str | None:
    """Return the day of a date or moment, ``None`` for what has no such form.

    >>> _day("2026-11-22 06:43:43+01:00"), _day("22 Nov"), _day(None)
    ('2026-11-22', None, None)
    """
    found = re.match(r"\d{4}-\d{2}-\d{2}", value or "")
    return found[0] if found else None


def convert(pages: Iterable[Annotated], dest: Path) -> None:
    """Write a folder for the benchmark."""
    (dest / "pages").mkdir(parents=True)
    lines = []
    for number, page in enumerate(pages):
        name = f"pages/{number:04}.html.gz"
        html = page.file.read_bytes()
        (dest / name).write_bytes(html if page.file.suffix == ".gz" else gzip.compress(html, mtime=0))
        known = {key: value for key, value in page.truth.items() if value is not None}
        lines.append(json.dumps({"page": name, "source": page.file.name, **known}, ensure_ascii=False))
    (dest / "truth.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Convert one set."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extraction.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("set", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("source", type=Path, metavar="SOURCE", help="where the set lies")
    parser.add_argument("dest", type=Path, metavar="DEST", help="a folder that is made, for the benchmark")
    options = parser.parse_args(arguments)
    if options.dest.exists():
        parser.exit(1, f"{options.dest} is there already; name a folder that is not\n")
    try:
        told = list(SETS[options.set](options.source))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        parser.exit(1, f"{options.source} is no {options.set} set: {type(error).__name__}: {error}\n")
    pages = [page for page in told if page.file.is_file()]
    for file in sorted({page.file for page in told} - {page.file for page in pages}):
        print(f"not there, left out: {file}", file=sys.stderr)
    if not pages:
        parser.exit(1, f"{options.source}: no page of a {options.set} set found\n")
    convert(pages, options.dest)
    print(f"{options.dest}: {len(pages)} pages. Compare: python -m benchmarks.extraction {options.dest}")


if __name__ == "__main__":
    main()
