import json
import pickle

import pytest

from archiver.article import Article, Author, Change, Http, Image, Previous, WarcRef

# fmt: off
SCHEMA = [
    "schema_version", "id", "url", "requested_url", "canonical_url", "domain", "site", "site_name", "title",
    "subtitle", "description", "text", "text_markdown", "authors", "published_at", "published_raw",
    "published_precision", "published_source", "modified_at", "modified_raw", "language", "section", "breadcrumbs",
    "tags", "lead_image", "images", "media", "article_type", "accessible_for_free", "license", "rights", "word_count",
    "captured_at", "outcome", "evidence", "http", "warc", "discovered_via", "version", "previous", "text_sha256",
    "change", "extractor",
]
# fmt: on

FULL = Article(
    url="https://example.com/a",
    authors=(Author("Ann Lee", "https://example.com/ann"), Author("Bo Ek")),
    tags=("rain", "wind"),
    images=(Image("https://example.com/a.jpg", "Rain", None),),
    http=Http(200, "text/html", '"e"', None),
    warc=WarcRef("warc/x.warc.gz", 10, 20, "<urn:uuid:1>", "sha1:A"),
    previous=Previous("20260101000000", "p"),
    change=Change("text", ("text", "title"), 3, 4),
    evidence=("HTTP 200 OK",),
)


def test_the_json_has_exactly_the_keys_of_the_schema_in_order() -> None:
    assert list(Article(url="https://example.com/").to_json()) == SCHEMA


def test_an_article_survives_json_and_pickle() -> None:
    assert Article.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert pickle.loads(pickle.dumps(FULL)) == FULL


def test_keys_of_a_newer_minor_version_are_ignored() -> None:
    value = FULL.to_json() | {"mood": "sunny"}
    value["http"]["protocol"] = "h3"
    assert Article.from_json(value) == FULL


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema version 2"):
        Article.from_json({"schema_version": 2, "url": "https://example.com/"})


def test_an_article_without_url_is_refused() -> None:
    with pytest.raises(ValueError, match="no url"):
        Article.from_json({"title": "Rain"})


def test_what_is_unknown_is_null() -> None:
    value = Article(url="https://example.com/").to_json()
    assert value["title"] is None
    assert value["published_at"] is None
    assert value["authors"] == []
