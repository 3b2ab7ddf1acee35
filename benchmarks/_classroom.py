"""A class of one assignment, graded by ``grader grade`` and by what an instructor could use instead, in one run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._common import machine, table
from benchmarks._peers import INSTALL, PeerTimes, find_nbgrader, peer_environment, run_nbclient, run_nbgrader
from grader.config import load_settings
from grader.datasets import DataStore, find_dataset, load_catalogue, serving_map
from grader.evidence import read_evidence
from grader.handout.build import dumps, student_notebook
from grader.handout.samples import Edit, Expected, Sample, sample_notebook
from grader.model import ExecutionOutcome, Status
from grader.rubric import Assignment, Course, bundled_course_dir

AGAIN = "handed in again"
TARGET_RATIO, TARGET_BEYOND_S = 20.0, 0.6
_COMPARED = ("status", "reason", "score", "score_pending", "max_score", "criteria", "flags")
Build = Callable[[Assignment, int], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """Notebooks of one sort. :ivar count: of 30. :ivar build: number within the kind, from 0, to a notebook."""

    name: str
    count: int
    build: Build


@dataclass(frozen=True)
class Run:
    """``grader grade`` once. :ivar beyond_s: wall time that is not training of the class' own, an attempt."""

    wall_s: float
    rows: dict[str, dict[str, Any]]
    own_training_s: float
    beyond_s: float


@dataclass(frozen=True)
class Room:
    """Where a benchmark works. :ivar files: name to notebook. :ivar kinds: name to kind."""

    folder: Path
    assignment: Assignment
    files: dict[str, Path]
    kinds: dict[str, str]
    jobs: int
    sandbox: str


def edited(assignment: Assignment, base: str, number: int, edits: Sequence[Edit] = ()) -> dict[str, Any]:
    """A notebook of student ``number``, whose name and number stand in its header."""
    header = f"Student number: 22X{number:05}\n\nName: Student {number}\n\nE-mail: s{number:05}@example.ac.jp"
    expected = Expected(Status.NEEDS_REVIEW, ExecutionOutcome.OK)  # not looked at here
    return sample_notebook(assignment, Sample("", "en", expected, base, header, tuple(edits)))


def with_remarks(notebook: dict[str, Any], number: int) -> dict[str, Any]:
    """A comment of the student's own at the end of each code cell without a label."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and not cell["source"].lstrip().startswith("# ["):
            cell["source"] += f"\n# checked by student {number}"
    return notebook


def shares(counts: Mapping[str, int], n: int) -> dict[str, int]:
    """``n`` divided as ``counts`` are, rounded, at least one of each where that is possible."""
    total = sum(counts.values())
    given = {name: min(1, count) for name, count in counts.items()}
    while sum(given.values()) > n:
        least = min((name for name in given if given[name]), key=lambda name: counts[name])
        given[least] -= 1
    while sum(given.values()) < n:
        most = max(counts, key=lambda name: counts[name] * n / total - given[name])
        given[most] += 1
    return given


def write_class(
    kinds: Sequence[Kind], assignment: Assignment, n: int, folder: Path
) -> tuple[dict[str, Path], dict[str, str]]:
    """``n`` notebooks; name to file, and name to kind. Those handed in again are copies of the first kind's."""
    folder.mkdir()
    files: dict[str, Path] = {}
    sorts: dict[str, str] = {}
    given = shares({kind.name: kind.count for kind in kinds} | {AGAIN: 30 - sum(k.count for k in kinds)}, n)
    for kind in kinds:
        for number in range(given[kind.name]):
            name = f"s{len(files):02}"
            files[name] = folder / f"{name}.ipynb"
            files[name].write_text(dumps(kind.build(assignment, number)), "utf-8")
            sorts[name] = kind.name
    originals = [name for name, sort in sorts.items() if sort == kinds[0].name]
    for original in originals[: given[AGAIN]]:
        name = f"{original}-again"
        files[name] = Path(shutil.copy(files[original], folder / f"{name}.ipynb"))
        sorts[name] = AGAIN
    return files, sorts


def spread(kinds: Mapping[str, str], n: int) -> list[str]:
    """``n`` names, one of each kind in turn, the kinds with the most notebooks first."""
    groups: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        groups.setdefault(kind, []).append(name)
    order = sorted(groups.values(), key=len, reverse=True)
    turns = [group[i] for i in range(max(map(len, order), default=0)) for group in order if i < len(group)]
    return turns[:n]


