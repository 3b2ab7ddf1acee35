"""Flags that evidence raises by itself, whatever the assignment.

An old idiom that a compatibility option accepted; what the recorder saw replaced; saved outputs that the code cannot
have made. They ask a person to look and take no points. The last two rest on claims: no flag never proves innocence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.checks.facts import NotebookCell
from grader.checks.stale import out_of_order, stale_outputs
from grader.evidence import Evidence
from grader.evidence.accepted import ACCEPTED
from grader.evidence.submitted import read_saved, read_saved_file
from grader.model import Budget, Flag, FlagKind, Text

TAMPERING_LIMIT = 5


def general_flags(
    evidence: Evidence, cells: Sequence[NotebookCell], *, public_only: bool = False, saved: Path | None = None
) -> list[Flag]:
    """All of them.

    :param saved: file with the outputs that the attempt was saved with; the evidence's own where it is not there.
    :param public_only: the student's own check: nobody looks at a suspicion before it is an accusation there.
    :raises EvidenceError: a file that the harness wrote is malformed.
    """
    return [*flags_of(evidence), *(() if public_only else suspicions(evidence, cells, saved))]


def flags_of(evidence: Evidence) -> Iterator[Flag]:
    """What a person should know of the run: old idioms that a compatibility option accepted."""
    kinds = dict.fromkeys(note.kind for note in evidence.notes)
    for kind in kinds:
        if kind in ACCEPTED:
            yield Flag(FlagKind.COMPATIBILITY, ACCEPTED[kind])


def suspicions(evidence: Evidence, cells: Sequence[NotebookCell], saved: Path | None = None) -> list[Flag]:
    """What a person should look at, whatever the rubric.

    :raises EvidenceError: a file that the harness wrote is malformed.
    """
    return [*_tampering(evidence), *_stale(evidence, cells, saved)]


def _tampering(evidence: Evidence) -> list[Flag]:
    """One flag for each thing that was replaced, up to a handful."""
    flags = []
    for event in evidence.tampering[:TAMPERING_LIMIT]:
        place = event.cell + 1 if event.cell is not None else "?"
        seen = {"what": event.what, "place": place, "by": event.by or "?"}
        flags.append(
            Flag(
                FlagKind.TAMPERING,
                Text(
                    "{what} was replaced (first seen after cell {place}; now {by}): what was recorded may not be so.",
                    seen,
                ),
            )
        )
    return flags


def _stale(evidence: Evidence, cells: Sequence[NotebookCell], file: Path | None) -> list[Flag]:
    """A shortened run prints other things than a whole one: it contradicts nothing."""
    if evidence.execution.budget is Budget.QUICK:
        return []
    saved = read_saved_file(file) if file and file.is_file() else read_saved(evidence.directory)
    found = [Flag(FlagKind.STALE_OUTPUTS, stale.message) for stale in stale_outputs(saved, cells, evidence.fits)]
    if found and out_of_order(saved):
        found.append(
            Flag(
                FlagKind.STALE_OUTPUTS,
                Text("The saved execution numbers go up and down: the cells were not run from top to bottom."),
            )
        )
    return found
