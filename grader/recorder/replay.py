"""Answers a call of ``fit``, ``evaluate`` or ``predict`` that the grader itself has made before, from what it kept.

The store is a folder that only the grader writes, read-only in a sandbox: a folder for each key
(:mod:`grader.recorder.keys`) with ``entry.json`` and arrays. A kernel that is told to record writes its entries into a
folder of its own; the grader takes them over only from notebooks of its own.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.recorder import arrays, keys
from grader.recorder.rows import ROWS_LIMIT, row_digests
from grader.recorder.trajectory import Trajectory, keep_states

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks
    from grader.recorder.training import Training

_DATA_BYTES = 2**20  # smaller arrays are described faster than looked up


class Replay:
    """The store as one kernel sees it, for one generation of Keras."""

    def __init__(self, hooks: KerasHooks) -> None:
        settings = hooks.session.settings
        self._hooks = hooks
        self._keras = hooks.keras
        self._store = Path(settings.replay_store) if settings.replay_store else None
        self._recording = Path(settings.replay_record) if settings.replay_record else None
        self._works = hooks.keras.__name__ == "keras" and not settings.only_watch
        self._known: dict[str, dict[str, Any]] = {}

    # Keys

    def fit_key(self, model: Any, given: Mapping[str, Any]) -> str | None:
        """Key of a training, whether or not there is an entry: seeds are derived from it."""
        return self._key(lambda: keys.fit_key(self._keras, model, given, self._hooks.session.settings.seed))

    def _key(self, make: Callable[[], str]) -> str | None:
        if not self._works:
            return None
        try:
            return make()
        except Exception as error:  # not to be told beforehand, with what students put into a model
            if not isinstance(error, keys.Unkeyed):
                self._hooks.session.note("no-key", f"{type(error).__name__}: {error}")
            return None

    def _entry(self, key: str) -> tuple[Path, dict[str, Any]] | None:
        for place in (self._store, self._recording):
            if place is not None and (place / key / "entry.json").is_file():
                return place / key, json.loads((place / key / "entry.json").read_text("utf-8"))
        return None

    def _write(self, key: str, entry: Mapping[str, Any], contents: Mapping[str, Sequence[Any]]) -> None:
        assert self._recording is not None  # noqa: S101 - callers have looked
        folder = self._recording / key
        folder.mkdir(parents=True, exist_ok=True)
        for name, items in contents.items():
            arrays.save_weights(folder / name, [np.asarray(item) for item in items])
        (folder / "entry.json").write_text(json.dumps(entry), "utf-8")

    # Trainings

    def fit(self, training: Training, key: str, call: Callable[..., Any]) -> Trajectory | None:
        """The stored course of this training, which its callbacks can go through; ``None`` where it must be made.

        Where this kernel records, an unknown training is first run without callbacks, to have its whole course.
        """
        try:
            if self._recording is not None and self._entry(key) is None:
                course = keep_states(self._hooks, training, key, call)
                if course is not None:
                    self._write(key, *course)
            found = self._entry(key)
            return Trajectory.of(self._hooks, training, found[1], found[0]) if found else None
        except Exception as error:
            self._hooks.session.fault("replay", error)
            return None

    # Measurements and predictions

    def evaluate(self, model: Any, given: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        """What ``evaluate`` gives: stored, or by ``call``."""
        key = self._key(lambda: keys.evaluate_key(self._keras, model, given))
        with _as_drawn_before(key):
            return self._evaluate(key, model, given, call)

    def _evaluate(self, key: str | None, model: Any, given: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        found = self._entry(key) if key and not given.get("callbacks") else None
        if found is None:
            result = call()
            if key and self._recording is not None:
                logs = {str(k): float(v) for k, v in model.get_metrics_result().items()}
                self._write(key, {"kind": "evaluate", "logs": logs}, {"metrics.npz": model.metrics_variables})
            return result
        folder, entry = found
        build_metrics(model, given["x"], given.get("y"), training=False)
        assign(model.metrics_variables, folder / "metrics.npz")
        self._show(model, given, entry["logs"])
        logs = dict(entry["logs"])
        return logs if given.get("return_dict") else model._flatten_metrics_in_order(logs)

    def _show(self, model: Any, given: Mapping[str, Any], logs: Mapping[str, float] | None) -> None:
        """The last line of the progress bar."""
        verbose = given.get("verbose", "auto")
        if verbose in (0, "0"):
            return
        steps = -(-len(given["x"]) // int(given.get("batch_size") or 32))
        shown = self._keras.callbacks.CallbackList(
            None, add_progbar=True, verbose=verbose, epochs=1, steps=steps, model=model
        )
        begin, end = ("on_test_begin", "on_test_end") if logs is not None else ("on_predict_begin", "on_predict_end")
        getattr(shown, begin)()
        getattr(shown, end)(logs) if logs is not None else getattr(shown, end)()

    def predict(self, model: Any, given: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        """What ``predict`` gives: stored, or by ``call``."""
        key = self._key(lambda: keys.predict_key(self._keras, model, given))
        with _as_drawn_before(key):
            return self._predict(key, model, given, call)

    def _predict(self, key: str | None, model: Any, given: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        found = self._entry(key) if key and not given.get("callbacks") else None
        if found is not None:
            with np.load(found[0] / "outputs.npz", allow_pickle=False) as stored:
                outputs = stored["w0000"]
            self._show(model, given, None)
            return outputs
        result = call()
        if key and self._recording is not None and isinstance(result, np.ndarray):
            self._write(key, {"kind": "predict"}, {"outputs.npz": [result]})
        return result

    # Descriptions of data, which cost more than a short training

    def describe(self, value: Any) -> dict[str, Any]:
        """As :func:`grader.recorder.arrays.describe`; of large arrays once for each content."""
        known = self._data(value)
        return dict(known["described"]) if known else arrays.describe(value)

    def spread(self, value: Any) -> dict[str, float]:
        """As :func:`grader.recorder.arrays.spread`."""
        known = self._data(value)
        return dict(known["spread"]) if known else arrays.spread(value)

    def save_rows(self, path: Path, x: Any, y: Any) -> str | None:
        """As :func:`grader.recorder.arrays.save_rows`."""
        known = self._data(x)
        return arrays.save_rows(path, x, y, known["rows"] if known else None)

    def _data(self, value: Any) -> dict[str, Any] | None:
        array = arrays.as_array(value)
        if array is None or array.nbytes < _DATA_BYTES or array.ndim < 2 or len(array) > ROWS_LIMIT:
            return None
        key = f"data-{keys.data_digest(array)}"
        if key not in self._known:
            self._known[key] = self._stored_data(key) or self._described_data(key, array)
        return self._known[key]

    def _stored_data(self, key: str) -> dict[str, Any] | None:
        found = self._entry(key)
        if found is None:
            return None
        folder, entry = found
        with np.load(folder / "rows.npz", allow_pickle=False) as stored:
            return {**entry, "rows": stored["w0000"]}

    def _described_data(self, key: str, array: Any) -> dict[str, Any]:
        entry = {"kind": "data", "described": arrays.describe(array), "spread": arrays.spread(array)}
        rows = row_digests(array)
        if self._recording is not None:
            self._write(key, entry, {"rows.npz": [rows]})
        return {**entry, "rows": rows}


def build_metrics(model: Any, x: Any, y: Any, *, training: bool) -> None:
    """Makes the variables of metrics and loss, and for a training those of the optimizer, as the first batch would."""
    attributes = vars(model)
    optimizer = attributes["optimizer"]
    if not training:
        attributes["optimizer"] = None  # measuring leaves it as it is
    try:
        model._symbolic_build(data_batch=(np.asarray(x)[:1], None if y is None else np.asarray(y)[:1]))
    finally:
        attributes["optimizer"] = optimizer


@contextlib.contextmanager
def _as_drawn_before(key: str | None) -> Iterator[None]:
    """What TensorFlow draws next is the same whether a measurement was made or answered."""
    from tensorflow.python.eager import context

    generator: Any = getattr(context.context(), "_rng", None)
    if key is None or generator is None:
        yield
        return
    state = generator.getstate()
    yield
    generator.setstate(state)


def assign(variables: Sequence[Any], file: Path) -> None:
    """Sets variables to what is stored; :raises ValueError: they are others."""
    with np.load(file, allow_pickle=False) as stored:
        values = [stored[name] for name in sorted(stored.files)]
    if [tuple(v.shape) for v in variables] != [v.shape for v in values]:
        raise ValueError(f"{file.name} holds other variables")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
