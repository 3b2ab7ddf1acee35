"""What the checks of B2-1 have in common: the wanted structure, the 600 images, and figures quoted in words."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from grader.checks.facts import DataFacts, NotebookCell, TrainedFit
from grader.checks.origins import why_unknown
from grader.checks.pieces import Where, pieces_of
from grader.checks.prose import sentences
from grader.checks.sources import parsed
from grader.evidence import LayerFacts, Model

SMALL = 600
NEAR = range(540, 661)
"""Training on 540 of 600 (the split done by hand and thrown away), or on a tenth too many, was meant as the task is."""
MNIST_TRAIN = 60_000
SAME_SHARE = 0.95
STRANGE_SHARE = 0.05
TEST_SHARE = 0.01
"""No test image of MNIST stands in its training split: one in a hundred is no chance."""
WRONG_LABELS = 0.01
"""Digits that were relabelled by mistake are many; one in a hundred may be a correction of the official labels."""
_WEIGHTS = re.compile(r"get_weights|\.(?:trainable_)?(?:weights|variables)\b|\.kernel\b")
_FILTERS = re.compile(rf"filter|フィルタ|kernel|{_WEIGHTS.pattern}", re.IGNORECASE)
_NOT_COUNTED = {"InputLayer", "Rescaling", "Normalization", "Reshape", "ZeroPadding2D"}
_BPNN = (
    r"BPNN|バックプロパゲーション|BP法|全結合(?!層|の層)|全結合層(?=だけ|のみ)|パーセプトロン|MLP|fully[- ]connected"
    r"|dense network|B1-2|前回(?!より|と比)|(?:普通|通常|ただ)の(?:NN|ニューラルネット)"
)
_CNN = r"CNN|畳み込み|convolution"
_FIGURE = r"(?<![\d.])(?:0?\.(\d{2,6})|(\d{2}(?:\.\d{1,4})?)\s*(?:%|percent|パーセント))(?![\d])"
_WORDS = re.compile(rf"(?P<bpnn>{_BPNN})|(?P<cnn>(?<![A-Z]){_CNN})|(?P<figure>{_FIGURE})", re.IGNORECASE)
_ACCURACY = re.compile(r"(?:正解率|認識率|accuracy|\bacc\b)[^\d\n差%+-]{0,14}" + _FIGURE, re.IGNORECASE)
_NOT_A_CLAIM = re.compile(
    r"loss:|epoch|前回|学習前|目標|train|訓練|学習データ|val|検証|before|最高|best", re.IGNORECASE
)
_OTHER_DATA = re.compile(r"全データ|全ての|すべての|60,?000|full", re.IGNORECASE)


class Standing(IntEnum):
    """How well a training answers the task on 600 images; the higher the better."""

    ELSEWHERE = 0
    NOT_LEARNED = 1
    TEST_IMAGES = 2
    UNFINISHED = 3
    CONTINUED = 4
    NEAR = 5
    SPOILED = 6
    UNKNOWN = 7
    RIGHT = 8


def finished(fit: TrainedFit) -> bool:
    """Whether the training came to its end, by itself or by a callback."""
    return fit.fit.ended in ("completed", "stopped")


def share_of_test(fit: TrainedFit, data: DataFacts | None) -> float:
    """Share of the training images, over the whole chain, that are test images."""
    return data.share(fit.unique_rows, "test") if data else 0.0


def spoiled(fit: TrainedFit, data: DataFacts | None) -> tuple[str, dict[str, object]] | None:
    """What makes it impossible to learn the digits from what ``fit`` was given: key of a text, and its facts."""
    if fit.scaling.flaw == "constant":
        return "pixels-constant", {"low": fit.scaling.low, "high": fit.scaling.high}
    wrong = fit.wrong_labels(data)
    return ("labels", {"wrong": wrong}) if wrong is not None and wrong > WRONG_LABELS else None


def n_train(data: DataFacts | None) -> int:
    """Images in the official training split."""
    return data.n_train if data else MNIST_TRAIN


def standing(fit: TrainedFit, data: DataFacts | None) -> Standing:
    """How well ``fit`` answers the task on 600 images; its layers are not looked at."""
    if fit.n_rows is None:
        return Standing.UNKNOWN if fit.learned else Standing.NOT_LEARNED
    own = len(fit.seen_rows) or fit.fit.n_rows or 0
    if not _is_small(fit, own) and not _is_small(fit, fit.n_rows):
        return Standing.ELSEWHERE
    if not fit.learned:
        return Standing.NOT_LEARNED if not fit.fit.epochs_run or finished(fit) else Standing.UNFINISHED
    if share_of_test(fit, data) > TEST_SHARE:
        return Standing.TEST_IMAGES
    if finished(fit) and spoiled(fit, data):
        return Standing.SPOILED
    if not _is_small(fit, fit.n_rows):
        return Standing.CONTINUED if fit.n_rows > own else Standing.ELSEWHERE
    if not finished(fit):
        return Standing.UNFINISHED
    if data is not None and has_nobodys_images(fit, data):
        return Standing.UNKNOWN
    if why_unknown(fit):
        return Standing.UNKNOWN
    return Standing.RIGHT if _is_right(fit, fit.n_rows) else Standing.NEAR


def has_nobodys_images(fit: TrainedFit, data: DataFacts) -> bool:
    """Whether images given to it are none of the data set's, at first or in later epochs."""
    if len(fit.unique_rows) and data.share(fit.unique_rows, "train") < SAME_SHARE:
        return True
    later = fit.given.get("later", ())
    return len(later) > 0 and int((~data.knows(later)).sum()) > STRANGE_SHARE * len(fit.rows)


