"""Signing in and out, one-time links, the own account."""

from __future__ import annotations

import hmac
import math
from datetime import UTC, datetime, timedelta

from starlette.responses import RedirectResponse, Response

from grader.messages import LANGUAGES
from grader.store import Role, User
from grader.web.ask import SESSION_S, Ask, NotFound
from grader.web.credentials import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    digest,
    hashed,
    is_password,
    new_secret,
)
from grader.web.hub import state_of


def home(ask: Ask) -> Response:
    """The first page of whoever signed in."""
    return ask.go("/me" if ask.person.role is Role.STUDENT else "/assignments")


def sign_in_page(ask: Ask) -> Response:
    """The form, or the first page for those who are in already."""
    if ask.user is not None:
        return ask.go("/")
    return ask.page("sign_in.html.jinja", next=_safe(ask.query("next")), name="", fault="", hub=ask.room.hub)


def sign_in(ask: Ask) -> Response:
    """Name and password, or a one-time token in the password's place; few tries."""
    room, name = ask.room, ask.field("name").strip()[:80]
    wait_s = room.book.tries.begin(name, ask.address)
    if wait_s > 0:
        minutes = math.ceil(wait_s / 60)
        response = _again(ask, name, ask.words.say("Too many tries. Wait {minutes} min.", minutes=minutes), 429)
        response.headers["retry-after"] = str(math.ceil(wait_s))
        return response
    user = room.book.accounts.named(name)
    known = user if user is not None and not user.disabled else None
    given = ask.field("password")
    if not _fits(ask, known, given):
        ask.note("sign-in refused", name)
        return _again(ask, name, ask.words.say("Name and password do not fit."), 403)
    room.book.tries.succeeded(name, ask.address)
    if known is None:
        raise NotFound
    start_session(ask, known)
    return ask.go_to(_safe(ask.field("next")) or "/")


def link_page(ask: Ask) -> Response:
    """Asks before it uses the link: programs that look at links in mails must not use it up."""
    user = ask.room.book.accounts.with_token(digest(ask.path("token")))
    if user is None:
        raise NotFound
    return ask.page("link.html.jinja", name=user.name, token=ask.path("token"))


def use_link(ask: Ask) -> Response:
    """Signs in, once."""
    user = ask.room.book.accounts.use_token(digest(ask.path("token")))
    if user is None:
        raise NotFound
    start_session(ask, user)
    return ask.go("/account" if user.password is None else "/", welcome="1" if user.password is None else "")


def to_the_hub(ask: Ask) -> Response:
    """Leads to JupyterHub, where people say who they are."""
    if ask.room.hub is None:
        raise NotFound
    return RedirectResponse(ask.room.hub.address(ask.secret), status_code=303)


def from_the_hub(ask: Ask) -> Response:
    """Signs in whom the Hub names, if there is a user of that name."""
    if ask.room.hub is None or not hmac.compare_digest(ask.query("state").encode(), state_of(ask.secret).encode()):
        raise NotFound
    name = ask.room.hub.name_of(ask.query("code"))
    user = ask.room.book.accounts.named(name)
    if user is None or user.disabled:
        ask.note("sign-in refused", name, "by the Hub")
        sentence = ask.words.say("The Hub knows you as {name}; here is nobody of that name.", name=name)
        return ask.page("message.html.jinja", 403, sentence=sentence)
    start_session(ask, user)
    return ask.go("/")


def sign_out(ask: Ask) -> Response:
    """Ends this session."""
    ask.room.book.accounts.end_session(digest(ask.secret))
    ask.note("signed out")
    ask.secret = new_secret()
    return ask.go("/sign-in")


def account(ask: Ask) -> Response:
    """Password and language."""
    return ask.page("account.html.jinja", fault="", done=ask.query("done"), welcome=ask.query("welcome"))


def change_account(ask: Ask) -> Response:
    """A new password, another language."""
    accounts, person = ask.room.book.accounts, ask.person
    if ask.field("language") in LANGUAGES and ask.field("language") != person.language:
        accounts.set_language(person.id, ask.field("language"))
        if person.student_key:
            ask.room.book.stale_pages.mark_student(person.student_key)
    new = ask.field("new")
    if new:
        fault = _password_fault(ask, person, new)
        if fault:
            return ask.page("account.html.jinja", 400, fault=fault, done="", welcome="")
        accounts.set_password(person.id, hashed(new))
        ask.note("password changed")
        start_session(ask, person)
    return ask.go("/account", done="1", lang=ask.field("language"))


def start_session(ask: Ask, user: User) -> None:
    """From now on this browser is ``user``, under a secret that nobody knew before."""
    ask.user, ask.secret = user, new_secret()
    until = datetime.now(UTC) + timedelta(seconds=SESSION_S)
    ask.room.book.accounts.start_session(user.id, digest(ask.secret), until.isoformat(timespec="microseconds"))
    ask.note("signed in")


def _fits(ask: Ask, user: User | None, given: str) -> bool:
    if user is not None and user.token is not None and user.token == digest(given):
        used = ask.room.book.accounts.use_token(digest(given))
        return used is not None and used.id == user.id
    return is_password(given, user.password if user else None)


def _again(ask: Ask, name: str, fault: str, status: int) -> Response:
    safe = _safe(ask.field("next"))
    return ask.page("sign_in.html.jinja", status, next=safe, name=name, fault=fault, hub=ask.room.hub)


def _password_fault(ask: Ask, person: User, new: str) -> str:
    if person.password is not None and not is_password(ask.field("old"), person.password):
        return ask.words.say("The old password is not right.")
    if not SHORTEST_PASSWORD <= len(new) <= LONGEST_PASSWORD:
        return ask.words.say("A password has at least {n} characters.", n=SHORTEST_PASSWORD)
    if new != ask.field("again"):
        return ask.words.say("The two passwords differ.")
    return ""


def _safe(path: str) -> str:
    """A page of ours to go on to; never another host."""
    good = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and len(path) < 500
    return path if good else ""
