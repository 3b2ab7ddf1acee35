"""With the real child: TensorFlow starts in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grader.model import Zone
from grader.verification import InputForm, Job, VerifierSettings, clean_config, predict_models, verify
from grader.verification.process import CHILD

# What students build, made by the very Keras that they use.
STUDENT = """
import sys, json
from pathlib import Path
import numpy as np
import tensorflow as tf
import {keras} as keras

L = keras.layers
folder = Path(sys.argv[1])
images = np.load(folder / "images.npy")
x = images.astype("float32") / 255
keras.utils.set_random_seed(1)


def unbuilt():
    model = keras.Sequential([L.Flatten(), L.Dense(10)])
    model(x[:1])
    return model


def functional():
    inputs = keras.Input((6, 6, 1))
    h = L.Conv2D(4, 3, activation=tf.nn.relu, kernel_initializer="he_normal")(inputs)
    h = L.Concatenate()([h, L.Conv2D(2, 3, kernel_regularizer=keras.regularizers.l2(0.1))(inputs)])
    return keras.Model(inputs, L.Dense(10, activation=tf.nn.softmax)(L.GlobalMaxPooling2D()(h)))


def nested():
    inner = keras.Sequential([keras.Input((6, 6, 1)), L.Conv2D(3, 3), L.BatchNormalization(), L.LeakyReLU()])
    return keras.Sequential([keras.Input((6, 6, 1)), inner, L.Flatten(), L.Dropout(0.5), L.Dense(10)])


def augmented():
    layers = [keras.Input((6, 6, 1)), L.RandomRotation(0.1), L.Rescaling(2.0), L.Flatten(), L.PReLU(), L.Dense(10)]
    return keras.Sequential(layers)


def recurrent():
    cell = L.Bidirectional(L.LSTM(5, recurrent_dropout=0.1))
    return keras.Sequential([keras.Input((6, 6)), cell, L.Dense(10, activation=L.ELU())])


def arithmetic():
    inputs = keras.Input((6, 6))
    h = L.Flatten()(inputs / 2.0)
    return keras.Model(inputs, L.Dense(10)(h) + L.Dense(10)(h))


def wide():
    last = L.Dense(512, "softmax", kernel_constraint="max_norm")
    return keras.Sequential([keras.Input((6, 6, 1)), L.Flatten(), last])


def strip(part):
    if isinstance(part, dict):
        return {{k: strip(v) for k, v in part.items() if k not in ("compile_config", "build_config")}}
    return [strip(v) for v in part] if isinstance(part, (list, tuple)) else part


for make in ({models}):
    model = make()
    values = x if make in (recurrent, arithmetic, unbuilt) else x[..., None]
    (folder / f"{{make.__name__}}.json").write_text(json.dumps(strip(keras.saving.serialize_keras_object(model))))
    np.savez(folder / f"{{make.__name__}}.npz", **{{f"w{{i:04d}}": w for i, w in enumerate(model.get_weights())}})
    np.save(folder / f"{{make.__name__}}.npy", model.predict(values, verbose=0).argmax(axis=1))