def _is_right(fit: TrainedFit, rows: int) -> bool:
    """600 images, or fewer with the rest of them as ``validation_data``; a few may be the same image twice."""
    shape = fit.fit.validation.shape
    kept_back = shape[0] if shape and shape[0] else 0
    given_twice = fit.fit.n_rows == SMALL and 0.98 * SMALL <= rows <= SMALL
    return rows == SMALL or given_twice or (kept_back <= SMALL // 3 and rows + kept_back == SMALL)


def _is_small(fit: TrainedFit, rows: int) -> bool:
    return rows in NEAR or _is_right(fit, rows)


def best_small(fits: Iterable[TrainedFit], data: DataFacts | None) -> tuple[Standing, TrainedFit | None]:
    """The training that answers the task best; of equals the last."""
    best: tuple[Standing, TrainedFit | None] = (Standing.ELSEWHERE, None)
    for fit in fits:
        if (now := standing(fit, data)) >= best[0] and now is not Standing.ELSEWHERE:
            best = (now, fit)
    return best


def valid_small(fits: Iterable[TrainedFit], data: DataFacts | None) -> list[TrainedFit]:
    """Convolutional trainings whose accuracy counts for the task on 600 images."""
    return [f for f in fits if f.is_convolutional and standing(f, data) >= Standing.NEAR]


def nearest_size(fits: Sequence[TrainedFit]) -> int | None:
    """Of trainings on the wrong number of images, the number nearest to 600."""
    return min((f.n_rows for f in fits if f.n_rows), key=lambda n: abs(n - SMALL), default=None)


# The base model


@dataclass(frozen=True)
class Block:
    """One layer with its activation, wherever that was written."""

    layer: LayerFacts
    activation: str

    def __str__(self) -> str:
        config = self.layer.config
        size = config.get("filters") or config.get("units") or ""
        window = config.get("kernel_size") or config.get("pool_size") or []
        shape = "×".join(map(str, window)) if isinstance(window, list | tuple) else str(window)
        words = (self.layer.class_name, str(size), shape, self.activation.replace("linear", ""))
        return " ".join(word for word in words if word)


def blocks(model: Model) -> list[Block]:
    """The layers that count, activations written as layers of their own folded in."""
    found: list[Block] = []
    for layer in model.layers:
        name = layer.class_name
        if name in ("Activation", "ReLU", "Softmax") and found:
            kind = str(layer.config.get("activation")) if name == "Activation" else name.lower()
            found[-1] = Block(found[-1].layer, kind)
        elif name not in _NOT_COUNTED:
            found.append(Block(layer, str(layer.config.get("activation") or "linear")))
    return found


def outline(model: Model) -> str:
    """The layers in a line, for messages."""
    return " → ".join(map(str, blocks(model)))[:300]


def _square(value: object, size: int) -> bool:
    return value in (size, [size, size], (size, size))


def _is(block: Block, layer: str, activation: str | None = None, **config: object) -> bool:
    same = block.layer.class_name == layer and activation in (None, block.activation)
    return same and all(block.layer.config.get(key) == value for key, value in config.items())


def deviations(model: Model) -> int:
    """In how many places the model differs from the one asked for. The size of the hidden dense layer is free."""
    parts = blocks(model)
    shape = [n for n in (model.input_shape or ())[1:] if n != 1]
    wrong = 0 if shape in ([], [28, 28], [784]) else 1
    if len(parts) != 5:
        return wrong + max(2, abs(len(parts) - 5)) if not _extends(parts) else wrong + 1
    conv, pool, flat, hidden, out = parts
    right = (
        _is(conv, "Conv2D", "relu", filters=32) and _square(conv.layer.config.get("kernel_size"), 5),
        _is(pool, "MaxPooling2D") and _square(pool.layer.config.get("pool_size"), 2),
        _is(flat, "Flatten"),
        _is(hidden, "Dense", "relu"),
        _is(out, "Dense", "softmax", units=10),
    )
    return wrong + right.count(False)


def _extends(parts: Sequence[Block]) -> bool:
    """Whether nothing but dropout or normalisation was added."""
    extra = ("Dropout", "BatchNormalization", "SpatialDropout2D")
    kept = [p.layer.class_name for p in parts if p.layer.class_name not in extra]
    return kept == ["Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dense"]


# Filters


def speaks_of_filters(cells: Sequence[NotebookCell], index: int) -> bool:
    """Whether a cell names filters or reads weights, itself or in a function of the notebook that it calls."""
    if index >= len(cells):
        return False
    source = cells[index].source
    return bool(_FILTERS.search(source) or any(map(_WEIGHTS.search, _called(source, functions_of(cells)))))


def functions_of(cells: Iterable[NotebookCell]) -> dict[str, str]:
    """The functions that a notebook defines, as written; of the same name the last."""
    found: dict[str, str] = {}
    for cell in (c for c in cells if c.kind == "code"):
        tree, lines = parsed(cell.source), cell.source.split("\n")
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.FunctionDef):
                found[node.name] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return found


