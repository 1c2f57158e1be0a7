import pytest

from archiver.extract import extract_html

URL = "https://www.ledgerwire.test/news/story-123.html"
PARAGRAPHS = [
    "The harbour was closed for the third day running because nobody could be found to man the pilot boat.",
    "The pilots say that the boat leaks, and that they have said so in writing to the board every month since June.",
    "The board will meet on Monday, when the weather is expected to have settled the matter on its own.",
]
QUOTES = """<table><tr><td>Harbour bond 2027</td><td>61.40</td><td>-3.85</td></tr>
<tr><td>Pilot & Sons</td><td>412.50p</td><td>+2.3%</td></tr></table>"""


def text_of(*parts: str) -> list[str]:
    page = f"<html><body><h1>Harbour closed</h1>{''.join(parts)}</body></html>"
    return (extract_html(page, URL).text or "").split("\n")


def paragraphs(texts: list[str]) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


@pytest.mark.parametrize("heading", ["", "<tr><th>Name</th><th>Price</th><th>Change</th></tr>"])
def test_quotes_above_the_first_paragraph_are_no_text(heading: str) -> None:
    table = QUOTES.replace("<table>", f"<table>{heading}")
    assert text_of(f"<div>{table}</div>", paragraphs(PARAGRAPHS)) == PARAGRAPHS


def test_figures_between_paragraphs_stay() -> None:
    lines = text_of(paragraphs(PARAGRAPHS[:2]), QUOTES, paragraphs(PARAGRAPHS[2:]))
    assert [line for line in lines if not line.startswith("|")] == PARAGRAPHS
    assert any("412.50p" in line for line in lines)


def test_a_table_of_words_above_the_first_paragraph_stays() -> None:
    rows = ("<tr><td>Monday</td><td>closed all day</td></tr>", "<tr><td>Tuesday</td><td>open at noon</td></tr>")
    table = f"<table>{''.join(rows)}</table>"
    lines = text_of(table, paragraphs(PARAGRAPHS))
    assert any("open at noon" in line for line in lines)


def test_a_table_that_lays_out_the_page_is_none() -> None:
    *most, last = PARAGRAPHS
    menu = "<b>Sections</b>" + "".join(f'<br><a href="/{name}/">{name}</a>' for name in ("News", "Sport", "Culture"))
    heading = "<tr><th>Box</th><th>Now</th><th>Before</th></tr>"
    prices = f"<table>{heading}<tr><td>Cod</td><td>£212</td><td>£131</td></tr></table>"
    story = f"{paragraphs(most)}{prices}{paragraphs([last])}"
    lines = text_of(f"<table><tr><td>{menu}</td><td>{story}</td></tr></table>")
    assert [line for line in lines if not line.startswith("|")] == PARAGRAPHS
    assert "| Cod | £212 | £131 |" in lines
