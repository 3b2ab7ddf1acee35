import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.messages import LANGUAGES, Catalogue, fill
from grader.model import Text

LOCALE = Path(__file__).resolve().parents[1] / "reports" / "locale"
PO = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"

msgid "{count} cells ran."
msgstr "{count} 個のセルが動きました。"

#, fuzzy
msgid "Not sure."
msgstr "不確か"

msgid "Not translated."
msgstr ""
"""


@pytest.fixture
def locale(tmp_path):
    (tmp_path / "ja" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "ja" / "LC_MESSAGES" / "grader.po").write_text(PO, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("template", "params", "expected"),
    [
        ("{a} of {b}", {"a": 1, "b": 2}, "1 of 2"),
        ("{a:.3f}", {"a": 0.88214}, "0.882"),
        ("{a:.0%}", {"a": 0.5}, "50%"),
        ("{a:>99999999}", {"a": "x"}, "x"),
        ("{a:.999999999f}", {"a": 0.5}, "0.5"),
        ("{a:.3f}", {"a": None}, "None"),
        ("{a:.3f}", {"a": "text"}, "text"),
        ("{a} {missing}", {"a": 1}, "1 {missing}"),
        ("{missing:.2f}", {}, "{missing}"),
        ("{{a}}", {"a": 1}, "{a}"),
        ("{", {}, "{"),
        ("{a", {"a": 1}, "{a"),
        ("}", {}, "}"),
        ("{a!r}", {"a": "x"}, "'x'"),
        ("{a!x}", {"a": "x"}, "{a!x}"),
        ("", {}, ""),
    ],
)
def test_placeholders_are_filled_and_a_wrong_template_costs_nothing(template, params, expected):
    assert fill(template, params) == expected


@pytest.mark.parametrize("template", ["{a.__class__}", "{a[0]}", "{a.secret[key]}", "{0}", "{}"])
def test_no_attribute_or_index_is_ever_looked_up(template):
    class Secretive:
        def __getattr__(self, name):
            raise AssertionError(name)

        def __getitem__(self, name):
            raise AssertionError(name)

    shown = fill(template, {"a": Secretive()})
    assert shown == ("{0}" if template == "{}" else template)


def test_values_with_braces_are_not_filled_again():
    assert fill("{a}", {"a": "{b}", "b": "secret"}) == "{b}"


@given(st.text(alphabet="{}a:.!%2f[]0 ", max_size=30), st.dictionaries(st.sampled_from("ab"), st.floats() | st.text()))
def test_no_template_ever_fails(template, params):
    assert isinstance(fill(template, params), str)


def test_a_sentence_is_translated_and_its_parameters_filled(locale):
    catalogue = Catalogue("ja", locale)
    assert catalogue.render(Text("{count} cells ran.", {"count": 3})) == "3 個のセルが動きました。"


@pytest.mark.parametrize("sentence", ["Not translated.", "Nobody knows this one.", "Not sure."])
def test_a_sentence_without_a_translation_stays_english(locale, sentence):
    assert Catalogue("ja", locale).render(Text(sentence)) == sentence


def test_english_and_languages_without_a_catalogue_show_the_source(locale):
    for language in ("en", "ru", "xx"):
        assert Catalogue(language, locale).render(Text("{count} cells ran.", {"count": 3})) == "3 cells ran."


def test_no_text_is_an_empty_sentence(locale):
    catalogue = Catalogue("ja", locale)
    assert catalogue.render(None) == ""
    assert catalogue.gettext("") == ""


def test_a_text_inside_a_text_is_translated_first(locale):
    inner = Text("{count} cells ran.", {"count": 3})
    assert Catalogue("ja", locale).render(Text("({why})", {"why": inner})) == "(3 個のセルが動きました。)"


def test_the_texts_of_the_rubric_come_before_the_programs(locale):
    catalogue = Catalogue("ja", locale, {"runs/passed": "{cells} 個", "{count} cells ran.": "own"})
    assert catalogue.render(Text("runs/passed", {"cells": 2})) == "2 個"
    assert catalogue.render(Text("{count} cells ran.", {"count": 3})) == "own"
    assert catalogue.has("runs/passed")
    assert not catalogue.has("runs/failed")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_of_the_program_can_be_loaded(language, tmp_path):
    shutil.copytree(LOCALE, tmp_path / "locale")
    shown = Catalogue(language, tmp_path / "locale").render(Text("The file could not be read as a notebook."))
    assert (shown == "The file could not be read as a notebook.") == (language == "en")
