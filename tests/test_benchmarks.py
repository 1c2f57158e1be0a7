"""The benchmark measures what it says: the same pages in every run, and both sides read them."""

from __future__ import annotations

import gzip
import hashlib

from archiver.extract import extract_html
from benchmarks.crawl import parts
from benchmarks.crawl.schedule import keep_schedule
from benchmarks.crawl.site import LARGEST, SHELVES, SMALLEST, make_page, make_response, make_story


def test_a_page_is_the_same_bytes_in_every_run() -> None:
    assert hashlib.sha1(make_page(7)).hexdigest() == "0a5def615188235b2fe2b3a9bd92be5bf4f23147"


def test_pages_are_as_large_as_news_pages_are() -> None:
    sizes = [len(make_page(number)) for number in range(20)]
    assert min(sizes) > 0.9 * SMALLEST
    assert max(sizes) < 1.1 * LARGEST
    assert len(set(sizes)) == 20


def test_pages_are_served_gzip_coded() -> None:
    head, _, body = make_response(7).partition(b"\r\n\r\n")
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert gzip.decompress(body) == make_page(7)


def test_a_page_reads_as_an_article() -> None:
    article = extract_html(make_page(7), "http://127.0.0.1/news/00007.html")
    assert article.outcome == "saved"
    assert article.title
    assert article.title in make_page(7).decode()
    assert article.published_at == "2026-01-01T11:19:00+00:00"
    assert (article.word_count or 0) > 500


def test_the_parts_can_be_compared() -> None:
    compared = parts.compare(pages=2, passes=1)
    assert all(ours > 0 and theirs > 0 for passes in compared.values() for ours, theirs in passes)


def test_stories_of_a_series_differ_in_all_that_is_the_article() -> None:
    one, other = (extract_html(make_story(number), "http://127.0.0.1/") for number in (3, 3 + SHELVES))
    assert one.outcome == other.outcome == "saved"
    lines = [set((article.text or "").splitlines()) for article in (one, other)]
    assert lines[0].isdisjoint(lines[1])
    assert make_story(3) == make_story(3)


def test_a_daemon_keeps_its_sites_on_schedule() -> None:
    kept = keep_schedule(40, hours=1, waits=1)
    assert kept.crawls in range(40 * 4, 40 * 5 + 1)
