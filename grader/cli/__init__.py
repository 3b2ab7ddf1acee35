"""The command line: thin commands over the rooms. Heavy imports wait until a command runs."""

from __future__ import annotations

import os
import sys
import traceback


def main() -> None:
    """Entry point of the console script; ends with the exit codes that the contract names."""
    from grader.errors import GraderError

    try:
        from grader.cli.app import app

        app(prog_name="grader")
    except GraderError as error:
        print(f"grader: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("grader: interrupted; what was graded so far is kept", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        print("grader: this is a fault of the program, please report it with the lines above", file=sys.stderr)  # noqa: T201
        sys.exit(3)
