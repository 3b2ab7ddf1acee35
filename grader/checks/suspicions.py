"""Flags that any attempt may raise: what the recorder saw replaced, and saved outputs that the code cannot have made.

Both ask a person to look and take no points. Both rest on claims: that there is no flag never proves innocence.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.checks.facts import NotebookCell
from grader.checks.stale import out_of_order, stale_outputs
from grader.evidence import Evidence
from grader.evidence.submitted import read_saved
from grader.model import Budget, Flag, FlagKind, Text

TAMPERING_LIMIT = 5


def suspicions(evidence: Evidence, cells: Sequence[NotebookCell]) -> list[Flag]:
    """What a person should look at, whatever the rubric.

    :raises EvidenceError: a file that the harness wrote is malformed.
    """
    return [*_tampering(evidence), *_stale(evidence, cells)]


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


def _stale(evidence: Evidence, cells: Sequence[NotebookCell]) -> list[Flag]:
    """A shortened run prints other things than a whole one: it contradicts nothing."""
    if evidence.execution.budget is Budget.QUICK:
        return []
    saved = read_saved(evidence.directory)
    found = [Flag(FlagKind.STALE_OUTPUTS, stale.message) for stale in stale_outputs(saved, cells, evidence.fits)]
    if found and out_of_order(saved):
        found.append(
            Flag(
                FlagKind.STALE_OUTPUTS,
                Text("The saved execution numbers go up and down: the cells were not run from top to bottom."),
            )
        )
    return found
