"""``--requisites``: what a browser needs to show a page is archived with it."""

from __future__ import annotations

import gzip
import json
import signal
from collections import Counter
from typing import Any

import pytest

from tests.cli.command import Command, Place
from tests.oddcases import Case, ok
from tests.stories import story
from tests.wirelog import Request, Talk, WireLog, wire_log

SAVE = ("save", "--requisites", "--allow-private", "--json")
CRAWL = ("crawl", "--requisites", "--allow-private", "--delay", "0", "--json")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


def serve(server: WireLog) -> str:
    """Serve a page with requisites here and on another host; return its URL."""
    cdn = server.http.replace("127.0.0.1", "localhost")
    head = f'<link rel="stylesheet" href="/site.css"><link rel="icon" href="/icon.png"><script src="{cdn}/app.js">'
    head += "</script>"
    server.page("/site.css", '@import "fonts.css"; body { background: url(/paper.png) }', content_type="text/css")
    server.page("/fonts.css", "@font-face { src: url(a.woff2) }", content_type="text/css")
    server.page("/app.js", "1", content_type="text/javascript")
    for path in ("/icon.png", "/paper.png", "/s.png", "/l.png", "/lazy.png"):
        server.page(path, PNG + path.encode(), content_type="image/png")
    server.page("/a.woff2", b"wOF2", content_type="font/woff2")
    images = '<img src="/s.png" srcset="/s.png 1x, /l.png 2x"><img data-src="/lazy.png"><img src="/missing.png">'
    return server.page("/story", story("A story", head=head).replace("</article>", f"{images}</article>"))


REQUISITES = ("/site.css", "/fonts.css", "/app.js", "/icon.png", "/paper.png", "/s.png", "/l.png", "/lazy.png")
REQUISITES += ("/a.woff2",)


