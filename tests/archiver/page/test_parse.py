import pytest
from lxml import etree

from archiver.extract import extract_html
from archiver.page.parse import MOST_BYTES, MOST_TEXT, parse

URL = "https://www.ledgerwire.test/news/story-123.html"


def page_with(text: str, charset: str, *, meta: str = "", bom: bytes = b"") -> bytes:
    head = f'<meta charset="{meta}">' if meta else ""
    body = f"<html><head>{head}<title>Übergröße</title></head><body><h1>Übergröße</h1><p>{text}</p></body></html>"
    return bom + body.encode(charset)


TEXT = (
    "Der Bürgermeister sagte am Dienstag, die Straße über den Fluß werde für Fußgänger geöffnet, sobald es wärmer wird."
)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (page_with(TEXT, "utf-8"), None),
        (page_with(TEXT, "utf-8"), "text/html; charset=ISO-8859-1"),
        (page_with(TEXT, "utf-8", meta="iso-8859-1"), None),
        (page_with(TEXT, "cp1252", meta="iso-8859-1"), None),
        (page_with(TEXT, "cp1252"), "text/html; charset=windows-1252"),
        (page_with(TEXT, "utf-8", meta="no-such-charset"), "text/html; charset=zlib"),
        (page_with(TEXT, "utf-16-le", bom=b"\xff\xfe"), "text/html"),
        (page_with(TEXT, "utf-8", bom=b"\xef\xbb\xbf"), "text/html; charset=cp1252"),
        (page_with(TEXT, "utf-8", meta="utf-16"), None),
        (page_with(TEXT, "utf-8").replace(b"</p>", b"\xff</p>"), "text/html; charset=utf-8"),
    ],
)
def test_the_charset_is_found_or_survived(body: bytes, content_type: str | None) -> None:
    article = extract_html(body, URL, content_type=content_type)
    assert article.title == "Übergröße"
    assert (article.text or "").replace("\ufffd", "").startswith(TEXT)


def test_a_string_is_read_as_it_is() -> None:
    assert extract_html(page_with(TEXT, "utf-8").decode(), URL).text == TEXT


def test_an_enormous_page_is_read_up_to_the_limit() -> None:
    start = b"<html><body><h1>Rain</h1><p>" + TEXT.encode() + b"</p><!-- "
    article = extract_html(start + b"x" * 50 * 2**20, URL)
    assert article.evidence[-1] == f"only the first {MOST_BYTES // 2**20} MB of 50 MB were read"
    assert article.text == TEXT


@pytest.mark.parametrize("tag", ["font", "div", "b", "blockquote", "span"])
def test_a_page_of_elements_never_closed_is_read_to_its_end(tag: str) -> None:
    paragraphs = [f"{number}. {TEXT}" for number in range(400)]
    article = extract_html("<h1>Straße</h1>" + "".join(f"<{tag}><p>{text}</p>" for text in paragraphs), URL)
    assert article.text == "\n".join(paragraphs)
    assert article.evidence == (f"{article.word_count} words of text",)


def test_flattening_keeps_every_word_in_its_place() -> None:
    words = [f"w{number} " for number in range(1200)]
    closing = dict.fromkeys(range(900, 1200, 3), "</i></div></b>")
    marked = (f"<{('div', 'b', 'i')[number % 3]}>{word}{closing.get(number, '')}" for number, word in enumerate(words))
    tree, notes = parse("".join(marked))
    assert tree is not None
    assert "".join(tree.itertext()).split() == "".join(words).split()
    assert max(sum(1 for _ in element.iterancestors()) for element in tree.iter()) < 256
    assert notes == ()


def test_nesting_too_deep_to_read_is_told() -> None:
    page = f"<h1>Straße</h1><p>{TEXT}</p>" + "<div>" * 3000 + f"<p>{TEXT}</p>"
    article = extract_html(page, URL)
    assert article.text == TEXT
    assert article.evidence[-1] == "nested deeper than 2,048 levels; what follows was not read"


def test_text_without_end_is_read_up_to_the_limit() -> None:
    tree, notes = parse("<div>" + f"<p>{TEXT}</p>" * (MOST_TEXT // len(TEXT) + 100) + "</div><p>the end</p>")
    assert tree is not None
    assert MOST_TEXT - len(TEXT) < len("".join(tree.itertext())) < MOST_TEXT + len(TEXT)
    assert notes == ("only the first 2,000,000 characters of text were read",)


def test_scripts_do_not_count_as_text() -> None:
    tree, notes = parse(f"<script>{'x' * MOST_TEXT}</script><p>{TEXT}</p>")
    assert tree is not None
    assert (tree.findtext(".//p"), notes) == (TEXT, ())


def _depth(tree: etree._Element) -> int:
    return max(sum(1 for _ in element.iterancestors()) for element in tree.iter())


def test_much_within_many_elements_is_flattened_and_all_text_stays() -> None:
    few, _ = parse("<div>" * 150 + "<p>rain</p>" * 50)
    many, _ = parse("<div>" * 150 + "<p>rain</p>" * 20_000)
    assert few is not None
    assert many is not None
    assert _depth(few) > 150
    assert _depth(many) < 60
    assert "".join(many.itertext()) == "rain" * 20_000
