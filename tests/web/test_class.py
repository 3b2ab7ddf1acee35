"""The class page: filters, order, pages, figures, and what a submission's page shows."""

from __future__ import annotations

import re

import pytest
from web_class import add_attempt, name_of
from web_site import post

from grader.model import Outcome
from grader.web.classlist import PER_PAGE, Wanted, chosen, paged
from grader.web.notebookdiff import compare


def names(page):
    return [int(n) for n in re.findall(r"第(\d+)</bdi></a>", page.split('id="all"')[1])]


def test_everybody_is_on_the_list_and_whoever_did_not_hand_in(site):
    page = site.client("sensei").get("/a/b2-1").text
    assert names(page) == [1, 2, 3, 4]
    assert "第5" in page
    assert "not handed in" in page
    assert "4 / 5" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=S003", [3]),
        ("q=第2", [2]),
        ("q=ｓ００１", [1]),
        ("q=nobody", []),
        ("section=A", [1, 3]),
        ("state=review", [1, 2, 3, 4]),
        ("state=done", []),
        ("state=missing", []),
        ("sort=id&down=1", [4, 3, 2, 1]),
        ("section=B&q=S002", [2]),
        ("state=nonsense&sort=nonsense&page=-1&flag=x", [1, 2, 3, 4]),
        ("page=99999999999", [1, 2, 3, 4]),
    ],
)
def test_the_list_is_filtered_and_sorted_by_the_address(module_site, query, expected):
    assert names(module_site.client("sensei").get(f"/a/b2-1?{query}").text) == expected


def test_points_are_sorted_as_numbers_and_unknown_ones_come_last(module_site):
    lines = module_site.app.room.class_of("b2-1").lines
    up = chosen(lines, Wanted(sort="points"))
    down = chosen(lines, Wanted(sort="points", down=True))
    known = [line.result.score.points for line in up if line.result]
    assert known == sorted(known)
    assert [line.result.score.points for line in down if line.result] == sorted(known, reverse=True)
    assert up[-1].result is None
    assert down[-1].result is None


def test_a_large_class_comes_in_pages(make_site):
    site = make_site(2 * PER_PAGE + 5)
    client = site.client("sensei")
    found = [names(client.get(f"/a/b2-1?page={page}").text) for page in (1, 2, 3)]
    assert [len(page) for page in found] == [PER_PAGE, PER_PAGE, 5]
    assert len({k for page in found for k in page}) == 2 * PER_PAGE + 5
    flagged = client.get("/a/b2-1?flag=trained_on_test_data").text
    assert names(flagged) == [k for k in range(1, 2 * PER_PAGE + 6) if k % 5 == 0]


def test_a_page_that_is_not_there_is_the_nearest_one():
    assert paged([], 7).number == 1
    assert paged([None] * 51, 9).number == 2


def test_a_new_result_and_an_edit_are_there_at_once(site):
    room = site.app.room
    before = room.class_of("b2-1")
    assert room.class_of("b2-1") is before
    add_attempt(site.book, 5)
    after = room.class_of("b2-1")
    assert sum(line.result is not None for line in after.lines) == 5
    site.book.add_edit(site.attempt(5), "filters-discussion", 4.0, "sensei", "good")
    line = room.class_of("b2-1").of_attempt(site.attempt(5))
    assert {c.id: c.points for c in line.result.score.criteria}["filters-discussion"] == 4.0


def test_the_other_assignments_stand_beside_it(site):
    client = site.client("sensei")
    assert "Beside other assignments" not in client.get("/a/b2-1").text
    for k in (1, 2):
        add_attempt(site.book, k, "conv-callback")
    page = client.get("/a/conv-callback").text
    assert "Beside other assignments" in page
    assert re.search(r'<td class="r soft">[+-]\d+</td>', page)


def test_an_assignment_whose_rubric_broke_does_not_take_the_others_away(site, monkeypatch):
    from grader.errors import CourseError

    add_attempt(site.book, 1, "conv-callback")
    site.book.desk.ask(site.book.attempts("conv-callback")[0].id, "", "please look again")
    context = site.app.room.context

    def broken(assignment):
        if assignment == "conv-callback":
            raise CourseError("rubric.toml: no good")
        return context(assignment)

    monkeypatch.setattr(site.app.room, "context", broken)
    client = site.client("sensei")
    assert "rubric.toml: no good" in client.get("/assignments").text
    assert client.get("/a/b2-1").status_code == 200
    assert client.get("/requests").status_code == 200
    assert client.get(f"/a/b2-1/s/{site.attempt(1)}").status_code == 200
    assert site.client("s001").get("/me").status_code == 200


