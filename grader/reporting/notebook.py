"""The notebook as executed, cell by cell, as plain text and verified pictures; nothing of it is rendered as HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.model import CellOutcome, CellRun, Execution, Outcome
from grader.reporting.clean import clean, clip, decode_png, png_size, shorten
from grader.reporting.words import CELL_LOOK, Words

IMAGES_LIMIT_BYTES = 12 * 2**20
CELLS_SHOWN = 600
TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class OutputView:
    """``kind``: ``text``, ``error``, ``image`` (``text`` is then its alternative, ``src`` a data address), ``note``."""

    kind: str
    text: str
    src: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell as shown. ``look`` and ``word`` are of its outcome, ``None`` for text cells."""

    index: int
    label: str
    title: str
    source: str
    is_code: bool
    look: Outcome | None = None
    word: str = ""
    duration: str = ""
    outputs: tuple[OutputView, ...] = ()
    opened: bool = False


def cell_views(words: Words, notebook: Mapping[str, Any], execution: Execution) -> list[CellView]:
    """All cells of ``notebook`` (nbformat 4, as a student's file may have it: nothing about its shape is trusted)."""
    runs = {run.index: run for run in execution.cells}
    budget = _Budget(IMAGES_LIMIT_BYTES)
    cells = notebook.get("cells")
    listed = cells[:CELLS_SHOWN] if isinstance(cells, list) else []
    return [_cell(words, i, c, runs.get(i), budget) for i, c in enumerate(listed) if isinstance(c, dict)]


class _Budget:
    """Bytes of pictures that the page may still take."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


def _text(value: Any) -> str:
    """A multi-line string of nbformat: a string or a list of them."""
    if isinstance(value, list):
        return "".join(v for v in value if isinstance(v, str))
    return value if isinstance(value, str) else ""


def _cell(words: Words, index: int, cell: Mapping[str, Any], run: CellRun | None, budget: _Budget) -> CellView:
    source, cut = clip(clean(_text(cell.get("source"))))
    if cut:
        source += "\n" + words.say("({n} more characters are not shown)", n=words.count(cut))
    label = f"[{run.label}]" if run and run.label else f"#{index + 1}"
    common: dict[str, Any] = {"index": index, "label": label, "title": _title(source, label), "source": source}
    if cell.get("cell_type") != "code":
        return CellView(**common, is_code=False)
    look, word = CELL_LOOK[run.outcome] if run else CELL_LOOK[CellOutcome.NOT_RUN]
    return CellView(
        **common,
        is_code=True,
        look=look,
        word=words.render(word),
        duration=words.duration(run.duration_s if run else None),
        outputs=tuple(_outputs(words, cell.get("outputs"), label, budget)),
        opened=bool(run and run.outcome in (CellOutcome.ERROR, CellOutcome.TIMEOUT)),
    )


def _title(source: str, label: str) -> str:
    """The first line that says more than the label, without the marks of headings and bold print."""
    lines = (line.strip().strip("#* \t") for line in source.splitlines())
    said = (line.removeprefix(label).strip() for line in lines)
    return shorten(next((line for line in said if line), ""), TITLE_CHARACTERS)


def _outputs(words: Words, outputs: Any, label: str, budget: _Budget) -> list[OutputView]:
    """Outputs in order; texts of one cell together are capped."""
    views: list[OutputView] = []
    shown = 0
    for output in outputs if isinstance(outputs, list) else []:
        view = _output(words, output, label, budget) if isinstance(output, dict) else None
        if view is None:
            continue
        if view.kind in ("text", "error"):
            text, cut = clip(view.text, max(0, 20_000 - shown))
            shown += len(text)
            views += [OutputView(view.kind, text)] if text.strip() else []
            if cut:
                note = words.say("{n} more characters of output are not shown", n=words.count(cut))
                views.append(OutputView("note", note))
        else:
            views.append(view)
    return _merged(views)


def _merged(views: Sequence[OutputView]) -> list[OutputView]:
    """Neighbouring texts as one; the same note twice as once."""
    merged: list[OutputView] = []
    for view in views:
        last = merged[-1] if merged else None
        if last and last.kind == view.kind == "text":
            merged[-1] = OutputView("text", last.text + view.text)
        elif last != view or view.kind != "note":
            merged.append(view)
    return merged


def _output(words: Words, output: Mapping[str, Any], label: str, budget: _Budget) -> OutputView | None:
    match output.get("output_type"):
        case "stream":
            return OutputView("text", clean(_text(output.get("text"))))
        case "error":
            lines = output.get("traceback")
            told = lines if isinstance(lines, list) else []
            trace = clean("".join(f"{line}\n" for line in told if isinstance(line, str)))
            name = clean(f"{output.get('ename', '')}: {output.get('evalue', '')}")
            return OutputView("error", trace.rstrip() or name)
        case "display_data" | "execute_result":
            data = output.get("data")
            return _data(words, data if isinstance(data, dict) else {}, label, budget)
    return None


def _data(words: Words, data: Mapping[str, Any], label: str, budget: _Budget) -> OutputView | None:
    """A PNG as a picture, else its plain text, else a note on what there was."""
    encoded = _text(data.get("image/png"))
    image = decode_png(encoded) if encoded else None
    size = png_size(image) if image else None
    if image and size and budget.take(len(image)):
        src = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
        alt = words.say("Figure of cell {cell}, {width} × {height} pixels", cell=label, width=size[0], height=size[1])
        return OutputView("image", alt, src, *size)
    plain = clean(_text(data.get("text/plain")))
    if encoded:
        return OutputView("note", words.say("A picture is not shown: it is damaged or too large."))
    if plain:
        return OutputView("text", plain.rstrip() + "\n")
    kinds = ", ".join(sorted(shorten(clean(str(k)), 40) for k in data)[:5])
    return OutputView("note", words.say("An output of type {kinds} is not shown.", kinds=kinds)) if kinds else None
