"""``%grader submit-ready``: runs the saved file fresh, and says what that breaks and what is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from grader.checks.sources import defined_names
from grader.model import CellOutcome, CellRun, Outcome, Result, Text
from grader.notebook.card import FRESH_HEADLINE, NO_GRADE, Card, counts, items_of
from grader.notebook.chosen import NotChosen, Opened, notebook_settings, stamp_of
from grader.notebook.fresh import Answer, Request, read_answer
from grader.notebook.timeline import is_own_cell, latest_runs, same_cell, text_of
from grader.notebook.watch import Ran
from grader.pipeline import open_context
from grader.reporting import Audience
from grader.reporting.criteria import criterion_title, shown_criteria
from grader.scratch import scratch_prefix
from grader.store.records import encode

NO_FILE = Text("Which file is this notebook? Save it, and name it: {example}")
SAVE = Text(
    "The file is older than the notebook: {n} cells that ran here are not in it as they are now. "
    "Save (Ctrl+S or ⌘S), then ask again."
)
SAVE_FIRST = Text("The file on the disk is run: save (Ctrl+S or ⌘S) before this.")
HIDDEN = Text(
    "Cell {cell} stops in a fresh run: {name} exists in this kernel, but no cell above makes it. "
    "A cell was probably deleted, or ran in another order."
)
FOLLOWS = Text("Cell {cell} stops because cell {first} stopped: {name} is made there.")
BREAKS_ONLY_FRESH = Text("Cell {cell} ran here, but stops in a fresh run: {error}")
BREAKS = Text("Cell {cell} stops: {error}")
MISSING = Text("Cells of the handout are missing: {cells}.")
NO_HEADER = Text("The header cell does not say who you are: fill in student number, name and e-mail.")
LOST = Text("“{title}” passed here, and not in a fresh run.")
FINE = Text("The notebook runs from top to bottom in a fresh kernel.")
SHORT = Text("Trainings were shortened, so accuracies stay undecided here.")
FAILED = Text("The fresh run could not be made, which is a fault of the grader: {detail}")
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_GIVEN_LABEL = re.compile(r"\d{1,3}-\d{1,3}")


def ready(opened: Opened, language: str | None, file: Path, notebook: Mapping[str, Any], kernel: Kernel) -> Card:
    """Runs ``file`` and reports.

    :raises NotChosen: the run could not be made.
    """
    answer = _run(Request(str(file), str(opened.course.root), opened.assignment, language))
    result = answer.result
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("ready"), ignore_cleanup_errors=True) as folder:
        settings = notebook_settings(Path(folder), language)
        context = open_context(settings, opened.assignment, course=opened.course, public_only=True)
        view = context.report_context(result.language)
        words = view.words
        shown = shown_criteria(result, Audience.CHECK)
        cells = notebook["cells"]
        notes = [*unsaved(kernel.ran, cells), *breaks(result.execution.cells, cells, kernel)]
        notes += [*missing(notebook), *([] if result.student.id else [NO_HEADER]), *result.conflicts]
        notes += [Text(LOST.id, {"title": criterion_title(view, i)}) for i in lost(result, kernel.passed)]
        stopped = any(run.outcome is CellOutcome.ERROR for run in result.execution.cells)
        headline = words.render(Text(FRESH_HEADLINE.id, {"file": file.name}))
        said = (notes, (SAVE_FIRST, counts(shown), SHORT, NO_GRADE), () if stopped else (FINE,))
        return Card(result.language, headline, items_of(view, shown), *(tuple(map(words.render, s)) for s in said))


class Kernel:
    """What this kernel knows beside the file: cells that ran, names, and what passed when it was last checked."""

    def __init__(self, ran: Sequence[Ran], names: Collection[str], passed: Collection[str]) -> None:
        self.ran = ran
        self.names = names
        self.passed = passed


def _run(request: Request) -> Answer:
    """In a process of its own, which an interrupt of the kernel ends."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "JPY_PARENT_PID", "JPY_SESSION_NAME")}
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("ready"), ignore_cleanup_errors=True) as folder:
        asked, answered = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(encode(request), "utf-8")
        command = [sys.executable, "-m", "grader.notebook.fresh", str(asked), str(answered)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
        if not answered.is_file():
            raise NotChosen(Text(FAILED.id, {"detail": done.stderr.strip()[-300:]}))
        answer = read_answer(answered)
    if answer.fault is not None:
        raise NotChosen(Text(FAILED.id, {"detail": answer.fault.strip()[-300:]}))
    return answer


def unsaved(ran: Sequence[Ran], cells: Sequence[Mapping[str, Any]]) -> list[Text]:
    """Whether cells ran here that the file does not hold, or holds otherwise."""
    code = [cell for cell in cells if cell.get("cell_type") == "code"]
    by_id = {cell.get("id"): cell for cell in code}
    n = 0
    for group in latest_runs([r for r in ran if r.recorded]):
        last = group[-1]
        named = by_id.get(last.cell_id) if last.cell_id else None
        holds = [named] if named is not None else code
        plain = Ran(last.number, last.source)  # by its text alone
        n += not any(same_cell(plain, cell) for cell in holds)
    return [Text(SAVE.id, {"n": n})] if n else []


def breaks(runs: Sequence[CellRun], cells: Sequence[Mapping[str, Any]], kernel: Kernel) -> list[Text]:
    """Each cell that stopped in the fresh run; which of them ran here; which miss a name that only this kernel has."""
    well = [group[-1] for group in latest_runs(kernel.ran) if group[-1].error_name is None]
    found = []
    stopped = [r for r in runs if r.outcome in (CellOutcome.ERROR, CellOutcome.TIMEOUT) and r.index < len(cells)]
    for run in stopped:
        name = _named(run)
        error = ": ".join(part for part in (run.error_name, run.error_value) if part)[:200] or str(run.outcome)
        undefined = _UNDEFINED.search(run.error_value or "") if run.error_name == "NameError" else None
        above = [r for r in stopped if r.index < run.index]
        if undefined and (maker := _maker(undefined[1], above, cells)):
            found.append(Text(FOLLOWS.id, {"cell": name, "first": _named(maker), "name": undefined[1]}))
        elif undefined and undefined[1] in kernel.names:
            found.append(Text(HIDDEN.id, {"cell": name, "name": undefined[1]}))
        elif any(same_cell(ran, cells[run.index]) for ran in well):
            found.append(Text(BREAKS_ONLY_FRESH.id, {"cell": name, "error": error}))
        else:
            found.append(Text(BREAKS.id, {"cell": name, "error": error}))
    return found


def _named(run: CellRun) -> str:
    return f"[{run.label}]" if run.label else f"#{run.index + 1}"


def _maker(name: str, stopped: Sequence[CellRun], cells: Sequence[Mapping[str, Any]]) -> CellRun | None:
    """The cell that would have made ``name``, had it not stopped."""
    return next((run for run in stopped if name in (defined_names([text_of(cells[run.index])]) or ())), None)


def missing(notebook: Mapping[str, Any]) -> list[Text]:
    """Given cells that the handout's stamp knows by their label and that are gone."""
    given = stamp_of(notebook).get("given")
    labels = [name for name in given if _GIVEN_LABEL.fullmatch(str(name))] if isinstance(given, dict) else []
    labels.sort(key=lambda label: [int(part) for part in label.split("-")])  # JupyterLab saves names sorted as text
    sources = [text_of(c) for c in notebook["cells"] if c.get("cell_type") == "code" and not is_own_cell(c)]
    gone = [label for label in labels if not any(re.match(rf"\s*#\s*\[\s*{label}\s*\]", s) for s in sources)]
    return [Text(MISSING.id, {"cells": ", ".join(f"[{label}]" for label in gone)})] if gone else []


def lost(result: Result, passed: Collection[str]) -> list[str]:
    """Criteria that passed in this kernel and not in the fresh run; what that leaves open is not lost."""
    bad = (Outcome.FAILED, Outcome.PARTIAL, Outcome.BLOCKED)
    return [line.id for line in result.score.criteria if line.id in passed and line.outcome in bad]
