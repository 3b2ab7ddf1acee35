"""Notices layers of a student's own that hold data: the images of a data set, or what another network says of them.

Such a network knows more than the images that ``fit`` was given, though its training is as it should be. After the
notebook it is traced once, as Keras would for a batch, and what stands in its graph besides weights is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.recorder import facts

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

LIMIT_BYTES = 400_000
"""100,000 numbers of 4 bytes. Layers of one's own hold a handful; 600 images of MNIST have 470,400 pixels."""
HELD = "held data"
# What brings in data that no graph shows: Python functions, files.
_OPAQUE = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "RestoreV2", "IteratorGetNext"})


def look_at_layers(hooks: KerasHooks) -> None:
    """Emits an event for each training of a model that holds much data, or that Python itself runs (``run_eagerly``)
    and that cannot be traced.
    """
    told: dict[int, bool] = {}
    for fit, model, x in hooks.custom_fits:
        if id(model) not in told:
            told[id(model)] = _holds_much(hooks, model, x.get("shape"))
        if told[id(model)]:
            hooks.session.emit("moved", model=hooks.track(model).ident, fit=fit, by=HELD)


def _holds_much(hooks: KerasHooks, model: Any, shape: list[int] | None) -> bool:
    row = tuple(shape or facts.input_shape(model) or ())[1:]
    try:
        graphs = [_traced(model, row, training=training) for training in (False, True)]
    except Exception as error:
        hooks.session.note("not-traced", f"{type(model).__name__}: {type(error).__name__}: {error}")
        return bool(getattr(model, "run_eagerly", False))
    try:
        return max(held_bytes(model, graph) for graph in graphs) > LIMIT_BYTES
    except Exception as error:  # a graph of more than 2 GiB has no description
        hooks.session.note("not-counted", f"{type(model).__name__}: {type(error).__name__}: {error}")
        return True


def _traced(model: Any, row: tuple[int | None, ...], *, training: bool) -> Any:
    """The graph of ``model`` for rows of this shape."""
    import tensorflow as tf

    def forward(rows: Any) -> Any:
        return model(rows, training=training)

    return tf.function(forward).get_concrete_function(tf.TensorSpec((None, *row), tf.float32)).graph


def held_bytes(model: Any, graph: Any) -> float:
    """Bytes of constants, and of tensors and variables from outside that are no weights of ``model``; infinite where
    the graph asks Python or a file. Of its own layers, weights that are not trained count as well.
    """
    described = graph.as_graph_def()
    nodes = [*described.node, *(node for function in described.library.function for node in function.node_def)]
    if any(node.op in _OPAQUE for node in nodes):
        return float("inf")
    constants = sum(node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const")
    weights = {id(_handle(v)) for v in model.variables} - {id(_handle(v)) for v in _untrained(model)}
    outside = (tensor for tensor, _ in graph.captures if id(tensor) not in weights)
    return float(constants + sum(map(_size, outside)))


def _handle(variable: Any) -> Any:
    """The tensor that stands for a variable in a graph; Keras 3 has its variables around TensorFlow's."""
    inner = variable if hasattr(variable, "handle") else variable.value
    return inner.handle


def _untrained(model: Any) -> Iterator[Any]:
    for layer in model._flatten_layers():
        if not facts.is_builtin(type(layer)):
            own: Iterable[Any] | None = getattr(layer, "_non_trainable_variables", None)
            yield from getattr(layer, "_non_trainable_weights", ()) if own is None else own


def _size(tensor: Any) -> float:
    """Bytes of a tensor, or of the variable that a handle stands for; infinite for a table or an iterator."""
    import tensorflow as tf

    if tensor.dtype == tf.string:
        return float(sum(map(len, np.ravel(tensor.numpy()).tolist())))
    if tensor.dtype != tf.resource:
        return float((tensor.shape.num_elements() or 0) * tensor.dtype.size)
    known = getattr(tensor, "_handle_data", None)
    parts = known.shape_and_type if known is not None else ()
    if not parts:
        return float("inf")
    sizes = (tf.TensorShape(part.shape).num_elements() * tf.as_dtype(part.dtype).size for part in parts)
    return float(sum(sizes))
