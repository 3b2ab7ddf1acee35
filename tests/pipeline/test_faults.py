"""What goes wrong in a class, all of it at once: each thing explained, the rest graded, nothing lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from result_rows import check_rows, parse

from grader.intake import collect
from grader.model import Outcome, Status
from grader.pipeline import Batch, grade_attempt, grade_batch, open_context, publish, regrade
from grader.pipeline import work as work_module
from grader.pipeline.publish import cannot_be_graded_yet, counting_results
from grader.store import Gradebook

pytestmark = pytest.mark.slow
SOURCES = {
    "good": ("a = 20", "b = a + 22", "print(b)"),
    "killed": ("a = 1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "b = 2"),
    "loop": ("a = 1", "while True:\n    pass", "b = a"),
    "memory": ("a = 1", "kept = b'x' * 2**31", "b = 2"),
}


def write(path, *sources):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book), "utf-8")
    return path


def command(course, *arguments):
    environment = {**os.environ, "GRADER_DATA_DIR": str(course.data), "GRADER_CELL_TIME_LIMIT_S": "4"}
    return [sys.executable, "-m", "grader", *map(str, arguments)], environment


@pytest.fixture(scope="module")
def broken_rubric(small_course, tmp_path_factory):
    """The small course with a bug in the check of ``bpnn-comparison``; its root."""
    root = tmp_path_factory.mktemp("broken") / "course"
    shutil.copytree(small_course.root, root)
    path = root / "rubrics" / "b2-1" / "test_public.py"
    text = path.read_text("utf-8")
    start = text.index("def test_it_is_compared_with_a_network")
    body = text.index("\n", start) + 1
    path.write_text(text[:body] + "    len(answers) / 0\n" + text[body:], "utf-8")
    return root


@pytest.fixture(scope="module")
def batch(small_course, broken_rubric, tmp_path_factory):
    """Everything at once: exit code, rows by name, standard error, workspace."""
    folder = tmp_path_factory.mktemp("faults")
    for name, sources in SOURCES.items():
        write(folder / "class" / f"{name}.ipynb", *sources)
    (folder / "class" / "truncated.ipynb").write_text('{"cells": [{"cell_type": "co', "utf-8")
    (folder / "class" / "picture.ipynb").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (folder / "class" / "empty.ipynb").write_bytes(b"")
    options = ("--json", "-", "--jobs", "2", "--memory-limit-mib", "1024", "--lang", "en", "--course", broken_rubric)
    line, environment = command(small_course, "grade", "b2-1", "class", *options)
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    rows = {Path(row["source"]).stem: row for row in parse(done.stdout)}
    return done, rows, folder / "workspace"


def test_every_file_has_its_row_and_the_contract_holds(batch):
    _, rows, _ = batch
    check_rows(list(rows.values()))
    assert set(rows) == {*SOURCES, "truncated", "picture", "empty"}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("good", "ok"), ("killed", "kernel_died"), ("loop", "timeout"), ("memory", "memory")]
    + [(name, "unreadable") for name in ("truncated", "picture", "empty")],
)
def test_how_each_one_ended_is_told_apart(batch, name, outcome):
    assert batch[1][name]["execution"]["outcome"] == outcome


@pytest.mark.parametrize(
    ("name", "words"), [("killed", "the kernel"), ("loop", "time"), ("memory", "memory"), ("good", "3 code cells")]
)
def test_what_happened_is_said_to_the_student_in_a_sentence(batch, name, words):
    row = batch[1][name]
    runs = next(c for c in row["criteria"] if c["id"] == "runs")
    said = " ".join([runs["message"], runs["hint"] or "", *row["execution"]["notes"]])
    assert words in said


@pytest.mark.parametrize("name", ["truncated", "picture", "empty"])
def test_why_a_file_cannot_be_read_is_said_in_a_sentence(batch, name):
    row = batch[1][name]
    assert row["status"] == "not_gradable"
    assert len(row["reason"].split()) > 4


def test_a_bug_in_a_check_costs_no_points_and_only_its_own_criterion(batch):
    _, rows, _ = batch
    for name in SOURCES:
        lines = {c["id"]: c for c in rows[name]["criteria"]}
        assert lines["bpnn-comparison"]["outcome"] == "errored"
        assert lines["bpnn-comparison"]["points"] is None
        assert "no points" in lines["bpnn-comparison"]["message"]
        assert [i for i, c in lines.items() if c["outcome"] == "errored"] == ["bpnn-comparison"]
        assert lines["runs"]["points"] is not None
        assert rows[name]["status"] == "needs_review"


def test_the_traceback_of_the_bug_is_for_staff_alone(batch):
    done, _, workspace = batch
    assert "ZeroDivisionError" not in done.stdout
    student = "".join(p.read_text("utf-8") for p in (workspace / "reports" / "b2-1").glob("*.html"))
    staff = "".join(p.read_text("utf-8") for p in (workspace / "dashboard" / "b2-1").glob("*.html"))
    assert "ZeroDivisionError" not in student
    assert "ZeroDivisionError" in staff


def test_memory_is_ended_near_its_limit(batch):
    """A control group ends it at its limit, a watch from outside shortly after."""
    assert batch[1]["memory"]["execution"]["peak_memory_mib"] >= 1024


def test_what_cannot_be_graded_yet_ends_with_1(batch):
    assert batch[0].returncode == 1


def test_no_kernel_is_left(batch):
    commands = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"]]
    mine = str(batch[2].parent)
    assert not [c for c in commands if any(mine in word for word in c)]


def unreadable(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_text(f'{{"cells": [{number}', "utf-8")
    return collect([folder], "b2-1")


@pytest.fixture
def context(small_course, tmp_path):
    (tmp_path / "workspace" / "cache" / "matplotlib").mkdir(parents=True)  # no kernel will draw
    return open_context(small_course.settings(tmp_path / "workspace", jobs=1, language="en", runtime="keras3"), "b2-1")


@pytest.mark.parametrize("room", ["execute", "read_evidence", "run_checks", "score"])
def test_a_crash_of_ours_is_a_fault_and_not_a_zero(context, tmp_path, monkeypatch, room):
    attempt_module = sys.modules[grade_attempt.__module__]

    def crash(*_, **__):
        raise OSError(28, "No space left on device")

    attempts = unreadable(tmp_path / "class", "a.ipynb")
    monkeypatch.setattr(work_module if room == "execute" else attempt_module, room, crash)
    (graded,) = grade_batch(context, attempts)
    score = graded.result.score
    assert "No space left on device" in graded.fault
    assert (score.status, score.pending, score.max_points) == (Status.NEEDS_REVIEW, 25.0, 25.0)
    assert not score.points
    assert {c.outcome for c in score.criteria} == {Outcome.ERRORED}
    assert {c.points for c in score.criteria} == {None}
    assert "costs no points" in score.reason.id
    assert cannot_be_graded_yet(graded.result)
    assert (context.workspace / "submissions" / attempts[0].digest.removeprefix("sha256:")).read_bytes()
    assert [r.digest for r in counting_results(context)] == [attempts[0].digest]
    row = publish(context).row(graded.result)
    check_rows([row])
    assert "No space" not in json.dumps(row)


def test_nothing_is_checked_in_a_file_that_cannot_be_read(context, tmp_path, monkeypatch):
    asked = []
    attempt_module = sys.modules[grade_attempt.__module__]
    monkeypatch.setattr(attempt_module, "run_checks", lambda requests, **_: asked.extend(requests) or [])
    graded = grade_batch(context, unreadable(tmp_path / "class", "a.ipynb", "b.ipynb"))
    assert [one.result.score.status for one in graded] == [Status.NOT_GRADABLE] * 2
    assert asked == []


def test_a_crash_on_one_attempt_leaves_the_others_alone(context, tmp_path, monkeypatch):
    execute = work_module.execute

    def crash(attempt, *rest, **named):
        if attempt.source.endswith("b.ipynb"):
            raise ZeroDivisionError("ours")
        return execute(attempt, *rest, **named)

    attempts = unreadable(tmp_path / "class", "a.ipynb", "b.ipynb", "c.ipynb")
    monkeypatch.setattr(work_module, "execute", crash)
    graded = grade_batch(context, attempts)
    assert [one.fault is not None for one in graded] == [False, True, False]
    assert graded[0].result.score.status is Status.NOT_GRADABLE
    monkeypatch.setattr(work_module, "execute", execute)
    again = grade_batch(context, attempts)
    assert [one.fault for one in again] == [None] * 3
    assert [one.reused for one in again] == [True, False, True]


def test_regrading_goes_on_past_an_attempt_that_it_fails_on(context, tmp_path, monkeypatch):
    attempt_module = sys.modules[grade_attempt.__module__]

    attempts = unreadable(tmp_path / "class", "a.ipynb", "b.ipynb")
    grade_batch(context, attempts)
    score, calls = attempt_module.score, []

    def crash(*rest, **named):
        calls.append(rest)
        if len(calls) == 1:
            raise ZeroDivisionError("ours")
        return score(*rest, **named)

    monkeypatch.setattr(attempt_module, "score", crash)
    first, second = regrade(context)
    assert "ZeroDivisionError" in first.fault
    assert second.fault is None


def test_the_same_content_under_two_names_is_two_rows(context, tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("21X4001.ipynb", "21X4002.ipynb"):
        (folder / name).write_text('{"cells": [', "utf-8")
    graded = grade_batch(context, collect([folder], "b2-1"))
    published = publish(context)
    rows = [published.row(one.result) for one in graded]
    check_rows(rows)
    assert [row["student"]["id"] for row in rows] == ["21X4001", "21X4002"]
    assert len({row["attempt"] for row in rows}) == 1
    assert len({row["report"] for row in rows}) == 2


def test_of_two_attempts_the_last_counts_until_another_is_chosen(context, tmp_path):
    folder = tmp_path / "class"
    attempts = []
    for number, name in enumerate(("first", "second")):
        (folder / name).mkdir(parents=True)
        (folder / name / "21X4001.ipynb").write_text(f'{{"cells": [{number}', "utf-8")
        os.utime(folder / name / "21X4001.ipynb", (1_700_000_000 + number, 1_700_000_000 + number))
        attempts += collect([folder / name / "21X4001.ipynb"], "b2-1")
    graded = grade_batch(context, attempts)
    first, second = (one.result.digest for one in graded)
    assert [r.digest for r in counting_results(context)] == [second]
    key = context.gradebook.attempts("b2-1")[0].student_key
    context.gradebook.choose("b2-1", key, first, "staff", "the second is another course's")
    assert [r.digest for r in counting_results(context)] == [first]
    names = {path.name for path in publish(context).paths.values()}
    assert names == {"21X4001.html", "21X4001-2.html"}


def test_a_missing_data_set_is_our_fault_and_graded_once_it_is_there(small_course, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(work_module, "execute", lambda *a, **k: ran.append(a) or 1 / 0)
    settings = small_course.settings(tmp_path / "workspace", data_dir=tmp_path / "no-data", jobs=1, runtime="keras3")
    context = open_context(settings, "b2-1")
    attempts = collect([write(tmp_path / "a.ipynb", "a = 1")], "b2-1")
    (graded,) = grade_batch(context, attempts)
    assert ran == []
    assert "grader data install mnist" in graded.fault
    assert graded.result.score.pending == 25.0
    assert "data set is missing" in graded.result.score.reason.id
    there = open_context(small_course.settings(tmp_path / "workspace", jobs=1, runtime="keras3"), "b2-1")
    grade_batch(there, attempts)
    assert len(ran) == 1


def test_a_name_that_is_no_text_does_not_stop_the_class(context, tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    try:
        (Path(os.fsdecode(os.fsencode(folder) + b"/Yamada_\xff\xfe_21X4001.ipynb"))).write_text('{"cells": [', "utf-8")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    unreadable(folder, "b.ipynb")
    graded = grade_batch(context, collect([folder], "b2-1"))
    published = publish(context)
    rows = [published.row(one.result) for one in graded]
    assert len(rows) == 2
    check_rows(parse(json.dumps(rows, ensure_ascii=False).encode("utf-8").decode("utf-8")))


def test_a_report_that_cannot_be_made_costs_only_itself(context, tmp_path, monkeypatch):
    publish_module = sys.modules[publish.__module__]

    graded = grade_batch(context, unreadable(tmp_path / "class", "a.ipynb", "b.ipynb"))
    make, bad = publish_module.student_report, graded[0].result.digest

    def crash(result, *rest, **named):
        if result.digest == bad:
            raise ZeroDivisionError("ours")
        return make(result, *rest, **named)

    monkeypatch.setattr(publish_module, "student_report", crash)
    published = publish(context)
    check_rows([published.row(one.result) for one in graded])
    assert "ZeroDivisionError" in published.faults[0]
    assert len(published.faults) == 1
    good = context.workspace / published.row(graded[1].result)["report"]
    assert "<html" in good.read_text("utf-8")


def test_a_batch_that_is_broken_off_tells_its_display_what_was_done(context, tmp_path, monkeypatch):
    batch_module = sys.modules[grade_batch.__module__]

    attempts = unreadable(tmp_path / "class", "a.ipynb", "b.ipynb", "c.ipynb")
    as_completed = batch_module.as_completed

    def interrupted(futures):
        yield next(as_completed(futures))
        raise KeyboardInterrupt

    def hold_the_second(batch):
        if batch.done and batch.running:
            batch.cancelled.wait(60)

    monkeypatch.setattr(batch_module, "as_completed", interrupted)
    batch = Batch(3, hold_the_second)
    with pytest.raises(KeyboardInterrupt):
        grade_batch(context, attempts, batch=batch)
    assert batch.cancelled.is_set()
    assert len(batch.done) == len(counting_results(context)) == 1
    assert len(list((context.workspace / "submissions").iterdir())) == 3


def kernels_below(pid):
    try:
        family = psutil.Process(pid).children(recursive=True)
        return [p for p in family if any(word.endswith(("launch.py", "warm/server.py")) for word in p.cmdline())]
    except psutil.Error:
        return []


def wait_for(condition, limit_s):
    deadline = time.monotonic() + limit_s
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_an_interrupted_class_keeps_what_was_graded_and_leaves_no_kernel(small_course, tmp_path):
    unreadable(tmp_path / "class", "a.ipynb")
    write(tmp_path / "class" / "b.ipynb", "import time\nfor _ in range(600):\n    time.sleep(0.1)")
    line, environment = command(small_course, "grade", "b2-1", "class", "--jobs", "1", "--course", small_course.root)
    environment["GRADER_CELL_TIME_LIMIT_S"] = "60"
    cell = tmp_path / "cell"
    with cell.open("w") as output:
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit that it is ignored
        running = subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=output, stderr=output)
        signal.signal(signal.SIGINT, before)
        try:
            kernels = wait_for(lambda: kernels_below(running.pid), 60)
            assert kernels, cell.read_text("utf-8")
            time.sleep(1.0)
            running.send_signal(signal.SIGINT)
            assert running.wait(30) == 130
        finally:
            running.kill()
    assert "interrupted; what was graded so far is kept" in cell.read_text("utf-8")
    assert wait_for(lambda: not any(k.is_running() and k.status() != "zombie" for k in kernels), 10)
    book = Gradebook(tmp_path / "workspace" / "gradebook.sqlite")
    assert len(book.attempts("b2-1")) == 2
    assert [Path(s.result.source).name for s in book.latest_results("b2-1")] == ["a.ipynb"]
