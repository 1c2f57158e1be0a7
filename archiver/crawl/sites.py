"""The configured sites, those in the sites file and those that spiders declare."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from scrapy.spiderloader import SpiderLoader

from archiver.crawl.run import project_settings
from archiver.errors import BadRequest
from archiver.sites import Site, Sites
from archiver.sites_file import read_sites


def load_sites(path: Path | None) -> Sites:
    """Read the sites file, if there is one, and add the sites in code; raises :class:`archiver.errors.BadSites`."""
    return Sites([*(read_sites(path) if path else ()), *sites_in_code()], path=path)


@cache
def sites_in_code() -> tuple[Site, ...]:
    """Return the ``site`` of every spider class that has one, in the order of the spiders' names.

    The spiders are those that Scrapy finds: the project's, through its setting ``SPIDER_MODULES``.
    """
    try:
        spiders = SpiderLoader.from_settings(project_settings())
        sites = [getattr(spiders.load(name), "site", None) for name in sorted(spiders.list())]
    except (ImportError, SyntaxError, ValueError) as error:
        raise BadRequest(f"the spiders cannot be loaded: {type(error).__name__}: {error}") from error
    return tuple(site for site in sites if isinstance(site, Site))
