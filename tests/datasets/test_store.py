"""The store keeps what the catalogue expects, whole and unchanged, and serves it as Keras' loaders want it."""

import gzip
import hashlib
import json
import os
import stat

import numpy as np
import pytest

from grader.datasets import DataStore, default_data_dir, serving_map
from grader.errors import DataError
from grader.recorder.rows import row_digests


def damage(path):
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_what_was_put_comes_back_read_only(store, spec, arrays):
    assert store.get(spec) is None
    stored = store.put(spec, arrays)
    assert stored.digest == spec.digest
    assert store.get(spec) == stored
    assert store.verify(spec) == []
    for role, array in arrays.items():
        assert np.array_equal(stored.array(role), array)
    with pytest.raises(ValueError, match="read-only"):
        stored.array("x_test")[0] = 0


def test_files_cannot_be_written_and_the_folder_is_private(store, spec, arrays):
    stored = store.put(spec, arrays)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in stored.directory.rglob("*") if path.is_file()}
    assert all(not mode & 0o222 for mode in modes)
    if os.name == "posix":
        assert stat.S_IMODE(stored.directory.stat().st_mode) == 0o555
        assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


def test_putting_twice_keeps_the_first_and_leaves_nothing_behind(store, spec, arrays):
    store.put(spec, arrays)
    before = (store.directory_of(spec) / "entry.json").stat().st_mtime_ns
    store.put(spec, arrays)
    assert (store.directory_of(spec) / "entry.json").stat().st_mtime_ns == before
    assert [path.name for path in store.root.iterdir()] == [store.directory_of(spec).name]


def test_other_arrays_than_the_catalogues_are_refused(store, spec, arrays):
    with pytest.raises(DataError, match="x_train given for mnist is not the expected"):
        store.put(spec, {**arrays, "x_train": arrays["x_train"] ^ 1})
    with pytest.raises(DataError, match="y_test"):
        store.put(spec, {role: a for role, a in arrays.items() if role != "y_test"})
    assert store.get(spec) is None


@pytest.mark.parametrize("file", ["arrays/x_test.npy", "served/mnist.npz"])
def test_a_damaged_entry_is_found_and_replaced(store, spec, arrays, file):
    stored = store.put(spec, arrays)
    damage(stored.directory / file)
    (problem,) = store.verify(spec)
    assert "expected SHA-256" in problem
    assert "grader data install mnist" in problem
    store.put(spec, arrays)
    assert store.verify(spec) == []


def test_a_cut_off_file_is_noticed_at_once(store, spec, arrays):
    path = store.put(spec, arrays).directory / "arrays" / "x_train.npy"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:100])
    assert store.get(spec) is None


def test_arrays_swapped_together_with_the_entrys_own_list_are_found(store, spec, arrays):
    directory = store.put(spec, arrays).directory
    directory.chmod(0o755)
    entry = json.loads((directory / "entry.json").read_text())
    path = directory / "arrays" / "y_test.npy"
    damage(path)
    entry["files"]["arrays/y_test.npy"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (directory / "entry.json").chmod(0o644)
    (directory / "entry.json").write_text(json.dumps(entry))
    assert any("array y_test of mnist" in problem for problem in store.verify(spec))


def test_rows_are_digests_and_labels_of_a_split(store, spec, arrays):
    stored = store.put(spec, arrays)
    digests, labels = stored.rows("train")
    assert np.array_equal(digests, row_digests(arrays["x_train"]))
    assert digests.dtype == np.uint64
    assert labels.dtype == np.int64
    assert np.array_equal(labels, arrays["y_train"])
    assert len(stored.rows("test")[0]) == 10


def test_mnist_is_served_as_the_npz_that_keras_opens(store, spec, arrays):
    stored = store.put(spec, arrays)
    assert [path.name for path in stored.served.iterdir()] == ["mnist.npz"]
    with np.load(stored.served / "mnist.npz", allow_pickle=False) as file:
        assert all(np.array_equal(file[role], array) for role, array in arrays.items())


def test_fashion_mnist_is_served_as_the_four_idx_files_that_keras_opens(store, arrays, make_spec, tmp_path):
    spec = make_spec(arrays, "clothes", serve_as="fashion_mnist")
    served = store.put(spec, arrays).served
    with gzip.open(served / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    with gzip.open(served / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(len(labels), 28, 28)
    assert np.array_equal(labels, arrays["y_train"])
    assert np.array_equal(images, arrays["x_train"])
    again = DataStore(tmp_path / "again").put(spec, arrays).served
    names = sorted(path.name for path in served.iterdir())
    assert len(names) == 4
    assert all((served / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_the_serving_map_is_json_and_leaves_out_what_is_not_installed(store, arrays, make_arrays, make_spec):
    other = make_arrays(1)
    spec, missing = make_spec(arrays, "tiny", serve_as="mnist"), make_spec(other, "fashion_mnist")
    stored = store.put(spec, arrays)
    mapping = serving_map(store, [spec, missing])
    assert json.loads(json.dumps(mapping)) == mapping
    expected = {"digest": stored.digest, "directory": str(stored.served), "files": ["mnist.npz"]}
    assert mapping == {"mnist": expected}


def test_the_data_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADER_DATA_DIR", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv("GRADER_DATA_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert default_data_dir() == tmp_path / "xdg" / "keras-grader"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_data_dir() == tmp_path / "local" / "keras-grader"
