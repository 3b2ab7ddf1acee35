"""Every route, for everybody: the table of :mod:`grader.web.ways` against what is expected here, written down again."""

from __future__ import annotations

import pytest
from web_site import PEOPLE, post

from grader.web.ways import EVENTS, WAYS

NOBODY, STUDENT, TA, INSTRUCTOR = None, "s001", "tanaka", "sensei"
EVERYBODY = {NOBODY, STUDENT, TA, INSTRUCTOR}
SIGNED_IN = {STUDENT, TA, INSTRUCTOR}
STAFF = {TA, INSTRUCTOR}

EXPECTED = {
    "GET /": SIGNED_IN,
    "GET /sign-in": EVERYBODY,
    "POST /sign-in": EVERYBODY,
    "GET /hub": EVERYBODY,
    "GET /oauth_callback": EVERYBODY,
    "GET /link/{token}": EVERYBODY,
    "POST /link/{token}": EVERYBODY,
    "POST /sign-out": SIGNED_IN,
    "GET /account": SIGNED_IN,
    "POST /account": SIGNED_IN,
    "GET /assignments": STAFF,
    "GET /a/{assignment}": STAFF,
    "GET /a/{assignment}/s/{attempt:number}": STAFF,
    "GET /a/{assignment}/s/{attempt:number}/report": STAFF,
    "GET /a/{assignment}/s/{attempt:number}/report.pdf": STAFF,
    "GET /a/{assignment}/s/{attempt:number}/file/{name}": STAFF,
    "GET /a/{assignment}/s/{attempt:number}/diff/{other:number}": STAFF,
    "POST /a/{assignment}/s/{attempt:number}/edit": STAFF,
    "POST /a/{assignment}/s/{attempt:number}/choose": STAFF,
    "GET /a/{assignment}/grade": STAFF,
    "GET /a/{assignment}/grade/{criterion}": STAFF,
    "POST /a/{assignment}/grade/{criterion}": STAFF,
    "POST /a/{assignment}/grade/{criterion}/undo": STAFF,
    "POST /a/{assignment}/grade/{criterion}/snippets": STAFF,
    "GET /requests": STAFF,
    "POST /requests/{request:number}": STAFF,
    "POST /a/{assignment}/release": {INSTRUCTOR},
    "GET /live": {INSTRUCTOR},
    "GET /live/events": {INSTRUCTOR},
    "GET /jobs": {INSTRUCTOR},
    "POST /jobs": {INSTRUCTOR},
    "GET /jobs/{job:number}": {INSTRUCTOR},
    "POST /jobs/{job:number}/stop": {INSTRUCTOR},
    "GET /jobs/{job:number}/file": {INSTRUCTOR},
    "GET /a/{assignment}/similar": {INSTRUCTOR},
    "GET /audit": {INSTRUCTOR},
    "GET /me": {STUDENT},
    "GET /me/{assignment}/{number:number}": {STUDENT},
    "GET /me/{assignment}/{number:number}/report.pdf": {STUDENT},
    "POST /me/{assignment}/{number:number}": {STUDENT},
}
FILLED = {
    "assignment": "b2-1",
    "attempt:number": "1",
    "other:number": "5",
    "criterion": "filters-discussion",
    "name": "executed.ipynb",
    "token": "x",
    "request:number": "1",
    "job:number": "1",
    "number:number": "1",
}


def path_of(route):
    path = route.split(" ")[1]
    for name, value in FILLED.items():
        path = path.replace("{" + name + "}", value)
    return path


def test_every_route_is_in_the_table():
    assert {f"{way.method} {way.path}" for way in (*WAYS, EVENTS)} == set(EXPECTED)


@pytest.fixture(scope="module")
def clients(module_site):
    """One client for each kind of person; nobody's is not signed in."""
    return {who: module_site.client(who, follow_redirects=False) for who in (NOBODY, STUDENT, TA, INSTRUCTOR)}


@pytest.mark.parametrize("who", [NOBODY, STUDENT, TA, INSTRUCTOR], ids=str)
@pytest.mark.parametrize("route", [r for r in EXPECTED if r not in ("POST /sign-out", "GET /live/events")])
def test_a_route_is_for_those_whom_it_is_for(clients, route, who):
    method, path = route.split(" ")[0], path_of(route)
    client = clients[who]
    answer = client.get(path) if method == "GET" else post(client, path)
    refused = answer.status_code in (401, 403) or answer.headers.get("location", "").startswith("/sign-in?next")
    allowed = who in EXPECTED[route]
    if route == "POST /sign-in":
        assert answer.status_code == 403  # of the password, not of the person
        assert "do not fit" in answer.text
        return
    assert refused != allowed, (answer.status_code, answer.text[:300])
    assert answer.status_code < 500


@pytest.mark.parametrize("who", [NOBODY, STUDENT, TA])
def test_the_live_stream_is_for_instructors(clients, who):
    answer = clients[who].get("/live/events")
    assert answer.status_code in (303, 403)
    assert "text/event-stream" not in answer.headers.get("content-type", "")


@pytest.mark.parametrize("route", [r for r in EXPECTED if r.startswith("POST")])
@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_its_token_changes_nothing(clients, module_site, route, token):
    before = module_site.book.accounts.log(1)[1]
    data = {} if token is None else {"csrf": token}
    for client in clients.values():
        answer = client.post(path_of(route), data={**data, "points": "1", "words": "w", "section": "*"})
        assert answer.status_code in (401, 403)  # 401: nobody has signed in
    assert module_site.book.accounts.log(1)[1] == before


def test_a_token_of_somebody_else_is_no_token(module_site, clients):
    from web_site import csrf

    foreign = csrf(clients[TA].get("/account").text)
    answer = clients[INSTRUCTOR].post("/a/b2-1/release", data={"csrf": foreign, "section": "*", "audience": "student"})
    assert answer.status_code == 403
    assert module_site.book.desk.releases("b2-1") == []


def test_a_form_that_another_site_sends_is_refused(clients, module_site):
    answer = post(
        clients[INSTRUCTOR],
        "/a/b2-1/release",
        {"section": "*", "audience": "student"},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert answer.status_code == 403
    assert module_site.book.desk.releases("b2-1") == []


def test_what_is_sent_by_somebody_who_may_not_is_not_even_read(clients, monkeypatch):
    read = []

    async def _read_form(_request, way, _form, _files):
        read.append(way.path)

    monkeypatch.setattr("grader.web.application._read_form", _read_form)
    for who in (NOBODY, STUDENT, TA):
        assert clients[who].post("/jobs", files={"file": b"x" * 2**20}).status_code in (401, 403)
    assert read == []
    assert clients[INSTRUCTOR].post("/jobs", files={"file": b"x"}).status_code == 403  # without a token
    assert read == ["/jobs"]


def test_a_person_who_was_shut_out_is_out_at_once(site):
    client = site.client("tanaka")
    assert client.get("/assignments").status_code == 200
    site.book.accounts.disable(site.book.accounts.named("tanaka").id, disabled=True)
    assert client.get("/assignments", follow_redirects=False).status_code == 303
    answer = post(client, "/sign-in", {"name": "tanaka", "password": "correct horse battery"})
    assert answer.status_code == 403


def test_there_are_tests_for_every_role():
    assert {role for role, _, _ in PEOPLE.values()} == {"instructor", "ta", "student"}
