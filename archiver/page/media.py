"""The pictures, films and sound recordings of a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from archiver.article import Image, Media
from archiver.page.markup import Tagged, absolute, clip, inside, text_of
from archiver.page.structured import Json, Meta, first, string


def read_images(elements: Tagged, url: str, meta: Meta, item: Json) -> tuple[Image, ...]:
    """Return up to 30 pictures: those declared first, then the figures; what several sources say is joined."""
    found: dict[str, Image] = {}
    candidates = [
        *_declared_images(item),
        *((src, None, None) for src in meta.get("og:image", [])),
        *_figures(elements),
    ]
    for src, caption, alt in candidates:
        if address := absolute(url, src):
            known = found.get(address, Image(address))
            found[address] = replace(
                known, caption=known.caption or clip(caption, 1000), alt=known.alt or clip(alt, 1000)
            )
        if len(found) == 30:
            break
    return tuple(found.values())


def _declared_images(item: Json) -> Iterator[tuple[str | None, str | None, str | None]]:
    images = item.get("image") or item.get("thumbnailUrl")
    for image in images[:20] if isinstance(images, list) else [images]:
        if isinstance(image, dict):
            yield string(image.get("url") or image.get("contentUrl")), string(image.get("caption")), None
        else:
            yield string(image), None, None


def _figures(elements: Tagged) -> Iterator[tuple[str | None, str | None, str | None]]:
    for figure in elements["figure"][:200]:
        image = next(figure.iter("img"), None)
        if image is not None and not inside(figure, {"aside", "footer", "nav", "header"}):
            yield (
                image.get("src") or image.get("data-src"),
                text_of(next(figure.iter("figcaption"), None)),
                image.get("alt"),
            )


def read_media(elements: Tagged, url: str, meta: Meta, item: Json) -> tuple[Media, ...]:
    """Return up to 20 films and recordings, declared or embedded."""
    found: dict[str, Media] = {}
    for kind in ("video", "audio"):
        declared = item.get(kind)
        sources = [
            string(each.get("contentUrl") or each.get("embedUrl") or each.get("url"))
            for each in (declared[:20] if isinstance(declared, list) else [declared])
            if isinstance(each, dict)
        ]
        sources += [first(meta, f"og:{kind}:secure_url", f"og:{kind}", f"og:{kind}:url")]
        sources += [
            tag.get("src") for element in elements[kind][:50] for tag in islice(element.iter(kind, "source"), 20)
        ]
        for address in filter(None, (absolute(url, source) for source in sources)):
            found.setdefault(address, Media(address, "audio" if kind == "audio" else "video"))
    return tuple(found.values())[:20]
