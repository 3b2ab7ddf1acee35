"""A run is shared by all who hand in the same content; what each was saved with stays their own."""

import copy
import json
import shutil
import sys
from dataclasses import replace

import msgspec
import nbformat
import numpy as np
import pytest

from grader.cli.gc import gc
from grader.evidence import read_evidence
from grader.evidence.submitted import read_saved_file
from grader.intake import collect
from grader.model import CellOutcome, CellRun, Execution, ExecutionOutcome, Outcome, Text
from grader.pipeline import grade_attempt, grade_batch, open_context, publish, regrade
from grader.pipeline.content import content_key
from grader.pipeline.forgetting import forget_student
from grader.pipeline.garbage import collect_garbage
from grader.pipeline.locks import locked
from grader.pipeline.runs import evidence_name, outputs_file

SOURCES = ("import numpy as np", 'text = """a  \nb"""\nx = 1', "print('The answer is forty-two')")


def book(sources=SOURCES, printed="The answer is forty-two\n", markdown="# Report", **metadata):
    cells = [nbformat.v4.new_markdown_cell(markdown)]
    cells += [nbformat.v4.new_code_cell(source, execution_count=n + 1) for n, source in enumerate(sources)]
    if printed:
        cells[-1].outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)]
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def handed_in(folder, name, notebook):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")
    return collect([folder / f"{name}.ipynb"], "b2-1")[0]


@pytest.fixture
def context(small_course, tmp_path):
    (tmp_path / "workspace" / "cache" / "matplotlib").mkdir(parents=True)  # no kernel will draw
    settings = small_course.settings(tmp_path / "workspace", jobs=1, language="en", runtime="keras3", sandbox="none")
    return open_context(replace(settings, warm_kernels=False), "b2-1")


@pytest.fixture
def runs(monkeypatch):
    """Stands in for the kernel: a folder as a run leaves it, with weights; the attempts that were run."""
    work = sys.modules["grader.pipeline.work"]
    ran = []

    def execute(attempt, request, directory, **_):
        ran.append(attempt)
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "claims").mkdir(parents=True)
        (directory / "submission.ipynb").write_bytes(attempt.content)
        (directory / "submitted.json").write_text("[]", "utf-8")
        executed = copy.deepcopy(dict(attempt.notebook))
        (directory / "executed.ipynb").write_text(json.dumps(executed), "utf-8")
        np.savez(directory / "claims" / "fit-1.after.npz", w0000=np.arange(9_000.0), w0001=np.zeros(3))
        cells = executed["cells"]
        outcomes = [CellOutcome.OK if c["cell_type"] == "code" else CellOutcome.EMPTY for c in cells]
        execution = Execution(
            ExecutionOutcome.OK, "keras3", duration_s=1.0, cells=tuple(CellRun(i, o) for i, o in enumerate(outcomes))
        )
        (directory / "execution.json").write_bytes(msgspec.json.encode(execution))
        return execution

    monkeypatch.setattr(work, "execute", execute)
    return ran


CHANGED = {
    "other outputs": book(printed="something else\n"),
    "no outputs": book(printed=""),
    "other counts and ids": book(),
    "white space at line ends": book(
        [SOURCES[0] + "  ", SOURCES[1] + " \t\n", SOURCES[2] + "\n"], markdown="# Report  "
    ),
    "other metadata": book(colab={"provenance": []}),
}


@pytest.mark.parametrize("notebook", CHANGED.values(), ids=CHANGED)
def test_what_cannot_change_the_run_does_not_change_the_key(tmp_path, notebook):
    first, second = handed_in(tmp_path, "a", book()), handed_in(tmp_path, "b", notebook)
    assert first.digest != second.digest
    assert content_key(first) == content_key(second)


OTHER = {
    "another source": book([*SOURCES[:2], "print('The answer is forty-three')"]),
    "another order": book([SOURCES[1], SOURCES[0], SOURCES[2]]),
    "white space in a string": book([SOURCES[0], SOURCES[1].replace("a  ", "a"), SOURCES[2]]),
    "other words": book(markdown="# Report of mine"),
    "a cell more": book([*SOURCES, ""]),
}


