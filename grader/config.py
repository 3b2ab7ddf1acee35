"""Each setting once: its name with the unit, type, default and help, and where its value may come from.

Later places win: defaults < file < environment < command line. The file is ``$GRADER_CONFIG``, else ``grader.toml`` in
the course directory; its keys are the names of the settings, and a relative path in it is relative to the file. The
environment variable of a setting is ``GRADER_`` and its name in capitals; an empty one counts as not set.
"""

from __future__ import annotations

import difflib
import math
import os
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from grader.errors import InvalidSetting

_CONFIG_VARIABLE = "GRADER_CONFIG"
_FILE_NAME = "grader.toml"


def _cpus() -> int:
    """CPUs that this process may use; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it; a container may own fewer CPUs than exist
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one run. A field's metadata: ``help``, ``choices``, ``minimum``, ``maximum``, ``secret``."""

    workspace: Path = field(default=Path("workspace"), metadata={"help": "Folder for what a run produces."})
    database_url: str | None = field(
        default=None,
        repr=False,
        metadata={
            "help": "Gradebook on a server (postgresql://USER@HOST/NAME); none: a file in the workspace.",
            "secret": True,
        },
    )
    course: Path | None = field(
        default=None, metadata={"help": "Course directory; none: the course that comes with the program."}
    )
    data_dir: Path | None = field(
        default=None, metadata={"help": "Folder of the data store; none: the user's data folder."}
    )
    jobs: int = field(
        default_factory=_cpus,
        metadata={
            "help": "Attempts graded at the same time.",
            "minimum": 1,
            "default_text": "number of CPUs of this machine",
        },
    )
    budget: str = field(
        default="full",
        metadata={
            "help": "Trainings as written (full), or capped for a quick check (quick).",
            "choices": ("full", "quick"),
        },
    )
    runtime: str = field(
        default="auto",
        metadata={"help": "Keras that notebooks run on.", "choices": ("auto", "keras3", "keras2")},
    )
    compatibility: str | None = field(
        default=None,
        metadata={
            "help": "Idioms of older Keras that are accepted, separated by commas: acc-log-names, sequential-input; "
            "or none. Not set: the assignment's."
        },
    )
    time_limit_s: float | None = field(
        default=None, metadata={"help": "Wall-clock limit of a whole notebook; none: the assignment's."}
    )
    cell_time_limit_s: float | None = field(
        default=None, metadata={"help": "Wall-clock limit of any one cell; none: the assignment's."}
    )
    memory_limit_mib: int | None = field(
        default=None, metadata={"help": "Memory that a notebook may use; none: the assignment's.", "minimum": 64}
    )
    output_limit_kib: int = field(
        default=1024, metadata={"help": "Output kept of each cell; the rest is cut with a note.", "minimum": 1}
    )
    startup_timeout_s: float = field(default=60.0, metadata={"help": "Time a kernel may take to start."})
    verification_timeout_s: float = field(
        default=120.0, metadata={"help": "Time that re-measuring the models of one attempt may take."}
    )
    checks_timeout_s: float = field(
        default=60.0, metadata={"help": "Time that the rubric's checks of one attempt may take."}
    )
    seed: int = field(
        default=20261121,
        metadata={
            "help": "Seed set at the start of a notebook and before each training.",
            "maximum": 2**32 - 1,  # what numpy.random.seed takes
        },
    )
    threads_per_kernel: int = field(
        default=1,
        metadata={
            "help": "Threads of each kernel. Results may depend on it, so it does not follow the number of jobs.",
            "minimum": 1,
        },
    )
    warm_kernels: bool = field(
        default=True,
        metadata={
            "help": "Fork kernels from a process that has imported TensorFlow already (Linux). Results are the same.",
        },
    )
    device: str = field(
        default="auto",
        metadata={
            "help": "What notebooks train on: GPUs where there are any (auto), cpu, gpu, or every GPU and core (both), "
            "when the last digits of a result depend on which of them was free.",
            "choices": ("auto", "cpu", "gpu", "both"),
        },
    )
    gpu_slots: int = field(default=1, metadata={"help": "Notebooks at the same time on each GPU.", "minimum": 1})
    gpu_memory_limit_mib: int | None = field(
        default=None,
        metadata={"help": "GPU memory of each notebook; none: an equal part of the device.", "minimum": 256},
    )
    cluster_security: Path | None = field(
        default=None,
        metadata={"help": "TOML file with the TLS certificates of a cluster; none: the cluster's network is trusted."},
    )
    replay: bool = field(
        default=True,
        metadata={
            "help": "Answer a training that the grader itself has made before from what it kept. Results are the same.",
        },
    )
    scratch_limit_mib: int = field(
        default=4096, metadata={"help": "What a notebook may write to the disk.", "minimum": 64}
    )
    sandbox: str = field(
        default="auto",
        metadata={
            "help": "How kernels are isolated from the machine: the strongest that works (auto), one by name, or none.",
            "choices": ("auto", "namespaces", "bwrap", "none"),
        },
    )
    language: str | None = field(
        default=None,
        metadata={
            "help": "Language of reports and messages; none: each student's own, else each attempt's.",
            "choices": ("ja", "en", "zh", "ru"),
        },
    )
    browser: str | None = field(
        default=None,
        metadata={"help": "Chromium, Chrome or Edge that makes PDFs, by name or path; none: the first one there is."},
    )
    held_out_seed: int | None = field(
        default=None,
        repr=False,
        metadata={
            "help": "Secret seed of the held-out test images; none: drawn once for the course.",
            "secret": True,
        },
    )


