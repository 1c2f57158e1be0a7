import time

import pytest

from tests.archiver.page.pages import json_ld, metadata_of


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"@type": ["NewsArticle"], "author": {"name": {"name": []}}, "datePublished": {}, "keywords": [[1]]}',
        '{"@graph": {"@graph": [[[{"@type": "Article", "hasPart": [1], "author": [null, 3]}]]]}}',
        "[" * 100_000,
        '{"@type": "Article", "headline": ' + "9" * 5000 + "}",
        '{"@type": "Article", "itemListElement": 1, "video": [{"contentUrl": ["a", ["b"]]}], "license": [{}]}',
        '{"@type": "Article", "keywords": true, "hasPart": 7, "inLanguage": 3, "license": 1.5, "@id": 4}',
        '{"@id": "#a", "@type": "Article", "author": {"@id": "#a"}, "image": 4, "inLanguage": {"name": {}}}',
    ],
)
def test_odd_json_ld_is_skipped_quietly(text: str) -> None:
    assert metadata_of(json_ld(text) + "<title>Rain</title>").title == "Rain"


def test_json_ld_with_comments_and_trailing_commas_is_read() -> None:
    item = json_ld('<!-- {"@type": "NewsArticle", "headline": "Rain", "keywords": ["a", "b",],} -->')
    assert metadata_of(item).tags == ("a", "b")


HEADLINE = '"@type": "NewsArticle", "headline": "Rain at last"'
BODY = "<h1>Rain at last</h1>"


def test_one_comma_too_many_costs_nothing() -> None:
    item = json_ld(
        f'// written by hand\n{{{HEADLINE}, "datePublished": "2019-02-07", "author": {{"name": "Ann Lee",}},}};'
    )
    found = metadata_of(item, BODY)
    assert found.published is not None
    assert (found.published.value, found.published.source) == ("2019-02-07", "json-ld")
    assert [author.name for author in found.authors] == ["Ann Lee"]


def test_references_are_followed_to_wherever_they_lead() -> None:
    graph = """{"@graph": [
      {"@type": "WebPage", "@id": "#page", "author":
        {"@type": "Person", "@id": "#ann", "name": "Ann Lee", "url": "/ann"}},
      {"@type": ["Thing", "ReportageNewsArticle"], "headline": "Rain at last", "author": {"@id": "#ann"},
       "publisher": {"@id": "#us"}}]}"""
    found = metadata_of(
        json_ld(graph) + json_ld('{"@type": "Organization", "@id": "#us", "name": "The Example"}'), BODY
    )
    assert [(author.name, author.url) for author in found.authors] == [("Ann Lee", "https://example.com/ann")]
    assert (found.article_type, found.site_name) == ("ReportageNewsArticle", "The Example")


def test_of_several_articles_the_one_of_this_page_is_read() -> None:
    others = '{"@type": "NewsArticle", "headline": "Snow", "url": "https://example.com/b", "articleSection": "Other"}'
    mine = (
        '{"@type": "LiveBlogPosting", "headline": "R", "url": "http://www.example.com/a/?x=1", "articleSection": "M"}'
    )
    assert metadata_of(json_ld(f"[{others}, {mine}]")).section == "M"
    same = '{"@type": "NewsArticle", "headline": "Rain at last", "articleSection": "M"}'
    head = '<meta property="og:title" content="Rain at last">'
    assert metadata_of(json_ld(f"[{others}, {same}]") + head).section == "M"


def test_microdata_is_read_with_and_without_a_scope() -> None:
    scoped = """<div itemscope itemtype="https://schema.org/NewsArticle"><h1 itemprop="headline">Rain at last</h1>
    <span itemprop="author" itemscope itemtype="https://schema.org/Person"><a itemprop="url" href="/ann">
    <b itemprop="name">Ann Lee</b></a></span>
    <span itemprop="datePublished" content="2019-02-07T18:21:30Z">on Thursday</span></div>
    <div itemscope itemtype="https://schema.org/Comment"><i itemprop="author">Bo Ek</i>
    <i itemprop="datePublished">2020-01-01</i></div>"""
    bare = '<h1>Rain at last</h1><i itemprop="author">Ann Lee</i><i itemprop="datePublished">7 February 2019</i>'
    found, plain = metadata_of("", scoped), metadata_of("", bare)
    assert [(author.name, author.url) for author in found.authors] == [("Ann Lee", "https://example.com/ann")]
    assert found.published is not None
    assert (found.published.value, found.published.source) == ("2019-02-07T18:21:30+00:00", "microdata")
    assert plain.published is not None
    assert ([author.name for author in plain.authors], plain.published.value) == (["Ann Lee"], "2019-02-07")


