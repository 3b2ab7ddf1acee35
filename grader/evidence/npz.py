"""Reads ``.npz`` files written by a process that is not trusted."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grader.errors import EvidenceError
from grader.evidence.zips import open_zip

MEMBERS_LIMIT = 4_096
BYTES_LIMIT = 1024 * 2**20
_KINDS = frozenset("biufc")


def read_npz(path: Path, bytes_limit: int = BYTES_LIMIT) -> dict[str, npt.NDArray[np.generic]]:
    """Numeric arrays by name; sizes are checked against the archive's directory before anything is unpacked.

    :raises EvidenceError: not an npz, too large, or an array of objects or text.
    """
    try:
        with path.open("rb") as stream, open_zip(stream, MEMBERS_LIMIT) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if total > bytes_limit:
                raise EvidenceError(f"{path.name} holds {len(infos)} arrays of {total} bytes, more than is read")
            return {info.filename.removesuffix(".npy"): _read_member(archive, info, path.name) for info in infos}
    except EvidenceError:
        raise
    except Exception as error:  # zipfile, its decompressors and numpy have a dozen ways to fail on crafted bytes
        raise EvidenceError(f"{path.name} cannot be read as numpy arrays: {error}") from error


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str) -> npt.NDArray[np.generic]:
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) > info.file_size:
        raise EvidenceError(f"{file}: {info.filename} is larger than its archive says")
    return parse_npy(data, f"{file}: {info.filename}")


def parse_npy(data: bytes, what: str) -> npt.NDArray[np.generic]:
    """The array in the bytes of an ``.npy`` file.

    Numpy takes the memory that a header asks for before it looks whether the data is there; this does not.

    :raises EvidenceError: no array of numbers, or of another size. What numpy raises on a malformed header passes.
    """
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(stream)
    if dtype.kind not in _KINDS:
        raise EvidenceError(f"{what} is no array of numbers")
    wanted, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if wanted != there or any(n < 0 for n in shape):
        raise EvidenceError(f"{what} says it has {wanted} bytes, it has {there}")
    flat = np.frombuffer(data, dtype, offset=stream.tell()).copy()
    return flat.reshape(shape[::-1]).T if columns_first else flat.reshape(shape)
