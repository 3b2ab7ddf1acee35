"""Describes Keras models in the same words on Keras 3 and on legacy Keras 2: the accessor layer."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from grader.recorder.origin import FRAMEWORKS, is_installed
from grader.recorder.session import jsonable, snake

_MAIN_PARAMETERS = frozenset(
    {"filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "pool_size", "units", "rate"}
    | {"target_shape", "activation", "use_bias", "axis", "interpolation", "size", "data_format"}
)
# What legacy Keras makes of arithmetic on symbolic tensors runs a function found by name, as a Lambda does.
_WITH_CODE = frozenset(
    {"Lambda", "TFSMLayer", "TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty"}
)
_OWN_CALLBACKS = frozenset({"History", "ProgbarLogger"})
# ``activation=tf.nn.softmax`` is serialised under the name that the function has inside TensorFlow.
TENSORFLOW_ACTIVATIONS = {"softmax_v2": "softmax", "log_softmax_v2": "log_softmax", "identity": "linear"}
# Layers that stand in an activation's place: ``activation=ReLU()``.
_ACTIVATION_LAYERS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "PReLU": "prelu", "ELU": "elu", "Softmax": "softmax"}
CALLBACKS_LIMIT = 32
recorders: weakref.WeakSet[type] = weakref.WeakSet()
"""Classes of the recorder's own callbacks."""


def is_builtin(cls: type) -> bool:
    """Whether a class is Keras' own: the one that stands under its name there, with no code of the notebook's in it."""
    module = str(cls.__module__)
    if module.split(".", 1)[0] not in FRAMEWORKS:
        return False
    if not all(is_installed(value) for value in vars(cls).values() if inspect.isfunction(value)):
        return False
    found: Any = sys.modules.get(module)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def can_be_rebuilt(layer: Any) -> bool:
    """Whether a layer is Keras' own and carries no code of the student's: no Lambda, no own activation function."""
    activation = getattr(layer, "activation", None)
    module = str(getattr(activation, "__module__", None) or "keras")
    own_code = callable(activation) and module.split(".", 1)[0] not in FRAMEWORKS
    return is_builtin(type(layer)) and type(layer).__name__ not in _WITH_CODE and not own_code


def _shape(value: Any) -> list[int | None] | None:
    try:
        return [None if n is None else int(n) for n in value]
    except (TypeError, ValueError):
        return None


def _first_shape(subject: Any, readers: Sequence[Callable[[Any], Any]]) -> list[int | None] | None:
    for read in readers:
        try:
            shape = _shape(read(subject))
        except Exception:  # noqa: S112 - each generation of Keras knows another of these
            continue
        if shape is not None:
            return shape
    return None


def output_shape(layer: Any) -> list[int | None] | None:
    """Shape of a layer's or model's output, batch first; ``None`` while it has none."""
    return _first_shape(layer, (lambda x: x.output.shape, lambda x: x.output_shape, lambda x: x.outputs[0].shape))


def input_shape(model: Any) -> list[int | None] | None:
    """Shape of the model's (first) input, batch first."""
    return _first_shape(model, (lambda x: x.inputs[0].shape, lambda x: x.input_shape))


def _activation(value: Any) -> str:
    """Its name, as Keras itself spells it: of a function of Keras or TensorFlow, or of a layer in its place."""
    if isinstance(value, dict):
        name, config = value.get("class_name"), value.get("config")
        if name == "Activation" and isinstance(config, dict):
            return _activation(config.get("activation"))
        value = config if isinstance(config, str) else _ACTIVATION_LAYERS.get(str(name), name)
    return TENSORFLOW_ACTIVATIONS.get(str(value), str(value))


def _main_config(layer: Any) -> dict[str, Any]:
    try:
        config = layer.get_config()
    except Exception:
        return {}
    picked = {key: config[key] for key in sorted(_MAIN_PARAMETERS) if config.get(key) is not None}
    if "activation" in picked:
        picked["activation"] = _activation(picked["activation"])
    return dict(jsonable(picked))


def leaf_layers(model: Any) -> Iterator[Any]:
    """Layers in order, models inside the model opened up, input layers left out."""
    for layer in getattr(model, "layers", ()):
        if getattr(layer, "layers", None):
            yield from leaf_layers(layer)
        elif type(layer).__name__ != "InputLayer":
            yield layer


