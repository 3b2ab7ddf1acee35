"""``rubrics/<id>/given.json``: digests of every sentence that was handed out.

Digests, so that a kit can tell the template from an answer without carrying the template. :mod:`grader.checks.given`
writes it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from grader.checks.prose import GivenText
from grader.errors import CourseError


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """Digests of this edition's sentences, and of earlier editions whose hand-ins are still accepted."""

    template: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()


def read_given(rubric_dir: Path) -> GivenText:
    """What was handed out; nothing when the rubric has no ``given.json``.

    :raises CourseError: the file is malformed.
    """
    given = load_given(rubric_dir)
    return GivenText((*given.template, *given.earlier))


def load_given(rubric_dir: Path) -> Given:
    """The file as it is; empty where there is none.

    :raises CourseError: it is malformed.
    """
    path = rubric_dir / "given.json"
    if not path.is_file():
        return Given()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Given)
    except msgspec.DecodeError as error:
        raise CourseError(f"{path} is malformed: {error}: write it again with python -m grader.checks.given") from error
