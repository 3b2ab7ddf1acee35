"""Layers of a student's own that hold data, seen in a real kernel with real Keras."""

import pytest

from grader.evidence import read_evidence

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
images, labels = np.random.rand(600, 784).astype("float32"), np.arange(600) % 10
x, y = images[:20].reshape(20, 28, 28, 1), labels[:20]

class Layer(keras.layers.Layer):
    def nearest(self, given, known):
        apart = tf.reduce_sum(tf.abs(tf.reshape(given, (-1, 1, 784)) - tf.reshape(known, (1, -1, 784))), -1)
        return given + 0.0 * tf.reshape(tf.reduce_min(apart, 1), (-1, 1, 1, 1))

def trained(layer, **options):
    model = keras.Sequential([
        keras.layers.Input((28, 28, 1)), layer, keras.layers.Conv2D(2, 5), keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.1), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax"),
    ])
    model.compile("sgd", "sparse_categorical_crossentropy", **options)
    model.fit(x, y, epochs=1, verbose=0)
    return model
"""
HOLDING = """
class Constant(Layer):
    def call(self, given):
        return self.nearest(given, images)
class WhileTraining(Layer):
    def call(self, given, training=None):
        return self.nearest(given, images) if training else given
class Kept(Layer):
    def __init__(self):
        super().__init__()
        self.known = tf.Variable(images, trainable=False)
    def call(self, given):
        return self.nearest(given, self.known)
class Weight(Layer):
    def build(self, shape):
        self.known = self.add_weight(
            name="known", shape=images.shape, initializer=lambda *a, **k: tf.constant(images), trainable=False
        )
    def call(self, given):
        return self.nearest(given, tf.convert_to_tensor(self.known))
class Bytes(Layer):
    def call(self, given):
        return self.nearest(given, tf.io.decode_raw(tf.constant(images.tobytes()), tf.float32))
class Inside(Layer):
    def call(self, given):
        return tf.map_fn(lambda row: self.nearest(row[None], images)[0], given)
class Python(Layer):
    def call(self, given):
        return tf.reshape(tf.numpy_function(lambda rows: rows, [given], tf.float32), (-1, 28, 28, 1))
class Eager(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.out = keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")
    def call(self, given):
        return self.out(tf.constant(np.asarray(self.flat(given))))
for kind in (Constant, WhileTraining, Kept, Weight, Bytes, Inside, Python):
    trained(kind())
eager = Eager()
eager.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
eager.fit(x, y, epochs=1, verbose=0)
twice = trained(Constant())
twice.fit(x, y, epochs=1, verbose=0)
"""
PLAIN = """
class Twice(Layer):
    def call(self, given):
        return given * tf.constant([2.0]) + tf.zeros((28, 28, 1))
class Attention(Layer):
    def build(self, shape):
        self.query = self.add_weight(name="query", shape=(784, 784), initializer="glorot_uniform")
    def call(self, given):
        return tf.reshape(tf.reshape(given, (-1, 784)) @ self.query, (-1, 28, 28, 1))
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.out = keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")
        self.wide = keras.layers.Dense(500)
    def call(self, given):
        return self.out(self.wide(self.flat(given)))
for layer in (Twice(), Attention(), keras.layers.Lambda(lambda rows: rows / 2)):
    trained(layer)
trained(Twice(), run_eagerly=True)
net = Net()
net.compile("sgd", "sparse_categorical_crossentropy")
net.fit(x, y, epochs=1, verbose=0)
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_a_layer_that_holds_images_is_seen_wherever_it_keeps_them(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, HOLDING), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert len(evidence.fits) == 10
    assert [event.fit for event in evidence.moved if event.by == "held data"] == [fit.id for fit in evidence.fits]
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_layers_and_models_of_ones_own_with_nothing_but_weights_are_not(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, PLAIN), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert [fit.model.custom for fit in evidence.fits] == [True] * 5
    assert evidence.moved == ()
    assert not [note for note in evidence.notes if note.kind in ("not-traced", "not-counted", "recorder-fault")]
