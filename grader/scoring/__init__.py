"""From check results to points: one rounding rule, statuses, edits, what an audience may see, and the result row."""

from grader.scoring.audience import Audience, redact
from grader.scoring.edits import Edit, apply_edits
from grader.scoring.late import lateness
from grader.scoring.points import half_up, share_of, total, typed_points
from grader.scoring.row import plain, result_row
from grader.scoring.scores import not_gradable_by_us, score

__all__ = [
    "Audience",
    "Edit",
    "apply_edits",
    "half_up",
    "lateness",
    "not_gradable_by_us",
    "plain",
    "redact",
    "result_row",
    "score",
    "share_of",
    "total",
    "typed_points",
]
