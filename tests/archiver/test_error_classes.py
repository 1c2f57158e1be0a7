"""Each class of error known from real pages, on pages of our own: what a human reader wants is read, the rest is not.

The pages stand in ``benchmarks/extraction/families``, in the make-up of site families and in several languages. For
each class that a page provokes, its truth names lines: those ``kept`` are of the article and easily lost, those
``absent`` are not of it. What our reader still gets wrong stands in ``FAILS``, with what goes wrong.
"""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archiver.article import Article
from archiver.extract import extract_html

FAMILIES = Path(__file__).parents[2] / "benchmarks/extraction/families"
TRUTHS: dict[str, dict[str, Any]] = {
    Path(truth["page"]).stem: truth
    for truth in map(json.loads, (FAMILIES / "truth.jsonl").read_text("utf-8").splitlines())
}

CLASSES = {
    # the wrong block is taken for the body
    "consent dialog", "donation", "teasers",
    # the body, or a part of it, is missed
    "embedded JSON", "split containers", "list items", "lead", "sub-headings", "teaser-like names", "tables",
    "captions that are the story",
    # boxes and other articles are kept
    "newsletter", "comments", "author bio", '"Also:" lines', "related box", "another article", "pros and cons",
    # lines are kept
    "labels", "short labels", "metadata lines", "link-only lines", "share, tags, contents", "captions",
    "contributor notes", "advertisement labels", "continues below", "app prompt", "fact-checked, peer-reviewed",
    # what nobody sees, or has read before
    "hidden elements", "leaked scripts", "text repeated", "headline repeated", "dek repeated",
}  # fmt: skip

FAILS: dict[tuple[str, str], str] = {
    ("abendpost-stadtbaum", "body"): "teaser-like names: the bold lead in .article-teaser is lost",
    ("abendpost-stadtbaum", "teaser-like names"): "the bold lead in .article-teaser is lost",
    ("allotment-forum-thread", "authors"): "a part of the line about a post is taken for a name",
    ("allotment-forum-thread", "metadata lines"): "the numbers of posts are kept",
    ("allotment-forum-thread", "short labels"): "who is online is kept",
    ("eaglewire-app-prompts", "author bio"): "the author's note in italics is kept",
    ("eaglewire-app-prompts", "contributor notes"): "public sets disagree about notes on contributors",
    ("eastmarch-press-release", "contributor notes"): "notes to editors and the publisher's self-portrait are kept",
    ("gazette-du-lac-pont", "newsletter"): "the letter offered within the text is kept",
    ("harbor-amp-consent", "captions"): "a caption that is a paragraph of its own is kept",
    ("inkwell-claps", "share, tags, contents"): "the numbers of claps and the buttons are kept",
    ("ladle-recipe-soup", "headline repeated"): "the headline of the recipe's card is kept",
    ("ladle-recipe-soup", "labels"): "the line about affiliate links is kept",
    ("ledgerline-metadata-lines", "contributor notes"): "the line about who reported and edited is kept",
    ("ledgerline-metadata-lines", "labels"): "the line about standards is kept",
    ("quarterdeck-interview", "contributor notes"): "the note about the interviewer is kept",
    ("quarterdeck-interview", "labels"): "the label above the headline is kept",
    ("sentinel-fusion-bridge", "contributor notes"): "public sets disagree about notes on contributors",
}
"""A page and the class, ``body`` or byline field that goes wrong on it."""


@cache
def read(page: str) -> Article:
    return extract_html((FAMILIES / "pages" / f"{page}.html").read_bytes(), TRUTHS[page]["url"])


def words_of(text: str) -> str:
    return " ".join(re.findall(r"\w+", text))


def lines_of(text: str | None) -> list[str]:
    return [words for words in map(words_of, (text or "").splitlines()) if words]


def count(line: str, lines: list[str], kind: str = "") -> int:
    """Count a line; a headline and what is short may be part of a sentence, so only whole lines count."""
    wanted = words_of(line)
    if len(line) < 40 or kind == "headline repeated":
        return lines.count(wanted)
    return f" {' '.join(lines)} ".count(f" {wanted} ")


