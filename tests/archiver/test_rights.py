"""What publishers say about the use of their texts by machines, in the forms in which they say it."""

from __future__ import annotations

import pytest

from archiver import settings
from archiver.article import Article, Rights
from archiver.extract import extract_html
from archiver.rights import as_permitted, reservation, withheld
from archiver.sites import Site
from tests.stories import story

Headers = tuple[tuple[str, str], ...]

RESERVED: list[tuple[Headers, str, str]] = [
    ((("tdm-reservation", "1"),), "", "tdm-reservation: 1"),
    ((("TDM-Reservation", "1"), ("TDM-Policy", "https://example.com/tdm.json")), "", "tdm-reservation: 1"),
    ((), '<meta name="tdm-reservation" content="1">', "tdm-reservation: 1"),
    ((), '<meta name="robots" content="noai, noimageai">', "robots meta tag: noai"),
    ((), '<meta name="robots" content="max-snippet:-1, NOAI">', "robots meta tag: noai"),
    ((), '<meta name="robots" content="index,follow"><meta name="robots" content="noml">', "robots meta tag: noml"),
    ((), '<meta name="gptbot" content="noai">', "robots meta tag: gptbot: noai"),
    ((("X-Robots-Tag", "noai"),), "", "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "noindex"), ("X-Robots-Tag", "noimageai, noai")), "", "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "otherbot: noindex, nofollow"), ("X-Robots-Tag", "noai")), "", "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "wanderer: noindex"), ("X-Robots-Tag", "max-snippet: 9, noai")), "", "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "max-snippet: 20, noai"),), "", "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"),), "", "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "otherbot: noindex, article-archiver: noai"),), "", "X-Robots-Tag: article-archiver: noai"),
    ((("X-Robots-Tag", "CCBot: nofollow, noai"),), "", "X-Robots-Tag: ccbot: noai"),
    ((("Content-Signal", "search=yes, ai-train=no"),), "", "Content-Signal: ai-train=no"),
    ((("Content-Signal", "ai-train=yes,search=yes,ai-input=no"),), "", "Content-Signal: ai-input=no"),
    ((("Content-Signal", "search=yes"), ("Content-Signal", "AI-Train = No")), "", "Content-Signal: ai-train=no"),
    ((("Content-Usage", "train-ai=n"),), "", "Content-Signal: train-ai=n"),
]
FREE: list[tuple[Headers, str]] = [
    ((), ""),
    ((("tdm-reservation", "0"),), ""),
    ((), '<meta name="robots" content="noindex, noarchive, noimageai, max-image-preview:large">'),
    ((), '<meta name="otherbot" content="noai">'),
    ((("X-Robots-Tag", "otherbot: noai"),), ""),
    ((("X-Robots-Tag", "otherbot: noindex, noai"), ("X-Robots-Tag", "noarchive")), ""),
    ((("X-Robots-Tag", "noindex"), ("X-Robots-Tag", "unavailable_after: Wed, 25 Jun 2030 15:00:00 PST")), ""),
    ((("Content-Signal", "search=no, ai-train=yes, ai-input=yes"),), ""),
    ((("Content-Signal", "none"),), ""),
]


@pytest.mark.parametrize(("headers", "head", "statement"), RESERVED)
def test_a_reservation_is_understood_in_each_of_its_forms(headers: Headers, head: str, statement: str) -> None:
    article = extract_html(story("A story", head=head), "https://example.com/a", headers=headers)
    assert reservation(article.rights) == statement


@pytest.mark.parametrize(("headers", "head"), FREE)
def test_what_speaks_of_search_engines_images_or_others_reserves_nothing(headers: Headers, head: str) -> None:
    article = extract_html(story("A story", head=head), "https://example.com/a", headers=headers)
    assert reservation(article.rights) is None


@pytest.mark.parametrize(
    ("said", "statement"),
    [
        ("Disallow: GPTBot, CCBot", "robots.txt bans GPTBot, CCBot"),
        ("Disallow: Bytespider, Google-Extended", "robots.txt bans Google-Extended"),
        ("Disallow: Bytespider, Amazonbot", None),
        ("Content-Signal: search=yes,ai-train=no; Disallow: CCBot", "robots.txt: ai-train=no"),
        ("content-signal: search=yes", None),
        ("Content-Usage: /news/ train-ai=n", "robots.txt: train-ai=n"),
    ],
)
def test_what_robots_txt_says_of_machines_counts_too(said: str, statement: str | None) -> None:
    assert reservation(Rights(robots_txt=said)) == statement


def test_of_several_statements_one_that_reserves_is_enough() -> None:
    rights = Rights(tdm_reservation=False, content_signal="ai-train=yes", robots_txt="Disallow: GPTBot")
    assert reservation(rights) == "robots.txt bans GPTBot"


def test_a_withheld_article_keeps_what_names_it_and_nothing_of_its_text() -> None:
    article = extract_html(
        story("A story", head='<meta name="description" content="The river rose.">'), "https://example.com/a"
    )
    kept = withheld(article, "tdm-reservation: 1")
    assert kept.outcome == "robots"
    assert "tdm-reservation: 1" in kept.evidence[-1]
    assert (kept.url, kept.title) == (article.url, "A story")
    for name in ("text", "text_markdown", "text_sha256", "word_count", "description"):
        assert getattr(article, name)
        assert getattr(kept, name) is None


def test_a_page_that_is_gone_is_gone_whatever_its_publisher_reserves() -> None:
    gone = Article(url="https://example.com/a", outcome="gone", evidence=("HTTP 404 Not Found",))
    assert withheld(gone, "tdm-reservation: 1") is gone


def test_the_entry_of_a_site_decides_then_the_crawl_then_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    article = extract_html(story("A story"), "https://example.com/a", headers=(("X-Robots-Tag", "noai"),))
    obeying, heedless, silent = (
        Site(homepage="https://example.com/", obey_opt_out=obey_opt_out) for obey_opt_out in (True, False, None)
    )
    for setting in ("1", "0", False, True):
        monkeypatch.setattr(settings, "ARCHIVER_OBEY_OPT_OUT", setting)
        for site, obey, outcome in (
            (obeying, False, "robots"),
            (heedless, True, "saved"),
            (silent, True, "robots"),
            (silent, False, "saved"),
            (None, None, "robots" if setting in ("1", True) else "saved"),
        ):
            assert as_permitted(article, site, obey=obey).outcome == outcome


def test_an_article_whose_publisher_reserves_nothing_is_the_same_under_either_rule() -> None:
    article = extract_html(story("A story"), "https://example.com/a")
    assert as_permitted(article, None, obey=True) is article
