"""Makes PDFs of students' reports, beside them and named like them.

Where there is one it was made of the page as it is: whatever writes a page that says something else takes its PDF away
(:mod:`grader.pipeline.publish`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grader.errors import PrintError
from grader.pipeline.context import Context
from grader.pipeline.locks import locked
from grader.pipeline.publish import pdf_of, shows
from grader.reporting.printing import Printer, find_browser

_TRIES = 3


@dataclass
class Pdfs:
    """What was made. ``kept``: those that were there; ``faults``: what went wrong with others, by page."""

    made: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    faults: dict[Path, str] = field(default_factory=dict)


def write_pdfs(context: Context, pages: Iterable[Path]) -> Pdfs:
    """A PDF of every page that has none; one that fails costs no other.

    :raises BrowserError: there is no browser, or it does not start.
    """
    program, found = find_browser(context.settings.browser), Pdfs()
    wanted = []
    for page in dict.fromkeys(pages):
        if pdf_of(page).is_file():
            found.kept.append(pdf_of(page))
        else:
            wanted.append(page)
    while wanted:
        with Printer(program) as printer:
            _print(context, printer, wanted, found)
    return found


def _print(context: Context, printer: Printer, wanted: list[Path], found: Pdfs) -> None:
    """Takes pages off ``wanted`` until there are none, or one failed, after which the browser is not to be trusted."""
    while wanted:
        page = wanted.pop(0)
        try:
            _write_pdf(context, printer, page)
        except PrintError as error:
            found.faults[page] = str(error)
            return
        except (OSError, ValueError) as error:
            found.faults[page] = f"{type(error).__name__}: {error}"
        else:
            found.made.append(pdf_of(page))


def _write_pdf(context: Context, printer: Printer, page: Path) -> None:
    for _ in range(_TRIES):
        html = page.read_text("utf-8")
        content = printer.pdf(html)
        with locked(context.workspace, "pages"):  # nobody writes the page meanwhile
            if shows(page, html):
                _write(pdf_of(page), content)
                return
    raise ValueError(f"{page} was written again {_TRIES} times while its PDF was made: make it once nobody grades")


def _write(path: Path, content: bytes) -> None:
    """Complete or not there; readable by its owner only."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)
