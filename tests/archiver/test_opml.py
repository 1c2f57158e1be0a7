from __future__ import annotations

import pytest

from archiver.errors import BadRequest
from archiver.opml import Outline, read_opml

LIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0"><head><title>Feeds</title></head><body>
 <outline text="Papers"><outline text="Coast">
  <outline type="rss" text="The  Courier" title="x" xmlUrl="https://a.example/feed" htmlUrl="https://a.example/"/>
 </outline></outline>
 <outline title="Gazette &amp; Post" XMLURL="https://b.example/rss"/>
 <outline text="Courier again" xmlUrl="https://a.example/feed"/>
 <outline text="an empty folder"/>
</body></opml>"""


def test_the_feeds_of_a_list_are_found_with_their_folders() -> None:
    assert read_opml(LIST, "list.opml") == [
        Outline("https://a.example/feed", "The Courier", "https://a.example/", ("Papers", "Coast")),
        Outline("https://b.example/rss", "Gazette & Post"),
    ]


def test_what_is_left_of_a_torn_list_is_read() -> None:
    assert [each.feed for each in read_opml(LIST[: LIST.index(b' <outline text="Courier again')], "torn")] == [
        "https://a.example/feed",
        "https://b.example/rss",
    ]


@pytest.mark.parametrize("data", [b"", b"no markup", b"<rss/>", b"\x00\x01", b"<html><body/>"])
def test_what_is_no_list_is_refused_by_its_name(data: bytes) -> None:
    with pytest.raises(BadRequest, match=r"feeds\.opml"):
        read_opml(data, "feeds.opml")


def test_entities_are_not_expanded() -> None:
    lol = b'<!DOCTYPE opml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    lol += b'<!ENTITY c SYSTEM "file:///etc/passwd">]>'
    data = lol + b'<opml><body><outline text="&c;&b;" xmlUrl="https://a.example/"/></body></opml>'
    try:
        (outline,) = read_opml(data, "bomb")
    except BadRequest:
        return
    assert "root" not in outline.title
    assert len(outline.title) <= 200
