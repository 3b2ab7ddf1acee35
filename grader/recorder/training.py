"""One call of ``fit``: what went in, each epoch, how it ended, and the weights before and after."""

from __future__ import annotations

import functools
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from grader.recorder import arrays, facts
from grader.recorder.compatibility import LogNames
from grader.recorder.insides import Insides
from grader.recorder.probes import CallbackFit
from grader.recorder.tap import Tap

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

_DATA = ("x", "y", "sample_weight", "validation_data")


class Training:
    """One call of ``fit`` from before to after."""

    def __init__(self, hooks: KerasHooks, model: Any, given: dict[str, Any]) -> None:
        self.hooks = hooks
        self.session = hooks.session
        self.model = model
        self.arguments = given
        self.ident = self.session.next_id("fit")
        self.seed: int | None = None
        self.replayed = False
        self.began = False
        self.epochs_run = 0
        self._capped = False
        self._asked_epochs: int | None = None
        self._names = LogNames(self.session)
        self._kept: CallbackFit | None = None
        self.insides = Insides(hooks, model, given.get("callbacks"))
        self._tap: Tap | None = None
        self._x: dict[str, Any] = {}
        self._y: dict[str, Any] = {}
        self._validation: dict[str, Any] = {}
        self._started = time.monotonic()

    def prepare(self) -> None:
        """Describes the data, caps it in the quick budget, and adds the callback that records epochs."""
        if not self.hooks.only_watch:
            self.arguments = {k: arrays.plain(v) if k in _DATA else v for k, v in self.arguments.items()}
        given = self.arguments
        x, y = given.get("x"), given.get("y")
        source = "array"
        if hasattr(x, "element_spec") and y is None:
            source = "dataset"
            going_through = not self.hooks.only_watch or arrays.is_repeatable(x)
            x, y = arrays.collect_dataset(x) if going_through else (None, None)
        known = self.hooks.replay
        self._x, self._y = known.describe(x), known.describe(y)
        rows = self.hooks.path(f"{self.ident}.rows.npz")
        self._x["rows"] = known.save_rows(rows, x, y)
        self._x |= known.spread(x)
        if source == "dataset":
            self._x["kind"] = self._y["kind"] = "dataset"
            self._listen(given["x"], x)
        elif x is None or self._x["kind"] != "array":
            self._x |= known.describe(given.get("x"))
        validation = given.get("validation_data")
        if isinstance(validation, tuple | list) and validation:
            self._validation = known.describe(validation[0])
            file = self.hooks.path(f"{self.ident}.validation.npz")
            self._validation["rows"] = known.save_rows(file, validation[0], None)
        self._build()
        self._cap()
        first, last = _recorders(self.hooks.keras, self)
        callbacks = given.get("callbacks")
        self._keep(callbacks)
        compiled = self.hooks.track(self.model).compiled
        self._names.lend(getattr(callbacks, "callbacks", callbacks), compiled.get("metrics"))
        if callbacks is not None and hasattr(callbacks, "append") and hasattr(callbacks, "callbacks"):
            callbacks.callbacks[:] = [first, *callbacks.callbacks, last]
        else:
            items = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []
            items += [last] if self.insides.watches else []
            self.arguments = {**self.arguments, "callbacks": [first, *items]}

    def _listen(self, dataset: Any, seen: Any) -> None:
        """What may give other rows each time is listened to while it is trained on."""
        if self._x["rows"] and not self.hooks.only_watch and not arrays.is_repeatable(dataset):
            self._tap = Tap(self.session, seen)
            self.arguments = {**self.arguments, "x": self._tap.around(dataset)}

    def _keep(self, callbacks: Any) -> None:
        """The student's callbacks are driven once more when the notebook has ended."""
        kept = CallbackFit.of(self.ident, self.model, callbacks, self.planned_epochs, self.hooks.callback_fits)
        if kept.callbacks:
            self._kept = kept
            self.hooks.callback_fits.append(kept)

    def _build(self) -> None:
        """A Sequential without an input shape is built from the data, so that its initial weights are known.

        Keras would do the same at the first batch, with the same seeds: they belong to the layers already.
        """
        if self.hooks.only_watch:  # legacy Keras draws them in the order of building
            return
        shape = self._x.get("shape")
        if shape and not self.model.built and type(self.model).__name__ == "Sequential":
            self.model.build((None, *shape[1:]))

    def _cap(self) -> None:
        settings = self.session.settings
        given = self.arguments
        asked, begun = int(given.get("epochs") or 1), int(given.get("initial_epoch") or 0)
        if settings.quick_epochs and asked - begun > settings.quick_epochs:
            self._capped = True
            self._asked_epochs = asked - begun
            self.arguments = {**given, "epochs": begun + settings.quick_epochs}
        if settings.quick_rows and longer(given.get("x"), settings.quick_rows):
            self._capped = True
            short = {k: given[k][: settings.quick_rows] for k in ("x", "y", "sample_weight") if longer(given.get(k), 0)}
            self.arguments = {**self.arguments, **short}
        validation = given.get("validation_data")
        if (
            settings.quick_rows
            and isinstance(validation, tuple)
            and any(longer(v, settings.quick_rows) for v in validation)
        ):
            self._capped = True
            cut = tuple(v[: settings.quick_rows] if longer(v, 0) else v for v in validation)
            self.arguments = {**self.arguments, "validation_data": cut}

    def begin(self) -> None:
        """Once the model is built and before its first step: model, arguments and initial weights."""
        self.began = True
        tracked = self.hooks.emit_model(self.model)
        given = self.arguments
        weights = None
        if self.model.built:
            self.hooks.weights.look(self.model, self.ident)
            name = f"{self.ident}.before.npz"
            weights = arrays.save_weights(self.hooks.path(name), self.model.get_weights())
        self.hooks.quietly("insides", self.insides.begin)
        split = given.get("validation_split") or None
        self.session.emit(
            "fit_start",
            fit=self.ident,
            model=tracked.ident,
            x=self._x,
            y=self._y,
            validation=self._validation or {"kind": "none"},
            batch_size=_count(given.get("batch_size")),
            epochs=_count(self.planned_epochs),
            initial_epoch=_count(given.get("initial_epoch")) or 0,
            validation_split=split,
            train_rows=_train_rows(self._x.get("shape"), split),
            class_weight=given.get("class_weight") is not None,
            sample_weight=given.get("sample_weight") is not None,
            steps_per_epoch=_count(given.get("steps_per_epoch")),
            callbacks=facts.callback_facts(given.get("callbacks")),
            weights=weights,
            seed=self.seed,
            capped=self._capped,
        )

    @property
    def planned_epochs(self) -> int:
        """Epochs as passed on to Keras."""
        return int(self.arguments.get("epochs") or 1)

    def epoch(self, number: int, logs: dict[str, Any] | None) -> None:
        """One epoch ended."""
        self.epochs_run += 1
        numbers = _numbers(logs or {})
        if self._kept is not None:
            self._kept.logs = numbers
        self.hooks.quietly("insides", self.insides.epoch_ended)
        self.session.emit("epoch", fit=self.ident, epoch=number, logs=numbers)

    def finish(self, reason: str, error: str | None) -> None:
        """Whatever happened: how it ended, and the weights as they are now."""
        self._names.take_back()
        self._names.give_history(self.model)
        if not self.began:
            self.begin()
        if self._tap is not None and len(later := self._tap.later()):
            arrays.add_rows(self.hooks.path(self._x["rows"]), later)
        tracked = self.hooks.track(self.model)
        tracked.latest_fit = self.ident
        weights = None
        if self.model.built:
            weights = arrays.save_weights(self.hooks.path(f"{self.ident}.after.npz"), self.model.get_weights())
            self.hooks.weights.know(self.model)
        ended = functools.partial(self.insides.finish, self.epochs_run, completed=reason == "completed")
        if reasons := self.hooks.quietly("insides", ended):
            self.session.emit("moved", model=tracked.ident, fit=self.ident, by=", ".join(reasons))
        planned = self.planned_epochs - int(self.arguments.get("initial_epoch") or 0)
        if reason == "completed" and self.epochs_run < planned and getattr(self.model, "stop_training", False):
            reason = "stopped"
        if self._asked_epochs and reason == "completed":
            self.session.cut_epochs.add((self._asked_epochs, self.epochs_run))
        self.session.emit(
            "fit_end",
            fit=self.ident,
            reason=reason,
            epochs_run=self.epochs_run,
            weights=weights,
            error=error,
            replayed=self.replayed,
            duration_s=round(time.monotonic() - self._started, 3),
        )
        if tracked.config_file is None and weights:
            self.hooks.custom_fits.add(self.ident, self.model, dict(self._x))


