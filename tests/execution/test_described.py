"""Models that Keras cannot describe as a whole are measured all the same, seen in a real kernel with real Keras."""

import json

import numpy as np
import pytest

from grader.evidence import read_evidence
from grader.verification import clean_config

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
x, y = np.random.rand(20, 28, 28, 1).astype("float32"), np.arange(20) % 2
"""
PARTS = """
class Shrink(keras.regularizers.Regularizer):
    def __call__(self, weight):
        return 1e-4 * tf.reduce_sum(tf.abs(weight))
class Small(keras.constraints.Constraint):
    def __call__(self, weight):
        return tf.clip_by_value(weight, -1.0, 1.0)
class Even(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **options):
        return tf.random.uniform(shape, -0.1, 0.1)
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.001 * tf.minimum(tf.cast(step, tf.float32) / 10.0, 1.0)
convolution = keras.layers.Conv2D(
    3, 5, activation="relu", kernel_regularizer=Shrink(), kernel_constraint=Small(), kernel_initializer=Even(),
    bias_regularizer=lambda weight: 0.0 * tf.reduce_sum(weight), activity_regularizer=Shrink(),
)
model = keras.Sequential([
    keras.layers.Input((28, 28, 1)), convolution, keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")
])
model.compile(keras.optimizers.Adam(WarmUp()), "sparse_categorical_crossentropy")
model.fit(x, y, epochs=1, verbose=0)
assert type(convolution.kernel_regularizer) is Shrink
"""
BROKEN = """
model = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
model.layers[-1].get_config = None
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, y, epochs=1, verbose=0)
"""
ARITHMETIC = """
given = keras.Input((28, 28, 1))
model = keras.Model(given, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(given) / 2.0))
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(x, y, epochs=1, verbose=0)
"""
ACTIVATIONS = """
given = (tf.nn.relu, keras.layers.ReLU(), keras.layers.Activation(tf.nn.relu), tf.nn.softmax)
model = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten()])
for activation in given:
    model.add(keras.layers.Dense(2, activation=activation))
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(x, y, epochs=1, verbose=0)
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_functions_of_tensorflow_and_layers_are_the_activations_that_they_are(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, ACTIVATIONS), runtime=runtime)
    (fit,) = read_evidence(tmp_path / "evidence").fits
    assert [layer.config["activation"] for layer in fit.model.layers[1:]] == ["relu", "relu", "relu", "softmax"]
    assert clean_config(json.loads((tmp_path / "evidence" / "claims" / fit.model.config).read_text("utf-8")))


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_parts_of_ones_own_that_only_training_reads_do_not_keep_a_model_from_being_rebuilt(
    run, notebook, tmp_path, runtime
):
    run(notebook(SETUP, PARTS), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    (fit,) = evidence.fits
    assert fit.ended == "completed"
    assert not fit.model.custom
    assert fit.model.layers[0].config["filters"] == 3
    text = evidence.claim(fit.model.config).read_text("utf-8")
    assert "Shrink" not in text + json.dumps(clean_config(json.loads(text)))
    assert not [note for note in evidence.notes if note.kind in ("no-config", "recorder-fault")]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_a_model_that_has_no_description_predicts_in_the_kernel(run, notebook, tmp_path, runtime):
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, official=np.zeros((5, 28, 28), np.uint8))
    run(notebook(SETUP, BROKEN, ARITHMETIC), runtime=runtime, inputs_file=inputs)
    evidence = read_evidence(tmp_path / "evidence")
    described = [fit.model.config is not None for fit in evidence.fits]
    assert described == [False, runtime == "keras3"]
    assert [fit.model.custom for fit in evidence.fits] == [not known for known in described]
    assert set(evidence.custom_predictions) == {
        f.id for f, known in zip(evidence.fits, described, strict=True) if not known
    }
