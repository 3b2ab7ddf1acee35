"""The checks' process: ``python -m grader.checks.child SCRATCH JOBS``. One rubric, any number of attempts.

It collects the rubric once. Each attempt is then judged in a fork of its own, made before any check has run: no attempt
sees what the checks of another have done to modules, working directory, environment, random state or open files. Each
fact is written down at once, so that nothing is lost when a check hangs or takes its process with it. Where there are
no forks (``JOBS`` 0) the process judges one attempt and ends.

Requests come as lines on standard input; standard output says which attempt begins and ends; findings lie in
``SCRATCH/<number>.jsonl``.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import pytest

from grader.checks.attempt import check_attempt, pytest_arguments
from grader.checks.context import warm_up
from grader.checks.requests import Asked, News, decode_asked, encode, findings_file
from grader.checks.writer import Writer


def _once(asked: Asked, scratch: Path, news: int) -> None:
    """One attempt, in this process."""
    os.write(news, encode(News(ready=True, begun=asked.number)) + b"\n")
    with findings_file(scratch, asked.number).open("ab") as file:
        writer = Writer(file)
        try:
            check_attempt(asked.request, writer, scratch)
        except Exception:
            writer(traceback.format_exc())
        writer.done()
    os.write(news, encode(News(ended=asked.number)) + b"\n")


def main(scratch: Path, jobs: int) -> None:
    """Serves until standard input ends. What checks print to standard output goes where errors go."""
    requests, news = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    line = b""
    while not line.endswith(b"\n"):
        line += (byte := os.read(requests, 1))
        if not byte:
            return
    first = decode_asked(line)
    if not sys.platform.startswith("linux") or not jobs:
        _once(first, scratch, news)
        return
    from grader.checks.forks import Server

    server = Server(first, scratch, jobs, requests, news)
    warm_up(first.request)
    code = pytest.main(pytest_arguments(first.request, scratch), plugins=[server.judge, server])
    server.refuse(f"pytest ended with {code!r}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
