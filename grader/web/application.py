"""Puts routes, guards and the shared state together: one request becomes one :class:`Ask`, one answer."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from grader.config import Settings
from grader.errors import GraderError, UnknownAssignment, UsageError
from grader.web.ask import COOKIE, LANGUAGE_COOKIE, SESSION_S, Ask, NotFound, chosen_language
from grader.web.credentials import digest, is_csrf_token, new_secret
from grader.web.guard import Guard
from grader.web.options import ServeOptions
from grader.web.room import ASSETS, Room
from grader.web.ways import EVENTS, WAYS, Way, events_page

_FILES_AT_ONCE = 500


def make_app(settings: Settings, options: ServeOptions) -> Guard:
    """The application. :raises StoreError: the gradebook cannot be opened. :raises CourseError: there is no course."""
    room = Room(settings, options.hub)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        room.refresh.start()
        yield
        room.refresh.close()
        room.jobs.close()
        room.book.close()

    routes = [
        Route(way.path, partial(_answer, room, way), methods=[way.method], name=f"{way.method} {way.path}")
        for way in WAYS
    ]
    routes.append(Route(EVENTS.path, partial(_stream, room), methods=["GET"]))
    routes.append(Route("/static/{name:path}", partial(_asset, room), methods=["GET"]))
    routes.append(Route("/health", _health, methods=["GET"]))
    handlers: dict[Any, Any] = {404: partial(_missing, room), 405: partial(_missing, room)}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return Guard(app, options, frozenset(way.path for way in WAYS if way.upload), room)


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _asset(room: Room, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        return PlainTextResponse("not found", status_code=404)
    keep = {"cache-control": "public, max-age=31536000, immutable"}
    return FileResponse(room.reports_dir / name, media_type=ASSETS[name], headers=keep)


async def _asked(room: Room, request: Request, form: dict[str, list[str]], files: list[UploadFile]) -> Ask:
    secret = request.cookies.get(COOKIE, "")
    user = await run_in_threadpool(room.book.accounts.of_session, digest(secret)) if secret else None
    listed = room.sections.languages.get(user.student_key) if user and user.student_key else None
    language = chosen_language(request, user, listed, room.settings.language or "en")
    if request.query_params.get("lang") in ("ja", "en", "zh", "ru"):
        language = request.query_params["lang"]
    return Ask(request, room, user, secret or new_secret(), language, form, files)


async def _answer(room: Room, way: Way, request: Request) -> Response:
    form: dict[str, list[str]] = {}
    files: list[UploadFile] = []
    ask = await _asked(room, request, form, files)
    response = _refusal(way, ask)  # before anything that they send is read, which may be a class
    if response is None and way.method == "POST":
        try:
            await _read_form(request, way, form, files)
        except (ClientDisconnect, HTTPException):
            return PlainTextResponse("The form could not be read.", status_code=400)
        response = _refused_form(ask)
    if response is None:
        response = await run_in_threadpool(_handled, way.handler, ask)
    _set_cookies(response, ask)
    return response


async def _read_form(request: Request, way: Way, form: dict[str, list[str]], files: list[UploadFile]) -> None:
    sent = await request.form(max_files=_FILES_AT_ONCE if way.upload else 0, max_fields=200)
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            files.append(value)
        else:
            form.setdefault(name, []).append(_storable(value))


def _storable(text: str) -> str:
    """``text`` as every gradebook takes it: PostgreSQL keeps no NUL, and UTF-8 has no halves of a character."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _refusal(way: Way, ask: Ask) -> Response | None:
    """Why this person may not do this; ``None``: they may."""
    if way.roles is None:
        return None
    if ask.user is None:
        if way.method == "GET":
            return ask.go("/sign-in", next=_own_path(ask))
        return ask.page("message.html.jinja", 401, sentence=ask.words.say("You are not signed in."))
    if ask.user.role not in way.roles:
        return ask.page("message.html.jinja", 403, sentence=ask.words.say("This page is not for you."))
    return None


def _refused_form(ask: Ask) -> Response | None:
    """Why what was sent is not taken; ``None``: it is from a page of ours, made for this person."""
    site = ask.request.headers.get("sec-fetch-site", "same-origin")
    if site in ("same-origin", "none") and is_csrf_token(ask.field("csrf"), _cookie(ask)):
        return None
    sentence = ask.words.say("This form is too old, or is not from here. Open the page again.")
    return ask.page("message.html.jinja", 403, sentence=sentence)


def _cookie(ask: Ask) -> str:
    return ask.request.cookies.get(COOKIE, "")


def _own_path(ask: Ask) -> str:
    path: str = ask.request.url.path.removeprefix(ask.request.scope["root_path"])
    return f"{path}?{ask.request.url.query}" if ask.request.url.query else path


def _handled(handler: Callable[[Ask], Response], ask: Ask) -> Response:
    """The page, or a page that says why there is none; nothing of ours is shown to whoever asked."""
    try:
        return handler(ask)
    except (NotFound, UnknownAssignment):
        return ask.page("message.html.jinja", 404, sentence=ask.words.say("There is no such page."))
    except UsageError as error:
        return ask.page("message.html.jinja", 400, sentence=str(error))
    except GraderError as error:
        sentence = str(error) if ask.user and ask.user.is_staff else ask.words.say("The grader has a fault.")
        return ask.page("message.html.jinja", 500, sentence=sentence)
    except Exception:
        traceback.print_exc()
        return ask.page("message.html.jinja", 500, sentence=ask.words.say("The grader has a fault."))


def _set_cookies(response: Response, ask: Ask) -> None:
    scope = ask.request.scope
    place: dict[str, Any] = {
        "path": (scope["root_path"] or "") + "/",
        "httponly": True,
        "samesite": "lax",
        "secure": scope.get("scheme") == "https",
    }
    if ask.secret != ask.request.cookies.get(COOKIE, ""):
        response.set_cookie(COOKIE, ask.secret, max_age=SESSION_S, **place)
    if ask.request.query_params.get("lang") == ask.language:
        response.set_cookie(LANGUAGE_COOKIE, ask.language, max_age=365 * 86400, **place)


async def _stream(room: Room, request: Request) -> Response:
    ask = await _asked(room, request, {}, [])
    refusal = _refusal(EVENTS, ask)
    return refusal or await events_page(ask)


async def _missing(room: Room, request: Request, _error: Exception) -> Response:
    with suppress(GraderError):
        ask = await _asked(room, request, {}, [])
        sentence = ask.words.say("There is no such page.")
        return await run_in_threadpool(ask.page, "message.html.jinja", 404, sentence=sentence)
    return PlainTextResponse("not found", status_code=404)
