"""Which images are whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.datasets.forms import SAME_SHARE, rows_in_form, takes_form

Rows = npt.NDArray[np.uint64]
Labels = npt.NDArray[np.int64]
Shape = tuple[int | None, ...]
NO_ROWS: Rows = np.zeros(0, np.uint64)
NO_LABELS: Labels = np.zeros(0, np.int64)
_ASKED_KEPT = 64


@dataclass(frozen=True)
class DataFacts:
    """Which images are whose. Row digests do not depend on scale or shape (:mod:`grader.recorder.rows`).

    :ivar train, test: row digests, uint64, (n,), of the official splits.
    :ivar train_labels: int64, (n,), class of each image of ``train``; empty where they are not known.
    :ivar others: the same of the assignment's other data sets that are installed.
    :ivar images: ``train`` and ``test`` themselves: uint8, (n, h, w[, c]); empty where they are not at hand.
    """

    name: str
    train: Rows
    test: Rows
    digest: str = ""
    train_labels: Labels = field(default_factory=lambda: NO_LABELS, repr=False)
    others: tuple[DataFacts, ...] = ()
    images: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def n_train(self) -> int:
        """Images in the training split."""
        return len(self.train)

    def share(self, rows: Rows, split: str) -> float:
        """Share of ``rows`` that stand in ``train`` or ``test``, 0 to 1; those in both splits count as ``train``."""
        if not len(rows):
            return 0.0
        in_train = self._standing(rows, "train")
        found = in_train if split == "train" else self._standing(rows, "test") & ~in_train
        return float(found.mean())

    def knows(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of ``rows`` are images of this data set or the others, of whatever split."""
        found = [f._standing(rows, s) for f in (self, *self.others) for s in ("train", "test")]
        return np.asarray(np.logical_or.reduce(found), np.bool_)

    def recognises(self, rows: Rows) -> bool:
        """Whether nearly all of ``rows`` are images of this data set or the others."""
        if any(facts.share(rows, "train") >= SAME_SHARE for facts in (self, *self.others)):
            return True
        return bool(len(rows)) and float(self.knows(rows).mean()) >= SAME_SHARE

    def may_fill(self, shape: Shape | None) -> bool:
        """Whether its images can be given as rows of such data (``shape``: rows first); in doubt they can."""
        row = _row_shape(shape)
        return not row or not self.images or takes_form(self.images["test"].shape[1:], row)

    def as_handed_out(self, rows: Rows, shape: Shape | None) -> Rows:
        """``rows``; where they are known images in another form, the digests of these images as they were handed out.

        The forms are a negative, a frame of zeros, three equal channels, and what these make together.

        :param shape: of what was given, rows first.
        """
        row = _row_shape(shape)
        if not row or not len(rows) or self.recognises(rows):
            return rows
        forms = ((facts, negative) for facts in (self, *self.others) for negative in (False, True))
        found = (facts._handed_out(rows, row, negative) for facts, negative in forms)
        return next((plain for plain in found if plain is not None), rows)

    def _handed_out(self, rows: Rows, row: tuple[int, ...], negative: bool) -> Rows | None:
        if not self.images or not takes_form(self.images["test"].shape[1:], row):
            return None
        if (row, negative) not in self._shown:
            shown = [rows_in_form(self.images[split], row, negative=negative) for split in ("train", "test")]
            order = np.argsort(digests := np.concatenate(shown))
            self._shown[row, negative] = digests[order], np.concatenate([self.train, self.test])[order]
        digests, plain = self._shown[row, negative]
        places = np.searchsorted(digests, rows).clip(max=len(digests) - 1)
        same = digests[places] == rows
        return np.where(same, plain[places], rows) if same.mean() >= SAME_SHARE else None

    @cached_property
    def _shown(self) -> dict[tuple[tuple[int, ...], bool], tuple[Rows, Rows]]:
        """For rows of a shape, negative or not: their digests, sorted, and those of the images as handed out."""
        return {}

    @cached_property
    def _known(self) -> dict[str, Rows]:
        """Different images of each split, sorted; ``labelled``: those of training with their labels."""
        known = {"train": different(self.train), "test": different(self.test)}
        if len(self.train_labels) == len(self.train):
            known["labelled"] = different(_with_label(self.train, self.train_labels))
        return known

    @cached_property
    def _found(self) -> dict[tuple[str, int], tuple[Rows, npt.NDArray[np.bool_]]]:
        """Answers given, with the rows they are about: kept, so that no other array can have the same address."""
        return {}

    def warm_up(self) -> None:
        """Makes now what all attempts need."""
        for facts in (self, *self.others):
            _ = facts._known, facts._all_in_test

    @cached_property
    def _all_in_test(self) -> npt.NDArray[np.bool_]:
        """Which of ``train`` stand in ``test``: most trainings are given the whole split."""
        known = self._known["test"]
        return np.isin(self.train, known) if len(known) else np.zeros(len(self.train), np.bool_)

    def _standing(self, rows: Rows, among: str) -> npt.NDArray[np.bool_]:
        """Which of ``rows`` stand in a split; several checks ask the same of one training."""
        if among != "labelled" and np.array_equal(rows, self.train):
            return np.ones(len(rows), np.bool_) if among == "train" else self._all_in_test
        known, asked = self._known[among], (among, id(rows))
        if asked not in self._found:
            while len(self._found) >= _ASKED_KEPT:
                del self._found[next(iter(self._found))]
            places = np.searchsorted(known, rows).clip(max=max(len(known) - 1, 0))
            self._found[asked] = rows, known[places] == rows if len(known) else np.zeros(len(rows), np.bool_)
        return self._found[asked][1]

    def wrong_labels(self, rows: Rows, labels: Labels) -> float | None:
        """Share of the known training images among ``rows`` whose label is not theirs, 0 to 1.

        :param labels: one a row; below 0 where it has none. An image that the split holds twice may have either label.
        :returns: ``None`` where labels are missing or fewer than half of the rows are training images.
        """
        if len(labels) != len(rows) or len(self.train_labels) != len(self.train):
            return None
        if len(rows) and np.array_equal(rows, self.train) and np.array_equal(labels, self.train_labels):
            return 0.0
        known = self._standing(rows, "train") & (labels >= 0)
        if not len(rows) or known.mean() < 0.5:
            return None
        right = self._standing(_with_label(rows[known], labels[known]), "labelled")
        return float(1.0 - right.mean())


def _row_shape(shape: Shape | None) -> tuple[int, ...] | None:
    """Shape of one row; ``None`` where it is not known."""
    row = tuple(n for n in (shape or ())[1:] if n)
    return row if shape and len(row) == len(shape) - 1 else None


def different(rows: Rows) -> Rows:
    """As ``np.unique``, which makes a table of hashes first and takes thirty times as long on digests."""
    ordered = np.sort(rows)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered


def _with_label(rows: Rows, labels: Labels) -> Rows:
    """One number for each pair of image and label; the factor (2**64 over the golden ratio) spreads labels apart."""
    return rows + labels.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
