"""How the application is reached: address, path in front of it, proxy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from grader.errors import UsageError
from grader.web.hub import Hub, hub_of

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PREFIX = re.compile(r"(/[\w.~-]+)*")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How the application is reached.

    :ivar prefix: path in front of all pages, without a slash at its end.
    :ivar hosts: names that it may be called by; others are refused.
    :ivar proxied: believe what a reverse proxy says about address, scheme, host and prefix.
    :ivar hub: the JupyterHub that started it as a service, for signing in there.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    prefix: str = ""
    hosts: tuple[str, ...] = LOCAL_NAMES
    proxied: bool = False
    hub: Hub | None = None


def serve_options(
    port: int | None = None,
    host: str | None = None,
    prefix: str | None = None,
    hosts: tuple[str, ...] = (),
    proxied: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> ServeOptions:
    """Options of the command line over what JupyterHub says in the environment of a service.

    https://jupyterhub.readthedocs.io/en/stable/reference/services.html

    :raises UsageError: the prefix is none.
    """
    service = environ.get("JUPYTERHUB_SERVICE_PREFIX")
    there = urlsplit(environ.get("JUPYTERHUB_SERVICE_URL", "")) if service else None
    chosen_host = host or (there.hostname if there else None) or "127.0.0.1"
    chosen_prefix = (prefix if prefix is not None else service or "").rstrip("/")
    if not _PREFIX.fullmatch(chosen_prefix):
        raise UsageError(f"--prefix is {chosen_prefix!r}: expected a path such as /grader")
    public = (urlsplit(environ.get(f"JUPYTERHUB_PUBLIC_{name}URL", "")).hostname for name in ("", "HUB_"))
    named = tuple(name.lower() for name in (*hosts, *(public if service else ())) if name)
    return ServeOptions(
        host=chosen_host,
        port=port if port is not None else (there.port if there else None) or 8765,
        prefix=chosen_prefix,
        hosts=(*LOCAL_NAMES, *named) if named or host is None else (*LOCAL_NAMES, chosen_host.lower()),
        proxied=proxied or service is not None,
        hub=hub_of(environ),
    )
