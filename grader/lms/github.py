"""The result of GitHub Classroom's autograding: the line ``result=BASE64`` that a step writes to ``$GITHUB_OUTPUT``.

Only ``tests[].score`` is summed for the classroom, so partial credit lives there. What is written here is shown to the
student: pass in a result that is redacted for students.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from grader.lms.lines import Line, lines_of, summary
from grader.messages import Catalogue
from grader.model import ExecutionOutcome, Result, Status
from grader.rubric import Rubric

VERSION = 1


def autograding_result(result: Result, rubric: Rubric, catalogue: Catalogue) -> dict[str, Any]:
    """The object. ``status``: ``pass`` with every criterion passed, ``error`` where nothing could be graded."""
    lines = list(lines_of(result, rubric, catalogue))
    tests = [_test(line, result, rubric) for line in lines]
    note = summary(result, catalogue)
    if result.late is not None and result.late.penalty:
        tests.append(_late(result, note))
    if result.score.status is Status.NOT_GRADABLE or result.execution.outcome is ExecutionOutcome.UNREADABLE:
        status = "error"
        tests = [{**test, "status": "error", "message": note or test["message"]} for test in tests]
    else:
        status = "pass" if lines and all(line.passed for line in lines) else "fail"
    return {"version": VERSION, "status": status, "max_score": result.score.max_points, "tests": tests}


def output_line(result: Result, rubric: Rubric, catalogue: Catalogue) -> bytes:
    """The line for ``$GITHUB_OUTPUT``."""
    text = json.dumps(autograding_result(result, rubric, catalogue), ensure_ascii=False, allow_nan=False)
    return b"result=" + base64.b64encode(text.encode()) + b"\n"


def _test(line: Line, result: Result, rubric: Rubric) -> dict[str, Any]:
    return {
        "name": line.title,
        "status": "pass" if line.passed else "fail",
        "message": line.message,
        "test_code": f"{rubric.assignment}/{line.id}",
        "filename": result.source.replace("\\", "/").rsplit("/", 1)[-1],
        "line_no": 0,
        "duration": 0,
        "score": line.points or 0.0,
    }


def _late(result: Result, note: str) -> dict[str, Any]:
    """What lateness takes, as a test with a score below zero: the sum is then the grade."""
    penalty = result.late.penalty if result.late else None
    return {
        "name": "late",
        "status": "fail",
        "message": note,
        "test_code": "",
        "filename": "",
        "line_no": 0,
        "duration": 0,
        "score": -(penalty or 0.0),
    }
