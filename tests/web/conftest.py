"""A class in a workspace, people who may sign in, and the application over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import Server, postgres_server, why_not
from web_class import make_world
from web_site import Site, add_people

from grader.web.application import make_app
from grader.web.options import ServeOptions


def _opened(folder: Path, n: int, options: ServeOptions | None, **changes: Any) -> Site:
    world = make_world(folder, n, **changes)
    add_people(world)
    return Site(world, make_app(world.settings, options or ServeOptions()))


def _close(site: Site) -> None:
    for one in (site, *site.others):
        one.app.room.jobs.close()
        one.app.room.book.close()
    site.book.close()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes a site of its own for a test."""
    made: list[Site] = []

    def make(n: int = 4, options: ServeOptions | None = None, **changes: Any) -> Site:
        made.append(_opened(tmp_path, n, options, **changes))
        return made[-1]

    yield make
    for site in made:
        _close(site)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server of our own."""
    if reason := why_not():
        pytest.skip(reason)
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def any_site(request: pytest.FixtureRequest, make_site: Callable[..., Site]) -> Site:
    """The same with the gradebook in a file, and on a server."""
    if request.param == "sqlite":
        return make_site()
    return make_site(database_url=request.getfixturevalue("server").new_database())


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Four students who handed in."""
    return make_site()


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module that change nothing."""
    site = _opened(tmp_path_factory.mktemp("site"), 4, None)
    yield site
    _close(site)
