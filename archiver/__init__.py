"""Article Archiver: news articles kept byte for byte, with clean text, metadata, every version and its diff.

>>> from archiver import Archive
>>> archive = Archive.open("s3://bucket/news")              # doctest: +SKIP
>>> snapshot = archive.save("https://example.com/story")    # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from archiver.archive import Archive, Snapshot
    from archiver.article import Article
    from archiver.crawl.addon import ArchiverAddon

__all__ = ["Archive", "ArchiverAddon", "Article", "Snapshot", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: ``archiver --help`` needs none of what they need."""
    if name in ("Archive", "Snapshot"):
        from archiver import archive

        return getattr(archive, name)
    if name == "Article":
        from archiver.article import Article

        return Article
    if name == "ArchiverAddon":
        from archiver.crawl.addon import ArchiverAddon

        return ArchiverAddon
    raise AttributeError(f"module 'archiver' has no attribute {name!r}")
