"""A site in code: ``scrapy crawl sharecast`` archives the market news of Sharecast.

What stands in a sites file can be said in Python just as well, and then be more than that: a spider that finds the
articles its own way. Pages of the site are read by these rules whoever fetches them. The rules are made for pages such
as the demo's market story, which the front page of the demo links to: ``-a homepage=`` leads there.
"""

from __future__ import annotations

from archiver.crawl.site_spider import SiteSpider
from archiver.page.rules import Rule
from archiver.sites import Site


class SharecastSpider(SiteSpider):
    """Finds stories on the front page alone; their URLs end in a number."""

    name = "sharecast"
    site = Site(
        name="sharecast",
        homepage="https://www.sharecast.com/",
        feeds=(),
        sitemaps=(),
        sections=("/",),
        article=(r"/[a-z0-9-]+--\d+\.html$",),
        ignore=(r"/members?/",),
        delay=1.0,
        concurrency=1,
        rules=(
            Rule(field="authors", css=".byline-block a"),
            Rule(field="published_at", css=".byline-block", regex=r"\d\d? \w{3}, \d{4}", date_format="%d %b, %Y"),
            Rule(field="section", css=".crumbs li:last-child"),
            Rule(field="remove", css=".last-news"),
            Rule(field="text", css=".story-text"),
        ),
    )
