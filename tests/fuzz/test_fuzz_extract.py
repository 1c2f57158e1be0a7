"""The fuzzer notices when a promise breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from archiver.article import Article
from archiver.extract import extract_html
from archiver.page.safe_html import article_document
from tests.fuzz import fuzz_extract
from tests.fuzz.fuzz_extract import CAPTURED, URL, Case, broken_promises, check, is_safe
from tests.stories import story

CASE = Case(story("Rain").encode())
ARTICLE = extract_html(CASE.page, URL, captured_at=CAPTURED)


def test_a_story_keeps_all_promises() -> None:
    assert check(CASE) == []


@pytest.mark.parametrize(
    "html",
    ["<script>x", "<img src=/i.png>", "<p style='x'>", "<a onclick=x>", "<a href='javascript:x'>", "<meta name=x>"],
)
def test_html_that_could_act_or_load_is_not_safe(html: str) -> None:
    assert is_safe(article_document(ARTICLE))
    assert not is_safe(article_document(ARTICLE).replace("</article>", f"{html}</article>"))


@pytest.mark.parametrize(
    ("article", "promise"),
    [
        (replace(ARTICLE, evidence=("reading broke: x",)), "is read to its end"),
        (replace(ARTICLE, title="Rain\nat last"), "has a title of one line"),
        (replace(ARTICLE, text=None), "has all of the text or nothing"),
        (replace(ARTICLE, published_at="2099-01-01"), "has no dates in the future"),
        (replace(ARTICLE, lead_image="javascript:x"), "links to the web only"),
        (replace(ARTICLE, site_name="\ud800"), "is JSON in UTF-8"),
    ],
)
def test_what_an_article_does_not_keep_is_told(article: Article, promise: str) -> None:
    assert promise in [broken.split(" (")[0] for broken in broken_promises(article, CAPTURED)]


def _raises(case: Case) -> Article:
    raise KeyError("x")


def _is_slow(case: Case) -> Article:
    begun = time.process_time()
    while time.process_time() - begun < 0.2:
        pass
    return ARTICLE


def _changes() -> Callable[[Case], Article]:
    articles = iter([ARTICLE, replace(ARTICLE, title="Snow")])
    return lambda case: next(articles)


@pytest.mark.parametrize(
    ("read", "expected"),
    [(_raises, ["raises KeyError: 'x'"]), (_is_slow, ["is slow"]), (_changes(), ["reads the same twice"])],
    ids=["raises", "slow", "changes"],
)
def test_how_a_page_is_read_is_watched(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[Case], Article], expected: list[str]
) -> None:
    monkeypatch.setattr(fuzz_extract, "read", read)
    monkeypatch.setattr(fuzz_extract, "READ_TWICE", 1)
    monkeypatch.setattr(fuzz_extract, "PER_PAGE", 0.1)
    monkeypatch.setattr(fuzz_extract, "PER_BYTE", 0)
    assert check(CASE) == expected


def test_memory_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([0, fuzz_extract.MOST_MEMORY + 1])
    monkeypatch.setattr(fuzz_extract, "peak_memory", lambda: next(peaks))
    assert check(CASE) == ["takes much memory"]