"""
MODELS = ["unbuilt", "functional", "nested", "augmented", "recurrent", "arithmetic", "wide"]
FLAT_ROWS = {"unbuilt", "recurrent", "arithmetic"}


def made_by_students(directory: Path, keras: str, models: list[str]) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (50, 6, 6), np.uint8)
    images[0, 0, :2] = 0, 255
    np.save(directory / "images.npy", images)
    script = STUDENT.format(keras=keras, models=", ".join(models) + ",")
    subprocess.run([sys.executable, "-c", script, str(directory)], check=True, capture_output=True, timeout=300)
    return images


def rebuilt_classes_match(directory: Path, keras: str, runtime: str, models: list[str]) -> None:
    images = made_by_students(directory, keras, models)
    jobs = []
    for name in models:
        with np.load(directory / f"{name}.npz") as stored:
            weights = [stored[key] for key in sorted(stored.files)]
        config = clean_config(json.loads((directory / f"{name}.json").read_text()))
        shape = (0, 6, 6) if name in FLAT_ROWS else (0, 6, 6, 1)
        jobs.append(Job(config, weights, InputForm(shape, 0.0, 1.0)))
    answers = predict_models(jobs, {"official": images}, runtime, directory / "scratch", VerifierSettings())
    for name, answer in zip(models, answers, strict=True):
        assert isinstance(answer, dict), (name, answer)
        assert list(answer["official"]) == list(np.load(directory / f"{name}.npy")), name


@pytest.mark.slow
def test_models_that_keras_3_describes_are_rebuilt_and_predict_the_same(tmp_path: Path):
    rebuilt_classes_match(tmp_path, "keras", "keras3", MODELS)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("tf_keras") is None, reason="tf_keras, the legacy runtime, is not installed"
)
def test_models_that_legacy_keras_describes_are_rebuilt_and_predict_the_same(tmp_path: Path):
    rebuilt_classes_match(tmp_path, "tf_keras", "keras2", [m for m in MODELS if m != "arithmetic"])


@pytest.mark.slow
def test_good_and_bad_models_in_one_attempt_each_get_their_own_answer(samples, tmp_path: Path):
    two_inputs = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": {
            "name": "two",
            "layers": [
                {**samples.layer("InputLayer", batch_shape=[None, 6, 6], name=n), "name": n, "inbound_nodes": []}
                for n in ("a", "b")
            ],
            "input_layers": [["a", 0, 0], ["b", 0, 0]],
            "output_layers": [["a", 0, 0]],
        },
    }
    no_flatten = samples.sequential(
        samples.layer("InputLayer", batch_shape=[None, 6, 6]), samples.layer("Dense", units=10)
    )
    wrong_rows = samples.sequential(
        samples.layer("InputLayer", batch_shape=[None, 9, 9]),
        samples.layer("Flatten"),
        samples.layer("Dense", units=10),
    )
    no_neighbours = samples.sequential(samples.layer("Dense", units=10, kernel_size=3))
    nan = [w * np.float32("nan") for w in samples.perfect_weights()]
    fits = [
        samples.fit(tmp_path, "fit-1"),
        samples.fit(tmp_path, "fit-2", config=two_inputs, weights=[]),
        samples.fit(tmp_path, "fit-3", config=no_flatten, weights=[np.zeros((6, 10), "f4"), np.zeros(10, "f4")]),
        samples.fit(tmp_path, "fit-4", config=wrong_rows, weights=[np.zeros((81, 10), "f4"), np.zeros(10, "f4")]),
        samples.fit(tmp_path, "fit-5", weights=samples.perfect_weights()[::-1]),
        samples.fit(tmp_path, "fit-6", config=no_neighbours),
        samples.fit(tmp_path, "fit-7", weights=nan),
    ]
    evidence = samples.evidence(tmp_path, *fits)
    verified = verify(evidence, samples.dataset(), held_out_seed=1, scratch=tmp_path / "scratch")
    good = verified.of("fit-1")
    assert (good.accuracy, good.zone) == (1.0, Zone.VERIFIER)
    faults = {m.fit: m.our_fault for m in verified.measurements if m.accuracy is None}
    assert faults == {"fit-2": False, "fit-3": False, "fit-4": False, "fit-5": True, "fit-6": True}
    assert verified.of("fit-3").reason.params == {"detail": "('n', 6, 10)"}
    assert verified.of("fit-7").accuracy == 0.1, "a model that gives NaN is right about one class at most"


def test_the_child_cannot_reach_the_network_where_namespaces_exist():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = (
            "import runpy, socket, sys\n"
            f"child = runpy.run_path({str(CHILD)!r})\n"
            "if not child['cut_network'](): sys.exit(77)\n"
            f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=5)\n"
        )
        ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=60, check=False)
    if ended.returncode == 77:
        pytest.skip("this system gives no network namespace to an ordinary process")
    assert ended.returncode == 1
    assert b"unreachable" in ended.stderr


def test_the_child_caps_its_memory_where_the_system_can():
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "RLIMIT_DATA") or sys.platform != "linux":
        pytest.skip("this system has no limit on private memory")
    code = f"import runpy; runpy.run_path({str(CHILD)!r})['limit_memory'](256); bytearray(512 * 2**20)"
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=60, check=False)
    assert b"MemoryError" in ended.stderr
