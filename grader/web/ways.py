"""The one table of routes: what may be asked, by whom, and which page answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response

from grader.store import Role
from grader.web import (
    pages_account,
    pages_admin,
    pages_class,
    pages_grading,
    pages_jobs,
    pages_requests,
    pages_student,
    pages_submission,
)
from grader.web.ask import Ask
from grader.web.live import events_page

__all__ = ["EVENTS", "WAYS", "Way", "events_page"]

_STAFF = frozenset({Role.INSTRUCTOR, Role.TA})
_INSTRUCTOR = frozenset({Role.INSTRUCTOR})
_STUDENT = frozenset({Role.STUDENT})
_SIGNED_IN = frozenset(Role)
_ANYBODY = None


@dataclass(frozen=True, slots=True)
class Way:
    """One route. ``roles``: who may use it, ``None`` for anybody; ``upload``: files may come with it."""

    method: str
    path: str
    handler: Callable[[Ask], Response]
    roles: frozenset[Role] | None
    upload: bool = False


def _get(path: str, handler: Callable[[Ask], Response], roles: frozenset[Role] | None) -> Way:
    return Way("GET", path, handler, roles)


def _post(path: str, handler: Callable[[Ask], Response], roles: frozenset[Role] | None, upload: bool = False) -> Way:
    return Way("POST", path, handler, roles, upload)


class _Number(Convertor[int]):
    """A number of an attempt, a request or a job: whatever is longer is nobody's, and no page."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())

_ATTEMPT = "/a/{assignment}/s/{attempt:number}"
_QUESTION = "/a/{assignment}/grade/{criterion}"

WAYS: tuple[Way, ...] = (
    _get("/", pages_account.home, _SIGNED_IN),
    _get("/sign-in", pages_account.sign_in_page, _ANYBODY),
    _post("/sign-in", pages_account.sign_in, _ANYBODY),
    _get("/hub", pages_account.to_the_hub, _ANYBODY),
    _get("/oauth_callback", pages_account.from_the_hub, _ANYBODY),
    _get("/link/{token}", pages_account.link_page, _ANYBODY),
    _post("/link/{token}", pages_account.use_link, _ANYBODY),
    _post("/sign-out", pages_account.sign_out, _SIGNED_IN),
    _get("/account", pages_account.account, _SIGNED_IN),
    _post("/account", pages_account.change_account, _SIGNED_IN),
    _get("/assignments", pages_class.assignments, _STAFF),
    _get("/a/{assignment}", pages_class.class_page, _STAFF),
    _get("/a/{assignment}/similar", pages_class.similar, _INSTRUCTOR),
    _get(_ATTEMPT, pages_submission.submission, _STAFF),
    _get(_ATTEMPT + "/report", pages_submission.whole_report, _STAFF),
    _get(_ATTEMPT + "/report.pdf", pages_submission.report_pdf, _STAFF),
    _get(_ATTEMPT + "/file/{name}", pages_submission.evidence_file, _STAFF),
    _get(_ATTEMPT + "/diff/{other:number}", pages_submission.difference, _STAFF),
    _post(_ATTEMPT + "/edit", pages_submission.edit, _STAFF),
    _post(_ATTEMPT + "/choose", pages_submission.choose, _STAFF),
    _get("/a/{assignment}/grade", pages_grading.questions, _STAFF),
    _get(_QUESTION, pages_grading.question, _STAFF),
    _post(_QUESTION, pages_grading.save, _STAFF),
    _post(_QUESTION + "/undo", pages_grading.undo, _STAFF),
    _post(_QUESTION + "/snippets", pages_grading.snippets, _STAFF),
    _get("/requests", pages_requests.requests, _STAFF),
    _post("/requests/{request:number}", pages_requests.answer, _STAFF),
    _post("/a/{assignment}/release", pages_admin.release, _INSTRUCTOR),
    _get("/live", pages_jobs.live_page, _INSTRUCTOR),
    _get("/jobs", pages_jobs.jobs, _INSTRUCTOR),
    _post("/jobs", pages_jobs.start, _INSTRUCTOR, upload=True),
    _get("/jobs/{job:number}", pages_jobs.job, _INSTRUCTOR),
    _post("/jobs/{job:number}/stop", pages_jobs.stop, _INSTRUCTOR),
    _get("/jobs/{job:number}/file", pages_jobs.file, _INSTRUCTOR),
    _get("/audit", pages_admin.audit, _INSTRUCTOR),
    _get("/me", pages_student.mine, _STUDENT),
    _get("/me/{assignment}/{number:number}", pages_student.report, _STUDENT),
    _get("/me/{assignment}/{number:number}/report.pdf", pages_student.report_pdf, _STUDENT),
    _post("/me/{assignment}/{number:number}", pages_student.ask_again, _STUDENT),
)
EVENTS = Way("GET", "/live/events", pages_jobs.live_page, _INSTRUCTOR)
