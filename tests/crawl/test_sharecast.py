"""A site in code: its spider follows links to stories only, and everybody reads them by its rules."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.archive import Archive
from archiver.demo.site import DemoSite
from archiver.reading import article_of_snapshot
from tests.crawl.crawling import ROOT

STORY = "/business/markets/soldiers-desert-as-kestovar-pay-crisis-deepens--40213.html"


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoSite]:
    with DemoSite() as site:
        yield site


@pytest.fixture(scope="module")
def crawled(demo: DemoSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("sharecast") / "archive"
    command = [sys.executable, "-m", "scrapy", "crawl", "sharecast", "-a", f"homepage={demo.url}/"]
    settings = ["-s", f"ARCHIVER_ARCHIVE={archive}", "-s", "ARCHIVER_ALLOW_PRIVATE=1", "-s", "DOWNLOAD_DELAY=0"]
    environment = {name: value for name, value in os.environ.items() if name != "ARCHIVER_SITES"}
    subprocess.run([*command, *settings], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    return archive


def lines(archive: Path) -> list[dict[str, Any]]:
    (log,) = archive.glob("crawls/**/*.jsonl.gz")
    return [json.loads(line) for line in gzip.decompress(log.read_bytes()).splitlines()]


def test_only_links_to_stories_of_the_site_are_followed(demo: DemoSite, crawled: Path) -> None:
    *attempts, summary = lines(crawled)
    fetched = {(line["kind"], line["url"].removeprefix(demo.url), line["outcome"]) for line in attempts}
    assert fetched == {
        ("support", "/robots.txt", "not_article"),
        ("support", "/", "not_article"),
        ("page", STORY, "saved"),
    }
    assert summary["attempts"] == 3


def test_its_stories_are_read_by_its_rules(demo: DemoSite, crawled: Path) -> None:
    with Archive.open(crawled, create=False) as archive:
        article = archive.snapshot(demo.url + STORY).article
    assert article is not None
    assert (article.site, article.section) == ("sharecast", "Markets")
    assert [author.name for author in article.authors] == ["Sharecast News"]
    assert (article.published_at, article.published_source) == ("2019-02-07", "rule")
    assert article.text is not None
    assert article.text.splitlines()[0].startswith("Kestovar's bonds and currency fell")
    assert article.text.splitlines()[-1].endswith("waiting to be paid.")
    assert "Last news" not in article.text


def test_a_capture_of_its_is_read_again_by_the_rules_that_bear_its_name(demo: DemoSite, crawled: Path) -> None:
    """The copy is at another address than the site's, so only its name leads to the rules."""
    with Archive.open(crawled, create=False) as archive:
        snapshot = archive.snapshot(demo.url + STORY)
        assert snapshot.article is not None
        present = archive.sites.extractor_for(snapshot.url, snapshot.date, site=snapshot.article.site)
        assert present == snapshot.article.extractor
        again = article_of_snapshot(archive, snapshot)
        assert again.extractor != present, "its address says nothing"
