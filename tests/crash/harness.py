"""A class of short notebooks that is graded by processes which get killed, and what must hold after each."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from crash.killer import STAGES

from grader.evidence import read_evidence
from grader.store import Gradebook

KILLER = Path(__file__).with_name("killer.py")
N_STUDENTS = 12
CHANGING = ("duration_s", "peak_memory_mib")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CHOSEN = [s for s in SIGNALS if s.name in os.environ.get("GRADER_TEST_SIGNALS", s.name)]
KILLED = (*(-number for number in SIGNALS), 130)
NOT_BEGUN = ("Fatal Python error: init_", "Could not import runpy module")
"""What Python says, with exit code 1, where an interrupt comes before it has begun with the grader."""


def write_class(folder: Path) -> Path:
    """Twelve hand-ins of a few lines each; one with an error, one that cannot be read."""
    folder.mkdir()
    for number in range(N_STUDENTS):
        sources = [f"a = {number}", "print(a * 2)", "1 / 0" if number == 3 else "b = a + 1"]
        cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
        text = json.dumps(nbformat.v4.new_notebook(cells=cells))
        (folder / f"21X{number:04}.ipynb").write_text(text if number != 5 else text[: len(text) // 2], "utf-8")
    return folder


@dataclass
class Seen:
    """What the gradebook was seen to hold; it must never hold less."""

    rows: dict[str, set[tuple[object, ...]]] = field(default_factory=dict)

    def look(self, path: Path) -> None:
        """:raises AssertionError: something is gone."""
        for table in ("attempts", "results", "edits"):
            with closing(sqlite3.connect(path)) as connection:
                now = set(connection.execute(f"SELECT * FROM {table}"))
            assert self.rows.get(table, set()) <= now, f"{table}: rows are gone"
            self.rows[table] = now


class CrashTest:
    """One class, one workspace at a time, killed again and again until it is graded."""

    def __init__(self, folder: Path, course: Path, data: Path, seed: int) -> None:
        self.folder = folder
        self.submissions = write_class(folder / "class")
        # Short, as the kernels' sockets lie in it and their paths have a limit of about 100 characters.
        self.temporary = Path(tempfile.mkdtemp(prefix="crash-"))
        self.random = random.Random(seed)
        self.both = ["--course", str(course), "--lang", "en"]
        self.options = ["grade", "b2-1", str(self.submissions), "--jobs", "2", *self.both]
        self.environment = {
            **os.environ,
            "GRADER_DATA_DIR": str(data),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        self.tally: Counter[tuple[str, str]] = Counter()
        self.finished = 0
        started = time.monotonic()
        self.code, self.reference = self._whole_run(folder / "reference")
        self.whole_s = time.monotonic() - started

    @property
    def kills(self) -> int:
        """Graders that were ended before they had finished."""
        return self.tally.total()

    def figures(self) -> str:
        """Kills by stage and signal, a row a stage."""
        names = [signal.Signals(number).name for number in SIGNALS]
        rows = [f"{'moment':20}{''.join(f'{name:>9}' for name in names)}"]
        stages = sorted({stage for stage, _ in self.tally})
        rows += [f"{stage:20}{''.join(f'{self.tally[stage, name]:9}' for name in names)}" for stage in stages]
        return "\n".join(rows)

    def _whole_run(self, workspace: Path) -> tuple[int, list[dict[str, object]]]:
        process = self.start(workspace)
        code = process.wait(600)
        return code, self.rows(workspace)

    def start(self, workspace: Path, stage: str = "-", when: str = "-", nth: int = 1, name: str = "-") -> Popen:
        """A grader that may kill itself."""
        return self._started(workspace, (stage, when, str(nth), name), self.options)

    def run(self, workspace: Path, command: str = "grade", **environment: str) -> tuple[int, str]:
        """A grader until its end: exit code, and what it said."""
        options = self.options if command == "grade" else [command, "b2-1", *self.both]
        before = self.said(workspace)
        code = self._started(workspace, ("-",) * 4, options, environment).wait(600)
        return code, self.said(workspace).removeprefix(before)

    def said(self, workspace: Path) -> str:
        """What graders on this workspace have said so far."""
        path = self.folder / f"{workspace.name}.log"
        return path.read_text("utf-8") if path.is_file() else ""

    def _started(
        self, workspace: Path, killing: Sequence[str], options: Sequence[str], environment: Mapping[str, str] = {}
    ) -> Popen:
        result = ["--workspace", str(workspace), "--json", str(self.folder / f"{workspace.name}.json")]
        with (self.folder / f"{workspace.name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(KILLER), *killing, *options, *result],
                env={**self.environment, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until(self, kills: int) -> None:
        """Kills graders until ``kills`` have died; each class is then graded to its end and compared."""
        number = 0
        while self.kills < kills:
            workspace = self.folder / f"w{number}"
            number += 1
            self._one_class(workspace, kills)
            shutil.rmtree(workspace)

    def _one_class(self, workspace: Path, kills: int) -> None:
        seen = Seen()
        for _ in range(40):
            left = N_STUDENTS - len(seen.rows.get("results", ()))
            code = self._killed_run(workspace, left) if self.kills < kills else self.start(workspace).wait(600)
            self.look(workspace, seen)
            if code == self.code:
                break
        else:
            raise AssertionError("no end after 40 runs: a resumed run does not go on where the last one stopped")
        self.finished += 1
        self.compare(workspace)

    def _killed_run(self, workspace: Path, left: int) -> int:
        """A grader killed somewhere in what is ``left`` (attempts without a result), unless it ends sooner."""
        before = self.said(workspace)
        name = self.random.choice(CHOSEN).name
        moment = "at a random time"
        if self.random.random() < 0.5:
            stage, when = self.random.choice(list(STAGES)), self.random.choice(("before", "after"))
            moment = f"{when} {stage}"
            many = stage not in ("collect", "json")
            process = self.start(workspace, stage, when, self.random.randint(1, min(6, left + 1)) if many else 1, name)
        else:
            process = self.start(workspace)
            try:
                process.wait(self.random.uniform(0.2, 0.8 * self.whole_s * (left + 2) / (N_STUDENTS + 2)))
            except subprocess.TimeoutExpired:
                process.send_signal(getattr(signal, name))
        code = process.wait(120)
        if code == self.code and any(words in self.said(workspace).removeprefix(before) for words in NOT_BEGUN):
            code = KILLED[0]
        if code != self.code:
            assert code in KILLED, f"it ended by itself, with {code}: {self.said(workspace)[-3000:]}"
            self.tally[moment, name] += 1
        return code

    def look(self, workspace: Path, seen: Seen, faults: bool = False) -> None:
        """What must hold at any moment; ``faults``: some attempts may have failed on our side."""
        path = workspace / "gradebook.sqlite"
        if not path.is_file():
            return
        book = Gradebook(path)
        assert book.integrity_check() == []
        seen.look(path)
        for stored in book.latest_results("b2-1"):
            if stored.result.evidence is not None:
                read_evidence(workspace / "evidence" / stored.result.evidence)
            else:
                assert faults
                assert stored.result.score.pending == stored.result.score.max_points
        for attempt in book.attempts("b2-1"):
            kept = workspace / "submissions" / attempt.digest.removeprefix("sha256:")
            assert kept.read_bytes() == (self.folder / attempt.source).read_bytes()
        book.close()
        for page in [*workspace.glob("reports/**/*.html"), *workspace.glob("dashboard/**/*.html")]:
            assert page.read_text("utf-8").rstrip().endswith("</html>"), page
        result = self.folder / f"{workspace.name}.json"
        if result.is_file():
            json.loads(result.read_text("utf-8"))
        if seen.rows["results"] and self.random.random() < 0.3:
            self.edit(path, 0.5, None)
            seen.look(path)

    def edit(self, path: Path, *points: float | None) -> None:
        """A teacher's edits in between; ``None`` withdraws them, so that scores stay comparable."""
        book = Gradebook(path)
        for given in points:
            book.add_edit(book.latest_results("b2-1")[0].attempt_id, "runs", given, "tanaka", "between two crashes")
        book.close()

    def compare(self, workspace: Path, n_graded: int = N_STUDENTS) -> None:
        """A finished class is as if nothing had happened, and nothing of the dead graders is left."""
        assert self.rows(workspace) == self.reference
        query = "SELECT COUNT(*), COUNT(DISTINCT attempt_id) FROM results WHERE evidence IS NOT NULL"
        with closing(sqlite3.connect(workspace / "gradebook.sqlite")) as connection:
            counts = connection.execute(query).fetchone()
        assert counts == (n_graded, N_STUDENTS), "an attempt was graded twice, or not at all"
        halves = [p.name for p in workspace.rglob("*") if p.name.endswith((".partial", ".old", ".part"))]
        assert halves == [], halves
        assert self._left() == [], self._left()

    def rows(self, workspace: Path) -> list[dict[str, object]]:
        """The result file without what differs from run to run."""
        rows = json.loads((self.folder / f"{workspace.name}.json").read_text("utf-8"))
        for row in rows:
            row["execution"] = {k: v for k, v in row["execution"].items() if k not in CHANGING}
        return rows

    def _left(self) -> list[str]:
        """Processes and scratch folders of graders that are gone; they get a moment to end."""
        deadline = time.monotonic() + 10
        while True:
            alive = [str(p.pid) for p in psutil.process_iter() if self._is_ours(p)]
            scratch = [p.name for p in self.temporary.glob("grader-*")]
            if not alive and not scratch:
                return []
            if time.monotonic() > deadline:
                return alive + scratch
            time.sleep(0.2)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR", "").startswith(str(self.temporary))
        except (psutil.Error, OSError):
            return False


Popen = subprocess.Popen