def marked(page: str, kind: str) -> Any:
    marks = [pytest.mark.xfail(strict=True, reason=FAILS[page, kind])] if (page, kind) in FAILS else []
    return pytest.param(page, kind, id=f"{page}-{kind}", marks=marks)


@pytest.mark.parametrize(("page", "kind"), [marked(page, "body") for page in TRUTHS])
def test_the_whole_text_of_a_page_is_read(page: str, kind: str) -> None:
    whole = f" {' '.join(lines_of(read(page).text))} "
    assert [each for each in TRUTHS[page]["text"].split("\n\n") if f" {words_of(each)} " not in whole] == []


@pytest.mark.parametrize(
    ("page", "kind"), [marked(page, kind) for page, truth in TRUTHS.items() for kind in sorted(truth["kept"])]
)
def test_what_is_easily_lost_is_read(page: str, kind: str) -> None:
    whole = f" {' '.join(lines_of(read(page).text))} "
    assert [line for line in TRUTHS[page]["kept"][kind] if f" {words_of(line)} " not in whole] == []


@pytest.mark.parametrize(
    ("page", "kind"), [marked(page, kind) for page, truth in TRUTHS.items() for kind in sorted(truth["absent"])]
)
def test_what_is_not_of_the_article_is_not_read(page: str, kind: str) -> None:
    lines, truth = lines_of(read(page).text), lines_of(TRUTHS[page]["text"])
    absent = TRUTHS[page]["absent"][kind]
    assert [line for line in absent if count(line, lines, kind) > count(line, truth, kind)] == []


@pytest.mark.parametrize(("page", "field"), [marked(page, "title") for page in TRUTHS])
def test_the_title_of_a_page_is_right(page: str, field: str) -> None:
    assert read(page).title == TRUTHS[page]["title"]


@pytest.mark.parametrize(("page", "field"), [marked(page, "authors") for page in TRUTHS])
def test_the_authors_of_a_page_are_right(page: str, field: str) -> None:
    assert sorted(author.name for author in read(page).authors) == sorted(TRUTHS[page]["authors"])


@pytest.mark.parametrize(("page", "field"), [marked(page, "day") for page in TRUTHS])
def test_the_day_of_a_page_is_right(page: str, field: str) -> None:
    assert (read(page).published_at or "")[:10] == (TRUTHS[page]["published"] or "")


def test_every_class_of_error_has_a_page() -> None:
    assert {kind for truth in TRUTHS.values() for kind in (*truth["kept"], *truth["absent"])} == CLASSES


def test_what_fails_is_a_case() -> None:
    cases = {(page, kind) for page, truth in TRUTHS.items() for kind in (*truth["kept"], *truth["absent"])}
    cases |= {(page, kind) for page in TRUTHS for kind in ("body", "title", "authors", "day")}
    assert set(FAILS) <= cases


def _content(page: str) -> str:
    """Return the words of a page in their order, without tags, those of embedded JSON included."""
    source = (FAMILIES / "pages" / f"{page}.html").read_text("utf-8")
    source = source.replace("\\u003c", "<").replace("\\u003e", ">")
    return f" {words_of(html.unescape(re.sub(r'<[^<>]*>', ' ', source)))} "


@pytest.mark.parametrize("page", TRUTHS)
def test_every_true_paragraph_stands_on_its_page_in_its_place(page: str) -> None:
    content, position = _content(page), 0
    for paragraph in TRUTHS[page]["text"].split("\n\n"):
        position = content.find(words_of(paragraph), position) + 1
        assert position, paragraph


@pytest.mark.parametrize("page", TRUTHS)
def test_every_line_that_is_to_be_absent_stands_on_its_page(page: str) -> None:
    content = _content(page)
    lines = [line for lines in TRUTHS[page]["absent"].values() for line in lines]
    assert [line for line in lines if words_of(line) not in content] == []
