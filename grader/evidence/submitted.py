"""The outputs that were saved in the notebook as it was handed in, as text, one entry a cell.

``submitted.json`` in the evidence folder is written by the harness before the run. What it holds is the student's word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from grader.errors import EvidenceError

FILE_NAME = "submitted.json"
CELL_LIMIT_CHARS = 20_000
_ALL_LIMIT_CHARS = 2**22
_FILE_LIMIT_BYTES = 2**26


class SavedCell(Struct, frozen=True, omit_defaults=True):
    """What one cell had below it.

    :ivar text: streams and plain results, overwritten text folded; ``cut`` where it was longer than is kept.
    :ivar error: name of the error it ended in. :ivar count: its number in the order of execution.
    """

    text: str = ""
    error: str | None = None
    count: int | None = None
    cut: bool = False


def saved_cells(notebook: Mapping[str, Any], fold: Callable[[str], str]) -> tuple[SavedCell, ...]:
    """One entry for each cell of an nbformat 4 notebook, markdown included.

    :param fold: makes of a stream what a terminal would show in the end.
    """
    cells, left = [], _ALL_LIMIT_CHARS
    for cell in notebook.get("cells") or ():
        saved = _saved(cell, fold, min(CELL_LIMIT_CHARS, left)) if cell.get("cell_type") == "code" else SavedCell()
        left -= len(saved.text)
        cells.append(saved)
    return tuple(cells)


def _saved(cell: Mapping[str, Any], fold: Callable[[str], str], limit: int) -> SavedCell:
    outputs = [o for o in cell.get("outputs") or () if isinstance(o, Mapping)]
    # Without a front end a stream is saved in the pieces that it came in, which may overwrite each other.
    pieces = groupby(outputs, key=lambda o: o.get("name") if o.get("output_type") == "stream" else id(o))
    text = "\n".join(filter(None, ("".join(map(_plain, piece)) for _, piece in pieces)))
    folded = fold(text[: 20 * limit])
    errors = [str(o.get("ename") or "error")[:200] for o in outputs if o.get("output_type") == "error"]
    count = cell.get("execution_count")
    return SavedCell(
        text=folded[:limit],
        error=errors[0] if errors else None,
        count=count if isinstance(count, int) else None,
        cut=len(folded) > limit or len(text) > 20 * limit,
    )


def _plain(output: Mapping[str, Any]) -> str:
    data = output.get("data")
    text = output.get("text") or (data.get("text/plain") if isinstance(data, Mapping) else "") or ""
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def write_saved(directory: Path, cells: Iterable[SavedCell]) -> None:
    """Writes ``submitted.json`` into an evidence folder."""
    (directory / FILE_NAME).write_bytes(msgspec.json.encode(list(cells)))


def read_saved(directory: Path) -> tuple[SavedCell, ...]:
    """What was saved, by cell; empty for evidence of a version that did not keep it.

    :raises EvidenceError: malformed.
    """
    return read_saved_file(directory / FILE_NAME)


def read_saved_file(path: Path) -> tuple[SavedCell, ...]:
    """The same from a file of its own.

    :raises EvidenceError: malformed.
    """
    if not path.is_file() or path.stat().st_size > _FILE_LIMIT_BYTES:
        return ()
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[SavedCell, ...])
    except msgspec.DecodeError as error:
        raise EvidenceError(
            f"{path.name} of {path.parent.name} is malformed: {error}: grade the attempt again"
        ) from error
