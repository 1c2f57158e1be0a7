"""Pages made for a test, and what they say of themselves."""

from datetime import UTC, datetime

from archiver.metadata import Metadata, read_metadata
from archiver.page.parse import parse


def metadata_of(head: str = "", body: str = "", url: str = "https://example.com/a", **options: object) -> Metadata:
    page = f"<html><head>{head}</head><body>{body}<p>Rain fell on the hills all day and all night.</p></body></html>"
    return read_metadata(parse(page)[0], url, captured_at=datetime(2026, 11, 22, tzinfo=UTC), **options)  # type: ignore[arg-type]


def json_ld(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'
