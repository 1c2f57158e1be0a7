"""Pages for tests that care about what becomes of a page, not about how it is read."""

from __future__ import annotations

from html import escape

SENTENCES = (
    "The council met on Tuesday evening and agreed to repair the old bridge over the river",
    "It had been closed since the spring, after an inspection found cracks in two of its arches",
    "Work is to begin in March and will take about nine months, the surveyor said",
    "Until then buses go round by the mill, which adds a quarter of an hour to the journey",
    "Shopkeepers on the far bank said that they had lost a third of their custom",
)


def story(title: str, *more: str, head: str = "") -> str:
    """Return a page with an article of some length; `more` are further paragraphs."""
    paragraphs = [f"{sentence}. {title} is what the paper called it that day." for sentence in SENTENCES]
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in (*paragraphs, *more))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}</head>'
        f"<body><article><h1>{escape(title)}</h1>{text}</article></body></html>"
    )


CAPTCHA = """<!doctype html><html lang="en"><head><title>Just a moment...</title></head>
<body><h1>Checking your browser</h1><p>Verify you are human by completing the captcha.</p></body></html>"""

EMPTY = "<!doctype html><html><head><title>Nothing</title></head><body><div id='root'></div></body></html>"

NOT_FREE = '<script type="application/ld+json">{"@type": "NewsArticle", "isAccessibleForFree": false}</script>'
"""For the head of a page behind a paywall."""
