"""What the rubric found in a run, kept beside its evidence: the same rubric on the same evidence is not run twice.

Grading an unchanged file again reads it; ``regrade`` and ``--fresh`` run the rubric in any case and write it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grader
from grader import __version__
from grader.checks import Checked, CheckRequest
from grader.evidence.tries import tries_of
from grader.model import Outcome
from grader.pipeline.context import Context
from grader.store.records import decode, encode

FOLDER = "checked"
_KEY_DIGITS = 24


def rubric_key(context: Context) -> str:
    """Digest of what beside the attempt can change what a check finds: course files, data sets, our own code."""
    digest = hashlib.sha256(f"{__version__} {_code()}".encode())
    for path in _course_files(context):
        digest.update(f"\0{path.relative_to(context.course.root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    known = {"data": context.dataset.digest if context.dataset else None, "missing": context.missing_datasets}
    digest.update(json.dumps(known).encode())
    return digest.hexdigest()[:_KEY_DIGITS]


def _course_files(context: Context) -> Iterator[Path]:
    for folder in (context.rubric.directory, context.assignment.directory / "assignment.toml"):
        files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
        yield from (p for p in files if "__pycache__" not in p.parts)
    catalogue = context.course.root / "datasets.toml"
    if catalogue.is_file():
        yield catalogue


@cache
def _code() -> str:
    """The program's own files as they lie on the disk: a version number does not tell one checkout from another."""
    package = Path(grader.__file__).parent
    files = ((p.relative_to(package).as_posix(), p.stat()) for p in sorted(package.rglob("*.py")))
    return hashlib.sha256(repr([(n, s.st_size, s.st_mtime_ns) for n, s in files]).encode()).hexdigest()


def checked_file(rubric: str, request: CheckRequest) -> Path:
    """Where the findings of this request are kept: by rubric, then by what else the request says."""
    saved = request.saved.read_bytes() if request.saved and request.saved.is_file() else b""
    tries = [folder.name for folder in tries_of(request.evidence_dir)]
    said = [request.language, str(request.budget), request.public_only, tries, hashlib.sha256(saved).hexdigest()]
    own = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_KEY_DIGITS]
    return request.evidence_dir / FOLDER / f"{rubric}-{own}.json"


def read_checked(path: Path) -> Checked | None:
    """What was found; ``None`` where there is nothing to read."""
    try:
        return decode(path.read_text("utf-8"), Checked)
    except Exception:  # damaged or of another version: the rubric just runs again
        return None


def keep_checked(path: Path, checked: Checked) -> None:
    """Keeps what was found, unless a fault of ours is in it; findings of another rubric make room."""
    if any(result.outcome is Outcome.ERRORED for result in checked.results):
        return
    path.parent.mkdir(exist_ok=True, mode=0o700)
    rubric = path.name.split("-", 1)[0]
    for other in path.parent.glob("*.json"):
        if not other.name.startswith(rubric):
            other.unlink(missing_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".part-")  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(encode(checked))
    Path(part).replace(path)
