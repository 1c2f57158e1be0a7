"""What a site repeats, and articles without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.article import Article
from archiver.extract import count_words, fingerprint
from archiver.repeats import (
    LEFT_OUT,
    MOST_LEFT_OUT,
    MOST_STORIES,
    ONLY_REPEATED,
    Line,
    SiteStories,
    find_repeats,
    leave_out,
    lines_left_out,
    lines_of,
    read_as,
    reasons_of,
    sizes_of,
)

PLEA = "Our reporting is free for everybody. Please support it with a gift today."
BACKGROUND = "The bridge was closed in the spring, after an inspection had found cracks in two of its arches; " * 2
LONG_PLEA = "Unlike many others we have put up no wall: we want our reporting to stay open to all who need it. " * 3


def own(name: str, count: int = 6) -> list[str]:
    return [
        f"Paragraph {number} of the story of the {name} tells what nobody else has told." for number in range(count)
    ]


def article(*lines: str, url: str = "https://a.example/story", markdown: str | None = None, **more: object) -> Article:
    text = "\n".join(lines)
    made = Article(
        url=url, title="Bridge", text=text, text_markdown=markdown or "\n\n".join(lines), word_count=count_words(text),
        text_sha256=fingerprint("Bridge", text), evidence=("HTTP 200 OK", f"{count_words(text)} words of text"),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def site_of(*stories: Article) -> SiteStories:
    site = SiteStories()
    for number, each in enumerate(stories):
        site.learn(f"page {number}", sizes_of((*lines_of(each), *lines_left_out(each))))
    return site


def cleaned(page: Article, *others: Article) -> Article:
    return leave_out(page, find_repeats(page, "this page", site_of(*others)))


def texts(page: Article) -> list[str]:
    return (page.text or "").split("\n")


def test_a_line_that_another_story_has_goes_and_is_named() -> None:
    page = cleaned(article(*own("bridge"), PLEA, "Advertisement"), article(*own("flood"), "Advertisement", PLEA))
    assert texts(page) == own("bridge")
    assert page.evidence == (
        "HTTP 200 OK",
        f"{page.word_count} words of text",
        LEFT_OUT + PLEA,
        LEFT_OUT + "Advertisement",
    )
    assert reasons_of(page) == page.evidence[:2]


def test_text_markdown_count_and_digest_agree() -> None:
    lines = [*own("bridge"), "Read more:", "- Sign up now"]
    markdown = "\n\n".join(
        [*own("bridge", 3), "## Read *more*:", *own("bridge")[3:], "> 1. [Sign up](https://x.example/a_b) **now**"]
    )
    page = cleaned(article(*lines, markdown=markdown), article(*own("flood"), "Read more", "Sign up now"))
    assert texts(page) == own("bridge")
    assert page.text_markdown == "\n\n".join(own("bridge"))
    assert page.word_count == count_words(page.text or "")
    assert page.text_sha256 == fingerprint("Bridge", page.text or "")


def test_what_no_other_story_has_stays() -> None:
    page = article(*own("bridge"), PLEA)
    assert cleaned(page) is page
    assert cleaned(page, article(*own("flood"))) is page


def test_a_line_twice_on_one_page_is_no_repeat() -> None:
    page = article(*own("bridge"), "Advertisement", "Advertisement")
    assert cleaned(page, article(*own("flood"))) is page


def test_the_same_story_under_another_address_repeats_nothing() -> None:
    page = article(*own("bridge"), PLEA)
    assert cleaned(page, page, article(*own("bridge"), "Only on the page for telephones.")) is page


def test_copies_of_one_story_count_once() -> None:
    copies = [article(*own("flood"), BACKGROUND, f"Copy {number}.") for number in range(5)]
    assert len(site_of(*copies)) == 1
    page = article(*own("bridge"), BACKGROUND)
    assert cleaned(page, *copies) is page


def test_an_older_version_of_the_page_repeats_nothing() -> None:
    older = article("Another beginning altogether.", PLEA)
    site = SiteStories()
    site.learn("this page", sizes_of(lines_of(older)))
    assert find_repeats(article(*own("bridge"), PLEA), "this page", site) == []


@pytest.mark.parametrize(("others", "goes"), [(1, False), (2, False), (3, True), (8, True)])
def test_a_paragraph_goes_only_when_many_stories_have_it(others: int, goes: bool) -> None:
    stories = [article(*own(f"flood {number}", 12), LONG_PLEA) for number in range(others)]
    page = cleaned(article(*own("bridge", 12), LONG_PLEA), *stories)
    assert (LONG_PLEA not in texts(page)) == goes


def test_background_that_a_few_of_many_stories_reuse_stays() -> None:
    stories = [article(*own(f"flood {number}"), *[BACKGROUND][: number % 4 == 0]) for number in range(20)]
    page = article(*own("bridge"), BACKGROUND)
    assert cleaned(page, *stories) is page


def test_among_many_stories_one_is_chance() -> None:
    stories = [article(*own(f"flood {number}"), *["What happens next"][: number == 0]) for number in range(30)]
    page = article(*own("bridge"), "What happens next")
    assert cleaned(page, *stories) is page
    again = article(*own("tide"), "What happens next")
    assert texts(cleaned(page, *stories, again)) == own("bridge")


def test_over_two_fifths_of_a_page_never_go() -> None:
    pleas = [f"{PLEA} This is number {number}." for number in range(6)]
    other = article(*own("flood", 20), *pleas)
    page = article(*own("bridge", 6), *pleas)
    assert cleaned(page, other) is page
    assert texts(cleaned(article(*own("bridge", 20), *pleas), other)) == own("bridge", 20)


def test_a_page_of_nothing_else_is_empty() -> None:
    others = [article(*own(f"flood {number}"), PLEA, "Subscribe") for number in range(3)]
    page = article(PLEA, "Subscribe")
    assert cleaned(page, *others[:2]) is page
    empty = cleaned(page, *others)
    assert (empty.outcome, empty.text, empty.text_markdown, empty.word_count) == ("empty", None, None, None)
    assert empty.text_sha256 is None
    assert empty.evidence == ("HTTP 200 OK", ONLY_REPEATED, LEFT_OUT + PLEA, LEFT_OUT + "Subscribe")


def test_what_is_left_of_an_article_that_is_not_free_may_be_a_teaser() -> None:
    boxes = [f"{PLEA} Box {number}." for number in range(4)]
    page = article(*own("bridge", 18), *boxes, accessible_for_free=False)
    assert (page.word_count or 0) > 300
    teaser = cleaned(page, article(*own("flood", 20), *boxes))
    assert teaser.outcome == "paywalled"
    assert "the page declares isAccessibleForFree false" in reasons_of(teaser)
    assert teaser.evidence[-1].startswith(LEFT_OUT)


def test_headline_dek_and_lead_stay() -> None:
    lead = "The council agreed on Tuesday to repair the bridge that has been closed since the spring."
    page = article(
        "Bridge",
        "It will take a year",
        lead,
        *own("bridge"),
        subtitle="It will take a year",
        description=lead[:75] + "…",
    )
    assert cleaned(page, article(*own("flood"), "Bridge", "It will take a year", lead)) is page


def test_rows_of_tables_and_numbers_stay() -> None:
    page = article(*own("bridge"), "| Team | Points |", "2026")
    assert cleaned(page, article(*own("flood"), "| Team | Points |", "2026")) is page


def test_a_list_loses_nothing_unless_more_than_half_of_it_repeats() -> None:
    recipe = article(*own("cake"), "- 1 pinch of salt", "- 3 pears", "- 2 lemons")
    assert cleaned(recipe, article(*own("soup"), "- 1 pinch of salt", "- 9 leeks")) is recipe
    links = article(*own("cake"), "- Weather", "- Tides", "- Ferries are late")
    assert texts(cleaned(links, article(*own("soup"), "- Weather", "- Tides"))) == [*own("cake"), "- Ferries are late"]


def test_lines_left_out_of_other_stories_still_count() -> None:
    other = cleaned(article(*own("flood"), PLEA), article(*own("tide"), PLEA))
    assert PLEA not in texts(other)
    assert texts(cleaned(article(*own("bridge"), PLEA), other)) == own("bridge")


def test_what_was_left_out_before_counts_as_read() -> None:
    """So a cleaned article is cleaned further exactly as the page would be."""
    pleas = [f"{PLEA} This is number {number}." for number in range(5)]
    page = article(*own("bridge", 7), *pleas)
    half = leave_out(page, map(Line.of, pleas[:3]))
    other = article(*own("flood", 30), *pleas)
    assert cleaned(page, other) is page
    assert cleaned(half, other) is half
    page = article(*own("bridge", 12), *pleas)
    half = leave_out(page, map(Line.of, pleas[:3]))
    assert cleaned(half, other).text == cleaned(page, other).text == "\n".join(own("bridge", 12))


def test_only_so_many_lines_go() -> None:
    labels = [f"Label {number} of the site" for number in range(MOST_LEFT_OUT + 1)]
    page = article(*own("bridge", 60), *labels)
    assert cleaned(page, article(*own("flood", 60), *labels)) is page
    assert cleaned(article(*labels), *(article(*own(f"flood {each}", 60), *labels) for each in range(3))).text


def test_old_stories_are_forgotten() -> None:
    site = site_of(article(*own("flood"), PLEA), *(article(*own(f"tide {number}")) for number in range(MOST_STORIES)))
    assert len(site) == MOST_STORIES
    assert find_repeats(article(*own("bridge"), PLEA), "this page", site) == []
    assert len(site._pages) == 6 * MOST_STORIES, "nothing of them is kept"


@pytest.mark.parametrize(
    "line",
    [
        PLEA,
        LONG_PLEA,
        "Read more…",
        "x" * 5000,
        "- Tides",
        "東京" * 150,
        "ß" * 201,
        f"Over… (9 characters) {LONG_PLEA}",
    ],
)
def test_the_evidence_names_the_line(line: str) -> None:
    evidence = Line.of(line).to_evidence()
    assert len(evidence) < 300
    again = Line.from_evidence(evidence)
    assert (again.key, again.size) == (Line.of(line).key, Line.of(line).size)
    assert again.to_evidence() == evidence


@given(st.lists(st.text(max_size=300)), st.lists(st.text(max_size=300)), st.data())
def test_the_text_follows_from_the_reading_and_the_evidence(
    before: list[str], others: list[str], data: st.DataObject
) -> None:
    lines = [" ".join(line.split()) for line in before if line.split()]
    reading = article(*lines)
    gone = data.draw(st.lists(st.sampled_from(lines))) if lines else []
    stored = leave_out(reading, map(Line.of, [*gone, *others]))
    again = read_as(reading, stored)
    assert (again.text, again.text_markdown, again.text_sha256) == (
        stored.text,
        stored.text_markdown,
        stored.text_sha256,
    )
    assert set(again.evidence) == set(stored.evidence)
    assert not {Line.of(line).key for line in gone if Line.of(line).key} & {line.key for line in lines_of(stored)}