@pytest.mark.parametrize(
    ("title", "author", "date"),
    [
        ("DC.title", "DC.creator", "DC.date.issued"),
        ("dcterms.title", "dcterms.creator", "dcterms.date"),
        ("citation_title", "citation_author", "citation_date"),
        ("parsely-title", "parsely-author", "parsely-pub-date"),
        ("sailthru.title", "sailthru.author", "sailthru.date"),
        ("og:title", "article:author", "article:published_time"),
        ("twitter:title", "author", "datePublished"),
    ],
)
@pytest.mark.parametrize("name", ["Ann Lee", "ANN LEE", "By Ann Lee, Reporter"])
def test_every_family_of_meta_tags_is_read(title: str, author: str, date: str, name: str) -> None:
    said = {title: "Rain at last", author: name, date: "2019-02-07T18:21:30Z"}
    found = metadata_of("".join(f'<meta name="{key}" content="{value}">' for key, value in said.items()))
    assert found.title == "Rain at last"
    assert [author.name for author in found.authors] == ["Ann Lee"]
    assert found.published is not None
    assert (found.published.value, found.published.source) == ("2019-02-07T18:21:30+00:00", "meta")


def test_the_old_tag_of_parsely_holds_everything() -> None:
    said = '{"title": "Rain at last", "pub_date": "2019-02-07T18:21:30Z", "authors": ["Ann Lee"], "section": "Weather"}'
    found = metadata_of(f"<meta name='parsely-page' content='{said}'>")
    assert (found.title, found.section) == ("Rain at last", "Weather")
    assert [author.name for author in found.authors] == ["Ann Lee"]
    assert found.published is not None


def test_microformats_are_read() -> None:
    entry = """<article class="h-entry"><h1 class="p-name">Rain at last</h1>
    <a class="p-author h-card" href="/ann">Ann Lee</a>
    <span class="dt-published" title="2019-02-07T18:21:30Z">on Thursday</span></article>"""
    found = metadata_of("", entry)
    assert [author.name for author in found.authors] == ["Ann Lee"]
    assert found.published is not None
    assert (found.published.value, found.published.source) == ("2019-02-07T18:21:30+00:00", "microformats")
    abbr = '<div class="hentry"><h1>Rain</h1><abbr class="published" title="2019-02-07">Thursday</abbr></div>'
    published = metadata_of("", abbr).published
    assert published is not None
    assert published.value == "2019-02-07"


def test_headers_tell_what_the_page_does_not() -> None:
    headers = (("Link", '<https://example.com/rain>; rel="canonical", <https://example.com/terms>; rel=license'),)
    found = metadata_of(headers=headers)
    assert (found.canonical_url, found.license) == ("https://example.com/rain", "https://example.com/terms")


@pytest.mark.parametrize(
    "head",
    [
        json_ld('{"@type": "NewsArticle", "x": "' + "y" * 6_000_000 + '"}'),
        json_ld('{"@type": "NewsArticle", "author": {"name": "Ann Lee"}}') * 10_000,
        json_ld('{"@type": "NewsArticle", "author": ' + '{"name": ' * 900 + '"Ann"' + "}" * 901),
        json_ld("[" + '{"@id": "#a", "b": {"@id": "#a", "c": 1}},' * 30_000 + "]"),
        json_ld('{"@type": [' + '"NewsArticle",' * 100_000 + '"x"]}'),
        "<title>" + "r" * 1_000_000 + "</title>",
        '<meta name="author" content="' + "Ann Lee, " * 100_000 + '">',
        "".join(f'<meta property="p{n}" content="{n}">' for n in range(50_000)),
        "".join(f'<link rel="a b c{n}" href="/">' for n in range(50_000)),
    ],
    ids=range(9),
)
def test_hostile_metadata_is_bounded(head: str) -> None:
    begun = time.process_time()
    found = metadata_of(head, "<h1>Rain at last</h1>")
    assert time.process_time() - begun < 30
    assert len(found.title or "") <= 1000
    assert len(found.authors) <= 30


def test_surrogates_and_control_characters_are_dropped() -> None:
    item = json_ld('{"@type": "NewsArticle", "headline": "Rain\\u0000 at\\ud800 last", "author": "Ann\\u200b Lee",}')
    found = metadata_of(item)
    assert (found.title, [author.name for author in found.authors]) == ("Rain at last", ["Ann Lee"])
