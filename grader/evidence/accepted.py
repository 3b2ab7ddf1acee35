"""What the report says of each compatibility option that a notebook needed."""

from __future__ import annotations

from collections.abc import Mapping

from grader.model import Text
from grader.recorder.compatibility import ACC_LOG_NAMES, SEQUENTIAL_INPUT

ACCEPTED: Mapping[str, Text] = {
    ACC_LOG_NAMES: Text(
        "The notebook reads an accuracy by its name in another version of TensorFlow (acc, accuracy). This was "
        "accepted, as the option acc-log-names is on."
    ),
    SEQUENTIAL_INPUT: Text(
        "The notebook uses input or output of a Sequential model in a way that only Keras 2 knows. This was "
        "accepted, as the option sequential-input is on."
    ),
}
"""By the kind of the recorder's note, which is the name of the option."""