def layer_facts(layer: Any) -> dict[str, Any]:
    """Fields of :class:`grader.evidence.events.LayerFacts`."""
    try:
        params = int(layer.count_params())
    except Exception:
        params = 0
    return {
        "class_name": type(layer).__name__[:200],
        "name": str(layer.name)[:200],
        "output_shape": output_shape(layer),
        "params": params,
        "trainable": bool(layer.trainable),
        "builtin": is_builtin(type(layer)),
        "config": _main_config(layer),
    }


def kind(model: Any) -> str:
    """``sequential``, ``functional`` or ``subclassed``."""
    name = type(model).__name__
    if not is_builtin(type(model)):
        return "subclassed"
    return "sequential" if name == "Sequential" else "functional" if name in ("Functional", "Model") else "subclassed"


def _named(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return snake(value) if value[:1].isupper() else value
    return snake(getattr(value, "__name__", None) or type(value).__name__)


def _metric_names(metrics: Any) -> list[str]:
    if metrics is None:
        return []
    items = metrics if isinstance(metrics, list | tuple) else [metrics]
    return [str(getattr(m, "name", None) or _named(m)) for m in items if not isinstance(m, list | dict)]


def _learning_rate(optimizer: Any) -> float | None:
    try:
        return float(optimizer.learning_rate)
    except Exception:
        return None


def model_facts(model: Any, compiled: dict[str, Any]) -> dict[str, Any]:
    """Fields of :class:`grader.evidence.events.ModelEvent` but ``model`` and ``config``.

    :param compiled: the arguments that ``compile`` was given.
    """
    leaves = list(leaf_layers(model))[:500]
    layers = [layer_facts(layer) for layer in leaves]
    how = kind(model)
    optimizer = getattr(model, "optimizer", None)
    try:
        params = int(model.count_params())
    except Exception:
        params = None
    return {
        "kind": how,
        "layers": layers,
        "input_shape": input_shape(model),
        "output_shape": output_shape(model),
        "params": params,
        "optimizer": snake(type(optimizer).__name__) if optimizer is not None else None,
        "learning_rate": _learning_rate(optimizer),
        "loss": _named(compiled.get("loss")),
        "metrics": _metric_names(compiled.get("metrics")),
        "custom": how == "subclassed" or not all(map(can_be_rebuilt, leaves)),
    }


def student_callbacks(callbacks: Any) -> list[Any]:
    """The callbacks themselves, those left out that Keras and the recorder add."""
    items = getattr(callbacks, "callbacks", callbacks)
    items = items if isinstance(items, list | tuple) else [items] if items is not None else []
    return [c for c in items if not is_recorder(c) and not (type(c).__name__ in _OWN_CALLBACKS and is_builtin(type(c)))]


def own_callbacks(callbacks: Any) -> list[Any]:
    """Those of them that run code of the student's."""
    found = student_callbacks(callbacks)
    return [c for c in found if not is_builtin(type(c)) or type(c).__name__ == "LambdaCallback"]


def hears(callback: Any, hooks: Iterable[str]) -> bool:
    """Whether a callback has a method of its own for one of these hooks."""
    methods = (getattr(callback, name, None) for name in hooks)
    return any(method is not None and not getattr(method, "_is_default", False) for method in methods)


def is_recorder(callback: Any) -> bool:
    """Whether a callback is the recorder's own."""
    return type(callback) in recorders


def callback_facts(callbacks: Any) -> list[dict[str, Any]]:
    """Fields of :class:`grader.evidence.events.CallbackFacts` for each callback that the student gave."""
    return [_callback(c) for c in student_callbacks(callbacks)[:CALLBACKS_LIMIT]]


def _source_of(kind: type) -> str | None:
    """The class as written; of one of a notebook, which no file holds, its own methods."""
    methods = (_written(item) for item in vars(kind).values() if inspect.isfunction(item))
    return (_written(kind) or "\n".join(filter(None, methods)))[:20_000] or None


def _written(item: Any) -> str:
    try:
        return inspect.getsource(item)
    except Exception:
        return ""


def _callback(callback: Any) -> dict[str, Any]:
    source = None if is_builtin(type(callback)) else _source_of(type(callback))
    scalars = {k: v for k, v in list(vars(callback).items())[:200] if isinstance(v, int | float | str | bool | None)}
    picked = {k: v if not isinstance(v, str) else v[:500] for k, v in scalars.items() if not k.startswith("_")}
    return {
        "class_name": type(callback).__name__[:200],
        "builtin": is_builtin(type(callback)),
        "config": dict(list(jsonable(picked).items())[:32]),
        "source": source,
    }
