import doctest
import itertools
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage.index
from storage.cdx import REVISIT_MIME, ArticleEntry, Entry
from storage.errors import DamagedIndex, NewerFormat, StorageFull, StorageUnavailable
from storage.index import Index, IndexCounts
from storage.urls import Match, urlkey

OpenIndex = Callable[[], Index]

STORY = "https://example.com/story"
DIGEST = "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"
OTHER_DIGEST = "sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

HYPOTHESIS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_offsets = itertools.count(1000, 1000)


def capture(timestamp: str = "20260101000000", url: str = STORY, **facts: Any) -> Entry:
    entry = Entry(urlkey(url), timestamp, url, "text/html", 200, DIGEST, next(_offsets), 700, "2026/01/01/a")
    return replace(entry, **facts)


def article(of: Entry, **facts: Any) -> ArticleEntry:
    entry = ArticleEntry(
        segment=of.segment,
        capture_offset=of.offset,
        revision=1,
        offset=10,
        length=20,
        id=f"{of.segment}:{of.offset}",
        url=of.url,
        timestamp=of.timestamp,
        site="example",
        title="Dünen & Meer",
        published_at="2026-01-01T00:00:00+01:00",
        language="de",
        outcome="saved",
        text_sha256="ab" * 32,
        version=1,
        word_count=812,
    )
    return replace(entry, **facts)


@pytest.fixture(params=["sqlite"])
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenIndex]:
    """Opens the same index again and again; another implementation is one more parameter here."""
    assert request.param == "sqlite"
    opened: list[Index] = []

    def open_it() -> Index:
        opened.append(Index.open(tmp_path / "index.sqlite3"))
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()


@pytest.fixture
def index(open_index: OpenIndex) -> Index:
    return open_index()


# What the model tests draw from: few URLs and moments, so that they meet.
URLS = [
    "http://e.com/",
    "https://www.e.com/",
    "http://e.com:8080/",
    "http://e.com/a",
    "http://e.com/A/",
    "http://e.com/a?p=2",
    "http://e.com/a/b",
    "http://e.com/ab",
    "http://blog.e.com/a",
    "http://e.community/a",
]
MOMENTS = [
    "20240228235959",
    "20240229000000",
    "20240229000001",
    "20240301000000",
    "20240301000002",
    "20241231235959",
    "20250101000000",
    "20250101000001",
]
TIMESTAMPS = st.sampled_from(MOMENTS) | st.datetimes(datetime(2023, 12, 1), datetime(2025, 2, 1)).map(
    lambda date: date.strftime("%Y%m%d%H%M%S")
)
ENTRIES = st.lists(
    st.builds(
        capture,
        timestamp=TIMESTAMPS,
        url=st.sampled_from(URLS),
        segment=st.sampled_from(["a", "b"]),
        mime=st.sampled_from(["text/html", REVISIT_MIME]),
        payload_digest=st.sampled_from([DIGEST, OTHER_DIGEST, None]),
    ),
    max_size=25,
).map(lambda entries: sorted(entries, key=lambda entry: (entry.segment, entry.offset)))


def distance(one: str, two: str) -> float:
    return abs((datetime.strptime(one, "%Y%m%d%H%M%S") - datetime.strptime(two, "%Y%m%d%H%M%S")).total_seconds())


def host(url: str) -> str:
    return url.split("/")[2].split(":")[0].removeprefix("www.")


def is_match(entry: Entry, url: str, match: Match) -> bool:
    if match == "exact":
        return entry.urlkey == urlkey(url)
    if match == "prefix":
        return entry.urlkey.startswith(urlkey(url))
    return host(entry.url) == host(url) or (match == "domain" and host(entry.url).endswith("." + host(url)))


