"""The authors: names as they stand in a byline, and the first source that names a person."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lxml import etree

from archiver.article import Author
from archiver.page.dates import find_date
from archiver.page.markup import Node, absolute, inside, normal, squeeze, text_of
from archiver.page.structured import Json, Meta, Microdata, string, types_of
from archiver.page.titles import SiteNames

_SUFFIX = re.compile(
    r"(?:ph\.?d|d\.?phil|m\.?d|d\.?o|jr|sr|ii|iii|iv|esq|mba|mph|cpa|cfa|cfp|rn|rd|rdn|ld|ldn|cns|np|pa-c|dds|dmd|dvm|"
    r"b\.?sc?|m\.?sc?|b\.?a|m\.?a|m\.?ed|ed\.?d|psy\.?d|pharm\.?d|dpt|facs|cscs|cpt|lcsw|lmft|llm|llb|j\.?d|obe|mbe|cbe|"
    r"mp|qc|kc)\.?",
    re.I,
)
ROLE = re.compile(
    r"\b(?:reporters?|editors?|correspondents?|writers?|staff|columnists?|contributors?|journalists?|producers?|analysts?|"
    r"bureau chief|desk|redakteur(?:in)?|korrespondent(?:in)?|journaliste|photographers?|photos?|director|professor|"
    r"officer|head of|chief executive|president|founder|manager|critic|blogger|intern|fellow|specialist|consultant|"
    r"redactora?|periodista|giornalista|reporterin|autorin|journalistin|volont[äa]r(?:in)?)\b",
    re.I,
)
_ROLE_START = re.compile(
    r"(?:(?:senior|staff|chief|deputy|associate|assistant|managing|executive|freelance|contributing|guest|special|former|"
    r"political|sports?|business|news|science|health|technology|tech|crime|education|features?|showbiz|royal|travel|"
    r"economics|defen[cs]e|foreign|national|local|digital|environment|culture|entertainment)\b[\s&,]*(?:\w+[\s&,]+)??){0,4}"
    r"(?:reporter|editor|correspondent|writer|columnist|contributor|journalist|producer|analyst|photographer|critic)s?\b",
    re.I,
)
BY_WORDS = (
    r"(?:written|posted|published|reported|words|story|text|article|analysis|opinion|posts?)\s+by|by|von|par|por|di|door|"
    r"av|af|przez|szerző|yazan|authors?|autor(?:in|a|es|e|i|en)?|auteurs?|autrice|автор[ыи]?|текст|автори|συντάκτης|بقلم|"
    r"מאת"
)
BY_SIGNS = r"(?:文|作者|記者|记者|撰文|글|執筆)\s*[:：/／]"
BY = re.compile(rf"^\W*(?:(?:{BY_WORDS})(?:\s*:\s*|\s+|$)|{BY_SIGNS}\s*)", re.IGNORECASE)
_NOT_A_NAME = re.compile(
    r"https?:|www\.|@|\d|view all posts|see all|follow|subscribe|read more|\bshare\b|comments?\b|\bupdated|published|"
    r"posted on|^(?:admin(?:istrator)?|posted|sponsored(?: \w+)?|advertisement|unknown|none|null|undefined|n/a|author|"
    r"guest|user|webmaster|root|default|about the author|read|views?|min(?:ute)?s?)$|"
    r"^(?:images?|photos?|pictures?|fotos?|bild(?:er)?|credits?|video)\b\s*(?::|by\b)",
    re.IGNORECASE,
)
_ORGANISATION = re.compile(
    r"\b(?:news|press|times|post|magazine|media|reuters|agency|agencies|agence|agentur|staff|team|desk|editors|editorial|"
    r"newsroom|network|journal|gazette|tribune|herald|chronicle|enquirer|inquirer|telegram|telegraph|courier|examiner|"
    r"sentinel|dispatch|ledger|observer|guardian|bulletin|bureau|university|universität|université|institute|school|"
    r"college|foundation|company|inc|ltd|llc|gmbh|corp|tv|radio|bloomberg|redaktion|redaction|rédaction|redacción|"
    r"redazione|nachrichten|zeitung|department|ministry|association|wire|services?|correspondents?|reporters|writers|"
    r"contributors|publications?|group|online|dienst|редакция|тасс|риа|интерфакс|社|通信|新華社|新华社|共同|時事)\b"
    r"|(?:新聞|新闻|通信社|通讯社|뉴스|日报|日報)|\.(?:com|org|net|de|fr|co\.uk)\b",
    re.IGNORECASE,
)
"""Words that stand in the names of newspapers, agencies and desks, and hardly in those of persons."""
_ACRONYM = re.compile(r"[A-ZÄÖÜ]{2,6}|dpa|epd|sid|kna|afp|ap|pti|ani|efe|ansa|belga|anp|ritzau|tt|ntb|mti|ctk|čtk")
_AGENCY_AT_END = re.compile(
    r"(?<=\w)[\s,]+(?:the\s+)?(?:associated press|canadian press|press association|press trust of india|agence "
    r"france[- ]presse|financial times|bloomberg(?: news)?|reuters|AFP|AP|dpa|PTI|ANI|PA media)$",
    re.IGNORECASE,
)
# fmt: off
PARTICLES = frozenset({
    "and", "&", "of", "for", "the", "de", "da", "do", "dos", "du", "von", "van", "der", "den", "del", "della", "di",
    "la", "le", "el", "al", "bin", "ibn", "ter", "ten", "y", "e", "et", "und"
})
# fmt: on
_SEPARATORS = re.compile(r"\s*[;|•·/\n、；]\s*|\s+[-–—]\s+|(?<=\w)，\s*")
_AND = re.compile(r"\s*,?\s+(?:and|und|et|&|и|та|och|og|ve|και)\s+", re.IGNORECASE)
_AND_BETWEEN_NAMES = re.compile(r"(?<=\w)\s+(?:y|e|i|en|a)\s+(?=[A-ZÁÉÍÓÚÄÖÜŁŚŻ])")


def split_names(text: str) -> list[str]:
    """Read the names in a byline.

    >>> split_names("By Tom O'Neil, PhD, Ann Lee and Bo Ek, Senior Reporter")
    ["Tom O'Neil, PhD", 'Ann Lee', 'Bo Ek']
    """
    text = squeeze(re.sub(r"<[^<>]{1,200}>", " ", html.unescape(text[:500])))
    text = re.sub(r"https?:\S+|www\.\S+|\S+@\S+|\([^()]{1,60}\)|@\w+", "", text)
    text = re.sub(r"^view all posts by\s+|^posts by\s+", "", text, flags=re.I)
    text = _once(BY.sub("", text).strip())
    if text.startswith(","):  # a template with nobody to name before the paper
        return [text[1:].strip()] if is_organisation(text) else []
    names: list[str] = []
    for part in _SEPARATORS.split(text):
        for group in _grouped(_without_jobs(part)):
            for piece in _comma_pieces(group):
                if names and _SUFFIX.fullmatch(piece):
                    names[-1] += f", {piece}" if len(names[-1]) < 80 else ""
                elif name := _clean_name(piece):
                    names.append(name)
    return list({name.casefold(): name for name in reversed(names)}.values())[::-1]


def _without_jobs(part: str) -> str:
    """Cut off the job at the end, be it after a comma and with an "and" of its own."""
    while "," in part:
        before, _, tail = part.rpartition(",")
        first, *rest = _AND.split(tail.strip())
        if not ROLE.search((rest or [first])[-1]) or (like_a_person(first) and not ROLE.search(first)):
            return part
        part = before
    return _without_role(part)


def _once(text: str) -> str:
    """Return a text that stands twice, for narrow and for wide screens, once."""
    words = text.split()
    half = len(words) // 2
    return " ".join(words[:half]) if len(words) > 1 and words[:half] == words[half:] else text


def _grouped(part: str) -> list[str]:
    """Split at "and", but leave "Telegram & Gazette" whole."""
    groups = [group for group in _AND.split(part) if group]
    if len(groups) > 1 and all(
        _ORGANISATION.search(each) and not _AGENCY_AT_END.search(f"x {each}") for each in groups
    ):
        return [part]
    return [each for group in groups for each in _between_names(group)]


def _between_names(group: str) -> list[str]:
    """Split at "y", "e", "i" and the like, which also stand within names: only between two full ones."""
    pieces = _AND_BETWEEN_NAMES.split(group)
    return pieces if all(len(piece.split()) > 1 for piece in pieces) else [group]


def _comma_pieces(part: str) -> list[str]:
    """Split at commas; of "Surname, Forename" make one name."""
    pieces = [piece for piece in re.split(r"\s*,\s*(?:and\s+)?", part) if piece]
    if len(pieces) == 2 and all(len(piece.split()) == 1 for piece in pieces) and not _SUFFIX.fullmatch(pieces[1]):
        return pieces if any(map(is_organisation, pieces)) else [" ".join(reversed(pieces))]
    return pieces


def _clean_name(piece: str) -> str | None:
    piece = BY.sub("", piece).strip(" \t,:;-–—|•·\"'“”()[]*").rstrip(". ") + _dot(piece)
    head = re.split(r"\s+(?:for|in|at|from|with)\s+(?=[A-Z])", piece)[0]
    piece = piece if len(head.split()) == 1 and is_organisation(head) else head
    piece = re.sub(r"\s+(?:on|at|in|am|um|le|el)$", "", piece)
    piece = re.sub(r"\s*(?:기자|記者|记者|特派員|通讯员)$", "", piece)
    piece = _once(_without_role(piece))
    if len(piece.split()) > 3 or is_organisation(piece):
        piece = _AGENCY_AT_END.sub("", piece) if len(_AGENCY_AT_END.sub("", piece).split()) > 1 else piece
    words = piece.split()
    if not 0 < len(words) <= 7 or not 2 <= len(piece) <= 60 or _NOT_A_NAME.search(piece):
        return None
    if (ROLE.search(piece) and len(words) < 6 and not piece.lower().endswith(("news", "staff"))) or find_date(piece):
        return None
    return _in_name_case(piece) if len(words) > 1 and piece.isupper() and not is_organisation(piece) else piece


def _dot(piece: str) -> str:
    return "." if re.search(r"\b(?:[JS]r|[A-Z])\.\W*$", piece) else ""


def _without_role(piece: str) -> str:
    """Cut a job off that stands before or after a name without a comma."""
    match = _ROLE_START.search(piece)
    if not match or len(piece.split()) < 3:
        return piece
    before, after = piece[: match.start()].split(), piece[match.end() :].strip(" :").split()
    if len(before) >= 2 and not after:
        return " ".join(before)
    return " ".join(after) if len(after) >= 2 and not before and like_a_name(" ".join(after)) else piece


def _in_name_case(name: str) -> str:
    """Write a name in capitals as names are written.

    >>> _in_name_case("SEÁN O'NEIL-MCKAY")
    "Seán O'Neil-McKay"
    """
    lower = re.sub(r"\w+", lambda word: word[0].capitalize(), name)
    return re.sub(r"\bMc([a-z])", lambda found: "Mc" + found[1].upper(), lower)


def like_a_name(text: str) -> bool:
    """Tell whether a text could be a name: a few words, none in lower case but such as "of" and "van"."""
    words = text.split()
    return 0 < len(words) <= 8 and all(not word[0].islower() or word.lower() in PARTICLES for word in words)


def like_a_person(text: str) -> bool:
    """Tell whether a text has the form of a person's full name and of little else."""
    words = text.split()
    if not 2 <= len(words) <= 4 or not like_a_name(text) or _SMALL_WORD.search(text):
        return False
    return not is_organisation(text) and not _NOT_A_NAME.search(text)


