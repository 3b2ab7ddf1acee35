"""People who may sign in to the application over a class in a workspace, and clients of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient
from web_class import World

from grader.store import Role
from grader.web.application import make_app
from grader.web.ask import COOKIE
from grader.web.credentials import csrf_token, digest, hashed, new_secret
from grader.web.options import ServeOptions

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD)
PEOPLE = {
    "sensei": (Role.INSTRUCTOR, (), None),
    "tanaka": (Role.TA, ("A",), None),
    "suzuki": (Role.TA, ("A", "B"), None),
    "s001": (Role.STUDENT, (), "id:s001"),
    "s002": (Role.STUDENT, (), "id:s002"),
}


@dataclass
class Site:
    """The application over one class."""

    world: World
    app: Any
    others: list[Site] = field(default_factory=list)

    @property
    def book(self) -> Any:
        return self.world.book

    def client(self, name: str | None = None, **options: Any) -> TestClient:
        """A browser without script; signed in as ``name``."""
        client = TestClient(self.app, base_url="http://localhost", **options)
        if name:
            secret = new_secret()
            self.book.accounts.start_session(self.book.accounts.named(name).id, digest(secret), "2999-01-01")
            client.cookies.set(COOKIE, secret, domain="localhost.local")
        return client

    def another(self) -> Site:
        """Another server over the same workspace and gradebook."""
        self.others.append(Site(self.world, make_app(self.world.settings, ServeOptions())))
        return self.others[-1]

    def attempt(self, k: int, number: int = 1, assignment: str = "b2-1") -> int:
        """Id of an attempt of student ``k``."""
        return next(a.id for a in self.book.attempts(assignment) if a.student.id == f"S{k:03d}" and a.number == number)


def csrf(page: str) -> str:
    """The token of the forms on a page."""
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found, page[:500]
    return found[1]


def post(client: TestClient, path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
    """Sends a form as a page of ours would."""
    if COOKIE not in client.cookies:
        client.get("/sign-in")
    token = csrf_token(client.cookies[COOKIE])
    return client.post(path, data={"csrf": token, **(data or {})}, **more)


def add_people(world: World) -> None:
    """Everybody of ``PEOPLE``, all with the same password."""
    for name, (role, sections, key) in PEOPLE.items():
        user = world.book.accounts.add(name, role, sections, key)
        world.book.accounts.set_password(user.id, HASH)
