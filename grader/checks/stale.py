"""Saved outputs that the code in the notebook cannot have produced: left from other code, or written by hand.

Each rule needs a contradiction between what was handed in and what the same cells do on a fresh run. Numbers, progress
bars, addresses, warnings and what another version of a library words differently contradict nothing. Where in doubt
there is no finding: a finding asks a person to look, and takes no points.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from grader.checks.facts import NotebookCell
from grader.checks.sources import defined_names, parsed, plain_prints, prints_only
from grader.evidence import Fit
from grader.evidence.submitted import SavedCell
from grader.model import CellOutcome, Text

FINDINGS_LIMIT = 5
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_NOT_DEFINED = re.compile(r"name '([^']+)' is not defined")
_PYTHON_2 = frozenset({"xrange", "unicode", "raw_input", "reduce", "long", "basestring", "reload", "unichr", "file"})
_EPOCH = re.compile(r"^\s*Epoch \d+\s*/\s*(\d{1,9})\b", re.MULTILINE)
_TRAINABLE = re.compile(r"(?<![-\w])Trainable params:\s*([\d,]{1,30})")
_FROZEN = re.compile(r"Non-trainable params:\s*([\d,]{1,30})")
_LAYER = re.compile(r"\(([A-Z][A-Za-z0-9]+)")
_NO_LAYER = frozenset({"None", "InputLayer", "Type", "B", "KB", "MB", "GB"})
_NESTED = frozenset({"model", "functional", "sequential"})
_STEPS = re.compile(r"^\s*\d{1,9}/(\d{1,9}) (?=\[|━|- )", re.MULTILINE)
_NUMBER_WORDS = re.compile(
    r"\bv?\d+(?:\.\d+)+[-+.\w]*|\b(?:nan|inf|true|false|none)\b|(?<=\d)e(?=[+-]?\d)",  # 2.4.0-tf, v2.2.0-rc4-8-g2b96
    re.IGNORECASE,
)
_HIDES_OUTPUT = re.compile(
    r"clear_output|%%capture|redirect_stdout|Streaming output truncated|IOPub (?:data|message) rate exceeded"
)


@dataclass(frozen=True)
class Stale:
    """One contradiction. ``cell`` counts from 0."""

    cell: int
    message: Text


def stale_outputs(saved: Sequence[SavedCell], cells: Sequence[NotebookCell], fits: Iterable[Fit]) -> tuple[Stale, ...]:
    """What was saved and cannot have come from this code.

    :param saved: the notebook's cells as handed in. :param cells: the same as executed.
    :param fits: trainings of the fresh run; shortened ones say nothing about epochs.
    """
    trainings = list(fits)
    counted = any(cell.count is not None for cell in saved)
    # Where no bars agree, the data may be a stand-in, or rows were counted, as before TensorFlow 2.2.
    same_data = any(_steps(s.text) & _steps(c.printed) for s, c in zip(saved, cells, strict=False))
    found: list[Stale] = []
    clean = True  # nothing has gone wrong before this cell: it ran on what the notebook says
    for before, cell in zip(saved, cells, strict=False):
        if cell.kind != "code" or cell.outcome in (CellOutcome.EMPTY, CellOutcome.NOT_RUN):
            continue
        if before.text.strip() and before.error is None:
            message = _hidden_state(cell, cells)
            if cell.outcome is CellOutcome.OK and clean and not before.cut:
                message = _other_model(before, cell) or _other_epochs(before, cell, trainings)
                message = message or (_other_steps(before, cell, trainings) if same_data else None)
                if before.count is not None or not counted:  # saved while it ran, or cut off: it may have gone on
                    message = message or _other_text(before, cell)
            found += [Stale(cell.index, message)] if message else []
        clean = clean and cell.outcome is CellOutcome.OK
    return tuple(found[:FINDINGS_LIMIT])


def out_of_order(saved: Sequence[SavedCell]) -> bool:
    """Whether the saved execution numbers go down somewhere. That alone is everyday work, and no finding."""
    counts = [cell.count for cell in saved if cell.count is not None]
    return any(later < earlier for earlier, later in pairwise(counts))


def _hidden_state(cell: NotebookCell, cells: Sequence[NotebookCell]) -> Text | None:
    """It ran without an error once, and needs a name that nothing in the notebook defines."""
    if cell.outcome is not CellOutcome.ERROR or cell.error_name != "NameError":
        return None
    values = [str(o.get("evalue")) for o in cell.outputs if o.get("output_type") == "error"]
    match = _NOT_DEFINED.search(values[0]) if values else None
    if match is None or match[1] in _PYTHON_2:
        return None
    names = defined_names(c.source for c in cells if c.kind == "code")
    if names is None or match[1] in names:
        return None
    return Text(
        "Cell {place} has saved output without an error, but it uses {name}, which nothing in the notebook defines.",
        {"place": cell.index + 1, "name": match[1][:80]},
    )


def _other_model(before: SavedCell, cell: NotebookCell) -> Text | None:
    then, now = (_summaries(text) for text in (before.text, cell.printed))
    if len(then) != len(now):
        return None
    for old, new in zip(then, now, strict=True):
        if not _same_model(old, new):
            return _difference(cell.index + 1, old, new)
    return None


@dataclass(frozen=True)
class _Summary:
    layers: tuple[str, ...]
    trainable: int
    frozen: int

    @property
    def params(self) -> int:
        return self.trainable + self.frozen


def _difference(place: int, old: _Summary, new: _Summary) -> Text:
    """What a person sees first: a kind of layer, how much is frozen, or the size."""
    other = next(((a, b) for a, b in zip(old.layers, new.layers, strict=False) if not _same_layer(a, b)), None)
    if other and len(old.layers) == len(new.layers):
        return Text(
            "The summary saved in cell {place} has the layer {then} where the code builds {now}.",
            {"place": place, "then": other[0][:80], "now": other[1][:80]},
        )
    if old.params == new.params and len(old.layers) == len(new.layers):
        return Text(
            "The summary saved in cell {place} has {then} trainable parameters; the code builds {now}.",
            {"place": place, "then": old.trainable, "now": new.trainable},
        )
    return Text(
        "The summary of the model saved in cell {place} has {then} parameters in {then_layers} layers; "
        "the code builds {now} in {now_layers}.",
        {
            "place": place,
            "then": old.params,
            "now": new.params,
            "then_layers": len(old.layers),
            "now_layers": len(new.layers),
        },
    )


def _summaries(text: str) -> list[_Summary]:
    """Tables that ``model.summary()`` printed, of either generation of Keras. Totals may count the optimizer's."""
    found, start = [], 0
    plain = _ANSI.sub("", text)
    for match in _TRAINABLE.finditer(plain):
        frozen = _FROZEN.search(plain, match.end())
        table = plain[start : match.start()]
        layers = tuple(name for name in _LAYER.findall(table) if name not in _NO_LAYER)
        start = match.end()
        if frozen:
            found.append(_Summary(layers, _integer(match[1]), _integer(frozen[1])))
    return found


