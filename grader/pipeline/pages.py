"""Which reports need no writing, as nothing that they show has changed since they were written."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.model import Result, Visibility
from grader.pipeline.checked import rubric_key
from grader.pipeline.context import Context
from grader.pipeline.writers import Folders, Piece
from grader.reporting import Standing
from grader.scoring import Audience
from grader.store.records import encode

FILE = ".pages.json"


@dataclass
class Pages:
    """What the pages of one assignment were made of, by name of the page; kept beside the staff's pages."""

    path: Path
    course: str
    known: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, context: Context, folder: Path, *, again: bool) -> Pages:
        """:param again: write every page, whatever is known."""
        path = folder / FILE
        try:
            known = {} if again else json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        return cls(path, _course(context), known if isinstance(known, dict) else {})

    def is_current(self, context: Context, piece: Piece, files: Sequence[Path]) -> bool:
        """Whether the pages ``files``, of one name, are there and show ``piece``; else they are written now."""
        name, made_of = files[0].name, self._made_of(context, *piece)
        self.written[name] = made_of
        return self.known.get(name) == made_of and all(file.is_file() for file in files)

    def forget(self, name: str) -> None:
        """The pages of this name could not be written."""
        self.written.pop(name, None)

    def keep(self) -> None:
        """Writes down what the pages show now."""
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(self.written), "utf-8")
        part.replace(self.path)

    def _made_of(
        self, context: Context, result: Result, standing: Standing | None, _: Folders, reader: Audience
    ) -> str:
        """Digest of everything that the pages of ``result`` show."""
        evidence = context.workspace / "evidence" / (result.evidence or "-") / "key.json"
        ran = evidence.stat().st_mtime_ns if evidence.is_file() else None
        language = context.language_of(result.language, result.student)
        later = any(line.visibility is Visibility.AFTER_DUE for line in result.score.criteria)
        said = f"{self.course}\n{encode(result)}\n{encode(standing)}\n{language}\n{ran}\n{reader if later else ''}"
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def _course(context: Context) -> str:
    """Digest of what stays the same for all pages: rubric, thresholds, program, templates, words, the time zone."""
    digest = hashlib.sha256(rubric_key(context).encode())
    for path in sorted(p for p in context.course.reports_dir.rglob("*") if p.is_file()):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(repr((sorted(context.threshold_views.items()), time.tzname, os.environ.get("TZ"))).encode())
    return digest.hexdigest()
