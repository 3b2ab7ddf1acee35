"""Signing in: passwords, tokens that work once, few tries, and what is written down about it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from web_site import PASSWORD, post

from grader.errors import UsageError
from grader.store import Role
from grader.web.credentials import digest, hashed, is_csrf_token, is_password, new_secret


def later(**delta):
    return (datetime.now(UTC) + timedelta(**delta)).isoformat(timespec="microseconds")


def sign_in(client, name, password):
    return post(client, "/sign-in", {"name": name, "password": password}, follow_redirects=False)


@pytest.mark.parametrize("name", ["sensei", "Sensei", " sensei "])
def test_name_and_password_let_somebody_in(site, name):
    client = site.client()
    assert sign_in(client, name, PASSWORD).status_code == 303
    assert client.get("/assignments").status_code == 200


@pytest.mark.parametrize(("name", "password"), [("sensei", "wrong"), ("nobody", PASSWORD), ("", ""), ("sensei", "")])
def test_anything_else_does_not_and_does_not_say_why(site, name, password):
    client = site.client()
    answer = sign_in(client, name, password)
    assert answer.status_code == 403
    assert "Name and password do not fit." in answer.text
    assert client.get("/assignments", follow_redirects=False).status_code == 303


def test_after_five_wrong_tries_even_the_right_password_waits(site):
    client = site.client()
    for _ in range(5):
        assert sign_in(client, "sensei", "wrong").status_code == 403
    answer = sign_in(client, "sensei", PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 60
    assert sign_in(client, "tanaka", PASSWORD).status_code == 303


def test_the_limit_holds_in_every_server_and_after_a_restart(any_site):
    for _ in range(5):
        sign_in(any_site.client(), "sensei", "wrong")
    another = any_site.another()
    assert sign_in(another.client(), "sensei", PASSWORD).status_code == 429
    assert sign_in(another.client(), "tanaka", PASSWORD).status_code == 303


def test_many_guesses_at_the_same_moment_are_no_way_around_the_limit(any_site):
    clients, together = [any_site.client() for _ in range(12)], threading.Barrier(12)
    for client in clients:
        client.get("/sign-in")

    def guess(k):
        together.wait(60)
        return sign_in(clients[k], "sensei", f"wrong {k}").status_code

    with ThreadPoolExecutor(12) as pool:
        codes = sorted(pool.map(guess, range(12)))
    assert codes == [403] * 5 + [429] * 7


def test_whoever_got_in_starts_again_from_none(site):
    client = site.client()
    for _ in range(2):
        for _ in range(4):
            sign_in(client, "sensei", "wrong")
        assert sign_in(site.client(), "sensei", PASSWORD).status_code == 303


def test_a_link_works_once_and_only_when_its_button_is_pressed(site):
    token = new_secret()
    user = site.book.accounts.add("new", Role.TA, ("A",))
    site.book.accounts.set_token(user.id, digest(token), later(days=1))
    client = site.client()
    for _ in range(3):
        assert "Sign in as new" in client.get(f"/link/{token}").text
    assert post(client, f"/link/{token}", follow_redirects=False).headers["location"] == "/account?welcome=1"
    assert client.get("/assignments").status_code == 200
    another = site.client()
    assert another.get(f"/link/{token}").status_code == 404
    assert post(another, f"/link/{token}").status_code == 404


def test_a_token_is_also_a_password_once(site):
    token = new_secret()
    user = site.book.accounts.named("tanaka")
    site.book.accounts.set_token(user.id, digest(token), later(days=1))
    assert sign_in(site.client(), "sensei", token).status_code == 403
    assert sign_in(site.client(), "tanaka", token).status_code == 303
    assert sign_in(site.client(), "tanaka", token).status_code == 403


def test_an_old_token_does_not_work(site):
    token = new_secret()
    site.book.accounts.set_token(site.book.accounts.named("tanaka").id, digest(token), later(seconds=-1))
    assert site.client().get(f"/link/{token}").status_code == 404
    assert sign_in(site.client(), "tanaka", token).status_code == 403


def test_a_session_ends_with_its_time(site):
    client = site.client()
    user = site.book.accounts.named("sensei")
    site.book.accounts.start_session(user.id, digest("short"), later(seconds=-1))
    client.cookies.set("grader-session", "short", domain="localhost.local")
    assert client.get("/assignments", follow_redirects=False).status_code == 303


def test_signing_out_ends_the_session_on_the_server(site):
    client = site.client("sensei")
    secret = client.cookies["grader-session"]
    assert post(client, "/sign-out", follow_redirects=False).status_code == 303
    assert site.book.accounts.of_session(digest(secret)) is None


def test_a_new_password_takes_the_old_one_and_ends_other_sessions(site):
    client, elsewhere = site.client("sensei"), site.client("sensei")
    form = {"old": PASSWORD, "new": "another long one", "again": "another long one", "language": "ja"}
    assert post(client, "/account", {**form, "old": "wrong"}).status_code == 400
    assert post(client, "/account", {**form, "again": "x"}).status_code == 400
    assert post(client, "/account", {**form, "new": "short", "again": "short"}).status_code == 400
    assert post(client, "/account", form, follow_redirects=False).status_code == 303
    assert client.get("/assignments").status_code == 200
    assert elsewhere.get("/assignments", follow_redirects=False).status_code == 303
    user = site.book.accounts.named("sensei")
    assert is_password("another long one", user.password)
    assert user.language == "ja"


@pytest.mark.parametrize("language", ["ja", "en", "zh", "ru"])
def test_pages_are_in_the_language_that_somebody_chose(site, language):
    client = site.client("sensei")
    assert f'<html lang="{language}">' in client.get(f"/assignments?lang={language}").text
    assert f'<html lang="{language}">' in client.get("/a/b2-1").text


def test_the_browsers_language_is_the_first_guess(site):
    page = site.client().get("/sign-in", headers={"accept-language": "de-DE, ja;q=0.9, en;q=0.8"}).text
    assert '<html lang="ja">' in page


def test_no_secret_stands_in_the_gradebook(site):
    token = new_secret()
    site.book.accounts.set_token(site.book.accounts.named("tanaka").id, digest(token), later(days=1))
    client = site.client()
    sign_in(client, "sensei", PASSWORD)
    sign_in(client, "sensei", "Wrong-Secret")
    site.book.close()
    content = b"".join(p.read_bytes() for p in site.world.settings.workspace.glob("gradebook.sqlite*"))
    for secret in (PASSWORD, token, client.cookies["grader-session"], "Wrong-Secret"):
        assert secret.encode() not in content


def test_who_came_in_and_who_did_not_is_written_down(site):
    client = site.client()
    sign_in(client, "sensei", "wrong")
    sign_in(client, "sensei", PASSWORD)
    lines, total = site.book.accounts.log(10)
    assert [(line.who, line.action, line.object) for line in lines] == [
        ("sensei", "signed in", ""),
        ("-", "sign-in refused", "sensei"),
    ]
    assert total == 2
    assert "sign-in refused" in client.get("/audit").text


def test_a_hash_is_argon2id_and_never_the_same_twice():
    one, two = hashed("pass word"), hashed("pass word")
    assert one.startswith("$argon2id$")
    assert one != two
    assert is_password("pass word", one)
    assert not is_password("pass word ", one)
    assert not is_password("pass word", None)
    assert not is_password("pass word", "no hash")


def test_no_form_token_fits_an_empty_cookie():
    assert not is_csrf_token("", "")
    assert not is_csrf_token("x", "secret")


@pytest.mark.parametrize(
    ("name", "role", "sections", "key", "told"),
    [
        ("", Role.INSTRUCTOR, (), None, "1 to 80 characters"),
        ("a\nb", Role.INSTRUCTOR, (), None, "can be printed"),
        ("SENSEI", Role.INSTRUCTOR, (), None, "already"),
        ("ta", Role.TA, (), None, "section"),
        ("st", Role.STUDENT, (), None, "student number"),
    ],
)
def test_a_user_that_cannot_be_is_refused(site, name, role, sections, key, told):
    with pytest.raises(UsageError, match=told):
        site.book.accounts.add(name, role, sections, key)
