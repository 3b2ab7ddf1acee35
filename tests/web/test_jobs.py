"""Jobs started from a page, one at a time, and the live view of a batch."""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
import zipfile
from itertools import count
from types import SimpleNamespace

import pytest
from web_site import post

from grader.execution import Progress
from grader.model import ExecutionOutcome
from grader.pipeline import Batch, Graded
from grader.pipeline.progress import PROGRESS_FILE, ProgressFile
from grader.web import live
from grader.web.ask import COOKIE
from grader.web.jobs import Job
from grader.web.pages_jobs import safe_name

WAIT_S = 120


def wait(site, ident):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        job = site.app.room.jobs.one(ident)
        if job is not None and job.code is not None and site.app.room.jobs.running is None:
            return job
        time.sleep(0.1)
    raise TimeoutError(site.app.room.jobs.log(ident))


@pytest.mark.slow
def test_an_export_is_started_logged_and_fetched(site):
    client = site.client("sensei")
    answer = post(client, "/jobs", {"kind": "export", "assignment": "b2-1", "format": "csv"})
    assert "grader export b2-1" in answer.text
    job = wait(site, 1)
    assert job.code == 0, site.app.room.jobs.log(1)
    assert job.author == "sensei"
    fetched = client.get("/jobs/1/file")
    assert fetched.headers["content-disposition"] == 'attachment; filename="b2-1-csv.csv"'
    assert fetched.text.count("\n") == 5
    assert "all right" in client.get("/jobs").text


@pytest.mark.slow
def test_an_import_takes_the_uploaded_class_list(site):
    client = site.client("sensei")
    roster = ("../../names.csv", "学籍番号,氏名,クラス\nS001,山田,C\nS009,新人,C\n".encode("cp932"), "text/csv")
    post(client, "/jobs", {"kind": "import", "format": "roster"}, files={"files": roster})
    assert wait(site, 1).code == 0, site.app.room.jobs.log(1)
    page = client.get("/a/b2-1?section=C").text
    assert "新人" in page
    assert "第2" not in page


def test_only_one_job_runs_at_a_time(site, monkeypatch):
    client = site.client("sensei")
    jobs = site.app.room.jobs
    jobs.folder_of(7)
    job = Job(7, "report", "", ("60",), "sensei", "2026-01-01T00:00:00+00:00")
    started = _sleeper(jobs, job, monkeypatch)
    assert jobs.running == started
    answer = post(client, "/jobs", {"kind": "report"})
    assert answer.status_code == 409
    assert "Another job runs" in answer.text
    assert post(client, "/jobs/7/stop").status_code == 200
    assert wait(site, 7).code == -15


def test_a_job_of_another_server_is_seen_and_stopped(site, monkeypatch):
    jobs, other = site.app.room.jobs, site.another()
    ident = jobs.next_id()
    job = Job(ident, "report", "", ("60",), "sensei", "2026-01-01T00:00:00+00:00")
    _sleeper(jobs, job, monkeypatch)
    assert other.app.room.jobs.running == job
    assert other.app.room.jobs.next_id() != ident
    client = other.client("sensei")
    assert post(client, "/jobs", {"kind": "report"}).status_code == 409
    assert post(client, f"/jobs/{ident}/stop").status_code == 200
    assert wait(other, ident).code == -15
    assert wait(site, ident).code == -15


def _sleeper(jobs, job, monkeypatch):
    """Starts a command that does nothing for a minute in place of ours."""
    import subprocess

    popen = subprocess.Popen

    def sleep(_command, **options):
        return popen(["sleep", "60"], **options)

    monkeypatch.setattr("grader.web.jobs.subprocess.Popen", sleep)
    jobs.start(job)
    return job


def test_a_job_of_a_server_that_is_gone_counts_as_interrupted(site):
    jobs = site.app.room.jobs
    folder = jobs.folder_of(3)
    record = {
        "id": 3,
        "kind": "grade",
        "assignment": "b2-1",
        "arguments": [],
        "author": "sensei",
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    (folder.parent / "3.json").write_text(json.dumps(record), "utf-8")
    (folder.parent / "4.json").write_text("{", "utf-8")
    assert [(job.id, job.code) for job in jobs.all()] == [(3, 130)]
    assert jobs.next_id() == 4


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "nonsense"},
        {"kind": "export", "format": "--help", "assignment": "b2-1"},
        {"kind": "export", "format": "csv", "assignment": "../x"},
        {"kind": "regrade", "assignment": "--yes"},
        {"kind": "import", "format": "x"},
        {"kind": "import", "format": "roster"},
    ],
)
def test_a_job_that_the_page_does_not_offer_is_refused(site, form):
    answer = post(site.client("sensei"), "/jobs", form)
    assert answer.status_code in (400, 404)
    assert site.app.room.jobs.all() == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s01.ipynb", "s01.ipynb"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\課題 1.ipynb", "課題 1.ipynb"),
        ("--workspace", "workspace"),
        (".ipynb", "ipynb"),
        ("a\x00b\n;rm.ipynb", "ab_rm.ipynb"),
        ("", "file"),
        ("..", "file"),
        ("x" * 300 + ".ipynb", "x" * 100 + ".ipynb"),
    ],
)
def test_names_of_uploads_can_do_no_harm(given, kept):
    assert safe_name(given) == kept


