"""Takes claims out of the scratch folder: plain files with expected names, up to a size."""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grader.model import Text

CLAIMS_LIMIT_BYTES = 1024 * 2**20
FILES_LIMIT = 2_000
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,80}$")


def collect_claims(source: Path, target: Path) -> list[Text]:
    """Copies claims into the evidence folder; what was left out is said in the notes."""
    target.mkdir(parents=True, exist_ok=True)
    total, count, refused = 0, 0, []
    for entry in sorted(os.scandir(source), key=lambda e: e.name):
        info = entry.stat(follow_symlinks=False)
        fits = stat.S_ISREG(info.st_mode) and _NAME.match(entry.name) and info.st_nlink == 1
        if not fits or count >= FILES_LIMIT or total + info.st_size > CLAIMS_LIMIT_BYTES:
            refused.append(entry.name[:80])
            continue
        total += info.st_size
        count += 1
        _copy(Path(entry.path), target / entry.name)
    if not refused:
        return []
    return [
        Text(
            "{count} files in the evidence folder were left out (not plain files, or too large): {names}",
            {"count": len(refused), "names": ", ".join(refused[:5])},
        )
    ]


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)


@dataclass(frozen=True)
class ClaimedFacts:
    """What the harness itself takes from the claims: number of trainings, versions, notes for the report."""

    fits: int
    versions: dict[str, str]
    notes: list[Text]


_NOTES = {
    "colab": Text("The notebook uses google.colab; it was replaced by a stand-in that does nothing."),
    "shell": Text("Commands that install or download something were not run: there is no network while grading."),
    "recorder-fault": Text("The recording has a gap (a fault of the grader's); staff should look at this attempt."),
}


def claimed_facts(events: Path) -> ClaimedFacts:
    """Number of trainings, library versions and notes, from the first 64 MiB of events; malformed lines are skipped."""
    fits, versions, kinds = 0, {}, []
    try:
        with events.open("rb") as file:
            lines = file.read(64 * 2**20).splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            event = msgspec.json.decode(line)
            kind = event.get("event")
        except (msgspec.DecodeError, AttributeError):
            continue
        fits += kind == "fit_start"
        if kind == "note" and event.get("kind") in _NOTES and event["kind"] not in kinds:
            kinds.append(event["kind"])
        if kind == "session" and isinstance(event.get("versions"), dict):
            versions = {str(k)[:50]: str(v)[:50] for k, v in list(event["versions"].items())[:16]}
    return ClaimedFacts(fits, versions, [_NOTES[kind] for kind in kinds])