_SMALL_WORD = re.compile(
    r"\b(?:with|by|in|on|at|to|from|your|our|this|what|how|why|more|all|top|best)\b", re.IGNORECASE
)


def is_organisation(name: str) -> bool:
    """Tell whether a name is that of an agency, a paper or a desk.

    >>> is_organisation("dpa"), is_organisation("The Canadian Press"), is_organisation("Ann Lee")
    (True, True, False)
    """
    return bool(_ACRONYM.fullmatch(name) or _ORGANISATION.search(name))


def read_authors(
    tree: Node,
    meta: Meta,
    item: Json,
    microdata: Microdata,
    in_byline: Sequence[str],
    perhaps: Sequence[str],
    site: SiteNames,
    url: str,
) -> tuple[Author, ...]:
    """Persons of the first source that names any; else agencies and desks; else whoever published.

    Where the byline names the same persons and more, it is taken: readers see it.
    """
    desks: list[Author] = []
    publishers: list[Author] = []
    for source in _author_sources(tree, meta, item, microdata, in_byline, perhaps, url):
        authors = _merged(source)
        others = [author for author in authors if not site.match(author.name)]
        if persons := [author for author in others if not is_organisation(author.name)]:
            return tuple(_with_byline(persons, in_byline, site)[:30])
        desks = desks or others
        publishers = publishers or authors
    return tuple((desks or publishers)[:30])


