"""What keeps people apart: sections, students' own reports, releases, paths, headers, hosts, prefixes."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient
from web_class import SECRET, name_of
from web_site import PASSWORD, csrf, post

from grader.web.ask import COOKIE
from grader.web.options import ServeOptions, serve_options


def test_a_ta_sees_the_own_section_and_nobody_else(site):
    client = site.client("tanaka")
    page = client.get("/a/b2-1").text
    assert name_of(1) in page
    assert name_of(2) not in page
    assert client.get(f"/a/b2-1/s/{site.attempt(1)}").status_code == 200
    own, other = site.attempt(1), site.attempt(2)
    for path in (f"/a/b2-1/s/{other}", f"/a/b2-1/s/{other}/report", f"/a/b2-1/s/{other}/file/executed.ipynb"):
        assert client.get(path).status_code == 404, path
    assert client.get(f"/a/b2-1/s/{own}/diff/{other}").status_code == 404
    assert client.get(f"/a/b2-1/grade/filters-discussion?at={other}").status_code == 404


@pytest.mark.parametrize("action", ["edit", "save", "undo"])
def test_a_ta_cannot_change_points_outside_the_own_section(site, action):
    client, other = site.client("tanaka"), site.attempt(2)
    paths = {
        "edit": f"/a/b2-1/s/{other}/edit",
        "save": "/a/b2-1/grade/filters-discussion",
        "undo": "/a/b2-1/grade/filters-discussion/undo",
    }
    form = {"attempt": other, "criterion": "filters-discussion", "points": "1", "reason": "r", "seen": "0"}
    assert post(client, paths[action], form).status_code == 404
    assert all(not r.edits for r in site.book.latest_results("b2-1"))


def test_a_ta_answers_only_requests_of_the_own_section(site):
    theirs = site.book.desk.ask(site.attempt(2), "", "please")
    client = site.client("tanaka")
    assert "please" not in client.get("/requests").text
    assert post(client, f"/requests/{theirs}", {"words": "no"}).status_code == 404
    assert site.book.desk.requests()[0].answers == ()
    assert post(site.client("suzuki"), f"/requests/{theirs}", {"words": "yes"}).status_code == 200
    assert site.book.desk.requests()[0].answers[0].author == "suzuki"


def test_a_student_of_whom_nobody_knows_the_section_is_for_those_who_see_all(make_site):
    site = make_site(2)
    (site.world.settings.workspace / "roster.csv").write_text("student_id,name\nS001,A\nS002,B\n", "utf-8")
    assert name_of(1) not in site.client("suzuki").get("/a/b2-1").text
    assert name_of(1) in site.client("sensei").get("/a/b2-1").text


def test_a_student_sees_nothing_before_the_release_and_the_own_report_after(site):
    client = site.client("s001")
    assert "b2-1" not in client.get("/me").text
    assert client.get("/me/b2-1/1").status_code == 404
    assert post(client, "/me/b2-1/1", {"words": "look"}).status_code == 404
    site.book.desk.release("b2-1", "*", "student", "sensei")
    assert "/me/b2-1/2" in client.get("/me").text
    page = client.get("/me/b2-1/2")
    assert page.status_code == 200
    assert name_of(1) in page.text
    site.book.desk.release("b2-1", "*", "", "sensei")
    assert client.get("/me/b2-1/2").status_code == 404


def test_a_release_to_one_section_is_not_for_the_other(site):
    site.book.desk.release("b2-1", "B", "student", "sensei")
    assert site.client("s002").get("/me/b2-1/1").status_code == 200
    assert site.client("s001").get("/me/b2-1/1").status_code == 404
    site.book.desk.release("b2-1", "*", "student", "sensei")
    site.book.desk.release("b2-1", "A", "", "sensei")
    assert site.client("s001").get("/me/b2-1/1").status_code == 404


def test_a_student_reaches_no_report_of_anybody_else(site):
    site.book.desk.release("b2-1", "*", "student_after_due", "sensei")
    client = site.client("s001")
    for k in (2, 3, 4):
        for path in (f"/a/b2-1/s/{site.attempt(k)}", f"/a/b2-1/s/{site.attempt(k)}/report"):
            assert client.get(path).status_code == 403
    shown = "".join(client.get(f"/me/b2-1/{n}").text for n in (1, 2))
    assert all(name_of(k) not in shown for k in (2, 3, 4))
    assert client.get("/me/b2-1/3").status_code == 404


@pytest.mark.parametrize("audience", ["student", "student_after_due"])
def test_what_is_for_staff_only_is_on_no_page_of_a_student(site, audience):
    site.book.desk.release("b2-1", "*", audience, "sensei")
    assert SECRET not in site.client("s002").get("/me/b2-1/1").text
    assert SECRET in site.client("sensei").get(f"/a/b2-1/s/{site.attempt(2)}").text


@pytest.mark.parametrize(
    "name",
    ["../../gradebook.sqlite", "..%2f..%2fgradebook.sqlite", "key.json", "claims", "claims/events.jsonl", "%00", "."],
)
def test_only_named_files_of_the_evidence_can_be_fetched(site, name):
    client = site.client("sensei")
    answer = client.get(f"/a/b2-1/s/{site.attempt(2)}/file/{name}")
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content


def test_evidence_is_sent_as_a_file_that_no_browser_runs(site):
    answer = site.client("sensei").get(f"/a/b2-1/s/{site.attempt(2)}/file/executed.ipynb")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")


def test_a_link_in_place_of_an_evidence_file_is_not_followed(site):
    folder = site.world.settings.workspace / "evidence" / "one"
    (folder / "executed.ipynb").rename(folder / "away")
    (folder / "executed.ipynb").symlink_to(site.world.settings.workspace / "gradebook.sqlite")
    assert site.client("sensei").get(f"/a/b2-1/s/{site.attempt(2)}/file/executed.ipynb").status_code == 404


@pytest.mark.parametrize(
    "path", ["/static/../pages_class.py", "/static/%2e%2e/base.html.jinja", "/static/web/base.html.jinja", "/static/"]
)
def test_only_known_assets_are_served(module_site, path):
    assert module_site.client().get(path).status_code == 404


@pytest.mark.parametrize("assignment", ["%2e%2e", "nope", "vgg16-finetune", "b2-1%00"])
def test_an_assignment_without_attempts_has_no_page(module_site, assignment):
    assert module_site.client("sensei").get(f"/a/{assignment}").status_code == 404


PAGES = ["/assignments", "/a/b2-1", "/a/b2-1/grade", "/requests", "/jobs", "/live", "/audit", "/account", "/nowhere"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_headers_that_protect_it(module_site, path):
    answer = module_site.client("sensei").get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|javascript:", answer.text)


def test_cookies_cannot_be_read_by_scripts_nor_sent_by_other_sites(site):
    client = site.client()
    cookie = client.get("/sign-in").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_over_https_cookies_are_for_https_only(make_site):
    site = make_site(1, ServeOptions(proxied=True))
    answer = site.client().get("/sign-in", headers={"x-forwarded-proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


def test_a_chain_of_proxies_is_read_from_its_outer_end(make_site):
    """As a server with HTTPS before JupyterHub's proxy sends it: each adds what it saw itself."""
    site = make_site(1, ServeOptions(proxied=True))
    answer = site.client().get("/sign-in", headers={"x-forwarded-proto": "https,http"})
    assert "secure" in answer.headers["set-cookie"].lower()
    for told, seen in [
        ("9.9.9.9, 8.8.8.8,127.0.0.1", "8.8.8.8"),
        ("9.9.9.9,::ffff:127.0.0.1", "9.9.9.9"),
        ("nonsense, ::1", "nonsense"),
        ("127.0.0.1", "127.0.0.1"),
    ]:
        post(site.client(), "/sign-in", {"name": told, "password": "wrong"}, headers={"x-forwarded-for": told})
        assert site.book.accounts.log(1)[0][0].address == seen