def test_a_submission_shows_report_attempts_history_and_files(site):
    client = site.client("sensei")
    page = client.get(f"/a/b2-1/s/{site.attempt(1, 2)}").text
    assert name_of(1) in page
    for what in ("Result by criterion", "attempt 1", "what changed", "executed.ipynb", "Give points by hand"):
        assert what in page
    other = client.get(f"/a/b2-1/s/{site.attempt(1, 1)}").text
    assert "This attempt does not count." in other


def test_another_attempt_is_chosen_with_a_reason(site):
    client, first = site.client("tanaka"), site.attempt(1, 1)
    path = f"/a/b2-1/s/{first}/choose"
    assert post(client, path, {"reason": " "}).status_code == 400
    assert post(client, path, {"reason": "wrong file the second time"}).status_code == 200
    assert site.app.room.class_of("b2-1").of_attempt(first).attempt_id == first
    assert "wrong file the second time" in client.get(f"/a/b2-1/s/{first}").text
    assert post(client, f"/a/b2-1/s/{site.attempt(2)}/choose", {"reason": "r"}).status_code == 404


def test_the_difference_of_two_attempts_is_shown_cell_by_cell(site):
    new, old = site.attempt(1, 2), site.attempt(1, 1)
    page = site.client("sensei").get(f"/a/b2-1/s/{new}/diff/{old}").text
    assert re.search(r'class="removed">− history = .*epochs=10', page)
    assert re.search(r'class="added">\+ history = .*epochs=12', page)
    assert "1 cells differ" in page


def test_points_by_hand_need_a_reason_and_are_never_put_over_unseen_ones(site):
    client, ident = site.client("sensei"), site.attempt(2)
    path, form = f"/a/b2-1/s/{ident}/edit", {"criterion": "runs", "points": "1,5", "seen-runs": "0"}
    assert post(client, path, form).status_code == 400
    assert post(client, path, {**form, "points": "many", "reason": "r"}).status_code == 400
    assert post(client, path, {**form, "points": "99", "reason": "r"}).status_code == 400
    assert post(client, path, {**form, "seen-runs": "²", "reason": "half"}).status_code == 200
    (edit,) = next(r.edits for r in site.book.latest_results("b2-1") if r.attempt_id == ident)
    assert (edit.points, edit.author, edit.reason) == (1.5, "sensei", "half")
    again = post(site.client("suzuki"), path, {**form, "points": "2", "reason": "full"})
    assert again.status_code == 409
    assert "sensei edited this meanwhile" in again.text
    back = post(client, path, {"criterion": "runs", "points": "", "seen-runs": str(edit.id), "reason": "back"})
    assert back.status_code == 200
    assert "taken back" in back.text


def test_matching_cells_are_found_though_others_came_between():
    def book(*sources):
        return {"cells": [{"cell_type": "code", "source": s} for s in sources]}

    same = "import numpy as np\nx = np.arange(10)\nprint(x)"
    found = compare(book("a = 1", same, "old = 1"), book("a = 1", "new = 2", same.replace("10", "12")))
    kinds = [(c.kind, c.old, c.new) for c in found]
    assert ("added", 0, 2) in kinds
    assert ("changed", 2, 3) in kinds
    assert ("removed", 3, 0) in kinds
    assert compare(book("a"), book("a")) == []


@pytest.mark.parametrize("odd", [{}, {"cells": None}, {"cells": [1, {"source": 5}, {"source": ["a", 2]}]}])
def test_whatever_a_notebook_holds_can_be_compared(odd):
    compare(odd, {"cells": [{"source": "x"}]})
    compare({"cells": [{"source": "x"}]}, odd)


def test_the_waiting_outcome_is_what_the_grading_page_is_for(site):
    assert Outcome.NEEDS_REVIEW in {
        c.outcome for line in site.app.room.class_of("b2-1").lines if line.result for c in line.result.score.criteria
    }
    page = site.client("sensei").get("/a/b2-1/grade").text
    assert page.count("0 / 4") == 2


def test_a_deadline_that_moves_counts_at_once(site):
    client, told = site.client("sensei"), "after the deduction for lateness"
    assert told not in client.get("/a/b2-1").text
    rules = "[assignment.b2-1]\ndue = 2026-10-31T23:59:00Z\npercent_per_day = 10\nfile_times = true\n"
    (site.world.settings.workspace / "late.toml").write_text(rules, "utf-8")
    assert told in client.get("/a/b2-1").text
