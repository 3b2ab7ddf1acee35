"""What the checks of VGG16 fine-tuning have in common: the base, the layers on top of it, and which of them moved."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from grader.checks.facts import DataFacts, NotebookCell, TrainedFit
from grader.checks.files import is_trained
from grader.errors import EvidenceError
from grader.evidence import Evidence, LayerFacts, Model
from grader.evidence.events import SaveEvent
from grader.recorder.arrays import weights_digest

CIFAR10_TRAIN = 50_000
SIDE_PX, CLASSES = 32, 10
FEWEST_EPOCHS = 5
WRONG_LABELS = 0.05
"""Share of images with a label that is not theirs: nine in ten by shuffling, next to none by an accident of data."""
TEST_SHARE = 0.01
"""A handful of CIFAR-10's images stands in both splits: one in a hundred is no chance."""
VGG16_FILTERS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
VGG16_POOLS = 5
FROZEN = 10
"""Convolutions up to ``block4_pool``: the first 15 layers of the model, the input, four poolings and these."""
WEIGHTS_ONLY = ".weights.h5"
_BEFORE = frozenset({"InputLayer", "Rescaling", "Normalization", "Resizing", "CenterCrop", "ZeroPadding2D", "Identity"})
_ACTIVATIONS = frozenset({"Activation", "ReLU", "Softmax"})
_ACCURACY = re.compile(r"(?:正解率|認識率|accuracy)\s*[:=は]?\s*(?:(0?\.\d{2,6})|(\d{2}(?:\.\d+)?)\s*%)", re.IGNORECASE)
_TEST = re.compile(r"テスト|\btest", re.IGNORECASE)
_NOT_A_CLAIM = re.compile(r"loss:|epoch|val|train|検証|訓練|学習|目標", re.IGNORECASE)


def finished(fit: TrainedFit) -> bool:
    """Whether the training came to its end, by itself or by a callback."""
    return fit.fit.ended in ("completed", "stopped")


def n_train(data: DataFacts | None) -> int:
    """Images in the official training split."""
    return data.n_train if data else CIFAR10_TRAIN


def share_of_test(fit: TrainedFit, data: DataFacts | None) -> float:
    """Share of the training images, over the whole chain, that are test images."""
    return data.share(fit.unique_rows, "test") if data else 0.0


# The base


@dataclass(frozen=True)
class Base:
    """The convolutional part of a model.

    :ivar filters: of its convolutions, in order. :ivar side_px: of the images that the first of them gives.
    :ivar with_top: whether VGG16's own dense layers are on it.
    """

    filters: tuple[int, ...]
    pools: int
    side_px: int | None
    with_top: bool

    @property
    def is_vgg16(self) -> bool:
        """Whether it is built as VGG16 is (K. Simonyan and A. Zisserman, ICLR 2015, table 1, column D)."""
        return self.filters == VGG16_FILTERS and self.pools == VGG16_POOLS

    def __str__(self) -> str:
        return f"{len(self.filters)} × Conv2D, {self.pools} × pooling"


def _is_convolution(layer: LayerFacts) -> bool:
    return "Conv" in layer.class_name


def base_of(model: Model) -> Base | None:
    """The convolutional part; ``None`` where there is none."""
    convolutions = [layer for layer in model.layers if _is_convolution(layer)]
    if not convolutions:
        return None
    shape = convolutions[0].output_shape or ()
    return Base(
        filters=tuple(int(layer.config.get("filters") or 0) for layer in convolutions),
        pools=sum(layer.class_name == "MaxPooling2D" for layer in model.layers),
        side_px=shape[1] if len(shape) == 4 else None,
        with_top={"fc1", "fc2"} <= {layer.name for layer in model.layers},
    )


def is_candidate(fit: TrainedFit) -> bool:
    """Whether the model has a deep convolutional base: ten convolutions and more are not written by hand here."""
    base = base_of(fit.model)
    return base is not None and len(base.filters) >= FROZEN


