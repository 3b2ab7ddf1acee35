"""Shows a file, a folder or a zip archive as one kind of tree; nothing is ever unpacked to the disk.

Archives are not trusted: member names are only names (no path is built from them), sizes are counted while reading,
and a member that cannot be read is a member with a reason.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from grader.evidence.zips import TooManyMembersError, open_zip
from grader.intake.decode import NOTEBOOK_LIMIT_BYTES, Unreadable, too_large
from grader.model import Text

ARCHIVE_LIMIT_BYTES = 4 * 2**30
ARCHIVE_LIMIT_MEMBERS = 50_000
NESTED_ARCHIVES = 1
NAME_LIMIT_CHARACTERS = 255
FOLDER_DEPTH_LIMIT = 24

_SKIPPED = re.compile(r"\..*|__MACOSX|~\$.*|__pycache__|Thumbs\.db|desktop\.ini|venv|node_modules", re.IGNORECASE)
_UTC_TIME, _UNICODE_PATH = 0x5455, 0x7075


@dataclass(frozen=True, slots=True)
class File:
    """One file. :ivar read: its content; raises :class:`Unreadable`. :ivar modified: ISO 8601 in UTC, or ``None``.

    :ivar archives: how many archives it lies in. :ivar path: where it lies on the disk, for a file that does.
    """

    name: str
    source: str
    read: Callable[[], bytes]
    modified: str | None = None
    archives: int = 0
    path: Path | None = None


@dataclass(slots=True)
class Folder:
    """One folder, or one archive. :ivar skipped: sources of what is never looked at (hidden and system files)."""

    name: str
    source: str
    files: list[File] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    by_name: dict[str, Folder] = field(default_factory=dict, repr=False)

    def all_files(self) -> Iterator[File]:
        """Every file below this folder."""
        yield from self.files
        for folder in self.folders:
            yield from folder.all_files()

    def all_skipped(self) -> list[str]:
        """Sources of everything below that is never looked at."""
        return self.skipped + [source for folder in self.folders for source in folder.all_skipped()]


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sorts ``s2`` before ``s10``."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    pieces = (piece for piece in re.split(r"([0-9]{1,18})", folded) if piece)
    return tuple((0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in pieces), name


def disk_file(path: Path, source: str) -> File:
    """A file on the disk."""

    def read() -> bytes:
        try:
            size = path.stat().st_size
            if size > NOTEBOOK_LIMIT_BYTES:
                raise too_large(size)
            return path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unreadable(Text("The file could not be opened: {reason}.", {"reason": reason})) from error

    try:
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except (OSError, OverflowError, ValueError):
        modified = None
    return File(path.name, source, read, modified, path=path)


def disk_folder(path: Path, source: str, depth: int = 0) -> Folder:
    """A folder on the disk with all that is below it; links inside it are not followed."""
    folder = Folder(path.name, source)
    try:
        entries = sorted(os.scandir(path), key=lambda entry: natural_key(entry.name))
    except OSError:
        folder.skipped.append(source)
        return folder
    for entry in entries:
        below = f"{source}/{entry.name}"
        if _SKIPPED.fullmatch(entry.name) or entry.is_symlink() or depth > FOLDER_DEPTH_LIMIT:
            folder.skipped.append(below)
        elif entry.is_dir(follow_symlinks=False):
            folder.folders.append(disk_folder(Path(entry.path), below, depth + 1))
        elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            folder.files.append(disk_file(Path(entry.path), below))
        else:
            folder.skipped.append(below)
    return folder


def opened_archive(file: File, stack: ExitStack, limit_bytes: int = ARCHIVE_LIMIT_BYTES) -> Folder:
    """The archive ``file`` as a folder.

    :param stack: keeps the archive open while its members are read.
    :param limit_bytes: of all members together, unpacked.
    :raises Unreadable: damaged, too many members, or more deeply nested than is looked at.
    """
    if file.archives > NESTED_ARCHIVES:
        raise Unreadable(
            Text("An archive inside an archive inside an archive is not opened. Please hand in the .ipynb file.")
        )
    try:
        stream = stack.enter_context(file.path.open("rb") if file.path else io.BytesIO(file.read()))
        archive = stack.enter_context(open_zip(stream, ARCHIVE_LIMIT_MEMBERS))
    except Unreadable:
        raise
    except TooManyMembersError as error:
        raise Unreadable(Text("The archive has too many entries to be read.")) from error
    except Exception as error:  # any bytes can be called .zip, and the module has a dozen ways to say so
        raise Unreadable(
            Text("The archive is damaged or cut off and cannot be opened. Please hand it in again.")
        ) from error
    root = Folder(Path(file.name).stem, file.source)
    left = [limit_bytes]
    for info in archive.infolist():
        _add_member(root, archive, info, file.archives + 1, left)
    _sort(root)
    return root


def _add_member(root: Folder, archive: zipfile.ZipFile, info: zipfile.ZipInfo, archives: int, left: list[int]) -> None:
    full = member_name(info)
    parts = [_short(part) for part in full.split("/") if part not in ("", ".", "..")]
    source = f"{root.source}!{'/'.join(parts)}"
    if not parts:
        return
    if len(parts) > FOLDER_DEPTH_LIMIT or any(_SKIPPED.fullmatch(part) for part in parts):
        if not info.is_dir():
            root.skipped.append(source)
        return
    folder = root
    for part in parts if info.is_dir() else parts[:-1]:
        folder = _subfolder(folder, part, "/" if folder is not root else "!")
    if not info.is_dir():
        folder.files.append(
            File(parts[-1], source, lambda: _read_member(archive, info, left), _time_of(info), archives)
        )


def _short(name: str) -> str:
    """No file system has longer names; its suffix stays."""
    return name if len(name) <= NAME_LIMIT_CHARACTERS else f"{name[:200]}…{name[-50:]}"


def _subfolder(folder: Folder, name: str, joint: str) -> Folder:
    if name not in folder.by_name:
        folder.by_name[name] = Folder(name, f"{folder.source}{joint}{name}")
        folder.folders.append(folder.by_name[name])
    return folder.by_name[name]


def _sort(folder: Folder) -> None:
    folder.files.sort(key=lambda file: natural_key(file.name))
    folder.folders.sort(key=lambda below: natural_key(below.name))
    for below in folder.folders:
        _sort(below)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: list[int]) -> bytes:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise Unreadable(
            Text("This is only a link to a file, without the file itself. Please hand in the .ipynb file.")
        )
    if info.flag_bits & 1:
        raise Unreadable(Text("The archive is protected with a password. Please hand it in without one."))
    limit = min(NOTEBOOK_LIMIT_BYTES, left[0])
    try:
        with archive.open(info) as member:
            content = member.read(limit + 1)
    except Exception as error:  # damaged members fail in a dozen ways (checksum, zlib, lzma, end of file, method)
        raise Unreadable(
            Text("This file is damaged inside the archive and cannot be read. Please hand it in again.")
        ) from error
    left[0] -= min(len(content), limit)
    if len(content) > limit:
        raise too_large(max(len(content), info.file_size))
    return content


def member_name(info: zipfile.ZipInfo) -> str:
    """Name of a member as its author saw it: flagged UTF-8, Info-ZIP's Unicode field, UTF-8 unflagged, or Shift_JIS."""
    name = info.filename
    if not info.flag_bits & 0x800:
        field_ = _extra(info, _UNICODE_PATH)
        raw = info.orig_filename.encode("cp437", errors="ignore")
        for text, encoding in ((field_[5:], "utf-8"), (raw, "utf-8"), (raw, "cp932")):
            try:
                decoded = text.decode(encoding)
            except UnicodeDecodeError:
                continue
            if decoded:
                name = decoded.split("\0")[0]
                break
    return name if "/" in name else name.replace("\\", "/")


