"""Parses a notebook of any age and in any state into a valid nbformat 4.5 dict, or says why that cannot be done."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat.validator import get_validator

from grader.intake.decode import Unreadable, decode_json
from grader.intake.repair import DAMAGED_METADATA, Json, repaired_cells, repaired_metadata
from grader.model import Text

CELLS_LIMIT = 10_000

_PYTHON_LANGUAGES = frozenset({"python", "python3", "python2", "ipython", "ipython3"})


@dataclass(frozen=True, slots=True)
class ParsedNotebook:
    """``notebook``: nbformat 4.5 with the outputs it was saved with, or ``None`` and the reason in ``unreadable``."""

    notebook: Json | None = field(repr=False)
    notes: tuple[Text, ...] = ()
    unreadable: Text | None = None


def parse_notebook(content: bytes) -> ParsedNotebook:
    """``content`` as a notebook. Never raises: what cannot be read has a reason."""
    notes: list[Text] = []
    try:
        return ParsedNotebook(_parse(content, notes), tuple(notes))
    except Unreadable as reason:
        return ParsedNotebook(None, tuple(notes), reason.text)
    except (RecursionError, MemoryError):
        reason_text = Text("The file is nested more deeply than any notebook; it cannot be read.")
        return ParsedNotebook(None, tuple(notes), reason_text)


def looks_like_notebook(content: bytes) -> bool:
    """Whether a file that is not called ``.ipynb`` is a notebook all the same (``.ipynb.txt``, ``.json``)."""
    head = content[: 2**20]
    return (
        head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
        and b'"nbformat"' in content
        and (b'"cells"' in content or b'"worksheets"' in content)
    )


def _parse(content: bytes, notes: list[Text]) -> Json:
    data = decode_json(content, notes)
    if not isinstance(data, dict) or not ({"cells", "worksheets"} & data.keys()):
        raise Unreadable(
            Text("The file is valid JSON but not a notebook: it has no cells. Please hand in the .ipynb file.")
        )
    major, minor = _version(data, notes)
    if major > nbformat.current_nbformat:
        raise Unreadable(
            Text(
                "The notebook is in format {major}, which is newer than this grader knows (up to {known}). "
                "Save it as format {known} and hand it in again.",
                {"major": major, "known": nbformat.current_nbformat},
            )
        )
    _refuse_other_languages(data.get("metadata"), notes)
    if major < nbformat.current_nbformat:
        data = _upgraded(data, major, notes)
        major, minor = 4, 4
    elif minor > 5:
        notes.append(Text("The notebook is in format {version}; it was read as 4.5.", {"version": f"4.{minor}"}))
    _refuse_too_many_cells(data.get("cells"))
    notebook: Json = {
        "cells": repaired_cells(data.get("cells"), minor >= 5, notes),
        "metadata": repaired_metadata(data.get("metadata")),
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return _validated(notebook, notes)


def _version(data: Json, notes: list[Text]) -> tuple[int, int]:
    """Major and minor version; guessed from the structure, with a note, when they are not whole numbers."""
    major, minor = data.get("nbformat"), data.get("nbformat_minor", 0)
    if "cells" not in data:
        major = min(major, 3) if isinstance(major, int) else None
    if isinstance(major, int) and not isinstance(major, bool) and major >= 1:
        return major, minor if isinstance(minor, int) and 0 <= minor < 1000 else 0
    notes.append(Text("The notebook does not say which format it is in; it was guessed."))
    return (3 if "worksheets" in data else 4), 5


def _refuse_too_many_cells(cells: Any) -> None:
    if isinstance(cells, list) and len(cells) > CELLS_LIMIT:
        raise Unreadable(
            Text(
                "The notebook has {count} cells; more than {limit} are not read.",
                {"count": len(cells), "limit": CELLS_LIMIT},
            )
        )


def _refuse_other_languages(metadata: Any, notes: list[Text]) -> None:
    metadata = metadata if isinstance(metadata, dict) else {}
    old = (("kernelspec", "name", "python2"), ("language_info", "version", "2."))
    if any(str(_entry(metadata, key, entry)).startswith(start) for key, entry, start in old):
        notes.append(Text("The notebook was made with Python 2; it is run with Python 3."))
    for key, entry in (("kernelspec", "language"), ("language_info", "name")):
        language = _entry(metadata, key, entry)
        if isinstance(language, str) and language and language.lower() not in _PYTHON_LANGUAGES:
            raise Unreadable(
                Text(
                    "The notebook is written for {language}, not for Python. "
                    "Choose a Python kernel, check that it runs, and hand it in again.",
                    {"language": language[:40]},
                )
            )


def _entry(metadata: Json, key: str, entry: str) -> Any:
    place = metadata.get(key)
    return place.get(entry) if isinstance(place, dict) else None


def _upgraded(data: Json, major: int, notes: list[Text]) -> Json:
    """A notebook of format 1 to 3 as format 4."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whatever nbformat finds wrong is repaired after it
            new = nbformat.convert(nbformat.reader.reads(json.dumps(data)), 4)
        upgraded: Json = json.loads(json.dumps(new))
        for cell in upgraded["cells"]:
            cell.pop("id", None)  # nbformat draws them at random
    except Exception:  # a damaged old notebook can break the conversion in any way; all of them mean the same
        raise Unreadable(
            Text(
                "The notebook is in the old format {major} and damaged. "
                "Open it in a current Jupyter, save it, and hand it in again.",
                {"major": major},
            )
        ) from None
    notes.append(Text("The notebook was converted from the old format {major}.", {"major": major}))
    return upgraded


def _validated(notebook: Json, notes: list[Text]) -> Json:
    """``notebook`` if it is valid nbformat 4.5, else without the metadata and outputs that are not ours to repair."""
    if _is_valid(notebook):
        return notebook
    if DAMAGED_METADATA not in notes:
        notes.append(DAMAGED_METADATA)
    stamp = notebook["metadata"].get("grader")
    notebook["metadata"] = repaired_metadata({"grader": stamp} if isinstance(stamp, dict) else {})
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell.pop("attachments", None)
    if _is_valid(notebook):
        return notebook
    raise Unreadable(Text("The file is damaged and cannot be read as a notebook. Save it again and hand it in."))


def _is_valid(notebook: Mapping[str, Any]) -> bool:
    try:
        get_validator(4, 5, name="fastjsonschema").validate(notebook)
    except nbformat.ValidationError:
        return False
    return True
