"""The command line: thin commands over the rooms. Heavy imports wait until a command runs."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import NoReturn

_INTERRUPTED = 130


def main() -> None:
    """Entry point of the console script; ends with the exit codes that the contract names."""
    from grader.errors import GraderError

    signal.signal(signal.SIGTERM, _terminated)
    try:
        from grader.cli.app import app

        app(prog_name="grader")
    except GraderError as error:
        print(f"grader: {error}", file=sys.stderr)  # noqa: T201
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
    except Exception:
        traceback.print_exc()
        print("grader: this is a fault of the program, please report it with the lines above", file=sys.stderr)  # noqa: T201
        sys.exit(3)


def _terminated(_signal: int, _frame: object) -> NoReturn:
    """The same way out as Ctrl-C: kernels are ended, what was graded is kept."""
    raise KeyboardInterrupt


def _interrupted() -> NoReturn:
    print("grader: interrupted; what was graded so far is kept", file=sys.stderr)  # noqa: T201
    sys.exit(_INTERRUPTED)
