"""Scrapy's settings, and ours beside them; docs/settings.md explains those people may want to change.

The environment overrides the ``ARCHIVER_*`` ones and a few of Scrapy's, ``-s NAME=VALUE`` all of them.
"""

from __future__ import annotations

import os

from archiver import __version__

BOT_NAME = "article-archiver"
SPIDER_MODULES = ["spiders"]
NEWSPIDER_MODULE = "spiders"
USER_AGENT = os.environ.get("ARCHIVER_USER_AGENT") or f"article-archiver/{__version__}"

# Where captures go.
ARCHIVER_ARCHIVE = "./archive"
ARCHIVER_OPERATOR = ""
ARCHIVER_SEGMENT_BYTES = 1_000_000_000
ARCHIVER_SEGMENT_AGE = 900.0
ARCHIVER_MAX_CAPTURE = 512 * 2**20
ARCHIVER_KEEP_CREDENTIALS = False
ARCHIVER_WAIT_FOR_UPLOAD = False
ARCHIVER_FINALISE_WHEN_IDLE = False

# Who may be reached.
ARCHIVER_ALLOW_PRIVATE = False
ARCHIVER_PROXY = ""

# What is archived besides pages: the most of one page, bytes of each, and seconds that a save waits for them.
ARCHIVER_REQUISITES = False
ARCHIVER_REQUISITES_PER_PAGE = 300
ARCHIVER_REQUISITE_BYTES = 20 * 2**20
ARCHIVER_REQUISITES_SECONDS = 300.0
ARCHIVER_WAIT_FOR_REQUISITES = False

# How long a crawl bears with a server, in seconds.
ARCHIVER_LONGEST_CRAWL_DELAY = 60.0
ARCHIVER_LONGEST_REST = 300.0

# How pages are read.
ARCHIVER_SITES = ""
ARCHIVER_READERS = 0
ARCHIVER_READ_SECONDS = 30.0
ARCHIVER_OBEY_OPT_OUT = False

DOWNLOAD_HANDLERS = {
    "http": "archiver.crawl.handler.CaptureDownloadHandler",
    "https": "archiver.crawl.handler.CaptureDownloadHandler",
    "file": None,
    "data": None,
    "ftp": None,
    "s3": None,
}
DOWNLOADER = "archiver.crawl.downloader.PunctualDownloader"
DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "archiver.crawl.robots.Robots": 100,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
    "archiver.crawl.middlewares.LenientCompression": 590,
    "scrapy.downloadermiddlewares.cookies.CookiesMiddleware": None,
    "archiver.crawl.middlewares.OfflineCookies": 700,
}
ITEM_PIPELINES = {"archiver.crawl.pipeline.ArticlePipeline": 500}
TWISTED_DNS_RESOLVER = "archiver.crawl.address.PublicResolver"

# What readers of the archive can undo: pywb and warcio know neither br nor zstd well enough.
DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en",
    "Accept-Encoding": "gzip, deflate",
}
DOWNLOAD_MAXSIZE = 16 * 2**20  # most that is kept in memory, and most a body may decode to
DOWNLOAD_WARNSIZE = 0
DOWNLOAD_TIMEOUT = 120
DOWNLOAD_FAIL_ON_DATALOSS = True
CONCURRENT_ITEMS = 4  # a page gives one item; Scrapy starts this many tasks for each
CONCURRENT_REQUESTS = 16
CONCURRENT_REQUESTS_PER_DOMAIN = 4
DOWNLOAD_DELAY = 0
RETRY_TIMES = 2
RETRY_HTTP_CODES = [500, 502, 503, 504, 522, 524, 408]  # not 429: asked to slow down, we do not ask again at once
REDIRECT_MAX_TIMES = 10
METAREFRESH_MAXDELAY = 5
HTTPERROR_ALLOW_ALL = True
ROBOTSTXT_OBEY = True
HTTPCACHE_ENABLED = False
HTTPPROXY_ENABLED = False  # ARCHIVER_PROXY instead: one from the environment would bypass the address checks
REACTOR_THREADPOOL_MAXSIZE = 20
REMOTE_CONTROL_ENABLED = False
TELNETCONSOLE_ENABLED = False
LOG_LEVEL = "INFO"

_FROM_ENVIRONMENT = [name for name in globals() if name.startswith("ARCHIVER_")]
_FROM_ENVIRONMENT += ["DOWNLOAD_TIMEOUT", "DOWNLOAD_MAXSIZE", "DOWNLOAD_VERIFY_CERTIFICATES"]
globals().update({name: os.environ[name] for name in _FROM_ENVIRONMENT if os.environ.get(name)})
