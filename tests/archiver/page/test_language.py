import json
from pathlib import Path

import pytest

from archiver.page.language import checked_language

TEXTS: dict[str, str] = json.loads(Path(__file__).with_name("languages.json").read_text("utf-8"))
"""The same short story in many languages."""


@pytest.mark.parametrize("language", TEXTS)
def test_a_wrong_declaration_is_corrected_and_a_right_one_kept(language: str) -> None:
    wrong = "de" if language == "en" else "en"
    assert checked_language(language, TEXTS[language]) == (language, None)
    assert checked_language(wrong, TEXTS[language]) == (
        language,
        f"the text is {language}, the page declares {wrong}",
    )


def test_what_no_page_declares_is_read_from_the_text() -> None:
    assert checked_language(None, TEXTS["fr"]) == ("fr", None)


@pytest.mark.parametrize("text", [None, "", "Hola", TEXTS["es"][:60], TEXTS["es"][:150] + TEXTS["en"][:150]])
def test_short_and_mixed_texts_change_nothing(text: str | None) -> None:
    assert checked_language("en", text) == ("en", None)


@pytest.mark.parametrize(
    ("declared", "language"), [("nb", "sv"), ("gl", "es"), ("lb", "de"), ("gsw", "de"), ("sr", "ru")]
)
def test_a_language_that_is_not_known_here_stands(declared: str, language: str) -> None:
    found, _ = checked_language(declared, TEXTS[language])
    assert found == (language if declared == "sr" else declared)


def test_another_script_corrects_even_an_unknown_language() -> None:
    assert checked_language("lb", TEXTS["ja"])[0] == "ja"