@pytest.mark.slow
def test_a_batch_is_graded_from_an_upload(make_site, tmp_path):
    site = make_site(1)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("S007.ipynb", "no notebook")
    files = {"files": ("class.zip", archive.getvalue(), "application/zip")}
    post(site.client("sensei"), "/jobs", {"kind": "grade", "assignment": "b2-1"}, files=files)
    assert wait(site, 1).code == 1, site.app.room.jobs.log(1)
    assert any(a.source.endswith("S007.ipynb") for a in site.book.attempts("b2-1"))
    page = site.client("sensei").get("/live").text
    assert "1 of 1 graded" in page
    assert "S007.ipynb" in page


def told(workspace):
    return json.loads((workspace / PROGRESS_FILE).read_text("utf-8"))


def test_a_batch_writes_down_where_it_is(tmp_path, site):
    now = [0.0]
    result = site.book.latest_results("b2-1")[0].result
    with ProgressFile(tmp_path, "b2-1", clock=lambda: now[0]) as file:
        batch = Batch(2, file.tell)
        batch.running["a.ipynb"] = None
        file.tell(batch)
        batch.running["a.ipynb"] = Progress("a.ipynb", 3, 11, 2, 50)
        file.tell(batch)
        assert told(tmp_path)["running"][0]["cell"] is None  # too soon after the last time
        now[0] = 1.0
        file.tell(batch)
        assert told(tmp_path)["running"][0] == {
            "source": "a.ipynb",
            "cell": 4,
            "n_cells": 11,
            "epoch": 2,
            "epochs": 50,
        }
        batch.ended("a.ipynb", Graded(result))
    state = told(tmp_path)
    assert state["ended_at"]
    assert (state["n_done"], state["total"]) == (1, 2)
    assert state["done"][0]["outcome"] == ExecutionOutcome.OK


def write_progress(site, **changes):
    state = {
        "assignment": "b2-1",
        "pid": os.getpid(),
        "total": 10,
        "n_done": 5,
        "started_at": "2026-11-22T10:00:00+00:00",
        "updated_at": "2026-11-22T10:00:50+00:00",
        "ended_at": None,
        "running": [{"source": "class/<b>.ipynb", "cell": 4, "n_cells": 11, "epoch": 2, "epochs": 50}],
        "done": [{"source": "class/s1.ipynb", "status": "graded", "outcome": "ok"}],
        **changes,
    }
    (site.world.settings.workspace / PROGRESS_FILE).write_text(json.dumps(state), "utf-8")


def test_the_live_page_says_what_runs(site):
    client = site.client("sensei")
    assert "No batch has run" in client.get("/live").text
    write_progress(site)
    page = client.get("/live").text
    for what in ("5 of 10 graded", "cell 4 of 11 · epoch 2 of 50", "&lt;b&gt;.ipynb", "running"):
        assert what in page


def test_a_batch_whose_process_is_gone_does_not_look_as_if_it_ran(site):
    write_progress(site, pid=2**22 + 1)
    page = site.client("sensei").get("/live").text
    assert "its process is gone" in page
    assert "cell 4 of 11" not in page


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"assignment": 1}', "\x00"])
def test_a_damaged_progress_file_is_no_batch(site, content):
    (site.world.settings.workspace / PROGRESS_FILE).write_text(content, "utf-8")
    assert "No batch has run" in site.client("sensei").get("/live").text


def test_whoever_is_shut_out_hears_no_more_of_a_batch_that_goes_on(site, monkeypatch):
    numbers, secret = count(1), site.client("sensei").cookies[COOKIE]
    monkeypatch.setattr(live, "_LOOK_S", 0.001)
    monkeypatch.setattr(live, "live_part", lambda _ask: f"<p>{next(numbers)}</p>")

    async def here():
        return False

    async def heard():
        ask = SimpleNamespace(request=SimpleNamespace(is_disconnected=here), room=site.app.room, secret=secret)
        said = []
        async for event in (await live.events_page(ask)).body_iterator:
            said.append(event)
            if len(said) == 3:
                site.book.accounts.disable(site.book.accounts.named("sensei").id, True)
            if len(said) == 10:
                break
        return said

    assert asyncio.run(heard()) == [f"event: batch\ndata: <p>{n}</p>\n\n" for n in (1, 2, 3)]
