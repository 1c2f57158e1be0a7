"""The Harbour Courier's table of contents, and what a paper makes of it: front page, sections, feed, news sitemap.

Pages are templates: ``{{site}}`` stands for the address the site is served at, without a trailing slash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape


@dataclass(frozen=True, slots=True)
class Story:
    """One line of the table of contents."""

    path: str
    headline: str
    summary: str
    author: str
    section: str
    published: datetime
    modified: datetime
    language: str = "en"


def _story(
    path: str,
    headline: str,
    summary: str,
    author: str,
    section: str,
    published: str,
    modified: str = "",
    language: str = "en",
) -> Story:
    first, last = (datetime.fromisoformat(f"{time}:00+00:00") for time in (published, modified or published))
    return Story(path, headline, summary, author, section, first, last, language)


STORIES = (
    _story(
        "/news/2019/02/08/night-ferry-returns.html",
        "Night ferry returns to Skarra after nine winters",
        "The overnight boat to Skarra sails again from Monday, nine years after the council took it off the timetable.",
        "Maren Holloway",
        "News",
        "2019-02-08 06:30",
        "2019-02-08 09:15",
    ),
    _story(
        "/news/live/storm-ingrid.html",
        "Storm Ingrid live: coast road shut, ferries held in port",
        "The storm hour by hour, from the newsroom and from readers.",
        "The Harbour Courier newsroom",
        "News",
        "2019-02-08 05:50",
        "2019-02-08 11:20",
    ),
    _story(
        "/business/markets/soldiers-desert-as-kestovar-pay-crisis-deepens--40213.html",
        "Soldiers desert as Kestovar pay crisis deepens",
        "Bonds and currency fell again after the army admitted that thousands of soldiers had gone home unpaid.",
        "Sharecast News",
        "Business",
        "2019-02-07 18:21",
    ),
    _story(
        "/news/2019/02/07/library-reading-room.html",
        "Library's glass roof opens a month early",
        "Readers have their long room back, and for the first time since 1911 they can see the sky from it.",
        "Callum Birch",
        "News",
        "2019-02-07 12:05",
        "2019-02-07 13:40",
    ),
    _story(
        "/business/2019/02/07/shipyard-order-book.html",
        "Shipyard's order book is full until 2023. Why is nobody celebrating?",
        "The yard has more work than at any time since the war, and too few people who can weld.",
        "Gil Tranter",
        "Business",
        "2019-02-07 05:00",
    ),
    _story(
        "/culture/2019/02/06/lighthouse-lens.html",
        "The lens that lit the sound comes home",
        "A lighthouse lamp sold for scrap in 1974 turns up in a barn, whole but for one prism.",
        "Ines Corrigan",
        "Culture",
        "2019-02-06 17:45",
    ),
    _story(
        "/news/2019/02/06/school-meals-inquiry.html",
        "County knew school kitchens were failing, inquiry is told",
        "Cook's letters went unanswered for two years.",
        "Sunniva Blake and Desmond Achterberg",
        "News",
        "2019-02-06 14:20",
        "2019-02-06 18:02",
    ),
    _story(
        "/business/2019/02/05/fish-market.html",
        "Cod dearest for a decade as boats stay in port",
        "Five boats had been out. The other nineteen have been tied up for eleven days.",
        "Gil Tranter",
        "Business",
        "2019-02-05 11:30",
    ),
    _story(
        "/international/2019/02/05/gruss-aus-krabbenhaven.html",
        "Gruß aus Krabbenhaven: Wie die Partnerstadt ihre Möwen zählt",
        "Jeden Februar ziehen Freiwillige mit Fernglas und Thermoskanne über die Deiche.",
        "Jörg Brüggemann",
        "International",
        "2019-02-05 09:00",
        language="de",
    ),
    _story(
        "/culture/2019/02/04/winter-walks.html",
        "Six winter walks that start at the harbour wall",
        "None is longer than an hour and a half, and all of them end near a kettle.",
        "Bettina Oyelaran",
        "Culture",
        "2019-02-04 08:00",
    ),
    _story(
        "/sport/2019/02/03/winter-regatta.html",
        "Lifeboat eight wins winter regatta by the width of a cap",
        "A photograph settled it, and then another photograph.",
        "Kit Marlowe-Diaz",
        "Sport",
        "2019-02-03 16:55",
    ),
    _story(
        "/news/2019/02/02/tide-gauge.html",
        "Town's oldest employee, a tide gauge, retires at 131",
        "It has never been late, never been ill and never once asked for a rise.",
        "The Harbour Courier",
        "News",
        "2019-02-02 10:00",
    ),
)
"""Every story that can be read, newest first."""

UNREADABLE = (
    _story(
        "/news/2019/02/08/council-papers.html",
        "Council papers: what is on Monday's agenda",
        "",
        "",
        "News",
        "2019-02-08 07:00",
    ),
    _story("/members/shipping-diary.html", "The shipping diary", "", "", "News", "2019-02-07 20:00"),
    _story("/news/2019/01/30/lost-gannet.html", "Have you seen this gannet?", "", "", "News", "2019-01-30 15:10"),
)
"""Stories the sitemap lists that a crawler does not get: behind a bot check, off limits in robots.txt, long gone."""

SECTIONS = {f"/{name.lower()}/": name for name in ("News", "Business", "Culture", "Sport", "International")}
"""Section pages and their names."""

ROBOTS = """\
User-agent: *
Disallow: /members/
Disallow: /challenge

Sitemap: {{site}}/news-sitemap.xml
"""

FEED_LENGTH = 8
"""The feed holds only the newest stories, as feeds do; the sitemap holds all."""


def teasers(stories: Iterable[Story]) -> str:
    """The list of stories on the front page and the section pages, as HTML."""
    return "\n".join(
        f'<article class="teaser">\n<h2><a href="{story.path}">{escape(story.headline, quote=False)}</a></h2>\n'
        f"<p>{escape(story.summary, quote=False)}</p>\n</article>"
        for story in stories
    )


def feed(stories: Iterable[Story]) -> str:
    """The newest of ``stories`` as RSS 2.0."""
    items = "".join(
        f"<item>\n<title>{escape(story.headline, quote=False)}</title>\n<link>{{{{site}}}}{story.path}</link>\n"
        f'<guid isPermaLink="true">{{{{site}}}}{story.path}</guid>\n'
        f"<pubDate>{format_datetime(story.published)}</pubDate>\n<category>{story.section}</category>\n"
        f"<dc:creator>{escape(story.author, quote=False)}</dc:creator>\n"
        f"<description>{escape(story.summary, quote=False)}</description>\n</item>\n"
        for story in list(stories)[:FEED_LENGTH]
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">\n<channel>\n'
        "<title>The Harbour Courier</title><link>{{site}}/</link><language>en-gb</language>"
        f"<description>Port Averill and the islands</description>\n{items}</channel>\n</rss>\n"
    )


def news_sitemap(stories: Iterable[Story]) -> str:
    """``stories`` as a sitemap with Google News' tags."""
    entries = "".join(
        f"<url>\n<loc>{{{{site}}}}{story.path}</loc>\n<lastmod>{story.modified.isoformat()}</lastmod>\n<news:news>\n"
        "<news:publication><news:name>The Harbour Courier</news:name>"
        f"<news:language>{story.language}</news:language></news:publication>\n"
        f"<news:publication_date>{story.published.isoformat()}</news:publication_date>\n"
        f"<news:title>{escape(story.headline, quote=False)}</news:title>\n</news:news>\n</url>\n"
        for story in stories
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">\n{entries}</urlset>\n'
    )
