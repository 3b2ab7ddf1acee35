"""Finds the pairs that share rare fingerprints, by way of an index: no submission is held against each other one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grader.similarity.prints import NONE, Hashes


@dataclass(frozen=True)
class Shared:
    """What two submissions share. ``n``: fingerprints; ``weight``: theirs; ``share``: of the smaller one's weight."""

    n: int
    weight: float
    share: float


class Index:
    """Fingerprints of one kind of all submissions.

    A fingerprint that more than ``limit`` of them have is how one does it, and tells nothing. Of the others, one that
    two or fewer have weighs 1, and one that ``n`` have 1 / sqrt(n - 1).

    :param prints: of each submission, each hash once.
    """

    def __init__(self, prints: Sequence[Hashes], limit: int) -> None:
        self._prints = prints
        self._n = len(prints)
        every = np.concatenate([*prints, NONE])
        owners = np.repeat(np.arange(self._n), [len(p) for p in prints])
        self._hashes, place, counts = np.unique(every, return_inverse=True, return_counts=True)
        self._rare = counts <= limit
        weights = 1 / np.sqrt(np.maximum(counts - 1, 1))
        kept = self._rare[place]
        self._own = np.bincount(owners[kept], weights[place][kept], minlength=self._n)
        self._counted = np.bincount(owners, minlength=self._n)
        self._number, self._weight = self._pairs(place, owners, counts, weights)

    def _pairs(
        self,
        place: npt.NDArray[np.intp],
        owners: npt.NDArray[np.intp],
        counts: npt.NDArray[np.intp],
        weights: npt.NDArray[np.float64],
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Number and weight of what each pair (i, j), i < j, shares: (n * n,)."""
        number, weight = np.zeros(self._n**2, np.int32), np.zeros(self._n**2, np.float32)
        order = np.lexsort((owners, place))
        place, owners = place[order], owners[order]
        sizes = counts[place]
        for size in np.unique(counts[self._rare & (counts > 1)]):
            chosen = sizes == size
            groups = owners[chosen].reshape(-1, size)
            worth = weights[place[chosen]].reshape(-1, size)[:, 0]
            for i in range(size):
                for j in range(i + 1, size):
                    codes = groups[:, i] * self._n + groups[:, j]
                    np.add.at(number, codes, 1)
                    np.add.at(weight, codes, worth)
        return number, weight

    def pairs(self, least: float, share: float) -> dict[tuple[int, int], Shared]:
        """Pairs that share at least ``share`` of the smaller one's weight, and at least ``least``.

        The less of the whole it is, the more of it is needed, as the square of the share.
        """
        found = {}
        for code in np.flatnonzero(self._weight >= least):
            i, j = divmod(int(code), self._n)
            shared = self.shared(i, j)
            if shared.share >= share and shared.weight * shared.share**2 >= least:
                found[i, j] = shared
        return found

    def shared(self, i: int, j: int) -> Shared:
        """What ``i`` and ``j`` (i < j) share."""
        code, least = i * self._n + j, min(self._own[i], self._own[j])
        weight = float(self._weight[code])
        return Shared(int(self._number[code]), weight, weight / float(least) if least > 0 else 0.0)

    def common_to(self, i: int, j: int) -> Hashes:
        """The rare fingerprints that both have."""
        both = np.intersect1d(self._prints[i], self._prints[j], assume_unique=True)
        return both[self._rare[np.searchsorted(self._hashes, both)]]


def usual_limit(n: int) -> int:
    """How many of ``n`` submissions may have something that still tells: 5, or one in fifty."""
    return max(5, math.ceil(n / 50))
