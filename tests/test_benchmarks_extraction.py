"""The extraction benchmark scores what it says, and the truth about our own pages is true."""

from __future__ import annotations

import gzip
import html
import json
import logging
import re
from pathlib import Path

import pytest

from benchmarks.extraction import bench, readers
from benchmarks.extraction.bench import SHIPPED, as_table, load, read_all
from benchmarks.extraction.readers import Reading, lines_of, read_ours
from benchmarks.extraction.score import Truth, author_score, body_score, f1, fold, leaked_lines, score, shingles

ERROR_CLASSES = {
    "consent dialog", "donation pop-up", "teasers", "body in embedded JSON", "split containers", "list items",
    "newsletter box", "comments", "author bio", '"Also:" lines', "labels", "tables", "metadata lines", "other articles",
    "text repeated", "leaked scripts", "headline and dek repeated", "hidden elements",
}  # fmt: skip
"""What goes wrong in practice; each must have a page."""


def test_the_same_text_is_perfect() -> None:
    assert body_score("Rain fell all day.\n\nWind rose.", "Rain fell all day. Wind rose") == (1, 1)


def test_body_scores_count_runs_of_four_words() -> None:
    precision, recall = body_score("a b c d e f", "a b c d e x y")  # common: abcd, bcde; of 3 true and 4 found
    assert (precision, recall) == (2 / 4, 2 / 3)
    assert f1(precision, recall) == pytest.approx(4 / 7)


def test_a_text_read_twice_is_half_wrong() -> None:
    text = "a b c d"
    assert body_score(text, f"{text} {text}") == (1 / 5, 1)
    assert shingles("a b a b a b")[("a", "b", "a", "b")] == 2


def test_a_text_shorter_than_a_run_is_one_run() -> None:
    assert body_score("Rain fell", "Rain fell") == (1, 1)
    assert body_score("Rain fell", "Rain") == (0, 0)


@pytest.mark.parametrize(("truth", "text", "expected"), [("", "", (1, 1)), ("a", "", (0, 0)), ("", "a", (0, 0))])
def test_nothing_is_right_only_where_nothing_stands(truth: str, text: str, expected: tuple[float, float]) -> None:
    assert body_score(truth, text) == expected


def test_words_of_one_case_are_not_those_of_another() -> None:
    assert body_score("rain", "Rain") == (0, 0)


def test_titles_may_differ_in_quotes_and_space_only() -> None:
    assert fold("“Rain”\n at\xa0last") == fold('"Rain" at last')
    assert fold("Rain at last | Courier") != fold("Rain at last")


@pytest.mark.parametrize(
    ("truth", "found", "equal", "share"),
    [
        (["Ann Lee", "Bo Ray"], ["bo ray", "Ann  Lee"], True, 1),
        (["Ann Lee"], ["Ann Lee", "Courier"], False, 2 / 3),
        (["Ann Lee"], [], False, 0),
        ([], ["Courier"], False, 0),
        ([], [], True, 1),
    ],
)
def test_authors_are_sets_of_names(truth: list[str], found: list[str], equal: bool, share: float) -> None:
    assert author_score(truth, found) == (equal, pytest.approx(share))


def test_a_line_leaks_when_it_repeats_on_its_site_and_is_not_true() -> None:
    truths = [
        Truth("https://www.a.example/1", text="One. By the sea"),
        Truth("https://a.example/2", text="Two. Read more"),
        Truth("https://b.example/1", text="Three"),
    ]
    readings = [Reading("One\n- Read more\nOnly here"), Reading("Two\nRead more!\n|---|"), Reading("Three\nRead more")]
    assert leaked_lines(truths, readings) == [["Read more"], [], []]


def test_a_line_twice_on_one_page_does_not_leak() -> None:
    assert leaked_lines([Truth("https://a.example/1", text="One")], [Reading("Read more\nRead more")]) == [[]]


