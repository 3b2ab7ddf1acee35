"""The order of a batch: what takes longest starts first, so that no long one is left to run alone at the end.

Longest processing time first (R. L. Graham, Bounds on multiprocessing timing anomalies, 1969): the batch takes at most
4/3 of the shortest possible time where the estimates are right.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def longest_first(keys: Sequence[Sequence[str]], durations_s: Mapping[str, float]) -> list[int]:
    """Positions of ``keys``, the one that is expected to take longest first; equals stay in their order.

    :param keys: of each attempt the names under which an earlier duration may be known, the best first.
    :param durations_s: what is known. Who is not known gets the median of it.
    """
    median = statistics.median(durations_s.values()) if durations_s else 0.0
    expected = [next((durations_s[k] for k in names if k in durations_s), median) for names in keys]
    return sorted(range(len(keys)), key=lambda i: -expected[i])
