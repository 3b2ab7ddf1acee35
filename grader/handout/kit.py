"""The kit: one small zip from which students check their own work, on any system.

Members: ``kit.json`` (what this is, and the SHA-256 of each other member), ``assignment.toml``, ``rubric.toml``,
``thresholds.json``, ``given.json`` where the rubric has one, ``test_public*.py`` and ``helpers_public*.py``. The same
course gives the same bytes: names are sorted and times fixed. Unpacked, a kit is a small course that
:class:`grader.rubric.Course` loads.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

import grader
from grader.errors import KitError, LeakError
from grader.handout.public import CHECK_FILE, public_files
from grader.rubric import Course
from grader.rubric.records import Ident

SCHEMA = 1
BYTES_LIMIT = 2 * 2**20
MEMBERS_LIMIT = 64
MANIFEST = "kit.json"
_NEEDED = frozenset({"assignment.toml", "rubric.toml", "thresholds.json"})
_DATA_FILES = _NEEDED | {MANIFEST, "given.json"}
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


class _Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """``kit.json``; ``members`` maps each other member's name to the SHA-256 of its bytes."""

    schema: int
    assignment: Ident
    version: str
    languages: tuple[str, ...]
    grader_version: str
    members: dict[str, Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]]


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit that was read and is whole. ``files``: member name to bytes, ``kit.json`` left out."""

    assignment: str
    version: str
    languages: tuple[str, ...]
    grader_version: str
    files: Mapping[str, bytes] = field(repr=False)

    def unpack(self, directory: Path) -> Path:
        """Writes a small course into ``directory`` and returns it; ``Course(directory)`` loads it."""
        for name, data in self.files.items():
            room = "assignments" if name == "assignment.toml" else "rubrics"
            path = directory / room / self.assignment / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return directory


def build_kit(course: Course, assignment_id: str) -> bytes:
    """The kit of one assignment.

    :raises LeakError: it would hold something that is not public.
    :raises CourseError: the course's files are wrong, or a public threshold has no calibration.
    """
    assignment = course.assignment(assignment_id)
    files = public_files(course, assignment_id)
    manifest = _Manifest(
        schema=SCHEMA,
        assignment=assignment.id,
        version=assignment.version,
        languages=assignment.languages,
        grader_version=grader.__version__,
        members={name: _sha256(files[name]) for name in sorted(files)},
    )
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(info, files[name])
    if (size := sum(map(len, files.values()))) > BYTES_LIMIT or len(files) > MEMBERS_LIMIT:
        raise LeakError(
            f"the kit would hold {len(files)} files of {size} bytes, at most {MEMBERS_LIMIT} of {BYTES_LIMIT} are "
            "meant for one: is there data in a public check?"
        )
    return buffer.getvalue()


def read_kit(path: Path) -> Kit:
    """The kit in file ``path``, checked name by name and digest by digest. Nothing of it is executed.

    :raises KitError: it is no kit, is damaged, or holds anything that a kit does not.
    """
    files = _members(path)
    try:
        manifest = msgspec.json.decode(files.pop(MANIFEST), type=_Manifest)
    except KeyError:
        raise KitError(f"{path.name} has no {MANIFEST}: expected a .kit file as 'grader handout' writes it") from None
    except msgspec.DecodeError as error:
        raise KitError(f"{path.name}: {MANIFEST} is malformed ({error}); get the kit again") from error
    if manifest.schema != SCHEMA:
        raise KitError(
            f"{path.name} has format {manifest.schema}, this grader ({grader.__version__}) reads {SCHEMA}; "
            f"the kit was made with grader {manifest.grader_version}: use that version"
        )
    found = {name: _sha256(data) for name, data in files.items()}
    if found != manifest.members:
        wrong = sorted(name for name, _ in found.items() ^ manifest.members.items())
        raise KitError(f"{path.name} is damaged or was changed ({', '.join(dict.fromkeys(wrong))}); get the kit again")
    if missing := sorted(_NEEDED - files.keys()):
        raise KitError(f"{path.name} lacks {', '.join(missing)}; get the kit again")
    return Kit(manifest.assignment, manifest.version, manifest.languages, manifest.grader_version, files)


def _members(path: Path) -> dict[str, bytes]:
    try:
        if path.stat().st_size > BYTES_LIMIT:
            raise KitError(f"{path.name} has {path.stat().st_size} bytes, a kit has at most {BYTES_LIMIT}")
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_directory(path.name, infos)
            return {info.filename: _read(archive, info) for info in infos}
    except OSError as error:
        raise KitError(f"the kit {path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError) as error:
        raise KitError(f"{path.name} is no kit, or is damaged ({error}); get the kit again") from error


def _check_directory(file: str, infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    strange = [n for n in names if n not in _DATA_FILES and not CHECK_FILE.fullmatch(n)]
    if strange:
        raise KitError(f"{file} holds {strange[0]!r}, which no kit holds; get the kit again")
    if len(set(names)) != len(names):
        raise KitError(f"{file} holds a name twice; get the kit again")
    size = sum(info.file_size for info in infos)
    if size > BYTES_LIMIT or len(names) > MEMBERS_LIMIT:
        raise KitError(f"{file} would unpack to {len(names)} files of {size} bytes, a kit has at most {BYTES_LIMIT}")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """At most as many bytes as the archive's directory says: the sum of these was checked."""
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename} is not as long as the archive says")
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
