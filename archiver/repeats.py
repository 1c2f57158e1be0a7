"""What a site repeats from story to story, and an article without it. No archive and no network is needed.

"Advertisement", "Read more", a plea for support: a line that other stories of the site have too is the site's, not the
story's. How many must have it depends on its length: a short line goes when one other story has it (of 20 such lines on
real pages, two stories a site, 17 were part of neither article), a paragraph only when many have it, because follow-up
stories reuse their background. Rows of tables stay, and so does a list of which others have no more
than half: recipes share their salt.

An article names what was left out of it in its evidence. The same reading without these lines is the same text again.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from archiver.article import READABLE, Article
from archiver.extract import count_words, fingerprint
from archiver.outcome import Signs, paywalled

LEFT_OUT = "repeated on the site, left out: "
"""How the evidence of a line begins."""
ONLY_REPEATED = "nothing but lines that the site repeats"

MOST_SHARE = 0.4
"""Of a page's text that may go; beyond, nothing goes. Two pages that share more are one story."""
PARAGRAPH = 180
"""Characters from which a line is a paragraph: about 30 English words."""
MOST_COMPARED = 200
"""Characters of a line that are compared and, in evidence, recorded."""
MOST_LEFT_OUT = 50
"""Lines left out of one article."""
MOST_STORIES = 48
"""Stories of a site that are remembered, the newest."""
MOST_LINES = 400
"""Lines of a story that are remembered."""

_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_CUT = re.compile(r"(.*)… \(([0-9]{1,9}) characters\)", re.DOTALL)
_MARKUP = re.compile(r"</?[a-z]{1,10}>|\]\([^()\s]*\)")
_NUMBERED = re.compile(r"\s*[0-9]{1,3}[.)]\s")
_NEITHER_LETTER_NOR_DIGIT = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text."""

    key: str
    """What it is compared by."""
    text: str
    """Without the bullet."""
    size: int
    """Characters."""
    is_item: bool = False
    """Of a list."""

    @classmethod
    def of(cls, line: str) -> Line:
        """Take a line of plain text.

        >>> Line.of("- Read more:").key
        'read more'
        """
        text = line.removeprefix("- ")
        size = len(text)
        key = text[:MOST_COMPARED].casefold() if size > MOST_COMPARED else text.casefold().strip(" .:!…")
        return cls(key, text, size, size < len(line))

    @property
    def is_paragraph(self) -> bool:
        """A character of Chinese or Japanese counts as three."""
        ideographs = 0 if self.key.isascii() else len(_IDEOGRAPH.findall(self.key))
        return self.size + 2 * ideographs >= PARAGRAPH

    def may_go(self) -> bool:
        """Tell whether it has words and is no row of a table."""
        return any(map(str.isalpha, self.key)) and not self.text.startswith("|")

    def to_evidence(self) -> str:
        """Return the line of evidence that names it."""
        if self.size <= MOST_COMPARED:
            return LEFT_OUT + self.text
        return f"{LEFT_OUT}{self.text[:MOST_COMPARED]}… ({self.size} characters)"

    @classmethod
    def from_evidence(cls, evidence: str) -> Line:
        """Read what ``to_evidence`` wrote; the text of a long line is its beginning."""
        text = evidence.removeprefix(LEFT_OUT)
        cut = _CUT.fullmatch(text) if len(text) > MOST_COMPARED else None
        return cls(cut[1].casefold(), cut[1], int(cut[2])) if cut else cls.of(text)


def lines_left_out(article: Article) -> list[Line]:
    """Return the lines that the article's evidence names."""
    return [Line.from_evidence(each) for each in article.evidence if each.startswith(LEFT_OUT)]


def reasons_of(article: Article) -> tuple[str, ...]:
    """Return the evidence for the outcome, without the lines left out."""
    return tuple(each for each in article.evidence if not each.startswith(LEFT_OUT))


def lines_of(article: Article) -> list[Line]:
    """Return the lines of an article's text."""
    return [Line.of(text) for text in (article.text or "").split("\n") if text]


Sizes = Mapping[int, int]
"""The lines of a story: the hash of each one's key, and its characters."""


def sizes_of(lines: Iterable[Line]) -> Sizes:
    """Return what a site remembers of a story."""
    sizes: dict[int, int] = {}
    for line in lines:
        if line.key and len(sizes) < MOST_LINES:
            sizes.setdefault(hash(line.key), line.size)
    return sizes


@dataclass(slots=True)
class SiteStories:
    """The lines of a site's newest stories, each by the name of its page. A story under two URLs is one."""

    _stories: OrderedDict[str, Sizes] = field(default_factory=OrderedDict)
    _pages: dict[int, set[str]] = field(default_factory=dict)
    """By line."""
    _totals: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._stories)

    def learn(self, page: str, sizes: Sizes) -> None:
        """Remember a story in place of the page's older versions and of its copies under other names."""
        if not sizes:
            return
        for copy in self.copies(page, sizes):
            self._forget(copy)
        self._stories[page], self._totals[page] = sizes, sum(sizes.values())
        for line in sizes:
            self._pages.setdefault(line, set()).add(page)
        if len(self._stories) > MOST_STORIES:
            self._forget(next(iter(self._stories)))

    def _forget(self, page: str) -> None:
        del self._totals[page]
        for line in self._stories.pop(page):
            pages = self._pages[line]
            pages.discard(page)
            if not pages:
                del self._pages[line]

    def copies(self, page: str, sizes: Sizes) -> set[str]:
        """Return the remembered pages that tell the story with these lines."""
        shared: Counter[str] = Counter()
        for line, size in sizes.items():
            for other in self._pages.get(line, ()):
                shared[other] += size
        total = sum(sizes.values())
        found = {other for other, size in shared.items() if size > MOST_SHARE * max(total, self._totals[other])}
        return found | ({page} & self._stories.keys())

    def having(self, line: Line, copies: set[str]) -> int:
        """Return how many stories have a line, `copies` aside."""
        pages = self._pages.get(hash(line.key))
        return len(pages - copies) if pages else 0


