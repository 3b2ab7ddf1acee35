"""Gradescope: the ``results.json`` of one attempt, and a ready autograder as the zip that is uploaded there.

Gradescope calls ``run_autograder`` with the work in ``/autograder/submission`` and reads
``/autograder/results/results.json``; where that is missing it tells the student nothing of use, so one is always
written.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import zipfile
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.lms.lines import Line, lines_of, summary
from grader.messages import Catalogue
from grader.model import Result, Visibility
from grader.rubric import Rubric

_VISIBILITY = {
    Visibility.PUBLIC: "visible",
    Visibility.AFTER_DUE: "after_due_date",
    Visibility.STAFF: "hidden",
}
_MADE_AT = (2020, 1, 1, 0, 0, 0)
_NOT_IN_A_COURSE = re.compile(r"__pycache__|\.pyc|\.seed|\.git")


def results_json(result: Result, rubric: Rubric, catalogue: Catalogue) -> dict[str, Any]:
    """The object. Pass in a result that is redacted for students after the due date: all but ``hidden`` reaches them.

    ``score`` is the grade after what lateness takes; Gradescope wants a number, so it is 0 for an attempt that has
    none, and ``output`` says why.
    """
    score = result.score
    found: dict[str, Any] = {"score": result.final if result.final is not None else 0.0}
    note = summary(result, catalogue)
    if note:
        found |= {"output": note, "output_format": "text"}
    if result.execution.duration_s is not None:
        found["execution_time"] = max(0, round(result.execution.duration_s))
    lines = lines_of(result, rubric, catalogue)
    return found | {
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"status": str(score.status), "attempt": result.digest, "pending": score.pending},
        "tests": [_test(number, line) for number, line in enumerate(lines, 1)],
    }


def _test(number: int, line: Line) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": line.title,
        "number": str(number),
        "max_score": line.max_points,
        "output": line.message,
        "tags": [line.id],
        "visibility": _VISIBILITY[line.visibility],
    }
    if line.points is not None:
        test["score"] = line.points
    if line.passed is not None:
        test["status"] = "passed" if line.passed else "failed"
    return test


def failed_json(sentence: str) -> dict[str, Any]:
    """What a student reads where the grader itself failed."""
    return {"score": 0.0, "output": sentence, "output_format": "text", "stdout_visibility": "hidden", "tests": []}


_SETUP = """\
#!/usr/bin/env bash
# Made by grader. Gradescope runs this once, while it builds the image.
set -euo pipefail
cd /autograder/source
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv
python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || {{
  echo "Python 3.11 to 3.13 is needed: choose a newer base image of Gradescope" >&2; exit 1; }}
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install --no-cache-dir {wheel}
export GRADER_DATA_DIR=/autograder/data
{data}
"""
_RUN = """\
#!/usr/bin/env bash
# Made by grader. Gradescope runs this for each submission.
set -u
results=/autograder/results/results.json
mkdir -p /autograder/results
printf '%s\\n' {failed} > "$results"
export GRADER_DATA_DIR=/autograder/data{course}
work=$(mktemp -d)
grader=/autograder/venv/bin/grader
"$grader" grade {assignment} /autograder/submission --workspace "$work" --jobs 1{sandbox}
"$grader" export gradescope --workspace "$work" --assignment {assignment} --out "$work/results.json" \\
  && mv "$work/results.json" "$results"
rm -rf "$work"
exit 0
"""


def autograder_zip(
    assignment: str,
    wheel: Path,
    datasets: tuple[str, ...],
    failed: str,
    *,
    course: Path | None = None,
    sandbox: str = "auto",
) -> bytes:
    """The zip to upload: ``setup.sh``, ``run_autograder``, the program as a wheel, and a course of one's own.

    :param failed: sentence for the student where the grader itself fails.
    :param sandbox: how notebooks are confined there (``auto`` refuses to run where nothing works).
    :raises UsageError: ``wheel`` is none.
    """
    if wheel.suffix != ".whl" or not zipfile.is_zipfile(wheel):
        raise UsageError(f"{wheel} is no wheel of the program: make one with 'python -m pip wheel --no-deps'")
    data = "\n".join(f"/autograder/venv/bin/grader data install {shlex.quote(name)}" for name in datasets)
    texts = {
        "setup.sh": _SETUP.format(wheel=shlex.quote(wheel.name), data=data),
        "run_autograder": _RUN.format(
            assignment=shlex.quote(assignment),
            failed=shlex.quote(json.dumps(failed_json(failed), ensure_ascii=False)),
            course="\nexport GRADER_COURSE=/autograder/source/course" if course else "",
            sandbox="" if sandbox == "auto" else f" --sandbox {shlex.quote(sandbox)}",
        ),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            _add(archive, name, text.encode(), 0o755)
        _add(archive, wheel.name, wheel.read_bytes(), 0o644)
        for path in sorted(course.rglob("*")) if course else ():
            name = path.relative_to(course).as_posix() if course else ""
            wanted = name.split("/")[0] in ("assignments", "rubrics", "reports", "datasets.toml", "grader.toml")
            if path.is_file() and wanted and not _NOT_IN_A_COURSE.search(name):
                _add(archive, f"course/{name}", path.read_bytes(), 0o644)
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    info = zipfile.ZipInfo(name, _MADE_AT)
    info.external_attr = (0o100000 | mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)