def test_a_line_left_out_of_one_page_still_leaks_on_the_other() -> None:
    truths = [Truth("https://a.example/1", text="One"), Truth("https://a.example/2", text="Two")]
    alone = [Reading("One\nRead more"), Reading("Two\nRead more")]
    left = [Reading("One"), alone[1]]
    assert leaked_lines(truths, left) == [[], []]
    assert leaked_lines(truths, left, repeating=alone) == [[], ["Read more"]]
    assert score(truths, left, [0, 0], repeating=alone).leaked == 1 / 3


def _page_of_a_site(folder: Path, name: str) -> dict[str, object]:
    own = [
        f"Paragraph {number} of the story of the {name} tells what nobody else has told so far." for number in range(8)
    ]
    lines = "".join(f"<p>{line}</p>" for line in (*own, "Our reporting is free. Please support the Courier today."))
    (folder / f"{name}.html").write_text(f"<html><body><article><h1>{name}</h1>{lines}</article></body></html>")
    return {"page": f"{name}.html", "url": f"https://www.a.example/{name}", "text": "\n\n".join(own)}


def test_ours_knows_what_the_other_pages_of_the_folder_repeat(tmp_path: Path) -> None:
    pages = [_page_of_a_site(tmp_path, name) for name in ("bridge", "flood")]
    lone = _page_of_a_site(tmp_path, "tide") | {"url": "https://elsewhere.example/"}
    samples = load(_write(tmp_path, *pages, lone))
    runs = read_all(samples, ["ours", "ours, page alone"])
    kept = {name: ["support the Courier" in reading.text for reading in run.readings] for name, run in runs.items()}
    assert kept == {"ours": [False, False, True], "ours, page alone": [True, True, True]}
    assert all(ours > alone for ours, alone in zip(runs["ours"].cpu, runs["ours, page alone"].cpu, strict=True))
    leaked = [row.split("|")[9].strip() for row in as_table(samples, runs).splitlines()[2:]]
    assert leaked == ["0.00", "7.41"]


def test_f1_is_of_the_mean_precision_and_recall() -> None:
    truths = [Truth("https://a.example/1", text="a b c d"), Truth("https://a.example/2", text="e f g h")]
    scores = score(truths, [Reading("a b c d"), Reading("")], [0.010, 0.030])
    assert (scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5)
    assert (scores.cpu_mean, scores.cpu_median) == (pytest.approx(20), pytest.approx(20))


def test_metadata_is_scored_only_where_it_is_known() -> None:
    truths = [
        Truth("https://a.example/1", title="One", authors=("Ann Lee",), published="2026-01-02"),
        Truth("https://a.example/2", title="Two", authors=(), published="2026-01-03"),
        Truth("https://a.example/3"),
    ]
    found = [
        Reading(title="One", authors=("Ann Lee", "Desk"), published="2026-01-02"),
        Reading(title="Two | Courier", published="2026-01-04"),
        Reading(title="?", authors=("?",), published="2026-01-01"),
    ]
    scores = score(truths, found, [0, 0, 0])
    assert (scores.title, scores.authors, scores.published) == (0.5, 0.5, 0.5)
    assert scores.authors_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert scores.f1 is None
    assert scores.leaked is None


def test_a_reader_that_looks_for_no_byline_gets_no_score_for_it() -> None:
    truth = Truth("https://a.example/1", text="a", title="One", authors=("Ann",), published="2026-01-02")
    scores = score([truth], [Reading("a", "One")], [0], has_byline=False)
    assert (scores.title, scores.authors, scores.authors_f1, scores.published) == (1, None, None, None)


def test_html_becomes_a_line_for_each_block() -> None:
    text = lines_of("<div><p>Rain <b>fell</b>.</p><!-- no --><ul><li>Wind<br>rose</li></ul> Night</div>")
    assert text.splitlines() == ["Rain fell.", "Wind", "rose", "Night"]


