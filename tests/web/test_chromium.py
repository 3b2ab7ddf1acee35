"""The application in a real browser: signing in, grading by keyboard alone, two people at once, no barriers."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import chrome as browser
import pytest
import uvicorn
from web_class import add_attempt, name_of
from web_site import PASSWORD

PATH = "/a/b2-1/grade/filters-discussion"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.find() is None, reason="no Chromium here"),
]


class Served:
    """The application behind a real server, on a port of its own."""

    def __init__(self, site):
        self.site = site
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        config = uvicorn.Config(site.app, log_level="warning", access_log=False, proxy_headers=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([sock],), daemon=True)
        self._thread.start()
        end = time.monotonic() + 30
        while not self._server.started and time.monotonic() < end:
            time.sleep(0.02)

    def close(self):
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture
def served(make_site, request):
    site = make_site(getattr(request, "param", 6))
    for words, points in (("before and after", 1.5), ("edges", 1.0), ("an example", 1.5), ("Which filter?", None)):
        site.book.desk.add_snippet("b2-1", "filters-discussion", words, points, "sensei")
    running = Served(site)
    yield running
    running.close()


@pytest.fixture(scope="module")
def chromium():
    with browser.chrome() as running:
        yield running


def sign_in(tab, base, name):
    """By keyboard, as a person does."""
    tab.go(f"{base}/sign-in?lang=en")
    tab.type(name)
    tab.press("Tab")
    tab.type(PASSWORD)
    tab.loads(lambda: tab.press("Enter"))
    assert tab.run("location.pathname") in ("/assignments", "/me")


def attempt_of(tab):
    return int(tab.run("document.querySelector('#mark [name=attempt]').value"))


def edits(site, ident):
    return next(r.edits for r in site.book.latest_results("b2-1") if r.attempt_id == ident)


def test_an_assistant_signs_in_and_grades_every_answer_with_the_keyboard_alone(served, chromium):
    tab = chromium.tab()
    sign_in(tab, served.base, "suzuki")
    tab.go(served.base + PATH)
    graded = []
    for _ in range(6):
        graded.append(attempt_of(tab))
        tab.press("1")
        tab.press("2")
        tab.press("q")
        assert tab.run("document.querySelector('[name=points]').value") == "2.5"
        tab.loads(lambda: tab.press("Enter"))
    assert len(set(graded)) == 6
    for ident in graded:
        (edit,) = edits(served.site, ident)
        assert (edit.points, edit.author) == (2.5, "suzuki")
        assert edit.reason == "before and after (+1.5) / edges (+1) / Which filter?"
    assert "6 of 6 decided" in tab.run("document.body.innerText")
    assert tab.complaints == []


def test_points_own_words_arrows_and_undo_have_keys(served, chromium):
    tab = chromium.tab()
    sign_in(tab, served.base, "suzuki")
    tab.go(served.base + PATH)
    first = attempt_of(tab)
    tab.loads(lambda: tab.press("ArrowRight"))
    assert attempt_of(tab) != first
    tab.loads(lambda: tab.press("ArrowLeft"))
    assert attempt_of(tab) == first
    tab.press(".")
    tab.type("3.5")
    tab.press("Escape")
    tab.press("c")
    tab.type("1 nice example")
    tab.loads(lambda: tab.press("Enter"))
    assert [(e.points, e.reason) for e in edits(served.site, first)] == [(3.5, "1 nice example")]
    tab.loads(lambda: tab.press("z"))
    assert attempt_of(tab) == first
    tab.loads(lambda: tab.press("z"))
    assert [e.points for e in edits(served.site, first)] == [3.5, None]


def test_of_two_people_at_once_the_second_sees_the_first_and_decides(served, chromium):
    ident = served.site.attempt(3)
    tabs = [chromium.tab(), chromium.tab()]
    for tab, name in zip(tabs, ("sensei", "suzuki"), strict=True):
        sign_in(tab, served.base, name)
        tab.go(f"{served.base}{PATH}?at={ident}")
    tabs[0].press("1")
    tabs[0].loads(lambda: tabs[0].press("Enter"))
    tabs[1].press("3")
    tabs[1].press("c")
    tabs[1].type("mine")
    tabs[1].loads(lambda: tabs[1].press("Enter"))
    assert [e.author for e in edits(served.site, ident)] == ["sensei"]
    said = tabs[1].run("document.getElementById('conflict').innerText")
    assert "sensei was quicker" in said
    assert tabs[1].run("document.querySelector('[name=own]').value") == "mine"
    assert tabs[1].run("document.querySelector('[name=points]').value") == "1.5"
    tabs[1].press("Enter")  # of somebody who types ahead
    assert tabs[1].run("document.activeElement.id") == "conflict"
    assert len(edits(served.site, ident)) == 1
    tabs[1].loads(lambda: tabs[1].press("Enter", ctrl=True))
    assert [(e.author, e.points) for e in edits(served.site, ident)] == [("sensei", 1.5), ("suzuki", 1.5)]


def test_the_second_of_two_people_can_leave_the_points_of_the_first(served, chromium):
    ident = served.site.attempt(3)
    tab = chromium.tab()
    sign_in(tab, served.base, "suzuki")
    tab.go(f"{served.base}{PATH}?at={ident}")
    served.site.book.add_edit(ident, "filters-discussion", 1.0, "sensei", "short")
    tab.press("1")
    tab.loads(lambda: tab.press("Enter"))
    tab.loads(lambda: tab.press("x"))
    assert attempt_of(tab) == ident
    assert tab.run("document.getElementById('conflict')") is None
    assert tab.run("document.querySelector('[name=points]').value") == "1"
    assert [e.author for e in edits(served.site, ident)] == ["sensei"]


@pytest.mark.parametrize("served", [12], indirect=True)
def test_from_the_first_filter_to_the_report_that_a_student_reads(served, chromium):
    site, (one, two, sensei, student) = served.site, [chromium.tab() for _ in range(4)]
    sign_in(one, served.base, "suzuki")
    one.go(f"{served.base}/a/b2-1")
    choose = "const s = document.querySelector('[name=section]'); s.value = 'B'; s.dispatchEvent(new Event('change'))"
    one.loads(lambda: one.run(choose))
    assert one.run("location.search.includes('section=B')")
    assert one.run("[...document.querySelectorAll('.roster tbody td:first-child')].map(d => d.innerText).join()") == (
        "S002,S004,S006,S008,S010,S012"
    )
    sign_in(two, served.base, "sensei")
    for tab in (one, two):
        tab.go(served.base + PATH)
    for _ in range(5):
        for tab, key in ((one, "1"), (two, "3")):
            tab.press(key)
            tab.loads(lambda tab=tab: tab.press("Enter"))
    given = [r.edits for r in site.book.counting("b2-1") if r.edits]
    assert [len(edits) for edits in given] == [1] * 10
    assert sorted(edits[0].author for edits in given) == ["sensei"] * 5 + ["suzuki"] * 5
    sign_in(student, served.base, "s002")
    assert "S002" not in student.run("document.body.innerText")
    sign_in(sensei, served.base, "sensei")
    sensei.go(f"{served.base}/a/b2-1")
    sensei.run("window.confirm = () => true")
    sensei.loads(lambda: sensei.run("document.querySelector('#release').parentElement.querySelector('button').click()"))
    assert "Students see their reports: all." in sensei.run("document.body.innerText")
    student.go(f"{served.base}/me")
    student.loads(lambda: student.run("document.querySelector('.own a').click()"))
    read = student.run("document.body.innerText")
    assert name_of(2) in read
    assert all(name_of(k) not in read for k in range(3, 13))
    student.go(f"{served.base}/a/b2-1/s/{site.attempt(3)}")
    assert name_of(3) not in student.run("document.body.innerText")
    assert [tab.complaints for tab in (one, two, sensei)] == [[], [], []]


def test_the_live_page_follows_the_batch_without_being_loaded_again(served, chromium):
    from grader.pipeline import Batch
    from grader.pipeline.progress import ProgressFile

    tab = chromium.tab()
    sign_in(tab, served.base, "sensei")
    tab.go(f"{served.base}/live")
    assert "No batch has run" in tab.run("document.body.innerText")
    with ProgressFile(served.site.world.settings.workspace, "b2-1") as file:
        batch = Batch(3, file.tell)
        batch.running["s09.ipynb"] = None
        file.tell(batch)
        end = time.monotonic() + 30
        while "s09.ipynb" not in tab.run("document.body.innerText") and time.monotonic() < end:
            time.sleep(0.1)
    assert "0 of 3 graded" in tab.run("document.body.innerText")
    assert tab.complaints == []


PARTS = "['.answer', '#mark', '.shown .training']"
BOXES = f"{PARTS}.map((part) => document.querySelector(part).getBoundingClientRect().toJSON())"


def test_the_form_is_beside_the_answer_and_stays_there_and_on_a_phone_comes_right_after_it(served, chromium):
    tab = chromium.tab()
    sign_in(tab, served.base, "suzuki")
    tab.size(1280, 800)
    tab.go(served.base + PATH)
    answer, form, figures = tab.run(BOXES)
    assert form["left"] > max(answer["right"], figures["right"])
    assert form["top"] < answer["bottom"] < figures["top"]
    tab.run("document.querySelectorAll('.training').forEach((d) => { d.open = true }); scrollTo(0, 1e6)")
    assert tab.run("scrollY") > 200
    assert 0 <= tab.run(BOXES)[1]["top"] < 100
    tab.size(390, 844)
    tab.go(served.base + PATH)
    answer, form, figures = tab.run(BOXES)
    assert answer["bottom"] < form["top"] < form["bottom"] < figures["top"]
    assert form["top"] - answer["bottom"] < 150


def axe():
    import axe_core_python

    return (Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8")


STAFF_PAGES = (
    "/assignments",
    "/a/b2-1",
    "/a/b2-1?state=attention&sort=points",
    "/a/b2-1/s/{one}",
    "/a/b2-1/s/{two}/diff/{one}",
    "/a/b2-1/grade",
    PATH + "?at={one}",
    "/requests",
    "/live",
    "/jobs",
    "/audit",
    "/account",
    "/nowhere",
)


def barriers(tab, address):
    """What axe-core finds, WCAG 2.2 A and AA and its best practices."""
    tab.go(address)
    tab.run(axe())
    rules = "{resultTypes: ['violations']}"
    found = tab.run(f"axe.run(document, {rules}).then(r => JSON.stringify(r.violations))")
    return [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in json.loads(found)]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_page_has_a_barrier_nor_is_wider_than_its_window(served, chromium, width, scheme):
    site = served.site
    add_attempt(site.book, 1, "conv-callback")
    site.book.desk.ask(site.attempt(2), "runs", "Please look again.")
    site.book.desk.release("b2-1", "*", "student", "sensei")
    one, two = site.attempt(1, 1), site.attempt(1, 2)
    found = {}
    for name, pages in ((None, ("/sign-in",)), ("sensei", STAFF_PAGES), ("s002", ("/me", "/me/b2-1/1"))):
        tab = chromium.tab()
        tab.size(width, 800)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        tab.call("Emulation.setEmulatedMedia", features=media)
        if name:
            sign_in(tab, served.base, name)
        for page in pages:
            path = page.format(one=one, two=two)
            found[path] = barriers(tab, served.base + path)
            if tab.run("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"):
                found[path].append("wider than the window")
    assert {path: what for path, what in found.items() if what} == {}
