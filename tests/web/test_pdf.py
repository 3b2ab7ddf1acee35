"""Reports on paper: for those who may see the page, one browser at a time, few people in line."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace

import chrome as browser
import pytest
from web_class import SECRET, name_of

from grader.errors import PrintError
from grader.web import press as press_module
from grader.web.press import IN_LINE, Busy, Press

pypdf = pytest.importorskip("pypdf")


class Paper:
    """Stands in for a browser; counts how many there are at once, and waits until it may go on."""

    now, most, may_go_on, fault = 0, 0, threading.Event(), None

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        Paper.now += 1
        Paper.most = max(Paper.most, Paper.now)
        return self

    def __exit__(self, *_):
        Paper.now -= 1

    def pdf(self, page):
        assert Paper.may_go_on.wait(30)
        if Paper.fault:
            raise Paper.fault
        return b"%PDF-" + page.encode("utf-8")


@pytest.fixture
def paper(monkeypatch):
    """Its time is what the test says."""
    Paper.now, Paper.most, Paper.fault = 0, 0, None
    Paper.may_go_on.set()
    monkeypatch.setattr(press_module, "find_browser", lambda _named: "a browser")
    monkeypatch.setattr(press_module, "Printer", Paper)
    clock = [100.0]
    monkeypatch.setattr(press_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def lined_up(press, who):
    """A thread of somebody in line; only when they are in it."""
    thread = threading.Thread(target=press.pdf, args=(who, "page"))
    thread.start()
    while who not in press._until:
        assert thread.is_alive()
    return thread


def test_one_browser_runs_at_a_time_and_few_people_wait(paper):
    press = Press(None)
    Paper.may_go_on.clear()
    threads = [lined_up(press, f"p{k}") for k in range(IN_LINE)]
    with pytest.raises(Busy):
        press.pdf("p9", "page")
    with pytest.raises(Busy):
        press.pdf("p0", "page")  # from another window
    Paper.may_go_on.set()
    for thread in threads:
        thread.join(30)
    assert Paper.most == 1
    assert press.pdf("p9", "page") == b"%PDF-page"


def test_the_next_one_of_the_same_person_comes_after_a_pause(paper):
    press = Press(None)
    assert press.pdf("a", "1") == b"%PDF-1"
    with pytest.raises(Busy) as busy:
        press.pdf("a", "2")
    assert busy.value.wait_s == press_module.PAUSE_S
    assert press.pdf("b", "3") == b"%PDF-3"
    paper[0] += press_module.PAUSE_S
    assert press.pdf("a", "2") == b"%PDF-2"


def test_a_browser_that_fails_leaves_the_line(paper):
    press = Press(None)
    Paper.fault = PrintError("it stopped")
    with pytest.raises(PrintError):
        press.pdf("a", "1")
    Paper.fault = None
    assert press.pdf("b", "1") == b"%PDF-1"


def test_where_there_is_no_browser_nothing_is_offered(site):
    site.book.desk.release("b2-1", "*", "student", "sensei")
    own, page = "/me/b2-1/1", f"/a/b2-1/s/{site.attempt(2)}"
    for name, path in (("s002", own), ("sensei", page)):
        client = site.client(name)
        assert "report.pdf" not in client.get(path).text
        assert client.get(f"{path}/report.pdf").status_code == 404


def test_a_pdf_is_for_those_who_may_see_the_page(make_site, paper):
    site = make_site()
    student, ta, sensei = (site.client(name) for name in ("s001", "tanaka", "sensei"))
    assert student.get("/me/b2-1/2/report.pdf").status_code == 404  # nothing is released
    site.book.desk.release("b2-1", "*", "student", "sensei")
    assert '"/me/b2-1/2/report.pdf"' in student.get("/me/b2-1/2").text
    answer = student.get("/me/b2-1/2/report.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == 'attachment; filename="b2-1-2.pdf"'
    assert name_of(1) in answer.text
    assert SECRET not in answer.text
    assert all(name_of(k) not in answer.text for k in (2, 3, 4))
    assert student.get("/me/b2-1/3/report.pdf").status_code == 404
    assert student.get(f"/a/b2-1/s/{site.attempt(1)}/report.pdf").status_code == 403
    other = f"/a/b2-1/s/{site.attempt(2)}"
    assert ta.get(f"{other}/report.pdf").status_code == 404  # not of their section
    assert f'"{other}/report.pdf"' in sensei.get(other).text
    assert SECRET in sensei.get(f"{other}/report.pdf").text
    line = site.book.accounts.log(1)[0][0]
    assert (line.who, line.action, line.object) == ("sensei", "file fetched", f"b2-1 {site.attempt(2)} report.pdf")


def test_whoever_has_to_wait_is_told_how_long(make_site, paper):
    site = make_site()
    client, path = site.client("sensei"), f"/a/b2-1/s/{site.attempt(2)}/report.pdf"
    assert client.get(path).status_code == 200
    answer = client.get(path, headers={"accept-language": "en"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert "Too many PDFs at once. Wait 5 s." in answer.text


def test_what_is_wrong_with_the_browser_is_for_staff_to_read(make_site, paper):
    site = make_site()
    site.book.desk.release("b2-1", "*", "student", "sensei")
    Paper.fault = PrintError("/opt/chromium stopped")
    answers = [
        site.client(who).get(f"{path}/report.pdf")
        for who, path in (("sensei", f"/a/b2-1/s/{site.attempt(2)}"), ("s002", "/me/b2-1/1"))
    ]
    assert [a.status_code for a in answers] == [500, 500]
    assert ["/opt/chromium" in a.text for a in answers] == [True, False]


@pytest.mark.slow
@pytest.mark.skipif(browser.find() is None, reason="no Chromium here")
def test_a_real_browser_makes_the_report_in_the_language_of_whoever_asks(make_site):
    site = make_site(browser=browser.find())
    site.book.desk.release("b2-1", "*", "student", "sensei")
    answer = site.client("s002").get("/me/b2-1/1/report.pdf?lang=en")
    read = pypdf.PdfReader(io.BytesIO(answer.content))
    text = "".join(page.extract_text() for page in read.pages)
    assert "S002" in text
    assert "Information to reproduce this" in text
    assert SECRET not in text
