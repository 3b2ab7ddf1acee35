"""What of an assignment and its rubric students may have: the contents of a kit.

Public are the criteria of visibility ``public``, texts whose key begins with the id of one (or ``common/``), the files
``test_public*.py`` and ``helpers_public*.py`` of the rubric, ``given.json`` (digests of the sentences handed out, by
which a check tells them from an answer), and thresholds marked public - as numbers, not as the calibration behind them.
Everything is then searched for what is hidden, because a public file may quote it.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from grader.errors import CourseError, LeakError
from grader.handout import toml
from grader.model import Visibility
from grader.rubric import Assignment, Course, Rubric
from grader.rubric.calibration import read_calibrations

CHECK_FILE = re.compile(r"(?:test|helpers)_public[a-z0-9_]*\.py")
THRESHOLD_DECIMALS = 4
_SHORTEST_HIDDEN_TEXT = 12


def public_files(course: Course, assignment_id: str) -> dict[str, bytes]:
    """The kit's members by name, ``kit.json`` left out.

    :raises LeakError: a public file names something that is not public.
    :raises CourseError: a check file is no Python, or a public threshold has no calibration.
    """
    assignment, rubric = course.assignment(assignment_id), course.rubric(assignment_id)
    public = frozenset(c.id for c in rubric.criteria if c.visibility is Visibility.PUBLIC)
    checks = _check_files(rubric, public)
    files = {
        **_given(rubric),
        "assignment.toml": toml.dumps(_assignment(assignment, public)).encode(),
        "rubric.toml": toml.dumps(_rubric(rubric, public)).encode(),
        "thresholds.json": (json.dumps(_thresholds(assignment, rubric), indent=1, sort_keys=True) + "\n").encode(),
        **checks,
    }
    _search(files, rubric, public)
    return files


def _assignment(assignment: Assignment, public: frozenset[str]) -> dict[str, Any]:
    """The assignment without the names of its templates: they hold the solution."""
    table = msgspec.to_builtins(assignment, enc_hook=str)
    for left_out in ("id", "directory", "late"):
        del table[left_out]
    table["templates"] = dict.fromkeys(assignment.languages, "")
    table["questions"] = [q for q in table["questions"] if q["criterion"] in public]
    return {key: value for key, value in table.items() if value is not None}


def _rubric(rubric: Rubric, public: frozenset[str]) -> dict[str, Any]:
    table = msgspec.to_builtins(rubric, enc_hook=str)
    return {
        "version": rubric.version,
        "criterion": [c for c in table["criterion"] if c["id"] in public],
        "thresholds": {name: rule for name, rule in table["thresholds"].items() if rule["public"]},
        "parameters": dict(rubric.parameters),
        "texts": {language: _public_texts(texts, public) for language, texts in rubric.texts.items()},
    }


def _public_texts(texts: Mapping[str, str], public: frozenset[str]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if key.split("/", 1)[0] in public | {"common"}}


def _given(rubric: Rubric) -> dict[str, bytes]:
    path = rubric.directory / "given.json"
    return {path.name: path.read_bytes().replace(b"\r\n", b"\n")} if path.is_file() else {}


def _thresholds(assignment: Assignment, rubric: Rubric) -> dict[str, Any]:
    """Public thresholds, rounded to the student's favour, and the range that right answers reached."""
    rules = {name: rule for name, rule in rubric.thresholds.items() if rule.public}
    known = read_calibrations(rubric.directory / "calibration.json") if rules else []
    calibration = next((c for c in known if c.dataset == assignment.dataset), None)
    if rules and calibration is None:
        raise CourseError(
            f"{rubric.directory / 'calibration.json'} has nothing for {assignment.dataset}, and the public thresholds "
            f"{sorted(rules)} follow from it: run 'grader calibrate {rubric.assignment}' first"
        )
    numbers: dict[str, dict[str, float]] = {}
    for name, rule in rules.items():
        assert calibration is not None  # noqa: S101
        seen, scale = calibration.of(rule), 10**THRESHOLD_DECIMALS
        rounded = math.floor if rule.side == "lower" else math.ceil
        numbers[name] = {
            "value": rounded(seen.threshold(rule) * scale) / scale,
            "doubt": rounded(seen.doubt(rule) * scale) / scale,
            "reference_min": round(min(seen.values), THRESHOLD_DECIMALS),
            "reference_max": round(max(seen.values), THRESHOLD_DECIMALS),
        }
    digest = calibration.dataset_digest if calibration else None
    return {"schema": 1, "dataset": assignment.dataset, "dataset_digest": digest, "thresholds": numbers}


