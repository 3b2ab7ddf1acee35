"""In which order a batch runs, and how many at a time here while notebooks run elsewhere."""

import json
import sys
import threading

import nbformat
import pytest

from grader.intake import collect
from grader.model import CellOutcome, CellRun, Execution, ExecutionOutcome, Result, Score, Status
from grader.pipeline import grade_batch, open_context
from grader.pipeline.batch import Elsewhere
from grader.store import Gradebook
from grader.store.durations import durations_s

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def context(small_course, tmp_path):
    (tmp_path / "workspace" / "cache" / "matplotlib").mkdir(parents=True)  # no kernel will draw
    return open_context(small_course.settings(tmp_path / "workspace", jobs=1), "b2-1")


@pytest.fixture
def attempts(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        cell = nbformat.v4.new_code_cell(f"a = {number}", id="c")
        (folder / f"21X000{number}-{name}.ipynb").write_text(
            json.dumps(nbformat.v4.new_notebook(cells=[cell])), "utf-8"
        )
    return collect([folder], "b2-1")


class Recorder:
    """Stands for other machines: notes what it is given, in order, and fails."""

    def __init__(self, meet=None):
        self.given, self.meet = [], meet

    def __call__(self, work, **_):
        self.given.append(work.attempt.source[-7])
        if self.meet:
            self.meet.wait(30)
        raise OSError("nothing is run in this test")


def test_what_took_longest_before_starts_first_and_results_keep_the_order_of_the_inputs(context, attempts, monkeypatch):
    known = {attempts[1].digest: 5.0, attempts[2].digest: 90.0, attempts[3].digest: 40.0}
    monkeypatch.setattr(sys.modules[grade_batch.__module__], "durations_s", lambda book, assignment: known)
    recorder = Recorder()
    graded = grade_batch(context, attempts, elsewhere=Elsewhere(recorder, 1))
    assert recorder.given == ["c", "a", "d", "b"]  # of a nothing is known: it gets the median, 40 s, and came before d
    assert [one.result.source[-7] for one in graded] == list(NAMES)


def test_a_place_here_is_free_for_others_while_the_notebook_runs_elsewhere(context, attempts):
    """One job at home, four pieces of work elsewhere: they all meet, or none goes on."""
    meet = threading.Barrier(4)
    recorder = Recorder(meet)
    graded = grade_batch(context, attempts, elsewhere=Elsewhere(recorder, 4))
    assert sorted(recorder.given) == list(NAMES)
    assert not meet.broken
    assert all("nothing is run" in one.fault for one in graded)


def test_the_gradebook_tells_the_latest_duration_by_file_and_by_student(tmp_path, attempts):
    book = Gradebook(tmp_path / "g.sqlite")
    for attempt, duration_s in ((attempts[0], 10.0), (attempts[0], 12.0), (attempts[1], None)):
        book.add_attempt(attempt)
        cells = (CellRun(0, CellOutcome.OK),)
        execution = Execution(ExecutionOutcome.OK, duration_s=duration_s, cells=cells)
        score = Score(Status.GRADED, 1.0, 0.0, 1.0)
        book.add_result(Result("b2-1", attempt.digest, attempt.source, attempt.student, execution, score))
    known = durations_s(book, "b2-1")
    assert known.pop(attempts[0].digest) == 12.0
    assert list(known.values()) == [12.0]
    assert durations_s(book, "other") == {}