class SettingInfo(NamedTuple):
    """One setting as the docs and the command line show it.

    ``kind``: ``switch``, ``integer``, ``number``, ``text`` or ``path``.
    """

    name: str
    kind: str
    default: str
    help: str
    env: str
    choices: tuple[str, ...] = ()


_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_KINDS: Mapping[type, str] = {bool: "switch", int: "integer", float: "number", str: "text", Path: "path"}


def _type_of(hint: Any) -> type:
    """``int`` for ``int`` and for ``int | None``."""
    parts: tuple[type, ...] = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next(p for p in parts if p is not types.NoneType)


_TYPES: Mapping[str, type] = {name: _type_of(hint) for name, hint in typing.get_type_hints(Settings).items()}
_FIELDS = {f.name: f for f in fields(Settings)}


def env_name(name: str) -> str:
    """The environment variable of setting ``name``."""
    return f"GRADER_{name.upper()}"


def describe() -> Iterator[SettingInfo]:
    """Every setting, in the order of :class:`Settings`; the default is a text that is the same on every machine."""
    for name, f in _FIELDS.items():
        default = f.metadata.get("default_text") or ("none" if f.default is None else str(f.default))
        default = default.lower() if _TYPES[name] is bool else default
        choices = tuple(f.metadata.get("choices", ()))
        yield SettingInfo(name, _KINDS[_TYPES[name]], default, f.metadata["help"], env_name(name), choices)


def _expected(name: str) -> str:
    """What a value of setting ``name`` may be, in words."""
    facts = _FIELDS[name].metadata
    if "choices" in facts:
        return "one of " + ", ".join(facts["choices"])
    kind = _TYPES[name]
    if kind is int:
        at_most = f" and at most {facts['maximum']}" if "maximum" in facts else ""
        return f"a whole number of at least {facts.get('minimum', 0)}{at_most}"
    return {bool: "true or false", float: "a number greater than 0", Path: "a path", str: "a text"}[kind]


def _switch(value: Any) -> bool:
    """:raises ValueError: neither a truth value nor a word for one."""
    word = str(value).strip().lower()
    if word not in _SWITCHES:
        raise ValueError(value)
    return _SWITCHES[word]


def _parse(name: str, value: Any) -> Any:
    """``value`` as the type of setting ``name``; :raises ValueError: it cannot be that."""
    facts, kind = _FIELDS[name].metadata, _TYPES[name]
    if kind is bool:
        return _switch(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | os.PathLike):
        raise ValueError(value)
    if kind is Path:
        if isinstance(value, int | float) or not str(value).strip():
            raise ValueError(value)
        return Path(value).expanduser()
    if kind is str:
        if value not in facts.get("choices", (value,)):
            raise ValueError(value)
        return str(value)
    if isinstance(value, os.PathLike) or (kind is int and isinstance(value, float)):
        raise ValueError(value)
    number = kind(value)
    too_small = number <= 0 if kind is float else number < facts.get("minimum", 0)
    if too_small or not math.isfinite(number) or number > facts.get("maximum", number):
        raise ValueError(value)
    return number


def _accept(name: str, value: Any, origin: str) -> Any:
    """``value`` parsed; :raises InvalidSetting: naming setting, value, origin and what is expected."""
    try:
        return _parse(name, value)
    except (ValueError, OverflowError):
        shown = "a secret value" if _FIELDS[name].metadata.get("secret") else repr(value)
        raise InvalidSetting(f"{name} is {shown} ({origin}): expected {_expected(name)}") from None


def _from_file(path: Path) -> dict[str, Any]:
    """Settings of a TOML file; :raises InvalidSetting: unreadable, or with a name that is no setting."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"settings file {path} cannot be read: {error}: expected a TOML file") from error
    for name in data:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, n=1)
            meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(_FIELDS)}"
            raise InvalidSetting(f"{name} (from {path}) is no setting: {meant}")
    values = {name: _accept(name, value, f"from {path}") for name, value in data.items()}
    return {name: path.parent / v if isinstance(v, Path) else v for name, v in values.items()}


def _settings_file(file: Path | None, environ: Mapping[str, str], course: Path | None) -> Path | None:
    if file is not None:
        return file
    if environ.get(_CONFIG_VARIABLE):
        return Path(environ[_CONFIG_VARIABLE]).expanduser()
    own = course / _FILE_NAME if course else None
    return own if own and own.is_file() else None


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings of this run.

    :param overrides: name to value from the command line; ``None`` means that the option was not given.
    :param environ: instead of the process's environment.
    :param file: instead of ``$GRADER_CONFIG`` or the course's ``grader.toml``.
    :raises InvalidSetting: a name or value that cannot be, and where it came from.
    """
    environ = os.environ if environ is None else environ
    chosen: dict[str, Any] = {}
    for name in _FIELDS:
        if environ.get(env_name(name)):
            chosen[name] = _accept(name, environ[env_name(name)], f"from the environment variable {env_name(name)}")
    for name, value in (overrides or {}).items():
        if name not in _FIELDS:
            raise InvalidSetting(f"{name} (from the command line) is no setting: expected one of {', '.join(_FIELDS)}")
        if value is not None:
            chosen[name] = _accept(name, value, "from the command line")
    path = _settings_file(file, environ, chosen.get("course"))
    return Settings(**{**(_from_file(path) if path else {}), **chosen})
