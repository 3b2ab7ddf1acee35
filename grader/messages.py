"""Turns :class:`grader.model.Text` into a sentence of one language.

Program texts are gettext catalogues, ``reports/locale/<lang>/LC_MESSAGES/grader.po``, whose source language is English;
rubric texts come with the rubric. Catalogues are read from the ``.po`` itself: there is no compile step to forget.
"""

from __future__ import annotations

import gettext as _gettext
import io
import re
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from grader.model import Text

LANGUAGES = ("ja", "en", "zh", "ru")

# Why a whole score is open, where that is our fault.
DATA_MISSING = Text("A data set is missing on the grading machine. This costs no points: staff will grade again.")
GRADER_FAILED = Text("The grader failed on this attempt. This costs no points: staff will look at it.")


class _Forgiving(string.Formatter):
    """A text with a missing parameter shows the placeholder: a wrong catalogue must not cost anybody a report."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "{" + str(key) + "}")

    def format_field(self, value: Any, format_spec: str) -> str:
        if re.search(r"\d{3}", format_spec):  # a width that fills the memory
            return str(value)
        try:
            return str(format(value, format_spec))
        except (TypeError, ValueError):
            return str(value)

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        return self.get_value(field_name, args, kwargs), field_name


def fill(template: str, params: Mapping[str, Any]) -> str:
    """``template`` with ``{name}`` and ``{name:.3f}`` replaced; no attribute or index is ever looked up."""
    try:
        return _Forgiving().vformat(template, (), params)
    except ValueError:
        return template


@cache
def _translations(locale_dir: Path, language: str) -> _gettext.NullTranslations:
    path = locale_dir / language / "LC_MESSAGES" / "grader.po"
    if language == "en" or not path.is_file():
        return _gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    buffer = io.BytesIO()
    with path.open("rb") as file:
        write_mo(buffer, read_po(file, locale=language))
    buffer.seek(0)
    return _gettext.GNUTranslations(buffer)


class Catalogue:
    """The texts of one language: the program's, and optionally one rubric's.

    :param rubric_texts: key to template, already in the wanted language.
    """

    def __init__(self, language: str, locale_dir: Path, rubric_texts: Mapping[str, str] | None = None) -> None:
        self.language = language
        self._rubric = dict(rubric_texts or {})
        self._program = _translations(locale_dir, language)

    def gettext(self, message: str) -> str:
        """The program's sentence ``message`` in this language."""
        return self._program.gettext(message) if message else ""

    def has(self, key: str) -> bool:
        """Whether the rubric has a text of this key."""
        return key in self._rubric

    def render(self, text: Text | None) -> str:
        """The sentence; a parameter that is itself a :class:`Text` is rendered first."""
        if text is None:
            return ""
        params = {k: self.render(v) if isinstance(v, Text) else v for k, v in text.params.items()}
        return fill(self._rubric.get(text.id) or self.gettext(text.id), params)
