import pytest

from archiver.page.names import split_names
from tests.archiver.page.pages import json_ld, metadata_of


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("By Ann Lee", ["Ann Lee"]),
        ("Tom O'Neil, PhD", ["Tom O'Neil, PhD"]),
        ("Ann Lee and Bo Ek", ["Ann Lee", "Bo Ek"]),
        ("Ann Lee, Bo Ek & Cy Marsh Jr.", ["Ann Lee", "Bo Ek", "Cy Marsh Jr."]),
        ("Ann Lee, Senior Political Correspondent", ["Ann Lee"]),
        ("Ann Lee | 7 Feb 2019", ["Ann Lee"]),
        ("Ann Lee ann@example.com", ["Ann Lee"]),
        ("Sharecast News", ["Sharecast News"]),
        ("https://example.com/people/ann", []),
        ("John Garcia Jr. • Rivals.test", ["John Garcia Jr.", "Rivals.test"]),
        ("Andrew Marsh, Chief Technology Officer and Head of Weather Labs", ["Andrew Marsh"]),
        ("Ann Lee Showbiz & TV Reporter", ["Ann Lee"]),
        ("Staff Writer Ann Lee", ["Ann Lee"]),
        ("Ann Lee in London and Bo Ek in Paris", ["Ann Lee", "Bo Ek"]),
        ("Ann Lee | Sponsored", ["Ann Lee"]),
        ("Ann Lee (Reuters)", ["Ann Lee"]),
        ("Ann Lee The Associated Press", ["Ann Lee"]),
        ("Ann Lee MS, RDN, LD", ["Ann Lee MS, RDN, LD"]),
        ("Ann Lee @annlee", ["Ann Lee"]),
        ("ANN O'NEIL AND BO MCKAY", ["Ann O'Neil", "Bo McKay"]),
        ("Smith, John", ["John Smith"]),
        ("Reuters, AFP", ["Reuters", "AFP"]),
        ("AP and Reuters", ["AP", "Reuters"]),
        ("dpa", ["dpa"]),
        (", The Harbour Telegram & Gazette", ["The Harbour Telegram & Gazette"]),
        (", Coldwater Daily Reporter", []),
        ("Ann Lee Ann Lee", ["Ann Lee"]),
        ("Ann Lee, ann lee", ["Ann Lee"]),
        ("View all posts by Ann Lee", ["Ann Lee"]),
        ("(Image: Instagram/rain)", []),
        ("Von Anna Müller und Jörg Weiß", ["Anna Müller", "Jörg Weiß"]),
        ("Par Jean Dupont et Marie Roy", ["Jean Dupont", "Marie Roy"]),
        ("María Pérez y Juan López", ["María Pérez", "Juan López"]),
        ("José Ortega y Gasset", ["José Ortega y Gasset"]),
        ("Vincent van den Berg", ["Vincent van den Berg"]),
        ("Автор: Иван Петров и Анна Сидорова", ["Иван Петров", "Анна Сидорова"]),
        ("文/王小明", ["王小明"]),
        ("山田太郎、鈴木花子", ["山田太郎", "鈴木花子"]),
        ("김철수 기자", ["김철수"]),
        ("Updated 18:21", []),
        ("", []),
    ],
)
def test_names_are_taken_out_of_a_byline(text: str, names: list[str]) -> None:
    assert split_names(text) == names


def test_persons_come_before_the_publisher() -> None:
    item = json_ld(
        '{"@type": "NewsArticle", "headline": "Rain", "author": {"@type": "Organization", "name": "Example"}}'
    )
    found = metadata_of(item + '<meta name="author" content="Ann Lee">', url="https://www.example.com/a")
    assert [author.name for author in found.authors] == ["Ann Lee"]


def test_the_publisher_is_the_author_when_nobody_else_is_named() -> None:
    item = json_ld(
        '{"@type": "NewsArticle", "headline": "Rain", "author": {"@type": "Organization", "name": "Example"}}'
    )
    assert [author.name for author in metadata_of(item).authors] == ["Example"]


def test_the_name_that_links_to_the_front_page_is_no_person() -> None:
    body = '<a href="/">The Daily Example</a><h1>Rain at last</h1><p>By Ann Lee</p>'
    found = metadata_of('<meta name="author" content="Daily Example">', body, "https://paper.test/a")
    assert [author.name for author in found.authors] == ["Ann Lee"]


