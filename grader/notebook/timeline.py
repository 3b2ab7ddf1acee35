"""Makes one notebook of the cells that ran, each as it ran last, and of the file on the disk where that is known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.model import CellOutcome, CellRun
from grader.notebook.watch import Ran

TAG = "grader-extension"
_LABEL = re.compile(r"^\s*#\s*\[\s*(\d+-\d+)\s*\]")
_OWN_LINE = re.compile(
    r"\s*(?:%grader\b.*|%(?:re)?load_ext\s+grader\b.*|import\s+grader|grader\.check\(.*\)\s*;?|#.*|)"
)
_OWN_CELL = re.compile(r"""run_line_magic\(\s*["']load_ext["']\s*,\s*["']grader["']""")
_ALIKE = 0.5


@dataclass(frozen=True)
class Timeline:
    """The notebook that ran.

    :ivar cells: nbformat 4 cells, without outputs. :ivar runs: how each ended.
    :ivar shown: index of a cell to the :class:`Ran` whose source it has.
    :ivar places: number of a :class:`Ran`, earlier runs of the same cell included, to the index of its cell.
    """

    cells: tuple[dict[str, Any], ...]
    runs: tuple[CellRun, ...]
    shown: Mapping[int, Ran]
    places: Mapping[int, int]

    @property
    def latest(self) -> frozenset[int]:
        """Numbers of the runs that count."""
        return frozenset(ran.number for ran in self.shown.values())


def is_own(source: str) -> bool:
    """Whether a cell does nothing but call the check."""
    lines = source.splitlines()
    called = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
    return bool(_OWN_CELL.search(source)) or (called and all(_OWN_LINE.fullmatch(line) for line in lines))


def squeezed(source: str) -> str:
    """``source`` without what does not matter: empty lines, white space at line ends."""
    return "\n".join(line.rstrip() for line in source.splitlines() if line.strip())


def same_cell(ran: Ran, cell: Mapping[str, Any]) -> bool:
    """Whether ``cell`` of a file is what ran: by its id, else by its text."""
    if ran.cell_id is not None and ran.cell_id == cell.get("id"):
        return True
    return squeezed(ran.source) == squeezed(text_of(cell))


def text_of(cell: Mapping[str, Any]) -> str:
    """Source of an nbformat 4 cell."""
    source = cell.get("source") or ""
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def is_own_cell(cell: Mapping[str, Any]) -> bool:
    """Whether a cell of a file belongs to the check."""
    tags = (cell.get("metadata") or {}).get("tags") or ()
    return TAG in tags or (cell.get("cell_type") == "code" and is_own(text_of(cell)))


def latest_runs(ran: Sequence[Ran]) -> list[list[Ran]]:
    """The runs of each cell, in the order in which cells ran first; the last of each counts.

    Where the front end does not name cells, equal text is the same cell, and an attempt that failed and that a similar
    one followed is left out.
    """
    groups: dict[str, list[Ran]] = {}
    for one in ran:
        if one.source.strip() and not is_own(one.source):
            groups.setdefault(one.cell_id or squeezed(one.source), []).append(one)
    return [group for group in groups.values() if not _corrected(group[-1], ran)]


def _corrected(one: Ran, ran: Sequence[Ran]) -> bool:
    if one.cell_id is not None or one.error_name is None:
        return False
    later = (r.source for r in ran if r.number > one.number and r.cell_id is None)
    return any(difflib.SequenceMatcher(None, one.source, source).ratio() >= _ALIKE for source in later)


def is_of(ran: Sequence[Ran], notebook: Mapping[str, Any]) -> bool:
    """Whether the file ``notebook`` holds at least half of the cells that ran."""
    cells = [cell for cell in notebook.get("cells") or () if cell.get("cell_type") == "code"]
    groups = latest_runs(ran)
    return sum(any(same_cell(group[-1], cell) for cell in cells) for group in groups) * 2 >= len(groups)


def assemble(ran: Sequence[Ran], saved: Sequence[Mapping[str, Any]] | None) -> Timeline:
    """One notebook.

    :param saved: cells of the file; with it text cells and the order are known, and which cells have not run.
    """
    left = latest_runs(ran)
    slots: list[tuple[Mapping[str, Any] | None, list[Ran]]] = []
    for cell in saved or ():
        if is_own_cell(cell):
            continue
        group = next((g for g in left if cell.get("cell_type") == "code" and same_cell(g[-1], cell)), [])
        left = [g for g in left if g is not group]
        slots.append((cell, group))
    for group in left:  # not in the file: after what ran before it
        before = [i for i, (_, g) in enumerate(slots) if g and g[-1].number < group[-1].number]
        slots.insert(max(before, default=-1) + 1 if saved else len(slots), (None, group))
    return _timeline(slots)


def _timeline(slots: Sequence[tuple[Mapping[str, Any] | None, list[Ran]]]) -> Timeline:
    cells: list[dict[str, Any]] = []
    runs: list[CellRun] = []
    shown: dict[int, Ran] = {}
    places: dict[int, int] = {}
    for index, (cell, group) in enumerate(slots):
        last = group[-1] if group else None
        cells.append(_cell(cell or {}, last, index))
        runs.append(_run(index, cells[-1], last))
        places |= {one.number: index for one in group}
        if last is not None:
            shown[index] = last
    return Timeline(tuple(cells), tuple(runs), shown, places)


def _cell(cell: Mapping[str, Any], ran: Ran | None, index: int) -> dict[str, Any]:
    kind = str(cell.get("cell_type") or "code")
    source = ran.source if ran is not None else text_of(cell)
    metadata = dict(cell.get("metadata") or {})
    made: dict[str, Any] = {"cell_type": kind, "id": f"cell-{index}", "metadata": metadata, "source": source}
    if kind == "code":
        made |= {"execution_count": ran.count if ran else None, "outputs": []}
    return made


def _run(index: int, cell: Mapping[str, Any], ran: Ran | None) -> CellRun:
    label = _LABEL.match(cell["source"])
    name = label.group(1) if label else None
    if cell["cell_type"] != "code" or not cell["source"].strip():
        return CellRun(index, CellOutcome.EMPTY, name)
    if ran is None:
        return CellRun(index, CellOutcome.NOT_RUN, name)
    outcome = CellOutcome.OK if ran.error_name is None else CellOutcome.ERROR
    return CellRun(index, outcome, name, error_name=ran.error_name, error_value=ran.error_value)
