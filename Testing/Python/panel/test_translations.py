"""The panels' strings are marked for translation, and the French ones are complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import translations

ROOT = Path(__file__).resolve().parents[3]
FIELD = re.compile(r"\{[^}]*\}")


@pytest.mark.parametrize("language", translations.LANGUAGES)
@pytest.mark.parametrize("module", translations.MODULES)
def test_every_string_is_translated_and_none_is_left_over(module, language):
    known = translations.read_translations(translations.translation_file(module, language))
    wanted = {(context, word) for context, words in translations.strings_of_module(module).items() for word in words}
    assert wanted - set(known) == set(), "python Tools/translations.py adds them; then translate"
    assert set(known) - wanted == set(), "python Tools/translations.py drops them"


@pytest.mark.parametrize("module", translations.MODULES)
def test_translations_fill_in_the_same_fields(module):
    for (_context, source), text in translations.read_translations(
        translations.translation_file(module, "fr-FR")
    ).items():
        assert sorted(FIELD.findall(source)) == sorted(FIELD.findall(text)), source


def test_words_that_the_status_line_shows_are_marked():
    """What ``panel.say`` is given is marked, formatted from something marked, or the text of an error."""
    for module in translations.MODULES:
        for path in (ROOT / module / f"{module}Lib" / "panel").glob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "say":
                    words = call.args[0]
                    literal = isinstance(words, ast.Constant) and words.value
                    assert not literal, f"{path.name}:{call.lineno}"
                    assert not isinstance(words, ast.JoinedStr), f"{path.name}:{call.lineno}"
