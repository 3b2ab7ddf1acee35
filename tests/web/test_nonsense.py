"""Addresses and forms that no page of ours leads to are answered as such, whatever the gradebook is kept in."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from web_site import post

from grader.web import hub as hub_module
from grader.web.ask import COOKIE
from grader.web.credentials import csrf_token
from grader.web.hub import Hub, state_of
from grader.web.ways import WAYS

NUMBERS = [str(2**31), str(2**63), str(2**64), "9" * 30, "9" * 5000]


def paths(way, text=None, number=None):
    """The way's path with ``text`` or ``number`` in one of its places, for each place."""
    fit = {"assignment": "b2-1", "criterion": "filters-discussion", "name": "executed.ipynb", "token": "none"}
    places = re.findall(r"\{(\w+)(:?)\w*\}", way.path)
    for wrong in [place for place, kind in places if bool(kind) is (number is not None)]:
        path = way.path
        for place, kind in places:
            value = (number if kind else text) if place == wrong else "1" if kind else fit[place]
            path = re.sub(rf"\{{{place}(:\w+)?\}}", lambda _, v=value: quote(str(v), safe=""), path)
        yield path


def refused(site, way, path):
    client = site.client("s001" if way.path.startswith("/me") else "sensei", raise_server_exceptions=False)
    answer = post(client, path) if way.method == "POST" else client.get(path)
    return answer.status_code in (400, 404)


@pytest.fixture
def open_site(any_site):
    """One whose grades are released, so that students come further."""
    any_site.book.desk.release("b2-1", "*", "student", "sensei")
    return any_site


def test_a_number_in_a_path_that_nothing_can_have_is_no_page(open_site):
    ways = [way for way in WAYS if re.search(r":\w+\}", way.path)]
    asked = [(way, path) for way in ways for number in NUMBERS for path in paths(way, number=number)]
    assert len(asked) > 40
    assert [(way.method, path[:60]) for way, path in asked if not refused(open_site, way, path)] == []


def test_a_nul_in_a_path_is_no_page(open_site):
    asked = [(way, path) for way in WAYS for path in paths(way, "b2-1\x00")]
    assert len(asked) > 20
    assert [(way.method, path) for way, path in asked if not refused(open_site, way, path)] == []


def test_a_nul_after_the_question_mark_is_no_page(open_site):
    names = (
        "who",
        "page",
        "section",
        "state",
        "flag",
        "q",
        "sort",
        "at",
        "names",
        "done",
        "lang",
        "next",
        "code",
        "state",
    )
    ways = [way for way in WAYS if "{" not in way.path or way.path.endswith(("{assignment}", "{criterion}"))]
    for way in ways:
        path = way.path.replace("{assignment}", "b2-1").replace("{criterion}", "filters-discussion")
        for name in names:
            assert refused(open_site, way, f"{path}?{name}=a%00b"), (way.method, path, name)
    assert open_site.client("sensei").get("/audit?who=a%2500b").status_code == 200


def test_a_number_in_a_form_that_nothing_can_have_names_nothing(open_site):
    client, ident = open_site.client("sensei", raise_server_exceptions=False), open_site.attempt(2)
    question = "/a/b2-1/grade/filters-discussion"
    open_site.book.add_edit(ident, "filters-discussion", 2.0, "suzuki", "r")
    for number in NUMBERS:
        edit = {"criterion": "filters-discussion", "points": "1", "reason": "r", "seen-filters-discussion": number}
        given = {"attempt": ident, "points": "1", "seen": number}
        answers = [
            post(client, f"/a/b2-1/s/{ident}/edit", edit),
            post(client, question, given),
            post(client, question, {**given, "attempt": number}),
            post(client, question, {**given, "snippet": number, "points": number}),
            post(client, f"{question}/snippets", {"snippet": number, "words": "x", "attempt": ident}),
        ]
        assert [a.status_code for a in answers] == [409, 409, 404, 400, 400]


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b", "\n"])
def test_a_name_of_the_hub_that_nobody_here_can_have_is_refused(any_site, monkeypatch, name):
    told = [{"access_token": "t"}, json.loads(json.dumps({"name": name}))]
    monkeypatch.setattr(hub_module, "_asked", lambda *_a, **_k: told.pop(0))
    any_site.app.room.hub = Hub("http://hub", "http://hub/authorize", "c", "/oauth_callback", "secret")
    client = any_site.client(None, raise_server_exceptions=False)
    client.get("/sign-in")
    answer = client.get(f"/oauth_callback?code=1&state={state_of(client.cookies[COOKIE])}")
    assert answer.status_code == 400
    assert any_site.book.accounts.log(5)[0] == []


def test_half_a_character_in_a_form_is_kept_as_none(any_site):
    client = any_site.client(None, raise_server_exceptions=False)
    client.get("/sign-in")
    fields = {"csrf": csrf_token(client.cookies[COOKIE]), "name": "a+2AA-b", "password": "x"}
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(*field) for field in fields.items()) + "--x--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=x; charset=utf-7"}
    assert client.post("/sign-in", content=body, headers=kind).status_code == 403
    assert any_site.book.accounts.log(1)[0][0].object == "a?b"
