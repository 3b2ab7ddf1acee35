"""``grader serve``: the staff application; ``grader user``: who may sign in there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import CourseOption, LanguageOption, WorkspaceOption, console, settings_from

if TYPE_CHECKING:
    from grader.store import Accounts, User

TOKEN_DAYS = 7
user = typer.Typer(help="Who may sign in to the staff application.", no_args_is_help=True)


def serve(
    workspace: WorkspaceOption = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="[8765]")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on [127.0.0.1].")] = None,
    prefix: Annotated[str | None, typer.Option("--prefix", help="Path in front of all pages, as /grader.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name it is called by; can be repeated.")
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Believe X-Forwarded-* of the reverse proxy in front.")
    ] = False,
    lang: LanguageOption = None,
    course: CourseOption = None,
) -> None:
    """Serve the staff application on this machine.

    Example: grader serve --workspace workspace --port 8765
    """
    from grader.errors import UsageError

    settings = settings_from(workspace=workspace, course=course, language=lang)
    try:
        from grader.web.options import serve_options
        from grader.web.serve import run
    except ModuleNotFoundError as error:
        raise UsageError("the staff application needs: pip install 'keras-grader[web]'") from error
    options = serve_options(port, host, prefix, tuple(allow_host or ()), behind_proxy)
    out = console()
    run(settings, options, lambda address: out.print(f"{address}  (Ctrl-C ends it)", markup=False))


@user.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What they sign in with.")],
    role: Annotated[str, typer.Option("--role", help="instructor, ta or student.")],
    section: Annotated[
        list[str] | None,
        typer.Option("--section", help="Section of the class that a ta sees; * is all; can be repeated."),
    ] = None,
    student: Annotated[
        str | None, typer.Option("--student", help="Number of the student whose reports they see.")
    ] = None,
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
) -> None:
    """Let somebody in: prints a link that works once.

    Example: grader user add tanaka --role ta --section A
    """
    from grader.errors import UsageError
    from grader.model import Student
    from grader.store import Role, student_key

    if role not in set(Role):
        raise UsageError(f"--role is {role!r}: expected one of {', '.join(Role)}")
    accounts = _accounts(workspace, course)
    key = student_key(Student(id=student), "") if student else None
    made = accounts.add(name, Role(role), tuple(section or ()), key)
    _print_link(accounts, made, "added")


@user.command("link")
def link(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who forgot the password.")],
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
) -> None:
    """Make a new link that works once, for somebody who is known.

    Example: grader user link tanaka
    """
    accounts = _accounts(workspace, course)
    _print_link(accounts, _known(accounts, name), "new link")


@user.command("list")
def list_(workspace: WorkspaceOption = None, course: CourseOption = None) -> None:
    """Show who may sign in.

    Example: grader user list
    """
    out = console()
    for one in _accounts(workspace, course).all():
        what = ", ".join(one.sections) or (one.student_key or "").removeprefix("id:")
        state = " (shut out)" if one.disabled else "" if one.password else " (no password yet)"
        out.print(f"{one.name}: {one.role}{' ' + what if what else ''}{state}", markup=False)


@user.command("disable")
def disable(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who must not sign in any more.")],
    again: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False,
    workspace: WorkspaceOption = None,
    course: CourseOption = None,
) -> None:
    """Shut somebody out at once; what they did stays.

    Example: grader user disable tanaka
    """
    accounts = _accounts(workspace, course)
    accounts.disable(_known(accounts, name).id, disabled=not again)
    console().print(f"{name}: {'may sign in again' if again else 'shut out'}", markup=False)


def _accounts(workspace: object, course: object) -> Accounts:
    from grader.store import open_gradebook

    settings = settings_from(workspace=workspace, course=course)
    settings.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open_gradebook(settings).accounts


def _known(accounts: Accounts, name: str) -> User:
    """:raises UsageError: there is nobody of this name."""
    from grader.errors import UsageError

    found = accounts.named(name)
    if found is None:
        raise UsageError(f"there is no user {name!r}; see 'grader user list'")
    return found


def _print_link(accounts: Accounts, one: User, what: str) -> None:
    import hashlib
    import secrets

    token = secrets.token_urlsafe(32)
    until = datetime.now(UTC) + timedelta(days=TOKEN_DAYS)
    accounts.set_token(one.id, hashlib.sha256(token.encode()).hexdigest(), until.isoformat(timespec="microseconds"))
    out = console()
    out.print(f"{what}: {one.name}, {one.role}", markup=False)
    out.print(f"link, works once within {TOKEN_DAYS} days: http://127.0.0.1:8765/link/{token}", markup=False)
    out.print(
        "elsewhere put the address of your server before /link/; the part behind it is also a token", markup=False
    )


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(serve)
    app.add_typer(user, name="user")
