"""Feeds arrays to Keras without work that decides nothing: neither which rows come, nor in which order.

Of a training on a few hundred images, half the time goes to setting up input pipelines, each anew for every epoch. Two
parts of that are for nothing. TensorFlow starts a thread that tunes the pipeline (``tf.data.Options.autotune``), which
takes longer than a short epoch; and Keras 3 sets up each epoch's pipeline twice, at the end of the epoch before and at
its beginning, without having asked the first one for anything. Weights are the same to the bit with and without.

Only arrays are fed so. A data set or generator of a student's own is asked as often as Keras asks it.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any


def feed_arrays_directly(keras: ModuleType) -> None:
    """Wraps what makes pipelines of arrays; a Keras that has none of this by these names is left as it is."""
    current = _class(keras, "src.trainers.data_adapters.array_data_adapter", "ArrayDataAdapter")
    legacy = _class(keras, "src.engine.data_adapter", "TensorLikeDataAdapter")
    if hasattr(current, "get_tf_dataset"):
        _leave_untuned(current, "get_tf_dataset")
    if hasattr(legacy, "get_dataset"):
        _leave_untuned(legacy, "get_dataset")
    epochs = _class(keras, "src.backend.tensorflow.trainer", "TFEpochIterator")
    if current and hasattr(epochs, "_get_iterator"):
        _set_up_once(epochs, current)


def _class(keras: ModuleType, module: str, name: str) -> Any:
    return getattr(sys.modules.get(f"{keras.__name__}.{module}"), name, None)


def _leave_untuned(adapter: Any, method: str) -> None:
    import tensorflow as tf

    original = getattr(adapter, method)

    @functools.wraps(original)
    def untuned(this: Any) -> Any:
        options = tf.data.Options()
        options.autotune.enabled = False
        return original(this).with_options(options)

    setattr(adapter, method, untuned)


def _set_up_once(epochs: Any, adapter: Any) -> None:
    """Between two epochs over all of the arrays, Keras gets nothing to iterate over, and does not ask for it."""
    get = epochs._get_iterator

    @functools.wraps(get)
    def needed(this: Any) -> Any:
        # Before an epoch it is 0: Keras sets it so with each pipeline, and where an iterator is used again.
        over = this._num_batches and this._steps_seen >= this._num_batches
        if over and this.steps_per_epoch is None and isinstance(this.data_adapter, adapter):
            return ()
        return get(this)

    epochs._get_iterator = needed
