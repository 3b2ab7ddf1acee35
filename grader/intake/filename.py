"""Who a file is from, as far as its name and its folders tell: course conventions, nbgrader, and LMS exports.

The patterns of Canvas, Moodle, Blackboard and Gradescope are those of their exports' own code and documentation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.model import Student, Text

FILE_NAME = Text("the file name")
FOLDER_NAME = Text("the folder name")
LMS = Text("the learning management system")

_CANVAS = re.compile(
    r"(?:(?P<late_anon>LATE_)?anon_[0-9A-Za-z]+|(?P<name>\w+?)_(?P<late>LATE_)?(?P<uid>\d{2,}))"
    r"_(?P<file_id>\d{2,})_(?P<file>.+)"
)
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<uid>\d+)_assign(?:submission|ment)_(?:file|onlinetext)_?.*")
_BLACKBOARD = re.compile(r".+?_(?P<uid>[^_\s]+)_attempt_\d{4}(?:-\d\d){5}(?:_(?P<file>.+)|\.\w+)")
_NBGRADER_STEPS = frozenset({"submitted", "source", "release", "autograded", "feedback"})
_NUMBER = re.compile(r"[A-Z]{0,3}\d{4,10}|\d{2}[A-Z]{1,2}\d{3,6}")
_DATE = re.compile(r"[A-Z]*20[12]\d((0[1-9]|1[0-2])([0-3]\d)?(\d{4})?)?")
_CJK_NAME = re.compile(r"[一-鿿々][぀-ヿ一-鿿々]{1,5}")
_NO_NAME = re.compile(
    "課題|提出|解答|回答|答案|最終|完成|修正|再|版|コピ|レポート|報告|実験|畳|深層|学習|演習|名前|氏名|学籍|番号|ノート|"
    "作業|学生|回|第|用|元|科|組|班|級|クラス|新|旧|正|副本|作业|实验|卷积|提交|最终"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one place says about who it is. :ivar lms_id: number of the LMS, which only a roster can translate."""

    place: Text
    student: Student
    lms_id: str | None = None


def lms_group(name: str) -> str | None:
    """What files of one student have in common in a flat LMS export; ``None`` for any other name."""
    canvas, blackboard = _CANVAS.fullmatch(name), _BLACKBOARD.fullmatch(name)
    if canvas:
        return canvas["uid"] or name.split("_" + canvas["file_id"] + "_")[0]
    return blackboard["uid"] if blackboard else None


def marked_late(parts: Iterable[str]) -> bool:
    """Whether Canvas marked the submission as late, in a name on the way to its file."""
    matches = (_CANVAS.fullmatch(part) for part in parts)
    return any(match and (match["late"] or match["late_anon"]) for match in matches)


def name_claims(parts: Sequence[str], context: Sequence[str], assignment: str) -> list[Claim]:
    """Claims of the names on the way to a file, the most telling first.

    :param parts: folder names and the file's name, from the input on. :param context: the same from the disk's root on.
    :param assignment: id of the assignment, to know nbgrader's layout ``<student>/<assignment>/<notebook>``.
    """
    claims = [claim for part in reversed(parts) if (claim := _lms_claim(part))]
    if student := _nbgrader_student(parts, context, assignment):
        claims.append(Claim(FOLDER_NAME, Student(id=student)))
    if claims:
        return claims
    # Farther up are the names of classes and courses, not of students.
    places = zip((FILE_NAME, FOLDER_NAME), reversed(parts[-2:]), strict=False)
    found = (Claim(place, _student_in(part, assignment)) for place, part in places)
    return [claim for claim in found if claim.student != Student()]


def words_of(name: str) -> list[str]:
    """The words of a file name without its suffixes, in NFKC."""
    stem = re.sub(r"(\.(ipynb|zip|txt|json|html?|py|pdf|docx?))+$", "", unicodedata.normalize("NFKC", name), flags=re.I)
    return [word for word in re.split(r"[\s_\-.,+()\[\]【】「」&~]+", stem) if word]


def _lms_claim(part: str) -> Claim | None:
    if moodle := _MOODLE.fullmatch(part):
        return Claim(LMS, Student(name=moodle["name"]), moodle["uid"])
    if blackboard := _BLACKBOARD.fullmatch(part):
        return Claim(LMS, Student(id=blackboard["uid"]))
    canvas = _CANVAS.fullmatch(part)
    if canvas and canvas["name"]:
        return Claim(LMS, Student(name=canvas["name"]), canvas["uid"])
    return None


def _nbgrader_student(parts: Sequence[str], context: Sequence[str], assignment: str) -> str | None:
    for names, is_layout in ((parts, len(parts) >= 3), (context, len(context) >= 4 and context[-4] in _NBGRADER_STEPS)):
        if is_layout and names[-2].casefold() == assignment.casefold() and names[-3] not in _NBGRADER_STEPS:
            return names[-3]
    return None


def _student_in(part: str, assignment: str) -> Student:
    own = {word.casefold() for word in words_of(assignment)}
    words = [word for word in words_of(part) if word.casefold() not in own]
    return Student(id=_number_in(words), name=_name_in(words))


def _number_in(words: Iterable[str]) -> str | None:
    upper = (word.upper() for word in words)
    return next((word for word in upper if _NUMBER.fullmatch(word) and not _DATE.fullmatch(word)), None)


def _name_in(words: Sequence[str]) -> str | None:
    """A Japanese or Chinese name: one word, or family and given name as two neighbours."""
    named = [bool(_CJK_NAME.fullmatch(word)) and not _NO_NAME.search(word) for word in words]
    places = [place for place, is_name in enumerate(named) if is_name]
    if not places:
        return None
    first = places[0]
    pair = first + 1 in places and len(words[first]) <= 3 and len(words[first + 1]) <= 3
    return f"{words[first]} {words[first + 1]}" if pair else words[first]
