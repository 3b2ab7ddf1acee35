"""Keeps the large arrays of evidence once per content, compressed: initial weights, frozen layers and training rows are
the same in most of a class.

A compacted folder has ``arrays.json`` (which array of which claims file has which content) and ``arrays/``, a file for
each content, which is a hard link to ``blobs/`` of the workspace. So a folder is complete by itself, may be copied or
removed like any other, and a blob with one link is one that nothing refers to. Where there are no hard links the folder
has copies. What the files hold was read from claims with all their checks; its digest is checked again on reading.

Bytes are sorted by their place in a number before they are compressed (the shuffle filter of HDF5 and Blosc): the high
bytes of weights are much alike, which saves twice as much as compressing alone.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from backports import zstd
from msgspec import Struct

from grader.errors import EvidenceError
from grader.evidence.files import is_plain_file, read_bytes
from grader.evidence.npz import BYTES_LIMIT, read_npz

Numbers = npt.NDArray[np.generic]

LIST_FILE = "arrays.json"
FOLDER = "arrays"
LEAST_BYTES = 8 * 2**10
"""A smaller array stays where it is: a file of its own would take more room than it saves."""
KEPT_BYTES = 256 * 2**20
"""Weights of VGG-16 before and after a training are 130 MB, as what stayed frozen counts once."""
_LIST_LIMIT_BYTES = 16 * 2**20
_LEVEL = 1


class Stored(Struct, frozen=True):
    """One array of a claims file. ``digest``: SHA-256 of type, shape and bytes; ``dtype`` as numpy writes it."""

    digest: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Size in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


Listed = Mapping[str, Mapping[str, Stored]]
"""Claims file to name of the array."""


def compact(directory: Path, blobs: Path) -> None:
    """Moves the large arrays of the claims in ``directory`` to ``blobs``; an interrupted one can be run again.

    :raises OSError: the disk is full or a folder cannot be written (a fault of ours).
    """
    listed = {name: dict(arrays) for name, arrays in read_list(directory).items()}
    emptied: list[tuple[Path, dict[str, Numbers]]] = []
    for path in sorted((directory / "claims").glob("*.npz")):
        try:
            arrays = read_npz(path) if is_plain_file(path) else {}
        except EvidenceError:  # it stays what it is: whoever needs it says what is wrong with it
            continue
        large = {name: array for name, array in arrays.items() if array.nbytes >= LEAST_BYTES}
        for name, array in large.items():
            listed.setdefault(path.name, {})[name] = _keep(directory / FOLDER, blobs, array)
        if large:
            emptied.append((path, {name: array for name, array in arrays.items() if name not in large}))
    if not emptied:
        return
    _replace(directory / LIST_FILE, msgspec.json.encode(listed))
    for path, small in emptied:  # from here on the list tells what is missing in them
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
            np.savez(part, **small)  # type: ignore[arg-type]
        Path(part.name).replace(path)


def read_list(directory: Path) -> Listed:
    """What of the claims in ``directory`` lies elsewhere; nothing in a folder that was not compacted.

    :raises EvidenceError: malformed.
    """
    path = directory / LIST_FILE
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(read_bytes(path, _LIST_LIMIT_BYTES), type=dict[str, dict[str, Stored]])
    except msgspec.DecodeError as error:
        raise EvidenceError(
            f"{LIST_FILE} of {directory.name} is malformed: {error}: grade the attempt again"
        ) from error


def stored_arrays(
    directory: Path,
    file: str,
    bytes_limit: int = BYTES_LIMIT,
    n_dims: Collection[int] | None = None,
    kept: dict[str, Numbers] | None = None,
) -> dict[str, Numbers]:
    """The arrays of claims file ``file`` that lie elsewhere, by name.

    :param n_dims: only those with so many dimensions.
    :param kept: arrays read before, by digest: taken from here, and added while they fit (``KEPT_BYTES``), read-only.
    :raises EvidenceError: one is gone, damaged, or all together are too large.
    """
    listed = read_list(directory).get(file, {})
    wanted = {name: stored for name, stored in listed.items() if n_dims is None or len(stored.shape) in n_dims}
    total = sum(stored.n_bytes for stored in wanted.values())
    if total > bytes_limit:
        raise EvidenceError(f"{file} holds arrays of {total} bytes, more than is read")
    return {name: _read_once(directory / FOLDER, stored, kept) for name, stored in wanted.items()}


def missing_arrays(directory: Path) -> list[str]:
    """Claims files that lack an array of theirs. :raises EvidenceError: the list is malformed."""
    folder = directory / FOLDER
    return [
        file
        for file, arrays in read_list(directory).items()
        if not all((folder / f"{stored.digest}.zst").is_file() for stored in arrays.values())
    ]


def unused_blobs(blobs: Path) -> list[Path]:
    """Blobs that no evidence folder has: only the name here leads to them."""
    return [path for path in blobs.glob("*/*") if path.is_file() and path.stat().st_nlink == 1]


def _keep(folder: Path, blobs: Path, array: Numbers) -> Stored:
    """Puts ``array`` into ``folder``: a link to the blob that is there already, or to a new one."""
    stored = Stored(_digest(array), array.dtype.str, array.shape)
    name = f"{stored.digest}.zst"
    own, blob = folder / name, blobs / name[:2] / name
    if own.is_file():
        return stored
    for parent in (folder, blobs, blob.parent):
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError, EvidenceError):
        _read(blob, stored)
        os.link(blob, own)
        return stored
    # None yet, a damaged one, taken away at this very moment, or one with as many links as there may be.
    _replace(own, zstd.compress(_shuffled(array), _LEVEL))
    with suppress(OSError):
        part = blob.with_name(f".{name}.{os.getpid()}")
        part.unlink(missing_ok=True)
        os.link(own, part)
        part.replace(blob)
    return stored


def _digest(array: Numbers) -> str:
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _shuffled(array: Numbers) -> bytes:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return np.ascontiguousarray(flat.reshape(-1, array.dtype.itemsize).T).tobytes()


def _read(path: Path, stored: Stored) -> Numbers:
    what = f"array {stored.digest[:12]}"
    packed = read_bytes(path, BYTES_LIMIT)
    try:
        data = zstd.ZstdDecompressor().decompress(packed, stored.n_bytes + 1)
    except zstd.ZstdError as error:
        raise EvidenceError(f"{what} is damaged: {error}: grade the attempt again") from error
    dtype = np.dtype(stored.dtype)
    if len(data) != stored.n_bytes or dtype.hasobject:
        raise EvidenceError(f"{what} is damaged: {len(data)} bytes, expected {stored.n_bytes}: grade the attempt again")
    planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1)
    array = np.ascontiguousarray(planes.T).reshape(-1).view(dtype).reshape(stored.shape)
    if _digest(array) != stored.digest:
        raise EvidenceError(f"{what} is damaged: its digest is another: grade the attempt again")
    return array


def _read_once(folder: Path, stored: Stored, kept: dict[str, Numbers] | None) -> Numbers:
    if kept is not None and stored.digest in kept:
        return kept[stored.digest]
    array = _read(folder / f"{stored.digest}.zst", stored)
    if kept is not None and sum(one.nbytes for one in kept.values()) + array.nbytes <= KEPT_BYTES:
        array.flags.writeable = False
        kept[stored.digest] = array
    return array


def _replace(path: Path, data: bytes) -> None:
    """Writes ``path`` in one step, for its owner only."""
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
