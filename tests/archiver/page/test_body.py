"""Where the body of an article is found: one invented page for each way in which pages hide it."""

from __future__ import annotations

import json
import time

import pytest

from archiver.article import Article
from archiver.extract import extract_html
from tests.archiver.page.pages import json_ld

URL = "https://www.ledgerwire.test/news/2026/harbour"
TITLE = "Harbour closed for a third day"
TEXT = [
    "The harbour was closed for the third day running as nobody was found to man the pilot boat, its master said.",
    "Two ships with timber turned back on Monday evening, and a third has been waiting off the mole since Saturday.",
    "The pilots say that the boat leaks, and that they have said so in writing to the board every month since June.",
    "The board will meet on Thursday, when the weather is expected to have settled the matter on its own account.",
    "Fishermen, who need no pilot, sold their catch at twice the price that they had asked for in the week before.",
]  # fmt: skip
OTHER = [
    "The museum of clocks has bought a sundial that was found in a field, and hopes that summer will be a bright one.",
    "Its director said that the piece was made for another latitude, so that it would be eleven minutes slow in town.",
]
LONG = [f"On day {day}, {text}" for day in range(4) for text in TEXT]
NEWS = json_ld(json.dumps({"@type": "NewsArticle", "headline": TITLE}))


def read(body: str, head: str = NEWS) -> Article:
    return extract_html(f"<html><head><title>{TITLE}</title>{head}</head><body>{body}</body></html>", URL)


def lines_of(body: str, head: str = NEWS) -> list[str]:
    return (read(body, head).text or "").split("\n")


def paragraphs(texts: list[str], form: str = "<p>{}</p>") -> str:
    return "".join(map(form.format, texts))


STORY = f"<h1>{TITLE}</h1><div class='copy'>{paragraphs(TEXT)}</div>"


@pytest.mark.parametrize(
    "dialog",
    [
        "<div role='dialog'>{}</div>",
        "<section class='x' aria-modal='true'>{}</section>",
        "<div id='onetrust-consent-sdk'><div>{}</div></div>",
        "<dialog open>{}</dialog>",
    ],
)
def test_a_consent_dialog_longer_than_the_story_is_not_taken_for_it(dialog: str) -> None:
    ask = "We and our 812 partners store and read information on your device, such as unique identifiers, number {}."
    box = dialog.format(paragraphs([ask.format(n) for n in range(40)]))
    assert lines_of(f"<div>{box}</div><div>{STORY}</div>") == TEXT
    assert lines_of(f"<article>{STORY}</article>{box}") == TEXT


def test_a_page_that_is_one_dialog_is_read() -> None:
    assert lines_of(f"<div role='dialog' aria-modal='true'>{STORY}</div>") == TEXT


@pytest.mark.parametrize("name", ["comments", "reader-comments", "c-comment-thread"])
def test_comments_are_no_part_of_the_article(name: str) -> None:
    said = [
        f"I was there myself on day {n} and saw nobody, neither pilots nor boats, only a very wet dog."
        for n in range(12)
    ]
    comments = paragraphs(said, "<div class='entry'><b>Ann</b><p>{}</p></div>")
    assert lines_of(f"<main>{STORY}<div class='{name}'>{comments}</div></main>") == TEXT


def test_articles_that_follow_when_scrolled_are_left_out() -> None:
    text = f"<h1>Sundial bought for the museum</h1><div class='copy'>{paragraphs(OTHER * 9)}</div>"
    second = f"<article class='a'>{text}</article>"
    assert lines_of(f"<main><article class='a'>{STORY}</article>{second}{second}</main>") == TEXT


def test_sections_with_headings_of_the_first_order_stay() -> None:
    sections = f"<div><h1>{TITLE}</h1>{paragraphs(TEXT[:3])}<h1>What comes next</h1>{paragraphs(TEXT[3:])}</div>"
    assert lines_of(f"<article>{sections}</article>") == [*TEXT[:3], "What comes next", *TEXT[3:]]


def test_a_text_in_two_containers_is_read_to_its_end() -> None:
    box = "<aside><p>Follow us wherever you go, by land and by sea.</p></aside>"
    one, two = (f"<div class='{n}'>{paragraphs(part, MARKED)}</div>" for n, part in SPLIT.items())
    assert lines_of(f"<main><div><h1>{TITLE}</h1></div><div>{one}</div>{box}<section>{two}</section></main>") == LONG


MARKED = "<p class='t'>{}</p>"
SPLIT = {"article-body": LONG[:17], "rest": LONG[17:]}


