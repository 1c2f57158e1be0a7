"""What publishers reserve is recorded, and obeyed where that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.index import Index
from storage.visits import Visits
from tests.cli.command import Command
from tests.stories import story
from tests.wirelog import WireLog

CRAWL = ("crawl", "--allow-private", "--delay", "0", "--json", "paper")
PATHS = ("/2026/11/22/the-story-that-is-free", "/2026/11/22/the-story-that-is-reserved")
OBEY = {"ARCHIVER_OBEY_OPT_OUT": "1"}


@pytest.fixture
def paper(archiver: Command, server: WireLog) -> WireLog:
    """A site with an article that anybody may use, and one that reserves its use by machines."""
    server.page(PATHS[0], story("The free story"))
    server.page(PATHS[1], story("The reserved story"), headers=[("X-Robots-Tag", "noai"), ("TDM-Reservation", "1")])
    items = "".join(f"<item><link>{server.http}{path}</link></item>" for path in PATHS)
    server.page("/feed", f'<rss version="2.0"><channel>{items}</channel></rss>', content_type="application/rss+xml")
    write_sites(archiver, server)
    return server


def write_sites(archiver: Command, server: WireLog, *lines: str) -> None:
    own = "".join(f"{line}\n" for line in lines)
    (archiver.home / "sites.toml").write_text(
        f'[[site]]\nname = "paper"\nhomepage = "{server.http}/"\nfeeds = ["/feed"]\nsections = []\nsitemaps = []\n{own}'
    )


def outcomes(archiver: Command, *arguments: str) -> dict[str, str]:
    said = archiver(*CRAWL, *arguments).objects
    return {"/" + each["url"].split("/", 3)[3]: each["outcome"] for each in said}


def test_a_reservation_is_recorded_and_the_article_read_unless_told_otherwise(
    archiver: Command, paper: WireLog
) -> None:
    assert outcomes(archiver) == dict.fromkeys(PATHS, "saved")
    rights = archiver("get", "--format", "json", paper.http + PATHS[1]).object["rights"]
    assert (rights["x_robots_tag"], rights["tdm_reservation"]) == ("noai", True)


def test_a_reserved_article_is_kept_and_not_read_when_told_so(archiver: Command, paper: WireLog) -> None:
    (reserved,) = [each for each in archiver(*CRAWL, "--obey-opt-out").objects if each["url"].endswith("reserved")]
    assert reserved["outcome"] == "robots"
    assert reserved["evidence"] == [
        "HTTP 200 OK",
        "the publisher reserves the use of its texts by machines (tdm-reservation: 1)",
    ]
    url = paper.http + PATHS[1]
    (exchange,) = paper.find(PATHS[1])
    assert archiver("get", url, "--format", "html").stdout == exchange.response.partition(b"\r\n\r\n")[2]
    assert "tdm-reservation: 1" in archiver("get", url, code=1).complaint
    article = archiver("get", url, "--format", "json").object
    assert article["text"] is article["text_markdown"] is article["text_sha256"] is None
    assert article["rights"]["tdm_reservation"] is True
    assert archiver("verify", "--json").object["clean"]


def test_it_is_not_looked_at_again_for_a_long_while(archiver: Command, paper: WireLog) -> None:
    outcomes(archiver, "--obey-opt-out")
    index = Index.open(archiver.home / archiver.archive / "index.sqlite3")
    due = {visit.url.removeprefix(paper.http): visit.due for visit in Visits(index).of_site("paper", ["article"])}
    index.close()
    free, reserved = (due[path] for path in PATHS)
    assert free
    assert reserved
    assert (reserved - datetime.now(UTC)).days > 150 > (free - datetime.now(UTC)).days
    for path in (archiver.home / archiver.archive).glob("index.sqlite3*"):
        path.unlink()
    assert outcomes(archiver, "--obey-opt-out") == {}, "what the archive holds says so too"


def test_the_entry_of_a_site_decides_before_the_setting(archiver: Command, paper: WireLog) -> None:
    write_sites(archiver, paper, "obey_opt_out = false")
    assert outcomes(archiver, "--obey-opt-out")[PATHS[1]] == "saved"
    write_sites(archiver, paper, "obey_opt_out = true")
    said = archiver("save", "--allow-private", "--json", paper.http + PATHS[1], code=1).object
    assert said["outcome"] == "robots"


def test_the_environment_decides_for_saves(archiver: Command, paper: WireLog) -> None:
    urls = [paper.http + path for path in PATHS]
    done = archiver("save", "--allow-private", "--json", *urls, env=OBEY, code=1)
    assert {each["url"]: each["outcome"] for each in done.objects} == {urls[0]: "saved", urls[1]: "robots"}


def test_a_ban_of_ai_crawlers_in_robots_txt_reserves_all_of_a_site(archiver: Command, paper: WireLog) -> None:
    paper.page("/robots.txt", "User-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nAllow: /\n", content_type="text/plain")
    said = archiver(*CRAWL, "--obey-opt-out").objects
    assert {each["outcome"] for each in said} == {"robots"}
    (free,) = [each for each in said if each["url"].endswith("free")]
    assert "robots.txt bans GPTBot" in free["evidence"][-1]


def test_what_was_withheld_stays_so_when_it_is_read_again(archiver: Command, paper: WireLog) -> None:
    outcomes(archiver, "--obey-opt-out")
    with (archiver.home / "sites.toml").open("a") as file:  # a new rule: the articles of the site are read again
        file.write('[[site.rule]]\nfield = "section"\ncss = "h1"\n')
    archiver("reextract")
    url = paper.http + PATHS[1]
    assert archiver("get", "--format", "json", paper.http + PATHS[0]).object["section"] == "The free story"
    article = archiver("get", "--format", "json", url).object
    assert (article["section"], article["outcome"], article["text"]) == ("The reserved story", "robots", None)
    assert article["evidence"][-1].endswith("(tdm-reservation: 1)")
