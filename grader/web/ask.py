"""One request, with the person who makes it and the words of their language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from grader.messages import LANGUAGES
from grader.reporting.context import render_served, style_sources
from grader.reporting.words import Words
from grader.store import Role, User
from grader.web.credentials import csrf_token
from grader.web.room import Room

COOKIE = "grader-session"
LANGUAGE_COOKIE = "grader-language"
SESSION_S = 12 * 3600
_SELF = "'self'"


class NotFound(Exception):
    """There is no such thing, or this person may not know that there is."""


@dataclass
class Ask:
    """A request that may be answered: who asks, in which language, with what form.

    :ivar secret: of the person's cookie; forms are tied to it.
    """

    request: Request
    room: Room
    user: User | None
    secret: str
    language: str
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Sequence[UploadFile] = ()

    @property
    def words(self) -> Words:
        """What is said in the person's language."""
        return Words(self.room.catalogue(self.language))

    @property
    def person(self) -> User:
        """Who asks, where somebody must have signed in."""
        if self.user is None:
            raise NotFound
        return self.user

    @property
    def address(self) -> str:
        """Where the request came from."""
        return self.request.client.host if self.request.client else ""

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """A part of the path that is a number."""
        return int(self.request.path_params[name])

    def query(self, name: str) -> str:
        """What follows the question mark; empty where it is not given."""
        return self.request.query_params.get(name, "")

    def field(self, name: str) -> str:
        """A field of the form; empty where it is not given."""
        values = self.form.get(name, ())
        return values[0] if values else ""

    def whole(self, name: str) -> int:
        """A field of the form that is the number of something; 0 where it can be none."""
        given = self.field(name)
        return int(given) if given.isdecimal() and len(given) <= 18 else 0

    def url(self, path: str, **query: object) -> str:
        """The address of a page of ours, from the root of the host."""
        listed = {k: v for k, v in query.items() if v not in ("", None)}
        root: str = self.request.scope["root_path"]
        return root + quote(path) + (f"?{urlencode(listed)}" if listed else "")

    def go(self, path: str, **query: object) -> Response:
        """Leads on to another page, after a form."""
        return RedirectResponse(self.url(path, **query), status_code=303)

    def go_to(self, address: str) -> Response:
        """Leads on to ``address``, a path of ours with or without what follows a question mark."""
        return RedirectResponse(self.request.scope["root_path"] + address, status_code=303)

    def note(self, action: str, object_: str = "", detail: str = "") -> None:
        """A line of the audit log."""
        self.room.book.accounts.note(self.user.name if self.user else "-", action, object_, detail, self.address)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page of ours, with the policy that admits what it has and nothing else."""
        text = render_served(
            self.words,
            self.room.reports_dir,
            f"web/{template}",
            url=self.url,
            csrf=csrf_token(self.secret),
            user=self.user,
            Role=Role,
            languages=LANGUAGES,
            here=self.request.url.path.removeprefix(self.request.scope["root_path"]),
            asset=self.room.asset_version,
            waiting=self.room.waiting(self.user) if self.user and self.user.is_staff else 0,
            **values,
        )
        return HTMLResponse(text, status, {"content-security-policy": policy(text)})


def policy(page: str) -> str:
    """What a browser may do with a page of ours (Content Security Policy 3); no script or style stands in the page."""
    rules = (
        "default-src 'none'",
        f"style-src {' '.join((_SELF, *style_sources(page)))}",
        "script-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def chosen_language(request: Request, user: User | None, listed: str | None, default: str) -> str:
    """What the person chose, else what the class list says (``listed``) or the browser asks for, else ``default``."""
    cookie = request.cookies.get(LANGUAGE_COOKIE, "")
    if cookie in LANGUAGES:
        return cookie
    if user and user.language in LANGUAGES:
        return str(user.language)
    if listed:
        return listed
    wanted = [part.split(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")]
    return next((language for language in wanted if language in LANGUAGES), default)