def _merged(authors: Iterable[Author]) -> list[Author]:
    """Join what is told twice, in other case or with a link."""
    found: dict[str, Author] = {}
    for author in authors:
        key = normal(author.name)
        known = found.get(key)
        if key and (known is None or (author.url and not known.url)):
            found[key] = Author(known.name if known else author.name, author.url)
    return list(found.values())


def _with_byline(persons: list[Author], in_byline: Sequence[str], site: SiteNames) -> list[Author]:
    shown = [name for name in in_byline if not site.match(name) and not is_organisation(name)]
    known = {normal(author.name): author for author in persons}
    if len(shown) > len(persons) and known.keys() <= set(map(normal, shown)):
        return [known.get(normal(name), Author(name)) for name in shown]
    return persons


_META_NAMES = (
    "author", "article:author", "byl", "parsely-author", "sailthru.author", "dc.creator", "dcterms.creator",
    "dc.contributor", "article:author_name", "authors", "article.author", "citation_author", "twitter:creator_name",
    "rnews:author", "cxenseparse:author", "shareaholic:article_author_name",
)  # fmt: skip
_REVERSED_META = frozenset({"citation_author", "dc.creator", "dcterms.creator"})


def _author_sources(
    tree: Node,
    meta: Meta,
    item: Json,
    microdata: Microdata,
    in_byline: Sequence[str],
    perhaps: Sequence[str],
    url: str,
) -> Iterator[list[Author]]:
    persons, organisations = _declared_authors(item.get("author") or item.get("creator"), url)
    yield persons
    for name in _META_NAMES:
        values = meta.get(name, [])[:20]
        if name in _REVERSED_META:
            values = [_in_order(value) for value in values]
        yield [Author(each) for value in values for each in split_names(value)]
    declared, more_organisations = _declared_authors(microdata().get("author"), url)
    yield declared
    yield [Author(name) for name in in_byline]
    yield _marked_authors(tree, url)
    yield [Author(name) for name in perhaps]
    yield organisations + more_organisations


