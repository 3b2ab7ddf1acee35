"""Weights that something else than ``fit`` has changed, seen in a real kernel with real Keras."""

import pytest

from grader.evidence import read_evidence

pytestmark = pytest.mark.slow

SETUP = """
import numpy as np, tensorflow as tf
from tensorflow import keras
x, y = np.random.rand(64, 4).astype("float32"), np.arange(64) % 2

def build():
    made = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made

def lazy():
    made = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made
"""
HONEST = """
first = build()
begun = first.get_weights()
first.fit(x, y, epochs=1, verbose=0)
first.evaluate(x, y, verbose=0)
first.fit(x, y, epochs=1, verbose=0)
first.set_weights(begun)
first.fit(x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.EarlyStopping("loss", restore_best_weights=True)])
second = build()
second.set_weights(first.get_weights())
second.fit(x, y, epochs=1, verbose=0)
first.save_weights("w.weights.h5")
third = build()
third.load_weights("w.weights.h5")
third.fit(x, y, epochs=1, verbose=0)
fourth = lazy()
fourth.fit(x, y, epochs=1, verbose=0)
"""
LOOP = """
looped = build()
for _ in range(3):
    looped.train_on_batch(x, y)
"""
TAPE = """
taped = build()
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, taped(x, training=True)))
for variable, gradient in zip(taped.trainable_variables, tape.gradient(loss, taped.trainable_variables)):
    variable.assign_sub(gradient)
"""
BROUGHT = """
helper = lazy()
for _ in range(3):
    helper.train_on_batch(x, y)
brought = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
brought.set_weights(helper.get_weights())
brought.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
del helper
brought.fit(x, y, epochs=1, verbose=0)
"""
STEP = """
class Other(keras.Sequential):
    def train_step(self, data):
        return super().train_step((x[:32], y[:32]))
made = Other([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
made.fit(x, y, epochs=1, verbose=0)
"""
LOSS = """
made = build()
made.compile("sgd", lambda wanted, found: tf.reduce_mean(tf.square(made(x[:32]) - 1.0)))
made.fit(x, y, epochs=1, verbose=0)
"""
SWAPPED = """
made = build()
keras.Model.compile.__wrapped__(made, "sgd", lambda wanted, found: tf.reduce_mean(found))
made.fit(x, y, epochs=1, verbose=0)
"""
OPTIMIZER = """
class Own(keras.optimizers.SGD):
    def apply_gradients(self, *given, **options):
        return super().apply_gradients(*given, **options)
made = build()
made.compile(Own(), "sparse_categorical_crossentropy")
made.fit(x, y, epochs=1, verbose=0)
"""
ASSIGNS = """
class Assigns(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.layers[0].set_weights([w + 1 for w in self.model.layers[0].get_weights()])
made = build()
made.fit(x, y, epochs=2, verbose=0, callbacks=[Assigns()])
"""
TRAINS = """
class Trains(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.train_on_batch(x[:32], y[:32])
made = build()
made.fit(x, y, epochs=1, verbose=0, callbacks=[Trains()])
"""
HOOKS = """
class Begins(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            for variable in self.model.trainable_variables:
                variable.assign(variable + 1.0)
class Steps(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        for variable in self.model.trainable_variables:
            variable.assign(variable * 0.5)
class Tests(keras.callbacks.Callback):
    def on_test_end(self, logs=None):
        for variable in self.model.trainable_variables:
            variable.assign(variable * 0.5)
class History(keras.callbacks.Callback):
    def on_train_end(self, logs=None):
        self.model.set_weights([w + 1 for w in self.model.get_weights()])
class Ends(History):
    pass
History.__module__ = Ends.__module__ = "keras.src.callbacks.history"
keras.callbacks.Ends = Ends
for callback in (Begins(), Steps(), Tests(), History(), Ends()):
    made = build()
    made.fit(x, y, epochs=2, verbose=0, validation_split=0.25, callbacks=[callback])
"""
BESIDE = """
import threading
stop = threading.Event()
def beside():
    while not stop.wait(0.01):
        for variable in made.trainable_variables:
            variable.assign(variable * 0.5)
made = build()
thread = threading.Timer(0.0, beside)
thread.start()
made.fit(x, y, epochs=1, verbose=0)
stop.set()
thread.join()
made = build()
made.fit(x, y, epochs=1, verbose=0)
"""
BETWEEN = """
import _thread, gc, signal, sys, threading, time
def nothing(*_):
    pass
def train(start):
    global made
    made = build()
    start()
    made.fit(x, y, epochs=2, verbose=0)
class Starts(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        threading.Thread(target=lambda: time.sleep(1)).start()
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(1.1)
gone = _thread.allocate_lock()
def low():
    with gone:
        time.sleep(2)
train(lambda: _thread.start_new_thread(low, ()))
with gone:
    pass
time.sleep(0.1)
signal.signal(signal.SIGALRM, nothing)
train(lambda: None)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
train(lambda: gc.callbacks.append(nothing))
gc.callbacks.remove(nothing)
train(lambda: sys.setprofile(nothing))
sys.setprofile(None)
made = build()
made.fit(x, y, epochs=1, verbose=0, callbacks=[Starts()])
train(lambda: None)
"""
PARTS = """
class Pull(keras.constraints.Constraint):
    def __call__(self, w):
        return 0.5 * w
class Adds(keras.layers.Layer):
    def call(self, given):
        self.add_loss(tf.reduce_sum(given))
        return given
for inner in (keras.layers.Dense(4, kernel_constraint=Pull()), Adds()):
    made = keras.Sequential([keras.layers.Input((4,)), inner, keras.layers.Dense(2, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.fit(x, y, epochs=1, verbose=0)
"""
EARLY = """
early = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, early(x, training=True)))
for variable, gradient in zip(early.trainable_variables, tape.gradient(loss, early.trainable_variables)):
    variable.assign_sub(gradient)
early.compile("sgd", "sparse_categorical_crossentropy")
early.fit(x, y, epochs=1, verbose=0)
"""
LAYERS = """
layers = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="softmax")])
layers.layers[-1].set_weights([w * 1.0001 + 0.1 for w in layers.layers[-1].get_weights()])
layers.compile("sgd", "sparse_categorical_crossentropy")
layers.fit(x, y, epochs=1, verbose=0)
"""
DRAWN = """
numbers = np.random.rand(4, 2).astype("float32")
own = lambda shape, dtype=None, **_: tf.constant(numbers, dtype)
for initializer in (own, keras.initializers.Constant(numbers + 1), keras.initializers.RandomNormal(numbers + 2, 1e-6)):
    drawn = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, kernel_initializer=initializer)])
    drawn.compile("sgd", "sparse_categorical_crossentropy")
    drawn.fit(x, y, epochs=1, verbose=0)
"""
AROUND = """
around = build()
keras.Model.fit.__wrapped__(around, x, y, epochs=1, verbose=0)
around.fit(x, y, epochs=1, verbose=0)
"""
LAYERED = """
scale = keras.layers.Normalization()
scale.adapt(x)
many = keras.Sequential([
    keras.layers.Input((4,)), scale, keras.layers.Dense(8, kernel_initializer="he_normal"),
    keras.layers.BatchNormalization(),
    keras.layers.Dropout(0.5), keras.layers.Dense(4, kernel_constraint="non_neg", kernel_regularizer="l2"),
    keras.layers.ActivityRegularization(0.01),
    keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1)),
])
many.compile("adam", "sparse_categorical_crossentropy")
many.fit(x, y, epochs=1, verbose=0)
many.fit(x, y, epochs=1, verbose=0)
head = keras.Sequential([*many.layers[:-1], keras.layers.Dense(2)])
head.layers[1].trainable = False
head.compile("adam", "sparse_categorical_crossentropy")
head.fit(x, y, epochs=1, verbose=0)
class Late(keras.Model):
    def build(self, shape):
        self.inner = keras.layers.Dense(2)
        self.inner.build((None, 4))
        super().build(shape)
    def call(self, given):
        return self.inner(given)
late = Late()
late.compile("adam", "sparse_categorical_crossentropy")
late.fit(x, y, epochs=1, verbose=0)
twin = keras.models.clone_model(many)
twin.compile("adam", "sparse_categorical_crossentropy")
twin.fit(x, y, epochs=1, verbose=0)
"""
USUAL = """
class Quiet(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.best = None
    def on_train_batch_end(self, batch, logs=None):
        self.loss = logs["loss"]
    def on_test_end(self, logs=None):
        self.tested = True
    def on_epoch_end(self, epoch, logs=None):
        self.best = self.best or self.model.get_weights()
    def on_train_end(self, logs=None):
        self.model.set_weights(self.best)
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(2, activation="softmax")
    def call(self, given):
        return self.out(given)
    def fit(self, *given, **options):
        return super().fit(*given, **options)
net = Net()
net.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
            keras.losses.SparseCategoricalCrossentropy(), metrics=[keras.metrics.SparseCategoricalAccuracy()])
net.fit(x, y, epochs=3, batch_size=10, verbose=0, validation_split=0.25,
        callbacks=[Quiet(), keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)])
net.fit(tf.data.Dataset.from_tensor_slices((x, y)).shuffle(64).batch(16), epochs=2, verbose=0, callbacks=[Quiet()])
class Breaks(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations > 3:
            raise RuntimeError
made = build()
try:
    made.fit(x, y, epochs=2, verbose=0, callbacks=[Breaks()])
except RuntimeError:
    pass
made = build()
made.compile("sgd", tf.keras.losses.sparse_categorical_crossentropy, metrics=["accuracy"], run_eagerly=True)
made.fit(x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.EarlyStopping("loss", restore_best_weights=True)])
made.fit(x, y, epochs=2, verbose=0, initial_epoch=1, callbacks=[Quiet()])
"""


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_trainings_files_and_weights_put_back_are_no_movement(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, HONEST), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert len(evidence.fits) == 6
    assert evidence.moved == ()
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_loops_tapes_and_brought_weights_are_seen(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, LOOP, TAPE, BROUGHT), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    (fit,) = evidence.fits
    begun = [event for event in evidence.moved if event.fit == fit.id]
    assert [event.model for event in begun] == [fit.model.id]
    after = {event.model for event in evidence.moved if event.fit is None}
    assert len(after) == 2
    assert fit.model.id not in after


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_weights_that_were_never_drawn_are_seen_however_they_came(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, EARLY, LAYERS, DRAWN, AROUND), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert len(evidence.fits) == 6
    assert [event.fit for event in evidence.moved] == [fit.id for fit in evidence.fits]
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_what_is_not_keras_own_within_a_training_is_named(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, STEP, LOSS, SWAPPED, OPTIMIZER, ASSIGNS, TRAINS), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    told = {event.fit: event.by for event in evidence.moved}
    wanted = ["train_step", "loss", "loss", "optimizer", "callback", "callback, further steps"]
    assert [told.get(fit.id) for fit in evidence.fits] == wanted
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_what_callbacks_do_in_between_and_parts_of_layers_are_seen(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, HOOKS, PARTS), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    told = {event.fit: event.by for event in evidence.moved}
    assert [told.get(fit.id) for fit in evidence.fits] == [*["callback"] * 5, "kernel_constraint", "add_loss"]
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_a_thread_of_the_notebooks_beside_a_training_is_seen(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, BESIDE), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    first, second = evidence.fits
    assert any("thread" in (event.by or "") for event in evidence.moved if event.fit == first.id)
    assert second.id not in [event.fit for event in evidence.moved]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_what_could_change_weights_between_two_batches_is_named(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, BETWEEN), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    told = {event.fit: event.by for event in evidence.moved}
    *told, last = [told.get(fit.id) for fit in evidence.fits]
    for reason, wanted in zip(told, ["thread", "signal handler", *["interpreter hook"] * 2, "thread"], strict=True):
        assert wanted in (reason or "").split(", ")
    assert last is None
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_models_and_callbacks_of_ones_own_that_leave_the_training_alone_are_not(run, notebook, tmp_path, runtime):
    run(notebook(SETUP, USUAL, LAYERED), runtime=runtime)
    evidence = read_evidence(tmp_path / "evidence")
    assert [fit.epochs_run for fit in evidence.fits] == [3, 2, 1, 2, 1, 1, 1, 1, 1, 1]
    assert evidence.moved == ()
    assert not [note for note in evidence.notes if note.kind == "recorder-fault"]
