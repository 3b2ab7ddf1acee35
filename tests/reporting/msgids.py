"""Collects every sentence of the program that a catalogue must know, from the templates and the source code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CALL = re.compile(r"""\b_\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
_SAYING = frozenset({"say", "gettext", "_"})


def in_templates() -> set[str]:
    """Sentences in ``_("…")`` of the jinja2 templates."""
    found: set[str] = set()
    for path in sorted((ROOT / "reports").rglob("*.jinja")):
        found |= {double or single for double, single in _CALL.findall(path.read_text("utf-8"))}
    return found


def in_code() -> dict[str, str]:
    """Sentences in ``Text("…")`` (rubric keys left out), ``.say("…")`` and ``.gettext("…")``: sentence to file."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "grader").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found |= dict.fromkeys(_sentences(node, constants), str(path.relative_to(ROOT)))
    return found


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What names of the module and its functions stand for."""
    return {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _sentences(call: ast.Call, constants: dict[str, ast.expr]) -> list[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "id"), None)
    texts = _literals(first, constants)
    if name == "Text":
        return [t for t in texts if " " in t or t.isalpha()]
    return texts if name in _SAYING else []


def _literals(node: ast.expr | None, constants: dict[str, ast.expr]) -> list[str]:
    """The string; both of a conditional; what a module's constant holds, or all values of its table."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp():
            return _literals(node.body, constants) + _literals(node.orelse, constants)
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in constants:
            return _literals(constants[name], {})
        case ast.Dict():
            return [text for value in node.values for text in _literals(value, {})]
    return []


def all_msgids() -> set[str]:
    """Everything that every catalogue must have."""
    return in_templates() | set(in_code())
