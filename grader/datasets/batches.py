"""The form that CIFAR-10 is published in: pickled batches, as they lie in an archive or unpacked from it.

A batch is a dictionary: ``data`` uint8, (n, 3072), one row an image, its red, green and blue plane one after another,
each row by row; ``labels`` a list of n integers. Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Dataset layout".
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from grader.datasets.catalogue import Array, DatasetSpec
from grader.datasets.restricted_unpickle import unpickle_batch
from grader.errors import DataError

SIDE_PX, CHANNELS = 32, 3
_BATCH_LIMIT_BYTES = 64 * 2**20
_HEADER_BYTES, _MAGIC_AT = 512, 257


def is_tar_gz(content: bytes) -> bool:
    """Whether ``content`` is a gzipped tar archive (POSIX.1-1988: ``ustar`` stands at byte 257 of its first header)."""
    if not content.startswith(b"\x1f\x8b"):
        return False
    try:
        head = zlib.decompressobj(wbits=31).decompress(content, _HEADER_BYTES)
    except zlib.error:
        return False
    return head[_MAGIC_AT : _MAGIC_AT + 5] == b"ustar"


def batch_arrays(files: Mapping[str, bytes], spec: DatasetSpec) -> dict[str, Array]:
    """The four arrays that the batches among ``files`` make: images uint8, (n, 32, 32, 3); labels uint8, (n, 1).

    Empty where there is no batch. Only an archive, or batches, with a digest of the catalogue's are opened.

    :raises DataError: another archive or batch, one is missing, or they do not hold what they should.
    """
    if spec.batches is None:
        return {}
    payloads: dict[str, bytes] = {}
    for name, content in files.items():
        if is_tar_gz(content) or hashlib.sha256(content).hexdigest() == spec.batches.archive_sha256:
            payloads |= _unpacked(name, content, spec)
        elif (base := PurePosixPath(name).name) in spec.batches.md5:
            payloads[base] = _matching(base, content, spec.batches.md5[base])
    if not payloads:
        return {}
    if missing := [name for name in spec.batches.md5 if name not in payloads]:
        raise DataError(f"of the batches of {spec.name} these are missing: {', '.join(missing)}")
    parts = {name: _batch(name, payloads[name]) for name in spec.batches.md5}
    arrays = {}
    for split in ("train", "test"):
        chosen = [part for name, part in parts.items() if name.startswith("test") == (split == "test")]
        arrays[f"x_{split}"] = np.concatenate([images for images, _ in chosen])
        arrays[f"y_{split}"] = np.concatenate([labels for _, labels in chosen])
    return arrays


def _unpacked(name: str, content: bytes, spec: DatasetSpec) -> dict[str, bytes]:
    """The batches in an archive whose own digest is the catalogue's."""
    assert spec.batches is not None  # noqa: S101
    received = hashlib.sha256(content).hexdigest()
    if received != spec.batches.archive_sha256:
        raise DataError(
            f"{name} is not the archive of {spec.name}: expected SHA-256 {spec.batches.archive_sha256}, "
            f"received {received} ({len(content)} bytes)"
        )
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                base = PurePosixPath(member.name).name
                file = archive.extractfile(member) if member.isfile() and base in spec.batches.md5 else None
                if file is not None:
                    found[base] = file.read(_BATCH_LIMIT_BYTES)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is a damaged archive ({len(content)} bytes): {error}") from error
    return found


def _matching(name: str, content: bytes, expected: str) -> bytes:
    received = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if received != expected:
        raise DataError(f"{name} is not the published batch: expected MD5 {expected}, received {received}")
    return content


def _batch(name: str, content: bytes) -> tuple[Array, Array]:
    """Images, uint8 (n, 32, 32, 3), and labels, uint8 (n, 1), of one batch."""
    batch: Any = unpickle_batch(content)
    try:
        data, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise DataError(f"{name} holds no data and labels: {error}") from error
    shape = (len(labels) if labels.ndim == 1 else -1, CHANNELS * SIDE_PX**2)
    if data.dtype != np.uint8 or data.shape != shape or labels.dtype.kind not in "iu":
        raise DataError(f"{name} holds {data.dtype} {data.shape} and {labels.shape} labels, expected uint8 (n, 3072)")
    images = data.reshape(-1, CHANNELS, SIDE_PX, SIDE_PX).transpose(0, 2, 3, 1)
    return images, labels.astype(np.uint8).reshape(-1, 1)
