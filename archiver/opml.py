"""Lists of feeds as feed readers exchange them (OPML 1.0, 1.1 and 2.0)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from archiver.errors import BadRequest
from archiver.page.markup import squeeze

MOST_BYTES = 50 * 2**20
MOST_OUTLINES = 100_000


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed in a list."""

    feed: str
    title: str
    homepage: str | None = None
    labels: tuple[str, ...] = ()
    """The folders it stands in, the outermost first."""


def read_opml(data: bytes, name: str) -> list[Outline]:
    """Return the feeds of a list, each once; `name` is what to call it in the :class:`BadRequest` that is raised."""
    if len(data) > MOST_BYTES:
        raise BadRequest(f"{name} has more than {MOST_BYTES // 2**20} MB, which is no list of feeds")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.LxmlError as error:
        raise BadRequest(f"{name} is not XML ({error}); export the feeds as OPML") from None
    if root is None or etree.QName(root).localname.lower() != "opml":
        raise BadRequest(f"{name} is not OPML; feed readers export such files")
    found: dict[str, Outline] = {}
    for element in root.iter("outline"):
        feed = _attribute(element, "xmlurl")
        if feed and len(found) < MOST_OUTLINES:
            folders = [_title(each) for each in element.iterancestors("outline")]
            title = _title(element) or feed
            outline = Outline(feed, title, _attribute(element, "htmlurl"), tuple(filter(None, reversed(folders))))
            found.setdefault(feed, outline)
    return list(found.values())


def _title(element: etree._Element) -> str:
    return squeeze(_attribute(element, "text") or _attribute(element, "title") or "")[:200]


def _attribute(element: etree._Element, name: str) -> str | None:
    """Return an attribute whose name is written in whatever case."""
    for key, value in element.attrib.items():
        if str(key).lower() == name:
            return str(value).strip()
    return None
