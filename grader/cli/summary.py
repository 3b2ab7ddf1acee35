"""What a person reads when a batch has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from grader.model import Attempt
    from grader.pipeline import Context, Graded
    from grader.pipeline.publish import Published

_STYLES = {"graded": "green", "needs_review": "magenta", "not_gradable": "red"}
LINE_STYLES = {
    "title": "bold",
    "hint": "cyan",
    "soft": "dim",
    "passed": "green",
    "partial": "yellow",
    "failed": "red",
    "errored": "red",
    "needs_review": "magenta",
}


def print_summary(context: Context, graded: Sequence[Graded], published: Published, out: Console) -> None:
    """One line an attempt, faults of ours in full, and where the pages are."""
    catalogue = context.catalogue(context.language_of(None))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("source", "student", "score", "open", "of", "status", "execution", "time"):
        table.add_column(heading, justify="right" if heading in ("score", "open", "of", "time") else "left")
    for one in graded:
        result, score = one.result, one.result.score
        points = "-" if score.points is None else f"{score.points:g}"
        duration = result.execution.duration_s
        table.add_row(
            escape(result.source.rsplit("/", 1)[-1]),
            escape(result.student.id or result.student.name or "?"),
            points,
            f"{score.pending:g}",
            f"{score.max_points:g}",
            f"[{_STYLES[score.status]}]{score.status}[/]",
            result.execution.outcome,
            "kept" if one.reused else "" if duration is None else f"{duration:.1f} s",
        )
    out.print(table)
    for one in graded:
        for flag in one.result.score.flags:
            out.print(f"flag {escape(one.result.source)}: {flag.kind}: {escape(catalogue.render(flag.message))}")
        if one.kept:
            out.print(f"[yellow]the earlier result stays[/] for {escape(one.result.source)}: {escape(one.kept)}")
        if one.fault:
            out.print(f"[red]a fault of the grader[/] on {escape(one.result.source)}; staff only:\n{escape(one.fault)}")
    out.print(f"Dashboard: {escape(str(published.dashboard))}")
    out.print(f"Reports:   {escape(str(published.reports_dir))}")


def say_replay_audit(
    context: Context, attempts: Sequence[Attempt], graded: Sequence[Graded], share: float, out: Console
) -> None:
    """Runs a share of the replayed attempts again without replay; :raises ReplayError: one got another result."""
    from grader.errors import ReplayError
    from grader.pipeline.replaying import audit_replay

    audit = audit_replay(context, attempts, graded, share)
    out.print(f"{audit.checked} replayed attempts run again without replay, {len(audit.different)} of them differ")
    if audit.different:
        lines = "; ".join(f"{source}: {what}" for source, what in audit.different.items())
        raise ReplayError(f"replay gave other results ({lines}): grade with --no-replay and --fresh, and report this")
