"""Reads a class list from CSV, whatever order, language, encoding and delimiter it comes in, and looks students up."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from grader.errors import UsageError
from grader.model import Student
from grader.people import id_key, name_key, name_words, participant_number, same_person
from grader.tables import decoded, delimiter_of, header_key, read_table

# Headers as they are compared (letters and digits only, lower case), the most telling first.
_HEADERS = {
    "id": "学籍番号 学生証番号 学生番号 学号 學號 studentnumber studentid studentno sid sisuserid idnumber username "
    "userid loginid sisloginid id number 番号",
    "name": "氏名 名前 学生氏名 姓名 fullname name studentname student displayname фио",
    "family": "姓 lastname surname familyname фамилия",
    "given": "名 firstname givenname имя",
    "email": "メールアドレス メール emailaddress email mail mailaddress 邮箱 電子郵件 почта",
    "language": "言語 使用言語 language preferredlanguage reportlanguage lang 语言 語言 язык",
}
# What a class list may call them, beside codes such as ``zh-Hans``.
_LANGUAGES = {
    "ja": "jp jpn japanese 日本語 日语 日語 японский",
    "en": "eng english 英語 英语 английский",
    "zh": "cn zho chi chinese 中国語 中文 汉语 漢語 китайский",
    "ru": "rus russian ロシア語 俄语 俄語 русский",
}


_POINTS_POSSIBLE = name_key("Points Possible")
"""Canvas' gradebook has a line of that name below its header."""


class Roster:
    """The students of a class.

    :param students: in the order of the list.
    :param aliases: more ids of the student at the same place (an LMS' own number, a login name).
    :param languages: of the reports of the student at the same place: ``ja en zh ru``, ``None`` where none is named.
    """

    def __init__(
        self,
        students: Iterable[Student],
        aliases: Sequence[Sequence[str]] = (),
        languages: Sequence[str | None] = (),
    ) -> None:
        self.students = tuple(students)
        self._languages = {s: known for s, known in zip(self.students, languages, strict=False) if known}
        ids: dict[str, set[int]] = defaultdict(set)
        emails: dict[str, set[int]] = defaultdict(set)
        names: dict[str, set[int]] = defaultdict(set)
        for place, student in enumerate(self.students):
            for ident in (student.id, *(aliases[place] if place < len(aliases) else ())):
                ids[id_key(ident or "")].add(place)
            emails[(student.email or "").casefold()].add(place)
            words = name_words(student.name or "")
            # Exports of an LMS join the words of a name in one order or the other.
            for key in (name_key(student.name or ""), "".join(words), "".join(words[::-1])):
                names[key].add(place)
        self._ids, self._emails, self._names = ids, emails, names

    def __len__(self) -> int:
        return len(self.students)

    def by_id(self, ident: str | None) -> Student | None:
        """The student with this number, or another id that the list gives."""
        return self._only(self._ids, id_key(ident or ""))

    def by_email(self, email: str | None) -> Student | None:
        """The student with this address."""
        return self._only(self._emails, (email or "").casefold())

    def by_name(self, name: str | None) -> Student | None:
        """The student of this name, if exactly one has it."""
        return self._only(self._names, name_key(name or ""))

    def match(self, student: Student) -> Student | None:
        """The entry for ``student``: by number, else by address, else by a name that only one has."""
        return self.by_id(student.id) or self.by_email(student.email) or self.by_name(student.name)

    def language_of(self, student: Student) -> str | None:
        """The language that the list names for ``student``: ``ja en zh ru``."""
        listed = self.match(student) if self._languages else None
        return self._languages.get(listed) if listed else None

    def _only(self, index: dict[str, set[int]], key: str) -> Student | None:
        places = index.get(key, set()) if key else set()
        return self.students[next(iter(places))] if len(places) == 1 else None


def read_roster(path: Path) -> Roster:
    """The class list in the CSV file ``path``.

    Columns are known by their headers (Japanese, English, LMS exports), in any order; UTF-8, UTF-16 or Shift_JIS;
    separated by comma, semicolon or tab.

    :raises UsageError: it cannot be read, no column is known, or two students have the same number.
    """
    table = read_table(path, "roster")
    header = table.header
    columns = _columns(header)
    if not columns["id"] and not columns["name"] and not columns["email"] and not columns["family"]:
        raise UsageError(
            f"roster {path}: its first line is {header}; expected column names such as "
            "'student_id,name,email' or '学籍番号,氏名,メールアドレス'"
        )
    students, aliases, languages = [], [], []
    for row in table.rows:
        student, more = _student(row, columns)
        if student != Student() and name_key(student.name or "") != _POINTS_POSSIBLE:
            students.append(student)
            aliases.append([*more, *_participant(header, row)])
            languages.append(next((_language(row[i]) for i in columns["language"] if i < len(row)), None))
    _refuse_repeated(path, students)
    return Roster(students, aliases, languages)


def _language(cell: str) -> str | None:
    """``ja en zh ru`` of a code or a name; ``None`` for any other."""
    word = unicodedata.normalize("NFKC", cell).casefold().strip()
    code = word[:2] if not word[2:3].isalpha() else ""
    return next((known for known, names in _LANGUAGES.items() if code == known or word in names.split()), None)


def _participant(header: Sequence[str], row: Sequence[str]) -> list[str]:
    """Moodle's own number, which its archives name folders by: the first column of its grading worksheet."""
    is_worksheet = bool(header) and not any(header_key(header[0]) in names.split() for names in _HEADERS.values())
    number = participant_number(row[0]) if is_worksheet and row else None
    return [number] if number else []


def _columns(header: Sequence[str]) -> dict[str, list[int]]:
    """Kind of column to its places, the most telling header first."""
    keys = [header_key(cell) for cell in header]
    known = {kind: names.split() for kind, names in _HEADERS.items()}
    return {
        kind: sorted((i for i, key in enumerate(keys) if key in names), key=lambda i: names.index(keys[i]))
        for kind, names in known.items()
    }


def _student(row: Sequence[str], columns: dict[str, list[int]]) -> tuple[Student, list[str]]:
    def cells(kind: str) -> list[str]:
        texts = (unicodedata.normalize("NFKC", row[i]).strip() for i in columns[kind] if i < len(row))
        return [text for text in texts if text]

    ids, emails = cells("id"), cells("email")
    name = next(iter(cells("name")), None)
    if name is None:
        family, given = next(iter(cells("family")), ""), next(iter(cells("given")), "")
        latin = (family + given).isascii()
        name = f"{given} {family}".strip() if latin else f"{family} {given}".strip()
    return Student(next(iter(ids), None), name or None, next(iter(emails), None)), ids[1:]


def _refuse_repeated(path: Path, students: Sequence[Student]) -> None:
    seen: dict[str, Student] = {}
    for student in students:
        if student.id:
            other = seen.setdefault(id_key(student.id), student)
            if other is not student and other != student:
                raise UsageError(f"roster {path}: {student.id} stands there twice, for {other.name} and {student.name}")


def without_student(path: Path, student: Student) -> str | None:
    """The class list's text without the lines of ``student``; ``None`` where there is none.

    :raises UsageError: the file is no class list.
    """
    read_roster(path)
    text, _ = decoded(path.read_bytes())
    delimiter = delimiter_of(text)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    first = next(i for i, row in enumerate(rows) if any(map(str.strip, row)))
    columns = _columns(rows[first])
    kept = [row for i, row in enumerate(rows) if i <= first or not same_person(_student(row, columns)[0], student)]
    if len(kept) == len(rows):
        return None
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(kept)
    return out.getvalue()
