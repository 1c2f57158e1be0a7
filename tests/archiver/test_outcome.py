from datetime import UTC, datetime

import pytest

from archiver.article import Article
from archiver.extract import Page, read_page
from archiver.outcome import Signs, decide

PROSE = "The council met on Tuesday and agreed, after two hours of talk, to close the pool until the roof is mended. "


def read(body: str | bytes, status: int = 200, url: str = "https://example.com/a", **headers: str) -> Article:
    fields = {"content-type": "text/html; charset=utf-8"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    page = Page(
        url=url,
        requested_url=url,
        status=status,
        headers=tuple(fields.items()),
        body=body.encode() if isinstance(body, str) else body,
        captured_at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return read_page(page)


def story(text: str, head: str = "", paragraphs: int = 4) -> str:
    rest = "".join(f"<p>{PROSE}</p>" for _ in range(paragraphs))
    return f"<html><head><title>Pool</title>{head}</head><body><h1>Pool to close</h1><p>{text}</p>{rest}</body></html>"


@pytest.mark.parametrize(
    ("status", "outcome", "line"),
    [
        (200, "saved", "HTTP 200 OK"),
        (304, "unchanged", "HTTP 304 Not Modified"),
        (302, "failed", "HTTP 302 Found"),
        (400, "failed", "HTTP 400 Bad Request"),
        (401, "blocked", "HTTP 401 Unauthorized"),
        (403, "blocked", "HTTP 403 Forbidden"),
        (404, "gone", "HTTP 404 Not Found"),
        (410, "gone", "HTTP 410 Gone"),
        (418, "failed", "HTTP 418 I'm a Teapot"),
        (429, "blocked", "HTTP 429 Too Many Requests"),
        (500, "failed", "HTTP 500 Internal Server Error"),
        (503, "failed", "HTTP 503 Service Unavailable"),
        (599, "failed", "HTTP 599"),
        (204, "empty", "HTTP 204 No Content"),
    ],
)
def test_the_status_decides_first(status: int, outcome: str, line: str) -> None:
    article = read(story("Rain."), status)
    assert article.outcome == outcome
    assert article.evidence[0] == line
    assert (article.text is None) is (outcome not in ("saved", "unchanged"))


@pytest.mark.parametrize(
    "body",
    [
        "<title>Just a moment...</title><h1>news.test</h1><p>Enable JavaScript and cookies to continue</p></body>",
        "<title>Attention Required! | Cloudflare</title><body><h1>Sorry, you have been blocked</h1></body>",
        "<title>news.test</title><body><p id='cmsg'>Please enable JS and disable any ad blocker</p></body>",
        "<title>Access to this page has been denied</title><body><p>Press &amp; Hold to go on</p></body>",
        "<title>Access Denied</title><h1>Access Denied</h1>You don't have permission to access this server. Ref #18",
        "<title>Robot or human?</title><p>Activate and hold the button to confirm that you're human.</p>",
        "<title>Hello</title><p>We need to verify you are human before you can go on.</p>",
    ],
)
def test_a_bot_wall_is_blocked_whatever_its_status(body: str) -> None:
    for status in (200, 202, 403, 503):
        article = read(body, status)
        assert article.outcome == "blocked", article.evidence
        assert article.text is None


def test_a_challenge_header_is_enough() -> None:
    assert read(story("Rain."), cf_mitigated="challenge").outcome == "blocked"


@pytest.mark.parametrize(
    "text",
    [
        'The site showed a captcha and the words "verify you are human" for most of the afternoon.',
        "Access denied, said the screen, and the clerk went home.",
        "Subscribe to continue reading, the page begs; he never does.",
        "We value your privacy, says the cookie banner. Accept all, and our partners have your consent.",
        "The page you requested could not be found: for years that was all the ministry's archive would say.",
    ],
)
def test_an_article_about_walls_is_no_wall(text: str) -> None:
    article = read(story(text, paragraphs=9))
    assert article.outcome == "saved", article.evidence
    assert text in (article.text or "")


def test_a_short_declared_article_about_captchas_is_saved() -> None:
    head = '<meta property="og:type" content="article">'
    assert read(story("Verify you are human, the form now asks.", head, paragraphs=1)).outcome == "saved"


def test_a_page_that_declares_itself_not_free_is_paywalled_and_keeps_its_teaser() -> None:
    item = '{"@type": "NewsArticle", "headline": "Pool", "isAccessibleForFree": "False"}'
    head = f'<script type="application/ld+json">{item}</script>'
    article = read(story("The pool will close.", head))
    assert article.outcome == "paywalled"
    assert article.accessible_for_free is False
    assert "The pool will close." in (article.text or "")


def test_an_article_that_is_shown_whole_is_saved_though_it_declares_itself_not_free() -> None:
    item = '{"@type": "NewsArticle", "headline": "Pool", "isAccessibleForFree": false}'
    article = read(story(PROSE, f'<script type="application/ld+json">{item}</script>', paragraphs=40))
    assert (article.outcome, article.accessible_for_free) == ("saved", False)


def test_a_short_text_before_a_paywall_is_paywalled() -> None:
    body = story(PROSE, paragraphs=1).replace(
        "</body>", "<div class='w'><h3>Subscribe to continue reading</h3></div></body>"
    )
    article = read(body)
    assert article.outcome == "paywalled"
    assert 'short text and "Subscribe to continue reading"' in article.evidence


@pytest.mark.parametrize(
    "words",
    [
        "To read the full story, please subscribe",
        "Dieser Artikel ist nur für Abonnenten.",
        "Exklusiv für unsere Abonnentinnen und Leser",
        "Cet article est réservé à nos abonnés.",
        "Il vous reste 75% à lire",
        "Artículo exclusivo para suscriptores",
        "Para seguir leyendo, suscríbete",
        "Contenuto riservato agli abbonati",
        "Conteúdo exclusivo para assinantes",
        "Dit artikel is alleen voor abonnees",
        "Artikeln är låst för prenumeranter",
        "Denne artikkelen er for abonnenter",
        "Vain tilaajille",
        "Artykuł tylko dla prenumeratorów",
        "Článek je pouze pro předplatitele",
        "Материал доступен только по подписке",
        "Yalnızca aboneler için",
        "この記事は有料会員限定です",
        "구독자 전용 기사",
        "订阅后继续阅读",
    ],
)
def test_paywalls_speak_many_languages(words: str) -> None:
    wall = f"<div class='w'><p>{words}</p></div></body>"
    assert read(story(PROSE, paragraphs=1).replace("</body>", wall)).outcome == "paywalled"
    assert read(story(PROSE, paragraphs=9).replace("</body>", wall)).outcome == "saved", "the whole text is there"


def test_a_consent_wall_is_consent() -> None:
    body = """<title>news.test</title><body><h1>We value your privacy</h1>
    <p>We and our partners store cookies on your device to show personalised ads and content.</p>
    <p>With your consent we and our partners may use precise location data.</p>
    <button>Accept all</button> <button>Reject all</button> <p>Manage options or read our privacy policy.</p></body>"""
    article = read(body)
    assert article.outcome == "consent"
    assert article.text is None


def test_a_consent_host_is_consent() -> None:
    assert read(story("Before you go on."), url="https://consent.example.com/collect").outcome == "consent"


@pytest.mark.parametrize(
    "body",
    [
        "<title>404 - example</title><body><h1>Oops</h1><p>Try the front page.</p></body>",
        "<title>Page not found | Example</title><body><p>Sorry.</p></body>",
        "<title>Example</title><body><p>The article you are looking for has been removed.</p></body>",
    ],
)
def test_a_soft_404_is_gone(body: str) -> None:
    assert read(body).outcome == "gone"


@pytest.mark.parametrize(
    "body", ["", "   \n", "<html><body></body></html>", "<div id='root'></div><script>start()</script>"]
)
def test_a_page_with_nothing_to_read_is_empty(body: str) -> None:
    article = read(body)
    assert article.outcome == "empty"
    assert article.text is None


@pytest.mark.parametrize(
    ("body", "content_type", "what"),
    [
        (b"%PDF-1.7 ...", "application/pdf", "pdf"),
        (b"%PDF-1.7 ...", "text/html", "pdf"),
        (b"\x89PNG\r\n\x1a\n....", "image/png", "image"),
        (b'{"a": 1}', "application/json", "json"),
        (b'{"a": 1}', "text/html", "json"),
        (b"<?xml version='1.0'?><rss><channel><title>x</title></channel></rss>", "text/html", "feed"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>", "application/atom+xml", "feed"),
        (b"<urlset><url><loc>https://example.com/</loc></url></urlset>", "application/xml", "a sitemap"),
        (b"User-agent: *\nDisallow:\n", "text/plain", "plain"),
        (b"\x00\x01binary", "video/mp4", "video"),
    ],
)
def test_what_is_not_html_is_no_article(body: bytes, content_type: str, what: str) -> None:
    article = read(body, content_type=content_type)
    assert article.outcome == "not_article"
    assert article.evidence[-1] == f"the content is {what}, not HTML"


def test_a_front_page_is_no_article() -> None:
    teasers = "".join(f"<li><a href='/{n}'>A headline about the weather in town number {n}</a></li>" for n in range(40))
    head = '<meta property="og:type" content="website"><title>Example</title>'
    article = read(
        f"<html><head>{head}</head><body><h1>Example</h1><ul>{teasers}</ul></body></html>", url="https://example.com/"
    )
    assert article.outcome == "not_article"
    assert article.text is None


def test_a_plain_article_among_links_is_saved() -> None:
    links = "".join(f"<a href='/{n}'>Section {n}</a> " for n in range(30))
    assert read(story("Rain.").replace("<body>", f"<body><div>{links}</div>")).outcome == "saved"


def test_evidence_says_what_was_found() -> None:
    assert decide(Signs("https://example.com/a", 200, size=9, words=412)).evidence == (
        "HTTP 200 OK",
        "412 words of text",
    )


def test_a_verdict_needs_no_status() -> None:
    assert decide(Signs("https://example.com/a", size=9, words=3)).evidence == ("3 words of text",)
