"""Pages in the workspace follow what people change here."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from web_class import SECRET
from web_site import post

from grader.pipeline import open_context, publish
from grader.pipeline.locks import free
from grader.store import StalePage
from grader.web.refresh import LONGEST_S, QUIET_S, is_due

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def page(since_s, at_s, key="id:s001"):
    before = [(NOW - timedelta(seconds=s)).isoformat(timespec="microseconds") for s in (since_s, at_s)]
    return StalePage("b2-1", key, *before)


@pytest.mark.parametrize(
    ("pages", "due"),
    [
        ([], False),
        ([page(1, 1)], False),
        ([page(QUIET_S, QUIET_S)], True),
        ([page(QUIET_S + 5, 1)], False),
        ([page(LONGEST_S, 1)], True),
        ([page(QUIET_S + 5, QUIET_S + 5), page(1, 1, "id:s002")], False),
        ([page(LONGEST_S, LONGEST_S), page(1, 1, "id:s002")], True),
    ],
)
def test_pages_are_written_after_a_quiet_moment_or_a_minute(pages, due):
    assert is_due(pages, NOW) is due


def give(site, name, k, points, words):
    form = {"attempt": site.attempt(k), "points": points, "seen": "0", "own": words}
    assert post(site.client(name), "/a/b2-1/grade/filters-discussion", form).status_code == 200


def later(seconds=QUIET_S + 1):
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture
def written(any_site):
    """A site whose pages are all there."""
    publish(open_context(any_site.world.settings, "b2-1"))
    return any_site


@pytest.mark.slow
def test_the_pages_of_whoever_was_graded_are_written_again_and_no_other(written):
    site, workspace = written, written.world.settings.workspace
    own, staff = (workspace / folder / "b2-1" / "S002.html" for folder in ("reports", "dashboard"))
    others = [p for p in sorted(workspace.glob("*/b2-1/S*.html")) if p.name != "S002.html"]
    before = {path: path.stat().st_mtime_ns for path in others}
    board = (workspace / "dashboard" / "b2-1.html").read_text("utf-8")
    refresh = site.app.room.refresh
    assert refresh.once(later()) is None
    give(site, "sensei", 2, "3.5", "An edge in every filter.")
    assert "students: 1" in site.client("sensei").get("/a/b2-1").text
    assert refresh.once() is None  # too soon
    assert "An edge in every filter." not in own.read_text("utf-8")
    assert refresh.once(later()) is True
    for path in (own, staff):
        assert "An edge in every filter." in path.read_text("utf-8")
    assert SECRET not in own.read_text("utf-8")
    assert SECRET in staff.read_text("utf-8")
    assert (workspace / "dashboard" / "b2-1.html").read_text("utf-8") != board
    assert {path: path.stat().st_mtime_ns for path in others} == before
    assert site.book.stale_pages.all() == []
    assert "students: 1" not in site.client("sensei").get("/a/b2-1").text
    assert refresh.once(later()) is None


@pytest.mark.slow
def test_a_server_writes_by_itself_what_another_left_behind(site, monkeypatch):
    publish(open_context(site.world.settings, "b2-1"))
    monkeypatch.setattr("grader.web.refresh.LOOK_S", 0.1)
    monkeypatch.setattr("grader.web.refresh.QUIET_S", 0.0)
    give(site, "sensei", 2, "3.5", "An edge in every filter.")
    with site.another().client():  # runs what belongs to the server's life
        end = time.monotonic() + 120
        while site.book.stale_pages.all() and time.monotonic() < end:
            time.sleep(0.1)
    assert "An edge in every filter." in (site.world.settings.workspace / "reports/b2-1/S002.html").read_text("utf-8")


def dashboard(site):
    """The page of the class, as if it had been written."""
    folder = site.world.settings.workspace / "dashboard"
    folder.mkdir()
    (folder / "b2-1.html").write_text("", "utf-8")


def test_where_no_page_was_ever_written_an_edit_writes_none(site):
    give(site, "sensei", 2, "3.5", "An edge in every filter.")
    assert site.app.room.refresh.once(later()) is None
    assert "students: 1" not in site.client("sensei").get("/a/b2-1").text


def test_what_cannot_be_written_stays_to_be_written(site, monkeypatch):
    dashboard(site)
    give(site, "sensei", 2, "3.5", "An edge in every filter.")
    monkeypatch.setattr("grader.web.refresh.sys.executable", "/bin/false")
    assert site.app.room.refresh.once(later()) is False
    assert len(site.book.stale_pages.all()) == 1


@pytest.mark.parametrize("script", ["trap 'sleep 0.3; exit 1' TERM", "trap '' TERM"])
def test_a_server_that_ends_asks_its_writer_once_and_waits(site, monkeypatch, tmp_path, script):
    dashboard(site)
    give(site, "sensei", 2, "3.5", "An edge in every filter.")
    ready, writer, asked = tmp_path / "ready", tmp_path / "writer", []
    writer.write_text(f"#!/bin/sh\n{script}\ntouch {ready}\nwhile :; do sleep 0.05; done\n", "utf-8")
    writer.chmod(0o700)
    terminate = subprocess.Popen.terminate
    monkeypatch.setattr("grader.web.refresh.sys.executable", str(writer))
    monkeypatch.setattr("grader.web.refresh.PATIENCE_S", 1.0, raising=False)
    monkeypatch.setattr(subprocess.Popen, "terminate", lambda process: (asked.append(process), terminate(process)))
    refresh, went_well = site.app.room.refresh, []
    thread = threading.Thread(target=lambda: went_well.append(refresh.once(later())))
    thread.start()
    while thread.is_alive() and not ready.exists():
        time.sleep(0.02)
    refresh.close()
    thread.join(20)
    for process in asked:
        process.kill()
    assert went_well == [False]
    assert len(asked) == 1


def test_of_two_servers_one_writes(site):
    dashboard(site)
    give(site, "sensei", 2, "3.5", "An edge in every filter.")
    with free(site.world.settings.workspace.resolve(), "refresh"):
        assert site.app.room.refresh.once(later()) is None


def roster(site, text):
    (site.world.settings.workspace / "roster.csv").write_text(text, "utf-8")


def language(text):
    return re.search(r'<html[^>]* lang="(\w+)"', text)[1]


def test_a_student_reads_in_the_language_of_the_class_list_or_of_the_own_choice(site):
    site.book.desk.release("b2-1", "*", "student", "sensei")
    roster(site, "student_id,name,言語\nS001,A,中国語\nS002,B,ru-RU\n")
    first, second = site.client("s001"), site.client("s002")
    asked = {"accept-language": "en"}
    assert language(first.get("/me/b2-1/1", headers=asked).text) == "zh"
    assert language(second.get("/me/b2-1/1", headers=asked).text) == "ru"
    assert language(site.client("sensei").get("/assignments", headers=asked).text) == "en"
    publish(open_context(site.world.settings, "b2-1"))
    reports = site.world.settings.workspace / "reports" / "b2-1"
    pages = {name: language((reports / f"{name}.html").read_text("utf-8")) for name in ("S001", "S002", "S003")}
    assert pages == {"S001": "zh", "S002": "ru", "S003": "ja"}
    assert post(second, "/account", {"language": "en"}).status_code == 200
    assert language(site.client("s002").get("/me/b2-1/1", headers={"accept-language": "ja"}).text) == "en"
    assert [p.student_key for p in site.book.stale_pages.all()] == ["id:s002"]
    publish(open_context(site.world.settings, "b2-1"))
    assert language((reports / "S002.html").read_text("utf-8")) == "en"
    assert site.book.stale_pages.all() == []
