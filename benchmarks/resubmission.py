"""``python -m benchmarks.resubmission``: the same notebook handed in again, with and without other saved outputs.

Measured in one process, beyond its start: reading the file, finding its run and what the rubric found in it, scoring,
the gradebook; then the pages as well.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks._common import machine, median_s, table
from benchmarks._synthetic import collected, leave_evidence, make_course, opened, settings_of, write_class
from grader.config import Settings
from grader.pipeline import grade_batch, publish

N_OTHERS = 30
TARGET_S = 0.1


def _again(settings: Settings, folder: Path, *, pages: bool = False) -> None:
    context = opened(settings)
    (graded,) = grade_batch(context, collected(folder))
    assert graded.reused
    assert graded.fault is None
    if pages:
        publish(context)


def main() -> None:
    """Prepares a graded class, then hands in one of its notebooks again."""
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        folder = Path(name)
        make_course(folder)
        settings = settings_of(folder)
        context = opened(settings)
        attempts = collected(write_class(folder, N_OTHERS))
        leave_evidence(context, attempts, distinct=N_OTHERS)
        grade_batch(context, attempts)
        publish(context)
        context.checks_room.close()
        same = folder / "again"
        same.mkdir()
        source = folder / "class" / "22X00000.ipynb"
        (same / source.name).write_bytes(source.read_bytes())
        rerun = folder / "rerun"
        rerun.mkdir()
        notebook = json.loads(source.read_text("utf-8"))
        for cell in notebook["cells"]:
            cell["metadata"]["collapsed"] = True
        (rerun / source.name).write_text(json.dumps(notebook, indent=2), "utf-8")
        _again(settings, same, pages=True)
        _again(settings, rerun, pages=True)
        print(machine())
        rows = [
            ("unchanged, to its result", median_s(lambda: _again(settings, same), 9), TARGET_S),
            ("saved again by an editor, to its result", median_s(lambda: _again(settings, rerun), 9), None),
            ("unchanged, pages included", median_s(lambda: _again(settings, same, pages=True), 9), None),
        ]
    print(table(rows, (f"one of {N_OTHERS} notebooks handed in again", "s", "target s")))


if __name__ == "__main__":
    main()
