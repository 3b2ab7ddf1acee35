"""Scores of LTI 1.3's Assignment and Grade Services, one JSON object a line: each is the body of a POST to
``<line item>/scores`` with the media type ``application/vnd.ims.lis.v1.score+json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.lms.lines import summary
from grader.lms.people import Finder
from grader.messages import Catalogue
from grader.model import Outcome, Result, Status
from grader.tables import LIMIT_BYTES

MEDIA_TYPE = "application/vnd.ims.lis.v1.score+json"


@dataclass(frozen=True, slots=True)
class Scores:
    """The objects. :ivar not_found: students whom the platform's list does not have."""

    rows: tuple[dict[str, Any], ...]
    not_found: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        """One object a line."""
        return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in self.rows).encode()


def lti_scores(
    results: Iterable[Result], catalogue: Catalogue, members: Path | None = None, at: datetime | None = None
) -> Scores:
    """A score object for each result.

    :param members: the platform's membership list (``contextmembership+json``), whose ``user_id`` is what a score
        names; without it the student's number, else the address, is taken for that.
    :param at: when the scores are made; a platform keeps the one with the latest time.
    :raises UsageError: the list is none.
    """
    finder = _members(members) if members else None
    stamp = (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    rows, missing = [], []
    for result in results:
        who = result.student
        user = finder.find(None, who) if finder else who.id or who.email
        if user is None:
            missing.append(who.id or who.name or result.source)
        else:
            rows.append(_score(result, user, stamp, catalogue))
    return Scores(tuple(rows), tuple(missing))


def _score(result: Result, user: str, stamp: str, catalogue: Catalogue) -> dict[str, Any]:
    score = result.score
    row: dict[str, Any] = {"userId": user}
    if result.final is not None:
        row |= {"scoreGiven": result.final, "scoreMaximum": score.max_points}
    comment = summary(result, catalogue)
    row |= {"comment": comment} if comment else {}
    row |= {"timestamp": stamp, "activityProgress": "Completed", "gradingProgress": _progress(result)}
    moment = (result.late.handed_in_at if result.late else None) or result.handed_in_at
    return row | ({"submission": {"submittedAt": _precise(moment)}} if moment and _precise(moment) else {})


def _progress(result: Result) -> str:
    """Only ``FullyGraded`` is recorded as final."""
    if result.score.status is Status.GRADED:
        return "FullyGraded"
    broken = any(line.outcome is Outcome.ERRORED for line in result.score.criteria)
    return "Failed" if broken or result.score.status is Status.NOT_GRADABLE else "PendingManual"


def _precise(moment: str) -> str | None:
    """With the zone and the parts of a second that the standard wants."""
    try:
        parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        zoned = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return None


def _members(path: Path) -> Finder[str]:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UsageError(f"{path} is larger than {LIMIT_BYTES} bytes: expected a membership list")
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}; expected a membership list as JSON") from error
    found = data.get("members") if isinstance(data, Mapping) else data
    if not isinstance(found, Sequence) or not all(
        isinstance(m, Mapping) and isinstance(m.get("user_id"), str) for m in found
    ):
        raise UsageError(f'{path} is no membership list: expected {{"members": [{{"user_id": "…", "email": "…"}}]}}')
    finder: Finder[str] = Finder()
    for member in found:
        text = {key: value for key, value in member.items() if isinstance(value, str)}
        ids = [text[key] for key in ("lis_person_sourcedid", "user_id") if key in text]
        full = f"{text.get('given_name', '')} {text.get('family_name', '')}".strip()
        names = list(dict.fromkeys(filter(None, (text.get("name"), full))))
        finder.add(text["user_id"], ids=ids, email=text.get("email", ""), names=names)
    return finder