def test_signing_in_takes_another_secret_than_before(site):
    client = site.client()
    client.get("/sign-in")
    before = client.cookies[COOKIE]
    post(client, "/sign-in", {"name": "sensei", "password": PASSWORD})
    assert client.cookies[COOKIE] != before
    planted = TestClient(site.app, base_url="http://localhost", cookies={COOKIE: before})
    assert planted.get("/assignments", follow_redirects=False).status_code == 303


def test_a_name_that_is_not_ours_is_refused(site):
    client = site.client()
    assert client.get("/sign-in", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/sign-in", headers={"host": "localhost:8765"}).status_code == 200
    assert client.get("/sign-in", headers={"x-forwarded-host": "evil.example"}).status_code == 200


@pytest.mark.parametrize("proxied", [False, True])
def test_what_a_proxy_says_counts_only_where_there_is_one(make_site, proxied):
    site = make_site(1, ServeOptions(proxied=proxied))
    answer = site.client().get("/sign-in", headers={"x-forwarded-prefix": "/x", "x-forwarded-proto": "https"})
    assert ('action="/x/sign-in"' in answer.text) == proxied
    assert ("secure" in answer.headers["set-cookie"].lower()) == proxied
    form = {"name": "sensei", "password": "wrong"}
    post(site.client(), "/sign-in", form, headers={"x-forwarded-for": "9.9.9.9"})
    assert (site.book.accounts.log(1)[0][0].address == "9.9.9.9") == proxied


@pytest.mark.parametrize("asked", ["/grader/sign-in", "/sign-in"])
def test_a_prefix_works_whether_or_not_the_proxy_cuts_it_off(make_site, asked):
    site = make_site(1, ServeOptions(prefix="/grader"))
    answer = site.client().get(asked)
    assert answer.status_code == 200
    assert 'action="/grader/sign-in"' in answer.text
    assert 'href="/grader/static/style.css' in answer.text
    assert "path=/grader/" in answer.headers["set-cookie"].lower()


def test_signing_in_leads_back_to_the_page_asked_for_and_to_no_other_host(site):
    client = site.client()
    away = client.get("/a/b2-1?state=review", follow_redirects=False)
    assert away.headers["location"] == "/sign-in?next=%2Fa%2Fb2-1%3Fstate%3Dreview"
    for wish, place in (("/a/b2-1?state=review", "/a/b2-1?state=review"), ("//evil.example", "/"), ("http://x", "/")):
        form = {"name": "sensei", "password": PASSWORD, "next": wish}
        assert post(site.client(), "/sign-in", form, follow_redirects=False).headers["location"] == place


def test_too_large_a_form_is_refused(module_site):
    client = module_site.client("sensei")
    assert post(client, "/account", {"new": "x" * 2**21}).status_code == 413


def test_pages_show_names_and_words_of_students_as_plain_text(site):
    ident = site.book.desk.ask(site.attempt(2), "", "<script>alert(1)</script> <b>now</b>")
    page = site.client("sensei").get("/requests").text
    assert f'id="r{ident}"' in page
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_jupyterhub_says_where_the_service_is():
    environ = {
        "JUPYTERHUB_SERVICE_PREFIX": "/services/grader/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:10101",
    }
    options = serve_options(environ=environ)
    assert (options.host, options.port, options.prefix, options.proxied) == (
        "127.0.0.1",
        10101,
        "/services/grader",
        True,
    )
    assert serve_options(environ={}).host == "127.0.0.1"


def test_forms_of_a_page_carry_the_token_of_its_cookie(module_site):
    client = module_site.client("sensei")
    tokens = set(re.findall(r'name="csrf" value="(\w+)"', client.get("/a/b2-1").text))
    assert tokens == {csrf(client.get("/account").text)}
