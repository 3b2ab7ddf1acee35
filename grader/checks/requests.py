"""What crosses the border between :func:`grader.checks.run_checks` and its child, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from grader.model import Budget, CheckResult, Flag, Visibility


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """One attempt to check.

    :ivar evidence_dir: evidence folder of the attempt.
    :ivar course_dir: root of the course (or of an unpacked kit): assignment, rubric and its texts.
    :ivar assignment: its id; the rubric is ``<course_dir>/rubrics/<assignment>/``.
    :ivar language: of the attempt.
    :ivar data_dir: root of the data store that holds the assignment's data set; ``None`` where there is none.
    :ivar budget: of the execution. :ivar public_only: leave out every check that is not ``public``.
    :ivar saved: file with the outputs that this attempt was saved with, where another one shares its run.
    """

    evidence_dir: Path
    course_dir: Path
    assignment: str
    language: str = "en"
    data_dir: Path | None = None
    budget: Budget = Budget.FULL
    public_only: bool = False
    saved: Path | None = None

    @property
    def rubric_dir(self) -> Path:
        """Folder of ``rubric.toml`` and ``test_*.py``."""
        return self.course_dir / "rubrics" / self.assignment


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks found in one attempt, and what a person should look at."""

    results: tuple[CheckResult, ...] = ()
    flags: tuple[Flag, ...] = ()


class Planned(Struct, frozen=True):
    """A check that is about to run."""

    check: str
    criterion: str
    weight: float = 1.0
    visibility: Visibility = Visibility.PUBLIC


class Line(Struct, frozen=True, omit_defaults=True):
    """One line that the child writes about an attempt; one of these is set.

    :ivar planned: all checks, once they are collected. :ivar result: one check has ended. :ivar flag: it was raised.
    :ivar fault: why checks could not be loaded or run. :ivar done: nothing more comes of this attempt.
    """

    planned: tuple[Planned, ...] | None = None
    result: CheckResult | None = None
    flag: Flag | None = None
    fault: str | None = None
    done: bool = False


class Asked(Struct, frozen=True):
    """One line to the child: an attempt, the name that it goes by, and the wall clock that its checks may take."""

    number: int
    timeout_s: float
    request: CheckRequest


class News(Struct, frozen=True, omit_defaults=True):
    """One line from the child: the rubric is loaded, or the checks of an attempt begin or have ended."""

    ready: bool = False
    begun: int | None = None
    ended: int | None = None


def findings_file(scratch: Path, number: int) -> Path:
    """Lines about attempt ``number``."""
    return scratch / f"{number}.jsonl"


def encode(value: Any) -> bytes:
    """``value`` as JSON, paths as text."""
    return msgspec.json.encode(value, enc_hook=str)


def decode_asked(data: bytes) -> Asked:
    """The child's work.

    :raises msgspec.DecodeError: malformed.
    """
    return msgspec.json.decode(data, type=Asked, dec_hook=lambda kind, value: kind(value))


decode_news = msgspec.json.Decoder(News).decode
decode_line = msgspec.json.Decoder(Line).decode
