import pytest

from archiver.extract import extract_html

URL = "https://www.ledgerwire.test/news/story-123.html"
FIRST = "The council met on Tuesday and agreed to close the pool until its roof is mended, which may take a year."
SECOND = "Swimmers have been offered the lake instead, which is free of charge, unheated and three metres deep in May."
THIRD = "The roof was last mended in 1974, by a man who left a note in the rafters asking not to be disturbed again."


def lines_with(between: str, *, below: str = "", head: str = "", above: str = "") -> list[str]:
    """Read a story with something between its paragraphs, and return the lines that are none of them."""
    page = f"""<html><head><meta property="og:type" content="article">{head}</head><body><article><h1>Pool to close</h1>
    {above}<p>{FIRST}</p><p>{SECOND}</p>{between}<p>{THIRD}</p>{below}</article></body></html>"""
    lines = (extract_html(page, URL).text or "").splitlines()
    assert [line for line in lines if line in (FIRST, SECOND, THIRD)] == [FIRST, SECOND, THIRD]
    return [line for line in lines if line not in (FIRST, SECOND, THIRD)]


@pytest.mark.parametrize(
    "label",
    [
        "Advertisement", "ADVERTISEMENT", "Anzeige", "- Anzeige -", "Publicidad", "広告", "Реклама", "[Publicité]",
        "Article continues below advertisement", "Story continues below", "Share", "3 of 57",
    ],
)  # fmt: skip
@pytest.mark.parametrize("markup", ["<p>{}</p>", "<div><span>{}</span></div>", "<p><strong>{}</strong></p>"])
def test_labels_between_paragraphs_go(label: str, markup: str) -> None:
    assert lines_with(markup.format(label)) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Share prices of the company that owns the pool fell by a tenth.",
        "<b>Advertisement</b> in the pool is forbidden, said the mayor.",
        "Nobody will <i>share</i> a towel with the mayor from now on.",
        "Of the rafters, only <b>3 of 57</b> are thought to be sound.",
        "The roof fell in. Read more of this in the book that the builder wrote.",
    ],
)
def test_sentences_with_the_words_of_labels_stay(sentence: str) -> None:
    assert len(lines_with(f"<p>{sentence}</p>")) == 1


def test_code_with_the_words_of_labels_stays() -> None:
    [line] = lines_with('<pre><code><span class="k">print</span> <span class="n">share</span></code></pre>')
    assert "print" in line
    assert "share" in line


@pytest.mark.parametrize(
    "box",
    [
        '<div class="offer"><h3>Letters from the lake</h3><p>Get our letter on the first of every month, free.</p>'
        '<form><input type="email"><button>Join</button></form></div>',
        '<div class="b-newsletter"><p>Every Friday the best of our pages in your letter box, and never a word more.</p>'
        "</div>",
        '<section class="procon"><h3>Pros</h3><ul><li>Deep</li></ul><h3>Cons</h3><ul><li>Cold</li></ul></section>',
        "<h3>Pros</h3><ul><li>It is deep</li></ul><h3>Cons</h3><ul><li>It is cold</li></ul>",
        '<p>Read more: <a href="/1">Ducks claim the lake for themselves</a></p>',
        '<p><strong>Lesen Sie auch:</strong> <a href="/1">Enten im See</a></p>',
    ],
    ids=["address", "name", "verdict", "pros and cons", "read more", "lesen sie auch"],
)
def test_boxes_between_paragraphs_go(box: str) -> None:
    assert lines_with(box) == []


def test_an_article_in_an_element_named_like_a_box_stays() -> None:
    page = f'<body><div class="page newsletter"><h1>Pool to close</h1><p>{FIRST}</p><p>{SECOND}</p><p>{THIRD}</p></div>'
    assert (extract_html(page, URL).text or "").splitlines() == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    "note",
    ["© 2026 Ledger Wire", "Copyright 2026 Ledger Wire. All rights reserved.", "All rights reserved."],
)
def test_notes_on_rights_below_the_text_go(note: str) -> None:
    assert lines_with("", below=f"<p>{note}</p>") == []


DEK = "Swimmers are asked to use the lake for a year"


def test_the_line_below_the_headline_goes_where_the_description_repeats_it() -> None:
    head = f'<meta name="description" content="{DEK}.">'
    assert lines_with("", head=head, above=f'<p class="story__dek">{DEK}</p>') == []
    assert lines_with(f"<p>{DEK}</p>", head=head, above=f'<p class="story__dek">{DEK}</p>') == []


def test_a_first_paragraph_that_is_the_description_stays() -> None:
    assert lines_with("", head=f'<meta name="description" content="{DEK}.">', above=f"<p>{DEK}</p>") == [DEK]


def test_a_lead_in_a_box_of_its_own_is_read() -> None:
    page = (
        f'<body><div class="text"><div class="text__overview"><span>{FIRST}</span></div><p>{SECOND}</p><p>{THIRD}</p>'
    )
    assert (extract_html(page, URL).text or "").splitlines() == [FIRST, SECOND, THIRD]
