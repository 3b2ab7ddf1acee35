"""The checks' process: ``python -m grader.checks.child REQUESTS.json RESULTS.jsonl``.

Grades attempts one after another and writes each fact down at once, so that nothing is lost when a check hangs or takes
the process with it.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import BinaryIO

from grader.checks.attempt import check_attempt
from grader.checks.judge import Report
from grader.checks.requests import Line, decode_requests, encode
from grader.model import CheckResult, Flag


class Writer:
    """Writes lines about one attempt."""

    def __init__(self, file: BinaryIO, attempt: int) -> None:
        self._file = file
        self._attempt = attempt

    def __call__(self, report: Report) -> None:
        """One line for what a judge reports."""
        match report:
            case CheckResult():
                self._write(Line(self._attempt, result=report))
            case Flag():
                self._write(Line(self._attempt, flag=report))
            case str():
                self._write(Line(self._attempt, fault=report))
            case _:
                self._write(Line(self._attempt, planned=report))

    def done(self) -> None:
        """Nothing more comes."""
        self._write(Line(self._attempt, done=True))

    def _write(self, line: Line) -> None:
        self._file.write(encode(line) + b"\n")
        self._file.flush()


def main(requests_path: Path, results_path: Path) -> None:
    """Grades every request of the first file into the second."""
    requests = decode_requests(requests_path.read_bytes())
    with results_path.open("ab") as file:
        for number, request in enumerate(requests):
            writer = Writer(file, number)
            try:
                check_attempt(request, writer, requests_path.parent)
            except Exception:
                writer(traceback.format_exc())
            writer.done()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
