"""One recording: its settings, its event file, its seeds. Nothing in here may ever break the student's own code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.recorder.seeds import SeedShift

EVENTS_LIMIT_BYTES = 48 * 2**20
_SEED_LIMIT = 10**9


@dataclass(frozen=True)
class Settings:
    """What the harness tells the recorder, as ``recorder.json``.

    :ivar cell_file: holds the index of the cell that runs, written by the harness.
    :ivar datasets: name to ``{"digest", "directory", "files"}``: data sets that can be served.
    :ivar fallback: whether a data set that is not served may be fetched by Keras itself (the student's own machine).
    :ivar quick_epochs, quick_rows: caps of each training; ``None`` for no cap.
    :ivar compatibility: options of :mod:`grader.recorder.compatibility` that are on.
    :ivar gpu_memory_limit_mib: of the one GPU that the kernel sees; ``None``: it sees none.
    :ivar replay_store: folder of trainings that the grader has made before; ``None``: there is none.
    :ivar replay_record: folder for the trainings of a notebook of the grader's own; ``None`` for a student's.
    :ivar preload: whether Keras is imported before the first cell.
    :ivar only_watch: nothing is seeded, replayed, built early or guarded: the student's own kernel, outside grading.
    :ivar seed_shift: is added to the seeds that the notebook fixes itself (:mod:`grader.recorder.seeds`).
    """

    claims: Path
    cell_file: Path
    seed: int
    runtime: str = "keras3"
    datasets: Mapping[str, Any] = field(default_factory=dict)
    fallback: bool = False
    quick_epochs: int | None = None
    quick_rows: int | None = None
    compatibility: Sequence[str] = ()
    seed_shift: int = 0
    preload: bool = False
    replay_store: str | None = None
    replay_record: str | None = None
    gpu_memory_limit_mib: int | None = None
    only_watch: bool = False

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Settings from the harness' file."""
        data = json.loads(path.read_text("utf-8"))
        return cls(**{**data, "claims": Path(data["claims"]), "cell_file": Path(data["cell_file"])})


def jsonable(value: Any) -> Any:
    """``value`` as plain JSON: numpy scalars unwrapped, NaN and infinity ``None``, anything else its short ``str``."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(v) for v in value]
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)[:200]
    if isinstance(value, float) or not number.is_integer():
        return number if math.isfinite(number) else None
    return int(number) if type(value).__name__.startswith(("int", "uint")) else number


def snake(name: str) -> str:
    """``SparseCategoricalCrossentropy`` as ``sparse_categorical_crossentropy``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Session:
    """Writes events in order and deals out identifiers and seeds."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.seeds = SeedShift(settings.seed_shift)
        self.depth = 0
        self.quiet = 0
        self.cut_epochs: set[tuple[int, int]] = set()
        self._accepted: set[str] = set()
        self._started = time.monotonic()
        self._written = 0
        self._counts: dict[str, int] = {}
        self.initializer_random = random.Random(self.seed_for("initializers"))  # noqa: S311 - reproducible, not secret
        settings.claims.mkdir(parents=True, exist_ok=True)
        self._events = settings.claims / "events.jsonl"

    @property
    def events_path(self) -> Path:
        """The file that events go to."""
        return self._events

    @property
    def written(self) -> int:
        """Bytes that this session has written to it."""
        return self._written

    def next_id(self, kind: str) -> str:
        """``fit-1``, ``fit-2`` …"""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}-{self._counts[kind]}"

    def seed_for(self, *parts: object) -> int:
        """A seed that depends on the run's seed and ``parts`` alone."""
        text = json.dumps([self.settings.seed, *map(str, parts)])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % _SEED_LIMIT

    def cell(self) -> int | None:
        """Index of the notebook cell that runs."""
        try:
            return int(self.settings.cell_file.read_text("ascii"))
        except (OSError, ValueError):
            return None

    def emit(self, event: str, **fields: Any) -> None:
        """Appends one event; past the size limit events are dropped."""
        row = {"event": event, "cell": self.cell(), "t_s": round(time.monotonic() - self._started, 3)}
        line = (
            json.dumps(row | jsonable(fields), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
        )
        if self._written + len(line) > EVENTS_LIMIT_BYTES:
            return
        descriptor = os.open(self._events, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._written += os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def note(self, kind: str, detail: object = "") -> None:
        """Notes something that was done differently from what the notebook asked."""
        self.emit("note", kind=kind, detail=str(detail)[:500])

    def accepts(self, option: str) -> bool:
        """Whether this compatibility option is on."""
        return option in self.settings.compatibility

    def accepted(self, option: str, detail: object) -> None:
        """Notes, once, that the notebook needed the option; what the recorder itself reads does not count."""
        if not self.quiet and option not in self._accepted:
            self._accepted.add(option)
            self.note(option, detail)

    def fault(self, where: str, error: BaseException) -> None:
        """A fault of the recorder's own: told to staff, invisible to the student."""
        with contextlib.suppress(Exception):  # the notebook goes on whatever happens to the recording
            self.note("recorder-fault", f"{where}: {type(error).__name__}: {error}")
