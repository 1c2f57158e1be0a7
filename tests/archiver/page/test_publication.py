from tests.archiver.page.pages import json_ld, metadata_of


def test_a_date_is_taken_from_the_best_source_and_says_which() -> None:
    meta = '<meta property="article:published_time" content="2020-01-02T10:00:00Z">'
    item = json_ld('{"@type": "NewsArticle", "headline": "Rain", "datePublished": "2020-01-01"}')
    tag = '<h1>Rain</h1><time datetime="2020-01-03">3 January</time>'
    url = "https://example.com/2020/01/04/rain"
    assert [
        (found.published.value, found.published.source)
        for found in (
            metadata_of(meta + item, tag, url),
            metadata_of(meta, tag, url),
            metadata_of("", tag, url),
            metadata_of("", "<h1>Rain</h1>", url),
        )
        if found.published
    ] == [
        ("2020-01-01", "json-ld"),
        ("2020-01-02T10:00:00+00:00", "meta"),
        ("2020-01-03", "time tag"),
        ("2020-01-04", "url"),
    ]


def test_a_future_date_gives_way_to_the_next_source() -> None:
    head = '<meta property="article:published_time" content="2031-01-02T10:00:00Z">'
    found = metadata_of(head, "<h1>Rain</h1>", "https://example.com/2020/01/04/rain").published
    assert found is not None
    assert found.source == "url"


def test_the_time_tag_of_an_update_is_no_publication() -> None:
    found = metadata_of(body='<h1>Rain</h1><p>Updated <time datetime="2020-01-03T10:00Z">3 January</time></p>')
    assert found.modified is not None
    assert found.modified.value == "2020-01-03T10:00+00:00"
