"""Writes what checks find, line by line, so that nothing is lost when a check takes its process with it."""

from __future__ import annotations

from typing import BinaryIO

from grader.checks.judge import Report
from grader.checks.requests import Line, encode
from grader.model import CheckResult, Flag


class Writer:
    """Writes lines about one attempt."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __call__(self, report: Report) -> None:
        """One line for what a judge reports."""
        match report:
            case CheckResult():
                self._write(Line(result=report))
            case Flag():
                self._write(Line(flag=report))
            case str():
                self._write(Line(fault=report))
            case _:
                self._write(Line(planned=report))

    def done(self) -> None:
        """Nothing more comes."""
        self._write(Line(done=True))

    def _write(self, line: Line) -> None:
        self._file.write(encode(line) + b"\n")
        self._file.flush()
