"""``grader forget``: one person's files, pages and rows are gone, everybody else's are as they were."""

import json
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

from grader.cli.app import app
from grader.config import load_settings
from grader.errors import UsageError
from grader.model import Attempt, Execution, ExecutionOutcome, Result, Status, Student
from grader.pipeline import open_context, publish
from grader.pipeline.forgetting import DELETIONS_FILE, forget_student
from grader.pipeline.languages import ROSTER_FILE
from grader.scoring.scores import summed

NAMES = {"21X4001": "Aoki Aya", "21X4002": "Baba Ken"}


@pytest.fixture
def settings(tmp_path):
    return load_settings({"workspace": tmp_path / "w", "data_dir": tmp_path / "data", "language": "en"}, environ={})


@pytest.fixture
def workspace(settings):
    context = open_context(settings, "b2-1")
    (context.workspace / ROSTER_FILE).write_text(
        "student_id,name\n" + "".join(f"{i},{n}\n" for i, n in NAMES.items()), "utf-8"
    )
    for number, (ident, name) in enumerate(NAMES.items()):
        digest = f"{number:064x}"
        for folder in ("submissions", f"evidence/b2-1/{digest}", f"evidence/b2-1/{digest}-quick"):
            (context.workspace / folder).mkdir(parents=True, exist_ok=True)
        (context.workspace / "submissions" / digest).write_text(name)
        attempt = Attempt("b2-1", f"sha256:{digest}", f"{ident}.ipynb", b"", Student(ident, name), None)
        context.gradebook.add_attempt(attempt)
        score = summed([], ())
        score = type(score)(Status.GRADED, 0.0, 0.0, 25.0, ())
        execution = Execution(ExecutionOutcome.OK, duration_s=1.0)
        context.gradebook.add_result(Result("b2-1", attempt.digest, attempt.source, attempt.student, execution, score))
    publish(context)
    return context.workspace


def everything(workspace):
    return {p.relative_to(workspace): p.read_bytes() for p in workspace.rglob("*") if p.is_file()}


def test_nothing_in_the_workspace_holds_the_person_any_more(workspace, settings):
    assert any(b"Aoki" in content for content in everything(workspace).values())
    done = forget_student(settings, "21X4001")
    left = everything(workspace)
    assert [str(path) for path, content in left.items() if b"Aoki" in content or b"21X4001" in content] == []
    assert [str(path) for path in left if "21X4001" in str(path) or f"{0:064x}" in str(path)] == []
    assert len(done.rows.files) == 1
    assert len(done.removed) == 5


def test_the_others_keep_all_of_theirs(workspace, settings):
    theirs = [p for p in everything(workspace) if "21X4002" in str(p) or f"{1:064x}" in str(p)]
    forget_student(settings, "21X4001")
    assert len(theirs) >= 3
    assert set(theirs) <= set(everything(workspace))
    assert "Baba Ken" in (workspace / ROSTER_FILE).read_text("utf-8")
    assert "Baba Ken" in (workspace / "dashboard" / "b2-1.html").read_text("utf-8")


def test_the_removal_is_noted_without_saying_who(workspace, settings):
    forget_student(settings, "21X4001")
    line = json.loads((workspace / DELETIONS_FILE).read_text("utf-8"))
    assert (line["attempts"], line["results"], line["files"]) == (1, 1, 5)


def test_nobody_of_that_name_changes_nothing(workspace, settings):
    before = everything(workspace)
    with pytest.raises(UsageError, match="nobody"):
        forget_student(settings, "someone")
    assert everything(workspace).keys() == before.keys()


def test_a_list_that_cannot_be_read_takes_the_old_dashboard_away(workspace, settings, monkeypatch):
    def publish(context, **_):
        raise UsageError("late.toml names a file that is no list")

    monkeypatch.setattr("grader.pipeline.forgetting.publish", publish)
    assert forget_student(settings, "21X4001").unpublished == ("b2-1",)
    assert not (workspace / "dashboard" / "b2-1.html").exists()


def test_the_command_asks_first_and_names_what_it_kept(workspace):
    runner = CliRunner()
    options = ["--workspace", str(workspace)]
    assert runner.invoke(app, ["gradebook", "backup", *options]).exit_code == 0
    refused = runner.invoke(app, ["forget", "21X4001", *options], input="n\n")
    assert refused.exit_code != 0
    assert any(b"Aoki" in content for content in everything(workspace).values())
    done = runner.invoke(app, ["forget", "21X4001", "--yes", *options])
    assert done.exit_code == 0
    assert "removed: 1 attempts" in done.output
    assert "a backup from before" in done.output


def test_verify_counts_what_is_there_and_finds_damage(workspace):
    runner = CliRunner()
    sound = runner.invoke(app, ["gradebook", "verify", "--workspace", str(workspace)])
    assert sound.exit_code == 0
    assert "b2-1: 2 attempts, 2 with a result" in sound.output
    path = workspace / "gradebook.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    place = content.rindex(b'"status":"graded"')
    content[place : place + 9] = b'"status":'[::-1]
    for beside in workspace.glob("gradebook.sqlite-*"):
        beside.unlink()
    path.write_bytes(content)
    damaged = runner.invoke(app, ["gradebook", "verify", "--workspace", str(workspace)])
    assert damaged.exit_code == 3
    assert "restore it from a backup" in damaged.output


def test_a_workspace_without_a_gradebook_is_said(tmp_path):
    result = CliRunner().invoke(app, ["gradebook", "verify", "--workspace", str(tmp_path)])
    assert isinstance(result.exception, UsageError)