@pytest.mark.parametrize("notebook", OTHER.values(), ids=OTHER)
def test_what_can_change_the_run_or_the_checks_changes_the_key(tmp_path, notebook):
    assert content_key(handed_in(tmp_path, "a", book())) != content_key(handed_in(tmp_path, "b", notebook))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1 + \\\n 2", "x = 1 + \\ \n 2", False),
        ("%%writefile f\na \nb", "%%writefile f\na\nb", False),
        ("!echo a ", "!echo a", False),
        ("%matplotlib inline\nx = 1 ", "%matplotlib inline\nx = 1", True),
        ("'''open \nx", "'''open\nx", False),
        ("f(\n  1,  \n)", "f(\n  1,\n)", True),
        ("x = 'a\\\n b'  ", "x = 'a\\\n b'", True),
        ("x = f'''{1}  \n'''", "x = f'''{1}\n'''", False),
    ],
)
def test_white_space_counts_where_it_may_mean_something(tmp_path, one, other, same):
    first, second = (handed_in(tmp_path, n, book([s])) for n, s in (("a", one), ("b", other)))
    assert (content_key(first) == content_key(second)) is same


def test_tags_decide_whether_a_cell_runs_so_they_count(tmp_path):
    tagged = book()
    tagged.cells[1].metadata["tags"] = ["skip-execution"]
    assert content_key(handed_in(tmp_path, "a", book())) != content_key(handed_in(tmp_path, "b", tagged))


def test_a_run_under_other_settings_is_another_run(context, small_course, tmp_path):
    attempt = handed_in(tmp_path, "a", book())
    settings = replace(context.settings, seed=context.settings.seed + 1)
    assert evidence_name(context, attempt) != evidence_name(open_context(settings, "b2-1"), attempt)


@pytest.mark.slow
def test_two_students_with_the_same_content_share_a_run_and_have_results_of_their_own(context, runs, tmp_path):
    attempts = [
        handed_in(tmp_path / "class", "21X4001", book()),
        handed_in(tmp_path / "class", "21X4002", book(printed="The sum was never computed\n")),
    ]
    graded = grade_batch(context, attempts)
    assert [one.fault for one in graded] == [None, None]
    assert len(runs) == 1
    assert [one.reused for one in graded] == [False, True]
    assert len({one.result.evidence for one in graded}) == 1
    assert [one.result.student.id for one in graded] == ["21X4001", "21X4002"]
    kinds = [[flag.kind.value for flag in one.result.score.flags] for one in graded]
    assert kinds == [[], ["stale_outputs"]]
    saved = [read_saved_file(outputs_file(context.workspace, a.digest))[-1].text for a in attempts]
    assert saved == ["The answer is forty-two\n", "The sum was never computed\n"]
    folder = context.workspace / "evidence" / graded[0].result.evidence
    assert not (folder / "submission.ipynb").exists()
    assert not (folder / "submitted.json").exists()


@pytest.mark.slow
def test_what_intake_says_of_one_file_is_not_said_of_another_with_the_same_run(context, runs, tmp_path):
    first = replace(handed_in(tmp_path, "a", book()), notes=(Text("The notebook was made with Python 2."),))
    second = handed_in(tmp_path, "b", book(printed=""))
    one, other = grade_batch(context, [first, second])
    assert [note.id for note in one.result.notes] == ["The notebook was made with Python 2."]
    assert (other.result.notes, other.result.execution.notes) == ((), ())