def _check_files(rubric: Rubric, public: frozenset[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in sorted(rubric.directory.glob("*.py")):
        if CHECK_FILE.fullmatch(path.name):
            files[path.name] = path.read_bytes().replace(b"\r\n", b"\n")
            _check_python(path, rubric, public)
    return files


def _check_python(path: Path, rubric: Rubric, public: frozenset[str]) -> None:
    """A public file marks its checks with public criteria and imports no file that stays behind.

    That it does not *name* a hidden criterion, in a string or comment, :func:`_search` sees to.
    """
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError) as error:
        raise CourseError(f"{path} is no Python: {error}") from error
    for line, marked in _criteria(tree):
        if marked not in public:
            raise LeakError(
                f"{path}:{line}: a public file checks {marked or 'a criterion that is no literal string'!r}; expected "
                f"one of {sorted(public)}; checks of other criteria go into a file of another name, as test_staff.py"
            )
    tests = _tests(tree) if path.name.startswith("test") else []
    unmarked = [f for f in tests if not any(_is_mark(node) for d in f.decorator_list for node in ast.walk(d))]
    if unmarked:
        raise LeakError(
            f'{path}:{unmarked[0].lineno}: {unmarked[0].name} has no @pytest.mark.criterion("..."), '
            "so nobody can say whether it is public"
        )
    stays = {p.stem for p in rubric.directory.glob("*.py") if not CHECK_FILE.fullmatch(p.name)}
    for line, module in _imports(tree):
        if module.split(".")[0] in stays:
            raise LeakError(f"{path}:{line}: imports {module}, which is not in the kit; rename it helpers_public*.py")


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "criterion"


def _criteria(tree: ast.Module) -> Iterator[tuple[int, str | None]]:
    """Line and criterion of each ``pytest.mark.criterion(...)``; ``None`` where it is no literal string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_mark(node):
            first = node.args[0] if node.args else None
            value = first.value if isinstance(first, ast.Constant) else None
            yield node.lineno, value if isinstance(value, str) else None


def _tests(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    functions = (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return [f for f in functions if f.name.startswith("test")]


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((node.lineno, name) for name in names)


def _search(files: Mapping[str, bytes], rubric: Rubric, public: frozenset[str]) -> None:
    """:raises LeakError: some member holds the id, title or a text of a criterion that is not public."""
    hidden = [re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") for name in _hidden_names(rubric, public)]
    hidden += [re.compile(re.escape(text)) for text in _hidden_texts(rubric, public)]
    for name, data in files.items():
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if match := next((m for pattern in hidden if (m := pattern.search(line))), None):
                raise LeakError(f"{name} line {number} of the kit would hold {match[0]!r}, which is not public")


def _hidden_names(rubric: Rubric, public: frozenset[str]) -> set[str]:
    shown = {name for name, rule in rubric.thresholds.items() if rule.public} | public
    return {*rubric.ids, *rubric.thresholds} - shown


def _hidden_texts(rubric: Rubric, public: frozenset[str]) -> set[str]:
    criteria = [c for c in rubric.criteria if c.id not in public]
    found = {text for c in criteria for text in (*c.title.values(), *c.short.values())}
    shown: set[str] = set()
    for texts in rubric.texts.values():
        kept = _public_texts(texts, public)
        shown |= set(kept.values())
        found |= {text for key, text in texts.items() if key not in kept}
    return {text for text in found - shown if len(text) >= _SHORTEST_HIDDEN_TEXT}