def _integer(text: str) -> int:
    return int(text.replace(",", "") or 0)


def _same_model(then: _Summary, now: _Summary) -> bool:
    """Old tables cut long names short; a model not built yet has no parameters."""
    if not then.params or not now.params:
        return True
    if (then.trainable, then.frozen) != (now.trainable, now.frozen):
        return False
    pairs = zip(then.layers, now.layers, strict=False)
    return len(then.layers) == len(now.layers) and all(_same_layer(a, b) for a, b in pairs)


def _same_layer(one: str, other: str) -> bool:
    one, other = one.lower(), other.lower()
    return one.startswith(other) or other.startswith(one) or {one, other} <= _NESTED


def _other_epochs(before: SavedCell, cell: NotebookCell, fits: Iterable[Fit]) -> Text | None:
    """A progress log of another number of epochs than any training of this cell asks for."""
    here = [f for f in fits if f.cell == cell.index]
    planned = {f.epochs for f in here}
    logged, again = (set(map(int, _EPOCH.findall(text))) for text in (before.text, cell.printed))
    if not here or not logged or None in planned or any(f.capped for f in here) or logged & (planned | again):
        return None
    return Text(
        "The progress saved in cell {place} is of {then} epochs; the code trains for {now}.",
        {"place": cell.index + 1, "then": max(logged), "now": max(n for n in planned if n is not None)},
    )


def _steps(text: str) -> set[int]:
    """What progress bars count to, of either generation of Keras."""
    return set(map(int, _STEPS.findall(_ANSI.sub("", text))))


def _other_steps(before: SavedCell, cell: NotebookCell, fits: Iterable[Fit]) -> Text | None:
    """Bars that count to something far from what they count to now: other data, or other batches."""
    then, now = _steps(before.text), _steps(cell.printed)
    capped = any(f.capped for f in fits if f.cell == cell.index)
    if not then or not now or capped or any(n / 2 < m < n * 2 for n in now for m in then):
        return None
    return Text(
        "The progress saved in cell {place} counts to {then}; the code counts to {now}: other data, or other batches.",
        {"place": cell.index + 1, "then": max(then), "now": max(now)},
    )


def _other_text(before: SavedCell, cell: NotebookCell) -> Text | None:
    """Text that the code always prints is missing, or a cell that only prints has other words."""
    tree = parsed(cell.source)
    if tree is None or _HIDES_OUTPUT.search(cell.source) or _HIDES_OUTPUT.search(before.text):
        return None
    then, now = _folded(before.text), _folded(cell.printed)
    for literal in map(_folded, plain_prints(tree)):
        if len(literal) >= 4 and literal in now and literal not in then:
            return Text(
                "Cell {place} prints “{text}” whenever it runs, but its saved output does not have it.",
                {"place": cell.index + 1, "text": literal[:80]},
            )
    if prints_only(tree) and (line := _foreign_line(before.text, cell, tree)):
        return Text(
            "“{text}” in the saved output of cell {place} is nothing that its code prints.",
            {"place": cell.index + 1, "text": line[:80]},
        )
    return None


def _foreign_line(then: str, cell: NotebookCell, tree: ast.Module) -> str | None:
    """A saved line whose words differ, where all words of the fresh run stand in the cell's own strings.

    Without a digit in the fresh line the value printed may be an empty list or text, which has words elsewhere.
    """
    old, new = (
        [line.strip() for line in _folded(text, keep_lines=True).splitlines() if line.strip()]
        for text in (then, cell.printed)
    )
    constants = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    if len(old) != len(new) or not set(_words("\n".join(new))) <= set(_words("\n".join(map(_folded, constants)))):
        return None
    pairs = zip(old, new, strict=True)
    return next((a for a, b in pairs if _words(a) != _words(b) and re.search(r"\d", b)), None)


def _words(text: str) -> list[str]:
    """Runs of letters, without those that stand for a number."""
    return re.findall(r"[^\W\d_]+", _NUMBER_WORDS.sub(" ", text))


def _folded(text: str, keep_lines: bool = False) -> str:
    plain = unicodedata.normalize("NFKC", _ANSI.sub("", text))
    return plain if keep_lines else " ".join(plain.split())