@pytest.mark.slow
def test_an_unchanged_file_runs_neither_notebook_nor_rubric_again(context, runs, tmp_path, monkeypatch):
    attempt = handed_in(tmp_path, "21X4001", book())
    (first,) = grade_batch(context, [attempt])
    module = sys.modules[grade_attempt.__module__]
    asked = []
    monkeypatch.setattr(module, "run_checks", lambda requests, **_: asked.extend(requests) or [])
    monkeypatch.setattr(type(context), "execution_request", None)
    again = open_context(context.settings, "b2-1")
    (second,) = grade_batch(again, [attempt])
    assert second.fault is None
    assert second.reused
    assert second.result.score == first.result.score
    assert (len(runs), asked) == (1, [])


@pytest.mark.slow
def test_a_changed_rubric_is_run_on_the_run_that_is_there(context, small_course, runs, tmp_path):
    root = tmp_path / "course"
    shutil.copytree(small_course.root, root)
    own = open_context(replace(context.settings, course=root), "b2-1")
    attempt = handed_in(tmp_path, "21X4001", book())
    grade_batch(own, [attempt])
    path = root / "rubrics" / "b2-1" / "test_public.py"
    text = path.read_text("utf-8")
    head = '@pytest.mark.criterion("runs")\n'
    assert head in text
    start = text.index("def ", text.index(head))
    body = text.index("\n", text.index(":\n", start)) + 1
    path.write_text(text[:body] + '    assert False, "never enough"\n' + text[body:], "utf-8")
    (graded,) = grade_batch(open_context(own.settings, "b2-1"), [attempt])
    line = next(c for c in graded.result.score.criteria if c.id == "runs")
    assert (line.outcome, len(runs)) == (Outcome.FAILED, 1)


@pytest.mark.slow
def test_evidence_that_an_earlier_version_named_after_the_file_is_used(context, runs, tmp_path):
    attempt = handed_in(tmp_path, "21X4001", book())
    (first,) = grade_batch(context, [attempt])
    own = context.workspace / "evidence" / first.result.evidence
    earlier = own.with_name(attempt.digest.removeprefix("sha256:"))
    own.rename(earlier)
    (second,) = grade_batch(open_context(context.settings, "b2-1"), [attempt])
    assert second.reused
    assert second.result.evidence == f"b2-1/{earlier.name}"
    assert len(runs) == 1
    (third,) = regrade(open_context(context.settings, "b2-1"))
    assert (third.fault, third.result.score.status) == (None, second.result.score.status)


@pytest.mark.slow
def test_weights_are_kept_once_and_read_as_before(context, runs, tmp_path):
    names = ("21X4001", "21X4002")
    attempts = [handed_in(tmp_path, n, book([*SOURCES, f"y = '{n}'"])) for n in names]
    graded = grade_batch(context, attempts)
    blobs = list((context.workspace / "blobs").glob("*/*"))
    assert len(blobs) == 1
    assert blobs[0].stat().st_nlink == 3
    assert blobs[0].stat().st_mode & 0o077 == 0
    for one in graded:
        large, small = read_evidence(context.workspace / "evidence" / one.result.evidence).weights("fit-1.after.npz")
        assert np.array_equal(large, np.arange(9_000.0))
        assert np.array_equal(small, np.zeros(3))


@pytest.mark.slow
def test_pages_that_would_say_the_same_are_left_alone_and_others_are_not(context, runs, tmp_path):
    attempts = [handed_in(tmp_path, n, book([*SOURCES, f"y = '{n}'"])) for n in ("21X4001", "21X4002")]
    grade_batch(context, attempts)
    published = publish(context)
    pages = sorted((context.workspace / "reports" / "b2-1").glob("*.html"))
    for page in pages:
        page.write_text("as it was", "utf-8")
    stored = context.gradebook.latest_results("b2-1")[0]
    criterion = stored.result.score.criteria[0]
    context.gradebook.add_edit(stored.attempt_id, criterion.id, 0.0, "staff", "a reason")
    publish(open_context(context.settings, "b2-1"))
    assert [page.read_text("utf-8") == "as it was" for page in pages] == [False, True]
    publish(open_context(context.settings, "b2-1"), again=True)
    assert not any(page.read_text("utf-8") == "as it was" for page in pages)
    assert len(published.paths) == 2