def _time_of(info: zipfile.ZipInfo) -> str | None:
    """When the member was last changed. Archives say it in UTC only in an extra field; otherwise in local time."""
    utc = _extra(info, _UTC_TIME)
    try:
        if len(utc) >= 5 and utc[0] & 1:
            seconds = struct.unpack("<i", utc[1:5])[0]
            return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
        if info.date_time[0] > 1980:
            local = datetime(*info.date_time)
            return local.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _extra(info: zipfile.ZipInfo, wanted: int) -> bytes:
    """The data of one extra field of a member (APPNOTE 4.5: id and size as little-endian uint16, then the data)."""
    rest = info.extra
    while len(rest) >= 4:
        kind, size = struct.unpack("<HH", rest[:4])
        if kind == wanted:
            return rest[4 : 4 + size]
        rest = rest[4 + size :]
    return b""


def listing(folder: Folder) -> Text:
    """Why a folder or archive without a notebook is no hand-in."""
    names = [file.source.removeprefix(folder.source).lstrip("/!") for file in folder.all_files()]
    if names:
        only = {"names": shortened(names)}
        return Text("There is no notebook in it, only: {names}. Please hand in the .ipynb file.", only)
    return Text("It is empty: there is no file in it. Please hand in the .ipynb file.")


def shortened(names: list[str]) -> str:
    """The first few names, for a sentence."""
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
