"""The newcomer's first minute, as the newcomer sees it."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import html

from archiver.demo.site import FILES

ARCHIVER = Path(sys.executable).with_name("archiver")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's archive and everything it printed."""
    place = tmp_path_factory.mktemp("demo") / "archive"
    done = subprocess.run([ARCHIVER, "demo", "--keep", place], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return place, done.stdout


def run(place: Path, *words: str) -> str:
    """What a command prints about the demo's archive."""
    done = subprocess.run([ARCHIVER, "--archive", place, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def snapshots(place: Path) -> list[dict[str, object]]:
    """Every capture of the demo's site."""
    logs = sorted((place / "crawls").rglob("*.jsonl.gz"))
    first = json.loads(gzip.decompress(logs[0].read_bytes()).splitlines()[0])
    site = "/".join(first["url"].split("/")[:3]) + "/"
    return [json.loads(line) for line in run(place, "snapshots", site, "--host", "--json").splitlines()]


@pytest.fixture(scope="module")
def desertions(demo: tuple[Path, str]) -> dict[str, object]:
    place, _ = demo
    url = next(str(line["url"]) for line in snapshots(place) if "soldiers-desert" in str(line["url"]))
    article: dict[str, object] = json.loads(run(place, "get", url, "--format", "json"))
    return article


def test_the_desertions_article_reads_as_its_page_means_it(desertions: dict[str, object]) -> None:
    assert desertions["outcome"] in ("saved", "unchanged")
    assert [author["name"] for author in desertions["authors"]] == ["Sharecast News"]  # type: ignore[attr-defined]
    assert (desertions["published_at"], desertions["published_precision"]) == ("2019-02-07", "day")
    assert str(desertions["modified_at"]).startswith("2019-02-07T18:21")
    lines = str(desertions["text"]).splitlines()
    assert "By" not in lines
    assert [line for line in lines if "last news" in line.lower() or "updated :" in line.lower()] == []


def test_all_paragraphs_of_the_desertions_article_are_there(desertions: dict[str, object]) -> None:
    source = next(FILES.rglob("soldiers-desert*")).read_text("utf-8")
    paragraphs = [" ".join(each.text_content().split()) for each in html.fromstring(source).iter("p")]
    long = [paragraph for paragraph in paragraphs if len(paragraph) > 90]
    assert len(long) >= 5
    text = " ".join(str(desertions["text"]).split())
    assert [paragraph for paragraph in long if paragraph not in text] == []


def test_an_edited_story_has_two_versions_and_a_withdrawn_one_is_gone(demo: tuple[Path, str]) -> None:
    listed = snapshots(demo[0])
    ferry = [line["version"] for line in listed if str(line["url"]).endswith("night-ferry-returns.html")]
    assert (ferry[0], ferry[-1]) == (1, 2)
    walks = [line["outcome"] for line in listed if str(line["url"]).endswith("winter-walks.html")]
    assert walks == ["saved", "gone"]


def test_it_names_what_is_no_article_and_every_command_it_suggests_works(demo: tuple[Path, str]) -> None:
    place, printed = demo
    for outcome in ("blocked", "paywalled", "gone", "not_article", "everything is in order"):
        assert outcome in printed
    commands = [shlex.split(line) for line in printed.splitlines() if f"--archive {place}" in line]
    assert len(commands) >= 5
    for command in commands:
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == 0, (command, done.stderr)
