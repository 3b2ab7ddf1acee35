"""What the checks of conv-callback have in common: findings of the probes, and which networks there are."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from helpers_public_conv_claims import levels_named

from grader.checks.facts import DataFacts, NotebookCell, TrainedFit
from grader.evidence import CallbackFacts, Evidence, Model
from grader.evidence.events import LevelEvent, ProbeEvent

TEST_SHARE = 0.01
"""No test image of MNIST stands in its training split: one in a hundred is no chance."""
LOG_PRECISION = 1e-6
"""Logs are sums of 32-bit numbers: a value this near the level may count as either side of it."""
USUAL_FILTERS = {(64, 64), (32, 32), (64,), (32,)}
"""Networks that exercises other than the one on filters lead to."""
GIVEN_CELL, GIVEN_FILTERS = "1-4", (64, 64)
"""The training that is handed out: no experiment, unless its network was changed."""
DIGITS_CELL = "3-0"
"""The cell that loads MNIST in place of the clothes."""
_POOLING = ("MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D")
_HOOKS = {
    *(f"on_{what}_{when}" for what in ("epoch", "batch", "train_batch", "train") for when in ("begin", "end")),
    *("on_test_begin", "on_test_end", "set_model", "__call__"),
}
_RUNS = ("never", "reached-1", "reached-3", "reached-last", "reached-then-lost")
_REACHED = ("reached-3", "reached-1", "reached-last")
_AGAIN = ("again-never", "again-reached-3")


def finished(fit: TrainedFit) -> bool:
    """Whether the training came to its end, by itself or by a callback."""
    return fit.fit.ended in ("completed", "stopped")


# Networks


def filters_of(model: Model) -> tuple[int, ...]:
    """Filters of its convolutions, in order."""
    return tuple(int(layer.config.get("filters") or 0) for layer in model.layers if "Conv" in layer.class_name)


def pools(model: Model) -> int:
    """How many pooling layers it has."""
    return len(model.layers_of(*_POOLING))


def outputs(model: Model) -> tuple[int | None, str | None]:
    """Units and activation of its last layer; an activation may be a layer of its own."""
    units: int | None = None
    activation: str | None = None
    for layer in model.layers:
        if layer.class_name in ("Activation", "Softmax", "ReLU"):
            activation = str(layer.config.get("activation") or layer.class_name.lower())
        elif layer.class_name not in ("Dropout", "BatchNormalization"):
            units = layer.config.get("units")
            activation = str(layer.config.get("activation") or "linear")
    return units, activation


def outline(model: Model) -> str:
    """The layers in a line, for messages."""
    sizes = (f" {layer.config.get('filters') or layer.config.get('units') or ''}".rstrip() for layer in model.layers)
    return " → ".join(f"{la.class_name}{size}" for la, size in zip(model.layers, sizes, strict=True))[:300]


def lacks(model: Model) -> list[str]:
    """Which of the parts asked for it does not have: ``convolution pooling softmax``."""
    found = {"convolution": bool(filters_of(model)), "pooling": pools(model) > 0, "softmax": _ten_ways(model)}
    return [part for part, there in found.items() if not there]


def _ten_ways(model: Model) -> bool:
    return outputs(model) == (10, "softmax")


def on_digits(fit: TrainedFit, data: DataFacts | None, cells: Iterable[NotebookCell] = ()) -> bool:
    """Whether it was trained on MNIST.

    Where its images are none that are known, it was if it has a callback, or stands where the digits have been loaded.
    """
    known = (data, *data.others) if data is not None and len(fit.rows) else ()
    shares = [facts.share(fit.rows, "train") + facts.share(fit.rows, "test") for facts in known]
    if any(share > 0.5 for share in shares):
        return shares[0] > 0.5
    loaded = next((c.index for c in cells if c.label == DIGITS_CELL), None)
    behind = loaded is not None and fit.cell is not None and fit.cell >= loaded
    return behind or bool(stopping_callbacks(fit))


def experiments(
    fits: Iterable[TrainedFit], data: DataFacts | None, cells: Collection[NotebookCell] = (), *, this_edition: bool
) -> dict[str, bool]:
    """Which of the experiments on the structure were made, whatever data they used.

    :param this_edition: in an earlier one, taking away the last convolution and all but the first were the same.
    """
    given = {c.index for c in cells if c.label == GIVEN_CELL}
    done = [f for f in fits if f.learned and finished(f) and f.is_convolutional]
    done = [f for f in done if f.cell not in given or filters_of(f.model) != GIVEN_FILTERS]
    digits = {filters_of(f.model) for f in done if on_digits(f, data, cells)}
    clothes = [f for f in done if not on_digits(f, data, cells)]
    single = [f for f in clothes if len(filters_of(f.model)) == 1]
    once_pooled = [f for f in single if pools(f.model) <= 1]
    alike = bool(single) and not this_edition
    return {
        "filters": _varied({filters_of(f.model) for f in clothes}) or _varied(digits),
        "less": bool(once_pooled) or len(single) > 1 or alike,
        "more": any(len(filters_of(f.model)) >= 3 for f in clothes) or any(len(k) >= 2 for k in digits),
        "first": len(single) > 1 or len(single) > len(once_pooled) or alike,
    }


def _varied(kinds: set[tuple[int, ...]]) -> bool:
    """Whether filters were changed: two networks of one depth, or one that no other exercise leads to."""
    depths = [len(kind) for kind in kinds]
    return any(depths.count(d) > 1 for d in depths) or any(len(k) <= 2 and k not in USUAL_FILTERS for k in kinds)


# Callbacks as they are written and given


def is_given_class(callback: CallbackFacts) -> bool:
    """Whether a class stands where an instance belongs."""
    return callback.class_name == "type" and not callback.builtin


def is_early_stopping(callback: CallbackFacts) -> bool:
    """Keras' own."""
    return callback.builtin and callback.class_name == "EarlyStopping"


