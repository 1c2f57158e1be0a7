"""What differs between two readings of an article."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from archiver.article import Article, Author
from archiver.diff import comparable, count_characters, measure_change
from archiver.repeats import Line, leave_out


def test_fields_that_differ_are_named() -> None:
    older = Article(url="http://a.example/", title="Bridge", text="It is closed.", section="Local")
    newer = Article(url="http://a.example/", title="The bridge", text="It is open.", section="Local")
    change = measure_change(older, newer)
    assert (change.kind, change.fields) == ("edited", ("title", "text"))
    assert (change.chars_added, change.chars_removed) == (len("open"), len("closed"))


def test_a_new_byline_is_a_change_and_a_new_time_of_saving_is_none() -> None:
    older = Article(url="http://a.example/", text="Same.", modified_at="2026-01-01T00:00:00+00:00")
    newer = replace(older, modified_at="2026-01-02T00:00:00+00:00", authors=(Author("Ann Lee", None),))
    change = measure_change(older, newer)
    assert (change.fields, change.chars_added, change.chars_removed) == (("authors",), 0, 0)


def test_a_text_that_appears_or_vanishes_counts_whole() -> None:
    with_text, without = Article(url="http://a.example/", text="Five."), Article(url="http://a.example/")
    assert measure_change(without, with_text).chars_added == 5
    assert measure_change(with_text, without).chars_removed == 5


def test_lines_left_out_of_either_reading_are_no_difference() -> None:
    first = Article(url="http://a.example/", title="Bridge", text="It is closed.\nSign up now!\nAdvertisement")
    later = leave_out(first, [Line.of("Advertisement")])
    latest = leave_out(first, [Line.of("Sign up now")])
    for older, newer in ((first, later), (later, first), (later, latest)):
        one, other = comparable(older, newer)
        assert one.text == other.text
        assert one.text_sha256 == other.text_sha256
    assert comparable(first, later)[0].text == "It is closed.\nSign up now!"
    assert comparable(later, latest)[0].text == "It is closed."


@given(st.text(), st.text())
def test_what_comes_and_goes_accounts_for_the_lengths(older: str, newer: str) -> None:
    added, removed = count_characters(older, newer)
    assert len(older) - removed + added == len(newer)
    assert (added, removed) == (0, 0) or older != newer


def test_a_few_edits_in_a_long_text_are_found_without_comparing_everything_with_everything() -> None:
    """Aligned word by word, these two would take minutes."""
    text = "\n".join(f"Line {number} of the minutes of the council." for number in range(6000))
    edited = text.replace("Line 3000 ", "Line three thousand ")
    added, removed = count_characters(text, edited)
    assert 0 < removed <= len("Line 3000 of the minutes of the council.")
    assert added - removed == len("three thousand") - len("3000")
