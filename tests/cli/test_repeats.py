"""What a site repeats is left out of its articles, as a user sees it: in a directory and in a bucket."""

from __future__ import annotations

from typing import Any

import pytest

from archiver.repeats import LEFT_OUT, MOST_SHARE
from tests.cli.command import Command, LocalPlace, Place
from tests.cli.test_reextract import make_old, revisions, rewrite
from tests.stories import story
from tests.wirelog import WireLog

SAVE = ("save", "--allow-private", "--json")
PLEA = "Our reporting is free for everybody. Please support the Courier with a gift today."
BOX = "Our standards: the newsroom rules that every reporter of the Courier signs each year."


def page(title: str, *more: str) -> str:
    return story(title, *more, PLEA, BOX)


def text(archiver: Command, url: str) -> str:
    return str(archiver("get", url, "--json").object["text"])


@pytest.fixture
def urls(archiver: Command, server: WireLog) -> list[str]:
    """Two stories: when the first was read, nothing was known."""
    return save_stories(archiver, server)


def save_stories(archiver: Command, server: WireLog) -> list[str]:
    urls = [server.page(f"/{title}", page(title)) for title in ("Bridge", "Flood")]
    for url in urls:
        said = archiver(*SAVE, url).object
        assert not [line for line in said["evidence"] if line.startswith(LEFT_OUT)], "the reasons for the outcome only"
    return urls


def test_lines_that_other_stories_have_are_left_out_and_named(place: Place, server: WireLog) -> None:
    archiver, urls = place.command, save_stories(place.command, server)
    assert PLEA in text(archiver, urls[0])
    article = archiver("get", urls[1], "--json").object
    for each in (article["text"], article["text_markdown"]):
        assert "Flood is what" in each
        assert PLEA not in each
        assert BOX not in each
    assert article["evidence"][-2:] == [LEFT_OUT + PLEA, LEFT_OUT + BOX]
    done = archiver("reextract", "--json").object
    assert done == {"segments": 1, "articles": 1, "changed": 1, "failed": 0, "unreadable": 0, "current": 1}
    cleaned = archiver("get", urls[0], "--json").object
    assert PLEA not in cleaned["text"]
    assert cleaned["evidence"][-2:] == article["evidence"][-2:]
    assert (cleaned["outcome"], cleaned["version"]) == ("saved", 1)
    stored = place.stored()
    assert archiver("reextract", "--json").object["articles"] == 0
    assert place.stored() == stored
    assert archiver("verify", "--json").object["clean"]


def test_pages_of_one_command_know_of_each_other(archiver: Command, server: WireLog) -> None:
    urls = [server.page(f"/{number}", page(f"Story {number}")) for number in range(6)]
    archiver(*SAVE, *urls)
    texts = [archiver("get", url, "--json").object["text"] for url in urls]
    assert sum(PLEA in each for each in texts) == 1


def test_an_unedited_page_is_unchanged_though_its_lines_are_known_now(archiver: Command, urls: list[str]) -> None:
    said = archiver(*SAVE, urls[0]).object
    assert (said["outcome"], said["version"]) == ("unchanged", 1)
    assert PLEA not in text(archiver, urls[0])


def test_a_plea_that_comes_or_goes_is_no_edit(archiver: Command, server: WireLog, urls: list[str]) -> None:
    archiver(*SAVE, server.page("/Tide", page("Tide")))
    server.page("/Bridge", story("Bridge"))
    assert archiver(*SAVE, urls[0]).object["outcome"] == "unchanged"
    server.page("/Flood", story("Flood", BOX))
    assert archiver(*SAVE, urls[1]).object["outcome"] == "unchanged"
    server.page("/Flood", page("Flood"))
    assert archiver(*SAVE, urls[1]).object["outcome"] == "unchanged"


