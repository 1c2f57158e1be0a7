"""Sets in the forms of public ones, invented and tiny, become folders that the benchmark reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.extraction import bench
from benchmarks.extraction.convert import main
from benchmarks.extraction.score import Truth

PAGE = b"<html><title>Rain</title><p>Rain fell on the hills all night.</p></html>"
URL = "https://hills.example/rain"


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    else:
        file.write_text(json.dumps(content), "utf-8")


def converted(kind: str, source: Path) -> list[bench.Sample]:
    main([kind, str(source), str(source.parent / "out")])
    samples = bench.load(source.parent / "out")
    assert all(sample.html == PAGE for sample in samples)
    return samples


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_scrapinghub_has_bodies(source: Path) -> None:
    write(source / "ground-truth.json", {"0ab1": {"articleBody": "Rain fell on the hills.", "url": URL}})
    write(source / "html/0ab1.html.gz", PAGE)
    (sample,) = converted("scrapinghub", source)
    assert sample.truth == Truth(URL, text="Rain fell on the hills.")


def test_trafilatura_has_pieces_and_bylines(source: Path) -> None:
    first = {"file": "a.html", "with": ["fell on"], "without": ["Log in"], "author": "Ann Lee; Bo Ray", "title": "Rain"}
    second = {"file": "b.html", "with": ["fell on"], "without": ["Log in"], "date": "2026-01-02", "author": ["Cy Dee"]}
    write(source / "evaldata.json", {URL: first, "https://hills.example/b": second})
    write(source / "cache/a.html", PAGE)
    write(source / "eval/b.html", PAGE)
    one, two = converted("trafilatura", source)
    assert one.truth == Truth(URL, title="Rain", authors=("Ann Lee", "Bo Ray"))
    assert two.truth == Truth("https://hills.example/b", authors=("Cy Dee",), published="2026-01-02")
    line = json.loads((source.parent / "out/truth.jsonl").read_text().splitlines()[0])
    assert (line["with"], line["without"], line["source"]) == (["fell on"], ["Log in"], "a.html")


@pytest.mark.parametrize("where", ["", "dev"])
def test_wcxb_gives_its_articles(source: Path, where: str) -> None:
    truth = {"main_content": "Rain fell.", "title": "Rain", "author": "Ann Lee", "publish_date": "2026-01-02"}
    article = {"url": URL, "ground_truth": truth, "_internal": {"page_type": {"primary": "article"}}}
    forum = {**article, "_internal": {"page_type": {"primary": "forum"}}}
    write(source / where / "ground-truth/0001.json", article)
    write(source / where / "ground-truth/0002.json", forum)
    write(source / where / "html/0001.html.gz", PAGE)
    write(source / where / "html/0002.html.gz", PAGE)
    (sample,) = converted("wcxb", source)
    assert sample.truth == Truth(URL, text="Rain fell.", title="Rain", authors=("Ann Lee",), published="2026-01-02")


def _case(title: str) -> dict[str, Any]:
    sections = [{"headline": [], "paragraphs": ["Rain fell."]}, {"headline": ["Night"], "paragraphs": ["Wind rose."]}]
    body = {"summary": ["It rained."], "sections": sections}
    return {"authors": ["Ann Lee"], "body": body, "publishing_date": "2026-01-02 23:30:00+01:00", "title": title}


def test_fundus_pairs_pages_with_the_versions_of_a_parser(source: Path) -> None:
    names = ("Hills_2024_05_01.html.gz", "Hills_2026_01_02.html.gz", "HillsDaily_2026_01_02.html.gz")
    for name in names:
        write(source / "xx" / name, PAGE)
    told = {name: {"url": f"https://hills.example/{name}", "crawl_date": "2026-01-02"} for name in names}
    write(source / "xx/meta.info", told)
    write(source / "xx/Hills.json", {"V10": _case("New"), "V2": _case("Old")})
    write(source / "xx/HillsDaily.json", {"V1": {"title": "Daily", "authors": []}})
    old, new, daily = converted("fundus", source)
    text = "It rained.\n\nRain fell.\n\nNight\n\nWind rose."
    assert old.truth == Truth(f"https://hills.example/{names[0]}", text, "Old", ("Ann Lee",), "2026-01-02")
    assert (new.truth.title, new.truth.url) == ("New", f"https://hills.example/{names[1]}")
    assert daily.truth == Truth(f"https://hills.example/{names[2]}", title="Daily", authors=())


def test_fundus_leaves_out_what_it_cannot_pair(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(source / "xx/meta.info", {"Hills_2026_01_02.html.gz": {"url": URL}})
    write(source / "xx/Hills_2026_01_02.html.gz", PAGE)
    write(source / "xx/Hills.json", {"V1": _case("Old"), "V2": _case("New")})
    with pytest.raises(SystemExit):
        main(["fundus", str(source), str(source.parent / "out")])
    assert "2 cases for 1 pages, left out" in capsys.readouterr().err


def test_htmldate_has_days(source: Path) -> None:
    write(source / "eval_default.json", {URL: {"file": "a.html", "date": "2026-01-02"}})
    write(source / "eval_more.json", {"https://hills.example/b": {"file": "b.html", "date": "2026-01-03"}})
    write(source / "cache/a.html", PAGE)
    write(source / "test_set/b.html", PAGE)
    assert [sample.truth for sample in converted("htmldate", source)] == [
        Truth(URL, published="2026-01-02"),
        Truth("https://hills.example/b", published="2026-01-03"),
    ]


def test_a_page_that_is_not_there_is_said(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = {"a": {"articleBody": "x", "url": URL}, "b": {"articleBody": "x", "url": URL}}
    write(source / "ground-truth.json", pages)
    write(source / "html/b.html.gz", PAGE)
    assert len(converted("scrapinghub", source)) == 1
    assert "a.html.gz" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["scrapinghub", "trafilatura", "wcxb", "fundus", "htmldate"])
def test_what_is_no_set_is_refused(source: Path, kind: str) -> None:
    source.mkdir()
    with pytest.raises(SystemExit) as refused:
        main([kind, str(source), str(source.parent / "out")])
    assert refused.value.code == 1
    assert not (source.parent / "out").exists()


def test_a_folder_that_is_there_is_not_written_to(source: Path) -> None:
    write(source.parent / "out/mine.txt", b"mine")
    with pytest.raises(SystemExit):
        main(["htmldate", str(source), str(source.parent / "out")])
    assert [file.name for file in (source.parent / "out").iterdir()] == ["mine.txt"]


def test_pages_are_not_looked_for_outside_of_the_set(source: Path) -> None:
    write(source.parent / "secret.html", PAGE)
    write(source / "eval_default.json", {URL: {"file": "../../secret.html", "date": "2026-01-02"}})
    with pytest.raises(SystemExit):
        main(["htmldate", str(source), str(source.parent / "out")])