def may_stop(callback: CallbackFacts) -> bool:
    """Whether it is one that could end a training: Keras' others do something else."""
    return not callback.builtin or callback.class_name in ("EarlyStopping", "LambdaCallback")


def stopping_callbacks(fit: TrainedFit) -> list[tuple[int, CallbackFacts]]:
    """Callbacks of a training that could end it, each with its place."""
    return [(n, c) for n, c in enumerate(fit.fit.callbacks) if may_stop(c)]


@dataclass(frozen=True)
class Written:
    """What the code says about callbacks. ``classes``: name to the cell of its definition, in order."""

    classes: Mapping[str, int] = field(default_factory=dict)
    lambdas: bool = False
    commented_out: int | None = None


def written(cells: Iterable[NotebookCell]) -> Written:
    """Definitions, and the first cell where ``callbacks=`` stands in a comment."""
    classes: dict[str, int] = {}
    lambdas, commented = False, None
    for cell in (c for c in cells if c.kind == "code"):
        for name in re.findall(r"(?m)^[ \t]*class\s+(\w+)\s*\([^)]*[Cc]allback[^)]*\)\s*:", cell.source):
            classes[name] = cell.index
        code = re.sub(r"(?m)#.*$", "", cell.source)
        lambdas = lambdas or "LambdaCallback" in code
        if commented is None and re.search(r"#.*\bcallbacks?\s*=", cell.source):
            commented = cell.index
    return Written(classes, lambdas, commented)


def forgotten(code: Written, given: set[str], name: str) -> str | None:
    """A class written after ``name`` that no training was given, nor any other such class; the last of them."""
    newer = [other for other, cell in code.classes.items() if cell > code.classes.get(name, cell)]
    return newer[-1] if newer and not given & set(newer) else None


def calls_with_callbacks(cell: NotebookCell) -> list[str]:
    """Names that stand in ``callbacks=`` of this cell."""
    code = re.sub(r"(?m)#.*$", "", cell.source)
    found = re.findall(r"\bcallbacks?\s*=\s*\[?([^\])\n]*)", code)
    return [name for text in found for name in re.findall(r"[A-Za-z_]\w*", text)]


# What the probes found


