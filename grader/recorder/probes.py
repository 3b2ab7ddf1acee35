"""After the notebook: the callbacks that were given to ``fit`` are driven through made-up runs.

Two of each: the very object (``given``), and a ``fresh`` one as it was before its first training. What they do is
written event by event: a callback that ends the kernel leaves what came before it.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grader.recorder import facts
from grader.recorder.compatibility import AliasedLogs, LogNames, other_name
from grader.recorder.driving import TEXT_LIMIT, Driver, Logs, Run, TimeUp, alarm
from grader.recorder.levels import STANDARD_NAMES, Level, bad, beyond, good, infer, rises

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

FITS_LIMIT = 4
CALLBACKS_LIMIT = 4
TIME_LIMIT_S = 10.0
"""Wall clock, as only a callback that hangs meets it: a busy machine must not change what is found."""
EPOCHS = 5
LONG_EPOCHS = 12
EPOCHS_LIMIT = 200
_NAMES_LIMIT = 8
_STOPPING = ("EarlyStopping", "LambdaCallback")
_NOMINAL = {True: 0.9, False: 0.3}


@dataclass
class CallbackFit:
    """One training with callbacks of the student's; ``before``: their scalar attributes before any training."""

    fit: str
    callbacks: list[Any]
    before: list[dict[str, Any]]
    model: weakref.ref[Any]
    epochs: int
    logs: Logs = field(default_factory=dict)

    @classmethod
    def of(cls, fit: str, model: Any, callbacks: Any, epochs: int, earlier: Sequence[CallbackFit]) -> CallbackFit:
        """Keeps the callbacks themselves; one that an earlier training had is remembered as it was before that."""
        items = facts.student_callbacks(callbacks)
        known = {id(c): before for e in reversed(earlier) for c, before in zip(e.callbacks, e.before, strict=True)}
        before = [known.get(id(c)) or _scalars(c) for c in items]
        return cls(fit, items, before, weakref.ref(model), epochs)


def _scalars(callback: Any) -> dict[str, Any]:
    try:
        return {k: v for k, v in vars(callback).items() if isinstance(v, int | float | str | bool | None)}
    except TypeError:
        return {}


def probe_callbacks(hooks: KerasHooks, fits: Sequence[CallbackFit], time_limit_s: float = TIME_LIMIT_S) -> None:
    """Drives the callbacks of the last trainings; one that is slow leaves some of the time to the others."""
    work = [(fit, n) for fit in list(fits)[-FITS_LIMIT:] for n in range(min(len(fit.callbacks), CALLBACKS_LIMIT))]
    work = [(fit, n) for fit, n in work if _may_stop(fit.callbacks[n])]
    hooks.session.depth += 1
    until = time.monotonic() + time_limit_s
    try:
        for number, (fit, index) in enumerate(reversed(work)):
            share_s = (until - time.monotonic()) / (len(work) - number)
            _Probe(hooks, fit, index).bounded(max(share_s, 0.05))
    finally:
        hooks.session.depth -= 1


def _may_stop(callback: Any) -> bool:
    """Keras' own callbacks do what their names say, and some write files: those that stop no training are left out."""
    kind = callback if isinstance(callback, type) else type(callback)
    return not facts.is_builtin(kind) or kind.__name__ in _STOPPING


