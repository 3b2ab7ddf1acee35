"""Fingerprints: runs of code without its names, of text without its punctuation, of numbers in training logs.

Code is compared as copydetect prepares it: tokens with names, strings and comments made alike (``filter_code``), then
every run of :data:`CODE_RUN` characters (``hashed_kgrams``). Of the runs none is left out (winnowing would choose by
hash values, which differ from process to process), so that the same class always gives the same pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from copydetect.utils import filter_code, get_copied_slices, hashed_kgrams

from grader.checks.prose import normalised

CODE_RUN = 25
"""Characters of filtered code, about two short statements (copydetect's own default)."""
WORDS_RUN = 16
"""Letters of a sentence: a Japanese clause, three English words."""
NUMBERS_RUN = 4
"""Losses and accuracies in a row."""

_METRIC = re.compile(r"(?:loss|acc\w*|mae|mse|auc)['\"]?\s*[:=]\s*(\d\.\d{3,}(?:e-?\d+)?)", re.IGNORECASE)

Hashes = npt.NDArray[np.int64]
NONE: Hashes = np.zeros(0, np.int64)


@dataclass(frozen=True)
class CodeCell:
    """One cell of a student's own code.

    :ivar index: in the notebook. :ivar hashes: int64, (n,), of the runs that begin at 0 … n - 1 of the filtered code.
    :ivar offsets: int64, (m, 2): from place ``[i, 0]`` of the filtered code on, the source is ``[i, 1]`` characters
        ahead.
    """

    index: int
    source: str
    hashes: Hashes = field(repr=False)
    offsets: npt.NDArray[np.int64] = field(repr=False)

    def matched(self, wanted: Hashes) -> list[tuple[int, int]]:
        """Where in the source runs begin and end that are in ``wanted``, neighbours joined."""
        places = np.flatnonzero(np.isin(self.hashes, wanted))
        if not len(places):
            return []
        slices = get_copied_slices(places, CODE_RUN).astype(np.int64)
        at = np.clip(np.searchsorted(self.offsets[:, 0], slices), 0, len(self.offsets) - 1)
        # The library counts a class's name wrongly, and only there: what is ahead never falls back.
        starts, ends = slices + np.maximum.accumulate(self.offsets[:, 1])[at]
        return [(int(a), min(int(b), len(self.source))) for a, b in zip(starts, ends, strict=True) if a < b]


def code_cell(index: int, source: str) -> CodeCell:
    """The fingerprints of one cell."""
    filtered, offsets = filter_code(source, f"cell-{index}.py", "python")
    offsets = np.asarray(offsets, np.int64).reshape(-1, 2)
    return CodeCell(
        index, source, hashes_of(filtered, CODE_RUN), offsets if len(offsets) else np.zeros((1, 2), np.int64)
    )


def hashes_of(text: str, run: int) -> Hashes:
    """One hash for each run of ``text``; none where it is shorter than a run."""
    return np.asarray(hashed_kgrams(text, run), np.int64) if len(text) >= run else NONE


def words_of(sentences: Iterable[str]) -> Hashes:
    """Hashes of the runs in each of ``sentences``; no run reaches into the next one."""
    return joined([hashes_of(normalised(sentence), WORDS_RUN) for sentence in sentences])


def numbers_of(texts: Iterable[str]) -> Hashes:
    """Hashes of successive losses and accuracies in what was printed below each cell."""
    found = []
    for text in texts:
        numbers = _METRIC.findall(text)
        found += [hash(tuple(numbers[i : i + NUMBERS_RUN])) for i in range(len(numbers) - NUMBERS_RUN + 1)]
    return np.asarray(found, np.int64) if found else NONE


def joined(arrays: Sequence[Hashes]) -> Hashes:
    """All of them, each hash once, sorted."""
    return np.unique(np.concatenate(arrays)) if arrays else NONE