def log_of(archiver: Command, number: int = -1) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of a crawl log, the newest by default, and its summary."""
    path = sorted((archiver.home / archiver.archive).glob("crawls/**/*.jsonl.gz"))[number]
    *lines, summary = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return lines, summary


def support(archiver: Command, number: int = -1) -> dict[str, dict[str, Any]]:
    """The lines of kind support by their URL, of which there is one each."""
    lines = [line for line in log_of(archiver, number)[0] if line["kind"] == "support"]
    by_url = {line["url"]: line for line in lines}
    assert len(by_url) == len(lines)
    return by_url


def test_a_saved_page_is_reported_when_all_it_needs_is_durable(place: Place, server: WireLog) -> None:
    url = serve(server)
    said = place.command(*SAVE, url).object
    assert (said["outcome"], said["requisites"]) == ("saved", {"saved": 9, "failed": 1, "known": 0})
    assert server.hits == Counter(dict.fromkeys((*REQUISITES, "/story", "/missing.png"), 1))
    kept = b"".join(place.read(key) for key in place.stored() if key.endswith(".warc.gz"))
    for path in REQUISITES:
        (exchange,) = server.find(path)
        assert exchange.response in gzip.decompress(kept), f"{path} is not kept byte for byte"
    assert place.command("verify", "--json").object["clean"]
    assert place.leftovers() == []


def test_each_requisite_is_a_line_of_the_log_and_a_failure_has_its_reason(archiver: Command, server: WireLog) -> None:
    archiver(*SAVE, serve(server))
    lines, summary = log_of(archiver)
    assert summary["attempts"] == len(lines) == 11
    by_url = support(archiver)
    assert by_url[server.http + "/missing.png"]["outcome"] == "gone"
    assert by_url[server.http + "/missing.png"]["evidence"] == ["HTTP 404 Not Found"]
    assert by_url[server.http + "/site.css"]["outcome"] == "not_article"
    assert server.http.replace("127.0.0.1", "localhost") + "/app.js" in by_url


def test_without_the_option_only_the_page_is_fetched(archiver: Command, server: WireLog) -> None:
    said = archiver("save", "--allow-private", "--json", serve(server)).object
    assert "requisites" not in said
    assert server.hits == {"/story": 1}


def test_people_are_told_how_many_there_were(archiver: Command, server: WireLog) -> None:
    (line,) = archiver("save", "--requisites", "--allow-private", serve(server)).lines
    assert line.endswith('"A story" (version 1), 9 requisites saved, 1 failed')


def test_what_the_archive_holds_since_yesterday_is_not_asked_for_again(archiver: Command, server: WireLog) -> None:
    url = serve(server)
    archiver(*SAVE, url)
    said = archiver(*SAVE, url).object
    assert said["requisites"] == {"saved": 0, "failed": 0, "known": 10}
    assert {path for path, hits in server.hits.items() if hits > 1} == {"/story"}


def test_pages_that_share_requisites_fetch_them_once(archiver: Command, server: WireLog) -> None:
    url = serve(server)
    for number in range(8):
        server.pages[f"/story-{number}"] = server.pages["/story"]
    said = archiver(*SAVE, url, *(f"{url}-{number}" for number in range(8))).objects
    assert {path: server.hits[path] for path in REQUISITES} == dict.fromkeys(REQUISITES, 1)
    assert sum(each["requisites"]["saved"] for each in said) == 9
    assert all(sum(each["requisites"].values()) == 10 for each in said)


def test_browsers_say_where_a_requisite_was_named(archiver: Command, server: WireLog) -> None:
    archiver(*SAVE, serve(server))
    (style,), (script,) = server.find("/site.css"), server.find("/app.js")
    assert f"\r\nReferer: {server.http}/story\r\n".encode() in style.request
    assert f"\r\nReferer: {server.http}/\r\n".encode() in script.request


def test_a_page_that_cannot_be_shown_has_no_requisites(archiver: Command, server: WireLog) -> None:
    url = serve(server)
    server.page("/story", story("Gone").replace("</article>", '<img src="/s.png"></article>'), status="404 Not Found")
    server.page("/paper.pdf", b"%PDF-1.7 <img src=/s.png>", content_type="application/pdf")
    said = archiver(*SAVE, url, server.http + "/paper.pdf", code=1).objects
    assert [each["requisites"] for each in said] == [{"saved": 0, "failed": 0, "known": 0}] * 2
    assert server.hits == {"/story": 1, "/paper.pdf": 1}


def test_a_requisite_that_is_too_large_is_cut_off_and_told(archiver: Command, server: WireLog) -> None:
    server.page("/large.png", PNG + bytes(200_000), content_type="image/png")
    url = server.page("/story", story("A story").replace("</article>", '<img src="/large.png"></article>'))
    said = archiver(*SAVE, url, env={"ARCHIVER_REQUISITE_BYTES": "100000"}).object
    assert said["requisites"] == {"saved": 0, "failed": 1, "known": 0}
    (line,) = support(archiver).values()
    assert "100,000 bytes" in line["evidence"][0]
    assert "ARCHIVER_REQUISITE_BYTES" in line["evidence"][0]


def test_no_more_requisites_are_fetched_than_allowed(archiver: Command, server: WireLog) -> None:
    images = "".join(f'<img src="/{number}.png">' for number in range(30))
    server.page("/site.css", "", content_type="text/css")
    url = server.page(
        "/story", story("A story").replace("</article>", images + '<link rel=stylesheet href="/site.css">')
    )
    said = archiver(*SAVE, url, env={"ARCHIVER_REQUISITES_PER_PAGE": "5"}).object
    assert sum(said["requisites"].values()) == 5
    assert server.hits["/site.css"] == 1, "what matters most comes first"


def test_requisites_may_not_reach_where_pages_may_not(archiver: Command, server: WireLog) -> None:
    for number, address in enumerate(("http://10.0.0.1/a.png", "http://169.254.169.254/latest/")):
        server.page(f"/{number}", story("A story").replace("</article>", f'<img src="{address}"></article>'))
    done = archiver(
        *("save", "--requisites", "--json"), "http://example.com/0", "http://example.com/1",
        env={"ARCHIVER_PROXY": server.http},  # it answers for any host
    )  # fmt: skip
    assert {each["outcome"] for each in done.objects} == {"saved"}
    assert {line["outcome"] for line in support(archiver).values()} == {"refused"}
    assert {exchange.path for exchange in server.exchanges} == {"/0", "/1"}


def test_a_host_that_does_not_answer_is_left_alone(archiver: Command, server: WireLog) -> None:
    images = "".join(f'<img src="http://127.0.0.1:9/{number}.png">' for number in range(40))
    url = server.page("/story", story("A story").replace("</article>", images + '<img src="http://localhost:9/a.png">'))
    said = archiver(*SAVE, url).object
    assert (said["outcome"], said["requisites"]) == ("saved", {"saved": 0, "failed": 41, "known": 0})
    reasons = Counter(line["evidence"][0].partition(";")[0] for line in support(archiver).values())
    assert reasons["its host gave no answer before"] > 30
    assert reasons["localhost:9 refused the connection"] == 1


def test_a_save_waits_only_so_long_for_requisites(archiver: Command, server: WireLog) -> None:
    said = archiver(*SAVE, serve(server), env={"ARCHIVER_REQUISITES_SECONDS": "0"}).object
    assert (said["outcome"], said["requisites"]) == ("saved", {"saved": 0, "failed": 7, "known": 0})


def test_redirected_requisites_are_followed_and_loops_end(archiver: Command, server: WireLog) -> None:
    def redirect(to: str) -> bytes:
        return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()

    server.pages["/moved.css"] = redirect("/css/real.css")
    server.page("/css/real.css", "p { background: url(p.png) }", content_type="text/css")
    server.page("/css/p.png", PNG, content_type="image/png")
    server.pages["/loop.png"] = lambda request: redirect(f"/loop.png?{request.query}x")
    body = '<link rel="stylesheet" href="/moved.css"><img src="/loop.png?">'
    url = server.page("/story", story("A story").replace("</article>", body + "</article>"))
    said = archiver(*SAVE, url).object
    assert said["requisites"] == {"saved": 2, "failed": 1, "known": 0}
    by_url = support(archiver)
    assert by_url[server.http + "/moved.css"]["final_url"] == server.http + "/css/real.css"
    assert "circle" in by_url[server.http + "/loop.png"]["evidence"][0]
    again = archiver(*SAVE, url).object
    assert again["requisites"]["known"] == 3, "also what stands behind a redirect is known"


def test_style_sheets_that_never_end_are_left_at_some_depth(archiver: Command, server: WireLog) -> None:
    def deeper(request: Request) -> bytes:
        return ok(f'@import "/css?{int(request.query or 0) + 1}";'.encode(), b"Content-Type: text/css")

    server.pages["/css"] = deeper
    url = server.page("/story", story("A story", head='<link rel="stylesheet" href="/css?0">'))
    assert archiver(*SAVE, url).object["requisites"] == {"saved": 5, "failed": 0, "known": 0}


# Crawls.


def site(server: WireLog, *, requisites: bool = False, robots: str = "") -> None:
    """Serve a front page with three articles that share requisites."""
    serve(server)
    links = ""
    for number in range(3):
        path = f"/2026/11/22/what-the-tide-brought-{number}"
        server.pages[path] = server.pages["/story"].replace(b"A story", b"Story %d" % number)  # type: ignore[union-attr]
        links += f"<item><link>{server.http}{path}</link></item>"
    server.page("/", "<title>Paper</title>")
    server.page("/feed", f'<rss version="2.0"><channel>{links}</channel></rss>', content_type="application/rss+xml")
    if robots:
        server.page("/robots.txt", robots, content_type="text/plain")


def entry(server: WireLog, *lines: str) -> str:
    own = "".join(f"{line}\n" for line in lines)
    return (
        f'[[site]]\nname = "paper"\nhomepage = "{server.http}/"\nfeeds = ["/feed"]\nsections = []\nsitemaps = []\n{own}'
    )


def test_a_crawl_fetches_what_its_articles_need_once_and_after_them(archiver: Command, server: WireLog) -> None:
    site(server)
    (archiver.home / "sites.toml").write_text(entry(server))
    said = archiver(*CRAWL, "paper").objects
    assert [each["outcome"] for each in said] == ["saved"] * 3
    assert {path: server.hits[path] for path in REQUISITES} == dict.fromkeys(REQUISITES, 1)
    lines, summary = log_of(archiver)
    assert summary["attempts"] == len(lines)
    assert archiver("verify", "--json").object["clean"]


def test_a_site_whose_entry_says_so_has_requisites_and_another_has_none(archiver: Command, server: WireLog) -> None:
    site(server)
    (archiver.home / "sites.toml").write_text(entry(server, "requisites = false"))
    archiver("crawl", "--allow-private", "--delay", "0", "paper")
    assert not any(server.hits[path] for path in REQUISITES)
    for path in (archiver.home / archiver.archive).glob("index.sqlite3*"):
        path.unlink()
    (archiver.home / "sites.toml").write_text(entry(server, "requisites = true"))
    server.page("/feed", server.pages["/feed"].partition(b"\r\n\r\n")[2].replace(b"2026/11/22", b"2026/11/23"))  # type: ignore[union-attr]
    for number in range(3):
        server.pages[f"/2026/11/23/what-the-tide-brought-{number}"] = server.pages["/story"]
    done = archiver("crawl", "--allow-private", "--delay", "0", "paper")
    assert {path: server.hits[path] for path in REQUISITES} == dict.fromkeys(REQUISITES, 1)
    assert "9 requisites saved, 18 held already, 3 failed" in done.err


def test_robots_txt_counts_for_the_requisites_of_a_crawl(archiver: Command, server: WireLog) -> None:
    site(server, robots="User-agent: *\nDisallow: /*.png$\n")
    (archiver.home / "sites.toml").write_text(entry(server))
    archiver(*CRAWL, "paper")
    assert server.hits["/site.css"] == 1
    assert not any(server.hits[path] for path in REQUISITES if path.endswith(".png"))
    by_url = support(archiver)
    assert by_url[server.http + "/icon.png"]["outcome"] == "robots"
    assert "robots.txt" in by_url[server.http + "/icon.png"]["evidence"][0]


def test_what_robots_txt_forbids_is_no_silence_of_the_host(archiver: Command, server: WireLog) -> None:
    images = "".join(f'<img src="/no/{number}.png">' for number in range(8)) + '<img src="/yes.png">'
    path = "/2026/11/22/a-page-of-pictures"
    url = server.page(path, story("Pictures").replace("</article>", images + "</article>"))
    server.page("/feed", f'<rss version="2.0"><channel><item><link>{url}</link></item></channel></rss>')
    server.page("/robots.txt", "User-agent: *\nDisallow: /no/\n", content_type="text/plain")
    server.page("/yes.png", PNG, content_type="image/png")
    (archiver.home / "sites.toml").write_text(entry(server))
    archiver(*CRAWL, "paper")
    assert server.hits["/yes.png"] == 1


def test_articles_go_before_the_requisites_of_their_host(archiver: Command) -> None:
    order: list[str] = []

    async def page(talk: Talk) -> None:
        order.append(talk.request.path)
        body = story(f"Story {talk.request.query}").replace(
            "</article>", f'<img src="/odd/image?{talk.request.query}">'
        )
        await talk.send(ok(body.encode(), b"Content-Type: text/html; charset=utf-8"))

    async def image(talk: Talk) -> None:
        order.append(talk.request.path)
        await talk.send(ok(PNG, b"Content-Type: image/png"))

    with wire_log({"page": Case("page", page), "image": Case("image", image)}) as server:
        items = "".join(f"<item><link>{server.url('page', query=f'id={number}')}</link></item>" for number in range(24))
        server.page("/feed", f'<rss version="2.0"><channel>{items}</channel></rss>', content_type="application/rss+xml")
        (archiver.home / "sites.toml").write_text(entry(server, 'article = ["/odd/page"]', "concurrency = 1"))
        archiver("crawl", "--requisites", "--allow-private", "--delay", "0.3", "paper")
    assert Counter(order) == {"/odd/page": 24, "/odd/image": 24}
    assert order[-23:] == ["/odd/image"] * 23, order


@pytest.mark.parametrize("command", ["save", "crawl"])
def test_an_interrupt_leaves_the_requisites_and_accounts_for_what_was_done(
    archiver: Command, server: WireLog, command: str
) -> None:
    images = "".join(f'<img src="/image?{number}">' for number in range(200))
    server.page("/image", PNG, content_type="image/png")
    path = "/2026/11/22/a-page-of-pictures"
    url = server.page(path, story("Pictures").replace("</article>", images + "</article>"))
    server.page("/feed", f'<rss version="2.0"><channel><item><link>{url}</link></item></channel></rss>')
    (archiver.home / "sites.toml").write_text(entry(server))
    what = [url] if command == "save" else ["paper"]
    with archiver.start(command, "--json", "--requisites", "--allow-private", "--delay", "0.2", *what) as process:
        server.wait_for(lambda: server.hits["/image"] >= 3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    (said,) = map(json.loads, out.splitlines())
    assert said["outcome"] == "saved"
    assert server.hits["/image"] < 50
    if command == "save":
        assert said["requisites"] == {"saved": server.hits["/image"], "failed": 200 - server.hits["/image"], "known": 0}
    lines, summary = log_of(archiver)
    assert summary["attempts"] == len(lines)
    assert sum("/image" in line["url"] for line in lines) == server.hits["/image"]
    assert archiver("verify", "--json").object["clean"]
