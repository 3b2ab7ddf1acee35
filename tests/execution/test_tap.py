"""A data set is listened to while it is trained on: what it shows beforehand is not all that it gives."""

import numpy as np
import pytest

from grader.evidence import read_evidence
from grader.recorder.rows import row_digests

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
x, y = np.random.default_rng(5).random((64, 4), "float32"), np.arange(64) % 2
x[:, 0], x[:, 1] = 0, 1

def fit(data, epochs=3):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model.fit(data, epochs=epochs, verbose=0)

whole = tf.data.Dataset.from_tensor_slices((x, y))
"""
CASES = """
fit(whole.shuffle(64).batch(8))
fit(whole.shuffle(64).take(16).batch(8))
passes = []
def rows():
    passes.append(1)
    for i in range(16):
        yield x[i + (16 if len(passes) > 2 else 0)], y[i]
counted = tf.data.Dataset.from_generator(rows, output_signature=(tf.TensorSpec((4,)), tf.TensorSpec((), tf.int64)))
fit(counted.apply(tf.data.experimental.assert_cardinality(16)).batch(8))
fit(whole.take(16).map(lambda a, b: (a, b, 1.0)).batch(8))
def turn(a, b):
    drawn = tf.numpy_function(lambda: np.float32(np.random.rand()), [], tf.float32)
    return a * (1 - tf.reshape(drawn, ())) + tf.reshape(drawn, ()) * a[::-1], b
fit(whole.take(16).map(turn).batch(8))
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_rows_of_later_epochs_are_recorded(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, CASES), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    shuffled, drawn, counted, weighted, turned = (evidence.rows(fit.x) for fit in evidence.fits)
    values = np.random.default_rng(5).random((64, 4), np.float32)
    values[:, 0], values[:, 1] = 0, 1
    digests = row_digests(values)
    assert set(shuffled["rows"]) == set(digests)
    assert "later" not in shuffled
    assert len(drawn["rows"]) == 16
    assert len(set(drawn["rows"]) | set(drawn["later"])) > 16
    assert set(drawn["later"]) <= set(digests)
    assert set(counted["later"]) == set(digests[16:32])
    assert "later" not in weighted
    assert len(turned["later"]) >= 32, "every epoch turns them another way"
    assert not set(turned["later"]) & set(digests)
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]
