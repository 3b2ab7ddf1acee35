"""``--pdf``: found out before anything is done, told when it fails, and made by the real browser where there is one."""

import pytest

from grader.config import load_settings
from grader.errors import BrowserError
from grader.model import Attempt, CriterionScore, Execution, ExecutionOutcome, Outcome, Result, Student, Text
from grader.pipeline import open_context
from grader.reporting import printing
from grader.scoring.scores import summed


@pytest.fixture
def workspace(environment, tmp_path):
    """With one result, and no page yet."""
    settings = {"workspace": tmp_path / "workspace", "data_dir": tmp_path / "no-data"}
    context = open_context(load_settings(settings, environ={}), "b2-1")
    digest = "sha256:" + "1".rjust(64, "0")
    attempt = Attempt("b2-1", digest, "1.ipynb", b"", Student("21X4001", "山田 花子"), "ja")
    context.gradebook.add_attempt(attempt)
    lines = [
        CriterionScore(c.id, c.points, c.points, Outcome.PASSED, c.visibility, Text("x"))
        for c in context.rubric.criteria
    ]
    execution = Execution(ExecutionOutcome.OK)
    context.gradebook.add_result(
        Result("b2-1", digest, attempt.source, attempt.student, execution, summed(lines, ()), language="ja")
    )
    context.gradebook.close()
    return context.workspace


@pytest.fixture
def no_browser(monkeypatch, environment):
    monkeypatch.setenv("GRADER_BROWSER", "no-such-browser")


@pytest.mark.parametrize("command", ["grade b2-1 class.ipynb", "regrade b2-1", "report"])
def test_without_a_browser_the_command_ends_with_2_before_it_does_anything(grader, workspace, no_browser, command):
    ran = grader(*command.split(), "--workspace", workspace, "--pdf")
    assert ran.code == 2
    assert "no-such-browser" in ran.err
    assert "GRADER_BROWSER" in ran.err
    assert not (workspace / "reports").exists()


def test_without_the_option_no_browser_is_looked_for(grader, workspace, no_browser):
    assert grader("report", "--workspace", workspace).code == 0
    assert not list(workspace.rglob("*.pdf"))


def test_doctor_says_which_browser_makes_pdfs_and_what_to_do_without_one(grader, no_browser):
    assert "GRADER_BROWSER" in next(line for line in grader("doctor").out.splitlines() if " pdf " in line)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", "regrade b2-1"])
def test_a_pdf_of_each_report_is_made(grader, workspace, command):
    pypdf = pytest.importorskip("pypdf")
    try:
        printing.find_browser()
    except BrowserError:
        pytest.skip("no Chromium here")
    ran = grader(*command.split(), "--workspace", workspace, "--pdf")
    assert "b2-1: 1 PDFs made, 0 up to date" in ran.out
    made = pypdf.PdfReader(workspace / "reports/b2-1/21X4001.pdf")
    assert "25.0" in made.pages[0].extract_text()
    assert made.metadata.title.startswith("山田 花子 さん")


def test_a_page_that_cannot_be_printed_ends_with_3_and_is_named(grader, workspace, monkeypatch):
    class Broken:
        def __init__(self, program):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def pdf(self, html):
            raise printing.PrintError("the page's process crashed")

    monkeypatch.setattr(printing, "find_browser", lambda named: "chromium")
    monkeypatch.setattr(printing, "Printer", Broken)
    monkeypatch.setattr("grader.pipeline.pdf.find_browser", lambda named: "chromium")
    monkeypatch.setattr("grader.pipeline.pdf.Printer", Broken)
    ran = grader("report", "--workspace", workspace, "--pdf")
    assert ran.code == 3
    assert "21X4001.html: the page's process crashed" in ran.out
    assert (workspace / "reports/b2-1/21X4001.html").is_file()
