"""CIFAR-10 in the form that it is published in, and weights kept as one file."""

import gzip
import hashlib
import io
import json
import pickle
import subprocess
import tarfile

import msgspec
import numpy as np
import pytest

from grader.datasets import ArraySpec, DatasetSpec, find_dataset, install, load_catalogue, serving_map
from grader.datasets.batches import is_tar_gz
from grader.datasets.catalogue import ROLES, Batches, KeptFile
from grader.datasets.decode import decode
from grader.datasets.restricted_unpickle import unpickle_batch
from grader.datasets.served import write_cifar10, write_served
from grader.errors import DataError

NAMES = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]


def silent(_line):
    pass


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def colours():
    """Ten training images in five batches, and three test images, of the shape of CIFAR-10."""
    rng = np.random.default_rng(3)
    return {
        "x_train": rng.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8),
        "y_train": rng.integers(0, 10, (10, 1), dtype=np.uint8),
        "x_test": rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8),
        "y_test": rng.integers(0, 10, (3, 1), dtype=np.uint8),
    }


@pytest.fixture
def batches(colours):
    """File name to content, pickled as Python 2 did: protocol 2, text keys, planes one after another."""

    def batch(x, y):
        rows = np.stack([image.transpose(2, 0, 1).reshape(-1) for image in x])
        return pickle.dumps({"batch_label": "a batch", "labels": y.ravel().tolist(), "data": rows}, protocol=2)

    parts = [(colours["x_train"][i : i + 2], colours["y_train"][i : i + 2]) for i in range(0, 10, 2)]
    return dict(zip(NAMES, [batch(*p) for p in (*parts, (colours["x_test"], colours["y_test"]))], strict=True))


def packed(batches):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in {**batches, "batches.meta": b"not opened", "readme.html": b"<html>"}.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(batches):
    return packed(batches)


@pytest.fixture
def cifar(colours, batches, archive):
    """A data set whose decoded digests nobody knows."""
    arrays = {role: ArraySpec(a.shape) for role, a in colours.items()}
    pinned = Batches(hashlib.sha256(archive).hexdigest(), {name: md5(content) for name, content in batches.items()})
    return DatasetSpec(name="cifar10", licence="none", source="a test", arrays=arrays, batches=pinned)


def same(found, arrays):
    return all(found[r].dtype == np.uint8 and np.array_equal(found[r], arrays[r]) for r in ROLES)


def test_the_published_archive_is_decoded_into_colour_images(cifar, archive, colours):
    assert same(decode({"any name": archive}, cifar), colours)


def test_an_archive_of_another_digest_is_refused_with_both_digests(cifar, batches):
    other = packed({**batches, "test_batch": batches["data_batch_1"]})
    with pytest.raises(DataError) as caught:
        decode({"cifar-10-python.tar.gz": other}, cifar)
    assert cifar.batches.archive_sha256 in str(caught.value)
    assert hashlib.sha256(other).hexdigest() in str(caught.value)


def test_unpacked_batches_are_taken_when_each_has_its_digest(cifar, batches, colours, tmp_path, store):
    folder = tmp_path / "unpacked" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, content in batches.items():
        (folder / name).write_bytes(content)
    (folder / "readme.html").write_text("<html>")
    stored = install(cifar, store, tmp_path / "unpacked", silent)
    assert same({role: stored.array(role) for role in ROLES}, colours)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test_batch": b"\x80\x02other"}, "test_batch is not the published batch: expected MD5"),
        ({"test_batch": None}, "these are missing: test_batch"),
    ],
)
def test_a_changed_or_missing_batch_is_refused(cifar, batches, change, words):
    files = {name: content for name, content in {**batches, **change}.items() if content is not None}
    with pytest.raises(DataError, match=words):
        decode(files, cifar)


def test_a_batch_that_asks_for_anything_but_arrays_is_never_obeyed():
    with pytest.raises(DataError, match=r"subprocess\.run"):
        unpickle_batch(pickle.dumps(subprocess.run))


def test_a_batch_that_holds_something_else_is_refused(cifar, batches):
    odd = pickle.dumps({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]}, protocol=2)
    pins = msgspec.structs.replace(cifar.batches, md5={**cifar.batches.md5, "test_batch": md5(odd)})
    with pytest.raises(DataError, match=r"test_batch holds uint8 \(2, 5\)"):
        decode({**batches, "test_batch": odd}, msgspec.structs.replace(cifar, batches=pins))


def test_the_same_arrays_in_an_npz_cannot_be_told_from_others(cifar, colours):
    buffer = io.BytesIO()
    np.savez(buffer, **colours)
    with pytest.raises(DataError, match="only taken from its published archive"):
        decode({"cifar10.npz": buffer.getvalue()}, cifar)


def test_an_npz_is_taken_where_a_course_knows_the_digests(colours, make_spec):
    buffer = io.BytesIO()
    np.savez(buffer, **colours)
    assert same(decode({"cifar10.npz": buffer.getvalue()}, make_spec(colours, "cifar10")), colours)


