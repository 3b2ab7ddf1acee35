"""Attempts at conv-callback, made by hand: plain Python callbacks are really driven, nothing is trained."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import plain_callbacks
from checks_factory import FLATTEN, POOL, REPOSITORY, Attempt, conv, dense
from plain_callbacks import Callback

from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of
from grader.recorder.facts import callback_facts
from grader.recorder.probes import CallbackFit, probe_callbacks
from grader.recorder.session import jsonable

TASK = "### Exercise 3-1 A callback that watches the accuracy\n\nStop once the accuracy is above 0.995 (99.5 %)."
DISCUSSION = (
    "With 16 filters the accuracy fell by one point and training time by a third, since fewer features are found."
)
RISING = (0.95, 0.985, 0.992, 0.9961)


def make_course(root):
    """The course on small data sets of random images, with a calibration for them."""
    stored = {name: made_up(seed) for seed, name in enumerate(("mnist", "fashion_mnist"))}
    lines = []
    for name, arrays in stored.items():
        lines += [f"[{name}]", 'licence = "made for a test"', 'source = "a test"']
        for key, array in arrays.items():
            lines.append(f'arrays.{key} = {{ shape = {list(array.shape)}, sha256 = "{sha256_of(array)}" }}')
    (root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    ignored = shutil.ignore_patterns("calibration.json", "__pycache__", "samples", "template*")
    for room in ("assignments", "rubrics"):
        shutil.copytree(REPOSITORY / room / "conv-callback", root / room / "conv-callback", ignore=ignored)
    for name, arrays in stored.items():
        DataStore(root / "data").put(find_dataset(load_catalogue(root), name), arrays)
    spec = find_dataset(load_catalogue(root), "mnist")
    distribution = {"values": [0.975, 0.978, 0.972], "student_t": {"0.001": 3.0, "1e-05": 5.0}}
    entry = {"dataset": "mnist", "dataset_digest": spec.digest, "date": "2026-01-01", "machine": "none", "versions": {}}
    entry["distributions"] = {"mnist-conv-16-one-epoch": distribution}
    (root / "rubrics" / "conv-callback" / "calibration.json").write_text(json.dumps([entry]), "utf-8")
    return root


def made_up(seed):
    rng = np.random.default_rng(seed)
    arrays = {}
    for split, n in (("train", 1200), ("test", 200)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (n, 4, 4), np.uint8)
        arrays[f"y_{split}"] = (np.arange(n) % 10).astype(np.uint8)
    return arrays


def network(*filters, pool=True, head=None):
    stages = [layer for n in filters for layer in ((conv(n, 3), POOL) if pool else (conv(n, 3),))]
    return [*stages, FLATTEN, dense(128, "relu"), head or dense(10, "softmax")]


class RemembersTheStop(plain_callbacks.RemembersTheStop):
    LEVEL = 0.995


def stopper(test, says="", name="MyCallback"):
    def on_epoch_end(self, epoch, logs=None):
        if test(logs):
            print(says, end="")  # noqa: T201
            self.model.stop_training = True

    return type(name, (Callback,), {"on_epoch_end": on_epoch_end})


def above(level, **more):
    return stopper(lambda logs: logs.get("accuracy") > level, **more)()


RIGHT = "class MyCallback(keras.callbacks.Callback):\n  pass\nmodel.fit(x, y, callbacks=[MyCallback()])"


class ConvAttempt(Attempt):
    """An attempt at conv-callback."""

    def __init__(self, course, directory):
        super().__init__(course, directory)
        self.names = {}
        self.compatibility = ()
        fashion = DataStore(course / "data").get(find_dataset(load_catalogue(course), "fashion_mnist"))
        self.clothes_test, _ = fashion.rows("test")

    def fit(self, layers, rows, **more):
        if more.get("cell") is None:
            more["cell"] = self.code("model.fit(x, y)", printed=more.pop("printed", "accuracy: 0.8125 - loss: 0.5"))
        return super().fit(layers, rows, **more)

    def clothes(self, *filters, pool=True, rows=100, **more):
        self._n += 1
        digests = np.arange(rows, dtype=np.uint64) + 7
        return self.fit(network(*filters, pool=pool), digests, accuracy=0.1, epochs=2, **more)

    def digits(self, callback=None, values=RISING, *, ended="stopped", source=RIGHT, planned=10, layers=None, **more):
        """Trains on digits with these logs, and drives the callbacks as the recorder would."""
        cell = self.code(source, printed="loss: 0.5")
        error = more.pop("error", None)
        callbacks = callback if isinstance(callback, list) else [callback] if callback is not None else []
        fit = self.fit(
            layers or network(32),
            self.train,
            accuracy=more.pop("accuracy", 0.985),
            epochs=0,
            ended=None,
            cell=cell,
            callbacks=[{**f, "config": jsonable(f["config"])} for f in callback_facts(callbacks)],
            **more,
        )
        start = next(e for e in self.events if e.get("fit") == fit)
        start["epochs"] = planned
        logs = [{"accuracy": v, "loss": 1 - v} for v in values]
        self.events += [{"event": "epoch", "fit": fit, "epoch": n, "logs": row} for n, row in enumerate(logs)]
        after = {"reason": ended, "error": error, "epochs_run": len(logs), "weights": f"{fit}.after.npz"}
        self.events.append({"event": "fit_end", "fit": fit, **after})
        self.drive(fit, callbacks, logs, planned)
        return fit

    def drive(self, fit, callbacks, logs, planned):
        def emit(event, **fields):
            self.events.append({"event": event, **jsonable(fields)})

        class Model:
            stop_training = False

        model = Model()
        kept = CallbackFit.of(fit, model, callbacks, planned, ())
        kept.logs = dict(logs[-1]) if logs else {}
        session = SimpleNamespace(
            emit=emit,
            depth=0,
            accepts=lambda option: option in self.compatibility,
            accepted=lambda option, detail: emit("note", kind=option, detail=detail),
        )
        probe_callbacks(SimpleNamespace(session=session, models=lambda: [model]), [kept], 20.0)

    def request(self, **more):
        request = super().request(**more)
        (self.directory / "claims" / "names.json").write_text(json.dumps(self.names), "utf-8")
        return dataclasses.replace(request, assignment="conv-callback")
