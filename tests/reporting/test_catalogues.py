"""Every sentence that a person may read exists in every language, with the same placeholders."""

import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from grader.messages import LANGUAGES, Catalogue

ROOT = Path(__file__).resolve().parents[2]


def translations(language):
    with (ROOT / "reports" / "locale" / language / "LC_MESSAGES" / "grader.po").open("rb") as file:
        return {m.id: m.string for m in read_po(file, locale=language) if m.id}


def placeholders(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_has_a_translation(language, msgids):
    known = translations(language)
    assert sorted(m for m in msgids.all_msgids() if not known.get(m)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_placeholders_of_their_sentence(language):
    wrong = {m: t for m, t in translations(language).items() if placeholders(m) != placeholders(t)}
    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_catalogue_keeps_sentences_that_nobody_says(language, msgids):
    assert sorted(set(translations(language)) - msgids.all_msgids()) == []


def test_the_collector_sees_templates_and_code(msgids):
    assert "Result by criterion" in msgids.in_templates()
    assert msgids.in_code()["nobody knows whose it is"] == "grader/reporting/dashboard.py"


def test_a_japanese_catalogue_speaks_japanese():
    assert Catalogue("ja", ROOT / "reports" / "locale").gettext("passed") == "合格"
