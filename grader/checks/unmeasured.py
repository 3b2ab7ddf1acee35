"""A model whose accuracy is not known: whose doing that is. For any rubric."""

from __future__ import annotations

from typing import NoReturn

from grader.checks.facts import TrainedFit
from grader.checks.verdicts import Say


def left_out(fit: TrainedFit) -> bool:
    """Whether a limit of ours is why ``fit`` was not measured: that never costs points."""
    return fit.measurement is not None and fit.measurement.left_out


def explain_unmeasured(say: Say, fit: TrainedFit) -> NoReturn:
    """Ends the check: *blocked* where the reason is the student's doing, *needs review* where a limit of ours is.

    :raises RuntimeError: a fault of ours.
    """
    measurement = fit.measurement
    if measurement is None or measurement.our_fault or measurement.reason is None:
        raise RuntimeError(f"{fit.id} was not measured: {measurement}")
    if measurement.left_out:
        say.needs_review(measurement.reason, cell=fit.cell)
    say.blocked(measurement.reason, cell=fit.cell)
