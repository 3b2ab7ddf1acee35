"""Evidence of VGG16 fine-tuning made by hand: what a run would have left, without running anything."""

import numpy as np
from checks_factory import Attempt
from small_vgg import CONVOLUTIONS

from grader.checks.requests import CheckRequest
from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.model import Budget, ExecutionOutcome, Measurement
from grader.recorder.arrays import weights_digest
from grader.recorder.rows import row_digests

ONE_HOT = {"kind": "array", "shape": [120, 10], "dtype": "float64", "min": 0.0, "max": 1.0}
WANTED = [False] * 10 + [True] * 6
"""Which of the layers with weights training shall change: 13 convolutions, dense, batch normalisation, dense."""


def layer(class_name, name, params=0, trainable=True, **config):
    return {"class_name": class_name, "name": name, "params": params, "trainable": trainable, "config": config}


def base(trainable=(False,) * 10 + (True,) * 3, sizes=CONVOLUTIONS, side=32):
    """VGG16's layers; each with weights has one array of two numbers in these tests."""
    parts, flags = [], list(trainable)
    for block, filters in sizes.items():
        for number, n in enumerate(filters, 1):
            conv = layer("Conv2D", f"block{block}_conv{number}", 2, flags.pop(0) if flags else True, filters=n)
            parts.append({**conv, "output_shape": [None, side, side, n]})
        parts.append(layer("MaxPooling2D", f"block{block}_pool"))
    return parts


FLATTEN = layer("Flatten", "flatten")
HIDDEN = layer("Dense", "dense", 2, units=256, activation="relu")
NORMALISED = layer("BatchNormalization", "bn", 2)
DROPOUT = layer("Dropout", "dropout", rate=0.5)
OUTPUT = layer("Dense", "dense_1", 2, units=10, activation="softmax")
HEAD = [FLATTEN, HIDDEN, NORMALISED, DROPOUT, OUTPUT]


class VggAttempt(Attempt):
    """An attempt whose trainings say which layers moved."""

    def __init__(self, course, directory):
        self.course, self.directory, self.data = course.root, directory, course.data
        self.cells, self.runs, self.events, self.measurements = [], [], [], []
        self.outcome, self.budget, self._n = ExecutionOutcome.OK, Budget.FULL, 0
        self.seed, self.final = 0, None
        stored = DataStore(course.data).get(find_dataset(load_catalogue(course.root), "cifar10"))
        self.train, self.test = (row_digests(np.asarray(stored.array(f"x_{split}"))) for split in ("train", "test"))
        (directory / "claims").mkdir(parents=True)

    def request(self, **more):
        self.write()
        own = {"language": "ja", "data_dir": self.data, "budget": self.budget}
        return CheckRequest(self.directory, more.pop("course_dir", self.course), "vgg16-finetune", **(own | more))

    def pretrained(self):
        self.events.append({"event": "dataset", "name": "vgg16", "digest": "abc"})

    def compiled(self, parts=None, loss="categorical_crossentropy", ident="model-1"):
        self.layers = parts or base() + HEAD
        event = {"event": "model", "model": ident, "kind": "functional", "layers": self.layers, "loss": loss}
        self.events.append(event | {"input_shape": [None, 32, 32, 3], "output_shape": [None, 10]})

    def trained(self, rows=None, moved=WANTED, *, epochs=30, ended="completed", accuracy=0.8, **more):
        """A training of the latest model; ``moved``: of each layer with weights whether it changed."""
        self._n += 1
        ident, cell = f"fit-{self._n}", self.code("model.fit(X_train, Y_train)")
        n = sum(la["params"] > 0 for la in self.layers)
        first = more.pop("initial", [np.full(2, 100 * self._n + i, np.float32) for i in range(n)])
        moved = (list(moved) + [True] * n)[:n]
        self.final = [w + 1 if changes else w for w, changes in zip(first, moved, strict=True)]
        for when, arrays in (("before", first), ("after", self.final)):
            path = self.directory / "claims" / f"{ident}.{when}.npz"
            np.savez(path, **{f"w{i:04d}": w for i, w in enumerate(arrays)})
        rows = self.train if rows is None else rows
        labels = {name: more.pop(name) for name in ("labels", "soft") if name in more}
        np.savez(self.directory / "claims" / f"{ident}.rows.npz", rows=rows, **labels)
        x = {"kind": "array", "shape": [len(rows), 32, 32, 3], "rows": f"{ident}.rows.npz"}
        x |= {"min": 0.0, "max": more.pop("high", 1.0)}
        own = {"y": ONE_HOT, "validation_split": 0.1, "epochs": epochs, "weights": f"{ident}.before.npz", **more}
        self.events.append({"event": "fit_start", "fit": ident, "model": "model-1", "x": x, "cell": cell, **own})
        self.events += [{"event": "epoch", "fit": ident, "epoch": e, "logs": {"accuracy": 0.5}} for e in range(epochs)]
        end = {"event": "fit_end", "fit": ident, "reason": ended, "epochs_run": epochs, "cell": cell}
        self.events.append(end | {"weights": f"{ident}.after.npz"})
        self.measurements.append(Measurement(ident, accuracy, None, n_examples=40))
        return cell

    def saved(self, file="CIFAR-10.keras", weights=None, **more):
        """``weights``: those in the file, the model's own by default."""
        cell = self.code("model.save(...)")
        fit = f"fit-{self._n}" if self._n else None
        weights = weights or self.final
        own = {"weights": weights_digest(weights) if weights else "f" * 32, "after_fit": fit, "cell": cell}
        self.events.append({"event": "save", "model": "model-1", "file": file, **own, **more})

    def loaded(self, weights, **more):
        own = {"model": "model-1", "file": "old.weights.h5", "weights": weights_digest(weights)}
        self.events.append({"event": "load", **own, **more})
