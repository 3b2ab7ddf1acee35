"""The course of a training, epoch by epoch: kept once, then gone through again with the student's own callbacks.

Callbacks that look at logs and weights at epoch ends, and change nothing but ``stop_training``, cannot tell the
difference. Others are found out on a copy first, and their training is run for real from its start.
"""

from __future__ import annotations

import contextlib
import copy
import dis
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.recorder import facts, keys

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks
    from grader.recorder.training import Training

STATES_BYTES = 256 * 2**20
_EPOCH_HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")
_OTHER_HOOKS = tuple(
    f"on_{what}_{when}"
    for what in ("batch", "train_batch", "test_batch", "predict_batch", "test", "predict")
    for when in ("begin", "end")
)
_PLAIN = (bool, int, float, str, bytes, type(None))
_LIBRARIES = ("keras", "numpy", "tensorflow", "math", "builtins", "time", "datetime")
_REACHING_OUT = frozenset(
    {"open", "exec", "eval", "compile", "input", "globals", "vars", "setattr", "delattr", "type", "__import__"}
    | {"__builtins__", "breakpoint", "get_ipython"}
)
_DEPTH = 3


def variables_of(model: Any) -> list[Any]:
    """All that a training changes: weights, random generators, metrics, state of the optimizer."""
    return [*keys.state_variables(model), *model.metrics_variables, *model.optimizer.variables]


def keep_states(
    hooks: KerasHooks, training: Training, key: str, call: Callable[..., Any]
) -> tuple[dict[str, Any], dict[str, Sequence[Any]]] | None:
    """Trains without the callbacks given, then puts everything back as it was; the entry and its arrays.

    ``None`` where the training fails, which it then does again in the notebook's sight.
    """
    model, keras = training.model, hooks.keras
    before = [np.array(v) for v in keys.state_variables(model)]
    optimizer = [np.array(v) for v in model.optimizer.variables] if model.optimizer.built else None
    states: dict[str, Sequence[Any]] = {}
    logs: list[dict[str, float]] = []

    class Keeper(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, epoch_logs: dict[str, Any] | None = None) -> None:
            logs.append({str(k): float(v) for k, v in (epoch_logs or {}).items()})
            state = [np.array(v) for v in variables_of(model)]
            if len(logs) * sum(a.nbytes for a in state) > STATES_BYTES:
                states.clear()  # from here on the last one only
            states[f"epoch-{len(logs) - 1:05d}.npz"] = state

    try:
        call(**{**training.arguments, "callbacks": [Keeper()], "verbose": 0})
    except Exception:
        return None
    finally:
        for variable, value in zip(keys.state_variables(model), before, strict=True):
            variable.assign(value)
        if optimizer is not None:
            for variable, value in zip(model.optimizer.variables, optimizer, strict=True):
                variable.assign(value)
        hooks.reseed("fit", key)
    first = int(training.arguments.get("initial_epoch") or 0)
    return {"kind": "fit", "logs": logs, "initial_epoch": first, "whole": len(states) == len(logs)}, states


class Trajectory:
    """One stored training, and the callbacks that go through it."""

    def __init__(self, hooks: KerasHooks, training: Training, entry: Mapping[str, Any], folder: Path) -> None:
        self._hooks = hooks
        self._training = training
        self._model = training.model
        self._logs: list[dict[str, float]] = entry["logs"]
        self._first = int(entry["initial_epoch"])
        self._folder = folder
        self._callbacks = facts.student_callbacks(training.arguments.get("callbacks"))
        self._whole = bool(entry["whole"])

    @classmethod
    def of(cls, hooks: KerasHooks, training: Training, entry: Mapping[str, Any], folder: Path) -> Trajectory | None:
        """``None`` where the callbacks do not allow it."""
        found = cls(hooks, training, entry, folder)
        given = training.arguments.get("callbacks")
        if not isinstance(given, list | tuple):
            return None
        if len(given) != len(found._callbacks) + sum(map(facts.is_recorder, given)):
            return None  # a list of Keras' own with more in it
        if not all(map(_is_harmless, found._callbacks)):
            return None
        if found._callbacks and not found._whole:
            return None
        found._build()
        return found if found._fits() and found._rehearse() else None

    def _fits(self) -> bool:
        """Whether what is stored are this model's variables."""
        with np.load(self._folder / f"epoch-{len(self._logs) - 1:05d}.npz", allow_pickle=False) as stored:
            shapes = [stored[name].shape for name in sorted(stored.files)]
        return shapes == [tuple(v.shape) for v in variables_of(self._model)]

    def _build(self) -> None:
        from grader.recorder.replay import build_metrics

        given = self._training.arguments
        build_metrics(self._model, given.get("x"), given.get("y"), training=True)

    def _set(self, index: int) -> None:
        from grader.recorder.replay import assign

        assign(variables_of(self._model), self._folder / f"epoch-{index:05d}.npz")

    def _rehearse(self) -> bool:
        """Goes through the epochs with copies of the callbacks; whether they change nothing but ``stop_training``."""
        own = facts.own_callbacks(self._callbacks)
        if not own:
            return True
        model = self._model
        start = [np.array(v) for v in variables_of(model)]
        try:
            copies = [_copied(callback) for callback in own]
        except Exception:
            return False
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return self._unchanged_by(copies)
        except Exception:
            return False  # let it fail where everybody sees it
        finally:
            model.stop_training = False
            for variable, value in zip(variables_of(model), start, strict=True):
                variable.assign(value)

    def _unchanged_by(self, copies: list[Any]) -> bool:
        driver = self._list(copies, 0)
        self._model.stop_training = False
        attributes = _attributes(self._model)
        driver.on_train_begin()
        for index, logs in enumerate(self._logs):
            driver.on_epoch_begin(self._first + index)
            self._set(index)
            before = _digests(self._model)
            given = dict(logs)
            driver.on_epoch_end(self._first + index, given)
            if _digests(self._model) != before or given != logs or _attributes(self._model) != attributes:
                return False
            if self._model.stop_training:
                break
        before = _digests(self._model)
        driver.on_train_end(dict(logs))
        return _digests(self._model) == before and _attributes(self._model) == attributes

    def _list(self, callbacks: Any, verbose: Any) -> Any:
        given = self._training.arguments
        rows = len(given["x"])
        split = given.get("validation_split") or 0.0
        if split and given.get("validation_data") is None:
            rows = int(rows * (1.0 - split))
        steps = given.get("steps_per_epoch") or -(-rows // int(given.get("batch_size") or 32))
        return self._hooks.keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=self._training.planned_epochs,
            steps=steps,
            model=self._model,
        )

    def run(self) -> Any:
        """Goes through the epochs as ``fit`` would; the history."""
        model = self._model
        callbacks = self._list(self._training.arguments["callbacks"], self._training.arguments.get("verbose", "auto"))
        model.stop_training = False
        callbacks.on_train_begin()
        logs: dict[str, float] = {}
        for index, stored in enumerate(self._logs):
            callbacks.on_epoch_begin(self._first + index)
            if self._callbacks or index == len(self._logs) - 1:
                self._set(index)
            logs = dict(stored)
            callbacks.on_epoch_end(self._first + index, logs)
            if model.stop_training:
                break
        callbacks.on_train_end(logs=logs)
        return model.history


