"""What a running batch says, as it says it: server-sent events (https://html.spec.whatwg.org/#server-sent-events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import psutil
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from grader.model import ExecutionOutcome, Status
from grader.pipeline.progress import PROGRESS_FILE
from grader.reporting.context import render_served
from grader.reporting.words import EXECUTION_WORDS, STATUS_WORDS, Words
from grader.web.ask import Ask
from grader.web.credentials import digest

_LOOK_S = 0.5
_QUIET_S = 15.0
_LONGEST_S = 3600.0
_LIMIT_BYTES = 2**20


@dataclass(frozen=True)
class LiveView:
    """A batch as shown. ``state``: ``none``, ``running``, ``ended`` or ``lost`` (its process is gone)."""

    state: str
    assignment: str = ""
    total: int = 0
    n_done: int = 0
    started_at: str = ""
    ended_at: str = ""
    left_s: float | None = None
    running: Sequence[tuple[str, str, int | None, int | None]] = ()
    done: Sequence[tuple[str, str, str, str]] = ()


def live_view(ask: Ask) -> LiveView:
    """What the file of the workspace says."""
    path = ask.room.workspace / PROGRESS_FILE
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            return LiveView("none")
        told = json.loads(path.read_text("utf-8"))
        return _view(ask.words, told)
    except (OSError, ValueError, KeyError, TypeError):
        return LiveView("none")


def live_part(ask: Ask) -> str:
    """The part of the page that changes, as HTML of our own template."""
    return render_served(ask.words, ask.room.reports_dir, "web/live_part.html.jinja", live=live_view(ask), url=ask.url)


async def events_page(ask: Ask) -> Response:
    """A stream that sends the part of the page whenever it has changed."""
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(_events(ask), media_type="text/event-stream", headers=headers)


async def _events(ask: Ask) -> AsyncIterator[str]:
    """Whoever is shut out, or signs out, is told nothing more."""
    last, quiet_s, spent_s = "", 0.0, 0.0
    while spent_s < _LONGEST_S and not await ask.request.is_disconnected():
        part = await run_in_threadpool(live_part, ask)
        if part != last or quiet_s >= _QUIET_S:
            if await run_in_threadpool(ask.room.book.accounts.of_session, digest(ask.secret)) is None:
                return
            yield _event(part) if part != last else ": still here\n\n"
            last, quiet_s = part, 0.0
        await asyncio.sleep(_LOOK_S)
        quiet_s += _LOOK_S
        spent_s += _LOOK_S


def _event(part: str) -> str:
    return "event: batch\n" + "".join(f"data: {line}\n" for line in part.splitlines()) + "\n"


def _view(words: Words, told: Mapping[str, Any]) -> LiveView:
    ended = told["ended_at"]
    state = "ended" if ended else "running" if psutil.pid_exists(int(told["pid"])) else "lost"
    return LiveView(
        state=state,
        assignment=str(told["assignment"]),
        total=int(told["total"]),
        n_done=int(told["n_done"]),
        started_at=str(told["started_at"]),
        ended_at=str(ended or ""),
        left_s=_left_s(told) if state == "running" else None,
        running=[_running(words, one) for one in told["running"]] if state == "running" else (),
        done=[_done(words, one) for one in reversed(told["done"])],
    )


def _left_s(told: Mapping[str, Any]) -> float | None:
    """Seconds until the end, at the speed so far; ``None`` while nothing is done."""
    n_done, total = int(told["n_done"]), int(told["total"])
    if not n_done or n_done >= total:
        return None
    spent = (datetime.fromisoformat(told["updated_at"]) - datetime.fromisoformat(told["started_at"])).total_seconds()
    waited = (datetime.now(UTC) - datetime.fromisoformat(told["updated_at"])).total_seconds()
    left = spent / n_done * (total - n_done) - waited
    return max(0.0, round(left / 5) * 5.0)


def _running(words: Words, one: Mapping[str, Any]) -> tuple[str, str, int | None, int | None]:
    """File, where it is, and how far of how much."""
    name, cell, n_cells = PurePath(str(one["source"])).name, one["cell"], one["n_cells"]
    if cell is None:
        return name, words.say("starting"), None, None
    said = words.say("cell {cell} of {n}", cell=cell, n=n_cells)
    if one["epoch"]:
        said += " · " + words.say("epoch {epoch} of {n}", epoch=one["epoch"], n=one["epochs"])
    return name, said, int(cell), int(n_cells)


def _done(words: Words, one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """File, status, its word, and how the run ended."""
    status, outcome = Status(one["status"]), ExecutionOutcome(one["outcome"])
    name = PurePath(str(one["source"])).name
    return name, str(status), words.render(STATUS_WORDS[status]), words.render(EXECUTION_WORDS[outcome])
