"""Which run an attempt needs: the same for all attempts whose content is the same in all that matters.

A run's evidence belongs to nobody: what is one attempt's own (its bytes as received, the outputs saved in it) is kept
apart, in ``submissions/`` and ``outputs/``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from grader.evidence.compact import compact
from grader.evidence.submitted import FILE_NAME, saved_cells, write_saved
from grader.execution.terminal import fold
from grader.model import Attempt
from grader.pipeline.content import content_key
from grader.pipeline.context import Context
from grader.pipeline.whole import missing_part, read_key

OUTPUTS_FOLDER = "outputs"
BLOBS_FOLDER = "blobs"
USED_BY_FOLDER = "used_by"


def evidence_name(context: Context, attempt: Attempt) -> str:
    """Folder below ``evidence/`` of the run that ``attempt`` needs: its content, and how this run executes."""
    key = json.dumps([content_key(attempt), context.execution_key()], sort_keys=True)
    return f"{attempt.assignment}/{hashlib.sha256(key.encode()).hexdigest()}"


def evidence_folder(context: Context, attempt: Attempt) -> Path:
    """The run's folder, there or not; where that of an earlier version, named after the file, still fits, that one."""
    folder = context.workspace / "evidence"
    suffix = "" if context.budget == "full" else "-quick"
    earlier = folder / f"{attempt.assignment}/{attempt.digest.removeprefix('sha256:')}{suffix}"
    own = folder / evidence_name(context, attempt)
    return own if own.is_dir() or not is_reusable(context, earlier) else earlier


def is_reusable(context: Context, directory: Path) -> bool:
    """Whether ``directory`` holds the whole evidence of the very same run; a run that we failed on never counts."""
    return read_key(directory) == context.execution_key() and missing_part(directory) is None


def outputs_file(workspace: Path, digest: str) -> Path:
    """Where the outputs saved in the file with ``digest`` are kept."""
    return workspace / OUTPUTS_FOLDER / f"{digest.removeprefix('sha256:')}.json"


def keep_outputs(context: Context, attempt: Attempt) -> None:
    """Keeps the outputs that were saved in ``attempt``, for its owner only; written once."""
    target = outputs_file(context.workspace, attempt.digest)
    if attempt.notebook is None or target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as part:  # mode 0700
        write_saved(Path(part), saved_cells(attempt.notebook, fold))
        written = Path(part) / FILE_NAME
        written.chmod(0o600)
        os.replace(written, target)  # noqa: PTH105 - also replaces on Windows


def mark_used(directory: Path, digest: str) -> None:
    """Notes in a run's folder that the file with ``digest`` rests on it."""
    folder = directory / USED_BY_FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / digest.removeprefix("sha256:")).touch(mode=0o600)


def runs_of(workspace: Path, digests: Collection[str]) -> Iterator[Path]:
    """Folders of runs, finished or broken off, that rest on files with ``digests`` and on no others."""
    theirs = {digest.removeprefix("sha256:") for digest in digests}
    for folder in (workspace / "evidence").glob("*/*"):
        users = {path.name for path in (folder / USED_BY_FOLDER).glob("*")}
        received = folder / "submission.ipynb"
        if not users and received.is_file():
            users = {hashlib.sha256(received.read_bytes()).hexdigest()}
        if users and users <= theirs:
            yield folder


def forget_use(workspace: Path, digests: Collection[str]) -> None:
    """Takes the files with ``digests`` off the runs that others rest on as well."""
    for digest in digests:
        for mark in (workspace / "evidence").glob(f"*/*/{USED_BY_FOLDER}/{digest.removeprefix('sha256:')}"):
            mark.unlink(missing_ok=True)


def settle(context: Context, directory: Path) -> None:
    """Takes out of a finished run what is one attempt's own, and makes it small; runs inside of it included."""
    for folder in {directory, *(p.parent for p in directory.rglob("execution.json"))}:
        if (folder / "executed.ipynb").is_file():
            (folder / "submission.ipynb").unlink(missing_ok=True)
        (folder / FILE_NAME).unlink(missing_ok=True)
        if not context.public_only:  # a student's own check keeps nothing
            compact(folder, context.workspace / BLOBS_FOLDER)


def remove_run(directory: Path) -> None:
    """Deletes a run's folder; whoever looks sees all of it or nothing."""
    aside = directory.with_name(f".{directory.name}.gone")
    shutil.rmtree(aside, ignore_errors=True)
    directory.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