def candidates(fits: Iterable[TrainedFit]) -> list[TrainedFit]:
    """Trainings of models on a deep base; those on VGG16 alone where there is one."""
    deep = [f for f in fits if is_candidate(f)]
    vgg = [f for f in deep if (base := base_of(f.model)) and base.is_vgg16]
    return vgg or deep


# The layers on top

Part = tuple[str, int | None, str | None]
WANTED: tuple[Part, ...] = (
    ("Flatten", None, None),
    ("Dense", 256, "relu"),
    ("BatchNormalization", None, None),
    ("Dropout", None, None),
    ("Dense", CLASSES, "softmax"),
)


def head_of(model: Model) -> list[Part]:
    """Class, units and activation of each layer behind the last convolution or pooling of the base.

    An activation written as a layer of its own belongs to the dense layer before it.
    """
    last = max(
        (i for i, la in enumerate(model.layers) if _is_convolution(la) or la.class_name == "MaxPooling2D"), default=-1
    )
    parts: list[Part] = []
    for layer in model.layers[last + 1 :]:
        name, config = layer.class_name, layer.config
        if name in _ACTIVATIONS:
            kind = str(config.get("activation")) if name == "Activation" else name.lower()
            _give_activation(parts, kind)
        elif name == "Dense":
            units = config.get("units")
            parts.append((name, units if isinstance(units, int) else None, str(config.get("activation") or "linear")))
        elif name not in _BEFORE:
            parts.append((name, None, None))
    return parts


def _give_activation(parts: list[Part], kind: str) -> None:
    for index in reversed(range(len(parts))):
        name, units, activation = parts[index]
        if name == "Dense":
            parts[index] = (name, units, kind if activation == "linear" else activation)
            return


def outline(parts: Sequence[Part]) -> str:
    """The layers in a line, for messages."""
    words = (" ".join(str(word) for word in part if word not in (None, "linear")) for part in parts)
    return " → ".join(words)[:300] or "–"


def deviations(parts: Sequence[Part]) -> int:
    """How many layers are missing, added or other than asked for; the same ones in another order count as one."""
    if sorted(map(str, parts)) == sorted(map(str, WANTED)):
        return 0 if tuple(parts) == WANTED else 1
    return _distance(parts, WANTED)


