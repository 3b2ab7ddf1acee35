"""Large arrays of evidence lie once per content, and are read once per evidence."""

import numpy as np
import pytest

from grader.errors import EvidenceError
from grader.evidence import Evidence
from grader.evidence.compact import compact, read_list, stored_arrays
from grader.model import Execution, ExecutionOutcome

FROZEN = np.arange(4_096, dtype=np.float32).reshape(64, 64)
TRAINED = FROZEN.T.copy()
BIAS = np.zeros(3, np.float32)


@pytest.fixture
def folder(tmp_path):
    """The compacted evidence of a training that left one of two large arrays as it was."""
    directory = tmp_path / "evidence"
    (directory / "claims").mkdir(parents=True)
    for name, second in (("before", FROZEN + 1), ("after", TRAINED)):
        np.savez(directory / "claims" / f"{name}.npz", w0000=FROZEN, w0001=second, w0002=BIAS)
    compact(directory, tmp_path / "blobs")
    return directory


def evidence(folder):
    return Evidence(folder, Execution(ExecutionOutcome.OK))


def test_weights_are_the_same_arrays_after_compaction(folder):
    found = evidence(folder).weights("after.npz")
    assert [a.tolist() for a in found] == [FROZEN.tolist(), TRAINED.tolist(), BIAS.tolist()]
    assert len(list((folder / "arrays").iterdir())) == 3


def test_an_array_is_read_once_for_one_evidence_and_cannot_be_changed(folder):
    one = evidence(folder)
    before, after = one.weights("before.npz"), one.weights("after.npz")
    assert before[0] is after[0]
    assert one.weights("after.npz")[1] is after[1]
    assert evidence(folder).weights("after.npz")[1] is not after[1]
    with pytest.raises(ValueError, match="read-only"):
        after[0][0, 0] = 9


def test_no_more_is_kept_than_fits(folder, monkeypatch):
    monkeypatch.setattr("grader.evidence.compact.KEPT_BYTES", FROZEN.nbytes)
    kept = {}
    stored_arrays(folder, "after.npz", kept=kept)
    assert list(kept) == [read_list(folder)["after.npz"]["w0000"].digest]
    assert np.array_equal(stored_arrays(folder, "after.npz", kept=kept)["w0001"], TRAINED)


def test_a_damaged_array_is_refused_whatever_was_kept_of_others(folder):
    one = evidence(folder)
    one.weights("before.npz")
    digest = read_list(folder)["after.npz"]["w0001"].digest
    (folder / "arrays" / f"{digest}.zst").write_bytes(b"nonsense")
    with pytest.raises(EvidenceError, match="damaged"):
        one.weights("after.npz")