def lend_data(assignment: Assignment, folder: Path) -> dict[str, str]:
    """A copy of the installed data sets in ``folder``, with an empty replay store; data set to its served files.

    :raises SystemExit: one is not installed.
    """
    own, catalogue = DataStore(), load_catalogue(bundled_course_dir())
    folder.mkdir()
    for name in dict.fromkeys((assignment.dataset, *assignment.datasets)):
        spec = find_dataset(catalogue, name)
        if own.get(spec) is None:
            raise SystemExit(f"data set {name} is not installed: grader data install {name}")
        target = shutil.copytree(own.directory_of(spec), DataStore(folder).directory_of(spec))
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    return {name: entry["directory"] for name, entry in serving_map(DataStore(folder), catalogue.values()).items()}


def grade(room: Room, label: str, names: Iterable[str], *, replay: bool = True) -> Run:
    """The command on these notebooks, in a workspace of its own.

    :raises RuntimeError: it ended with a fault of its own.
    """
    handed_in = room.folder / f"{label}-class"
    handed_in.mkdir()
    for name in names:
        shutil.copy(room.files[name], handed_in)
    workspace, result = room.folder / label, room.folder / f"{label}.json"
    argv = [sys.executable, "-m", "grader", "grade", room.assignment.id, str(handed_in), "--workspace", str(workspace)]
    argv += ["--json", str(result), "--jobs", str(room.jobs), "--sandbox", room.sandbox]
    argv += [] if replay else ["--no-replay"]
    environment = {**os.environ, "GRADER_DATA_DIR": str(room.folder / "data")}
    began = time.perf_counter()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise RuntimeError(f"grader grade ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    rows = {Path(row["source"]).stem: row for row in json.loads(result.read_text("utf-8"))}
    training_s = own_training_s(workspace)
    return Run(wall_s, rows, training_s, (wall_s - training_s / room.jobs) / len(rows))


def own_training_s(workspace: Path) -> float:
    """Seconds inside trainings that were made and not replayed, further tries in doubt included."""
    folders = [path.parent for path in (workspace / "evidence").rglob("execution.json")]
    return sum(fit.duration_s or 0.0 for folder in folders for fit in read_evidence(folder).fits if not fit.replayed)


def different(one: Run, other: Run) -> list[str]:
    """Names of those whose score, criteria (with measured accuracies) or flags are not the same in both."""
    both = one.rows.keys() & other.rows.keys()
    return sorted(n for n in both if any(one.rows[n][key] != other.rows[n][key] for key in _COMPARED))


def whole_class_s(times: PeerTimes, kinds: Mapping[str, str]) -> float:
    """What the whole class would take: each kind as long as those of it that were run, others as long as the mean."""
    by_kind: dict[str, list[float]] = {}
    for name, seconds in times.each_s.items():
        by_kind.setdefault(kinds[name], []).append(seconds)
    first = next(iter(kinds.values()))
    if first in by_kind:
        by_kind.setdefault(AGAIN, by_kind[first])
    mean_s = statistics.mean(times.each_s.values())
    return times.around_s + sum(
        statistics.mean(by_kind[kind]) if kind in by_kind else mean_s for kind in kinds.values()
    )


def arguments(doc: str, n: int, peers: int) -> argparse.Namespace:
    """The command line. :param n: notebooks, :param peers: of them for the peers, where nothing else is said."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--class", dest="n", type=int, default=n, help=f"notebooks in the class [{n}]")
    parser.add_argument("--peers", type=int, default=peers, help=f"of them run by the peers [{peers}]; 0: none")
    parser.add_argument("--no-replay", type=int, default=2, help="of them run again without replay [2]")
    parser.add_argument("--cold-store", action="store_true", help="only with an empty replay store")
    parser.add_argument("--nbgrader", type=Path, help="the command [the shell's]")
    parser.add_argument(
        "--jobs", type=int, default=load_settings(environ={}).jobs, help="ours at the same time [cores]"
    )
    parser.add_argument("--sandbox", default="auto", help="auto, namespaces, bwrap or none [auto]")
    return parser.parse_args()


def measure(assignment_id: str, kinds: Sequence[Kind], given: argparse.Namespace) -> None:
    """Runs everything and prints."""
    nbgrader = find_nbgrader(given.nbgrader)
    assignment = Course(bundled_course_dir()).assignment(assignment_id)
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as name:
        folder = Path(name)
        files, sorts = write_class(kinds, assignment, given.n, folder / "class")
        served = lend_data(assignment, folder / "data")
        room = Room(folder, assignment, files, sorts, given.jobs, given.sandbox)
        print(f"{machine()}\n\n{_words(sorts)}, {room.jobs} at a time, sandbox {room.sandbox}\n", flush=True)
        ours = {"grader grade, empty replay store": grade(room, "cold", files)}
        if not given.cold_store:
            ours["grader grade, replay store filled"] = grade(room, "filled", files)
        chosen = spread(sorts, given.peers)
        peers = _run_peers(room, chosen, served, nbgrader)
        print(report(room, ours, peers), flush=True)
        if given.no_replay:
            print(_without_replay(room, list(ours.values())[-1], given.no_replay))


def _run_peers(room: Room, chosen: list[str], served: Mapping[str, str], nbgrader: Path | None) -> dict[str, PeerTimes]:
    if not chosen:
        return {}
    environment = peer_environment(room.folder, served)
    notebooks = {name: room.files[name] for name in chosen}
    peers = {"plain nbclient": run_nbclient(notebooks, room.folder, environment)}
    if nbgrader is None:
        print(INSTALL)
    else:
        handout = dumps(student_notebook(room.assignment, "en"))
        peers["nbgrader autograde"] = run_nbgrader(nbgrader, handout, notebooks, room.folder, environment)
    return peers


def report(room: Room, ours: Mapping[str, Run], peers: Mapping[str, PeerTimes]) -> str:
    """Ours, the peers scaled to the class, and how many times faster ours are; then the peers a kind."""
    n, scaled = len(room.files), {name: whole_class_s(times, room.kinds) for name, times in peers.items()}
    rows: list[tuple[object, ...]] = [
        (name, run.wall_s, run.wall_s / n, run.own_training_s, run.beyond_s, *(s / run.wall_s for s in scaled.values()))
        for name, run in ours.items()
    ]
    rows += [(name, s, s / n, None, None, *(None for _ in scaled)) for name, s in scaled.items()]
    heads = ("", "class, s", "attempt, s", "own training, s", "beyond it, s each", *(f"× {name}" for name in scaled))
    targets = (
        f"targets for 30 of b2-1: {TARGET_RATIO:g} × nbgrader, {TARGET_BEYOND_S:g} s beyond own training an attempt "
        "(wall time less own training / jobs)"
    )
    return "\n".join([table(rows, heads), targets, *_about_ours(list(ours.values())), *_about_peers(room, peers)])


def _about_ours(runs: Sequence[Run]) -> list[str]:
    rows = runs[-1].rows
    made, replayed = (sum(r["execution"][k] or 0 for r in rows.values()) for k in ("trained_fits", "replayed_fits"))
    faults = [name for name, row in rows.items() if row["status"] == "not_gradable"]
    lines = [f"trainings: {made} made, {replayed} replayed; not gradable: {len(faults)} {' '.join(faults)}".rstrip()]
    if len(runs) > 1:
        lines.append(f"scores that differ between the runs above: {len(different(runs[0], runs[-1]))} of {len(rows)}")
    return lines


def _about_peers(room: Room, peers: Mapping[str, PeerTimes]) -> list[str]:
    lines = []
    for name, times in peers.items():
        if len(times.each_s) < len(room.files):
            lines.append(f"{name}: run on {len(times.each_s)} of {len(room.files)}; the class is scaled by kind")
        measured = "; ".join(f"{room.kinds[one]} {seconds:.1f}" for one, seconds in times.each_s.items())
        lines.append(f"{name}, s: {measured}; its start {times.around_s:.1f}")
    return lines


def _without_replay(room: Room, run: Run, n: int) -> str:
    cold = grade(room, "no-replay", spread(room.kinds, n), replay=False)
    found = different(run, cold)
    which = f": {', '.join(found)}" if found else ""
    return f"--no-replay, {len(cold.rows)} of them, {cold.wall_s:.0f} s: scores that differ {len(found)}{which}"


def _words(sorts: Mapping[str, str]) -> str:
    kinds = list(sorts.values())
    return f"{len(kinds)} notebooks: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
