"""Runs the application with uvicorn until it is ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import uvicorn

from grader.config import Settings
from grader.web.application import make_app
from grader.web.options import ServeOptions


def run(settings: Settings, options: ServeOptions, tell: Callable[[str], None]) -> None:
    """Serves until Ctrl-C or SIGTERM.

    :param tell: is given the address once.
    :raises StoreError: the gradebook cannot be opened. :raises CourseError: there is no course.
    """
    app = make_app(settings, options)
    host = f"[{options.host}]" if ":" in options.host else options.host
    tell(f"http://{host}:{options.port}{options.prefix}/")
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        proxy_headers=False,  # ours to believe or not: see --behind-proxy
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
    )
    with suppress(KeyboardInterrupt):  # it raises the signal again that has ended it
        uvicorn.Server(config).run()
