"""Trainings that are given a whole split are answered without looking its rows up: the answers are the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.checks.images import DataFacts, different

digests = st.lists(st.integers(0, 6), max_size=12).map(lambda rows: np.array(rows, np.uint64))


@settings(deadline=None)
@given(rows=digests)
def test_different_rows_are_those_of_numpy(rows):
    assert different(rows).tolist() == np.unique(rows).tolist()
    assert different(rows).dtype == np.uint64


@settings(deadline=None)
@given(train=digests, test=digests, data=st.data())
def test_a_whole_split_has_the_shares_of_its_rows_in_another_order(train, test, data):
    facts = DataFacts("x", train, test)
    order = data.draw(st.permutations(range(len(train))))
    for split in ("train", "test"):
        assert facts.share(train.copy(), split) == pytest.approx(facts.share(train[order], split))


@settings(deadline=None)
@given(train=digests, data=st.data())
def test_a_whole_split_with_its_labels_has_none_that_is_wrong_and_one_wrong_label_is_found(train, data):
    labels = np.array([data.draw(st.integers(0, 2)) for _ in train], np.int64)
    facts = DataFacts("x", train, train[:0], "", labels)
    assert facts.wrong_labels(train.copy(), labels.copy()) == (0.0 if len(train) else None)
    if len(train):
        odd = labels.copy()
        odd[-1] = 9
        assert facts.wrong_labels(train, odd) == pytest.approx(1 / len(train))
