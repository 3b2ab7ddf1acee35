import json
import warnings

import numpy as np
import pandas as pd
import pytest

from grader.evidence.events import Array
from grader.recorder import arrays
from grader.recorder.arrays import (
    as_array,
    class_labels,
    collect_dataset,
    describe,
    save_rows,
    save_weights,
    soft_rows,
)


class Tensor:
    """Converts itself, as TensorFlow's do."""

    def __init__(self, values):
        self._values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self._values


class BrokenTensor(Tensor):
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("symbolic")


class Dataset:
    """A batched ``tf.data.Dataset``, as far as the recorder looks at one."""

    element_spec = None

    def __init__(self, batches, cardinality=None):
        self._batches = batches
        self._cardinality = len(batches) if cardinality is None else cardinality
        self.taken = 0

    def cardinality(self):
        return np.int64(self._cardinality)

    def __iter__(self):
        for batch in self._batches:
            self.taken += 1
            yield batch


@pytest.mark.parametrize("value", [[1, 2], (1.5, 2), [[1], [2]], Tensor([1, 2]), np.arange(3), np.zeros((2, 3))])
def test_lists_and_tensors_count_as_arrays(value):
    assert as_array(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        b"bytes",
        {"a": [1]},
        5,
        np.float32(3),
        np.array(3),
        ["a", "b"],
        [[1], [2, 3]],
        np.array([{}, []], dtype=object),
        np.array([1 + 2j]),
        BrokenTensor([1]),
        Dataset([]),
        (n for n in range(3)),
    ],
)
def test_anything_else_does_not(value):
    assert as_array(value) is None


def test_an_array_too_large_to_look_at_is_left_alone(monkeypatch):
    monkeypatch.setattr(arrays, "BYTES_LIMIT", 100)
    assert as_array(np.zeros(101, np.uint8)) is None
    assert as_array(np.zeros(100, np.uint8)) is not None


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([3, 0, 9], np.uint8), [3, 0, 9]),
        (np.array([[3], [0]]), [3, 0]),
        (np.array([3.0, 2.0]), [3, 2]),
        (np.array([0.5, np.nan, np.inf, 1]), [-1, -1, -1, 1]),
        (np.eye(3, dtype=np.float32)[[2, 0]], [2, 0]),
        (np.eye(3, dtype=np.float32)[[2, 0]][:, :, None], [2, 0]),
        (np.array([[[4]], [[1]]]), [4, 1]),
        (np.array([[0.2, 0.8], [1, 0], [1, 1], [0, 0]]), [-1, 0, -1, -1]),
        (np.array([True, False]), [1, 0]),
        (np.zeros((0,)), []),
    ],
)
def test_classes_are_read_from_numbers_and_one_hot_rows(y, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = class_labels(y)
    assert labels.dtype == np.int64
    assert labels.tolist() == expected


def test_a_description_holds_shape_type_and_range_and_is_what_the_reader_expects():
    import msgspec

    described = describe(np.array([[0, 128], [255, 7]], np.uint8))
    assert (described["shape"], described["dtype"]) == ([2, 2], "uint8")
    assert (described["min"], described["max"]) == (0.0, 255.0)
    assert msgspec.json.decode(json.dumps(described), type=Array).kind == "array"


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "none"), (Dataset([]), "dataset"), ((n for n in ()), "generator"), ("x", "generator")]
)
def test_what_is_no_array_is_described_by_its_kind_alone(value, kind):
    assert describe(value) == {"kind": kind}


def test_an_empty_array_is_described_too():
    assert describe(np.zeros((0, 28)))["shape"] == [0, 28]


def test_rows_are_saved_with_the_classes_that_belong_to_them(tmp_path):
    x, y = np.random.default_rng(0).random((5, 3)), np.eye(10)[[1, 2, 3, 4, 5]]
    assert save_rows(tmp_path / "a.npz", x, y) == "a.npz"
    with np.load(tmp_path / "a.npz", allow_pickle=False) as saved:
        assert saved["rows"].shape == (5,)
        assert saved["labels"].tolist() == [1, 2, 3, 4, 5]
    save_rows(tmp_path / "b.npz", x, y[:4])
    with np.load(tmp_path / "b.npz", allow_pickle=False) as saved:
        assert saved.files == ["rows"]


@pytest.mark.parametrize("x", [None, np.zeros((0, 3)), "text"])
def test_without_rows_nothing_is_saved(tmp_path, x):
    assert save_rows(tmp_path / "a.npz", x, None) is None
    assert not (tmp_path / "a.npz").exists()


def test_weights_keep_their_order_beyond_ten(tmp_path):
    weights = [np.full(i + 1, i, np.float32) for i in range(12)]
    name = save_weights(tmp_path / "w.npz", weights)
    with np.load(tmp_path / name, allow_pickle=False) as saved:
        assert [len(saved[key]) for key in sorted(saved.files)] == list(range(1, 13))


