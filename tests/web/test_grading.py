"""Grading written answers: points, items and comments, no names, two people at once, progress."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from web_class import name_of
from web_site import post

from grader.errors import StoreError

PATH = "/a/b2-1/grade/filters-discussion"


def edits(site, ident):
    return next(r.edits for r in site.book.latest_results("b2-1") if r.attempt_id == ident)


def save(client, ident, points="3", seen="0", **more):
    return post(client, PATH, {"attempt": ident, "points": points, "seen": seen, **more}, follow_redirects=False)


def test_the_page_shows_the_students_words_with_filters_and_curves(site):
    page = site.client("sensei").get(f"{PATH}?at={site.attempt(2)}").text
    assert "学習後は白と黒の帯がはっきり分かれた" in page
    assert "B2-1-1" not in page.split('class="answer"')[1].split("</div>")[0]
    assert "Before training" in page
    assert page.count("<svg") > 3


def test_pictures_and_words_of_another_task_are_pointed_out(site):
    path = site.world.settings.workspace / "evidence" / "one" / "executed.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": source}
        for source in (
            "## 課題 B2-1-1\n![考察](attachment:note.png)",
            "## 課題 B2-1-2",
            "# まとめ\nフィルタは線に似た模様になった。\nCNN が BPNN より良いのは重みを共有するためだと考えた。",
        )
    ]
    path.write_text(json.dumps({**notebook, "cells": cells}), "utf-8")
    page = site.client("sensei").get(f"{PATH}?at={site.attempt(2)}").text
    assert "フィルタは線に似た模様になった。" in page.split('class="answer"')[1].split("</div>")[0]
    assert "in the place of another task" in page
    assert "Pictures stand here, in cell 1:" in page


def test_nobody_is_named_until_somebody_asks_for_names(site):
    client, ident = site.client("sensei"), site.attempt(2)
    hidden = client.get(f"{PATH}?at={ident}").text
    assert all(name_of(k) not in hidden and f"S00{k}" not in hidden for k in (1, 2, 3, 4))
    shown = client.get(f"{PATH}?at={ident}&names=1").text
    assert name_of(2) in shown
    assert name_of(2) in client.get(f"{PATH}?at={ident}").text
    assert name_of(2) not in client.get(f"{PATH}?at={ident}&names=0").text


def test_saving_keeps_points_with_author_and_goes_on_to_the_next_open_answer(site):
    client = site.client("tanaka")
    first = re.search(r'name="attempt" value="(\d+)"', client.get(PATH).text)[1]
    answer = save(client, first, "2.5", own="Name a filter.")
    (edit,) = edits(site, int(first))
    assert (edit.points, edit.author, edit.reason) == (2.5, "tanaka", "Name a filter.")
    target = re.search(r"at=(\d+)", answer.headers["location"])[1]
    assert target != first
    assert "2.5 points" in client.get(answer.headers["location"]).text


def test_all_answers_are_graded_one_after_the_other(any_site):
    site = any_site
    client = site.client("sensei")
    seen, address = [], PATH
    for _ in range(4):
        page = client.get(address).text
        seen.append(re.search(r'name="attempt" value="(\d+)"', page)[1])
        address = save(client, seen[-1], "4").headers["location"]
    assert len(set(seen)) == 4
    assert "4 of 4 decided" in client.get(PATH).text
    assert site.client("sensei").get("/a/b2-1/grade").text.count("4 / 4") == 1


@pytest.mark.parametrize("points", ["", "-1", "4.5", "nan", "inf", "x", "1e9"])
def test_points_outside_the_question_are_refused(site, points):
    answer = save(site.client("sensei"), site.attempt(2), points)
    assert answer.status_code == 400
    assert "from 0 to 4" in answer.text
    assert edits(site, site.attempt(2)) == ()


def test_ticked_items_and_comments_become_the_reason_and_are_ticked_again(site):
    client, ident = site.client("sensei"), site.attempt(2)
    for words, points in (("differs from before", "1.5"), ("names a filter", "1"), ("Which one?", "")):
        assert post(client, f"{PATH}/snippets", {"attempt": ident, "words": words, "points": points}).status_code == 200
    items = [s.id for s in site.book.desk.snippets("b2-1", "filters-discussion")]
    save(client, ident, "1.5", snippet=[items[0], items[2]], own="Good.")
    assert edits(site, ident)[-1].reason == "differs from before (+1.5) / Which one? / Good."
    page = client.get(f"{PATH}?at={ident}").text
    assert re.findall(r'value="(\d+)" checked', page) == [str(items[0]), str(items[2])]
    assert 'data-key="1"' in page
    assert 'data-key="q"' in page
    assert "×1" in page


def test_items_are_changed_and_removed_without_losing_what_was_said(any_site):
    site = any_site
    client, ident, desk = site.client("sensei"), site.attempt(2), site.book.desk
    post(client, f"{PATH}/snippets", {"attempt": ident, "words": "one", "points": "1"})
    post(client, f"{PATH}/snippets", {"attempt": ident, "words": "two", "points": "1"})
    (one, two) = desk.snippets("b2-1", "filters-discussion")
    change = {"attempt": ident, "snippet": one.id, "words": "first", "points": "0.5"}
    post(client, f"{PATH}/snippets", change)
    assert [(s.words, s.points) for s in desk.snippets("b2-1", "filters-discussion")] == [("first", 0.5), ("two", 1.0)]
    late = post(site.client("suzuki"), f"{PATH}/snippets", {**change, "words": "mine"})
    assert late.status_code == 400
    assert "Somebody changed this meanwhile" in late.text
    post(client, f"{PATH}/snippets", {"attempt": ident, "snippet": two.id, "retire": "1"})
    assert [s.words for s in desk.snippets("b2-1", "filters-discussion")] == ["first"]


def test_the_second_of_two_people_sees_the_edit_of_the_first_and_decides(any_site):
    site = any_site
    one, two, ident = site.client("sensei"), site.client("suzuki"), site.attempt(2)
    for client in (one, two):
        assert 'name="seen" value="0"' in client.get(f"{PATH}?at={ident}").text
    assert save(one, ident, "3", own="clear").status_code == 303
    met = save(two, ident, "1", own="too short")
    assert met.status_code == 409
    assert [e.author for e in edits(site, ident)] == ["sensei"]
    assert "sensei was quicker" in met.text
    assert "clear" in met.text
    assert 'name="points"' in met.text
    assert 'value="1"' in met.text
    assert "too short" in met.text
    seen = re.search(r'name="seen" value="(\d+)"', met.text)[1]
    assert save(two, ident, "1", seen, own="too short").status_code == 303
    assert [(e.author, e.points) for e in edits(site, ident)] == [("sensei", 3.0), ("suzuki", 1.0)]


def test_an_answer_that_somebody_has_open_is_not_given_to_the_next(site):
    one, two = site.client("sensei"), site.client("suzuki")
    first = re.search(r'name="attempt" value="(\d+)"', one.get(PATH).text)[1]
    page = two.get(PATH).text
    assert re.search(r'name="attempt" value="(\d+)"', page)[1] != first
    assert "Also here: sensei" in page


def test_people_on_another_server_are_seen_too(any_site):
    first = re.search(r'name="attempt" value="(\d+)"', any_site.client("sensei").get(PATH).text)[1]
    page = any_site.another().client("suzuki").get(PATH).text
    assert re.search(r'name="attempt" value="(\d+)"', page)[1] != first
    assert "Also here: sensei" in page


def test_an_answer_can_be_read_where_nobody_can_be_told_who_reads_it(site, monkeypatch):
    def full(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(site.app.room.book.presence, "here", full)
    assert site.client("sensei").get(f"{PATH}?at={site.attempt(2)}").status_code == 200


def test_points_are_taken_back_by_whoever_gave_them(site):
    client, ident = site.client("sensei"), site.attempt(2)
    save(client, ident, "3")
    assert post(site.client("suzuki"), f"{PATH}/undo", {"attempt": ident}).status_code == 400
    assert post(client, f"{PATH}/undo", {"attempt": ident}).status_code == 200
    assert [e.points for e in edits(site, ident)] == [3.0, None]
    assert post(client, f"{PATH}/undo", {"attempt": ident}).status_code == 400


def test_a_criterion_that_checks_decided_has_no_answers_to_grade(site):
    assert site.client("sensei").get("/a/b2-1/grade/runs").status_code == 404
    assert site.client("sensei").get("/a/b2-1/grade/nothing").status_code == 404


def test_a_student_asks_and_reads_the_answer(any_site):
    site = any_site
    site.book.desk.release("b2-1", "*", "student", "sensei")
    student, staff = site.client("s002"), site.client("suzuki")
    asked = post(student, "/me/b2-1/1", {"criterion": "filters-discussion", "words": "I wrote about edges."})
    assert "Your request was sent" in asked.text
    assert "I wrote about edges." in staff.get("/requests").text
    assert '<span class="count num"' in staff.get("/assignments").text
    ident = site.book.desk.requests()[0].id
    save(staff, site.attempt(2), "4", own="right, it is there")
    post(staff, f"/requests/{ident}", {"words": "You are right."})
    page = student.get("/me/b2-1/1").text
    assert "You are right." in page
    assert "points changed" in page
    assert "suzuki" not in page.split("You are right.")[0].rsplit("answered", 1)[1]
    assert "Graded by a person: right, it is there" in page


def test_requests_need_words_and_only_five_wait(site):
    site.book.desk.release("b2-1", "*", "student", "sensei")
    student = site.client("s002")
    assert post(student, "/me/b2-1/1", {"words": "  "}).status_code == 400
    assert post(student, "/me/b2-1/1", {"words": "x", "criterion": "nothing"}).status_code == 404
    codes = [post(student, "/me/b2-1/1", {"words": f"look {k}"}).status_code for k in range(6)]
    assert codes == [200] * 5 + [400]


def test_a_release_is_written_down_and_shown(site):
    client = site.client("sensei")
    assert post(client, "/a/b2-1/release", {"section": "A", "audience": "student_after_due"}).status_code == 200
    assert post(client, "/a/b2-1/release", {"section": "Z", "audience": "student"}).status_code == 404
    assert post(client, "/a/b2-1/release", {"section": "A", "audience": "staff"}).status_code == 404
    (release,) = site.book.desk.releases("b2-1")
    assert (release.section, release.audience, release.author) == ("A", "student_after_due", "sensei")
    assert "Students see their reports: A." in client.get("/a/b2-1").text
    assert site.book.accounts.log(1)[0][0].action == "grades released"


def test_many_people_at_once_lose_no_edit(any_site):
    site = any_site
    ids, together = [site.attempt(k) for k in (2, 3, 4)], threading.Barrier(6)
    clients = [site.client(name) for name in ("sensei", "suzuki") * 3]

    def grade(k):
        together.wait(60)
        return [save(clients[k], ident, f"{k % 4}", own=f"by {k}").status_code for ident in ids]

    with ThreadPoolExecutor(6) as pool:
        codes = [code for answers in pool.map(grade, range(6)) for code in answers]
    assert sorted(set(codes)) == [303, 409]
    assert codes.count(303) == 3
    assert all(len(edits(site, ident)) == 1 for ident in ids)
