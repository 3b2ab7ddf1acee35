"""Whether an experiment can show anything: how many images it saw, and whether anybody looked at what came out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from grader.checks.facts import NotebookCell, TrainedFit
from grader.evidence import Evidence

FEWEST_IMAGES = 100
"""Ten of each class. The task allows fewer images than there are; on these few neither accuracy nor time compares."""
_MADE_BY_IPYTHON = re.compile(r"<[^<>]*>")
"""``<History at 0x7f…>``: its digits are no result."""


def saw_enough(fit: TrainedFit) -> bool:
    """Whether it saw enough different images; where that is unknown, or our budget cut them, it did."""
    return fit.capped or fit.n_rows is None or fit.n_rows >= FEWEST_IMAGES


def was_looked_at(fit: TrainedFit, cells: Iterable[NotebookCell], evidence: Evidence) -> bool:
    """Whether an accuracy or a time of this training was asked for or shown, as far as can be told; in doubt it was.

    Its own cell evaluates, prints figures (Keras' progress does) or draws, or it or a later one reads a log.
    """
    if fit.tried or fit.cell is None or any(figure.cell == fit.cell for figure in evidence.figures):
        return True
    later = [c for c in cells if c.kind == "code" and c.index >= fit.cell]
    own = (c.printed for c in later if c.index == fit.cell)
    return any(".history" in c.source for c in later) or any(
        re.search(r"\d", _MADE_BY_IPYTHON.sub("", text)) for text in own
    )
