"""The command line: thin commands over the rooms. Heavy imports wait until a command runs."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from typing import NoReturn

_INTERRUPTED = 130
_FAULT = "grader: this is a fault of the program, please report it with the lines above"


def main() -> None:
    """Entry point of the console script; ends with the exit codes that the contract names."""
    from grader.errors import GraderError

    signal.signal(signal.SIGTERM, _terminated)
    try:
        from grader.cli.app import app

        app(prog_name="grader")
    except GraderError as error:
        _say(f"grader: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer ends so, without a word
            _interrupted()
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        _say(_disk_full(error) or f"{traceback.format_exc()}{_FAULT}")
        sys.exit(3)


def _say(text: str) -> None:
    """To standard error; a message may quote what a student wrote, so no control sequence of theirs is in it."""
    from grader.plain import clean

    print(clean(text), file=sys.stderr)  # noqa: T201


def _disk_full(error: Exception) -> str | None:
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    where = f" (writing {error.filename})" if error.filename else ""
    return f"grader: the disk is full{where}: make room and give the same command again; what was graded so far is kept"


def _terminated(_signal: int, _frame: object) -> NoReturn:
    """The same way out as Ctrl-C: kernels are ended, what was graded is kept."""
    raise KeyboardInterrupt


def _interrupted() -> NoReturn:
    print("grader: interrupted; what was graded so far is kept", file=sys.stderr)  # noqa: T201
    sys.exit(_INTERRUPTED)
