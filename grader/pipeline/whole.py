"""Whether an evidence folder still has all that its run left: a backup, a full disk or a person may have taken some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grader.errors import EvidenceError
from grader.evidence import Evidence, read_evidence
from grader.evidence.compact import missing_arrays
from grader.model import ExecutionOutcome

_KEY_FILE = "key.json"


def write_key(directory: Path, key: dict[str, Any]) -> None:
    """The last file of a run: what decided it. Without it the folder is unfinished."""
    (directory / _KEY_FILE).write_text(json.dumps(key, sort_keys=True), "utf-8")


def read_key(directory: Path) -> dict[str, Any] | None:
    """What :func:`write_key` wrote; ``None`` for a folder that is unfinished, or not there."""
    try:
        key = json.loads((directory / _KEY_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return key if isinstance(key, dict) else None


def missing_part(directory: Path) -> str | None:
    """What of a finished run's evidence is gone, in a few English words; ``None`` where it is whole."""
    if not directory.is_dir():
        return "its folder"
    if read_key(directory) is None:
        return "its end: the run was broken off"
    try:
        evidence = read_evidence(directory)
    except (EvidenceError, OSError) as error:
        return str(error)
    return _lacks(evidence)


def _lacks(evidence: Evidence) -> str | None:
    execution, directory = evidence.execution, evidence.directory
    if execution.outcome is ExecutionOutcome.UNREADABLE:
        return None
    if not (directory / "executed.ipynb").is_file():
        return "the notebook as executed"
    # The harness itself took versions and the number of trainings from the recording, when the notebook had ended.
    recorded = any((directory / "claims").glob("events*"))
    if (execution.versions and not recorded) or (execution.trained_fits and not evidence.fits):
        return "the recording"
    if evidence.fits and not (directory / "verified.json").is_file():
        return "what was re-measured"
    return "weights or training rows" if missing_arrays(directory) else None
