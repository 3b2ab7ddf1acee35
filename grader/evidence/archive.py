"""An evidence folder as one piece of bytes, for the way from another machine; what comes in is checked like a claim.

A zip archive of plain files with the names and endings that evidence has. Nothing in it is ever a link, a path that
leaves the folder, or larger than it says.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import zipfile
from pathlib import Path

from grader.errors import EvidenceError
from grader.evidence.files import is_plain_file
from grader.evidence.zips import open_zip

PACKED_LIMIT_BYTES = 768 * 2**20
UNPACKED_LIMIT_BYTES = 2 * 2**30
MEMBERS_LIMIT = 8_192
_DEPTH_LIMIT = 4
_PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}")
_DENSE = (".npz", ".npy")  # compressed already, or numbers that hardly get smaller
_ENDINGS = (".json", ".jsonl", ".ipynb", *_DENSE)


def _is_expected(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= _DEPTH_LIMIT and all(map(_PART.fullmatch, parts)) and parts[-1].endswith(_ENDINGS)


def pack(directory: Path) -> bytes:
    """The folder's files; others than evidence consists of are left out, as nothing reads them.

    :raises EvidenceError: they are too large for one piece.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory).as_posix()
            if not _is_expected(name) or not is_plain_file(path):
                continue
            how = zipfile.ZIP_STORED if name.endswith(_DENSE) else zipfile.ZIP_DEFLATED
            archive.write(path, name, how, compresslevel=1)
            if buffer.tell() > PACKED_LIMIT_BYTES:
                raise EvidenceError(f"the evidence has more than {PACKED_LIMIT_BYTES} bytes")
    return buffer.getvalue()


def unpack(data: bytes, directory: Path) -> None:
    """Writes the files into ``directory``, which must not be there yet.

    :raises EvidenceError: too large, malformed, or with anything else than evidence in it; ``directory`` is gone then.
    """
    if len(data) > PACKED_LIMIT_BYTES:
        raise EvidenceError(f"the archive has {len(data)} bytes, at most {PACKED_LIMIT_BYTES} are read")
    directory.mkdir(parents=True, mode=0o700)
    try:
        with open_zip(io.BytesIO(data), MEMBERS_LIMIT) as archive:
            for info in _checked(archive.infolist()):
                _write(archive, info, directory)
    except EvidenceError:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    except Exception as error:  # zipfile and its decompressors have a dozen ways to fail on crafted bytes
        shutil.rmtree(directory, ignore_errors=True)
        raise EvidenceError(f"the archive cannot be read: {error}") from error


def _checked(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    names = [info.filename for info in members]
    odd = [info for info in members if not _is_expected(info.filename) or not _is_plain(info)]
    if odd or len(set(names)) < len(names):
        first = odd[0].filename if odd else "a name that is there twice"
        raise EvidenceError(f"the archive holds {first[:80]!r}, which is no evidence")
    total = sum(info.file_size for info in members)
    if total > UNPACKED_LIMIT_BYTES:
        raise EvidenceError(f"the archive holds {total} bytes, at most {UNPACKED_LIMIT_BYTES} are read")
    return members


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """No link, no folder, no device; not encrypted; stored or deflated."""
    mode = info.external_attr >> 16
    known = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return known and not info.flag_bits & 1 and (stat.S_IFMT(mode) in (0, stat.S_IFREG))


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, directory: Path) -> None:
    path = directory / info.filename
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with archive.open(info) as member, os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        left = info.file_size
        while piece := member.read(min(left + 1, 2**20)):
            left -= len(piece)
            if left < 0:
                raise EvidenceError(f"{info.filename} is larger than its archive says")
            file.write(piece)


def put_in_place(finished: Path, directory: Path) -> None:
    """Makes ``finished`` the folder ``directory``; a reader sees the old one or the new one."""
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    finished.rename(directory)
    shutil.rmtree(old, ignore_errors=True)