def _write(folder: Path, *lines: dict[str, object]) -> Path:
    (folder / "truth.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_pages_may_be_gzipped_and_truth_may_be_partial(tmp_path: Path) -> None:
    (tmp_path / "a.html.gz").write_bytes(gzip.compress(b"<p>Rain"))
    (sample,) = load(_write(tmp_path, {"page": "a.html.gz", "url": "https://a.example/", "published": "2026-01-02T03"}))
    assert sample.html == b"<p>Rain"
    assert sample.truth == Truth("https://a.example/", published="2026-01-02")


@pytest.mark.parametrize("line", [{}, {"page": "a.html"}, {"page": "gone.html", "url": "https://a.example/"}])
def test_a_folder_with_broken_truth_is_refused(tmp_path: Path, line: dict[str, object]) -> None:
    with pytest.raises(SystemExit):
        bench.main([str(_write(tmp_path, line))])


def test_a_reader_that_raises_has_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(page: bytes, url: str) -> Reading:
        raise RuntimeError("no")

    monkeypatch.setattr(bench, "READERS", {"broken": broken})
    samples = load(SHIPPED)[:2]
    runs = read_all(samples, ["broken"])
    assert runs["broken"].errors == ["RuntimeError: no"] * 2
    assert as_table(samples, runs).splitlines()[2].split(" | ")[1:3] == ["0.000", "0.000    "]


def test_json_tells_every_page(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--only", "ours", "--json", str(SHIPPED)])
    assert not logging.root.manager.disable
    (folder,) = json.loads(capsys.readouterr().out)["folders"]
    ours = folder["readers"]["ours"]
    assert list(folder["readers"]) == ["ours"]
    assert [page["page"] for page in ours["each"]] == [sample.name for sample in load(SHIPPED)]
    assert 0.5 < ours["f1"] <= 1


@pytest.mark.parametrize("name", [name for name in readers.READERS if readers.version_of(name)])
def test_every_reader_reads_an_easy_page(name: str) -> None:
    sample = next(sample for sample in load(SHIPPED) if "flood-barrier" in sample.name)
    reading = readers.READERS[name](sample.html, sample.truth.url)
    precision, recall = body_score(sample.truth.text or "", reading.text)
    assert f1(precision, recall) > 0.7
    assert fold(reading.title) == sample.truth.title


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text))


def _content(page: bytes) -> str:
    """The words of a page in their order, without tags, those of embedded JSON included."""
    return _words(html.unescape(re.sub(r"<[^<>]*>", " ", page.decode().replace("\\n", " "))))


SAMPLES = load(SHIPPED)
LINES = [json.loads(line) for line in (SHIPPED / "truth.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_true_paragraph_stands_on_its_page_in_its_place(sample: bench.Sample) -> None:
    page, position = _content(sample.html), 0
    paragraphs = (sample.truth.text or "").split("\n\n")
    assert len(paragraphs) >= 2
    for paragraph in paragraphs:
        position = page.find(_words(paragraph), position) + 1
        assert position, paragraph


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_true_title_authors_and_day_stand_on_their_page(sample: bench.Sample) -> None:
    page = html.unescape(sample.html.decode())
    assert sample.truth.title
    assert sample.truth.title in page
    assert sample.truth.authors
    assert all(name in page for name in sample.truth.authors)
    assert sample.truth.published
    assert sample.truth.published in page


def test_no_true_paragraph_stands_on_two_pages() -> None:
    paragraphs = [paragraph for sample in SAMPLES for paragraph in (sample.truth.text or "").split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs))


def test_every_page_has_its_truth_and_is_not_perfect_by_being_all_truth() -> None:
    assert {f"pages/{file.name}" for file in (SHIPPED / "pages").iterdir()} == {sample.name for sample in SAMPLES}
    for sample in SAMPLES:
        assert body_score(sample.truth.text or "", lines_of(sample.html.decode()))[0] < 0.9, sample.name


def test_every_class_of_error_has_a_page() -> None:
    assert {name for line in LINES for name in line["classes"]} == ERROR_CLASSES


def test_our_reading_of_our_own_pages_does_not_get_worse() -> None:
    scores = score(
        [sample.truth for sample in SAMPLES],
        [read_ours(sample.html, sample.truth.url) for sample in SAMPLES],
        [0.0] * len(SAMPLES),
    )
    assert (scores.f1 or 0) >= 0.79
    assert scores.title == scores.authors == scores.published == 1


def test_compared_libraries_are_pinned_exactly() -> None:
    lines = (SHIPPED / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert {"newspaper4k", "readability-lxml"} <= {line.split("==")[0] for line in lines}