@pytest.mark.parametrize(
    "wall", ["{}", "<div class='wall'>{}</div>", "<div class='a'><div class='wall'>{}</div></div>"]
)
def test_the_beginning_before_a_wall_is_kept(wall: str) -> None:
    text = f"<p>{LONG[0]}</p>{wall.format(paragraphs(LONG[1:]))}"
    assert lines_of(f"<article><h1>{TITLE}</h1><section class='body'>{text}</section></article>") == LONG


def test_a_text_of_list_items_is_read() -> None:
    assert [
        line.removeprefix("- ") for line in lines_of(f"<h1>{TITLE}</h1><ul>{paragraphs(TEXT, '<li>{}</li>')}</ul>")
    ] == TEXT


def test_lists_tables_and_quotes_stay_where_they_stand() -> None:
    middle = (
        "<h2>Who waits</h2><ul><li>Anna, from Narvik</li><li>Gull, from Leith</li></ul>"
        "<blockquote><p>Nobody has asked us, and nobody will.</p></blockquote>"
        "<table><tr><th>Ship</th><th>Days</th></tr><tr><td>Anna</td><td>3</td></tr></table>"
    )
    article = read(
        f"<article><h1>{TITLE}</h1><div>{paragraphs(TEXT[:3])}{middle}{paragraphs(TEXT[3:])}</div></article>"
    )
    text = article.text or ""
    order = [*TEXT[:3], "Who waits", "Anna, from Narvik", "Nobody has asked us", "| Anna | 3 |", *TEXT[3:]]
    assert sorted(order, key=text.index) == order
    assert "## Who waits" in (article.text_markdown or "")
    assert "- Gull, from Leith" in (article.text_markdown or "")


def test_headline_and_dek_are_not_repeated_at_the_top() -> None:
    head = f"<header><h1>{TITLE}</h1></header>"
    assert lines_of(f"<article>{head}<div class='copy'><h2>{TITLE}</h2>{paragraphs(TEXT)}</div></article>") == TEXT


def test_short_paragraphs_with_a_link_stay_though_each_has_its_own_wrapper() -> None:
    said = "The master wrote as much <a href='/letter'>in his letter of June</a> to the board."
    link = f"<div class='part'><p>{said}</p></div>"
    parts = [f"<div class='part'><p>{text}</p></div>" for text in TEXT]
    found = lines_of(f"<article><h1>{TITLE}</h1><div>{''.join([*parts[:2], link, *parts[2:]])}</div></article>")
    assert found == [*TEXT[:2], "The master wrote as much in his letter of June to the board.", *TEXT[2:]]


@pytest.mark.parametrize("name", ["md-stories", "related-text", "post-share-wrap"])
def test_the_article_is_read_though_its_elements_are_named_like_boxes(name: str) -> None:
    cards = paragraphs(
        [f"<a href='/{n}'>Sundial number {n} bought</a> By Ann Lee" for n in range(9)], "<div class='card'>{}</div>"
    )
    parts = paragraphs(TEXT * 2, f"<div class='{name}'><p>{{}}</p></div>")
    text = read(f"<main><h1>{TITLE}</h1><div>{parts}</div><div class='grid'>{cards}</div></main>").text or ""
    assert [each for each in TEXT if each not in text] == []
    assert "Sundial" not in text


def test_what_follows_the_article_is_cut_off() -> None:
    about = "Ann Lee writes about harbours, boats and the people who leave them, and has done so for eleven years now."
    letter = "Get the morning letter, every day but one, by post."
    after = f"<div class='who'><p>{about}</p></div><div class='box'><p>{letter}</p></div>"
    assert lines_of(f"<main><div><h1>{TITLE}</h1>{paragraphs(LONG)}</div>{after}</main>") == LONG


def test_a_lead_beside_the_headline_is_kept() -> None:
    lead = "A boat that leaks and a board that does not meet: why nothing moves at the harbour this week."
    head = f"<section class='top'><h1>{TITLE}</h1><p class='stand'>{lead}</p></section>"
    assert lines_of(f"<main>{head}<section class='copy'>{paragraphs(TEXT)}</section></main>") == [lead, *TEXT]


def test_scripts_never_leak_into_the_text() -> None:
    camera = "<noscript><p>Turn on scripts to see the harbour camera, which shows the mole.</noscript>"
    leak = f"{camera}<script>var tide = '<p>';</script>"
    lines = lines_of(
        f"<article><h1>{TITLE}</h1><div>{paragraphs(TEXT[:2])}{leak}{paragraphs(TEXT[2:])}</div></article>"
    )
    assert lines == TEXT


