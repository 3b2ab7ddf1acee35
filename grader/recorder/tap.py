"""Notes what a ``tf.data.Dataset`` gives while it is trained on.

Going through it once does not tell: ``shuffle(60_000).take(600)`` gives 600 other rows in every epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from grader.recorder.rows import ROWS_LIMIT, row_digests, span_of

if TYPE_CHECKING:
    from grader.recorder.session import Session

_SALT = 7


class Tap:
    """Rows that appear beside those which were there when the data set was gone through before the training."""

    def __init__(self, session: Session, seen: npt.NDArray[Any]) -> None:
        self._session = session
        self._known = set(_marks(seen).tolist())
        self._span = span_of(seen)
        self._later: list[npt.NDArray[np.uint64]] = []
        self._n = 0
        self._broken = False

    def around(self, dataset: Any) -> Any:
        """The data set with the same elements, each noted as it passes."""
        import tensorflow as tf

        @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
        def passing(*element: Any) -> Any:
            noted = tf.numpy_function(self._note, [element[0]], tf.int32)
            with tf.control_dependencies([noted]):
                return tf.nest.map_structure(tf.identity, element)

        return dataset.map(passing)

    def later(self) -> npt.NDArray[np.uint64]:
        """Digests of the further rows, uint64, (n,), sorted, each once."""
        return np.unique(np.concatenate(self._later)) if self._later else np.empty(0, np.uint64)

    def _note(self, x: npt.NDArray[Any]) -> np.int32:
        if not self._broken and self._n < ROWS_LIMIT:
            try:
                marks = _marks(x)
                new = np.array([mark not in self._known for mark in marks.tolist()], np.bool_)
                if new.any():
                    self._known.update(marks[new].tolist())
                    self._later.append(row_digests(x[new], self._span))
                    self._n += int(new.sum())
            except Exception as error:
                self._broken = True
                self._session.fault("tap", error)
        return np.int32(0)


def _marks(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """A number for each row, uint64, (n,), of its bytes: a sum with fixed odd factors, a hundred times faster than a
    digest, to know again rows of the same pipeline.
    """
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    padded = np.zeros((len(flat), -(-flat.shape[1] // 4) * 4), np.uint8)
    padded[:, : flat.shape[1]] = flat
    words = padded.view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(_SALT).integers(1, 2**63, words.shape[1], np.uint64) | np.uint64(1)
    total: npt.NDArray[np.uint64] = (words * factors).sum(axis=1, dtype=np.uint64)
    return total
