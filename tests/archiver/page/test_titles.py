import pytest

from tests.archiver.page.pages import metadata_of


@pytest.mark.parametrize(
    ("og_title", "body", "title"),
    [
        ("Rain at last | The Daily Example", "<h1>Rain at last</h1>", "Rain at last"),
        ("Rain at last - example.com", "", "Rain at last"),
        ("The Daily Example: Rain at last", "<h1>The Daily Example</h1><h1>Rain at last</h1>", "Rain at last"),
        ("Rain - and wind - at last", "<h1>Rain - and wind - at last</h1>", "Rain - and wind - at last"),
        ("Rain at last for the whole of the ...", "<h1>Rain at last for the whole of the north</h1>",
         "Rain at last for the whole of the north"),
        ("Why the north is dry", "<h1>More weather</h1>", "Why the north is dry"),
    ],
)  # fmt: skip
def test_the_title_is_the_headline_without_the_site(og_title: str, body: str, title: str) -> None:
    head = f'<meta property="og:title" content="{og_title}"><meta property="og:site_name" content="The Daily Example">'
    assert metadata_of(head, body).title == title


HOME = '<a href="/"><img src="/logo.png" alt="The Daily Example"></a>'


@pytest.mark.parametrize("home", [HOME, '<a href="https://www.paper.test/index.html">Daily Example</a>'])
def test_a_title_that_is_only_the_sites_name_is_no_title(home: str) -> None:
    found = metadata_of("<title>The Daily Example</title>", f"{home}<h1>Rain at last</h1>", "https://paper.test/a")
    assert found.title == "Rain at last"
    assert metadata_of("<title>The Daily Example</title>", home, "https://paper.test/a").title is None


@pytest.mark.parametrize("home", [HOME, ""])
def test_the_front_page_is_called_by_the_sites_name(home: str) -> None:
    assert metadata_of("<title>The Daily Example</title>", home, "https://paper.test/").title == "The Daily Example"


def test_a_masthead_in_an_h1_is_no_headline() -> None:
    body = '<h1><a href="/">The Daily Example</a></h1><h1>Rain at last</h1>'
    assert metadata_of("<title>Weather</title>", body, "https://paper.test/a").title == "Weather"
    assert metadata_of("", body, "https://paper.test/a").title == "Rain at last"


@pytest.mark.parametrize(
    "title",
    [
        "Daily Example - Weather - Rain at last in the north",
        "Rain at last in the north | Weather | Daily Example",
        "Daily Example: Weather | Rain at last in the north - page 1",
    ],
)
def test_of_a_title_what_stands_in_the_page_is_the_headline(title: str) -> None:
    body = '<a href="/w">Weather</a><div><font size="5"><b>Rain at last in the north</b></font></div>'
    assert metadata_of(f"<title>{title}</title>", body, "https://paper.test/a").title == "Rain at last in the north"


def test_a_title_that_only_a_link_repeats_stays_whole() -> None:
    body = '<ul><li><a href="/b">Rain at last in the north</a></li></ul>'
    title = "Rain at last in the north - and what it means"
    assert metadata_of(f"<title>{title}</title>", body, "https://paper.test/a").title == title


@pytest.mark.parametrize(
    "heading",
    [
        "<h1><span>News</span> Rain at last in the north</h1>",
        "<h1>Weather | Rain at last in the north</h1>",
        '<h1><a href="/w">The week</a> Rain at last in the north</h1>',
    ],
)
def test_a_section_before_the_headline_is_no_part_of_it(heading: str) -> None:
    head = '<meta property="og:title" content="Rain at last in the north">'
    assert metadata_of(head, heading).title == "Rain at last in the north"


def test_a_label_that_is_part_of_the_headline_stays() -> None:
    head = '<meta property="og:title" content="Rain at last in the north">'
    assert (
        metadata_of(head, "<h1>Opinion: Rain at last in the north</h1>").title == "Opinion: Rain at last in the north"
    )


def test_the_headline_that_readers_see_wins_over_the_one_for_search_engines() -> None:
    head = '<meta property="og:title" content="You will not believe what fell from the sky">'
    shown = '<h1 class="headline">How the north got its first rain in a year</h1>'
    assert metadata_of(head, shown).title == "How the north got its first rain in a year"
    for other in (
        '<h1 class="title">Weather</h1>',
        f"<nav>{shown}</nav>",
        shown + "<h1>And now the news of the day</h1>",
    ):
        assert metadata_of(head, other).title == "You will not believe what fell from the sky"
