"""What every request passes before it reaches a page, and every answer before it leaves."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from starlette.responses import PlainTextResponse

from grader.web.options import ServeOptions
from grader.web.room import Room

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FORM_LIMIT_BYTES = 2**20
UPLOAD_LIMIT_BYTES = 2**30
_PREFIX = re.compile(rb"(/[\w.~-]+)*")

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
"""Of every answer; a page names its own policy and may say that it can be kept."""


class Guard:
    """Host names, addresses, prefix, size of what is sent, and headers. ASGI 3."""

    def __init__(self, app: App, options: ServeOptions, uploads: frozenset[str], room: Room) -> None:
        self.room = room
        self._app = app
        self._options = options
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sender = _with_headers(send, scope)
        if not self._is_for_us(scope):
            refusal = PlainTextResponse("This name is not served here: see --allow-host.", status_code=421)
            await refusal(scope, receive, sender)
            return
        if b"%00" in scope["query_string"]:
            await PlainTextResponse("No address of ours holds a NUL.", status_code=400)(scope, receive, sender)
            return
        self._place(scope)
        path = scope["path"].removeprefix(scope["root_path"])
        limit = UPLOAD_LIMIT_BYTES if path in self._uploads else FORM_LIMIT_BYTES
        if _declared_length(scope) > limit:
            await PlainTextResponse("Too much was sent.", status_code=413)(scope, receive, sender)
            return
        await self._app(scope, _limited(receive, limit), sender)

    def _is_for_us(self, scope: Scope) -> bool:
        """A page of another site, whose name leads to this machine, must not reach us (DNS rebinding)."""
        name = _header(scope, b"host").decode("latin-1").lower()
        if self._options.proxied:
            forwarded = _header(scope, b"x-forwarded-host").decode("latin-1").lower()
            name = forwarded.split(",")[0].strip() or name
        return "*" in self._options.hosts or re.sub(r":\d*$", "", name) in self._options.hosts

    def _place(self, scope: Scope) -> None:
        """The prefix, whether or not the proxy has cut it off; scheme and address as the proxy saw them."""
        prefix = self._options.prefix
        if self._options.proxied:
            told = _header(scope, b"x-forwarded-prefix").rstrip(b"/")
            if told and _PREFIX.fullmatch(told):
                prefix = told.decode("ascii")
            if _header(scope, b"x-forwarded-proto").split(b",")[0].strip() == b"https":  # each proxy adds its own
                scope["scheme"] = "https"
            if seen := _outermost(_header(scope, b"x-forwarded-for").decode("latin-1")):
                scope["client"] = (seen[:80], 0)
        scope["root_path"] = prefix
        if prefix and not (scope["path"] == prefix or scope["path"].startswith(f"{prefix}/")):
            scope["path"] = prefix + scope["path"]
        elif prefix and scope["path"] == prefix:
            scope["path"] = f"{prefix}/"


def _outermost(told: str) -> str:
    """Of the addresses that a chain of proxies saw, the last one that is not of this machine; else the last."""
    addresses = [address.strip() for address in told.split(",")]
    return next((a for a in reversed(addresses) if not _is_of_this_machine(a)), addresses[-1])


def _is_of_this_machine(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


def _declared_length(scope: Scope) -> int:
    said = _header(scope, b"content-length")
    return int(said) if said.isdigit() else 0


def _limited(receive: Receive, limit: int) -> Receive:
    """:raises ConnectionError: when more comes than was declared, as the client were gone."""
    taken = 0

    async def take() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            return {"type": "http.disconnect"}
        return message

    return take


def _with_headers(send: Send, scope: Scope) -> Send:
    async def forward(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            named = {bytes(name).lower() for name, _ in headers}
            extra = {**HEADERS}
            if scope.get("scheme") == "https":
                extra["strict-transport-security"] = "max-age=31536000"
            headers += [(k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in named]
            message = {**message, "headers": headers}
        await send(message)

    return forward
