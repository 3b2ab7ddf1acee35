"""Which language a notebook is in: what its handout stamp says, else what its prose looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LANGUAGES = ("ja", "en", "zh", "ru")

_KANA = re.compile(r"[぀-ヿｦ-ﾟ]")
_HAN = re.compile(r"[一-鿿]")
_CYRILLIC = re.compile(r"[Ѐ-ӿ]")
_LETTER = re.compile(r"[^\W\d_]")
_SHARE = 0.05
_CHARACTERS_LOOKED_AT = 200_000


def stamp(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    """What ``grader handout`` wrote into the notebook (assignment, version, language, …); empty when it did not."""
    found = notebook["metadata"].get("grader")
    return found if isinstance(found, Mapping) else {}


def notebook_language(notebook: Mapping[str, Any]) -> str:
    """``ja en zh ru``: the stamp's language, else a guess from the Markdown cells (from the code when there are none).

    Kana means Japanese, Cyrillic Russian, Han characters without kana Chinese, anything else English; a script counts
    from 5 % of the letters on, since code and terms are Latin in any language.
    """
    stamped = stamp(notebook).get("language")
    if stamped in LANGUAGES:
        return str(stamped)
    cells = notebook["cells"]
    prose = [c["source"] for c in cells if c["cell_type"] == "markdown"] or [c["source"] for c in cells]
    text = "\n".join(prose)[:_CHARACTERS_LOOKED_AT]
    letters = max(1, len(_LETTER.findall(text)))
    kana, han, cyrillic = (len(script.findall(text)) / letters for script in (_KANA, _HAN, _CYRILLIC))
    if kana >= _SHARE:
        return "ja"
    if cyrillic >= _SHARE:
        return "ru"
    return "zh" if han >= _SHARE else "en"
