"""The add-on: a Scrapy project that is not ours keeps what it fetches, with one line of settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archiver import Archive
from tests.crawl.crawling import read_exchanges
from tests.wirelog import wire_log

SETTINGS = """
BOT_NAME = "shop"
SPIDER_MODULES = ["shop.spiders"]
ITEM_PIPELINES = {"shop.pipelines.Upper": 300}
ADDONS = {"archiver.ArchiverAddon": 500}
ARCHIVER_ALLOW_PRIVATE = True
ARCHIVER_ARCHIVE = "kept"
"""
SPIDER = """
import scrapy

class Links(scrapy.Spider):
    name = "links"

    async def start(self):
        yield scrapy.Request(self.url)

    def parse(self, response):
        yield {"url": response.url, "title": response.css("title::text").get()}
        yield from response.follow_all(css="a.next", callback=self.parse)
"""
PIPELINE = """
class Upper:
    def process_item(self, item):
        return {**item, "title": item["title"].upper()}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    (package / "spiders").mkdir(parents=True)
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = shop.settings\n")
    (package / "__init__.py").touch()
    (package / "settings.py").write_text(SETTINGS)
    (package / "pipelines.py").write_text(PIPELINE)
    (package / "spiders/__init__.py").touch()
    (package / "spiders/links.py").write_text(SPIDER)
    return tmp_path


def scrapy(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ARCHIVER_", "SCRAPY_"))}
    command = [sys.executable, "-m", "scrapy", *arguments]
    return subprocess.run(command, cwd=project, env=inherited, capture_output=True, text=True, timeout=120)


def test_a_foreign_spider_keeps_every_exchange_byte_for_byte(project: Path) -> None:
    with wire_log() as server:
        server.page("/robots.txt", "User-agent: *\nAllow: /", content_type="text/plain")
        server.page("/first", '<title>first</title><a class="next" href="/moved">on</a>')
        server.pages["/moved"] = b"HTTP/1.1 302 Found\r\nlocation: /second\r\nX-Odd:  a \r\nContent-Length: 0\r\n\r\n"
        server.page("/second", "<title>second</title>")
        done = scrapy(project, "crawl", "links", "-a", f"url={server.http}/first", "-O", "items.jsonl")
        assert done.returncode == 0, done.stderr
        sent = {each.path: (each.request, each.response) for each in server.exchanges}
    items = [json.loads(line) for line in (project / "items.jsonl").read_text().splitlines()]
    assert [item["title"] for item in items] == ["FIRST", "SECOND"]
    exchanges = read_exchanges(project / "kept")
    kept = {each.url.removeprefix(server.http): (each.request, each.response) for each in exchanges}
    assert kept == sent
    assert set(kept) >= {"/first", "/moved", "/second"}
    with Archive.open(project / "kept") as archive:
        (snapshot,) = archive.snapshots(server.http + "/second")
        assert snapshot.body().startswith(b"<title>second")
        assert archive.verify().is_clean


def test_the_spiders_own_address_checks_come_along(project: Path) -> None:
    settings = project / "shop/settings.py"
    settings.write_text(settings.read_text().replace("ARCHIVER_ALLOW_PRIVATE = True", ""))
    with wire_log() as server:
        server.page("/first", "<title>first</title>")
        done = scrapy(project, "crawl", "links", "-a", f"url={server.http}/first")
        assert server.exchanges == []
    assert "item_scraped_count" not in done.stderr
