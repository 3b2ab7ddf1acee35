"""A content-addressed, read-only store of data sets.

One folder an entry, ``<name>-<first 16 digits of its digest>/``::

    entry.json     name, digest, licence, source; SHA-256 of each array; size and SHA-256 of every other file
    arrays/        x_train.npy y_train.npy x_test.npy y_test.npy
    served/        the same as the files that Keras' loader opens (see grader.datasets.served)

An entry of weights has ``served/`` alone. An entry appears whole (written aside, then renamed) and is never changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from grader.datasets.catalogue import Array, DatasetSpec, sha256_of
from grader.datasets.served import write_served
from grader.errors import DataError
from grader.recorder.rows import row_digests

_ENTRY = "entry.json"


def default_data_dir() -> Path:
    """Where data sets are kept: ``$GRADER_DATA_DIR``, else the platform's folder for a user's application data."""
    if own := os.environ.get("GRADER_DATA_DIR"):
        return Path(own).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "keras-grader"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "keras-grader"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "keras-grader"


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """One entry of the store. :ivar digest: :attr:`DatasetSpec.digest`, 64 hexadecimal digits."""

    name: str
    digest: str
    directory: Path
    _rows: dict[str, npt.NDArray[np.uint64]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def served(self) -> Path:
        """Folder with exactly the files that Keras' loader of this data set opens."""
        return self.directory / "served"

    def array(self, role: str) -> Array:
        """``x_train y_train x_test y_test``, mapped from the disk and read-only; :raises DataError: damaged."""
        path = self.directory / "arrays" / f"{role}.npy"
        try:
            array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} cannot be read: {error}; {_mend(self.name)}") from error
        return array

    def rows(self, split: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Digest of each image of ``train`` or ``test``: uint64 (n,), and its label: int64 (n,)."""
        if split not in self._rows:
            self._rows[split] = row_digests(self.array(f"x_{split}"))
        return self._rows[split], self.array(f"y_{split}").astype(np.int64).reshape(-1)


class DataStore:
    """All data sets of this machine's user.

    :param root: the folder; made, readable by its owner alone, when the first data set is put.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_data_dir()

    def directory_of(self, spec: DatasetSpec) -> Path:
        """Where the entry of ``spec`` is, or would be."""
        return self.root / f"{spec.name}-{spec.digest[:16]}"

    def get(self, spec: DatasetSpec) -> StoredDataset | None:
        """The entry of ``spec`` if it is there with all its files of the right size (a quick look), else ``None``."""
        directory = self.directory_of(spec)
        files = _listed(directory, spec).get("files", {})
        if not files or any(_size(directory / name) != facts["bytes"] for name, facts in files.items()):
            return None
        return StoredDataset(spec.name, spec.digest, directory)

    def verify(self, spec: DatasetSpec) -> list[str]:
        """What is wrong with the entry of ``spec``, every byte read; empty when nothing is."""
        directory = self.directory_of(spec)
        entry = _listed(directory, spec)
        files = entry.get("files", {})
        if not files:
            return [f"{directory} holds no entry of {spec.name}; {_mend(spec.name)}"]
        problems = []
        for name, facts in files.items():
            received = _file_sha256(directory / name)
            if received != facts["sha256"]:
                expected = f"expected SHA-256 {facts['sha256']}, received {received or 'no file'}"
                problems.append(f"{directory / name} is damaged: {expected}; {_mend(spec.name)}")
        if problems:
            return problems
        stored = StoredDataset(spec.name, spec.digest, directory)
        pinned = entry.get("arrays", {})
        wrong = [
            role
            for role, expected in spec.arrays.items()
            if not msgspec.structs.replace(expected, sha256=expected.sha256 or pinned.get(role)).matches(
                stored.array(role)
            )
        ]
        return [f"array {role} of {spec.name} is not the catalogue's; {_mend(spec.name)}" for role in wrong]

    def put(self, spec: DatasetSpec, arrays: Mapping[str, Array]) -> StoredDataset:
        """Keeps ``arrays`` as ``spec``; replaces a damaged entry, leaves a whole one alone.

        :raises DataError: an array is missing or not what the catalogue says, or the disk refuses.
        """
        for role, expected in spec.arrays.items():
            if role not in arrays or not expected.matches(arrays[role]):
                raise DataError(f"array {role} given for {spec.name} is not the expected {expected}")
        return self._put(spec, lambda aside: _write_entry(spec, aside, arrays))

    def put_file(self, spec: DatasetSpec, content: bytes) -> StoredDataset:
        """Keeps ``content`` as the file of ``spec``; :raises DataError: it is another file, or the disk refuses."""
        if spec.file is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != spec.file.md5:
            raise DataError(f"{len(content)} bytes given for {spec.name} are not the expected {spec.file}")
        return self._put(spec, lambda aside: _write_entry(spec, aside, {}, content))

    def _put(self, spec: DatasetSpec, write: Callable[[Path], None]) -> StoredDataset:
        if (stored := self.get(spec)) is not None and not self.verify(spec):
            return stored
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = Path(tempfile.mkdtemp(prefix=f".{spec.name}-", dir=self.root))
        except OSError as error:
            raise DataError(f"{self.root} cannot be written: {error}; set GRADER_DATA_DIR to another folder") from error
        try:
            write(aside)
            return self._publish(spec, aside)
        except OSError as error:
            raise DataError(f"{spec.name} cannot be stored in {self.root}: {error}") from error
        finally:
            _remove(aside)

    def _publish(self, spec: DatasetSpec, aside: Path) -> StoredDataset:
        directory = self.directory_of(spec)
        for _ in range(2):  # a process beside this one may publish the same entry first
            with contextlib.suppress(OSError):
                aside.rename(directory)
                directory.chmod(0o555)
            if (stored := self.get(spec)) is not None and not self.verify(spec):
                return stored
            _remove(directory)
        raise DataError(f"{directory} cannot be replaced; remove it by hand and try again")


def serving_map(store: DataStore, specs: Iterable[DatasetSpec]) -> dict[str, dict[str, Any]]:
    """What a kernel is told: module of ``keras.datasets`` or ``keras.applications`` to digest, folder and file names.

    A data set that is not installed is left out. Of two that answer to one module the later counts.
    """
    served: dict[str, dict[str, Any]] = {}
    for spec in specs:
        if stored := store.get(spec):
            files = sorted(path.name for path in stored.served.iterdir())
            served[spec.module] = {"digest": stored.digest, "directory": str(stored.served), "files": files}
    return served


def _write_entry(spec: DatasetSpec, directory: Path, arrays: Mapping[str, Array], content: bytes = b"") -> None:
    if spec.file:
        (directory / "served").mkdir()
        (directory / "served" / spec.file.name).write_bytes(content)
    else:
        (directory / "arrays").mkdir()
        for role in spec.arrays:
            np.save(directory / "arrays" / f"{role}.npy", np.ascontiguousarray(arrays[role]), allow_pickle=False)
        write_served(spec.module, arrays, directory / "served")
    facts = {
        "name": spec.name,
        "digest": spec.digest,
        "licence": spec.licence,
        "source": spec.source,
        "arrays": {role: sha256_of(arrays[role]) for role in spec.arrays},
        "files": {
            path.relative_to(directory).as_posix(): {"bytes": path.stat().st_size, "sha256": _file_sha256(path)}
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        },
    }
    (directory / _ENTRY).write_text(json.dumps(facts, indent=1), "utf-8")
    for path in directory.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)


def _listed(directory: Path, spec: DatasetSpec) -> dict[str, dict[str, Any]]:
    """What ``entry.json`` says: ``files``, ``arrays`` …; empty when there is no usable entry of ``spec``."""
    try:
        entry = json.loads((directory / _ENTRY).read_text("utf-8"))
        return {**entry, "files": dict(entry["files"])} if entry["digest"] == spec.digest else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _file_sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _mend(name: str) -> str:
    return f"'grader data install {name}' mends it"


def _remove(directory: Path) -> None:
    """Deletes a folder of read-only files, if it is there."""
    if not directory.exists():
        return
    for path in (directory, *directory.rglob("*")):
        with contextlib.suppress(OSError):
            path.chmod(stat.S_IRWXU if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR)
    shutil.rmtree(directory, ignore_errors=True)
