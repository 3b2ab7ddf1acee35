"""What must hold for any bytes: one function a reader, used by the property tests and by the coverage-guided fuzzer.

Each takes bytes and raises ``AssertionError``, or whatever escapes the reader, when its promise is broken.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from string import Formatter

import msgspec
import nbformat

from grader.errors import EvidenceError
from grader.evidence import Evidence, read_evidence
from grader.evidence.npz import read_npz
from grader.execution.terminal import Terminal
from grader.intake import collect, parse_notebook
from grader.intake.filename import name_claims
from grader.intake.header import header_student
from grader.intake.language import notebook_language
from grader.messages import Catalogue
from grader.model import Execution, ExecutionOutcome
from grader.reporting.clean import clean
from grader.reporting.notebook import cell_views
from grader.reporting.words import Words

ROOT = Path(__file__).resolve().parents[2]
SECTION = b"\n%%% "
CLAIMS = ("claims/events.jsonl", "claims/names.json", "claims/fit-1.npz")
EVIDENCE_FILES = {name.encode(): name for name in ("execution.json", "verified.json", "executed.ipynb", *CLAIMS)}
TERMINAL_LIMIT_CHARS = 2_000


@cache
def _scratch() -> Path:
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="grader-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def notebook(data: bytes) -> None:
    """A notebook or a reason; the notebook is valid, storable, and comes back unchanged when it is read again."""
    first, second = parse_notebook(data), parse_notebook(data)
    assert first == second
    assert (first.notebook is None) == (first.unreadable is not None)
    for text in filter(None, (*first.notes, first.unreadable)):
        assert {name for _, name, _, _ in Formatter().parse(text.id) if name} == text.params.keys()
    if first.notebook is None:
        return
    stored = json.dumps(first.notebook, ensure_ascii=False, allow_nan=False).encode("utf-8")
    nbformat.validate(nbformat.from_dict(json.loads(stored)))
    again = parse_notebook(stored)
    assert again.notebook == first.notebook
    msgspec.json.encode(header_student(first.notebook))
    notebook_language(first.notebook)
    views = cell_views(Words(english()), first.notebook, Execution(ExecutionOutcome.OK))
    assert all("\x1b" not in view.source for view in views)


@cache
def english() -> Catalogue:
    """The program's sentences in English."""
    return Catalogue("en", ROOT / "reports" / "locale")


def archive(data: bytes) -> None:
    """At least one attempt, each with a notebook or a reason; the same again the next time; nothing is unpacked."""
    folder = _scratch() / "archive"
    folder.mkdir(exist_ok=True)
    path = folder / "handed-in.zip"
    path.write_bytes(data)
    attempts = collect([path], "b2-1")
    assert attempts
    assert attempts == collect([path], "b2-1")
    assert [file.name for file in folder.rglob("*")] == ["handed-in.zip"]
    for attempt in attempts:
        assert (attempt.notebook is None) == (attempt.unreadable is not None)
        assert ".." not in attempt.source.split("!", 1)[-1].split("/")
        msgspec.json.encode((attempt.source, attempt.student, attempt.notes, attempt.conflicts, attempt.unreadable))


def name(data: bytes) -> None:
    """Any file name names a student or nobody."""
    text = data.decode("utf-8", "replace")
    msgspec.json.encode(name_claims(tuple(text.split("/")), tuple(text.split("/")), "b2-1"))


def terminal(data: bytes) -> None:
    """Folded output is no longer than its limit and has no control sequence that moves anything once it is cleaned."""
    text = data.decode("utf-8", "surrogateescape")
    screen = Terminal(TERMINAL_LIMIT_CHARS)
    for start in range(0, len(text), 7):
        screen.feed(text[start : start + 7])
    shown = screen.text()
    assert len(shown) <= TERMINAL_LIMIT_CHARS + 100
    cleaned = clean(shown)
    cleaned.encode("utf-8")
    assert all(c in "\t\n" or c.isprintable() or ord(c) >= 0xA0 for c in cleaned), repr(cleaned)


def evidence_folder(data: bytes, folder: Path) -> None:
    """Writes ``data`` as the files of an evidence folder: each section begins with a line ``%%% NAME``."""
    (folder / "claims").mkdir(parents=True, exist_ok=True)
    for wanted in EVIDENCE_FILES.values():
        (folder / wanted).unlink(missing_ok=True)
    for section in (b"\n" + data).split(SECTION)[1:]:
        title, _, content = section.partition(b"\n")
        if title in EVIDENCE_FILES:
            (folder / EVIDENCE_FILES[title]).write_bytes(content)


def evidence(data: bytes) -> None:
    """Evidence or an ``EvidenceError``, and so for everything that can be asked of it."""
    folder = _scratch() / "evidence"
    evidence_folder(data, folder)
    try:
        read = read_evidence(folder)
    except EvidenceError:
        return
    assert isinstance(read, Evidence)
    for record in (*read.fits, *read.models, *read.evaluations, *read.predictions, *read.notes, read.execution):
        msgspec.json.encode(record)
    json.dumps(read.faults).encode()
    fits = [fit for fit in read.fits if fit.weights_after]
    asked = [read.notebook, read.names, *(lambda f=fit: read.weights(f.weights_after) for fit in fits)]
    asked += [lambda f=fit: read.rows(f.x) for fit in read.fits]
    for ask in asked:
        try:
            ask()
        except EvidenceError:
            continue


def arrays(data: bytes) -> None:
    """Numeric arrays or an ``EvidenceError``; no more memory than the limit."""
    path = _scratch() / "arrays.npz"
    path.write_bytes(data)
    try:
        read = read_npz(path, bytes_limit=2**20)
    except EvidenceError:
        return
    finally:
        path.unlink()
    assert sum(array.nbytes for array in read.values()) <= 2**20
    assert all(array.dtype.kind in "biufc" for array in read.values())


TARGETS = {target.__name__: target for target in (notebook, archive, name, terminal, evidence, arrays)}
