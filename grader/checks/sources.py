"""What a cell's source says about names and printing, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

_NOT_PYTHON = re.compile(r"^\s*[!%?]|^\s*[\w, ]+=\s*[!%]|\?\s*$")
_MAKES_NAMES = re.compile(
    r"import\s+\*|\bexec\s*\(|\bglobals\s*\(|\blocals\s*\(|\bvars\s*\(|\bsetattr\s*\(|\.update\s*\(\s*globals"
    r"|^\s*%{1,2}(?:pylab|run|load|store)|user_ns|\.push\s*\(",
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%(?:\([^)]*\))?[-+ #0]*\d*(?:\.\d+)?[a-zA-Z%]|[\x00-\x1f]")
_QUIET = frozenset(
    {"print", "format", "round", "len", "str", "int", "float", "abs", "max", "min", "sum", "repr", "range", "zip"}
    | {"enumerate", "mean", "std", "sorted"}
)


def parsed(source: str) -> ast.Module | None:
    """The cell's code, lines for IPython left out; ``None`` where the rest is not Python."""
    if source.lstrip().startswith("%%"):
        return None
    lines = ["" if _NOT_PYTHON.match(line) else line for line in source.split("\n")]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined_names(sources: Iterable[str]) -> set[str] | None:
    """Every name that some cell binds anywhere; of a cell that is not Python every word.

    :returns: ``None`` where it cannot be told: ``import *``, ``exec`` and their like.
    """
    names: set[str] = set()
    for source in sources:
        tree = parsed(source)
        if _MAKES_NAMES.search(source):
            return None
        if tree is None:
            names |= set(re.findall(r"\w+", source))
            continue
        for left in re.findall(r"^\s*([\w, ]+?)\s*=\s*[!%]", source, re.MULTILINE):
            names |= {name.strip() for name in left.split(",")}
        for node in ast.walk(tree):
            names |= set(_bound(node))
    return names


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.split(".", 1)[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names


def plain_prints(tree: ast.Module) -> Iterator[str]:
    """Text that running the cell prints in any case: literals of ``print`` calls that stand under no condition.

    Parts between placeholders come one by one.
    """
    for call in _unconditional_prints(tree.body):
        for argument in call.args if _is_plain_print(call) else ():
            for literal in _literals(argument):
                yield from (part.strip() for part in _PLACEHOLDER.split(literal))


def _unconditional_prints(body: Iterable[ast.stmt]) -> Iterator[ast.Call]:
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Name(id="print")) as call):
                yield call
            case ast.With(body=inner) | ast.For(body=inner):
                if not any(isinstance(n, ast.Break | ast.Continue) for s in inner for n in ast.walk(s)):
                    yield from _unconditional_prints(inner)


def _is_plain_print(call: ast.Call) -> bool:
    """Not to a file, and not over what was printed before."""
    return _name(call) == "print" and not any(keyword.arg in ("file", "end", None) for keyword in call.keywords)


def _literals(argument: ast.expr) -> Iterator[str]:
    """String constants that are printed as they stand: alone, in f-strings, added, or as a format."""
    match argument:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield from (part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _literals(left)
            yield from _literals(right)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            yield text
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            yield text


def prints_only(tree: ast.Module) -> bool:
    """Whether the cell does nothing but print, unconditionally, with calls that add no words of their own."""
    prints = [s.value for s in tree.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    flat = len(prints) == len(tree.body) and all(map(_is_plain_print, prints))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    chooses = any(isinstance(n, ast.IfExp | ast.BoolOp | ast.Subscript) and _holds_text(n) for n in ast.walk(tree))
    return bool(tree.body) and flat and not chooses and all(_name(call) in _QUIET for call in calls)


def _holds_text(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(node))


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