def _digests(model: Any) -> list[str]:
    return [keys.data_digest(np.asarray(variable)) for variable in variables_of(model)]


def _attributes(model: Any) -> dict[str, int]:
    """Which objects the model's attributes are; ``stop_training`` and Keras' own bookkeeping left out."""
    return {k: id(v) for k, v in vars(model).items() if k not in ("stop_training", "history", "_history")}


def _copied(callback: Any) -> Any:
    """A copy that shares nothing but the model with the original."""
    twin = copy.copy(callback)
    own = {k: v for k, v in vars(callback).items() if k not in ("_model", "model", "params")}
    vars(twin).update(copy.deepcopy(own))
    return twin


def _is_harmless(callback: Any) -> bool:
    """Whether all it does is done at epoch ends and reaches nothing outside itself, as far as its code tells."""
    kind = type(callback)
    name = kind.__name__
    if facts.is_builtin(kind) and name != "LambdaCallback":
        return name == "EarlyStopping" and not set(vars(callback)) & set(_EPOCH_HOOKS)
    if _has_own_state(kind):
        return False
    if facts.hears(callback, _OTHER_HOOKS):
        return False
    return all(_is_closed(getattr(callback, hook), _DEPTH) for hook in _EPOCH_HOOKS)


def _is_closed(function: Any, depth: int) -> bool:
    """Whether a function reads only what it cannot change: modules, Keras' own, functions like this, plain values."""
    if isinstance(function, MethodType):
        function = function.__func__
    if getattr(function, "_is_default", False):
        return True
    if not isinstance(function, FunctionType) or not depth:
        return False
    reads = _reads(function.__code__)
    if reads is None or reads & _REACHING_OUT:
        return False
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    reached = [function.__globals__.get(name) for name in reads]
    reached += [_content(cell) for name, cell in cells.items() if name != "__class__"]
    reached += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return all(_is_safe(value, depth) for value in reached)


def _reads(code: CodeType) -> set[str] | None:
    """Global names that are read; ``None`` where one is written, or something is imported."""
    found: set[str] = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL", "IMPORT_NAME"):
            return None
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found.add(str(instruction.argval))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _reads(constant)
            if inner is None:
                return None
            found |= inner
    return found


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _is_safe(value: Any, depth: int) -> bool:
    if isinstance(value, _PLAIN):
        return True
    if isinstance(value, ModuleType):
        return value.__name__.split(".", 1)[0] in _LIBRARIES
    if isinstance(value, tuple | frozenset):
        return all(_is_safe(item, depth) for item in value)
    if callable(value) and str(getattr(value, "__module__", "")).split(".", 1)[0] in _LIBRARIES:
        return True
    return _is_closed(value, depth - 1)


def _has_own_state(kind: type) -> bool:
    """Whether a class of the student's holds something that all its instances share and may change."""
    for cls in kind.__mro__:
        if not facts.is_builtin(cls) and cls is not object:
            for name, value in vars(cls).items():
                if not name.startswith("__") and not isinstance(value, (*_PLAIN, tuple, FunctionType)):
                    return True
    return False
