"""Flags that evidence raises by itself, whatever the assignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.checks.facts import NotebookCell
from grader.checks.suspicions import suspicions
from grader.evidence import Evidence
from grader.evidence.accepted import ACCEPTED
from grader.model import Flag, FlagKind


def flags_of(evidence: Evidence) -> Iterator[Flag]:
    """What a person should know of the run: old idioms that a compatibility option accepted."""
    kinds = dict.fromkeys(note.kind for note in evidence.notes)
    for kind in kinds:
        if kind in ACCEPTED:
            yield Flag(FlagKind.COMPATIBILITY, ACCEPTED[kind])


def general_flags(evidence: Evidence, cells: Sequence[NotebookCell], *, public_only: bool = False) -> list[Flag]:
    """All of them.

    :param public_only: the student's own check: nobody looks at a suspicion before it is an accusation there.
    :raises EvidenceError: a file that the harness wrote is malformed.
    """
    return [*flags_of(evidence), *(() if public_only else suspicions(evidence, cells))]
