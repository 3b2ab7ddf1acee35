"""Trainings that the recorder did not see: a loop over ``train_on_batch``, or a gradient tape, in place of ``fit``."""

from __future__ import annotations

from grader.checks.facts import Submission
from grader.checks.verdicts import Say
from grader.model import Text

UNSEEN = Text(
    "The weights of a model were changed in another way than by fit, so it is not recorded what it was trained on. "
    "A person will look."
)


def leave_unseen_training(say: Say, submission: Submission) -> None:
    """Ends the check as *needs review* where a model was changed outside ``fit``: call it before "there is none"."""
    moved = [event for event in submission.evidence.moved if event.fit is None]
    if moved:
        say.needs_review(UNSEEN, cell=moved[0].cell)