def authors(head: str = "", body: str = "", url: str = "https://example.com/a") -> list[str]:
    return [author.name for author in metadata_of(head, body, url).authors]


def by(*names: str) -> str:
    persons = ", ".join(f'{{"@type": "Person", "name": "{name}"}}' for name in names)
    return json_ld(f'{{"@type": "NewsArticle", "headline": "Rain at last", "author": [{persons}]}}')


@pytest.mark.parametrize("desk", ["Reuters", "AFP", "dpa", "The Associated Press", "Example Staff", "WBEZ"])
def test_a_desk_is_named_when_nobody_else_is(desk: str) -> None:
    assert authors(by(desk)) == [desk]
    assert authors(by("Ann Lee", desk)) == ["Ann Lee"]


def test_an_agency_comes_before_the_publisher() -> None:
    assert authors(by("Example", "Reuters")) == ["Reuters"]


def test_an_organisation_keeps_its_link() -> None:
    item = '{"@type": "Article", "author": {"@type": "Organization", "name": "Institute for Ice", "url": "/ice"}}'
    [author] = metadata_of(json_ld(item)).authors
    assert (author.name, author.url) == ("Institute for Ice", "https://example.com/ice")


def test_the_byline_adds_whom_the_markup_forgets() -> None:
    body = "<h1>Rain at last</h1><p>By Ann Lee and Bo Ek on February 7, 2019</p>"
    assert authors(by("Ann Lee"), body) == ["Ann Lee", "Bo Ek"]
    assert authors(by("Cy Marsh"), body) == ["Cy Marsh"], "somebody else: the markup stands"


def test_a_name_told_twice_in_other_case_is_one() -> None:
    assert authors(by("Ann Lee", "ANN LEE", "ann  lee")) == ["Ann Lee"]


@pytest.mark.parametrize(
    "line",
    [
        "<p>Ann Lee - February 7, 2019</p>",
        "<div><span>Ann Lee</span><span>Feb 7, 2019</span><span>2 Shares</span><span>1530 Views</span></div>",
        '<p><a href="/author/ann-lee">Ann Lee</a> | February 7, 2019</p>',
        '<p class="byline"><span>Ann Lee</span> <span>Harbour Telegram & Gazette</span></p>',
        '<p><a href="https://example.com/staff/7/ann-lee">Ann Lee</a></p>',
        "<p>posted on 2019-02-07 23:30 EST by Ann Lee</p>",
        '<p class="post-author">Ann Lee Ann Lee</p>',
    ],
)
def test_a_byline_without_by_is_understood(line: str) -> None:
    assert authors(by(", The Harbour Telegram & Gazette"), f"<h1>Rain at last</h1>{line}") == ["Ann Lee"]


@pytest.mark.parametrize(
    "line",
    [
        "<p>World News - February 7, 2019</p>",
        '<p><a href="/weather">North Coast</a> | February 7, 2019</p>',
        "<figure><figcaption>Ann Lee on February 7, 2019</figcaption></figure>",
        "<p>In Partnership With</p><p>February 7, 2019</p>",
    ],
)
def test_what_stands_beside_a_date_is_not_always_a_name(line: str) -> None:
    assert authors(body=f"<h1>Rain at last</h1>{line}") == []


def test_the_bylines_of_other_articles_above_the_headline_are_theirs() -> None:
    others = "<ul><li>Snow<p>By Bo Ek Dec 22, 2023</p></li></ul>"
    body = f'<div>{others}</div><article><h1>Rain at last</h1><p class="author">By Ann Lee</p></article>'
    assert authors(body=body) == ["Ann Lee"]


def test_a_source_is_named_when_nobody_is() -> None:
    body = (
        "<h1>Rain at last</h1><dl><dt>Date:</dt><dd>7 February 2019</dd><dt>Source:</dt><dd>Institute for Ice</dd></dl>"
    )
    assert authors(body=body) == ["Institute for Ice"]


def test_catalogues_put_the_surname_first() -> None:
    names = ("Lee, Ann", "van der Berg, Bo", "Marsh, Cy J.", "Dee Park")
    head = "".join(f'<meta name="citation_author" content="{name}">' for name in names)
    assert authors(head) == ["Ann Lee", "Bo van der Berg", "Cy J. Marsh", "Dee Park"]
