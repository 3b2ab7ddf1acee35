"""PDFs of the reports of a workspace: whole or not there, for their owner only, never of a page that was."""

import os
import signal
import stat
from dataclasses import replace

import pytest
from handed_in import full_marks

from grader.config import load_settings
from grader.errors import BrowserError, PrintError
from grader.model import Outcome
from grader.pipeline import open_context, pdf, publish
from grader.pipeline.forgetting import forget_student
from grader.pipeline.pdf import write_pdfs
from grader.pipeline.publish import pdf_of
from grader.reporting.printing import find_browser
from grader.scoring.scores import summed


class FakePrinter:
    """Says which page it had; ``acts`` are done before each answer, one after the other."""

    acts = ()
    started = 0

    def __init__(self, program):
        type(self).started += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def pdf(self, html):
        if type(self).acts:
            act, *type(self).acts = type(self).acts
            act()
        return b"%PDF-" + html.encode() + b"%%EOF"


@pytest.fixture
def printer(monkeypatch):
    kind = type("Printer", (FakePrinter,), {})
    monkeypatch.setattr(pdf, "Printer", kind)
    monkeypatch.setattr(pdf, "find_browser", lambda named: named or "chromium")
    return kind


@pytest.fixture
def context(tmp_path):
    settings = {"workspace": tmp_path / "workspace", "data_dir": tmp_path / "data", "language": "en"}
    return open_context(load_settings(settings, environ={}), "b2-1")


def change(context, result):
    lines = [replace(c, points=0.0, outcome=Outcome.FAILED) for c in result.score.criteria]
    context.gradebook.add_result(replace(result, score=summed(lines, ())))


def printed(context):
    return write_pdfs(context, publish(context).paths.values())


def test_a_pdf_lies_beside_its_report_and_is_for_its_owner_only(context, printer):
    full_marks(context, "21X4001")
    (made,) = printed(context).made
    assert made == context.workspace / "reports/b2-1/21X4001.pdf"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert made.with_suffix(".html").read_bytes() in made.read_bytes()
    assert not list(made.parent.glob("*.part"))


def test_what_is_there_is_not_made_again_and_one_browser_does_all(context, printer):
    for ident in ("1", "2", "3"):
        full_marks(context, ident)
    assert len(printed(context).made) == 3
    again = write_pdfs(context, publish(context, again=True).paths.values())
    assert (len(again.made), len(again.kept)) == (0, 3)
    assert printer.started == 1


def test_a_report_that_changes_takes_its_pdf_away_at_once(context, printer):
    first, _ = full_marks(context, "1"), full_marks(context, "2")
    one, two = printed(context).made
    change(context, first)
    publish(context)
    assert not one.exists()
    assert two.exists()
    assert printed(context).made == [one]
    assert one.with_suffix(".html").read_bytes() in one.read_bytes()


def test_a_page_that_is_written_while_it_is_printed_is_printed_again(context, printer):
    result = full_marks(context, "1")
    pages = list(publish(context).paths.values())

    def somebody_grades():
        change(context, result)
        publish(context)

    printer.acts = [somebody_grades]
    (made,) = write_pdfs(context, pages).made
    assert pages[0].read_bytes() in made.read_bytes()


def test_one_page_that_fails_costs_no_other_and_gets_a_new_browser(context, printer):
    for ident in ("1", "2", "3"):
        full_marks(context, ident)

    def crash():
        raise PrintError("the page's process crashed")

    printer.acts = [crash]
    found = printed(context)
    assert [path.name for path in found.made] == ["2.pdf", "3.pdf"]
    assert {path.name: fault for path, fault in found.faults.items()} == {"1.html": "the page's process crashed"}
    assert printer.started == 2


def test_a_full_disk_leaves_no_half_of_a_pdf_under_its_name(context, printer, monkeypatch):
    full_marks(context, "1")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pdf.os, "fdopen", full)
    found = printed(context)
    monkeypatch.undo()
    ((page, fault),) = found.faults.items()
    assert "No space left" in fault
    assert not pdf_of(page).exists()


def test_a_workspace_without_a_browser_is_an_error(context, monkeypatch):
    full_marks(context, "1")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("grader.reporting.printing._APPLICATIONS", ())
    with pytest.raises(BrowserError):
        printed(context)


def test_forgetting_somebody_takes_their_pdf_away(context, printer):
    full_marks(context, "1")
    full_marks(context, "2")
    one, two = printed(context).made
    forget_student(context.settings, "1")
    assert not one.exists()
    assert two.exists()


@pytest.mark.slow
def test_a_real_browser_that_is_killed_meanwhile_is_started_again(context, monkeypatch):
    try:
        find_browser()
    except BrowserError:
        pytest.skip("no Chromium here")
    left = [1]

    class Killed(pdf.Printer):
        def pdf(self, html):
            if left:
                left.pop()
                os.killpg(self._process.pid, signal.SIGKILL)
            return super().pdf(html)

    monkeypatch.setattr(pdf, "Printer", Killed)
    full_marks(context, "1")
    full_marks(context, "2")
    found = printed(context)
    assert [path.name for path in found.faults] == ["1.html"]
    assert [path.name for path in found.made] == ["2.pdf"]
    assert printed(context).made[0].read_bytes().startswith(b"%PDF-")