class TestEveryIndex:
    """What any implementation of the index does."""

    @HYPOTHESIS
    @given(
        entries=ENTRIES,
        url=st.sampled_from([url for url in URLS if url[-1] not in "/2" and "8080" not in url]),
        match=st.sampled_from(["exact", "prefix", "host", "domain"]),
        since=st.none() | st.builds(lambda moment, digits: moment[:digits], TIMESTAMPS, st.integers(4, 14)),
        until=st.none() | st.builds(lambda moment, digits: moment[:digits], TIMESTAMPS, st.integers(4, 14)),
        reverse=st.booleans(),
        limit=st.none() | st.integers(0, 5),
    )
    def test_captures_agrees_with_a_plain_list(
        self,
        index: Index,
        entries: list[Entry],
        url: str,
        match: Match,
        since: str | None,
        until: str | None,
        reverse: bool,
        limit: int | None,
    ) -> None:
        index.clear()
        index.add(entries)
        expected = [
            entry
            for entry in sorted(entries, key=lambda entry: (entry.urlkey, entry.timestamp, entry.segment, entry.offset))
            if is_match(entry, url, match)
            and (since is None or since <= entry.timestamp)
            and (until is None or entry.timestamp[: len(until)] <= until)
        ]
        found = index.captures(url, match=match, since=since, until=until, reverse=reverse, limit=limit)
        assert list(found) == (expected[::-1] if reverse else expected)[:limit]

    @HYPOTHESIS
    @given(entries=ENTRIES, url=st.sampled_from(URLS), timestamp=TIMESTAMPS)
    def test_nearest_agrees_with_a_plain_list(
        self, index: Index, entries: list[Entry], url: str, timestamp: str
    ) -> None:
        index.clear()
        index.add(entries)
        same = [entry for entry in entries if entry.urlkey == urlkey(url)]
        last_first = sorted(same, key=lambda entry: (entry.segment, entry.offset), reverse=True)
        expected = min(
            last_first,
            key=lambda entry: (distance(entry.timestamp, timestamp), entry.url != url, entry.timestamp),
            default=None,
        )
        assert index.nearest(url, timestamp) == expected
        newest = max((entry.timestamp for entry in same), default=None)
        latest = index.latest(url)
        assert (latest and latest.timestamp) == newest

    @HYPOTHESIS
    @given(entries=ENTRIES, digest=st.sampled_from([DIGEST, OTHER_DIGEST]), limit=st.integers(1, 5))
    def test_originals_agrees_with_a_plain_list(
        self, index: Index, entries: list[Entry], digest: str, limit: int
    ) -> None:
        index.clear()
        index.add(entries)
        expected = sorted(
            (entry for entry in entries if entry.payload_digest == digest and not entry.is_revisit),
            key=lambda entry: (entry.timestamp, entry.segment, entry.offset),
            reverse=True,
        )
        assert index.originals(digest, final_only=False, limit=limit) == expected[:limit]

    @HYPOTHESIS
    @given(
        entry=st.builds(
            capture,
            timestamp=TIMESTAMPS,
            url=st.sampled_from(URLS) | st.text(st.characters(codec="utf-8"), max_size=30).map("http://e.com/".__add__),
            mime=st.sampled_from(["unk", "text/html", "warc/revisit", ""]) | st.text(st.characters(codec="utf-8")),
            status=st.none() | st.integers(0, 999),
            payload_digest=st.none()
            | st.text(st.characters(codec="utf-8"))
            | st.text("ABCXYZ27abc=+_ é", min_size=32, max_size=32).map("sha1:".__add__)
            | st.binary(min_size=32, max_size=32).map(lambda digest: "sha256:" + digest.hex()),
            offset=st.integers(0, 2**62),
        )
    )
    def test_a_capture_comes_back_as_it_was_added(self, index: Index, entry: Entry) -> None:
        index.clear()
        index.add([entry])
        assert list(index.captures(entry.url)) == [entry]
        if entry.payload_digest is not None and not entry.is_revisit:
            assert index.originals(entry.payload_digest, final_only=False) == [entry]

    def test_an_article_comes_back_as_it_was_added(self, index: Index) -> None:
        full = capture()
        bare = capture(url="https://example.com/bare")
        nothing = article(
            bare,
            site=None,
            title=None,
            published_at=None,
            language=None,
            outcome="empty",
            text_sha256=None,
            version=None,
            word_count=None,
        )
        index.add([full, bare], [article(full), nothing])
        assert index.articles([full, bare, capture()]) == {
            (full.segment, full.offset): article(full),
            (bare.segment, bare.offset): nothing,
        }

    @pytest.mark.parametrize("digest", ["AB" * 32, "", "no hex", "ab cd", "ab"])
    def test_an_odd_text_digest_comes_back_as_it_was(self, index: Index, digest: str) -> None:
        found = capture()
        index.add([found], [article(found, text_sha256=digest)])
        (returned,) = index.articles([found]).values()
        assert returned.text_sha256 == digest

    def test_lone_surrogates_are_replaced(self, index: Index) -> None:
        found = capture(url="http://e.com/\ud83d", mime="\udcff")
        index.add([found], [article(found, title="half a smile \ud83d")])
        (returned,) = index.captures("http://e.com/\ud83d")
        assert "\ufffd" in returned.url
        (read,) = index.articles([returned]).values()
        assert read.title == "half a smile " + "\ufffd" * 3

    def test_adding_twice_changes_nothing(self, index: Index) -> None:
        first = capture()
        for _ in range(2):
            index.add([first, first], [article(first)])
        assert list(index.captures(STORY)) == [first]
        assert index.counts().captures == index.counts().articles == 1

    def test_adding_nothing_changes_nothing(self, index: Index) -> None:
        index.add([])
        assert index.open_segments() == set()

    def test_a_new_segment_is_open_until_it_is_marked_final(self, index: Index) -> None:
        index.add([capture(segment="a"), capture(segment="b")])
        assert index.open_segments() == {"a", "b"}
        index.mark_final("a")
        assert (index.open_segments(), index.final_segments()) == ({"b"}, {"a"})

    def test_a_segment_without_captures_can_be_final(self, index: Index) -> None:
        index.mark_final("a")
        index.load_segment("b", [], [])
        assert index.final_segments() == {"a", "b"}

    def test_a_final_segment_stays_final_when_a_revision_is_added(self, index: Index) -> None:
        first = capture()
        index.load_segment(first.segment, [first], [article(first)])
        index.add([], [article(first, revision=2, title="Better")])
        assert index.final_segments() == {first.segment}
        assert [each.title for each in index.articles([first]).values()] == ["Better"]

    def test_the_highest_revision_counts_whatever_came_last(self, index: Index) -> None:
        first = capture()
        index.add([first], [article(first, revision=10)])
        index.add([], [article(first, revision=9)])
        assert [each.revision for each in index.articles([first]).values()] == [10]
        assert index.counts().articles == 1

    def test_loading_a_segment_twice_changes_nothing(self, index: Index) -> None:
        entries = [capture(f"2026010100{minute:02}00") for minute in range(30)]
        for _ in range(2):
            index.load_segment("2026/01/01/a", entries, map(article, entries))
            assert list(index.captures(STORY)) == entries
            assert len(index.articles(entries)) == 30
            assert index.counts().captures == index.counts().articles == 30
        assert index.final_segments() == {"2026/01/01/a"}

    def test_loading_a_segment_replaces_every_row_of_it(self, index: Index) -> None:
        kept, changed, gone = capture(), capture(), capture(url="https://example.com/gone")
        other = capture(segment="other")
        index.add([kept, changed, gone, other], [article(kept), article(gone)])
        new = capture()
        after = replace(changed, status=404, payload_digest=None)
        index.load_segment(kept.segment, [kept, after, new], [article(new)])
        assert list(index.captures("https://example.com", match="prefix")) == [kept, after, new, other]
        assert set(index.articles([kept, gone, new])) == {(new.segment, new.offset)}
        assert index.counts() == IndexCounts(4, 0, 1, 1, 2, "20260101000000", "20260101000000")
        index.load_segment(kept.segment, [], [])
        assert list(index.captures(STORY)) == [other]

    def test_a_segment_takes_over_what_is_loaded_under_its_name(self, index: Index) -> None:
        index.load_segment("a", [capture(segment="b")], [article(capture(segment="c"))])
        assert index.final_segments() == {"a"}
        assert index.open_segments() == set()
        assert [entry.segment for entry in index.captures(STORY)] == ["a"]

    def test_a_dropped_segment_leaves_no_trace(self, index: Index) -> None:
        gone, kept = capture(segment="a", url="https://example.com/private"), capture(segment="b")
        also_gone = capture(segment="a")
        index.add([gone, kept, also_gone], [article(gone)])
        for _ in range(2):
            index.drop_segment("a")
            assert list(index.captures("example.com", match="domain")) == [kept]
            assert index.counts() == IndexCounts(1, 0, 1, 0, 1, kept.timestamp, kept.timestamp)
            assert index.open_segments() == {"b"}

    def test_clearing_forgets_everything(self, index: Index) -> None:
        first = capture()
        index.load_segment(first.segment, [first], [article(first)])
        index.clear()
        assert index.counts() == IndexCounts(0, 0, 0, 0, 0, None, None)
        assert index.final_segments() == index.open_segments() == set()
        index.add([first])
        assert list(index.captures(STORY)) == [first]

    @pytest.mark.parametrize(
        ("since", "until", "found"),
        [
            (None, None, [0, 1, 2, 3]),
            ("2025", None, [1, 2, 3]),
            ("2026", None, [2, 3]),
            ("20251", None, [1, 2, 3]),
            ("202512", "20251231", [1]),
            ("20260101", "2026010100000", [2]),
            ("20260101000001", "20260131", []),
            (None, "2024", [0]),
            (None, "20240229", [0]),
            (None, "202402", [0]),
            (None, "20260", [0, 1, 2]),
            (None, "2026", [0, 1, 2, 3]),
            ("2027", "2025", []),
        ],
    )
    def test_since_and_until_take_four_to_fourteen_digits(
        self, index: Index, since: str | None, until: str | None, found: list[int]
    ) -> None:
        entries = [
            capture(moment) for moment in ("20240229235959", "20251231235959", "20260101000000", "20261231235959")
        ]
        index.add(entries)
        expected = [entries[number] for number in found]
        assert list(index.captures(STORY, since=since, until=until)) == expected
        assert list(index.captures(STORY, match="host", since=since, until=until)) == expected

    @pytest.mark.parametrize("wrong", ["", "202", "2026-01-01", "202601010000000", "٢٠٢٦", "2026010112000O"])
    def test_what_is_no_point_in_time_is_refused_by_name(self, index: Index, wrong: str) -> None:
        asked: list[Callable[[], object]] = [
            lambda: index.captures(STORY, since=wrong),
            lambda: index.captures(STORY, until=wrong),
            lambda: index.nearest(STORY, wrong),
            lambda: index.previous_article(STORY, wrong),
            lambda: index.add([capture(wrong)]),
            lambda: index.add([], [article(capture(), timestamp=wrong)]),
        ]
        for ask in asked:
            with pytest.raises(ValueError, match=f"unlike {wrong!r}"):
                ask()
        assert index.counts().segments == 0

    @pytest.mark.parametrize("wrong", ["2026", "20261301000000", "20260001000000", "00000101000000"])
    def test_nearest_wants_all_fourteen_digits_and_a_month(self, index: Index, wrong: str) -> None:
        with pytest.raises(ValueError, match=wrong):
            index.nearest(STORY, wrong)

    def test_days_no_month_has_and_leap_seconds_are_understood(self, index: Index) -> None:
        leap = capture("20161231235960")
        index.add([leap])
        assert index.nearest(STORY, "20170231000000") == leap

    def test_a_negative_limit_and_an_unknown_match_are_refused(self, index: Index) -> None:
        with pytest.raises(ValueError, match="-1"):
            index.captures(STORY, limit=-1)
        with pytest.raises(ValueError, match="'fuzzy'"):
            index.captures(STORY, match="fuzzy")  # type: ignore[arg-type]

    def test_nearest_counts_seconds_not_digits(self, index: Index) -> None:
        before, after = capture("20240131235950"), capture("20240201000020")
        index.add([before, after])
        assert index.nearest(STORY, "20240201000000") == before

    def test_of_two_equally_near_captures_the_earlier_is_nearest(self, index: Index) -> None:
        before, after = capture("20240131235950"), capture("20240201000010")
        index.add([after, before])
        assert index.nearest(STORY, "20240201000000") == before

    def test_of_a_redirect_and_its_target_in_one_second_the_asked_for_is_nearest(self, index: Index) -> None:
        redirect, target = capture(url="http://example.com/story", status=301), capture()
        index.add([redirect, target])
        assert index.nearest("http://example.com/story", "20260101000000") == redirect
        assert index.nearest(STORY, "20260101000000") == index.latest(STORY) == target

    def test_a_nearer_capture_wins_over_the_exact_url(self, index: Index) -> None:
        exact, nearer = capture("20260101000002"), capture("20260101000001", url="http://www.example.com/story")
        index.add([exact, nearer])
        assert index.nearest(STORY, "20260101000000") == nearer

    def test_what_was_never_captured_has_no_nearest_and_no_latest(self, index: Index) -> None:
        assert index.nearest(STORY, "20260101000000") is None
        assert index.latest(STORY) is None

    def test_originals_are_never_revisits(self, index: Index) -> None:
        original, revisit = capture(), capture(mime=REVISIT_MIME)
        index.add([revisit, original])
        assert index.originals(DIGEST, final_only=False) == [original]

    def test_originals_can_be_of_final_segments_only(self, index: Index) -> None:
        final, still_open = capture(segment="a"), capture("20270101000000", segment="b")
        index.add([still_open])
        index.load_segment("a", [final], [])
        assert index.originals(DIGEST, final_only=False) == [still_open, final]
        assert index.originals(DIGEST, final_only=True) == [final]

    def test_the_previous_article_is_the_newest_one_read_strictly_before(self, index: Index) -> None:
        old, unread, new = (capture(moment) for moment in ("20260101000000", "20260102000000", "20260103000000"))
        other_address = capture("20260101120000", url="http://www.example.com/story/")
        index.add(
            [old, unread, new, other_address],
            [
                article(old, outcome="paywalled"),
                article(unread, outcome="blocked"),
                article(new),
                article(other_address),
            ],
        )
        assert index.previous_article(STORY, "20260103000001") == article(new)
        assert index.previous_article(STORY, "20260103000000") == article(other_address)
        assert index.previous_article(STORY, "20260101120000") == article(old, outcome="paywalled")
        assert index.previous_article(STORY, "20260101000000") is None

    def test_the_previous_article_is_judged_by_its_highest_revision(self, index: Index) -> None:
        first, second = capture("20260101000000"), capture("20260102000000")
        index.add(
            [first, second],
            [
                article(first, outcome="empty"),
                article(first, revision=2, title="Found after all"),
                article(second),
                article(second, revision=2, outcome="not_article"),
            ],
        )
        previous = index.previous_article(STORY, "20270101000000")
        assert previous == article(first, revision=2, title="Found after all")

    def test_the_newest_articles_of_a_host_are_of_different_pages(self, index: Index) -> None:
        urls = (STORY, "http://www.example.com/story/", "https://example.com:8443/other", "https://a.example.com/")
        old, again, other, elsewhere = (capture(f"2026010{day}000000", url=url) for day, url in enumerate(urls, 1))
        unread = capture("20260109000000", url="https://example.com/unread")
        judged = capture("20260108000000", url="https://example.com/judged")
        index.add(
            [old, again, other, elsewhere, unread, judged],
            [
                *map(article, (old, again, other, elsewhere)),
                article(unread, outcome="blocked"),
                article(judged),
                article(judged, revision=2, outcome="paywalled"),
            ],
        )
        newest = [article(judged, revision=2, outcome="paywalled"), article(other), article(again)]
        assert index.newest_articles("http://www.example.com/anything", limit=9) == newest
        assert index.newest_articles(STORY, limit=2) == newest[:2]
        assert index.newest_articles("https://example.com:8443/", limit=9) == [article(other)]
        assert index.newest_articles("https://never.example/", limit=9) == []
        assert index.newest_articles("urn:nothing", limit=9) == []

    def test_counts_tells_what_there_is(self, index: Index) -> None:
        first, second = capture("20240101000000"), capture("20260101000000", mime=REVISIT_MIME)
        third = capture("20250101000000", url="https://example.com/other", segment="b")
        index.add([first, second, third], [article(first), article(first, revision=2)])
        assert index.counts() == IndexCounts(
            captures=3,
            revisits=1,
            urls=2,
            articles=1,
            segments=2,
            first_timestamp="20240101000000",
            last_timestamp="20260101000000",
        )

    def test_captures_are_counted_by_any_facts(self, index: Index) -> None:
        entries = [
            capture("20260101000000"),
            capture("20260101000001"),
            capture("20260102000000", status=404),
            capture("20260102000000", status=None, mime="unk"),
        ]
        first, second, third, _ = entries
        index.add(
            entries,
            [
                article(first),
                article(second, outcome="empty"),
                article(second, revision=2),
                article(third, site=None, outcome="gone"),
            ],
        )
        assert index.count_by() == [(4,)]
        assert index.count_by("day") == [("2026-01-01", 2), ("2026-01-02", 2)]
        assert index.count_by("status") == [(None, 1), (200, 2), (404, 1)]
        assert index.count_by("outcome") == [(None, 1), ("gone", 1), ("saved", 2)]
        assert index.count_by("mime", "status") == [("text/html", 200, 2), ("text/html", 404, 1), ("unk", None, 1)]
        assert index.count_by("site", "outcome") == [(None, None, 1), (None, "gone", 1), ("example", "saved", 2)]
        with pytest.raises(ValueError, match="'colour'"):
            index.count_by("colour")  # type: ignore[arg-type]

    def test_what_one_has_written_another_reads(self, index: Index, open_index: OpenIndex) -> None:
        first = capture()
        index.load_segment(first.segment, [first], [article(first)])
        other = open_index()
        assert list(other.captures(STORY)) == [first]
        assert other.final_segments() == {first.segment}

    def test_an_unfinished_reader_holds_nobody_up(self, index: Index, open_index: OpenIndex) -> None:
        entries = [capture(f"20260101{hour:02}0000") for hour in range(20)]
        index.add(entries)
        reader = index.captures(STORY)
        assert next(reader) == entries[0]
        later, latest = capture("20270101000000"), capture("20280101000000")
        index.add([later])
        open_index().add([latest])
        assert index.latest(STORY) == latest
        assert list(reader)[:19] == entries[1:]
        assert list(index.captures(STORY, reverse=True, limit=2)) == [latest, later]

    def test_a_reader_given_up_leaves_nothing_behind(self, index: Index) -> None:
        index.add([capture(), capture()])
        reader = index.captures(STORY)
        next(reader)
        del reader
        index.clear()
        assert list(index.captures(STORY)) == []

    def test_threads_share_one_index(self, index: Index) -> None:
        def work(number: int) -> None:
            for minute in range(20):
                entry = capture(f"2026010100{minute:02}00", url=f"https://example.com/{number}", segment=str(number))
                index.add([entry], [article(entry)])
                assert index.latest(entry.url) == entry
                assert entry in index.captures("https://example.com/", match="prefix")

        failures: list[BaseException] = []

        def watched(number: int) -> None:
            try:
                work(number)
            except BaseException as failure:  # reported below, in the thread of the test
                failures.append(failure)
                raise

        threads = [threading.Thread(target=watched, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert index.counts().captures == index.counts().articles == 80

    def test_a_closed_index_says_so(self, index: Index) -> None:
        index.close()
        index.close()
        with pytest.raises(ValueError, match="closed"):
            index.latest(STORY)
        with pytest.raises(ValueError, match="closed"):
            index.add([capture()])


PROCESSES = multiprocessing.get_context("spawn")
"""Spawned processes import what they run, hence the functions here."""


def write_batches(path: Path, segment: str) -> None:
    with closing(Index.open(path)) as index:
        for second in range(30):
            moment = f"202601010000{second:02}"
            index.add([capture(moment, f"https://example.com/{number}", segment=segment) for number in range(10)])


def stop_before_commit(path: Path, connection: Connection) -> None:
    class StopsBeforeCommit(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
            if sql == "COMMIT":
                connection.send("written, but not committed")
                signal.pause()
            return super().execute(sql, parameters)

    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **options: connect(*args, **options, factory=StopsBeforeCommit)  # type: ignore
    new = [capture("20270101000000", f"https://example.com/{number}/{'long' * 10}") for number in range(20_000)]
    Index.open(path).load_segment("2026/01/01/a", new, map(article, new[:100]))


class TestSQLiteIndex:
    """What only the SQLite file does."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "archive" / "index.sqlite3"

    @pytest.fixture
    def index(self, path: Path) -> Iterator[Index]:
        with closing(Index.open(path)) as index:
            yield index

    def test_two_processes_write_at_once_while_others_read(self, path: Path, index: Index) -> None:
        writers = [PROCESSES.Process(target=write_batches, args=(path, segment)) for segment in ("a", "b")]
        for writer in writers:
            writer.start()
        seen = [0]
        while any(writer.is_alive() for writer in writers):
            seen.append(index.counts().captures)
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0, 0]
        assert seen == sorted(seen)
        assert all(captures % 10 == 0 for captures in seen)
        assert index.counts().captures == 600
        assert index.open_segments() == {"a", "b"}

    def test_a_writer_killed_in_mid_transaction_leaves_nothing_half_done(self, path: Path, index: Index) -> None:
        before = [capture(f"2026010100{minute:02}00") for minute in range(5)]
        index.load_segment("2026/01/01/a", before, map(article, before))
        index.close()
        ours, theirs = PROCESSES.Pipe()
        writer = PROCESSES.Process(target=stop_before_commit, args=(path, theirs))
        writer.start()
        assert ours.recv() == "written, but not committed"
        assert path.with_name("index.sqlite3-wal").stat().st_size > 1_000_000
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        with closing(Index.open(path)) as reopened:
            assert list(reopened.captures("example.com", match="domain")) == before
            assert len(reopened.articles(before)) == 5
            reopened.add([capture("20280101000000")])
            assert reopened.counts().captures == 6

    def test_many_may_create_it_at_once(self, path: Path) -> None:
        start = threading.Barrier(8)
        opened: list[Index] = []

        def open_it() -> None:
            start.wait()
            opened.append(Index.open(path))
            opened[-1].add([capture()])

        threads = [threading.Thread(target=open_it) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(opened) == 8
        assert opened[0].counts().captures == 8
        for index in opened:
            index.close()

    def test_an_index_of_a_newer_version_is_refused_and_left_alone(self, path: Path, index: Index) -> None:
        index.add([capture()])
        index.close()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 99")
        before = path.read_bytes()
        with pytest.raises(NewerFormat, match=r"newer version of archiver; upgrade, or remove .* `archiver reindex`"):
            Index.open(path)
        assert path.read_bytes() == before

    def test_an_index_of_an_older_version_is_emptied(self, path: Path, index: Index) -> None:
        index.load_segment("a", [capture()], [])
        index.close()
        with closing(sqlite3.connect(path)) as db:
            db.executescript("ALTER TABLE captures DROP COLUMN length; CREATE TABLE old (x); PRAGMA user_version = 0")
        with closing(Index.open(path)) as emptied:
            assert emptied.counts().segments == 0
            emptied.add([capture()])
            assert emptied.latest(STORY) is not None

    @pytest.mark.parametrize(
        "content", [b"WARC/1.1\r\n", b"\0" * 5000, b"garbage " * 5000, b"SQLite format 3\0" + b"x" * 200]
    )
    def test_a_file_that_is_no_database_is_refused_and_left_alone(self, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        with pytest.raises(DamagedIndex, match=r"index.sqlite3 .*; `archiver reindex` rebuilds it") as refused:
            Index.open(path)
        assert "\n" not in str(refused.value)
        assert path.read_bytes() == content

    def test_an_empty_file_becomes_an_index(self, path: Path) -> None:
        path.parent.mkdir()
        path.touch()
        with closing(Index.open(path)) as index:
            assert index.counts().captures == 0

    def test_the_database_of_another_program_is_refused_and_left_alone(self, path: Path) -> None:
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE bookmarks (url)")
        before = path.read_bytes()
        with pytest.raises(DamagedIndex, match="another program"):
            Index.open(path)
        assert path.read_bytes() == before

    def test_pages_full_of_garbage_are_reported_as_damage(self, path: Path, index: Index) -> None:
        entries = [capture(url=f"https://example.com/{number}") for number in range(1000)]
        index.add(entries)
        index.close()
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
        with closing(Index.open(path)) as damaged:
            for ask in (
                lambda: list(damaged.captures("example.com", match="domain")),
                lambda: damaged.add([capture()]),
                damaged.counts,
            ):
                with pytest.raises(DamagedIndex, match="`archiver reindex` rebuilds it"):
                    ask()

    def test_a_missing_table_is_reported_as_damage(self, path: Path, index: Index) -> None:
        index.add([capture()])
        with closing(sqlite3.connect(path)) as db:
            db.execute("DROP TABLE captures")
        with pytest.raises(DamagedIndex, match="no such table: captures"):
            index.latest(STORY)

    def test_a_directory_in_its_place_is_reported(self, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(StorageUnavailable, match=str(path)):
            Index.open(path)

    def test_a_file_in_place_of_its_directory_is_reported(self, path: Path) -> None:
        path.parent.touch()
        with pytest.raises(StorageUnavailable, match=str(path.parent)):
            Index.open(path)

    def test_a_full_disk_undoes_the_transaction(self, index: Index) -> None:
        first = capture()
        index.add([first])
        index._writer.execute("PRAGMA max_page_count = 20")
        many = [capture(url=f"https://example.com/{number}") for number in range(2000)]
        with pytest.raises(StorageFull, match="make room"):
            index.load_segment(first.segment, many, [])
        assert list(index.captures("example.com", match="domain")) == [first]
        index._writer.execute("PRAGMA max_page_count = 100000")
        index.load_segment(first.segment, many, [])
        assert index.counts().captures == 2000

    def test_a_lock_held_too_long_is_reported(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(storage.index, "_WAIT_SECONDS", 0)
        with closing(Index.open(path)) as index, closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable, match=r"another process .* locked"):
                index.add([capture()])
            assert index.latest(STORY) is None
            other.execute("ROLLBACK")
            index.add([capture()])

    def test_the_examples_in_the_docstrings_hold(self) -> None:
        assert doctest.testmod(storage.index).failed == 0
