"""Makes a Colab-minded notebook run offline: stand-ins for ``google.colab``, and shell commands that need a network."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from grader.recorder.session import Session

_NETWORK_COMMANDS = re.compile(
    r"(?:^|[;&|(\n]|\s-m\s)\s*(?:\w+=\S*\s+)*(?:sudo\s+(?:-\w+\s+)*)?(?:[\w.~/-]*/)?"
    r"(?:(?:pip3?|conda|mamba)\b(?!\s+(?:list|show|freeze|check|info|--version|-V)\b)"
    r"|(?:apt(?:-get)?|wget|curl|git\s+clone|kaggle|gdown|npm)\b)(?!\.\w)"
)
_COLAB = ("drive", "files", "output", "userdata", "patches", "data_table", "auth", "widgets", "runtime", "syntax")


class ColabFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves empty-handed ``google.colab`` modules, only when they are asked for: many a notebook looks in
    ``sys.modules`` to learn where it runs.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        sys.meta_path.append(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A specification for ``google`` (where nothing else provides it) and ``google.colab`` modules."""
        if fullname in ("google", "google.colab"):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        if fullname.startswith("google.colab.") and fullname.split(".")[2] in _COLAB:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Python's own way."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fills the module with functions that note the call and do nothing."""
        name = module.__name__
        if name == "google":
            return
        self._session.note("colab", name)
        vars(module)["__getattr__"] = lambda attribute: self._attribute(name, attribute)

    def _attribute(self, module: str, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if module == "google.colab":
            if attribute in _COLAB:
                return __import__(f"google.colab.{attribute}", fromlist=["_"])
            raise AttributeError(attribute)

        def stand_in(*args: Any, **_: Any) -> Any:
            self._session.note("colab", f"{module}.{attribute}")
            print(f"[grader] {module}.{attribute}() does nothing here: there is no Colab while grading.")  # noqa: T201
            return {} if attribute == "upload" else None

        return stand_in


def needs_network(command: str) -> bool:
    """Whether a shell command installs or downloads something."""
    return bool(_NETWORK_COMMANDS.search(command.replace("\\\n", " ").strip()))


def tame_shell(shell: Any, session: Session) -> None:
    """Lets ``!command`` run unless it needs a network; knows Colab's own magics as empty ones."""
    run, capture = shell.system, shell.getoutput

    def refused(command: str) -> bool:
        if not needs_network(command):
            return False
        session.note("shell", command)
        print("[grader] not run, there is no network while grading:", command.strip()[:200])  # noqa: T201
        return True

    def system(command: str) -> Any:
        if refused(command):
            shell.user_ns["_exit_code"] = 0
            return None
        return run(command)

    def getoutput(command: str, split: bool = True, depth: int = 0) -> Any:
        return [] if refused(command) else capture(command, split=split, depth=depth + 1)

    object.__setattr__(shell, "system", system)
    object.__setattr__(shell, "getoutput", getoutput)
    for name in ("tensorflow_version", "bigquery", "shell"):
        shell.register_magic_function(lambda line="", cell=None: None, "line_cell", name)