def test_a_finite_data_set_is_collected():
    x, y = collect_dataset(Dataset([(np.zeros((4, 2)), np.arange(4)), (np.ones((3, 2)), np.arange(3))]))
    assert x.shape == (7, 2)
    assert y.tolist() == [0, 1, 2, 3, 0, 1, 2]


@pytest.mark.parametrize("cardinality", [-1, -2, 0, 10**9])
def test_an_endless_unknown_or_huge_data_set_is_never_consumed(cardinality):
    dataset = Dataset([(np.zeros((4, 2)), np.arange(4))], cardinality)
    assert collect_dataset(dataset) == (None, None)
    assert dataset.taken == 0


def test_collecting_stops_at_the_limit_of_rows():
    dataset = Dataset([(np.zeros((4, 2)), np.arange(4))] * 100)
    assert collect_dataset(dataset, rows_limit=100) == (None, None)
    assert dataset.taken == 26


@pytest.mark.parametrize("batches", [[np.zeros((4, 2))], [(np.zeros(4),)], [(BrokenTensor([1]), np.zeros(1))]])
def test_a_data_set_without_labels_or_that_fails_is_left_alone(batches):
    assert collect_dataset(Dataset(batches)) == (None, None)


def test_something_that_only_looks_like_a_data_set_is_left_alone():
    assert collect_dataset(object()) == (None, None)


class Two(np.ndarray):
    """Shows one thing and gives another when it is converted."""

    def astype(self, *args, **kwargs):
        return np.zeros(self.shape, *args)


def test_an_array_of_a_class_of_ones_own_is_what_it_holds():
    given = np.arange(6.0).reshape(3, 2).view(Two)
    plain = arrays.plain((given, np.ones(3)))
    assert type(plain[0]) is np.ndarray
    assert plain[0].astype("float32").tolist() == [[0, 1], [2, 3], [4, 5]]
    assert plain[0].base is given or np.shares_memory(plain[0], given)


def test_what_is_plain_stays_the_very_object():
    for value in (np.ones(3), [1, 2], "x", None, pd.DataFrame({"a": [1]})):
        assert arrays.plain(value) is value


SMOOTHED = np.eye(10, dtype=np.float32)[np.arange(5000) % 10] * np.float32(0.9) + np.float32(0.01)


@pytest.mark.parametrize(
    "y",
    [
        np.arange(5000) % 10,
        np.linspace(0, 1, 5000)[:, None],
        np.eye(10)[np.arange(5000) % 10],
        np.eye(10)[np.arange(5000) % 10][:, :, None],
        SMOOTHED,
        np.linspace(0, 1, 5000)[:, None] * [1, -1],
        np.full((5000, 10), np.nan),
        np.zeros((0, 10)),
    ],
    ids=["integers", "a column", "one-hot", "one-hot in three axes", "smoothed", "two classes", "nothing", "no rows"],
)
def test_labels_of_classes_and_smoothed_ones_are_not_soft(y):
    assert soft_rows(y) is None


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_labels_that_a_network_gave_are_soft_row_by_row_however_they_are_scaled(scale):
    y = SMOOTHED.copy()
    y[4500] = np.linspace(0.01, 0.2, 10)
    y[7, 3] = 0.02
    soft = soft_rows(y * scale)
    assert soft.dtype == np.bool_
    assert np.flatnonzero(soft).tolist() == [7, 4500]


def test_soft_labels_are_told_in_the_file_of_rows_and_only_there(tmp_path):
    images = np.random.default_rng(0).random((3, 4))
    for name, y in (("plain.npz", np.eye(3)), ("soft.npz", np.array([[1, 0, 0], [0.7, 0.2, 0.1], [0, 0, 1]]))):
        assert save_rows(tmp_path / name, images, y) == name
    with np.load(tmp_path / "plain.npz") as plain, np.load(tmp_path / "soft.npz") as soft:
        assert "soft" not in plain
        assert (soft["soft"].tolist(), soft["labels"].tolist()) == ([False, True, False], [0, -1, 2])


@pytest.mark.parametrize("wrapped", [lambda y: [y], lambda y: (y,), lambda y: {"dense": y}, lambda y: y.tolist()])
def test_labels_are_found_in_a_list_or_mapping_of_one(tmp_path, wrapped):
    y = np.array([[1, 0, 0], [0.7, 0.2, 0.1], [0, 0, 1]])
    assert save_rows(tmp_path / "rows.npz", np.random.default_rng(0).random((3, 4)), wrapped(y)) == "rows.npz"
    with np.load(tmp_path / "rows.npz") as stored:
        assert (stored["soft"].tolist(), stored["labels"].tolist()) == ([False, True, False], [0, -1, 2])


def test_a_single_row_of_labels_stays_one(tmp_path):
    for name, y in (("a.npz", [[0.0, 1.0, 0.0]]), ("b.npz", [1])):
        save_rows(tmp_path / name, np.array([[0, 1]]), y)
        with np.load(tmp_path / name) as stored:
            assert stored["labels"].tolist() == [1]