def test_every_entry_of_a_live_blog_is_read_with_its_time() -> None:
    head = json_ld(json.dumps({"@type": "LiveBlogPosting", "headline": TITLE}))
    times = ["10:42", "10:05", "9:30", "9:02", "8:41"]
    entries = "".join(
        f"<article class='post'><header><time class='timestamp'>{time}</time></header><p>{text}</p></article>"
        for time, text in zip(times, TEXT, strict=True)
    )
    wanted = [line for pair in zip(times, TEXT, strict=True) for line in pair]
    assert lines_of(f"<main><h1>{TITLE}</h1><div class='feed'>{entries}</div></main>", head) == wanted


FUSION = {
    "_id": "X1",
    "content_elements": [{"type": "text", "_id": str(n), "content": text} for n, text in enumerate(TEXT)],
}
NEXT = {"props": {"pageProps": {"menu": ["News", "Sport"], "story": {"html": paragraphs(TEXT), "slug": "harbour"}}}}
RICH = {
    "story": {
        "blocks": [{"type": "paragraph", "children": [{"text": text[:20]}, {"text": text[20:]}]} for text in TEXT]
    }
}


@pytest.mark.parametrize(
    "script",
    [
        f"<script id='__NEXT_DATA__' type='application/json'>{json.dumps(NEXT)}</script>",
        f"<script>window.Fusion=window.Fusion||{{}};Fusion.globalContent={json.dumps(FUSION)};f();</script>",
        f'<script>window.__INITIAL_STATE__ = {json.dumps(RICH)[:-1]},"user":undefined}};</script>',
        f"<script>window.__NUXT__=JSON.parse({json.dumps(json.dumps(RICH))})</script>",
    ],
    ids=["next", "fusion", "initial", "nuxt"],
)
def test_an_article_in_the_state_that_a_script_embeds_is_found(script: str) -> None:
    other = f"<script>window.more={json.dumps({'items': [{'html': paragraphs(OTHER)}]})}</script>"
    article = read(f"<div id='app'><h1>{TITLE}</h1><p>Loading the story …</p></div>{other}{script}")
    assert (article.text or "").split("\n") == TEXT
    assert "text from the state embedded in a script" in article.evidence


def test_the_state_is_not_read_where_the_page_shows_the_story() -> None:
    script = (
        f"<script id='__NEXT_DATA__' type='application/json'>{json.dumps({'html': paragraphs(OTHER * 20)})}</script>"
    )
    assert lines_of(f"<article>{STORY}</article>{script}") == TEXT


def test_the_declared_body_decides_when_the_elements_say_something_else() -> None:
    declared = json_ld(json.dumps({"@type": "NewsArticle", "headline": TITLE, "articleBody": "\n".join(TEXT * 3)}))
    card = "Sundial {} was bought on the third day for the museum by the harbour, closed since its roof came down."
    cards = paragraphs([card.format(n) for n in range(20)])
    article = read(f"<main><h1>{TITLE}</h1><article>{cards}</article></main>", declared)
    assert (article.text or "").startswith(TEXT[0])
    assert "text from json-ld articleBody" in article.evidence


def test_a_declared_body_that_agrees_gives_way_to_the_elements() -> None:
    declared = json_ld(json.dumps({"@type": "NewsArticle", "headline": TITLE, "articleBody": " ".join(TEXT)}))
    assert lines_of(f"<article>{STORY}</article>", declared) == TEXT


SENTENCE = (
    "<p>Rain fell on the hills all day and all night, and nobody in the town below seemed to mind it, number {}.</p>"
)


@pytest.mark.parametrize(
    "page",
    [
        "<p>Rain " + "\\(x " * 60_000 + "</p>",
        "<p>Rain " + " \\[ x" * 60_000 + "</p>",
        "<div class='author'>" * 200 + "<p>rain</p>" * 20_000,
        "<ul><li>rain " * 2000,
        "<ul><li>" * 100 + "<li>rain fell on the hills</li>" * 20_000,
        "<figure><video>" * 100 + "<p>rain</p>" * 20_000,
        "<table><tr><td>" * 80 + "<p>rain on the hills</p>" * 10_000,
        "<div role='dialog'>" * 200 + SENTENCE * 5000,
        "<article><h1>Rain</h1><time>10:42</time>" * 4000,
        "<script>a={" + '"a":[{' * 100_000 + "</script><p>Rain</p>",
        "<script type='application/json'>" + "[" * 900 + '"rain. ' * 1000 + "</script>",
    ],
    ids=[
        "formulas",
        "blocks",
        "authors",
        "lists",
        "items",
        "figures",
        "tables",
        "dialogs",
        "articles",
        "state",
        "json",
    ],
)
def test_pages_made_to_be_slow_are_read_in_seconds(page: str) -> None:
    begun = time.process_time()
    read(f"<h1>{TITLE}</h1>{page}{''.join(map(SENTENCE.format, range(5)))}")
    assert time.process_time() - begun < 60