def test_of_an_edit_only_the_edit_counts(archiver: Command, server: WireLog, urls: list[str]) -> None:
    correction = "An earlier version of this report gave the wrong length."
    server.page("/Bridge", page("Bridge", correction))
    said = archiver(*SAVE, urls[0]).object
    assert (said["outcome"], said["version"]) == ("saved", 2)
    change = archiver("get", urls[0], "--json").object["change"]
    assert change["fields"] == ["text"]
    assert (change["chars_added"] - len(correction), change["chars_removed"]) in ((0, 0), (1, 0))


def test_a_line_of_its_own_that_goes_is_an_edit(archiver: Command, server: WireLog) -> None:
    line = "An earlier version of this report gave the wrong length."
    url = server.page("/Bridge", page("Bridge", line))
    archiver(*SAVE, url)
    server.page("/Bridge", page("Bridge"))
    assert archiver(*SAVE, url).object["version"] == 2


def test_the_same_story_at_two_addresses_loses_nothing(archiver: Command, server: WireLog) -> None:
    urls = [server.page(path, story("Bridge")) for path in ("/a", "/b", "/a?amp=1")]
    for url in urls:
        assert archiver(*SAVE, url).object["outcome"] == "saved"
    articles = [archiver("get", url, "--json").object for url in urls]
    assert len({each["text_sha256"] for each in articles}) == 1
    assert not [line for each in articles for line in each["evidence"] if line.startswith(LEFT_OUT)]


def test_a_page_with_more_of_the_site_than_of_its_own_stays_whole(archiver: Command, server: WireLog) -> None:
    boxes = [f"{BOX} They are explained to readers in part {number} of our series." for number in range(9)]
    archiver(*SAVE, server.page("/Flood", story("Flood", *boxes)))
    url = server.page("/Tide", story("Tide", *boxes))
    archiver(*SAVE, url)
    kept = archiver("get", url, "--json").object["text"]
    assert sum(map(len, boxes)) > MOST_SHARE * len(kept)
    assert all(box in kept for box in boxes)


def test_reextract_minds_the_selection(archiver: Command, urls: list[str]) -> None:
    assert archiver("reextract", "--url", urls[1], "--json").object["articles"] == 0
    assert archiver("reextract", "--to", "2001", "--json").object["articles"] == 0
    assert archiver("reextract", "--url", urls[0], "--json").object["articles"] == 1


def test_reextract_learns_from_what_todays_reader_finds(archiver: Command, urls: list[str]) -> None:
    """The old articles know nothing: the first run must find all there is, or the second would go on."""
    rewrite(LocalPlace(archiver), make_old)
    assert archiver("reextract", "--json").object["articles"] == 2
    for url in urls:
        assert PLEA not in text(archiver, url)
    assert len(revisions(LocalPlace(archiver))) == 2
    stored = LocalPlace(archiver).stored()
    assert archiver("reextract", "--json").object["articles"] == 0
    assert LocalPlace(archiver).stored() == stored


def test_reextract_of_a_part_does_as_reextract_of_all(archiver: Command, urls: list[str]) -> None:
    rewrite(LocalPlace(archiver), make_old)
    assert archiver("reextract", "--url", urls[0], "--json").object["articles"] == 1
    assert PLEA not in text(archiver, urls[0])
    assert archiver("reextract", "--json").object["articles"] == 1
    assert not [url for url in urls if PLEA in text(archiver, url)]
    assert archiver("reextract", "--json").object["articles"] == 0


def test_what_was_left_out_once_stays_left_out(archiver: Command, server: WireLog, urls: list[str]) -> None:
    """Though today nobody else has the line: it was found when others had."""

    def forget(article: dict[str, Any]) -> None:
        if article["url"] != urls[1]:
            article.update(text="Something else altogether.", evidence=[])
        else:
            article["extractor"] = None

    rewrite(LocalPlace(archiver), forget)
    assert archiver("reextract", "--json").object["articles"] == 1
    assert PLEA not in text(archiver, urls[1])
    assert len(text(archiver, urls[1])) > 100
