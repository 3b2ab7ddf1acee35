"""A training that the grader has made before is answered from what it kept, to the last bit."""

import nbformat
import numpy as np
import pytest

from grader.evidence import read_evidence
from grader.execution import warm_pool
from grader.recorder.keys import data_digest
from grader.sandbox.choose import choose, trial

pytestmark = [pytest.mark.slow, pytest.mark.skipif(warm_pool(1, None) is None, reason="tests share one warm process")]

DATA = """import numpy as np, keras
rng = np.random.default_rng(0)
x = rng.random((400, 8, 8, 1)).astype("float32")
y = (x.sum((1, 2, 3)) > 32).astype(int)"""
MODEL = """from keras import layers
model = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(),
                          layers.Dropout(0.2), layers.Dense(2, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])"""
FIT = "history = model.fit(x, y, epochs=4, batch_size=50, validation_split=0.1%s)"
AFTER = """print(history.history, history.epoch, model.evaluate(x, y, verbose=0))
print(float(model.predict(x[:50], verbose=0).sum()))
print(int(model.optimizer.iterations), [float(v.numpy().sum()) for v in model.optimizer.variables], np.random.rand())"""
SECOND = """other = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")])
other.compile("sgd", "sparse_categorical_crossentropy")
other.fit(x, y, epochs=1, verbose=0)"""
BEFORE = "print(model.evaluate(x, y, verbose=0), model.predict(x, verbose=0).sum())"
REFERENCE = (DATA, MODEL, BEFORE, FIT % "", AFTER, SECOND)
NOISE = "import random\nrandom.random(); np.random.rand(3)"


@pytest.fixture(scope="module")
def warm():
    with warm_pool(1, None) as pool:
        yield pool


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("replay")


@pytest.fixture
def compare(run, notebook, warm, store, tmp_path):
    """Runs the cells without and with the store, which holds what the reference has trained; both executions."""

    def both(*cells):
        if not any(store.iterdir()):
            run(notebook(*REFERENCE), "reference", warm=warm, replay_into=store)
        cold = run(notebook(*cells), "cold", warm=warm)
        hit = run(notebook(*cells), "hit", warm=warm, replay_store=store)
        left, right = read_evidence(tmp_path / "cold"), read_evidence(tmp_path / "hit")
        assert left.fits
        for one, two in zip(left.fits, right.fits, strict=True):
            assert digests(left, one.weights_after) == digests(right, two.weights_after)
            assert (one.logs, one.ended, one.x, one.callbacks) == (two.logs, two.ended, two.x, two.callbacks)
        assert [e.results for e in left.evaluations] == [e.results for e in right.evaluations]
        assert said(tmp_path / "cold") == said(tmp_path / "hit")
        return cold, hit

    return both


def digests(evidence, name):
    return [data_digest(array) for array in evidence.weights(name)]


def said(folder):
    """What all cells but those that draw progress bars printed: student code sees no difference."""
    cells = nbformat.read(folder / "executed.ipynb", 4).cells
    return "".join(out.get("text", "") for cell in cells if "history =" not in cell.source for out in cell.outputs)


def test_everything_that_can_be_seen_afterwards_is_the_same(compare):
    cold, hit = compare(DATA, MODEL, FIT % "", AFTER)
    assert (cold.trained_fits, cold.replayed_fits) == (1, 0)
    assert (hit.trained_fits, hit.replayed_fits) == (0, 1)


def test_measuring_before_training_changes_nothing_whether_it_was_made_or_answered(compare):
    drawn = "import tensorflow as tf\nprint(tf.random.uniform((2,)).numpy(), np.random.rand(), model.optimizer.built)"
    _, hit = compare(DATA, MODEL, BEFORE, BEFORE, drawn, FIT % "", AFTER + "\n" + drawn)
    assert (hit.trained_fits, hit.replayed_fits) == (0, 1)


def test_other_names_and_draws_in_between_do_not_matter(compare):
    renamed = MODEL.replace("layers.Dropout(0.2)", 'layers.Dropout(0.2, name="mine")')
    _, hit = compare(DATA, NOISE, renamed, NOISE, FIT % "", AFTER, NOISE, SECOND, "print(1)")
    assert (hit.trained_fits, hit.replayed_fits) == (0, 2)


@pytest.mark.parametrize(
    "cells",
    [
        (DATA, MODEL.replace("Conv2D(4", "Conv2D(5"), FIT % ""),
        (DATA, MODEL.replace('"relu"', '"tanh"'), FIT % ""),
        (DATA, MODEL.replace('"adam"', "keras.optimizers.Adam(0.01)"), FIT % ""),
        (DATA, MODEL, FIT.replace("epochs=4", "epochs=3") % ""),
        (DATA, MODEL, FIT % ", shuffle=False"),
        (DATA + "\nx[0] = 0", MODEL, FIT % ""),
        (DATA + "\ny[0] = 1 - y[0]", MODEL, FIT % ""),
        (DATA, MODEL + "\nmodel.set_weights([w * 2 for w in model.get_weights()])", FIT % ""),
        (DATA, MODEL + "\nmodel.layers[0].trainable = False", FIT % ""),
        (DATA, MODEL.replace('"sparse_categorical_crossentropy"', "lambda t, p: keras.ops.mean(p)"), FIT % ""),
    ],
    ids=["filters", "activation", "rate", "epochs", "order", "image", "label", "weights", "frozen", "loss"],
)
def test_what_differs_in_anything_that_matters_is_trained(compare, cells):
    _, hit = compare(*cells, AFTER)
    assert (hit.trained_fits, hit.replayed_fits) == (1, 0)


