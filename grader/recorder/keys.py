"""Names the result of a training, a measurement or a prediction by everything that decides it.

Equal keys mean equal bits: architecture, weights, state of the optimizer, what ``compile`` was given, data, arguments,
the run's seed, versions, threads and processor. Names of layers and models do not decide anything and are left out.
What is not Keras' own, or is given in a form whose content cannot be read without using it up, has no key.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xxhash

from grader.recorder import arrays, facts

VERSION = 1
_ENVIRONMENT = ("TF_", "OMP_", "OPENBLAS_", "MKL_", "XLA_", "CUDA_VISIBLE_DEVICES")
_NOT_DECIDING = frozenset({"TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS"})
_FIT = frozenset(
    {"batch_size", "epochs", "initial_epoch", "validation_split", "shuffle", "class_weight", "steps_per_epoch"}
    | {"validation_steps", "validation_batch_size", "validation_freq"}
)
_FIT_DATA = frozenset({"x", "y", "sample_weight", "validation_data"})
_SILENT = frozenset({"verbose", "callbacks"})
_EVALUATE, _EVALUATE_DATA = frozenset({"batch_size", "steps", "return_dict"}), frozenset({"x", "y", "sample_weight"})
_PREDICT, _PREDICT_DATA = frozenset({"batch_size", "steps"}), frozenset({"x"})
_STEPS = frozenset(
    {"call", "fit", "evaluate", "predict", "compute_loss", "compute_metrics", "train_step", "test_step", "predict_step"}
    | {"make_train_function", "make_test_function", "make_predict_function", "get_metrics_result"}
)


class Unkeyed(Exception):
    """There is no key: the call is made as it is."""


def fit_key(keras: ModuleType, model: Any, given: Mapping[str, Any], seed: int) -> str:
    """Key of one call of ``fit`` without its callbacks; :raises Unkeyed: it has none."""
    what = {"arguments": _arguments(given, _FIT, _FIT_DATA), "optimizer": _optimizer(keras, model), "seed": seed}
    return _key("fit", keras, model, what)


def evaluate_key(keras: ModuleType, model: Any, given: Mapping[str, Any]) -> str:
    """Key of one call of ``evaluate``; :raises Unkeyed: it has none."""
    return _key("evaluate", keras, model, {"arguments": _arguments(given, _EVALUATE, _EVALUATE_DATA)})


def predict_key(keras: ModuleType, model: Any, given: Mapping[str, Any]) -> str:
    """Key of one call of ``predict``; :raises Unkeyed: it has none."""
    return _key("predict", keras, model, {"arguments": _arguments(given, _PREDICT, _PREDICT_DATA)})


def state_variables(model: Any) -> list[Any]:
    """Weights and states of random generators, without metrics: what training and predicting start from."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]


def data_digest(array: Any) -> str:
    """Digest of an array's type, shape and bytes (xxh3, 128 bits: https://xxhash.com)."""
    whole = np.ascontiguousarray(array)
    digest = xxhash.xxh3_128(f"{whole.dtype.str}{whole.shape}".encode())
    digest.update(whole.reshape(-1).view(np.uint8).data if whole.size else b"")
    return str(digest.hexdigest())


def _key(kind: str, keras: ModuleType, model: Any, what: Mapping[str, Any]) -> str:
    if not model.built or not getattr(model, "compiled", False):
        raise Unkeyed("not built or not compiled")
    described = {
        **what,
        "kind": kind,
        "version": VERSION,
        "environment": _environment(keras),
        "model": _architecture(keras, model),
        "weights": [data_digest(np.asarray(variable)) for variable in state_variables(model)],
        "compile": _own_only(model.get_compile_config()),
    }
    text = json.dumps(described, sort_keys=True, allow_nan=True)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _architecture(keras: ModuleType, model: Any) -> Any:
    layers = list(facts.leaf_layers(model))
    if facts.kind(model) == "subclassed" or not all(map(facts.can_be_rebuilt, layers)):
        raise Unkeyed("not Keras' own")
    if any(_STEPS & set(vars(part)) for part in (model, *layers)):
        raise Unkeyed("a method was replaced")
    config = keras.saving.serialize_keras_object(model)
    names = {str(part.name): f"#{i}" for i, part in enumerate([model, *model._flatten_layers()])}
    return _own_only(_unnamed(config, names))


