"""The demo's news site: a paper that answers as real sites do, and that an editor can change meanwhile."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

import pytest

from archiver.demo import newspaper, site
from archiver.demo.newspaper import SECTIONS, STORIES, UNREADABLE
from archiver.demo.site import DemoSite

NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture
def courier() -> Iterator[DemoSite]:
    with DemoSite() as courier:
        yield courier


def get(
    courier: DemoSite, path: str, headers: Mapping[str, str] = {}, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(courier.url).netloc, timeout=10)
    try:
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def text(courier: DemoSite, path: str) -> str:
    response, body = get(courier, path)
    assert response.status == 200, path
    return body.decode(response.headers.get_content_charset() or "ascii")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.path)
def test_every_story_can_be_read_and_is_listed(courier: DemoSite, story: newspaper.Story) -> None:
    assert story.headline in text(courier, story.path)
    section = next(path for path, name in SECTIONS.items() if name == story.section)
    for listing in ("/", section, "/news-sitemap.xml"):
        assert story.path in text(courier, listing), listing


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.path)
def test_structured_data_is_valid_json_without_templates_left(courier: DemoSite, story: newspaper.Story) -> None:
    page = text(courier, story.path)
    assert "{{" not in page
    for script in re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL):
        assert json.loads(script)["@context"] == "https://schema.org"


def test_stories_stand_newest_first_as_the_feed_shows_them(courier: DemoSite) -> None:
    items = ElementTree.fromstring(text(courier, "/feed.xml")).findall("./channel/item")
    dates = [parsedate_to_datetime(item.findtext("pubDate") or "") for item in items]
    assert dates == [story.published for story in STORIES[: newspaper.FEED_LENGTH]]
    assert [item.findtext("link") for item in items] == [
        courier.url + story.path for story in STORIES[: newspaper.FEED_LENGTH]
    ]


def test_the_news_sitemap_is_named_in_robots_and_lists_unreadable_stories_too(courier: DemoSite) -> None:
    robots = text(courier, "/robots.txt")
    assert f"Sitemap: {courier.url}/news-sitemap.xml" in robots
    urls = ElementTree.fromstring(text(courier, "/news-sitemap.xml")).findall(f"{SITEMAP}url")
    assert [url.findtext(f"{SITEMAP}loc") for url in urls] == [
        courier.url + story.path for story in (*STORIES, *UNREADABLE)
    ]
    assert {url.findtext(f"{NEWS}news/{NEWS}publication/{NEWS}language") for url in urls} == {"en", "de"}


def test_every_link_leads_where_the_reader_expects(courier: DemoSite) -> None:
    broken = {}
    for page in ("/", *SECTIONS, *(story.path for story in STORIES)):
        for link in re.findall(r'(?:href|src)="([^"]+)"', text(courier, page)):
            url = urljoin(courier.url + page, link)
            assert url.startswith(courier.url), url
            response, _ = get(courier, urlsplit(url).path)
            if response.status >= 400:
                broken[urlsplit(url).path] = response.status
    assert broken == {"/news/2019/02/08/council-papers.html": 403, "/news/2019/01/30/lost-gannet.html": 404}


def test_a_short_link_redirects(courier: DemoSite) -> None:
    response, body = get(courier, "/s/4f7a")
    assert (response.status, response.headers["Location"], body) == (301, courier.url + site.FERRY, b"")


def test_a_section_without_its_slash_redirects(courier: DemoSite) -> None:
    response, _ = get(courier, "/business")
    assert (response.status, response.headers["Location"]) == (301, f"{courier.url}/business/")


def test_the_bot_check_answers_403(courier: DemoSite) -> None:
    response, body = get(courier, site.BEHIND_A_BOT_CHECK)
    assert response.status == 403
    assert b"Verify you are human" in body


@pytest.mark.parametrize("path", ["/nothing", "/_front.html", "/../newspaper.py", "/%2e%2e/newspaper.py", "/images"])
def test_what_is_no_page_answers_404(courier: DemoSite, path: str) -> None:
    assert get(courier, path)[0].status == 404


def test_the_german_story_crosses_the_wire_in_latin_1(courier: DemoSite) -> None:
    response, body = get(courier, site.GERMAN)
    assert response.headers["Content-Type"] == "text/html; charset=iso-8859-1"
    assert "Möwen zählt".encode("latin-1") in body


def test_the_regatta_is_sent_in_chunks_and_zipped_on_request(courier: DemoSite) -> None:
    response, body = get(courier, site.CHUNKED, {"Accept-Encoding": "gzip, deflate"})
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in response.headers
    assert gzip.decompress(body).decode() == text(courier, site.CHUNKED)


def test_a_connection_serves_many_requests(courier: DemoSite) -> None:
    connection = http.client.HTTPConnection(urlsplit(courier.url).netloc, timeout=10)
    socket = None
    for path in ("/", "/s/4f7a", "/nothing", site.CHUNKED, "/images/ferry.png"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert socket in (None, connection.sock)
        socket = connection.sock
    connection.close()


def test_head_sends_the_headers_alone(courier: DemoSite) -> None:
    whole, body = get(courier, "/feed.xml")
    head, nothing = get(courier, "/feed.xml", method="HEAD")
    assert nothing == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("path", ["/", "/feed.xml", "/style.css", "/images/ferry.png", site.FERRY, site.CHUNKED])
def test_what_the_client_already_holds_is_not_sent_again(courier: DemoSite, path: str) -> None:
    response, _ = get(courier, path)
    for headers in (
        {"If-None-Match": response.headers["ETag"]},
        {"If-None-Match": f'"other", W/{response.headers["ETag"]}'},
        {"If-Modified-Since": response.headers["Last-Modified"]},
    ):
        again, body = get(courier, path, headers)
        assert (again.status, body) == (304, b""), headers
    stale, _ = get(courier, path, {"If-None-Match": '"other"', "If-Modified-Since": response.headers["Last-Modified"]})
    assert stale.status == 200


def test_an_edit_changes_the_page_and_its_validators(courier: DemoSite) -> None:
    before, _ = get(courier, site.FERRY)
    courier.edit(site.FERRY, "£14.50", "£15.00")
    after, body = get(courier, site.FERRY, {"If-None-Match": before.headers["ETag"]})
    assert after.status == 200
    assert "£15.00" in body.decode()
    first, last = (parsedate_to_datetime(response.headers["Last-Modified"]) for response in (before, after))
    assert last > first


def test_an_edited_headline_reaches_the_lists(courier: DemoSite) -> None:
    courier.edit(site.FERRY, "Night ferry returns", "Overnight boat returns")
    for listing in ("/", "/news/", "/feed.xml", "/news-sitemap.xml"):
        assert "Overnight boat returns to Skarra after nine winters" in text(courier, listing)


def test_front_page_and_robots_can_be_edited_as_well(courier: DemoSite) -> None:
    courier.edit("/robots.txt", "Disallow: /members/", "Disallow: /")
    courier.edit("/", "Friday 8 February", "Saturday 9 February")
    assert "Disallow: /\n" in text(courier, "/robots.txt")
    assert "Saturday 9 February" in text(courier, "/")


@pytest.mark.parametrize("path", ["/nothing", "/images/ferry.png", site.FERRY])
def test_an_edit_that_finds_nothing_to_replace_is_an_error(courier: DemoSite, path: str) -> None:
    with pytest.raises(ValueError, match="does not contain 'no such words'"):
        courier.edit(path, "no such words", "others")


def test_a_removed_story_is_gone_and_unlisted_until_restored(courier: DemoSite) -> None:
    front = text(courier, "/")
    courier.remove(site.WALKS)
    assert get(courier, site.WALKS)[0].status == 410
    for listing in ("/", "/culture/", "/feed.xml", "/news-sitemap.xml"):
        assert site.WALKS not in text(courier, listing)
    courier.restore()
    assert text(courier, "/") == front
    assert get(courier, site.WALKS)[0].status == 200


def test_the_next_edition_changes_two_stories_and_withdraws_one(courier: DemoSite) -> None:
    before = {story.path: get(courier, story.path)[1] for story in STORIES}
    courier.next_edition()
    after = {story.path: get(courier, story.path) for story in STORIES}
    changed = {path for path, (response, body) in after.items() if response.status == 200 and body != before[path]}
    assert changed == {site.FERRY, site.STORM}
    assert [path for path, (response, _) in after.items() if response.status == 410] == [site.WALKS]


def test_a_closed_site_answers_nobody(courier: DemoSite) -> None:
    connection = http.client.HTTPConnection(urlsplit(courier.url).netloc, timeout=10)
    connection.request("GET", "/")
    connection.getresponse().read()
    courier.__exit__(None, None, None)
    connection.request("GET", "/")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    with pytest.raises(ConnectionError):
        get(courier, "/")
