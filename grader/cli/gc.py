"""``grader gc``: frees room in a workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from grader.cli.common import WorkspaceOption, console, settings_from


def gc(
    workspace: WorkspaceOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
) -> None:
    """Free evidence that no result rests on any more; a batch may be running.

    Example: grader gc --dry-run
    """
    from grader.pipeline.garbage import collect_garbage

    freed = collect_garbage(settings_from(workspace=workspace), dry_run=dry_run)
    said = "would be freed" if dry_run else "freed"
    console().print(
        f"{said}: {freed.n_bytes / 2**20:.1f} MiB ({freed.runs} runs, {freed.leftovers} leftovers, "
        f"{freed.blobs} arrays)",
        markup=False,
    )
    if freed.busy:
        console().print(f"left alone: {freed.busy} runs that a grader works on now", markup=False)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(gc)
