"""Text that others wrote, made safe to show where it cannot be marked up: a terminal, a table, a log."""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# Marks that reorder what follows (Unicode standard annex 9); shown, because they can make code read as what it is not.
_BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Only in these blocks are letters written from right to left: Hebrew to Arabic Extended, presentation forms, and the
# scripts of plane 1 from Cypriot to Arabic Mathematical.
_MAYBE_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
_KINDS = {"R": "R", "AL": "R", "AN": "R", "NSM": "m", "L": "L", "B": "L"}
_STRETCH = re.compile(r"R(?:[R m]*R)?m*")  # what is neutral between such letters belongs to them


def clean(text: str) -> str:
    """``text`` without terminal sequences and control characters; direction marks are spelled out.

    Tab and newline stay. Lone surrogates, which JSON can carry and UTF-8 cannot, become question marks.
    """
    if text.isascii() and text.isprintable():
        return text
    plain = _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    shown = _BIDI.sub(lambda mark: f"‹U+{ord(mark[0]):04X}›", plain)
    return shown.encode("utf-8", "replace").decode("utf-8")


def isolated(text: str) -> str:
    """:func:`clean`, with each stretch of letters that are written from right to left in an isolate.

    Numbers and punctuation beside a Hebrew or Arabic name would otherwise change places with it (annex 9, section 2.4).
    """
    text = clean(text)
    if not _MAYBE_RIGHT_TO_LEFT.search(text):
        return text
    kinds = "".join(_KINDS.get(unicodedata.bidirectional(c), " ") for c in text)
    pieces, end = [], 0
    for stretch in _STRETCH.finditer(kinds):
        pieces += [text[end : stretch.start()], "\u2068", text[stretch.start() : stretch.end()], "\u2069"]
        end = stretch.end()
    return "".join([*pieces, text[end:]])
