"""What of the notebook's could run beside a training: threads, signal handlers, hooks of the interpreter.

Each can change weights between two batches, where no callback is asked. None has a use in an assignment, and a training
with one beside it is looked at by a person.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from grader.recorder.origin import functions_of, is_installed, is_installed_code


def running_beside() -> Iterator[str]:
    """The kinds of code of the notebook's that run, or can be called, while this thread trains."""
    if any(map(_is_students_thread, threading.enumerate())) or any(_outermost_are_students()):
        yield "thread"
    if any(_is_students(signal.getsignal(number)) for number in signal.valid_signals()):
        yield "signal handler"
    if any(map(_is_students, (sys.gettrace(), sys.getprofile(), *gc.callbacks))):
        yield "interpreter hook"


def _is_students_thread(thread: threading.Thread) -> bool:
    parts = (getattr(thread, "_target", None), getattr(thread, "function", None), type(thread).run)
    return any(map(_is_students, parts))


def _outermost_are_students() -> Iterator[bool]:
    """For each thread that :mod:`threading` may not know: whether it was started with a function of the notebook's.

    Frames further in do not count: threads of Keras and TensorFlow call generators of the notebook's.
    """
    known = {threading.get_ident(), threading.main_thread().ident}
    for ident, frame in sys._current_frames().items():
        outer = frame
        while outer.f_back is not None:
            outer = outer.f_back
        yield ident not in known and not is_installed_code(outer.f_code, outer.f_globals)


def _is_students(part: Any) -> bool:
    """Whether ``part`` can be called and is made of code that is no installed package's."""
    return callable(part) and not all(map(is_installed, functions_of(part)))
