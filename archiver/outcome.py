"""Decides what became of a page: read, blocked, behind a wall, empty, gone, or no article at all.

Pure functions over ``Signs``. Each test returns the line of evidence that convinced it, or ``None``. They are
conservative: a marker counts only on a page that has little else to show, because articles are also written about
captchas, paywalls and denied access.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from archiver.article import Outcome
from archiver.page.markup import squeeze

TINY = 150
"""Visible words up to which a page may be a mere notice."""
TEASER = 300
"""Words of text below which what a page shows of an article that it declares not free is taken for a teaser."""
SHORT = 120
"""Words of text up to which an article may be the teaser before a wall."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What a response showed."""

    url: str
    status: int | None = None
    """``None`` when only the page is known; then it is taken for a 200."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    size: int = 0
    """Bytes of the decoded body."""
    kind: str = "html"
    """html, or what the body is instead: pdf, image, json, feed, xml, text, ..."""
    title: str | None = None
    """The page's own ``<title>`` or headline, uncut."""
    visible: str = ""
    """Text a visitor would see, without navigation, at most some thousand characters."""
    visible_words: int = 0
    text: str | None = None
    """What was read as the article's text."""
    words: int = 0
    """Words of ``text``."""
    prose: int = 0
    """Paragraphs of ``text`` with 25 words and more."""
    links: int = 0
    link_share: float = 0.0
    """Share of the visible characters that are link texts."""
    declares_article: bool = False
    og_type: str | None = None
    accessible_for_free: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome and the reasons for it."""

    outcome: Outcome
    evidence: tuple[str, ...]


def decide(signs: Signs) -> Verdict:
    """Return the outcome of a response."""
    line = status_line(signs.status)
    for outcome, test in _TESTS:
        if reason := test(signs):
            return Verdict(outcome, tuple(dict.fromkeys((line, reason) if line else (reason,))))
    words = f"{signs.words} words of text"
    return Verdict("saved", (line, words) if line else (words,))


def status_line(status: int | None) -> str | None:
    """Name a status code for people.

    >>> status_line(503)
    'HTTP 503 Service Unavailable'
    """
    if status is None:
        return None
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def unchanged(signs: Signs) -> str | None:
    """304: the server says that the copy held is current."""
    return status_line(304) if signs.status == 304 else None


def blocked(signs: Signs) -> str | None:
    """The server or a guard in front of it refused this visitor."""
    if signs.status in (401, 403, 429):
        return _challenge(signs) or status_line(signs.status)
    return _challenge(signs) if signs.status not in (404, 410) else None


def failed(signs: Signs) -> str | None:
    """A status that is neither an answer nor a refusal: other 4xx, 5xx, redirects nobody followed."""
    status = 200 if signs.status is None else signs.status
    return None if 200 <= status < 300 or status in (404, 410) else status_line(status)


def gone(signs: Signs) -> str | None:
    """404, 410, or a page that says so under another status."""
    if signs.status in (404, 410):
        return status_line(signs.status)
    if signs.declares_article or signs.words > SHORT or signs.kind != "html":
        return None
    titled = _GONE_TITLE.search(signs.title or "")
    said = _GONE_TEXT.search(signs.visible) if signs.visible_words <= TINY else None
    return f'the page says "{_quote(titled or said)}"' if titled or said else None


def empty(signs: Signs) -> str | None:
    """Nothing to read came back."""
    if signs.status in (204, 205):
        return status_line(signs.status)
    if signs.size == 0:
        return "the body is empty"
    if signs.kind == "html" and not signs.words:
        return "no readable text in the page"
    return None


def no_body(signs: Signs) -> str | None:
    """The part of ``empty`` that needs no reading."""
    return empty(signs) if signs.size == 0 or signs.status in (204, 205) else None


def not_html(signs: Signs) -> str | None:
    """The response is something else than a page."""
    return f"the content is {squeeze(signs.kind)[:80]}, not HTML" if signs.kind != "html" else None


def consent(signs: Signs) -> str | None:
    """A consent dialog stands where the text should be."""
    host = host_of(signs.url)
    if host.startswith(("consent.", "guce.")) or ".consent." in host:
        return f"redirected to the consent page of {host}"
    if signs.words > 250 or (signs.declares_article and signs.words > 40):
        return None
    text = (signs.text or signs.visible)[:20_000]
    sentences = [part for part in re.split(r"[.!?\n]+", text) if part.strip()]
    about = [part for part in sentences if _CONSENT.search(part)]
    if len(set(map(str.lower, _CONSENT.findall(text)))) >= 3 and len(about) * 2 >= len(sentences):
        return "a consent dialog stands in place of the text"
    return None


def paywalled(signs: Signs) -> str | None:
    """The publisher declares the article not free and shows no more than a teaser, or a short text ends at a paywall.

    Many papers declare it of articles they show whole (13 in 100 of the pages measured), so the text decides.
    """
    if signs.accessible_for_free is False and signs.words < TEASER:
        return "the page declares isAccessibleForFree false"
    if signs.words <= SHORT and (match := _PAYWALL.search(signs.visible)):
        return f'short text and "{_quote(match)}"'
    return None


def listing(signs: Signs) -> str | None:
    """Evidently a front page or a list of links."""
    if signs.declares_article or signs.links < 15:
        return None
    is_front = path_of(signs.url) in ("", "/")
    mostly_links = signs.link_share >= (0.4 if is_front or signs.og_type == "website" else 0.6)
    if mostly_links and signs.prose < (6 if is_front else 3):
        return f"a list of links: {signs.link_share:.0%} of the visible text, {signs.prose} paragraphs"
    return None


_TESTS: tuple[tuple[Outcome, Callable[[Signs], str | None]], ...] = (
    ("unchanged", unchanged),
    ("blocked", blocked),
    ("failed", failed),
    ("gone", gone),
    ("empty", no_body),
    ("not_article", not_html),
    ("consent", consent),
    ("paywalled", paywalled),
    ("not_article", listing),
    ("empty", empty),
)
"""In order: what a test finds is the outcome, and the later ones are not asked."""


def _challenge(signs: Signs) -> str | None:
    if signs.headers.get("cf-mitigated", "").lower() == "challenge":
        return "header cf-mitigated: challenge"
    if action := signs.headers.get("x-amzn-waf-action"):
        return f"header x-amzn-waf-action: {squeeze(action)[:80]}"
    if signs.declares_article or signs.visible_words > TINY or signs.kind != "html":
        return None
    titled = _BLOCK_TITLE.fullmatch(" ".join((signs.title or "").split()))
    said = _BLOCK_TEXT.search(signs.visible)
    if titled or said:
        return f'the page says "{_quote(titled or said)}"'
    return None


def _quote(match: re.Match[str] | None) -> str:
    return " ".join(match[0].split())[:80] if match else ""


def host_of(url: str) -> str:
    """Return the host of a URL, empty for what is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def path_of(url: str) -> str:
    """Return the path of a URL, empty for what is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


_BLOCK_TITLE = re.compile(
    r"just a moment(?:\.\.\.|…)?|attention required!?.*cloudflare|access (?:to this page has been )?denied|"
    r"pardon our interruption.*|are you (?:a robot|human)\??|robot or human\??|"
    r"(?:human|bot|browser) verification|security (?:check|challenge)|verify(?:ing)? (?:that )?you are (?:a )?human.*|"
    r"(?:http )?(?:error )?403(?: -)? ?forbidden|forbidden|request (?:blocked|rejected)|too many requests|"
    r"(?:sorry, )?you have been blocked|ddos-guard|captcha|one more step.*|unusual traffic.*|bot detection",
    re.IGNORECASE,
)
_BLOCK_TEXT = re.compile(
    r"verify(?:ing)? (?:that )?you(?: are|['’]re) (?:a )?(?:human|not a robot)|performing security verification|"
    r"checking (?:if the site connection is secure|your browser)|enable javascript and cookies to continue|"
    r"please enable js and disable any ad blocker|you (?:don['’]t|do not) have permission to access|"
    r"sorry, you have been blocked|you['’]ve been blocked|access to this page has been denied|^access denied|"
    r"unusual (?:traffic|activity) (?:from|has been detected)|detected unusual activity|press (?:&|and) hold|"
    r"complete the (?:security check|captcha)|(?:solve|complete) (?:the|this) captcha|incapsula incident|"
    r"pardon our interruption|made us think (?:that )?you (?:are|were) a (?:bot|robot)|request unsuccessful|"
    r"automated (?:access|requests?|queries)",
    re.IGNORECASE,
)
_GONE_TITLE = re.compile(
    r"^(?:(?:error )?404\b|not found\b|"
    r".{0,40}\b(?:page|article|story|content) (?:(?:was |could )?not (?:be )?found|no longer (?:exists|available))|"
    r".{0,40}\b(?:seite|artikel) nicht gefunden|page introuvable|página no encontrada|pagina non trovata)",
    re.IGNORECASE,
)
_GONE_TEXT = re.compile(
    r"(?:page|article|story|content)(?: that)?(?: you(?:['’]re| are| were)? (?:requested|looking for|tried to reach))? "
    r"(?:(?:has been|was) (?:removed|deleted|taken down)|(?:could|can)(?: ?not|['’]t) be found|"
    r"does(?: not|n['’]t) exist|is no longer available|(?:was )?not found)|"
    r"we (?:can['’]?t|cannot|couldn['’]t) find (?:the|that) page|"
    r"diese seite (?:existiert nicht|wurde nicht gefunden)|cette page n['’]existe (?:pas|plus)",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"\bcookies?\b|\bconsent\w*|\bwe (?:and our|value your privacy)|privacy (?:policy|settings|preferences)|"
    r"our partners|legitimate interest|personali[sz]ed (?:ads|advertising|content)|(?:accept|reject) all|"
    r"manage (?:options|settings)|before you continue|zustimm\w*|einwillig\w*|datenschutz\w*|akzeptieren|"
    r"alle ablehnen|nos partenaires|tout (?:accepter|refuser)|aceptar todo|rechazar todo|accetta tutt[io]",
    re.IGNORECASE,
)
_PAYWALL = re.compile(
    r"(?:subscribe|sign up|register|log ?in|sign in) (?:now )?to "
    r"(?:continue reading|keep reading|read (?:the (?:full|rest)|this|more|on)|unlock)|"
    r"to (?:continue|keep) reading,? (?:this article|please|you need|subscribe|log ?in|sign|start|become)|"
    r"continue reading with (?:a|your) (?:subscription|free trial|membership)|"
    r"this (?:article|story|content|post) is (?:only )?(?:for|available (?:only )?to|reserved for|exclusive to) "
    r"(?:\w+ ){0,2}(?:subscribers|members)|subscribers[- ]only (?:article|content|story)|"
    r"you(?:['’]ve| have) (?:reached|used) (?:your|all)(?: of)?(?: your)? .{0,30}free articles|"
    r"to read the (?:full|whole|rest of the|rest of this) (?:article|story),? (?:please )?(?:subscribe|log ?in|sign)|"
    r"unlock (?:this|the full) (?:article|story)|"
    r"weiterlesen mit|lesen sie diesen artikel mit|(?:nur|exklusiv) für (?:unsere )?abonnent(?:inn)?en|"
    r"diesen artikel (?:weiterlesen|freischalten)|mit .{0,20}abo weiterlesen|"
    r"(?:article|contenu)(?: est)? réservé (?:à nos|aux) abonnés|la suite est réservée|il vous reste .{1,12} à lire|"
    r"abonnez-vous pour (?:lire|continuer|accéder)|pour lire la suite,? (?:abonnez|connectez|identifiez)|"
    r"(?:contenido|artículo|noticia) (?:exclusiv[oa] )?(?:para|solo para) (?:suscriptores|abonados)|"
    r"suscríbete para (?:leer|seguir|continuar)|para (?:seguir|continuar) leyendo,? (?:suscríb|inicia|regístr)|"
    r"(?:contenuto|articolo) riservato agli abbonati|abbonati per (?:leggere|continuare)|"
    r"per continuare a leggere,? abbonat|"
    r"(?:conteúdo|matéria|artigo) (?:exclusiv[oa] )?para assinantes|assine para (?:ler|continuar)|"
    r"exclusivo para assinantes|"
    r"(?:alleen|exclusief) voor abonnees|verder lezen\? (?:neem|word|log)|word abonnee (?:en|om) (?:verder|dit)|"
    r"(?:artikeln är )?(?:låst|endast) för (?:prenumeranter|abonnenter)|bli prenumerant för att läsa|"
    r"(?:denne )?(?:artikkelen|artiklen|sagen) er (?:kun )?for abonnenter|kun for abonnenter|bliv abonnent for at læse|"
    r"(?:vain|ainoastaan) tilaajille|tilaa ja lue|lue koko juttu tilaamalla|"
    r"(?:artykuł|treść|dostęp) (?:tylko |wyłącznie )?dla (?:prenumeratorów|subskrybentów)|czytaj dalej z prenumeratą|"
    r"(?:článek|obsah) (?:je )?(?:pouze |jen )?pro předplatitele|len pre predplatiteľov|csak előfizetőknek|"
    r"(?:материал|статья) (?:доступ\w+ )?(?:только )?(?:для|по) подпис\w+|"
    r"оформите подписку,? чтобы (?:читать|продолжить)|"
    r"(?:yalnızca|sadece) aboneler(?:e| için)|devamını okumak için abone|"
    r"この記事は(?:有料)?会員限定|有料会員限定(?:記事)?|続きを読むには|残り[\s:：]{0,3}\d+文字|"
    r"구독자 전용|유료 ?회원 전용|订阅(?:后|以)(?:继续)?阅读|訂閱(?:後|以)(?:繼續)?閱讀|付费(?:阅读|内容)",
    re.IGNORECASE,
)
