"""What is special about an archive in a bucket: the bucket alone is the archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.cli.command import Command, S3Place
from tests.s3server import S3Server
from tests.stories import story
from tests.wirelog import WireLog

ALLOW = ("save", "--allow-private")


def test_any_machine_reads_what_another_saved(tmp_path: Path, s3: S3Server, server: WireLog) -> None:
    location = f"s3://{s3.make_bucket()}/news"
    desk, laptop = (Command(tmp_path / name, location, s3.env) for name in ("desk", "laptop"))
    for machine in (desk, laptop):
        machine.home.mkdir()
    first, second = (server.page(f"/{name}", story(name)) for name in ("first", "second"))
    desk(*ALLOW, first)
    assert laptop("get", first).lines[0] == "first"
    laptop(*ALLOW, second)
    desk(*ALLOW, second)
    expected = [(first, "saved"), (second, "saved"), (second, "unchanged")]
    for machine in (desk, laptop):
        listed = machine("snapshots", "--json", "--host", server.http).objects
        assert [(each["url"], each["outcome"]) for each in listed] == expected
        assert machine("verify", "--json").object["clean"]
    assert [each["mime"] for each in listed] == ["text/html", "text/html", "warc/revisit"]


def test_the_index_is_only_a_cache(tmp_path: Path, s3: S3Server, server: WireLog) -> None:
    place = S3Place(Command(tmp_path, f"s3://{s3.make_bucket()}/news/", s3.env), s3)
    url = server.page("/bridge", story("Bridge to be repaired"))
    place.command(*ALLOW, url)
    shutil.rmtree(tmp_path / ".cache")
    assert place.command("get", url).lines[0] == "Bridge to be repaired"
    kinds = {key.partition("/")[0] for key in S3Place(Command(tmp_path, place.command.archive[:-1]), s3).stored()}
    assert kinds == {"archive.json", "warc", "cdxj", "articles", "crawls"}


def test_a_page_is_reported_once_it_is_in_the_bucket(tmp_path: Path, s3: S3Server, server: WireLog) -> None:
    place = S3Place(Command(tmp_path, f"s3://{s3.make_bucket()}/news", s3.env), s3)
    urls = [server.page(f"/{number}", story(f"Story {number}")) for number in range(4)]
    with place.command.start(*ALLOW, "--json", *urls) as process:
        assert process.stdout
        for line in process.stdout:
            said = json.loads(line)
            data = place.read(said["warc"]["file"])
            assert len(data) >= said["warc"]["offset"] + said["warc"]["length"]
        assert process.wait(60) == 0
    assert place.leftovers() == []


def test_archives_of_one_bucket_do_not_mix(tmp_path: Path, s3: S3Server, server: WireLog) -> None:
    bucket = s3.make_bucket()
    news, sport = (Command(tmp_path, f"s3://{bucket}/{name}", s3.env) for name in ("news", "news-sport"))
    url = server.page("/bridge", story("Bridge to be repaired"))
    news(*ALLOW, url)
    assert "there is no archive at" in sport("get", url, code=1).complaint
    sport(*ALLOW, url)
    assert len(news("snapshots", "--json", url).objects) == 1
    assert sport("snapshots", "--json", url).object["mime"] == "text/html"
