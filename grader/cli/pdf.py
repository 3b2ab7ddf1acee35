"""Option ``--pdf`` of the commands that write reports."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from grader.config import Settings
    from grader.pipeline import Context

PdfOption = Annotated[bool, typer.Option("--pdf", help="Also a PDF of each student's report (needs Chromium).")]


def try_browser(settings: Settings) -> None:
    """Starts and ends the browser, before work that would be done in vain without it.

    :raises BrowserError: there is none, or it does not start.
    """
    from grader.reporting.printing import Printer, find_browser

    with Printer(find_browser(settings.browser)):
        pass


def make_pdfs(context: Context, pages: Iterable[Path], out: Console) -> bool:
    """Makes the PDFs and says what came of it; whether all of them are there.

    :raises BrowserError: there is no browser, or it does not start.
    """
    from grader.pipeline.pdf import write_pdfs

    found = write_pdfs(context, pages)
    out.print(f"{context.assignment.id}: {len(found.made)} PDFs made, {len(found.kept)} up to date", markup=False)
    for page, fault in found.faults.items():
        out.print(f"no PDF of {page}: {fault}", markup=False)
    return not found.faults
