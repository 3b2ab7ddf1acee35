"""Finds student number, name and mail address where students write them: at the top of the notebook.

Japanese, English, Chinese and Russian labels; ``:``, ``=``, a table, the next line, or (after a Japanese or Chinese
label) just a space between label and value; Markdown or a comment; full-width letters and digits. A field that was
left empty, or whose value cannot be one, is ``None``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grader.model import Student

CELLS_LOOKED_AT = 6
LINES_LOOKED_AT = 40
LINE_CHARACTERS_LOOKED_AT = 400

_LABELS = {
    "id": (
        r"学生証番号|学籍番号|学生番号|学生証|学号|學號|student\s*(?:id\s*)?(?:number|no\.?|id|#)|matriculation\s*number"
        r"|номер\s+(?:студенческого(?:\s+билета)?|зач[её]тной\s+книжки|студента)|id(?:\s*(?:number|no\.?))?"
    ),
    "name": r"氏\s?名|お?名前|姓名|(?:your\s+|full\s+|student(?:'s)?\s+)?name|фио|имя",
    "email": (
        r"メールアドレス|e-?メール|メール|电子邮件|電子郵件|邮箱|信箱|e-?mail(?:\s*address)?|mail(?:\s*address)?"
        r"|(?:эл(?:ектронная|\.)\s*)?почта"
    ),
}
# "(university)" after a label, or the same label in another language: "Student number / 学籍番号 :".
_REMARK = r"(?:\s*[(\[][^)\]\n]{0,40}[)\]])?(?:\s*/\s*[^:=|/\n]{1,40}(?=\s*[:=|]))?"
_LABEL = re.compile(
    r"(?<![\w@.])(?:"
    + "|".join(f"(?P<{field}>{label})" for field, label in _LABELS.items())
    + r")(?![A-Za-z])"
    + _REMARK,
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[:=|\t]\s*|\s*[-–—]{1,2}>?\s+")
_MARKUP = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>\n]{1,200}>")
_DECORATION = re.compile(r"^(?:[\s>#*+\-・●■◆○]|\d{1,2}[.)]\s)*|[*`~]|__")
_EDGES = re.compile(r"^[|,;、。・/\s]+|[|,;、。・/\s]+$")
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_ID = re.compile(r"[0-9A-Z](?:[0-9A-Z]|[-_.](?=[0-9A-Z])){1,23}", re.IGNORECASE)
_UNFILLED = re.compile(
    r"[\W_xX0○〇◯]*|.*(?:ここに|入力|記入|不明|\b(?:your|here|fill|todo|tbd|unknown)\b).*|なし|none|n/?a", re.IGNORECASE
)


def header_student(notebook: Mapping[str, Any]) -> Student:
    """Who the top cells say it is; the first place that gives a field counts."""
    found: dict[str, str] = {}
    for cell in list(notebook["cells"])[:CELLS_LOOKED_AT]:
        for field, value in _fields(_lines(cell)):
            found.setdefault(field, value)
    return Student(found.get("id"), found.get("name"), found.get("email"))


def _lines(cell: Mapping[str, Any]) -> list[str]:
    """Lines of prose of one cell, in NFKC; of a code cell only its comments."""
    source = unicodedata.normalize("NFKC", cell["source"][:20_000])
    whole = _MARKUP.sub("\n", source).splitlines()[:LINES_LOOKED_AT]
    # Past any header; and the patterns take time that grows with the square of a line's length.
    lines = [_TAG.sub("", _unlinked(line[:LINE_CHARACTERS_LOOKED_AT])) for line in whole]
    if cell["cell_type"] == "code":
        comments = (line.strip() for line in lines)
        return [line.lstrip("#").strip() for line in comments if line.startswith("#")]
    return lines


def _unlinked(source: str) -> str:
    """Addresses in angle brackets and Markdown links as plain text, so that no tag swallows them."""
    return re.sub(r"<(?:mailto:)?([^<>\s@]+@[^<>\s]+)>|\[[^\]\n]*\]\(mailto:([^)\s]*)\)", r" \1\2 ", source)


def _fields(lines: Sequence[str]) -> Iterable[tuple[str, str]]:
    """(field, value) for each label with a usable value."""
    for number, line in enumerate(lines):
        plain = _DECORATION.sub("", line).strip()
        marks = _marks(plain)
        if not marks:
            continue
        if line.lstrip().startswith("|") and len(marks) == len([c for c in plain.strip("|").split("|") if c.strip()]):
            yield from _table_fields(plain, lines[number + 1 :])
            continue
        for mark, following in zip(marks, [*marks[1:], None], strict=True):
            text = plain[mark.end() : following.start() if following else len(plain)]
            separator = _SEPARATOR.match(text)
            rest = text[separator.end() :] if separator else text
            if not rest.strip("| \t") and not following:
                rest = _next_line(lines[number + 1 :])
            field = str(mark.lastgroup)
            if (value := _value(field, _EDGES.sub("", rest))) is not None:
                yield field, value


def _marks(line: str) -> list[re.Match[str]]:
    """Labels that stand at the start of the line or after another field, and are followed by a separator or nothing."""
    marks: list[re.Match[str]] = []
    for mark in _LABEL.finditer(line):
        after = line[mark.end() :]
        starts = not line[: mark.start()].strip("| \t") or bool(marks)
        spaced = after[:1] == " " and not mark[0].isascii() and len(after) < 60
        if starts and (_SEPARATOR.match(after) or not after.strip() or spaced):
            marks.append(mark)
    return marks


def _table_fields(header: str, below: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Fields of a Markdown table whose first row is all labels, from its first row of values."""
    rows = [line for line in below[:3] if "|" in line and line.strip("|:- \t")]
    cells = [cell.strip() for cell in rows[0].strip().strip("|").split("|")] if rows else []
    for label, cell in zip(header.strip("| ").split("|"), cells, strict=False):
        mark = _LABEL.match(label.strip())
        if mark and (value := _value(str(mark.lastgroup), _DECORATION.sub("", cell).strip())) is not None:
            yield str(mark.lastgroup), value


def _next_line(below: Sequence[str]) -> str:
    """The value written under its label: at most one empty line away, no heading and no other label."""
    line = next((line for line in below[:2] if line.strip()), "")
    plain = _DECORATION.sub("", line).strip()
    if line.lstrip().startswith("#") or _marks(plain) or len(plain) > 40 or re.search(r"[。.!?::]\s*$|、", plain):
        return ""
    return plain


def _value(field: str, text: str) -> str | None:
    """``text`` as a value of ``field``, or ``None`` when it is empty, a placeholder or garbled."""
    if field == "email":
        address = _EMAIL.search(text)
        return address[0] if address else None
    text = re.sub(r"\s*[(\[][^)\]]*[)\]]\s*", " ", text).strip()
    if not text or _UNFILLED.fullmatch(text):
        return None
    if field == "id":
        return _ident(text)
    name = re.sub(r"\s+", " ", text)
    letters = sum(c.isalpha() for c in name)
    return name if letters > 0 and len(name) <= 60 and not re.search(r"[\d@:/\\{}<>]|https?", name) else None


def _ident(text: str) -> str | None:
    """A student number: letters and digits with at least one digit, in upper case; spaces inside are left out."""
    whole = re.sub(r"\s+", "", text)
    first = text.split()[0]
    for candidate in (whole, first):
        if _ID.fullmatch(candidate) and any(c.isdigit() for c in candidate):
            return candidate.upper()
    return None
