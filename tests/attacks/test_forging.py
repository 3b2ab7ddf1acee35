"""Nobody gets points for what was printed, patched or written by hand; every forgery is graded like any other work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from attacks.forgeries import FORGERIES
from attacks.running import SANDBOXES
from small_course import make_small_course

pytestmark = pytest.mark.slow
# The most that a forgery may earn where a trained, re-measured model is asked for. Half of ``base-model`` is layers.
MEASURED = {"base-model": 2.0, "small-data-accuracy": 0.0, "bpnn-comparison": 0.0, "held-out": 0.0}
SANDBOX = SANDBOXES[0] if SANDBOXES else "none"


def write(folder, name, sources, **metadata):
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    (folder / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """All forgeries as one class, graded by the command; its exit code, and rows by name."""
    folder = tmp_path_factory.mktemp("forging")
    course = make_small_course(folder / "course")
    handed_in = folder / "class"
    handed_in.mkdir()
    for name, (sources, _) in FORGERIES.items():
        write(handed_in, name, sources)
    spec = {"name": "evil", "display_name": "evil", "argv": ["/bin/sh", "-c", "touch owned"]}
    write(handed_in, "another-kernel", ["print('in python')"], kernelspec=spec)
    skipped = nbformat.v4.new_code_cell("1 / 0", id="c0", metadata={"tags": ["skip-execution", "raises-exception"]})
    notebook = nbformat.v4.new_notebook(cells=[skipped, nbformat.v4.new_code_cell("b = 1", id="c1")])
    (handed_in / "tags-that-skip.ipynb").write_text(json.dumps(notebook), "utf-8")
    command = [sys.executable, "-m", "grader", "grade", "b2-1", str(handed_in), "--course", str(course.root)]
    command += ["--workspace", str(folder / "w"), "--json", str(folder / "r.json"), "--jobs", "2", "--lang", "en"]
    environment = {**os.environ, "GRADER_DATA_DIR": str(course.data)}
    command += ["--sandbox", SANDBOX, "--time-limit-s", "90"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    rows = json.loads((folder / "r.json").read_text("utf-8"))
    return done, {Path(row["source"]).stem: row for row in rows}, folder


def points(row, ident):
    return next(c["points"] for c in row["criteria"] if c["id"] == ident)


@pytest.mark.parametrize("name", FORGERIES)
def test_it_earns_nothing_that_is_measured(graded, name):
    row = graded[1][name]
    too_much = {i: points(row, i) for i, most in MEASURED.items() if (points(row, i) or 0.0) > most}
    assert too_much == {}
    assert row["score"] < 0.5 * row["max_score"]


@pytest.mark.parametrize("name", FORGERIES)
def test_it_is_graded_without_a_fault_of_ours(graded, name):
    row = graded[1][name]
    assert row["status"] in ("graded", "needs_review")
    assert [c["id"] for c in row["criteria"] if c["outcome"] == "errored"] == []


@pytest.mark.parametrize("name", [name for name, (_, flags) in FORGERIES.items() if flags])
def test_it_is_flagged(graded, name):
    kinds = {flag["kind"] for flag in graded[1][name]["flags"]}
    assert kinds & FORGERIES[name][1], kinds


def test_the_command_ends_as_after_any_class(graded):
    done, rows, _ = graded
    assert done.returncode in (0, 1), done.stderr
    assert len(rows) == len(FORGERIES) + 2


def test_the_notebooks_own_kernel_is_not_started(graded):
    _, rows, folder = graded
    assert rows["another-kernel"]["execution"]["outcome"] == "ok"
    assert list(folder.rglob("owned")) == []


def test_tags_do_not_skip_a_cell_nor_excuse_it(graded):
    row = graded[1]["tags-that-skip"]
    assert row["execution"]["failed_cells"] == [0]
    assert points(row, "runs") < next(c["max_points"] for c in row["criteria"] if c["id"] == "runs")