def passes(levels: Sequence[LevelEvent], logs: Mapping[str, float | None]) -> bool | None:
    """Whether these logs are past the level(s); ``None`` within rounding of one."""
    verdicts = [_passes(level, logs.get(str(level.metric))) for level in levels]
    if not any(level.joint for level in levels):
        return True if True in verdicts else None if None in verdicts else False
    return False if False in verdicts else None if None in verdicts else True


def _passes(level: LevelEvent, value: float | None) -> bool | None:
    if value is None or level.low is None or level.high is None:
        return False
    at = value_of(level)
    if abs(value - at) <= LOG_PRECISION:
        return None
    return value > at if level.direction == "above" else value < at


def value_of(level: LevelEvent) -> float:
    """The level as a person wrote it: of the two ends of a narrow bracket the one with fewer digits."""
    ends = [end for end in (level.low, level.high) if end is not None]
    return min((round(end, 9) for end in ends), key=lambda end: len(repr(end)), default=0.0)


def rises(metric: str) -> bool:
    """Whether a training wants it to grow."""
    return not any(word in metric.lower() for word in ("loss", "error", "mae", "mse", "entropy"))


def is_inverted(level: LevelEvent) -> bool:
    """Whether it stops on the side that is worse than the level."""
    return (level.direction == "above") != rises(str(level.metric))


def is_out_of_reach(level: LevelEvent) -> bool:
    """Whether no training can pass it: an accuracy above 1, a loss below 0."""
    value = value_of(level)
    best = 1.0 if rises(str(level.metric)) else 0.0
    beyond = value > best if best else value < best
    return beyond or (abs(value - best) < 1e-9 and not level.at_level_stops)


def same_metric(name: str, names: Iterable[str]) -> str | None:
    """The log that goes by another spelling of ``name`` (``acc`` and ``accuracy``)."""
    return next((n for n in names if n != name and _short(n) == _short(name)), None)


def is_of_a_missing_key(error: str) -> bool:
    """Whether an error is what a log that is not there leads to: a ``KeyError``, or ``None`` in a comparison."""
    return error.startswith("KeyError") or (error.startswith("TypeError") and "NoneType" in error)


def _short(name: str) -> str:
    return name.replace("accuracy", "acc")


