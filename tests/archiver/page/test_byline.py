import pytest

from archiver.page.byline import byline_tokens
from tests.archiver.page.pages import metadata_of


@pytest.mark.parametrize(
    "line",
    [
        "By the end of 7 February 2019 most of the soldiers had gone home.",
        "Updated figures show that rain fell on nine days.",
        "On 7 February 2019 the council voted to close the pool.",
        "By morning it was over.",
        "Rain",
        "Published accounts differ.",
        "",
    ],
)
def test_sentences_are_no_byline(line: str) -> None:
    assert byline_tokens(line) is None


@pytest.mark.parametrize(
    "line",
    ["By", "By Ann Lee", "Ann Lee | 07 Feb, 2019", "Updated : 18:21", "Published: 7 February 2019 at 6:21pm GMT",
     "By Ann Lee and Bo Ek in London • Feb. 7, 2019 • 4 min read", "Last updated on 2019-02-07"],
)  # fmt: skip
def test_lines_of_names_and_dates_are_a_byline(line: str) -> None:
    assert byline_tokens(line) is not None


def test_todays_date_above_the_headline_is_not_the_articles() -> None:
    assert metadata_of(body="<p>22 November 2026</p><h1>Rain at last</h1>").byline.published is None


def test_an_update_on_another_day_keeps_its_day() -> None:
    dates = "<p>Published: 7 Feb 2019, 09:00 GMT</p><p>Updated: 8 Feb 2019, 18:21 GMT</p>"
    body = f"<h1>Rain at last</h1><p>By Ann Lee</p>{dates}"
    found = metadata_of(body=body)
    assert found.published is not None
    assert found.modified is not None
    assert (found.published.value, found.published.source) == ("2019-02-07T09:00+00:00", "byline")
    assert found.modified.value == "2019-02-08T18:21+00:00"
    assert [author.name for author in found.authors] == ["Ann Lee"]


def test_a_byline_in_an_old_page_names_its_author_and_day() -> None:
    headline = "<div><font size=5><b>Rain at last in the north</b></font></div>"
    byline = "<div><font size=1>Thursday, February 7, 2019 &nbsp;|&nbsp; by Ann Lee, weather reporter</font></div>"
    body = f'<table><tr><td><a href="/">Start</a></td><td>{headline}{byline}</td></tr></table>'
    found = metadata_of("<title>Weather - Rain at last in the north</title>", body, "https://paper.test/2019/02/08/a")
    assert [author.name for author in found.authors] == ["Ann Lee"]
    assert found.published is not None
    assert (found.published.value, found.published.source) == ("2019-02-07", "byline")