def _called(source: str, functions: Mapping[str, str]) -> list[str]:
    """Those of ``functions`` that ``source`` leads to."""
    found: dict[str, str] = {}
    waiting = [source]
    while waiting:
        words = set(re.findall(r"\w+", waiting.pop())) & functions.keys() - found.keys()
        found |= {name: functions[name] for name in words}
        waiting += [functions[name] for name in words]
    return list(found.values())


# Figures in words


@dataclass(frozen=True)
class Claim:
    """An accuracy that the notebook states, 0 to 1. ``typed``: its digits stand in the notebook's own text.

    ``on_test``: it is said to be that on test images.
    """

    value: float
    cell: int
    typed: bool
    on_test: bool = False


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _value(match: re.Match[str]) -> float:
    fraction, percent = match.groups()[-2:]
    return float(f"0.{fraction}") if fraction else float(percent) / 100


def quoted_bpnn(texts: Iterable[str]) -> float | None:
    """The accuracy that some text gives for a network without convolution; ``None`` where there is none."""
    return next((v for text in texts for v, _ in _bpnn_figures(_folded(text)) if 0.3 <= v <= 1), None)


def printed_bpnn(cells: Iterable[NotebookCell]) -> Iterator[tuple[Claim, float]]:
    """Figures that cells printed for a network without convolution, with half of their last digit.

    Any may be an accuracy, or a loss of a table. Progress of a training is left out.
    """
    for cell in (c for c in cells if c.kind == "code"):
        lines = (line for line in _folded(cell.printed).splitlines() if not _NOT_A_CLAIM.search(line))
        for value, match in _bpnn_figures("\n".join(lines)):
            if 0.3 <= value <= 1:
                yield Claim(value, cell.index, typed=False), _rounding(match)


def _rounding(match: re.Match[str]) -> float:
    fraction, percent = match.groups()[-2:]
    return 0.5 * 10.0 ** -(len(fraction) if fraction else 2 + len(percent.partition(".")[2]))