def test_the_store_pins_what_it_decoded(cifar, archive, store, tmp_path):
    (tmp_path / "cifar.tgz").write_bytes(archive)
    stored = install(cifar, store, tmp_path / "cifar.tgz", silent)
    entry = json.loads((stored.directory / "entry.json").read_text("utf-8"))
    expected = hashlib.sha256(np.ascontiguousarray(stored.array("x_test")).data).hexdigest()
    assert entry["arrays"]["x_test"] == expected
    assert store.verify(cifar) == []
    path = stored.directory / "entry.json"
    path.chmod(0o644)
    path.write_text(path.read_text("utf-8").replace(expected, "0" * 64), "utf-8")
    assert "array x_test of cifar10" in store.verify(cifar)[0]


def test_two_archives_are_two_data_sets(cifar):
    other = msgspec.structs.replace(cifar, batches=Batches("0" * 64, cifar.batches.md5))
    assert other.digest != cifar.digest


def test_the_served_batches_are_those_that_keras_reads_and_the_same_every_time(colours, tmp_path):
    for name in ("a", "b"):
        write_cifar10(colours, tmp_path / name)
    assert [p.name for p in sorted((tmp_path / "a").iterdir())] == sorted(NAMES)
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in NAMES)
    batch = pickle.loads((tmp_path / "a" / "data_batch_2").read_bytes(), encoding="bytes")
    assert batch[b"labels"] == colours["y_train"][2:4].ravel().tolist()
    images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    assert np.array_equal(images, colours["x_train"][2:4])


@pytest.mark.slow
def test_keras_own_restricted_reader_opens_the_served_batches(colours, tmp_path):
    from keras.src.datasets.cifar import load_batch

    write_cifar10(colours, tmp_path / "batches")
    data, labels = load_batch(str(tmp_path / "batches" / "test_batch"))
    assert np.array_equal(data.transpose(0, 2, 3, 1), colours["x_test"])
    assert labels == colours["y_test"].ravel().tolist()


def test_a_smaller_cifar10_is_served_as_an_npz(colours, tmp_path):
    write_served("cifar10", colours, tmp_path / "served")
    assert [p.name for p in (tmp_path / "served").iterdir()] == ["cifar10.npz"]


def test_only_a_gzipped_tar_is_taken_for_one(archive):
    assert is_tar_gz(archive)
    assert not is_tar_gz(gzip.compress(b"something else" * 100))
    assert not is_tar_gz(b"\x1f\x8b broken")
    assert not is_tar_gz(b"")


def test_a_course_cannot_leave_a_digest_out_without_batches(tmp_path):
    tables = "\n".join(f"[cifar10.arrays.{role}]\nshape = [1]" for role in ROLES)
    (tmp_path / "datasets.toml").write_text(f'[cifar10]\nlicence = "x"\nsource = "x"\n{tables}', "utf-8")
    with pytest.raises(DataError, match="without sha256"):
        load_catalogue(tmp_path)


class TestWeights:
    @pytest.fixture
    def content(self):
        return b"\x89HDF weights"

    @pytest.fixture
    def weights(self, content):
        return DatasetSpec(name="vgg16", licence="CC BY 4.0", source="a test", file=KeptFile("vgg16.h5", md5(content)))

    def test_they_are_kept_and_served_as_they_are(self, weights, content, store, tmp_path):
        (tmp_path / "downloaded").write_bytes(content)
        stored = install(weights, store, tmp_path / "downloaded", silent)
        assert (stored.served / "vgg16.h5").read_bytes() == content
        assert store.verify(weights) == []
        assert serving_map(store, [weights])["vgg16"]["files"] == ["vgg16.h5"]
        said = []
        install(weights, store, None, said.append)
        assert "already installed" in said[0]

    def test_another_file_is_refused_with_both_digests(self, weights, content, store, tmp_path):
        (tmp_path / "vgg16.h5").write_bytes(b"<html>not found")
        with pytest.raises(DataError) as caught:
            install(weights, store, tmp_path / "vgg16.h5", silent)
        assert md5(content) in str(caught.value)
        assert md5(b"<html>not found") in str(caught.value)
        with pytest.raises(DataError, match="are not the expected"):
            store.put_file(weights, b"other")

    def test_a_damaged_file_is_noticed(self, weights, content, store):
        path = store.put_file(weights, content).served / "vgg16.h5"
        path.chmod(0o644)
        path.write_bytes(content[:-1] + b"?")
        assert "is damaged" in store.verify(weights)[0]

    def test_the_official_address_is_tried(self, monkeypatch, content, store, weights):
        spec = msgspec.structs.replace(weights, urls=("https://data.example/vgg16.h5",))
        monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(content))
        assert install(spec, store, None, silent).digest == spec.digest

    def test_the_bundled_one_is_kerass_own(self):
        spec = find_dataset(load_catalogue(None), "VGG16")
        assert spec.urls[0].endswith(spec.file.name)
        assert spec.arrays == {}
