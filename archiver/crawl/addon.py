"""The add-on that makes any Scrapy project keep what it fetches, byte for byte, in an archive of ours.

    ADDONS = {"archiver.ArchiverAddon": 500}

Nothing else changes: spiders, items, pipelines and middlewares of the project stay as they are. Every exchange becomes
a capture in ``ARCHIVER_ARCHIVE`` (``./archive``), those behind redirects and retries and robots.txt included.
"""

from __future__ import annotations

import os

from scrapy.settings import BaseSettings

from archiver import settings as ours

HANDLER = "archiver.crawl.handler.CaptureDownloadHandler"
PRIORITY = "addon"


class ArchiverAddon:
    """Scrapy add-on; see the module."""

    def update_settings(self, settings: BaseSettings) -> None:
        """Install the capturing download handler and the defaults it needs."""
        for name in dir(ours):
            if name.startswith("ARCHIVER_") and (name not in settings or settings[name] is None):
                settings.set(name, os.environ.get(name) or getattr(ours, name), PRIORITY)
        handlers = settings.getdict("DOWNLOAD_HANDLERS")
        settings.set("DOWNLOAD_HANDLERS", {**handlers, "http": HANDLER, "https": HANDLER}, PRIORITY)
        settings.set("DOWNLOADER", ours.DOWNLOADER, PRIORITY)
        settings.set("TWISTED_DNS_RESOLVER", ours.TWISTED_DNS_RESOLVER, PRIORITY)
        # An exchange that is answered from a cache is none, and what cannot be decoded again is of little use.
        settings.set("HTTPCACHE_ENABLED", False, PRIORITY)
        headers = dict(settings.getdict("DEFAULT_REQUEST_HEADERS"))
        headers.setdefault("Accept-Encoding", ours.DEFAULT_REQUEST_HEADERS["Accept-Encoding"])
        settings.set("DEFAULT_REQUEST_HEADERS", headers, PRIORITY)
