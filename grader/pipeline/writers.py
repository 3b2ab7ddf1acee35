"""Writes many reports at once: in further processes where there are enough of them, else one after the other.

``python -m grader.pipeline.writers`` is such a process: a line with its settings, then a line for each attempt on
standard input; a line for each on standard output, ``null`` or what went wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from grader.config import Settings
from grader.model import Result
from grader.pipeline.context import Context, open_context
from grader.reporting import Standing
from grader.rubric import Course
from grader.scoring import Audience
from grader.store.records import decode, encode

LEAST_A_PROCESS = 25
"""Reports; fewer are written before a process has started."""
_GRACE_S = 10.0

Folders = tuple[Path, Path]
"""Where an attempt's pages go: that for its student, and that for staff."""
Piece = tuple[Result, Standing | None, Folders, Audience]
"""``Audience``: what the page for the student shows."""
Write = Callable[[Context, Result, Standing | None, Folders, Audience], None]


class _Opening(Struct, frozen=True):
    settings: Settings
    assignment: str
    course: Path
    public_only: bool


class _Asked(Struct, frozen=True):
    result: str
    standing: Standing | None
    folders: Folders
    reader: Audience


def write_all(context: Context, write: Write, work: Sequence[Piece]) -> list[str | None]:
    """Calls ``write`` for each piece, here or in a process; for each a traceback of what went wrong, if anything."""
    jobs = max(1, min(context.settings.jobs, len(work) // LEAST_A_PROCESS))
    with_others = [_Helper(context, work[number::jobs]) for number in range(1, jobs)]
    faults: list[str | None] = [None] * len(work)
    faults[::jobs] = [_done(context, write, piece) for piece in work[::jobs]]
    for number, helper in enumerate(with_others, 1):
        own = work[number::jobs]
        said = helper.faults()
        # What a process that was killed has not come to is done here.
        faults[number::jobs] = [*said, *(_done(context, write, piece) for piece in own[len(said) :])]
    return faults


def _done(context: Context, write: Write, piece: Piece) -> str | None:
    try:
        write(context, *piece)
    except Exception:  # the other pages, and the result file, are written all the same
        return traceback.format_exc()
    return None


class _Helper:
    """A process that writes a part of the reports."""

    def __init__(self, context: Context, work: Sequence[Piece]) -> None:
        self._n = len(work)
        opening = _Opening(context.settings, context.assignment.id, context.course.root, context.public_only)
        asked = (_Asked(encode(result), standing, folders, reader) for result, standing, folders, reader in work)
        lines = b"".join(msgspec.json.encode(line, enc_hook=str) + b"\n" for line in (opening, *asked))
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._said: list[str | None] = []
        # Both pipes are served while this process writes reports itself.
        self._threads = [
            threading.Thread(target=self._send, args=(lines,), daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, lines: bytes) -> None:
        assert self._process.stdin  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(lines)
            self._process.stdin.close()
        except OSError:  # it has ended: its answers stop, which is noticed
            pass

    def _listen(self) -> None:
        assert self._process.stdout  # noqa: S101 - it is a pipe
        for line in self._process.stdout:
            if line.endswith(b"\n"):  # else it was killed while it wrote this
                self._said.append(json.loads(line))

    def faults(self) -> list[str | None]:
        """Of the first pieces, all of them unless it was killed."""
        try:
            for thread in self._threads:
                thread.join()
            self._process.wait(_GRACE_S)
        finally:
            self._process.kill()
            self._process.wait()
        return self._said[: self._n]


def _asked(lines: Iterator[bytes]) -> Iterator[Piece]:
    for line in lines:
        asked = msgspec.json.decode(line, type=_Asked, dec_hook=_path)
        yield decode(asked.result, Result), asked.standing, asked.folders, asked.reader


def _path(kind: type, value: str) -> object:
    return kind(value)


def main() -> None:
    """Writes what standard input asks for."""
    from grader.pipeline.publish import write_reports

    lines = iter(sys.stdin.buffer)
    opening = msgspec.json.decode(next(lines), type=_Opening, dec_hook=_path)
    course = Course(opening.course)
    context = open_context(opening.settings, opening.assignment, course=course, public_only=opening.public_only)
    for piece in _asked(lines):
        print(json.dumps(_done(context, write_reports, piece)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
