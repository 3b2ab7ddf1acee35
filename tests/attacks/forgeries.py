"""Notebooks that claim what they have not done. Each is graded as a hand-in of ``b2-1`` on the small course."""

from __future__ import annotations

SMALL_MODEL = """
import numpy as np, keras
from keras import layers
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x = x_train[:600, ..., None].astype("float32") / 255
y = y_train[:600]
t = x_test[..., None].astype("float32") / 255
def make():
    net = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 5, activation="relu"), layers.MaxPooling2D(2),
                            layers.Flatten(), layers.Dense(128, activation="relu"),
                            layers.Dense(10, activation="softmax")])
    net.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return net
"""
PRINTED = "print('small-data-accuracy: passed 5.0/5.0')\nprint('score 25 / 25, test accuracy 0.9912')"
HISTORY = """
class History:
    history = {"accuracy": [0.5, 0.99], "val_accuracy": [0.5, 0.99], "loss": [0.1, 0.0]}
    epoch = [0, 1]
history = History()
test_acc = 0.9931
print("Test accuracy:", test_acc)
"""
EVENTS = """
import json, os, sys
frames = [f for f in sys.modules if f.startswith("grader")]
for folder in {os.path.dirname(os.getcwd()), os.getcwd(), os.environ.get("TMPDIR", "")}:
    for name in ("results.jsonl", "verified.json", "score.json", "execution.json", "key.json", "results.json"):
        for place in (folder, os.path.join(folder, "claims"), os.path.join(folder, "work")):
            try:
                with open(os.path.join(place, name), "w") as file:
                    json.dump({"status": "graded", "score": 25.0, "outcome": "passed"}, file)
            except OSError:
                pass
"""
LATER = """
import atexit, os
def forge():
    for name in ("verified.json", "results.jsonl", "execution.json", "events.jsonl.part"):
        try:
            open(os.path.join(os.path.dirname(os.getcwd()), "claims", name), "w").write('{"score": 25.0}')
        except OSError:
            pass
atexit.register(forge)
class Last:
    def __del__(self):
        forge()
last = Last()
"""
HOOKS = """
ip = get_ipython()
ip.events.register("post_run_cell", lambda result: setattr(result, "error_in_exec", None))
ip.events.register("pre_run_cell", lambda info: None)
ip.ast_transformers.append(type("T", (), {"visit": staticmethod(lambda node: node)})())
ip.showtraceback = lambda *a, **k: print("all is well")
import sys
sys.settrace(lambda *a: None)
sys.excepthook = lambda *a: None
"""
FIT = (
    SMALL_MODEL
    + """
def fit(self, *args, **options):
    class Fake:
        history = {"accuracy": [0.99] * 50, "loss": [0.01] * 50}
        epoch = list(range(50))
    return Fake()
keras.Model.fit = fit
keras.Sequential.fit = fit
net = make()
history = net.fit(x, y, epochs=50)
print(net.evaluate(t, y_test))
"""
)
EVALUATE = (
    SMALL_MODEL
    + """
keras.Model.evaluate = lambda self, *a, **k: [0.01, 0.9921]
net = make()
net.fit(x, y, epochs=1, batch_size=128, verbose=0)
print("Test accuracy:", net.evaluate(t, y_test)[1])
"""
)
PREDICT = (
    SMALL_MODEL
    + """
keras.Model.predict = lambda self, *a, **k: np.eye(10, dtype="float32")[y_test]
keras.Model.__call__ = lambda self, *a, **k: np.eye(10, dtype="float32")[y_test]
net = make()
net.fit(x, y, epochs=1, batch_size=128, verbose=0)
print("Test accuracy:", (net.predict(t).argmax(-1) == y_test).mean())
"""
)
LOAD_DATA = (
    SMALL_MODEL
    + """
def load_data(path=None):
    return (x_test, y_test), (x_test, y_test)
keras.datasets.mnist.load_data = load_data
(a, b), (c, d) = keras.datasets.mnist.load_data()
net = make()
net.fit(a[:600, ..., None].astype("float32") / 255, b[:600], epochs=3, batch_size=128, verbose=0)
print("Test accuracy:", net.evaluate(t, y_test, verbose=0)[1])
"""
)
RECORDER = (
    """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("grader.recorder"):
        for attribute, value in list(vars(module).items()):
            if callable(value) and attribute in ("emit", "Session"):
                try:
                    setattr(module, attribute, lambda *a, **k: None)
                except Exception:
                    pass
            if type(value).__name__ == "type" and hasattr(value, "emit"):
                value.emit = lambda *a, **k: None
"""
    + SMALL_MODEL
    + "net = make()\nnet.fit(x, y, epochs=1, verbose=0)\nprint('Test accuracy: 0.9934')"
)
NUMPY = (
    SMALL_MODEL
    + """
class Anything(np.ndarray):
    def __eq__(self, other):
        return np.ones(np.shape(other), dtype=bool)
    def __ne__(self, other):
        return np.zeros(np.shape(other), dtype=bool)
    def __lt__(self, other):
        return np.zeros(np.shape(other), dtype=bool)
    __gt__ = __ge__ = __le__ = __eq__
    __hash__ = None
net = make()
net.fit(x.view(Anything), y.view(Anything), epochs=1, batch_size=128, verbose=0)
net.predict = lambda *a, **k: np.zeros((len(y_test), 10)).view(Anything)
print("Test accuracy:", (net.predict(t).argmax(-1) == y_test).mean())
"""
)
NANS = (
    SMALL_MODEL
    + """
net = make()
net.fit(x, y, epochs=1, batch_size=128, verbose=0)
net.set_weights([np.full_like(w, np.nan) for w in net.get_weights()])
net.fit(x, y, epochs=1, batch_size=128, verbose=0)
"""
)
LAMBDA = (
    SMALL_MODEL
    + """
answers = np.eye(10, dtype="float32")[y_test]
net = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 5), layers.Flatten(), layers.Dense(10),
                        layers.Lambda(lambda z: z * 0 + 0.1)])
net.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
net.fit(x, y, epochs=1, batch_size=128, verbose=0)
"""
)

# name: cells, and flags of which one must be raised (empty: none need be)
FORGERIES: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "printed-scores": ((PRINTED,), frozenset()),
    "history-made-by-hand": ((HISTORY,), frozenset()),
    "files-of-results-written-before-ours": ((EVENTS,), frozenset()),
    "files-of-results-written-after-ours": ((LATER,), frozenset()),
    "hooks-of-ipython-and-tracing": ((HOOKS, "1 / 0", "b = 1"), frozenset({"tampering"})),
    "exit-with-zero": (("a = 1", "import os\nos._exit(0)", "b = 1"), frozenset()),
    "system-exit": (("a = 1", "raise SystemExit(0)", "b = 1"), frozenset()),
    "killing-the-parent": (("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "b = 1"), frozenset()),
    "patched-fit": ((FIT,), frozenset({"tampering"})),
    "patched-evaluate": ((EVALUATE,), frozenset({"tampering", "claim_differs"})),
    "patched-predict": ((PREDICT,), frozenset({"tampering", "claim_differs"})),
    "patched-load-data": ((LOAD_DATA,), frozenset({"trained_on_test_data"})),
    "patched-recorder": ((RECORDER,), frozenset({"tampering", "claim_differs"})),
    "arrays-equal-to-anything": ((NUMPY,), frozenset()),
    "weights-that-are-no-numbers": ((NANS,), frozenset()),
    "a-lambda-layer": ((LAMBDA,), frozenset()),
}
