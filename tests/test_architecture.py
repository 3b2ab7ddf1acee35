"""The house rules that can be read off the source: direction of imports, small files, no framework in the parent."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "grader"
LINES = (
    {"recorder"},
    {"model", "errors", "plain", "schemas", "scratch"},
    {"config", "messages", "rubric", "datasets", "evidence", "people", "sandbox", "tables"},
    {"warm"},
    {"intake", "execution", "verification", "checks", "scoring", "store", "reporting", "lms", "handout", "scheduling"},
    {"pipeline", "calibration"},
    {"audit", "similarity"},
    {"web", "cluster"},
    {"cli", "notebook"},
)
RANK = {room: rank for rank, rooms in enumerate(LINES) for room in rooms}
FRAMEWORKS = {"tensorflow", "keras", "tf_keras", "torch"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    """Every module that a file imports anywhere, functions included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_from_lower_lines_only(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "grader" or len(parts) == 1 or parts[1] in (room, "__version__"):
            continue
        other = parts[1]
        assert other in RANK, f"{path} imports {name}, which is in no room"
        assert RANK[other] < RANK[room], f"{room} must not import {name}"


def test_the_recorder_imports_nothing_of_the_program_but_itself():
    for path in (PACKAGE / "recorder").glob("*.py"):
        own = [name for name in imported(path) if name.split(".")[0] == "grader"]
        assert all(name.startswith("grader.recorder") for name in own), path


def test_the_records_need_the_standard_library_only():
    for name in ("model.py", "errors.py"):
        roots = {module.split(".")[0] for module in imported(PACKAGE / name)}
        assert roots <= set(sys.stdlib_module_names) | {"grader"}, roots


def test_no_file_is_longer_than_400_lines():
    long = {str(p): n for p in FILES if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert not long


def test_only_kernels_and_verifier_children_import_a_framework():
    for path in FILES:
        used = {name.split(".")[0] for name in imported(path)} & FRAMEWORKS
        children = {"verification/child.py", "calibration/train.py"}
        allowed = room_of(path) == "recorder" or path.relative_to(PACKAGE).as_posix() in children
        assert not used or allowed, f"{path} imports {used}"


def test_what_reads_evidence_runs_none_of_it():
    """The checks' process has no sandbox: nothing in it may make a program of what a student wrote."""
    runs = {"exec", "eval", "compile", "__import__", "load_model", "import_module", "run_path", "run_module"}
    packages = {"pickle", "dill", "cloudpickle", "joblib", "runpy"}
    repository = PACKAGE.parent
    readers = [*(PACKAGE / "checks").rglob("*.py"), *(PACKAGE / "evidence").rglob("*.py")]
    readers += (repository / "rubrics").rglob("*.py")
    assert len(readers) > 30
    for path in readers:
        assert not {name.split(".")[0] for name in imported(path)} & packages, path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                own = isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "re.compile"
                assert called not in runs or own, f"{path}:{node.lineno} calls {called}"
                unsafe = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
                assert not unsafe, f"{path}:{node.lineno} reads pickles"


def test_the_command_line_starts_without_any_heavy_package():
    code = "import sys, grader.cli.app; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {
        *FRAMEWORKS,
        "numpy",
        "pandas",
        "sqlalchemy",
        "nbclient",
        "nbformat",
        "jinja2",
        "pytest",
        "zmq",
    }


def test_unpickling_happens_in_one_place_only():
    users = [p.relative_to(PACKAGE).as_posix() for p in FILES if {"pickle", "dill"} & set(imported(p))]
    assert users == ["datasets/restricted_unpickle.py"]
