"""What a deadline makes of a score."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from grader.model import Lateness, Score, Text
from grader.rubric import LateTerms
from grader.scoring.points import exact, half_up

_DAY_S = 86_400
IN_TIME = Text("Handed in in time.")
NOT_KNOWN = "It is not known when this was handed in: nothing is taken for lateness."
MARKED = "{system} marked this as late and does not say by how much: nothing is taken until staff enter the time."
IN_GRACE = "Handed in late (days: {days}), within the days of grace ({grace}): nothing is taken."
FREE = "Handed in late (days: {days}): nothing is taken."
TAKEN = "Handed in late (days: {days}): {percent} % of the points earned are taken."
TAKEN_OF_MAXIMUM = "Handed in late (days: {days}): {percent} % of the points possible are taken."


def lateness(
    terms: LateTerms,
    score: Score,
    handed_in_at: datetime | None,
    *,
    extension_days: float = 0.0,
    marked_by: str | None = None,
) -> Lateness:
    """How late an attempt is, what that takes, and what is left.

    :param handed_in_at: with a time zone; ``None``: not known, which takes nothing.
    :param extension_days: of this student, added to the deadline.
    :param marked_by: system that marked it as late, for attempts of which it told no time.
    """
    due = terms.due + timedelta(days=extension_days)
    days = _days_late(due, handed_in_at)
    begun = max(0, (days or 0) - terms.grace_days)
    percent = min(terms.cap_percent, terms.percent_per_day * begun)
    penalty, final = _taken(terms, score, percent)
    return Lateness(
        due=due.isoformat(timespec="seconds"),
        handed_in_at=handed_in_at.astimezone(UTC).isoformat(timespec="seconds") if handed_in_at else None,
        days_late=days,
        extension_days=extension_days,
        percent=percent,
        penalty=penalty,
        final=final,
        note=_note(terms, days, percent, marked_by),
    )


def _days_late(due: datetime, handed_in_at: datetime | None) -> int | None:
    if handed_in_at is None:
        return None
    over_s = (handed_in_at.astimezone(UTC) - due.astimezone(UTC)).total_seconds()
    return max(0, math.ceil(over_s / _DAY_S))


def _taken(terms: LateTerms, score: Score, percent: float) -> tuple[float | None, float | None]:
    """Penalty, never more than there is, and what it leaves; both exact to the hundredth."""
    points = score.points
    if points is None or not math.isfinite(points):
        return None, None
    base = points if terms.percent_of == "score" else score.max_points
    penalty = min(half_up(exact(base) * exact(percent) / 100), points)
    return penalty, float(exact(points) - exact(penalty))


def _note(terms: LateTerms, days: int | None, percent: float, marked_by: str | None) -> Text:
    if days is None:
        return Text(MARKED, {"system": marked_by}) if marked_by else Text(NOT_KNOWN)
    if days == 0:
        return IN_TIME
    if percent == 0:
        in_grace = days <= terms.grace_days
        return Text(IN_GRACE, {"days": days, "grace": terms.grace_days}) if in_grace else Text(FREE, {"days": days})
    params = {"days": days, "percent": f"{percent:g}"}
    return Text(TAKEN, params) if terms.percent_of == "score" else Text(TAKEN_OF_MAXIMUM, params)
