"""Takes claims out of the scratch folder: plain files with expected names, up to a size."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from grader.errors import EvidenceError
from grader.evidence import events as ev
from grader.evidence.accepted import ACCEPTED
from grader.evidence.files import read_events
from grader.execution.watch import FILES_LIMIT
from grader.model import Text

_KEY = re.compile(r"^(?:data-)?[0-9a-f]{32,40}$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,80}$")


def collect_claims(source: Path, target: Path, limit_bytes: int, limit_files: int = 2 * FILES_LIMIT) -> list[Text]:
    """Copies claims into the evidence folder; what was left out is said in the notes.

    :param limit_bytes: of all files together. As weights that are missing count as a fault of the grader's, it has to
        be more than a notebook can write before it is ended; should it be reached after all, small files go first,
        and of equal ones the newest.
    """
    target.mkdir(parents=True, exist_ok=True)
    total, count, refused = 0, 0, []
    if source.is_symlink() or not source.is_dir():  # the notebook took the folder away
        return []
    found = [(entry, entry.stat(follow_symlinks=False)) for entry in os.scandir(source)]
    for entry, info in sorted(found, key=lambda f: (f[1].st_size, -f[1].st_mtime_ns, f[0].name)):
        fits = stat.S_ISREG(info.st_mode) and _NAME.match(entry.name) and info.st_nlink == 1
        if not fits or count >= limit_files or total + info.st_size > limit_bytes:
            refused.append(os.fsencode(entry.name[:80]).decode("utf-8", "backslashreplace"))
            continue
        total += info.st_size
        count += 1
        _copy(Path(entry.path), target / entry.name)
    if not refused:
        return []
    return [
        Text(
            "{count} files in the evidence folder were left out (not plain files, or too large): {names}",
            {"count": len(refused), "names": ", ".join(sorted(refused)[:5])},
        )
    ]


def collect_replays(source: Path, target: Path) -> None:
    """Takes over what a notebook of the grader's own has recorded: whole entries, each once; never of a student's."""
    for folder in sorted(source.iterdir()) if source.is_dir() and not source.is_symlink() else ():
        if not _KEY.match(folder.name) or not _is_whole(folder) or _is_whole(target / folder.name):
            continue
        shutil.rmtree(target / folder.name, ignore_errors=True)  # what another has broken off
        part = target / f".{folder.name}.{os.getpid()}"
        part.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir()):
            if _NAME.match(file.name) and file.is_file() and not file.is_symlink():
                _copy(file, part / file.name)
        try:
            part.rename(target / folder.name)
        except OSError:  # another grader was faster
            shutil.rmtree(part, ignore_errors=True)


def _is_whole(entry: Path) -> bool:
    """Whether it says what it holds, which is written last."""
    try:
        return isinstance(json.loads((entry / "entry.json").read_bytes()), dict)
    except (OSError, ValueError):
        return False


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)


@dataclass(frozen=True)
class ClaimedFacts:
    """What the harness itself takes from the claims: numbers of trainings, versions, notes for the report.

    :ivar fits: trainings that were made; :ivar replayed: trainings that were answered from the replay store.
    """

    fits: int
    replayed: int
    versions: dict[str, str]
    notes: list[Text]


_NOTES = {
    **ACCEPTED,
    "colab": Text("The notebook uses google.colab; it was replaced by a stand-in that does nothing."),
    "shell": Text("Commands that install or download something were not run: there is no network while grading."),
    "recorder-fault": Text("The recording has a gap (a fault of the grader's); staff should look at this attempt."),
}


def claimed_facts(events: Path) -> ClaimedFacts:
    """Number of trainings, library versions and notes, as the events claim; malformed ones are skipped."""
    fits, replayed, versions, kinds = 0, 0, {}, []
    try:
        found, _ = read_events(events)
    except EvidenceError:
        found = []
    for event in found:
        fits += isinstance(event, ev.FitStartEvent)
        replayed += isinstance(event, ev.FitEndEvent) and event.replayed
        if isinstance(event, ev.NoteEvent) and event.kind in _NOTES and event.kind not in kinds:
            kinds.append(event.kind)
        if isinstance(event, ev.SessionEvent):
            versions = {name[:50]: version[:50] for name, version in event.versions.items()}
    return ClaimedFacts(max(0, fits - replayed), replayed, versions, [_NOTES[kind] for kind in kinds])