class _Probe:
    """All made-up runs of one callback of one training."""

    def __init__(self, hooks: KerasHooks, fit: CallbackFit, index: int) -> None:
        self.session = hooks.session
        self.fit = fit
        self.index = index
        self.given = fit.callbacks[index]
        self.names = [n for n in fit.logs if n not in ("lr", "learning_rate")][:_NAMES_LIMIT] or ["accuracy", "loss"]
        self._hooks = hooks
        self._log_names = LogNames(hooks.session)
        self._driver = Driver(math.inf)

    def bounded(self, seconds: float) -> None:
        """Everything within ``seconds``; what was found by then is written."""
        self._driver = Driver(time.monotonic() + seconds, self._hooks.models, self._handed)
        try:
            with alarm(seconds):
                self._all()
        except TimeUp:
            self._emit_level(Level(error=f"TimeUp: driving it took more than {seconds:.2g} s"))

    def _handed(self, logs: Logs) -> Logs:
        """What a callback is handed: where that is accepted this training's accuracy has both of its names."""
        return AliasedLogs(logs, self._log_names.used, self.names) if self._log_names.on else dict(logs)

    def _all(self) -> None:
        if isinstance(self.given, type):
            self._emit_level(Level(error=f"TypeError: {self.given.__name__} is a class, not an instance of it"))
            return
        if type(self.given).__name__ == "EarlyStopping" and facts.is_builtin(type(self.given)):
            self._emit_level(Level(metric=str(self.given.monitor)[:200]))
            self._drive(self._plateaus())
            return
        levels = self._levels()
        for level in levels:
            self._emit_level(level)
        watched = [level for level in levels if level.metric is not None]
        self._drive(self._scenarios(watched))
        if not watched:
            self._drive(self._plateaus())

    # What is driven

    def _fresh(self) -> Any:
        """One like the callback before its first training: of its class without arguments where that can be made."""
        kind = type(self.given)
        try:
            made = copy.copy(self.given) if facts.is_builtin(kind) else kind()
        except TimeUp:
            raise
        except BaseException:  # it needs arguments, or will not be made
            made = copy.copy(self.given)
            for name in _scalars(made).keys() - self.fit.before[self.index].keys():  # learned in a training
                vars(made).pop(name, None)
        if before := self.fit.before[self.index]:
            vars(made).update(before)
        return made

    def _run(self, callback: Any, logs: Sequence[Logs]) -> Run:
        return self._driver.run(callback, logs, real=self.fit.model(), epochs=max(self.fit.epochs, len(logs)))

    def _levels(self) -> list[Level]:
        """Levels over all usual log names: a callback that reads a name which this training lacks has one too."""
        names = list(dict.fromkeys([*self.names, *STANDARD_NAMES]))
        if self._log_names.on:
            names = [n for n in names if n in self.names or other_name(n) not in self.names]
        for epochs in (1, LONG_EPOCHS):
            try:
                levels = infer(self._stops(epochs), names)
            except _Raised as raised:
                return [Level(error=str(raised)[:TEXT_LIMIT])]
            if not levels[0].never:
                break
        return levels

    def _stops(self, epochs: int) -> Callable[[Logs], bool]:
        def stops(logs: Logs) -> bool:
            run = self._run(self._fresh(), [logs] * epochs)
            if run.error is not None:
                raise _Raised(run.error)
            return run.stopped_at is not None

        return stops

    # What it is driven through

    def _values(self, levels: Sequence[Level]) -> tuple[Logs, Logs, Logs]:
        """Logs under this training's own names: short of the level, at it, and past it."""
        metric = self._metric(levels)
        picked = {level.metric: level for level in levels if level.joint or level is levels[0]}
        if metric not in picked:
            picked = {metric: next(iter(picked.values()), Level())}
        worst = {n: bad(n) for n in self.names}
        short, at, past = worst, dict(worst), dict(worst)
        for name, level in picked.items():
            if name in self.names:
                short[name], at[name], past[name] = _around(name, level)
        return short, at, past

    def _metric(self, levels: Sequence[Level]) -> str:
        """The log that it watches, under the name that this training gives to it."""
        watched = [level.metric for level in levels if level.metric is not None]
        own = [n for n in watched if n in self.names]
        alike = [n for n in self.names if watched and _plain(n) == _plain(watched[0])]
        rising = [n for n in self.names if rises(n)]
        return next(iter([*own, *alike, *rising, *self.names]))

    def _scenarios(self, levels: Sequence[Level]) -> list[tuple[str, list[Logs]]]:
        short, at, past = self._values(levels)
        reached = [[short] * n + [past] * (EPOCHS - n) for n in (0, 2, EPOCHS - 1)]
        metric = self._metric(levels)
        other = {_other_name(n): v for n, v in past.items()}
        return [
            ("never", [short] * EPOCHS),
            ("reached-1", reached[0]),
            ("reached-3", reached[1]),
            ("reached-last", reached[2]),
            ("reached-then-lost", [short, past, short, short, short]),
            ("again-never", [short] * EPOCHS),
            ("again-reached-3", reached[1]),
            ("at-level", [at] * 3),
            ("other-name", [other] * 2),
            ("missing", [{n: v for n, v in past.items() if n != metric}] * 2),
            ("nan", [dict.fromkeys(self.names, math.nan)] * 2),
        ]

    def _plateaus(self) -> list[tuple[str, list[Logs]]]:
        """Runs for callbacks that wait for an improvement: one without any, one with some in every epoch."""
        patience = getattr(self.given, "patience", None)
        epochs = min(patience + 10, EPOCHS_LIMIT) if isinstance(patience, int) and patience >= 0 else 40
        names = list(dict.fromkeys([*self.names, *([self.given.monitor] if hasattr(self.given, "monitor") else [])]))
        names = [n for n in names if isinstance(n, str) and n in self.names]
        flat = {n: 0.5 if rises(n) else 1.0 for n in names}
        better = [
            {n: 0.1 + 0.5 * e / epochs if rises(n) else 2.0 - 1.5 * e / epochs for n in names} for e in range(epochs)
        ]
        return [("flat", [flat] * epochs), ("improving", better)]

    # What comes of it

    def _drive(self, scenarios: Sequence[tuple[str, list[Logs]]]) -> None:
        """Both subjects through each scenario; one called ``again…`` goes on with the object of the one before it."""
        fresh: Any = None
        for scenario, logs in scenarios:
            self._emit_run("given", scenario, logs, self._run(self.given, logs))
            if fresh is None or not scenario.startswith("again"):
                fresh = self._fresh()
            self._emit_run("fresh", scenario, logs, self._run(fresh, logs))

    def _emit_run(self, subject: str, scenario: str, logs: list[Logs], run: Run) -> None:
        where = {"fit": self.fit.fit, "callback": self.index}
        self.session.emit("probe", **where, subject=subject, scenario=scenario, logs=logs, **dataclasses.asdict(run))

    def _emit_level(self, level: Level) -> None:
        self.session.emit("probe_level", fit=self.fit.fit, callback=self.index, **dataclasses.asdict(level))


def _around(name: str, level: Level) -> tuple[float, float, float]:
    """A value short of the level, the level, and a value past it (1 where only that is left)."""
    at = _NOMINAL[rises(name)]
    if level.low is not None and level.high is not None:
        at = _rounder(level.low, level.high)
    best = good(name) if (at <= 1.0 if rises(name) else at >= 0.0) else beyond(name)
    return at + (bad(name) - at) * (0.05 if rises(name) else 0.02), at, at + (best - at) / 2


class _Raised(Exception):
    """What a callback raised while its level was sought."""


def _plain(name: str) -> str:
    return name.lower().replace("accuracy", "acc").removeprefix("val_")


def _other_name(name: str) -> str:
    """``acc`` for ``accuracy`` and the other way round."""
    if "accuracy" in name:
        return name.replace("accuracy", "acc")
    return name.replace("acc", "accuracy")


def _rounder(low: float, high: float) -> float:
    """The end of a narrow bracket that has fewer digits: what a person wrote."""
    return min((low, high), key=lambda value: len(repr(value)))
