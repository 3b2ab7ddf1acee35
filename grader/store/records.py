"""What the gradebook hands out, and how records become JSON and records again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from grader.errors import StoreError
from grader.model import Result, Student, Text
from grader.people import folded

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's points for one criterion; ``None`` takes earlier edits of it back. ``at``: ISO 8601, UTC.

    ``id`` is its number in the gradebook, 0 before it is kept.
    """

    criterion: str
    points: float | None
    author: str
    reason: str
    at: str
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """One received file as the gradebook knows it; ``number`` counts the attempts of its student, from 1."""

    id: int
    assignment: str
    digest: str
    source: str
    student: Student
    student_key: str
    number: int
    received_at: str
    handed_in_at: str | None
    language: str | None
    notes: tuple[Text, ...]
    conflicts: tuple[Text, ...]
    unreadable: Text | None
    graded: bool


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The latest result of one attempt, as it was given, and the edits made on that attempt, oldest first."""

    attempt_id: int
    student_key: str
    result: Result
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an attempt's history. ``kind``: ``received``, ``result``, ``edit`` or ``choice``.

    ``author`` is ``None`` for what the program did; ``points`` are those of a result or edit.
    """

    at: str
    kind: str
    author: str | None = None
    reason: str | None = None
    criterion: str | None = None
    points: float | None = None
    status: str | None = None


def student_key(student: Student, digest: str) -> str:
    """What makes two attempts the same student's: the number, else the e-mail address, else the name, else nothing.

    Full-width forms and case make no difference. An attempt of nobody known is on its own, by its ``digest``.
    """
    for kind, value in (("id", student.id), ("email", student.email), ("name", student.name)):
        if same := folded(value):
            return f"{kind}:{same}"
    return digest


def _fallback(value: Any) -> Any:
    """Scalars and arrays of numpy as plain data, anything else that JSON has no word for as a text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def encode(record: Any) -> str:
    """``record`` as JSON; a number that is not finite becomes ``null``. :raises StoreError: it cannot be JSON."""
    try:
        return msgspec.json.encode(record, enc_hook=_fallback).decode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"a {type(record).__name__} cannot be kept: {error}: expected plain data in it") from error


def decode(text: str, kind: type[_T]) -> _T:
    """The record that :func:`encode` wrote. :raises StoreError: it is not one of this ``kind``."""
    try:
        return msgspec.convert(_with_texts(msgspec.json.decode(text)), kind)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"the gradebook holds a {kind} that cannot be read: {error}: restore the file from a backup"
        ) from error


def _with_texts(tree: Any) -> Any:
    """``tree`` with each parameter of a text that is itself a text made one again: the types alone do not tell."""
    if isinstance(tree, list):
        return [_with_texts(v) for v in tree]
    if not isinstance(tree, dict):
        return tree
    plain = {k: _with_texts(v) for k, v in tree.items()}
    if plain.keys() == {"id", "params"} and isinstance(plain["params"], Mapping):
        return {"id": plain["id"], "params": {k: _as_text(v) for k, v in plain["params"].items()}}
    return plain


def _as_text(value: Any) -> Any:
    is_text = isinstance(value, dict) and value.keys() == {"id", "params"} and isinstance(value["params"], dict)
    return Text(value["id"], value["params"]) if is_text else value
