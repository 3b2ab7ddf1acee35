"""What ``rubrics/<id>/calibration.toml`` says: the reference answers, as data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from grader.errors import CourseError
from grader.rubric.records import Ident
from grader.verification import RefusedConfigError, clean_config

PLAN_FILE = "calibration.toml"
RESULT_FILE = "calibration.json"

Positive = Annotated[int, Meta(ge=1)]
Probability = Annotated[float, Meta(gt=0, lt=0.5)]


class LayerSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A Keras layer: its class and the arguments that differ from Keras' defaults."""

    class_name: str
    config: dict[str, Any] = {}


class Measures(Struct, frozen=True, forbid_unknown_fields=True):
    """Names of the distributions that a reference feeds: official test accuracy, and official less held-out."""

    accuracy: Ident
    held_out_drop: Ident | None = None


class Base(Struct, frozen=True, forbid_unknown_fields=True):
    """A network of ``keras.applications`` without its top, in front of the layers.

    :ivar application: its constructor (``VGG16``). :ivar weights: name of its weights in the data store (``vgg16``).
    :ivar frozen_to: the last layer, in order, that training leaves as it is; none by default.
    """

    application: Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9]*$")]
    weights: str
    frozen_to: str | None = None


class Reference(Struct, frozen=True, forbid_unknown_fields=True):
    """One right answer and how it is trained: the first ``rows`` images over 255, cross-entropy of the labels.

    :ivar rows: all training images by default. :ivar dataset: the one data set that it is for; ``None``: the one that
        the assignment is measured on.
    :ivar base: what the layers stand on; nothing by default. :ivar labels: ``integers``, or ``one-hot`` vectors.
    :ivar optimizer: as Keras calls it.
    """

    id: Ident
    description: str
    input_shape: tuple[Positive, ...]
    layers: Annotated[tuple[LayerSpec, ...], Meta(min_length=1)]
    measures: Measures
    epochs: Positive
    rows: Positive | None = None
    base: Base | None = None
    labels: Literal["integers", "one-hot"] = "integers"
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad", "adamax"] = "adam"
    batch_size: Positive = 32
    validation_split: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    learning_rate: Annotated[float, Meta(gt=0)] = 0.001
    dataset: str | None = None

    def config(self) -> dict[str, Any]:
        """The model in Keras' JSON form; without the base, whose form only Keras knows.

        :raises RefusedConfigError: a layer that the verifier would not rebuild.
        """
        first = LayerSpec("InputLayer", {"batch_shape": [None, *self.input_shape]})
        layers = [
            {"module": "keras.layers", "registered_name": None, **msgspec.to_builtins(layer)}
            for layer in (first, *self.layers)
        ]
        config = {"name": self.id.replace("-", "_"), "layers": layers}
        return clean_config({"module": "keras", "class_name": "Sequential", "registered_name": None, "config": config})


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """All reference answers of one assignment."""

    references: Annotated[tuple[Reference, ...], Meta(min_length=1)] = field(name="reference")
    false_fail: tuple[Probability, ...] = (0.01, 0.001)


def read_plan(directory: Path) -> Plan:
    """The plan in a rubric's folder; :raises CourseError: missing or wrong."""
    path = directory / PLAN_FILE
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Plan)
    except OSError as error:
        raise CourseError(
            f"{path} cannot be read ({error}): it lists the reference answers to calibrate with"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CourseError(f"{path}: {error}") from error
    for reference in plan.references:
        try:
            reference.config()
        except RefusedConfigError as error:
            raise CourseError(f"{path}: reference {reference.id}: {error}") from error
    return plan
