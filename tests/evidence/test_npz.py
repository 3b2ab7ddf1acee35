import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.errors import EvidenceError
from grader.evidence.npz import read_npz


def npz(path, compress=False, **arrays):
    (np.savez_compressed if compress else np.savez)(path, **arrays)
    return path


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **kwargs)
    return buffer.getvalue()


def header(shape, dtype="'<f4'", version=b"\x01\x00"):
    """An npy file of this header and no data."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


def zipped(path, data, name="w0000.npy", method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, data)
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_numeric_arrays_come_back_to_the_bit(tmp_path, compress):
    arrays = {
        "w": np.array([[1.5, -0.0], [np.nan, np.inf]], np.float32),
        "n": np.arange(5, dtype=np.uint64),
        "f": np.asfortranarray(np.ones((2, 3))),
        "e": np.zeros((0, 4)),
        "s": np.array(3),
    }
    read = read_npz(npz(tmp_path / "a.npz", compress, **arrays))
    assert read.keys() == arrays.keys()
    assert all(read[k].tobytes() == arrays[k].tobytes() and read[k].shape == arrays[k].shape for k in arrays)


class Exploit:
    """Would write a file, if anybody unpickled it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_an_array_of_objects_is_refused_and_never_unpickled(tmp_path):
    victim = tmp_path / "victim"
    array = np.empty(1, dtype=object)
    array[0] = Exploit(victim)
    np.savez(tmp_path / "a.npz", w0000=array, allow_pickle=True)
    with pytest.raises(EvidenceError):
        read_npz(tmp_path / "a.npz")
    assert not victim.exists()


def test_a_pickle_in_the_place_of_an_array_is_refused(tmp_path):
    victim = tmp_path / "victim"
    with pytest.raises(EvidenceError):
        read_npz(zipped(tmp_path / "a.npz", pickle.dumps(Exploit(victim))))
    assert not victim.exists()


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([(1, 2)], "i4,i4"), np.array(["2026-01-01"], "M8[D]")])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    with pytest.raises(EvidenceError, match="no array of numbers"):
        read_npz(npz(tmp_path / "a.npz", w=array))


def test_an_archive_that_would_unpack_to_too_much_is_refused_by_what_it_declares(tmp_path):
    path = npz(tmp_path / "a.npz", compress=True, w=np.zeros(1_000_000))
    assert path.stat().st_size < 20_000
    with pytest.raises(EvidenceError, match="more than is read"):
        read_npz(path, bytes_limit=1_000_000)


def test_an_archive_that_declares_less_than_it_holds_is_refused(tmp_path):
    path = npz(tmp_path / "a.npz", compress=True, w=np.zeros(10_000))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(signature) + offset
        data[at : at + 4] = struct.pack("<I", 200)
    path.write_bytes(data)
    with pytest.raises(EvidenceError):
        read_npz(path)


def test_an_archive_of_very_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("grader.evidence.npz.MEMBERS_LIMIT", 3)
    with pytest.raises(EvidenceError, match="4 members"):
        read_npz(npz(tmp_path / "a.npz", a=np.ones(1), b=np.ones(1), c=np.ones(1), d=np.ones(1)))


@pytest.mark.parametrize(
    "data",
    [
        header("(10**15,)"),
        header("(1000000000000000,)"),
        header("(-1,)"),
        header("(2, -2)"),
        header("(99999999999999999999999999,)"),
        header("(4000000000, 4000000000)"),
        header("(1000000000000,)", "'<i1'"),
        header("(0, 99999999999999999999)"),
        header("(" * 60 + ")" * 60),
        header("(3,)", "[('a', 'O')]"),
        header("(3,)", "'|O'"),
        header("(3,)", "'<f4' * 9"),
        header("(3,)", "'V0'"),
        header("(1000000000000,)", "'V0'"),
        header("(3,)", "'<U0'"),
        header("'x'"),
        header("(1,)", version=b"\x09\x00"),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
        b"\x93NUMPY",
        b"",
        npy(np.zeros(100))[:-8],
    ],
    ids=map(str, range(21)),
)
def test_a_header_that_lies_is_refused_without_taking_the_memory(tmp_path, data):
    with pytest.raises(EvidenceError):
        read_npz(zipped(tmp_path / "a.npz", data))


@pytest.mark.parametrize("data", [b"", b"no zip at all" * 100])
def test_what_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(EvidenceError):
        read_npz(tmp_path / "a.npz")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EvidenceError):
        read_npz(tmp_path / "a.npz")


@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    kind=st.integers(0, 3),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_archive_gives_numbers_or_an_evidence_error(tmp_path, changes, kind):
    path = tmp_path / "damaged.npz"
    if kind < 2:
        npz(path, bool(kind), w0000=np.arange(40, dtype=np.float32), w0001=np.ones((3, 3)))
    else:
        zipped(path, npy(np.arange(40)), method=(zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[kind - 2])
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(data)
    try:
        arrays = read_npz(path)
    except EvidenceError:
        return
    assert all(a.dtype.kind in "biufc" for a in arrays.values())