def _recorders(keras: ModuleType, training: Training) -> tuple[Any, Any]:
    """Two callbacks of this generation of Keras: one that comes first, so that it sees the logs before anybody changes
    them, and one that comes last, after what the student's have done.
    """
    quietly, insides = training.hooks.quietly, training.insides

    class First(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            quietly("fit start", training.begin)

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            quietly("epoch", lambda: insides.epoch_begins(self.params))

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            quietly("epoch", lambda: training.epoch(epoch, logs))

    class Last(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            quietly("insides", insides.compare)

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            quietly("insides", insides.compare)

    facts.recorders.update((First, Last))
    _hear_more(insides, First, Last)
    return First(), Last()


def _hear_more(insides: Insides, first: Any, last: Any) -> None:
    """Hooks that cost time at every batch, where the student's callbacks have them too."""

    def mark(self: Any, *_: Any, **__: Any) -> None:
        insides.hooks.quietly("insides", insides.mark)

    def compare(self: Any, *_: Any, **__: Any) -> None:
        insides.hooks.quietly("insides", insides.compare_mark)

    if insides.watches_batches:
        first.on_train_batch_end = mark
        last.on_train_batch_begin = last.on_train_batch_end = compare
    if insides.watches_tests:
        first.on_test_begin = mark


def _count(value: Any) -> int | None:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return None


def longer(value: Any, rows: int) -> bool:
    """Whether ``value`` is an array that can be cut and has more rows than that."""
    array = arrays.as_array(value)
    return array is not None and hasattr(value, "shape") and len(array) > rows


def _train_rows(shape: list[int] | None, split: float | None) -> int | None:
    """Rows that are trained on: Keras takes the first ``floor(n * (1 - split))``."""
    if not shape:
        return None
    return int(shape[0] * (1.0 - split)) if split else int(shape[0])


def _numbers(logs: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in list(logs.items())[:64]:
        try:
            out[str(name)[:200]] = float(value)
        except (TypeError, ValueError):
            continue
    return out