@pytest.mark.slow
def test_garbage_is_what_no_result_rests_on(context, runs, tmp_path):
    attempt = handed_in(tmp_path, "21X4001", book())
    (first,) = grade_batch(context, [attempt])
    other = open_context(replace(context.settings, seed=7), "b2-1")
    (second,) = grade_batch(other, [attempt])
    folder = context.workspace / "evidence"
    (folder / "b2-1" / ".abc.partial").mkdir()
    (folder / "b2-1" / ".abc.partial" / "executed.ipynb").write_text("x" * 5_000)
    said = collect_garbage(context.settings, dry_run=True)
    assert (folder / first.result.evidence).is_dir()
    done = collect_garbage(context.settings)
    assert said == done
    assert (done.runs, done.leftovers, done.blobs, done.busy) == (1, 1, 0, 0)
    assert done.n_bytes > 5_000
    assert not (folder / first.result.evidence).exists()
    assert (folder / second.result.evidence).is_dir()
    assert collect_garbage(context.settings).n_bytes == 0
    (again,) = regrade(other)
    assert (again.fault, again.kept, again.result.score) == (None, None, second.result.score)


@pytest.mark.slow
def test_a_run_that_a_grader_works_on_is_no_garbage(context, runs, tmp_path):
    attempt = handed_in(tmp_path, "21X4001", book())
    (first,) = grade_batch(context, [attempt])
    grade_batch(open_context(replace(context.settings, seed=7), "b2-1"), [attempt])
    run = context.workspace / "evidence" / first.result.evidence
    beside = [run.with_name(name) for name in (f"{run.name}.keras2", f".{run.name}.alone.partial")]
    for folder in beside:  # what a second try of the same notebook is written into
        folder.mkdir()
    with locked(context.workspace, first.result.evidence.replace("/", "-")):
        done = collect_garbage(context.settings)
    assert (done.runs, done.leftovers, done.busy) == (0, 0, 3)
    assert all(folder.is_dir() for folder in (run, *beside))
    assert collect_garbage(context.settings).leftovers == 2


@pytest.mark.slow
def test_an_array_that_nothing_refers_to_any_more_is_garbage(context, runs, tmp_path):
    attempt = handed_in(tmp_path, "21X4001", book())
    (graded,) = grade_batch(context, [attempt])
    shutil.rmtree(context.workspace / "evidence" / graded.result.evidence)
    assert collect_garbage(context.settings, dry_run=True).blobs == 1
    assert collect_garbage(context.settings).blobs == 1
    assert not list((context.workspace / "blobs").glob("*/*"))


@pytest.mark.slow
def test_forgetting_takes_a_run_that_nobody_else_rests_on_and_leaves_the_others(context, runs, tmp_path):
    attempts = [
        handed_in(tmp_path, "21X4001", book()),
        handed_in(tmp_path, "21X4002", book(printed="")),
        handed_in(tmp_path, "21X4003", book([*SOURCES, "z = 3"])),
    ]
    graded = grade_batch(context, attempts)
    shared, own = (context.workspace / "evidence" / graded[i].result.evidence for i in (0, 2))
    forget_student(context.settings, "21X4001")
    assert shared.is_dir()
    assert not outputs_file(context.workspace, attempts[0].digest).exists()
    forget_student(context.settings, "21X4003")
    assert not own.exists()
    forget_student(context.settings, "21X4002")
    assert not shared.exists()
    assert not list((context.workspace / "blobs").glob("*/*"))
    assert not list((context.workspace / "outputs").glob("*"))


@pytest.mark.slow
def test_the_command_says_how_much_was_freed(context, runs, tmp_path, capsys):
    attempt = handed_in(tmp_path, "21X4001", book())
    grade_batch(context, [attempt])
    gc(context.workspace, dry_run=True)
    assert "would be freed: 0.0 MiB (0 runs, 0 leftovers, 0 arrays)" in capsys.readouterr().out
