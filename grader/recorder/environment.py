"""Makes a Colab-minded notebook run offline: stand-ins for ``google.colab``, and commands that need a network."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from grader.recorder.session import Session

_COMMAND_STARTS = (
    r"(?:^|[;&|({`\n]|\s-m\s|\b(?:do|then|else|time|nohup|exec|env|xargs)\s"
    r"|\b(?:ba|da|z|k)?sh\s+(?:-\w+\s+)*-\w*c\s+['\"]?)\s*(?:\w+=\S*\s+)*(?:sudo\s+(?:-\w+\s+)*)?(?:[\w.~/-]*/)?"
)
_NETWORK_COMMANDS = re.compile(
    _COMMAND_STARTS + r"(?:(?:pip3?(?:\.\d+)?|conda|mamba)\b(?!\s+(?:list|show|freeze|check|info|--version|-V)\b)"
    r"|(?:apt(?:-get)?|aptitude|wget|curl|aria2c|git\s+(?:clone|pull|fetch|lfs)|kaggle|gdown|npm"
    r"|uv\s+(?:pip|add|sync)|pipx\s+(?:install|run))\b)(?!\.\w)"
)
_SHELLS = ("script", "bash", "sh", "zsh", "ksh", "cmd")
_PACKAGE_MAGICS = ("conda", "mamba", "micromamba")
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


def refused(session: Session, command: str) -> bool:
    """Whether ``command`` is left out, which is then said in the notebook and noted."""
    if not needs_network(command):
        return False
    session.note("shell", command)
    print("[grader] not run, there is no network while grading:", command.strip()[:200])  # noqa: T201
    return True


def tame_shell(shell: Any, session: Session) -> None:
    """Lets ``!command`` and ``%%bash`` run unless they need a network; knows Colab's own magics as empty ones."""
    run, capture = shell.system, shell.getoutput

    def system(command: str) -> Any:
        if refused(session, command):
            shell.user_ns["_exit_code"] = 0
            return None
        return run(command)

    def getoutput(command: str, split: bool = True, depth: int = 0) -> Any:
        return [] if refused(session, command) else capture(command, split=split, depth=depth + 1)

    object.__setattr__(shell, "system", system)
    object.__setattr__(shell, "getoutput", getoutput)
    for name in ("tensorflow_version", "bigquery", "shell"):
        shell.register_magic_function(lambda line="", cell=None: None, "line_cell", name)
    magics = shell.magics_manager.magics
    for name in _SHELLS:
        if name in magics["cell"]:
            magics["cell"][name] = _tame_script(magics["cell"][name], shell, session)
    for name in _PACKAGE_MAGICS:
        if name in magics["line"]:
            magics["line"][name] = _tame_line(magics["line"][name], name, session)


def _tame_script(run: Callable[..., Any], shell: Any, session: Session) -> Callable[..., Any]:
    """``%%bash`` and its like: the cell is run as a whole or not at all."""

    @functools.wraps(run)
    def script(line: str, cell: str) -> Any:
        if not refused(session, cell):
            return run(line, cell)
        for name in re.findall(r"--(?:out|err)[ =](\w+)", line):
            shell.user_ns[name] = ""
        return None

    return script


def _tame_line(run: Callable[..., Any], name: str, session: Session) -> Callable[..., Any]:
    """``%conda``: IPython's own is an error where there is no conda."""

    @functools.wraps(run)
    def magic(line: str) -> Any:
        return None if refused(session, f"{name} {line}") else run(line)

    return magic


def tame_processes(session: Session) -> None:
    """The same for ``os.system`` and ``subprocess``: what is left out ends well and says nothing."""
    run, start = os.system, subprocess.Popen.__init__

    @functools.wraps(run)
    def system(command: Any) -> int:
        return 0 if refused(session, os.fsdecode(command)) else run(command)

    @functools.wraps(start)
    def init(process: Any, *args: Any, **options: Any) -> None:
        given = inspect.signature(start).bind(process, *args, **options).arguments
        if refused(session, _as_line(given["args"])):
            nothing = {"args": [sys.executable, "-S", "-c", ""], "shell": False, "executable": None}
            options, args = {k: v for k, v in given.items() if k != "self"} | nothing, ()
        start(process, *args, **options)

    vars(os)["system"] = system
    setattr(subprocess.Popen, "__init__", init)  # noqa: B010 - no type describes it


def _as_line(words: Any) -> str:
    """A command as a shell would be given it; empty for what is none."""
    if isinstance(words, str | bytes | os.PathLike):
        return str(os.fsdecode(words))
    if not isinstance(words, list | tuple):
        return ""
    return shlex.join(os.fsdecode(word) for word in words if isinstance(word, str | bytes | os.PathLike))