def _unnamed(value: Any, names: Mapping[str, str], where: str = "") -> Any:
    """The config with names of layers replaced by their places, where names of layers stand."""
    if isinstance(value, dict):
        if value.get("class_name") == "DTypePolicy":
            return value
        return {k: _unnamed(v, names, k) for k, v in value.items() if k not in ("compile_config", "build_config")}
    if isinstance(value, list | tuple):
        return [_unnamed(item, names, where) for item in value]
    named = where in ("name", "keras_history", "input_layers", "output_layers")
    return names.get(value, value) if named and isinstance(value, str) else value


def _own_only(value: Any) -> Any:
    """``value``; :raises Unkeyed: a class or function in it is not Keras' own, or it is no plain data."""
    if isinstance(value, dict):
        module = value.get("module")
        if isinstance(module, str) and module.split(".", 1)[0] not in ("keras", "builtins", "tensorflow"):
            raise Unkeyed(f"{module} is not Keras' own")
        if value.get("class_name") in ("Lambda", "__lambda__"):
            raise Unkeyed("a lambda")
        return {str(k): _own_only(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_own_only(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise Unkeyed(f"{type(value).__name__} is no plain data")


def _optimizer(keras: ModuleType, model: Any) -> Any:
    optimizer = model.optimizer
    if optimizer is None or not facts.is_builtin(type(optimizer)):
        raise Unkeyed("the optimizer is not Keras' own")
    return {"config": _own_only(keras.saving.serialize_keras_object(optimizer)), "state": _state(optimizer)}


def _state(optimizer: Any) -> Any:
    """Digests of its variables; one that was built and has done nothing yet is as good as new."""
    if not optimizer.built:
        return "new"
    values = [(str(v.name), np.asarray(v)) for v in optimizer.variables]
    if not any(array.any() for name, array in values if name != "learning_rate"):
        return "new"
    return [data_digest(array) for _, array in values]


def _arguments(given: Mapping[str, Any], plain: Iterable[str], data: Iterable[str]) -> dict[str, Any]:
    unknown = set(given) - set(plain) - set(data) - _SILENT
    if unknown:
        raise Unkeyed(f"unknown arguments {sorted(unknown)}")
    told = {name: _plain(given[name]) for name in plain if given.get(name) is not None}
    return told | {name: _data(given[name]) for name in data if given.get(name) is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return sorted((repr(k), _plain(v)) for k, v in value.items())
    if isinstance(value, bool | int | float | str):
        return value
    raise Unkeyed(f"an argument is a {type(value).__name__}")


def _data(value: Any) -> Any:
    if isinstance(value, tuple | list) and value and all(arrays.as_array(item) is not None for item in value):
        return [_data(item) for item in value]
    kind = type(value).__name__
    if not (type(value) is np.ndarray or kind == "EagerTensor") or value.dtype == object:
        raise Unkeyed(f"data is a {kind}")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise Unkeyed(f"data is {array.dtype}")
    return [kind, data_digest(array)]


def _environment(keras: ModuleType) -> dict[str, Any]:
    import tensorflow as tf

    return {
        **_machine(keras),
        "variables": {k: v for k, v in os.environ.items() if k.startswith(_ENVIRONMENT) and k not in _NOT_DECIDING},
        "threads": [
            tf.config.threading.get_intra_op_parallelism_threads(),
            tf.config.threading.get_inter_op_parallelism_threads(),
        ],
        "devices": [f"{device.device_type}:{device.name}" for device in tf.config.get_visible_devices()],
        "eager": tf.config.functions_run_eagerly(),
        "keras": [keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()],
        "policy": str(keras.config.dtype_policy().name),
        "optimizer_options": {str(k): str(v) for k, v in tf.config.optimizer.get_experimental_options().items()},
    }


@functools.cache
def _machine(keras: ModuleType) -> dict[str, Any]:
    versions = {n: str(getattr(sys.modules.get(n), "__version__", "")) for n in ("tensorflow", "numpy")}
    versions |= {keras.__name__: str(keras.__version__), "python": platform.python_version()}
    return {"versions": versions, "processor": processor()}


@functools.cache
def processor() -> str:
    """Architecture, model and features of the processor: its instructions decide the order of sums."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = [platform.processor()]
    kept = sorted(line for line in lines if line.split(":")[0].strip() in ("model name", "flags", "Features", "model"))
    return f"{platform.machine()} {hashlib.blake2b(chr(10).join(kept).encode(), digest_size=8).hexdigest()}"
