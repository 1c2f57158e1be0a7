from datetime import UTC, datetime

import pytest

from archiver.extract import extract_html

CAPTURED = datetime(2026, 11, 22, 6, 43, 43, tzinfo=UTC)
URL = "https://www.ledgerwire.test/news/story-123.html"


def test_related_links_go_but_later_paragraphs_stay() -> None:
    long = "The council met on Tuesday and agreed to close the pool until its roof is mended, which may take a year."
    body = f"""<html><body><h1>Pool to close</h1><p>{long} First.</p><p>{long} Second.</p><h3>Related</h3>
    <ul><li><a href="/1">Roof of the library mended at last</a></li><li><a href="/2">Swimmers fear</a></li></ul>
    <p>{long} Third.</p><h3>Read more</h3><p>Read more about pools in the council's report, which is long and dull.</p>
    <p>{long} Fourth.</p></body></html>"""
    text = extract_html(body, URL).text or ""
    assert [word for word in ("First", "Second", "Third", "Fourth") if f"{word}." in text] == [
        "First",
        "Second",
        "Third",
        "Fourth",
    ]
    assert "library" not in text
    assert "Related" not in text
    assert "long and dull" in text


PARAGRAPHS = [
    "The harbour was closed for the third day running because nobody could be found to man the pilot boat.",
    "Two ships turned back.",
    "The pilots say that the boat leaks, and that they have said so in writing to the board every month since June.",
]

TEASERS = [
    "Ferry fares to rise again in spring",
    "Old cranes sold for scrap to a museum",
    "Divers find the lost anchor",
]


@pytest.mark.parametrize(
    "paragraph",
    ["<p>{}</p>", "<div>{}</div>", "<span class='b'>{}</span> ", "{}<br><br>"],
    ids=["p", "div", "span", "br"],
)
@pytest.mark.parametrize(
    "teaser",
    [
        "<li><a href='/t'>{}</a></li>",
        "<div><span>07 Feb</span> <a href='/t'>{}</a></div>",
        "<div><h4><a href='/t'>{}</a></h4><p>A summary of it, which goes on for more than a dozen words.</p></div>",
    ],
    ids=["list", "dated", "summaries"],
)
@pytest.mark.parametrize("heading", ["Last news", "More from Harbours", "Read more"])
def test_every_paragraph_stays_and_every_teaser_goes(paragraph: str, teaser: str, heading: str) -> None:
    text = "".join(map(paragraph.format, PARAGRAPHS))
    teasers = "".join(map(teaser.format, TEASERS))
    body = f"""<html><body><div><h1>Harbour closed</h1><p>By Ann Lee | 07 Feb, 2019</p><div class="t">{text}</div></div>
    <div><b>{heading}</b>{teasers}</div></body></html>"""
    article = extract_html(body, URL, captured_at=CAPTURED)
    assert " ".join((article.text or "").split()) == " ".join(PARAGRAPHS)