def _distance(a: Sequence[Part], b: Sequence[Part]) -> int:
    """Least number of insertions, removals and replacements that make ``b`` of ``a`` (Levenshtein, 1966)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


# What moved


@dataclass(frozen=True)
class Movement:
    """Which layers with weights training changed, over the whole chain of trainings.

    :ivar convolutions: for each convolution in order. :ivar head: whether any layer behind them changed.
    :ivar ignored: how many convolutions changed although they are marked as not trainable.
    """

    convolutions: tuple[bool, ...]
    head: bool
    ignored: int

    @property
    def still(self) -> int:
        """How many convolutions, counted from the first, did not change until one did."""
        return next((i for i, moved in enumerate(self.convolutions) if moved), len(self.convolutions))

    @property
    def in_one_piece(self) -> bool:
        """Whether all convolutions behind the first that changed did change."""
        return all(self.convolutions[self.still :])


def trainable_flags(model: Model) -> list[bool]:
    """Whether each convolution, in order, is marked as trainable."""
    return [layer.trainable for layer in model.layers if _is_convolution(layer)]


def first_of(fit: TrainedFit) -> TrainedFit:
    """The first training of the chain with layers like these: one before may have been of a part of the network."""
    shapes = [[(layer.class_name, layer.params) for layer in f.model.layers if layer.params] for f in fit.chain]
    return fit.chain[shapes.index(shapes[-1])]


def movement(fit: TrainedFit, evidence: Evidence) -> Movement | None:
    """What changed from before the first training of the chain to after ``fit``; ``None`` where it cannot be told."""
    first, last = first_of(fit).fit.weights_before, fit.fit.weights_after
    if first is None or last is None:
        return None
    try:
        before, after = evidence.weights(first), evidence.weights(last)
    except EvidenceError:
        return None
    layers = [layer for layer in fit.model.layers if layer.params]
    groups = _by_layer(layers, [a.size for a in before])
    if groups is None or [a.shape for a in before] != [a.shape for a in after]:
        return None
    changed = [not all(np.array_equal(before[i], after[i], equal_nan=True) for i in group) for group in groups]
    pairs = list(zip(layers, changed, strict=True))
    deep = max((i for i, layer in enumerate(layers) if _is_convolution(layer)), default=-1)
    return Movement(
        convolutions=tuple(moved for layer, moved in pairs if _is_convolution(layer)),
        head=any(changed[deep + 1 :]),
        ignored=sum(_is_convolution(layer) and moved and not layer.trainable for layer, moved in pairs),
    )


def _by_layer(layers: Sequence[LayerFacts], sizes: Sequence[int]) -> list[range] | None:
    """Which arrays of a model's ``get_weights`` are each layer's: they stand in the order of the layers.

    Keras 3 and legacy Keras both list a model's weights layer by layer, whatever is trainable; the layers' numbers of
    parameters mark the borders. ``None`` where the borders do not fit.
    """
    groups = []
    position = 0
    for layer in layers:
        start, left = position, layer.params
        while left > 0 and position < len(sizes):
            left -= sizes[position]
            position += 1
        if left:
            return None
        groups.append(range(start, position))
    return groups if position == len(sizes) else None


def is_pretrained(fit: TrainedFit) -> bool | None:
    """Whether the base began with the weights that ``keras.applications`` loaded; ``None`` where it cannot be told."""
    evidence = fit.evidence
    published = {load.weights for load in evidence.loads if load.application == "vgg16"} - {None}
    first = first_of(fit)
    if not published or first.fit.weights_before is None:
        return None
    try:
        before = evidence.weights(first.fit.weights_before)
    except EvidenceError:
        return None
    layers = [layer for layer in first.model.layers if layer.params]
    groups = _by_layer(layers, [a.size for a in before])
    if groups is None:
        return None
    pairs = zip(layers, groups, strict=True)
    kernels = [before[i] for layer, group in pairs if _is_convolution(layer) for i in group]
    return weights_digest(kernels) in published


# What was saved


def is_whole(save: SaveEvent) -> bool:
    """Whether the model was saved, not its weights alone."""
    return save.whole and not save.file.endswith(WEIGHTS_ONLY)


def holds_result(save: SaveEvent, fits: Iterable[TrainedFit], evidence: Evidence) -> bool:
    """Whether a file holds what one of the trainings ended with, or an epoch of it that was kept on the way.

    Such a checkpoint was written by this run, loaded again, and is not what a training began with.
    """
    trained = list(fits)
    if save.weights is None:
        return any(save.after_fit == fit.id for fit in trained)
    if any(is_trained(save, fit) for fit in trained):
        return True
    begun = {fit.weights_digests[0] for fit in trained}
    kept = {load.weights for load in evidence.loads if load.own} - begun - {None}
    return save.weights in kept


# Judging several trainings


@dataclass(frozen=True)
class Finding:
    """What one training earns, and the text that says so."""

    credit: float
    key: str
    facts: dict[str, object]


def best(fits: Sequence[TrainedFit], judge: Callable[[TrainedFit], Finding]) -> tuple[TrainedFit, Finding]:
    """The training with the most credit, of equals the last: an experiment on the way costs nothing."""
    judged = [(fit, judge(fit)) for fit in fits]
    return max(enumerate(judged), key=lambda item: (item[1][1].credit, item[0]))[1]


def printed_accuracies(cells: Iterable[NotebookCell]) -> Iterator[tuple[float, int, bool]]:
    """Accuracies that cells printed right after the word, 0 to 1, with the cell, and whether of test images.

    Doubtful lines are left out.
    """
    for cell in cells:
        for line in unicodedata.normalize("NFKC", cell.printed).splitlines() if cell.kind == "code" else ():
            if not _NOT_A_CLAIM.search(line):
                for fraction, percent in _ACCURACY.findall(line):
                    value = float(fraction) if fraction else float(percent) / 100
                    if math.isfinite(value) and value <= 1:
                        yield value, cell.index, _TEST.search(line) is not None
