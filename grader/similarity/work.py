"""What of one submission is its student's own: code, words, saved training logs, and the weights of its trainings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from grader.checks.facts import read_cells
from grader.checks.pieces import pieces_of
from grader.checks.prose import sentences
from grader.errors import EvidenceError
from grader.evidence import Evidence, read_evidence
from grader.evidence.compact import read_list
from grader.evidence.submitted import saved_cells
from grader.evidence.zips import open_zip
from grader.execution.terminal import fold
from grader.intake import parse_notebook
from grader.model import Execution, ExecutionOutcome
from grader.similarity.given import Given, stamped_cells
from grader.similarity.prints import NONE, CodeCell, Hashes, code_cell, joined, numbers_of

_SEEDED = re.compile(r"set_random_seed|random\.set_seed|random\.seed|enable_op_determinism|manual_seed")
_WEIGHTS_MEMBERS = 4_096
LEAST_LETTERS = 8
"""A sentence with fewer is a number or a label."""


@dataclass(frozen=True)
class Work:
    """One submission. Cells and sentences are those that nobody handed out; hashes are of what is in none of the given.

    :ivar weights: of each training in a cell of the student's own; see :func:`_weights`.
    """

    cells: tuple[CodeCell, ...] = ()
    sentences: tuple[str, ...] = ()
    code: Hashes = field(default_factory=lambda: NONE, repr=False)
    words: Hashes = field(default_factory=lambda: NONE, repr=False)
    outputs: Hashes = field(default_factory=lambda: NONE, repr=False)
    weights: Hashes = field(default_factory=lambda: NONE, repr=False)


def read_work(submission: Path, evidence: Path | None, given: Given) -> Work:
    """The work in the file ``submission``; nothing of one that is gone, or is no notebook.

    :param evidence: folder of its execution, if there is one.
    """
    try:
        notebook = parse_notebook(submission.read_bytes()).notebook
    except OSError:
        notebook = None
    if notebook is None:
        return Work()
    cells = read_cells(notebook, Execution(ExecutionOutcome.OK))
    stamped = stamped_cells(notebook)
    own = [cell for cell in cells if not given.is_cell(cell.source, stamped)]
    code = tuple(code_cell(cell.index, cell.source) for cell in own if cell.kind == "code" and cell.source.strip())
    written = (sentence for piece in pieces_of(own) for sentence in sentences(piece.text))
    texts = [sentence for sentence in written if sum(map(str.isalpha, sentence)) >= LEAST_LETTERS]
    seeded = any(_SEEDED.search(cell.source) for cell in own if cell.kind == "code")
    return Work(
        cells=code,
        sentences=tuple(texts),
        code=given.own_code(joined([cell.hashes for cell in code])),
        words=given.own_words(texts),
        # A run with a fixed seed prints the same numbers for everybody who fixes the same one.
        outputs=NONE if seeded else np.unique(numbers_of(_printed(notebook))),
        weights=_weights(evidence, {cell.index for cell in own}) if evidence else NONE,
    )


def _printed(notebook: Mapping[str, Any]) -> list[str]:
    return [cell.text for cell in saved_cells(notebook, fold)]


def _weights(directory: Path, own: set[int]) -> Hashes:
    """A hash of the weights after each training in the cells ``own``.

    Trainings are seeded by the grader, so equal weights mean the very same training: data, model, epochs, all settings.
    """
    try:
        evidence = read_evidence(directory)
    except (EvidenceError, OSError):
        return NONE
    found = [_digest(evidence, fit.weights_after) for fit in evidence.fits if fit.cell in own and fit.weights_after]
    return np.unique(np.asarray([d for d in found if d is not None], np.int64)) if found else NONE


def _digest(evidence: Evidence, name: str) -> int | None:
    """Of the arrays' digests, where compaction keeps them, and of the checksums (CRC-32) and sizes that the archive of
    the others lists: nothing is unpacked for it.
    """
    try:
        stored = read_list(evidence.directory).get(name, {})
        with evidence.claim(name).open("rb") as stream, open_zip(stream, _WEIGHTS_MEMBERS) as archive:
            small = sorted((info.filename, info.CRC, info.file_size) for info in archive.infolist())
    except Exception:  # what a student's kernel wrote can be anything
        return None
    return hash((tuple(sorted((key, one.digest) for key, one in stored.items())), tuple(small)))
