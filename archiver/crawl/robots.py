"""robots.txt as RFC 9309 has it: what it forbids is not fetched, and while it cannot be had, nothing is.

Scrapy's own middleware takes any answer for rules and any failure for permission, and in 2.19 gives the rules only to
the first of several requests that wait for them.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.robotstxt import ProtegoRobotParser

from archiver.crawl.downloader import PunctualDownloader

FIRST = 1000
"""Priority of robots.txt among the requests of its host."""
MOST_BYTES = 512 * 1024
"""Read of a robots.txt; RFC 9309 asks for 500 KiB at least."""
AI_AGENTS = (
    "GPTBot",
    "ClaudeBot",
    "CCBot",
    "Google-Extended",
    "Applebot-Extended",
    "PerplexityBot",
    "Bytespider",
    "meta-externalagent",
    "Amazonbot",
    "cohere-ai",
)
"""Crawlers for language models whose ban says how a publisher wants its texts used."""
_SIGNAL = re.compile(r"^[ \t]*(content-(?:signal|usage)[ \t]*:[^\r\n#]{1,500})", re.IGNORECASE | re.MULTILINE)


class RobotsForbid(IgnoreRequest):
    """robots.txt, or its absence, forbids a request; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a host's robots.txt says to us."""

    parser: ProtegoRobotParser | None = None
    """``None`` where there are no rules."""
    refusal: str | None = None
    """Why nothing at all may be fetched."""
    crawl_delay: float | None = None
    """Seconds."""
    statement: str | None = None
    """What it says about the use of texts by machines, in one line."""


class Robots:
    """Downloader middleware: fetches a host's robots.txt before anything else of it, and obeys."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        if not settings.getbool("ROBOTSTXT_OBEY"):
            raise NotConfigured
        self._crawler = crawler
        self._agent: str = settings["ROBOTSTXT_USER_AGENT"] or settings["USER_AGENT"]
        self._longest_delay = settings.getfloat("ARCHIVER_LONGEST_CRAWL_DELAY")
        self._hosts: dict[str, asyncio.Task[Rules]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Robots:
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        if request.meta.get("dont_obey_robotstxt"):
            return
        rules = await self._rules_of(request)
        request.meta["robots_txt"] = rules.statement
        if rules.refusal:
            raise RobotsForbid(rules.refusal)
        if rules.parser and not rules.parser.allowed(request.url, self._agent):
            raise RobotsForbid("robots.txt of the site forbids it")

    async def _rules_of(self, request: Request) -> Rules:
        parts = urlsplit(request.url)
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._hosts:
            self._hosts[host] = asyncio.ensure_future(self._fetch(host, request))
        return await asyncio.shield(self._hosts[host])

    async def _fetch(self, host: str, request: Request) -> Rules:
        from archiver.crawl.failures import explain  # which knows the refusals of this room

        assert self._crawler.engine
        meta = {"dont_obey_robotstxt": True}
        robots = Request(f"{host}/robots.txt", priority=FIRST, meta=meta, callback=NO_CALLBACK)
        try:
            response = await self._crawler.engine.download_async(robots)
        except IgnoreRequest:
            return Rules()  # it redirects for ever, or the address is refused, which the request will be told itself
        except Exception as error:  # noqa: BLE001  whatever kept it away, the rules are not known
            reason = explain(error, robots)[1]
            return Rules(refusal=f"robots.txt of the site cannot be fetched ({reason}), so nothing is until it can be")
        rules = self._read(response)
        if rules.parser is not None:
            await self._crawler.signals.send_catch_log_async(
                signal=signals.robots_parsed, robotparser=rules.parser, request=request
            )
        return rules

    def _read(self, response: Response) -> Rules:
        if response.status == 429 or response.status >= 500:
            return Rules(refusal=f"robots.txt of the site answers {response.status}, so nothing is until it is there")
        if not 200 <= response.status < 300:
            return Rules()
        body = response.body[:MOST_BYTES]
        parser = ProtegoRobotParser(body, None)
        delay = parser.crawl_delay(self._agent)
        statement = _statement(parser, body.decode("utf-8", "replace"), response.url)
        if delay is not None and delay > self._longest_delay:
            refusal = f"robots.txt asks for {delay:g} s between requests, more than {self._longest_delay:g} s"
            return Rules(parser, refusal, delay, statement)
        if delay:
            downloader = self._crawler.engine.downloader if self._crawler.engine else None
            if isinstance(downloader, PunctualDownloader):
                downloader.keep_apart(urlsplit(response.url).hostname or "", delay)
        return Rules(parser, None, delay, statement)


def _statement(parser: ProtegoRobotParser, text: str, url: str) -> str | None:
    signals_made = [" ".join(line.split()) for line in _SIGNAL.findall(text)[:10]]
    root = url.removesuffix("robots.txt")
    banned = [agent for agent in AI_AGENTS if not parser.allowed(root, agent)]
    if banned and not parser.allowed(root, "any-other-crawler"):
        banned = []  # everybody is
    said = [*signals_made, *([f"Disallow: {', '.join(banned)}"] if banned else [])]
    return "; ".join(said) or None
