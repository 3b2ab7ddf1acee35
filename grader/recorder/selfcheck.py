"""The student's own check (``%grader``, ``grader.check``) while grading: it is there, and does nothing."""

from __future__ import annotations

import sys
from typing import Any


def stand_in(shell: Any) -> None:
    """Whoever left calls of the check in the notebook loses nothing by them."""
    package = sys.modules["grader"]
    if hasattr(package, "__version__"):  # the whole program, not what is shipped to kernels
        return

    def nothing(*_: Any, **__: Any) -> None:
        return None

    def load(shell: Any) -> None:
        shell.user_ns.setdefault("grader", package)

    shell.register_magic_function(nothing, "line", "grader")
    vars(package)["check"] = nothing
    vars(package)["load_ipython_extension"] = load