def _bpnn_figures(text: str) -> Iterator[tuple[float, re.Match[str]]]:
    """Figures whose nearest network named before them, or right behind them, is the BPNN."""
    last = ""
    last_end = -100
    for match in _WORDS.finditer(text):
        if match["figure"]:
            before = text[max(0, match.start() - 16) : match.start()]
            if re.search(r"(?:loss|損失|誤差)\D{0,6}$", before, re.IGNORECASE):
                continue
            wrong = re.search(r"(?:誤り率|誤認識率|エラー率|error rate)\D{0,6}$", before, re.IGNORECASE)
            behind = re.match(rf"\s*%?\s*[(]?\s*(?:{_BPNN})", text[match.end() :], re.IGNORECASE)
            if behind or (last == "bpnn" and match.start() - last_end <= 60):
                yield (1.0 - _value(match) if wrong else _value(match)), match
        else:
            last, last_end = ("bpnn" if match["bpnn"] else "cnn"), match.end()


def texts_in_code(cells: Iterable[NotebookCell]) -> list[str]:
    """Comments, strings and bare sentences of each code cell, and figures given to a variable named after the BPNN."""
    found: dict[int, list[str]] = {}
    code = [c for c in cells if c.kind == "code"]
    for piece in pieces_of(code):
        if piece.where is not Where.MARKDOWN:
            found.setdefault(piece.cell, []).append(piece.text)
    for cell in code:
        found.setdefault(cell.index, []).extend(re.findall(r"(?i)bpnn\w*\s*=\s*0?\.\d{2,6}\b", cell.source))
    return ["\n".join(lines) for lines in found.values()]


def section(cells: Sequence[NotebookCell], heading: str, fits: Iterable[TrainedFit]) -> range:
    """Cells of the experiment: from the task's heading, or the first of ``fits`` if that is earlier, to the end."""
    title = re.compile(rf"^[ \t]*#+.*{re.escape(heading)}", re.MULTILINE)
    named = [c.index for c in cells if c.kind != "code" and title.search(_folded(c.source))]
    trained = [f.cell for f in fits if f.cell is not None]
    return range(min([*named[:1], *trained], default=len(cells)), len(cells))


def printed_claims(cells: Sequence[NotebookCell], place: range) -> list[Claim]:
    """Accuracies that cells of ``place`` printed right after the word; doubtful lines are left out."""
    code = [c for c in cells if c.kind == "code" and c.index in place]
    sources = "\n".join(_folded(c.source) for c in code)
    found = []
    for cell in code:
        for line in _folded(cell.printed).splitlines():
            found += [Claim(v, cell.index, text in sources, _names_test(line)) for v, text in _stated(line)]
    return found


def written_claims(text: str, cell: int) -> list[Claim]:
    """Accuracies that sentences about the convolutional network, and no other, state."""
    about = [s for s in sentences(_folded(text)) if re.search(rf"(?<![A-Z]){_CNN}", s, re.IGNORECASE)]
    return [Claim(v, cell, True, _names_test(s)) for s in about if not _OTHER_DATA.search(s) for v, _ in _stated(s)]


def _names_test(text: str) -> bool:
    return re.search(r"テスト|\btest", text, re.IGNORECASE) is not None


def _is_a_difference(line: str, match: re.Match[str]) -> bool:
    """``improved by 50 % relative``, ``95 % of the accuracy``: figures that are no accuracy."""
    within, behind = match[0], line[match.end() :]
    if re.search(r"\bby\b|(?:正解率|認識率)の(?=[\d.]+\s*%)", within, re.IGNORECASE):
        return True
    return re.match(r"\s*%?\s*(?:relative|points?\b|だけ|ポイント|相対|の?信頼)", behind, re.IGNORECASE) is not None


def _stated(line: str) -> list[tuple[float, str]]:
    if _NOT_A_CLAIM.search(line) or re.search(_BPNN, line, re.IGNORECASE):
        return []
    found = [(_value(m), m[m.lastindex or 0]) for m in _ACCURACY.finditer(line) if not _is_a_difference(line, m)]
    return [(value, digits) for value, digits in found if 0.3 <= value <= 1]
