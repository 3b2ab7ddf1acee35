"""What a trained model expects as input, from what its training data looked like."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from grader.datasets.forms import SAME_SHARE, rows_in_form, takes_form
from grader.datasets.held_out import held_out_images
from grader.errors import EvidenceError
from grader.evidence import Array, Evidence, Fit
from grader.model import Text
from grader.recorder.inputs import prepare

Images = npt.NDArray[np.uint8]
#: Layers that scale by themselves: a model that has one was given pixels from 0 to 255.
_SCALING_LAYERS = ("Rescaling", "Normalization")
_KEPT_VARIANTS = 4


class DatasetView(Protocol):
    """What is needed of a stored data set: its name, its digest and its arrays."""

    @property
    def name(self) -> str:
        """``mnist``."""

    @property
    def digest(self) -> str:
        """Of the content."""

    def array(self, name: str) -> npt.NDArray[Any]:
        """``x_train x_test``: uint8, (n, h, w[, c]); ``y_test``: integers, (n,) or (n, 1)."""


@dataclass(frozen=True, slots=True)
class FirstImages:
    """The first ``n`` test images of a data set, as a data set."""

    inner: DatasetView
    n: int

    @property
    def name(self) -> str:
        """Of the whole."""
        return self.inner.name

    @property
    def digest(self) -> str:
        """Differs from that of the whole."""
        return f"{self.inner.digest}:{self.n}"

    def array(self, name: str) -> npt.NDArray[Any]:
        """The first rows of ``x_test`` and ``y_test``."""
        return self.inner.array(name)[: self.n if name.endswith("_test") else None]


@dataclass(frozen=True, slots=True)
class InputForm:
    """Shape of the training data (rows first) and its least and largest value.

    :ivar negative: whether pixel 255 had the least of them, not the largest.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    negative: bool = False

    def apply(self, images: Images) -> npt.NDArray[np.float32]:
        """``images`` in this form: float32, (n, *shape[1:])."""
        return prepare(images, self.shape, self.low, self.high, self.negative)


def unlabelled_inputs(dataset: DatasetView, held_out_seed: int | None) -> dict[str, Images]:
    """Images to predict on, without labels: ``official`` and, with a seed, ``held_out``; uint8, (n, h, w[, c]) each.

    The held-out images are variants of the official ones in the same order, so the labels are the same.
    """
    official = np.ascontiguousarray(dataset.array("x_test"), np.uint8)
    inputs = {"official": official}
    if held_out_seed is not None:
        inputs["held_out"] = _held_out(dataset.digest, held_out_seed, official)
    return inputs


#: A class is graded with one seed: its variant is made once a process, not once an attempt.
_made: dict[tuple[str, int], Images] = {}
_making = threading.Lock()


def _held_out(digest: str, seed: int, official: Images) -> Images:
    key = (digest, seed)
    images = _made.get(key)
    if images is None:
        images = held_out_images(official, seed)
        with _making:
            while len(_made) >= _KEPT_VARIANTS:
                del _made[next(iter(_made))]
            _made[key] = images
    return images


def input_form(
    evidence: Evidence, fit: Fit, image_shape: tuple[int, ...], dataset: DatasetView | None = None
) -> InputForm | Text:
    """The form in which the model of ``fit`` takes images of ``image_shape``, or why it cannot take them.

    Scaling is read off the range of the training data: any affine scaling (``/ 255``, ``/ 127.5 - 1``, standardised)
    is undone by its least and greatest value, as long as the data holds a black and a white pixel. Where the range is
    not known (a generator), other data given to the same model tells, else a scaling layer, else 0 to 1 is assumed.

    :param dataset: whose images they are: a negative of its images is told by row digests.
    """
    shape = fit.x.shape or fit.model.input_shape or (None, *image_shape)
    row = tuple(n for n in shape[1:] if n is not None)
    if len(row) < len(shape) - 1 or min(row, default=0) < 1 or not takes_form(image_shape, row):
        return Text(
            "The model was trained on inputs of shape {received}; the test images have shape {expected}.",
            {"received": str(tuple(shape)[1:]), "expected": str(image_shape)},
        )
    low, high = _range(evidence, fit)
    return InputForm((0, *row), low, high, dataset is not None and _is_negative(evidence, fit.x, row, dataset))


def _is_negative(evidence: Evidence, x: Array, row: tuple[int, ...], dataset: DatasetView) -> bool:
    """Whether ``x`` holds negatives of the data set's images. Told by their digests, if their mean is such at all."""
    if not _has_range(x) or x.mean is None or x.min is None or x.max is None or x.rows is None:
        return False
    bright, usual = (x.mean - x.min) / (x.max - x.min), _usual_brightness(dataset)
    if abs(bright - usual) <= abs(bright - (1 - usual)):
        return False
    try:
        given = evidence.rows(x).get("rows")
    except EvidenceError:  # what cannot be read tells nothing
        return False
    splits = (dataset.array(role) for role in ("x_train", "x_test"))
    negatives = np.concatenate([rows_in_form(images, row, negative=True) for images in splits])
    return given is not None and len(given) > 0 and float(np.isin(given, negatives).mean()) >= SAME_SHARE


_brightness: dict[str, float] = {}


def _usual_brightness(dataset: DatasetView) -> float:
    """Mean of the test images, 0 to 1; of each data set it is asked once a process."""
    if dataset.digest not in _brightness:
        _brightness[dataset.digest] = float(np.mean(dataset.array("x_test"))) / 255
    return _brightness[dataset.digest]


def _range(evidence: Evidence, fit: Fit) -> tuple[float, float]:
    others = [e.x for e in evidence.evaluations if e.model == fit.model.id]
    others += [p.x for p in evidence.predictions if p.model == fit.model.id]
    known: list[Array] = [a for a in (fit.x, fit.validation, *others) if _has_range(a)]
    if known and known[0].min is not None and known[0].max is not None:
        return known[0].min, known[0].max
    return (0.0, 255.0) if fit.model.layers_of(*_SCALING_LAYERS) else (0.0, 1.0)


def _has_range(array: Array) -> bool:
    if array.min is None or array.max is None:
        return False
    return math.isfinite(array.min) and math.isfinite(array.max) and array.max > array.min