def find_repeats(article: Article, page: str, site: SiteStories) -> list[Line]:
    """Return the lines of an article's text that are the site's.

    More than ``MOST_SHARE`` of what was read never goes, unless three other stories have each line of it. What the
    article left out before counts as read, so that it does not matter when it was.
    """
    if not len(site):
        return []
    lines, before = lines_of(article), lines_left_out(article)
    copies = site.copies(page, sizes_of((*lines, *before)))
    having = {line.key: site.having(line, copies) for line in lines}
    if len(site) == len(copies) or not any(having.values()):
        return []
    found = _repeated(lines, having, stories=len(site) - len(copies), own=_own(article))
    distinct = {line.key or line.text: line for line in (*lines, *before)}
    gone = {line.key: line for line in (*before, *found)}
    if min(having.values()) >= 3 and len(having) <= MOST_LEFT_OUT:
        return lines
    if len(gone) > MOST_LEFT_OUT:
        return []
    return found if _size(gone.values()) <= MOST_SHARE * _size(distinct.values()) else []


def _repeated(lines: Sequence[Line], having: Mapping[str, int], *, stories: int, own: Container[str]) -> list[Line]:
    found: dict[str, Line] = {}
    for line in lines:
        if having[line.key] and having[line.key] >= _enough(line, stories) and line.may_go():
            found.setdefault(line.key, line)
    for key in [key for key in found if key[:_LEAD] in own]:
        del found[key]
    for key in list(_in_lists_with_few(lines, found)):
        found.pop(key, None)
    return list(found.values())


def _size(lines: Iterable[Line]) -> int:
    return sum(line.size for line in lines)


def _enough(line: Line, stories: int) -> int:
    """Return how many other stories must have a line, of so many."""
    if line.is_paragraph:
        return max(3, -(-stories // 3))
    return max(1, -(-stories // 20))  # in many stories some words meet by chance


_LEAD = 60


def _own(article: Article) -> set[str]:
    """Return how headline, dek and description begin; a description is often the lead, cut short."""
    return {Line.of(own).key[:_LEAD] for own in (article.title, article.subtitle, article.description) if own}


def _in_lists_with_few(lines: Sequence[Line], found: Container[str]) -> Iterator[str]:
    """Yield the items of lists of which no more than half were found."""
    items: list[Line] = []
    for line in (*lines, Line("", "", 0)):
        if line.is_item:
            items.append(line)
            continue
        if 2 * sum(item.key in found for item in items) <= len(items):
            yield from (item.key for item in items)
        items = []


def leave_out(article: Article, lines: Iterable[Line]) -> Article:
    """Return an article without these lines, named in its evidence.

    Text, Markdown, counts and digest agree. Without any text left the outcome is ``empty``; what is left of an article
    that is not free may be a teaser.
    """
    wanted = {line.key for line in lines if line.key}
    gone = {line.key: line for line in reversed(lines_of(article)) if line.key in wanted}
    if not gone or article.outcome not in READABLE:
        return article
    text = "\n".join(line for line in (article.text or "").split("\n") if Line.of(line).key not in gone)
    markdown = "\n".join(_markdown_without(article.text_markdown or "", gone.values()))
    evidence = (*article.evidence, *(line.to_evidence() for line in reversed(gone.values())))
    words = count_words(text)
    if not words:
        reasons = (*(each for each in evidence if each != _counted(article.word_count)), ONLY_REPEATED)
        return replace(
            article, outcome="empty", evidence=_in_order(reasons),
            text=None, text_markdown=None, word_count=None, text_sha256=None,
        )  # fmt: skip
    counted = (_counted(words) if each == _counted(article.word_count) else each for each in evidence)
    left = replace(
        article,
        text=text,
        text_markdown=re.sub(r"\n{3,}", "\n\n", markdown).strip() or None,
        word_count=words,
        text_sha256=fingerprint(article.title, text),
        evidence=tuple(counted),
    )
    signs = Signs(article.url, words=words, accessible_for_free=article.accessible_for_free)
    if article.outcome == "saved" and (reason := paywalled(signs)):
        return replace(left, outcome="paywalled", evidence=_in_order((*left.evidence, reason)))
    return left


def _counted(words: int | None) -> str:
    return f"{words} words of text"


def _in_order(evidence: Iterable[str]) -> tuple[str, ...]:
    """Return the reasons for the outcome before the lines left out."""
    return tuple(sorted(evidence, key=lambda each: each.startswith(LEFT_OUT)))


def _markdown_without(markdown: str, gone: Iterable[Line]) -> Iterator[str]:
    """Yield the lines of Markdown that are none of these, whatever marks them as headings, items or quotes."""
    letters = {_letters(line.text) for line in gone}
    for line in markdown.split("\n"):
        plain = _MARKUP.sub("", line) if "<" in line or "](" in line else line
        if not line or letters.isdisjoint((_letters(plain), _letters(_NUMBERED.sub("", plain, count=1)))):
            yield line


def _letters(line: str) -> str:
    return _NEITHER_LETTER_NOR_DIGIT.sub("", line[: 3 * MOST_COMPARED].casefold())[:MOST_COMPARED]


def read_as(reading: Article, article: Article) -> Article:
    """Return a reading of the capture of `article` without what `article` left out: the same text again.

    It holds for a reading by the extractor that `article` names.
    """
    return leave_out(reading, lines_left_out(article))
