"""The launcher: ``python -I -S launcher.py MECHANISM SPEC.json -- ARGV...``; deletes the file, then runs ARGV confined.

MECHANISM is ``namespaces``, ``bwrap``, or ``inside`` (the second half of ``bwrap``, in the finished view; SPEC is the
JSON itself there).
"""

from __future__ import annotations

import os
import signal
import sys


def main(arguments: list[str]) -> None:
    """Does not return: it becomes ARGV, or ends with status 125 and a line on standard error."""
    from grader.sandbox.enter import FAILED, confine, enter
    from grader.sandbox.spec import Spec

    mechanism, place, _, *argv = arguments
    os.environ.pop("JPY_PARENT_PID", None)  # a process that cannot be seen from inside; its end is ours anyway
    try:
        if mechanism == "inside":
            os.environ.pop("PWD", None)  # of bwrap's making
            spec = Spec.from_json(place)
            confine(spec.limits, spec.readable, spec.writable)
        else:
            with open(place, encoding="utf-8") as file:
                spec = Spec.from_json(file.read())
            os.unlink(place)
            if mechanism == "bwrap":
                from grader.sandbox.bubblewrap import replace_process

                replace_process(spec, argv)
            if mechanism != "namespaces":
                raise OSError(f"there is no mechanism {mechanism!r}")
            enter(spec)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; what it becomes decides for itself
            signal.signal(number, signal.SIG_DFL)
        os.execv(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        sys.exit(FAILED)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    main(sys.argv[1:])
