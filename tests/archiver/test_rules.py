"""Rules find what they name on the pages of their day, and no page can make them take long."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from archiver.article import Author
from archiver.extract import Page, extractor, read_page
from archiver.page.rules import FIELDS, Rule, rules_digest

PAGE = """<!doctype html><html lang="en"><head><title>Wrong title</title>
<meta property="og:title" content="Wrong title"><meta name="author" content="Wrong Author">
<meta property="article:published_time" content="2018-01-01T10:00:00Z"><meta name="x-topic" content="Harbours"></head>
<body><div class="masthead"><h2 class="headline">Harbour wall gives way</h2><p class="dek">Divers are looking.</p></div>
<p class="by">By <a href="/staff/ann">Ann Lee</a> and <a href="/staff/bo">Bo Ek</a></p>
<span class="when">Posted 07.02.2019, 18:21 Uhr</span><i class="lock"></i>
<ul class="tags"><li>Harbour</li><li>Sea</li></ul>
<img class="main" src="/wall.jpg"><ul class="crumbs"><li>Home</li><li>Coast</li></ul>
<div class="promo"><p>Subscribe to our newsletter now, and never miss a single story about the harbour again.</p></div>
<div id="story"><h2>Harbour wall gives way</h2>{paragraphs}<ul><li>first thing</li><li>second thing</li></ul>
<div class="promo">Buy our calendar</div><blockquote>It was loud.</blockquote>
<p>The <b>last</b> word.<br>And a line.</p>
<script>var a = "no text";</script><p style="display:none">hidden</p></div>
<div class="comments"><p>I said so all along, and nobody in this town ever listens to what the fishermen say.</p></div>
</body></html>"""
PARAGRAPHS = "".join(
    f"<p>Paragraph {n} tells how the wall of the old harbour gave way in the night, and who saw it.</p>"
    for n in range(5)
)


def page(*rules: Rule, html: str | None = None, captured: datetime | None = None) -> Page:
    return Page(
        url="https://example.com/wall",
        requested_url="https://example.com/wall",
        status=200,
        headers=(("Content-Type", "text/html; charset=utf-8"),),
        body=(html or PAGE.replace("{paragraphs}", PARAGRAPHS)).encode(),
        captured_at=captured or datetime(2019, 2, 8, tzinfo=UTC),
        site="example",
        rules=rules,
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"field": "title", "css": "h2.headline"}, "Harbour wall gives way"),
        ({"field": "title", "css": "h2.headline::text"}, "Harbour wall gives way"),
        ({"field": "title", "xpath": "string(//h2[@class='headline'])"}, "Harbour wall gives way"),
        ({"field": "title", "xpath": "//*[has-class('headline')]"}, "Harbour wall gives way"),
        ({"field": "subtitle", "css": ".dek"}, "Divers are looking."),
        ({"field": "section", "css": ".crumbs li:last-child"}, "Coast"),
        ({"field": "section", "css": "meta[name=x-topic]"}, "Harbours"),
        ({"field": "section", "css": ".lock", "value": "Members"}, "Members"),
        ({"field": "breadcrumbs", "css": ".crumbs li"}, ("Home", "Coast")),
        ({"field": "tags", "css": ".tags li"}, ("Harbour", "Sea")),
        ({"field": "lead_image", "css": "img.main"}, "https://example.com/wall.jpg"),
        ({"field": "language", "xpath": "//html", "attribute": "lang", "value": "de-AT"}, "de"),
        ({"field": "accessible_for_free", "css": ".lock", "value": False}, False),
        ({"field": "accessible_for_free", "xpath": "not(//i[@class='lock'])"}, False),
        (
            {"field": "published_at", "css": ".when", "regex": r"\d.*\d", "date_format": "%d.%m.%Y, %H:%M"},
            "2019-02-07T18:21",
        ),
        ({"field": "published_at", "css": ".when", "regex": r"(\d\d\.\d\d\.\d{4}),"}, "2019-02-07"),
        ({"field": "modified_at", "css": ".when", "regex": r"(\d\d\.\d\d\.\d{4}),"}, "2019-02-07"),
    ],
)  # fmt: skip
def test_a_field_is_what_its_rule_finds(rule: dict[str, Any], expected: object) -> None:
    assert getattr(read_page(page(Rule(**rule))), rule["field"]) == expected


def test_authors_are_names_with_their_links() -> None:
    each = read_page(page(Rule(field="authors", css=".by a"))).authors
    assert each == (Author("Ann Lee", "https://example.com/staff/ann"), Author("Bo Ek", "https://example.com/staff/bo"))
    assert [author.name for author in read_page(page(Rule(field="authors", css=".by"))).authors] == ["Ann Lee", "Bo Ek"]


def test_blocks_are_set_apart_and_words_are_not_torn() -> None:
    html = PAGE.replace('<p class="by">', '<div class="who"><p>By</p><p><b>A</b>nn<br>Lee</p></div><p class="by">')
    assert [author.name for author in read_page(page(Rule(field="authors", css=".who"), html=html)).authors] == [
        "Ann Lee"
    ]
    assert read_page(page(Rule(field="section", css=".who"), html=html)).section == "By Ann Lee"


def test_a_value_may_stand_in_a_script() -> None:
    html = PAGE.replace("<body>", '<body><script id="data">{"desk": "Coast"}</script>')
    rule = Rule(field="section", css="script#data", regex='"desk": "([^"]+)"')
    assert read_page(page(rule, html=html)).section == "Coast"


def test_a_date_says_that_a_rule_told_it() -> None:
    article = read_page(page(Rule(field="published_at", css=".when", regex=r"(\d\d\.\d\d\.\d{4}),")))
    assert (article.published_source, article.published_precision) == ("rule", "day")
    assert article.published_raw == "07.02.2019"
    assert read_page(page()).published_source == "meta"


def test_a_date_in_the_future_is_none() -> None:
    early = datetime(2018, 6, 1, tzinfo=UTC)
    rule = Rule(field="published_at", css=".when", regex=r"(\d\d\.\d\d\.\d{4}),")
    assert read_page(page(rule, captured=early)).published_source == "meta"


def test_the_text_is_all_that_the_container_shows_and_nothing_else() -> None:
    article = read_page(page(Rule(field="text", css="#story"), Rule(field="remove", css=".promo"),
                             Rule(field="title", css="h2.headline")))  # fmt: skip
    assert article.text is not None
    assert article.text.splitlines()[5:] == [
        "- first thing", "- second thing", "It was loud.", "The last word.", "And a line.",
    ]  # fmt: skip
    assert article.text.startswith("Paragraph 0 tells")
    assert article.text_markdown is not None
    assert article.text_markdown.endswith("> It was loud.\n\nThe **last** word.\n\nAnd a line.")
    assert "text from the site's rules" in article.evidence
    assert article.outcome == "saved"


def test_several_containers_are_joined_and_one_within_another_counts_once() -> None:
    rules = (Rule(field="text", css=".dek, #story, #story p"), Rule(field="remove", css=".promo"))
    text = read_page(page(*rules)).text or ""
    assert text.startswith("Divers are looking.")
    assert text.count("Paragraph 3") == 1


def test_what_is_removed_is_not_read_generically_either() -> None:
    everything = read_page(page(Rule(field="remove", css="#story, .promo"))).text or ""
    assert "Paragraph 3" not in everything
    assert read_page(page()).section is None
    with_section = PAGE.replace("<body>", '<meta property="article:section" content="Coast"><body>')
    assert read_page(page(html=with_section)).section == "Coast"
    assert read_page(page(Rule(field="remove", css="meta"), html=with_section)).section is None


def test_the_text_around_what_is_removed_stays_apart() -> None:
    html = PAGE.replace(
        "{paragraphs}", "<p>one<span class='ad'>AD</span>two</p><div class='ad'>AD</div>three" + PARAGRAPHS
    )
    article = read_page(page(Rule(field="text", css="#story"), Rule(field="remove", css=".ad"), html=html))
    assert (article.text or "").splitlines()[1:3] == ["onetwo", "three"]


def test_the_first_rule_that_finds_something_wins() -> None:
    rules = [Rule(field="title", css=css) for css in (".nowhere", "h2.headline", ".dek")]
    assert read_page(page(*rules)).title == "Harbour wall gives way"
    assert read_page(page(Rule(field="title", css=".headline", regex="^Sea"), rules[2])).title == "Divers are looking."


def test_where_no_rule_finds_anything_the_generic_reading_stands() -> None:
    article, generic = read_page(page(Rule(field="title", css=".no"), Rule(field="text", css=".no"))), read_page(page())
    assert (article.title, article.text) == (generic.title, generic.text)
    assert "no rule found the text; it was read as on any site" in article.evidence


def test_a_table_of_data_is_rows_and_one_of_layout_is_not_there() -> None:
    data = "<table><tr><th>Port</th><th>Ships</th></tr><tr><td>Averill</td><td>12</td></tr></table>"
    layout = "<table><tr><td><p>in a cell</p></td></tr></table>"
    html = PAGE.replace("{paragraphs}", PARAGRAPHS + data + layout)
    article = read_page(page(Rule(field="text", css="#story"), html=html))
    assert "\nPort | Ships\nAverill | 12\nin a cell\n" in (article.text or "")
    assert "| Port | Ships |\n| --- | --- |\n| Averill | 12 |" in (article.text_markdown or "")


def test_the_extractor_names_the_rules_and_changes_with_them() -> None:
    one, other = Rule(field="title", css="h2"), Rule(field="title", css="h1")
    named = read_page(page(one)).extractor
    assert named is not None
    assert named.profile == f"{extractor().profile}, rules of example {rules_digest([one])}"
    assert read_page(page(other)).extractor != named
    assert read_page(page()).extractor == extractor()
    assert rules_digest([replace(one, valid_until=date(2020, 1, 1), line=7)]) == rules_digest([one])


def test_a_page_that_is_no_article_names_its_rules_too() -> None:
    rule = Rule(field="title", css="h2")
    for each in (page(rule, html="%PDF-1.4"), page(rule, html="<p></p>"), replace(page(rule), status=404)):
        assert read_page(each).extractor == extractor((rule,), "example")


def test_a_page_with_rules_travels_to_a_reader_process() -> None:
    sent = page(Rule(field="title", css="h2.headline", valid_from=date(2019, 1, 1), line=3))
    assert pickle.loads(pickle.dumps(sent)) == sent


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"field": "titel", "css": "h1"}, "did you mean 'title'"),
        ({"field": "title"}, "either css or xpath"),
        ({"field": "title", "css": "h1", "xpath": "//h1"}, "either css or xpath"),
        ({"field": "title", "css": "h1["}, "is no CSS selector"),
        ({"field": "title", "xpath": "//h1["}, "cannot be used as XPath"),
        ({"field": "title", "xpath": "//no:h1"}, "cannot be used as XPath"),
        ({"field": "title", "xpath": "document('/etc/passwd')"}, "cannot be used as XPath"),
        ({"field": "title", "xpath": "re:test(., 'a')"}, "cannot be used as XPath"),
        ({"field": "title", "xpath": "boolean(//h1)"}, "only true or false"),
        ({"field": "title", "css": "h1", "regex": "("}, "is no regular expression"),
        ({"field": "title", "css": "h1", "date_format": "%d"}, "date_format means nothing"),
        ({"field": "title", "css": "h1", "value": True}, "value has to be"),
        ({"field": "accessible_for_free", "css": "i", "value": "no"}, "value has to be"),
        ({"field": "text", "xpath": "string(//p)"}, "has to select elements"),
        ({"field": "text", "css": "p::text"}, "has to select elements"),
        ({"field": "remove", "css": "p", "attribute": "id"}, "takes whole elements"),
        ({"field": "title", "css": "h1", "valid_from": date(2020, 1, 2), "valid_until": date(2020, 1, 1)}, "is before"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Rule(**facts)


def test_a_rule_that_fails_on_a_page_is_evidence_and_the_rest_is_read() -> None:
    article = read_page(page(Rule(field="text", xpath="//p/text()"), Rule(field="subtitle", css=".dek")))
    assert article.subtitle == "Divers are looking."
    assert any(
        "the rule for text (xpath //p/text()) failed: it selects something else" in line for line in article.evidence
    )
    assert "Paragraph 3" in (article.text or "")


HOSTILE = {
    "catastrophe": (
        "<h2 class=headline>" + "a" * 1000 + "!</h2>",
        Rule(field="title", css=".headline", regex="^(a|aa)+$"),
    ),
    "everything": ("<div>" * 200 + "<b>x</b>" * 60_000, Rule(field="authors", css="*")),
    "nested text": ("<div>word " * 240 + "<p>x</p>" * 40_000, Rule(field="text", css="div, p")),
    "removals": ("<i class=ad>x</i>y" * 60_000, Rule(field="remove", css=".ad")),
    "long": ("<h2>" + "word " * 300_000 + "</h2>", Rule(field="title", css="h2")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_applying_a_rule_costs_little_on_any_page(name: str) -> None:
    """Seconds of CPU; what grows with the square of such a page takes minutes."""
    from archiver.page.findings import apply_rules
    from archiver.page.parse import parse

    html, rule = HOSTILE[name]
    tree, _ = parse(f"<html><body>{html}</body></html>")
    began = time.process_time()
    found = apply_rules(tree, [rule], "https://example.com/", datetime(2019, 2, 8, tzinfo=UTC))
    found.body("x")
    assert time.process_time() - began < 40
    assert len(str(found.values.get("title", ""))) <= 2000
    assert len(found.values.get("authors", ())) <= 30


def test_a_regular_expression_that_explodes_is_told_as_evidence() -> None:
    html, rule = HOSTILE["catastrophe"]
    article = read_page(page(rule, html=f"<html><body>{html}{PARAGRAPHS}</body></html>"))
    assert any("regular expression took more than" in line for line in article.evidence)


def test_every_field_of_a_rule_is_one_of_the_article() -> None:
    article = read_page(page())
    assert all(hasattr(article, field) for field in FIELDS if field != "remove")