@dataclass(frozen=True)
class Driven:
    """All that the probes found about one callback of one training."""

    fit: TrainedFit
    place: int
    facts: CallbackFacts
    levels: tuple[LevelEvent, ...]
    runs: Mapping[tuple[str, str], ProbeEvent]

    @property
    def names(self) -> list[str]:
        """Log names of the real training."""
        return list(self.fit.fit.logs[-1]) if self.fit.fit.logs else ["accuracy", "loss"]

    @property
    def watched(self) -> list[LevelEvent]:
        """Levels of logs, in the order of the training's own names."""
        own = [level for level in self.levels if level.metric in self.names]
        return own or [level for level in self.levels if level.metric is not None]

    @property
    def error(self) -> str | None:
        """What stood in the way of finding a level."""
        return next((level.error for level in self.levels if level.error), None)

    @property
    def ending_error(self) -> str | None:
        """What its ``on_train_end`` raises where a training ends without being stopped."""
        runs = (self.run(scenario, subject) for subject in ("given", "fresh") for scenario in (*_RUNS, *_AGAIN))
        return next((run.ending_error for run in runs if run is not None and run.ending_error), None)

    def ended_by_its_own_error(self) -> bool:
        """Whether that is how the real training ended."""
        kind = (self.ending_error or "").partition(":")[0]
        return bool(kind) and self.fit.fit.ended == "error" and (self.fit.fit.error or "").startswith(f"{kind}:")

    def unknown_keys(self) -> list[str]:
        """Logs that its code reads by name, and that neither this training nor any usual one has."""
        read = re.findall(r"""logs(?:\s+or\s+\{\s*\})?\)?\s*(?:\.get\(|\[)\s*["'](\w+)["']""", self.facts.source or "")
        return [key for key in dict.fromkeys(read) if key not in self.names and same_metric(key, self.names) is None]

    def run(self, scenario: str, subject: str = "given") -> ProbeEvent | None:
        """One made-up run."""
        return self.runs.get((subject, scenario))

    def waits_for_improvement(self) -> bool:
        """Whether it stops a training that stands still, and lets one go on that gets better."""
        flat, better = self.run("flat"), self.run("improving")
        return bool(flat and better and flat.stopped_at is not None and better.stopped_at is None and not better.error)

    def surprises(self, subject: str, scenarios: Sequence[str]) -> list[tuple[ProbeEvent, int | None]]:
        """Runs that did not end where the level says, and where that is."""
        found = []
        for scenario in scenarios:
            run = self.run(scenario, subject)
            if run is not None and (run.error or run.stopped_at != self.due(run.logs)):
                found.append((run, self.due(run.logs)))
        return found

    def first_use(self) -> list[tuple[ProbeEvent, int | None]]:
        """Surprises of a fresh callback."""
        return self.surprises("fresh", _RUNS)

    def later_use(self) -> list[tuple[ProbeEvent, int | None]]:
        """Surprises of one that was used before."""
        return self.surprises("given", (*_RUNS, *_AGAIN)) + self.surprises("fresh", _AGAIN)

    def due(self, logs: Sequence[Mapping[str, float | None]]) -> int | None:
        """The epoch, from 0, after which these logs should end a training."""
        return next((n for n, values in enumerate(logs) if passes(self.watched, values)), None)

    def printed(self) -> str | None:
        """What it writes when it stops; ``None`` where it was not seen to."""
        runs = (self.run("reached-3"), self.run("reached-1"), self.run("reached-1", "fresh"))
        stopped = [run for run in runs if run is not None and run.stopped_at is not None]
        return stopped[0].printed if stopped else None

    def stated(self) -> float | None:
        """A level that its message names whenever it stops and that is neither its own nor a value it saw, 0 to 1."""
        stopped = [run for name in _REACHED if (run := self.run(name)) is not None and run.stopped_at is not None]
        if not stopped or not rises(str(self.watched[0].metric)):
            return None
        never = self.run("never")
        named = [levels_named(run.printed, never.printed if never else "") for run in stopped]
        saw = stopped[0].logs[stopped[0].stopped_at or 0]
        known = [value_of(self.watched[0]), *(v for v in saw.values() if v is not None)]
        if any(abs(n - k) <= 0.002 for n in named[0] for k in known):
            return None
        return next((n for n in named[0] if all(n in numbers for numbers in named)), None)


def driven(evidence: Evidence, fits: Iterable[TrainedFit]) -> list[Driven]:
    """Every callback that could end a training, in order, with what the probes found."""
    found = []
    for fit in fits:
        for place, facts in stopping_callbacks(fit):
            levels = tuple(e for e in evidence.levels if (e.fit, e.callback) == (fit.id, place))
            runs = {(e.subject, e.scenario): e for e in evidence.probes if (e.fit, e.callback) == (fit.id, place)}
            found.append(Driven(fit, place, facts, levels, runs))
    return found


def why_never(source: str | None) -> str:
    """Why a callback stops under no logs, as far as its code tells; only words a message."""
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(source or ""))))
    except (SyntaxError, ValueError):
        return "never"
    methods = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    owners = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr == "stop_training"]
    if methods and not methods & _HOOKS:
        return "never-called"
    if methods and not owners:
        return "never-told"
    own = owners and all(isinstance(owner, ast.Name) and owner.id == "self" for owner in owners)
    return "never-itself" if own else "never"


def asked_level(cells: Iterable[NotebookCell], level: float) -> bool:
    """Whether the task as handed out names the level; an earlier edition left it to the student."""
    pattern = re.compile(rf"(?<![\d.]){re.escape(f'{level:g}')}(?!\d)|(?<![\d.]){re.escape(f'{level * 100:g}')}\s*%")
    tasks = (c.source for c in cells if c.kind == "markdown" and re.search(r"3\s*-\s*1", c.source))
    return any(pattern.search(source) for source in tasks)
