"""A site that is configured, or whose rules change, later: its captures are read again by them, once."""

from __future__ import annotations

from pathlib import Path

from archiver import Archive
from tests.stories import story
from tests.wirelog import WireLog

PAGE = story("Everybody's title").replace("<h1>", '<h2 class="one">Title one</h2><h2 class="two">Title two</h2><h1>')


def test_changed_rules_are_a_reason_to_read_again(tmp_path: Path, server: WireLog) -> None:
    url, file = server.page("/story", PAGE), tmp_path / "sites.toml"
    file.write_text("")

    def use(css: str, more: str = "") -> None:
        rule = f'[[site.rule]]\nfield = "title"\ncss = "{css}"\n{more}'
        file.write_text(f'[[site]]\nname = "mine"\nhomepage = "{server.http}/"\n{rule}')

    def reread() -> tuple[int, str | None, str | None]:
        with Archive.open(tmp_path / "archive", sites=file) as archive:
            done = archive.reextract(workers=1)
            article = archive.snapshot(url).article
            assert article is not None
            return done.articles, article.title, article.site

    with Archive.open(tmp_path / "archive", sites=file) as archive:
        archive.save(url, allow_private=True)
    assert reread() == (0, "Everybody's title", None)
    use(".one")
    assert reread() == (1, "Title one", "mine")
    assert reread() == (0, "Title one", "mine")
    use(".two")
    assert reread() == (1, "Title two", "mine")
    use(".two", "valid_from = 2020-01-01\n")
    assert reread() == (0, "Title two", "mine")
    use(".two", "valid_until = 2020-01-01\n")
    assert reread() == (1, "Everybody's title", "mine")
    assert reread() == (0, "Everybody's title", "mine")