def test_a_training_that_goes_on_is_trained(compare):
    _, hit = compare(DATA, MODEL, FIT % "", FIT % "", AFTER)
    assert (hit.trained_fits, hit.replayed_fits) == (1, 1)


CALLBACK = """class Stop(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []
    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs["loss"], float(self.model.get_weights()[0].sum())))
        if len(self.seen) == %d:
            print("that is enough")
            self.model.stop_training = True
stop = Stop()"""
WITH = (FIT % ", callbacks=[stop]", AFTER.replace("print(history", "print(stop.seen, history"))


@pytest.mark.parametrize("epochs", [1, 3, 9])
def test_a_callback_that_stops_goes_through_the_stored_epochs(compare, epochs):
    _, hit = compare(DATA, MODEL, CALLBACK % epochs, *WITH)
    assert hit.replayed_fits == 1


OWN = """seen = []
class Stop(keras.callbacks.Callback):
    def on_%s(self, number, logs=None):
        %s
stop = Stop()"""


@pytest.mark.parametrize(
    "callback",
    [
        "stop = keras.callbacks.EarlyStopping(monitor='loss', patience=0, min_delta=9.0, restore_best_weights=True)",
        OWN % ("epoch_end", "logs['loss'] = 0.0"),
        "stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs['loss']))",
    ],
    ids=["early stopping", "logs", "lambda"],
)
def test_other_callbacks_of_epoch_ends_are_gone_through(compare, callback):
    _, hit = compare(DATA, MODEL, callback, FIT % ", callbacks=[stop]", AFTER)
    assert hit.replayed_fits == 1


@pytest.mark.parametrize(
    ("hook", "action"),
    [
        ("epoch_end", "seen.append(number)"),
        ("train_batch_end", "self.count = number"),
        ("epoch_end", "self.model.set_weights([w * 0.5 for w in self.model.get_weights()])"),
        ("epoch_end", "self.model.optimizer.learning_rate = 0.5"),
        ("epoch_end", "open('log.txt', 'a').write('x')"),
        ("epoch_end", "Stop.total = getattr(Stop, 'total', 0) + 1"),
        ("epoch_end", "self.model.mine = number"),
        ("epoch_end", "__import__('os').environ['A'] = 'b'"),
    ],
    ids=["global", "batches", "weights", "rate", "file", "class", "attribute", "environment"],
)
def test_a_callback_that_does_more_is_trained_with(compare, hook, action):
    _, hit = compare(DATA, MODEL, OWN % (hook, action), FIT % ", callbacks=[stop]", AFTER + "\nprint(seen)")
    assert hit.replayed_fits == 0


def test_a_callback_that_fails_fails_alike(compare):
    broken = OWN % ("epoch_end", "logs['no such metric']")
    cold, hit = compare(DATA, MODEL, broken, FIT % ", callbacks=[stop]", "print(seen)")
    assert cold.failed_cells == hit.failed_cells != ()


def test_a_students_notebook_adds_nothing_to_the_store(run, notebook, warm, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    forged = "from pathlib import Path\nPath('../replays/' + 'a' * 40).mkdir(parents=True)"
    run(notebook(DATA, MODEL, FIT % "", forged), warm=warm, replay_store=store)
    assert list(store.iterdir()) == []


ATTACK = """import os
for name in [*os.listdir(%r), "new"]:
    try:
        open(f"{%r}/{name}/entry.json", "w")
        print("GOT", name)
    except OSError as error:
        print("REFUSED", error)"""


def test_the_store_cannot_be_written_from_inside(run, notebook, warm, tmp_path):
    if not trial("namespaces").works:
        pytest.skip(trial("namespaces").reason)
    store = tmp_path / "store"
    run(notebook(DATA, MODEL, FIT % ""), "reference", warm=warm, replay_into=store)
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    attack = ATTACK % (str(store), str(store))
    execution = run(
        notebook(DATA, MODEL, FIT % "", attack), warm=warm, replay_store=store, sandbox=choose("namespaces", ())
    )
    assert execution.replayed_fits == 1
    assert "GOT" not in said(tmp_path / "evidence")
    assert said(tmp_path / "evidence").count("REFUSED") == len(list(store.iterdir())) + 1
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before


def test_what_is_damaged_in_the_store_is_trained_for_real(run, notebook, warm, tmp_path):
    store = tmp_path / "store"
    run(notebook(DATA, MODEL, FIT % ""), "reference", warm=warm, replay_into=store)
    for file in store.glob("*/epoch-*.npz"):
        np.savez(file, w0000=np.zeros(3))
    execution = run(notebook(DATA, MODEL, FIT % ""), warm=warm, replay_store=store)
    assert (execution.trained_fits, execution.replayed_fits) == (1, 0)
    assert not execution.failed_cells