def _in_order(value: str) -> str:
    """Turn "Surname, Forename M." around, as catalogues write names."""
    surname, comma, forename = value[:200].partition(",")
    is_one = comma and "," not in forename and len(surname.split()) <= 3 and len(forename.split()) <= 3
    return f"{forename.strip()} {surname.strip()}" if is_one and not _SUFFIX.fullmatch(forename.strip()) else value


def _declared_authors(value: Any, url: str) -> tuple[list[Author], list[Author]]:
    persons: list[Author] = []
    organisations: list[Author] = []
    for each in value[:30] if isinstance(value, list) else [value]:
        group, link = persons, None
        names: Any = each
        if isinstance(each, dict):
            group = organisations if any("Organization" in kind for kind in types_of(each)) else persons
            link = absolute(url, string(each.get("url")) or string(each.get("sameAs")))
            names = each.get("name") or " ".join(
                filter(None, map(string, (each.get("givenName"), each.get("familyName"))))
            )
        for text in names[:20] if isinstance(names, list) else [names]:
            found = split_names(text) if isinstance(text, str) else []
            group.extend(Author(name, link if len(found) == 1 else None) for name in found)
    return persons, organisations


_AUTHOR_MARKS = etree.XPath(
    "//@class[contains(., 'uthor') or contains(., 'yline') or contains(concat(' ', ., ' '), ' fn ')]/.."
    " | //@rel[. = 'author']/.."
)
_MOST_MARKS = 40


def _marked_authors(tree: Node, url: str) -> list[Author]:
    """Return the names in the first element whose markup says author or byline, and in those like it beside it."""
    found: list[Author] = []
    first: Node | None = None
    for element in _AUTHOR_MARKS(tree)[:_MOST_MARKS]:
        if first is not None and (element.get("class") != first.get("class") or not _is_beside(element, first)):
            continue
        text = _once(text_of(element))
        if not 3 < len(text) < 100 or element.tag in ("meta", "link") or inside(element, {"aside", "footer", "nav"}):
            continue
        dated = find_date(text)
        names = split_names(text[: dated.start] if dated else text)
        if names and all(like_a_name(name) for name in names):
            first = element if first is None else first
            link = absolute(url, element.get("href")) if len(names) == 1 else None
            found.extend(Author(name, link) for name in names)
    return found


def _is_beside(element: Node, first: Node) -> bool:
    """Tell whether two elements stand in the same small box."""
    return any(box in list(element.iterancestors())[:4] for box in list(first.iterancestors())[:4] if box.tag != "body")
