"""Accuracies that a notebook states, held against those that were measured. In doubt nothing is found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from grader.checks.facts import DataFacts, NotebookCell, Submission, TrainedFit
from grader.checks.prepared import is_prepared_otherwise
from grader.checks.prose import sentences

TOLERANCE = 0.02
"""About four standard deviations between seeds: a figure kept from an earlier run is no wrong claim."""
_WORD = r"(?:正解率|認識率|精度|准确率|准确度|正确率|точност\w*|accuracy|(?<![a-z])acc(?![a-z]))"
_FIGURE = (
    r"(?<![\d.])(?:0?\.(?P<fraction>\d{2,6})|(?P<percent>\d{2}(?:\.\d{1,4})?)\s*(?:%|percent|パーセント|процент))(?!\d)"
)
_STATED = re.compile(_WORD + r"[^\d\n差%+-]{0,14}" + _FIGURE, re.IGNORECASE)
_TEST = re.compile(r"テスト|\btest|测试|тест", re.IGNORECASE)
# Progress bars, training and validation, earlier editions of the work, differences.
_NO_CLAIM = re.compile(
    r"loss:|epoch \d+/|train|val|before|target|goal|best|expect|[<>≥≤]|point"
    r"|訓練|学習|検証|前回|目標|最高|期待|ポイント|训练|验证|之前|目标|最高|обуч|проверочн|валидац|раньше|цель|лучш",
    re.IGNORECASE,
)
# What a callback says of the level that it watches.
_OF_A_LEVEL = re.compile(
    r"above|over|reach|exceed|stop|cancel|超え|越え|達|終了|止|超过|达到|停止|终止|提前|выше|больше|превы|останов|достиг",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\d.])(?:(?P<percent>\d{2}(?:\.\d+)?)\s*(?:%|percent|パーセント|процент)|(?P<fraction>0?\.\d+)(?!\s*%))(?!\d)"
)
_UNIT_OF_TIME = re.compile(r"\s*(?:m?s\b|sec|min|秒|分|сек|мин)", re.IGNORECASE)
_OTHER_VALUE = re.compile(
    r"loss|error|\btime|took|elapsed|\blr\b|learning.?rate|left|remain|損失|誤差|時間|経過|学習率|残り|あと"
    r"|损失|误差|时间|用时|学习率|剩|потер|ошиб|врем|скорост|остал",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Claim:
    """A stated accuracy, 0 to 1, and the index of its cell. ``on_test``: it is said to be of test images."""

    value: float
    cell: int
    on_test: bool


def wrong_claims(submission: Submission, answer: str, answer_cell: int | None) -> list[Claim]:
    """Figures typed into a ``print`` or the written answer that nothing measured, logged or evaluated comes near."""
    claims = list(_typed(submission.cells))
    if answer_cell is not None:
        claims += [c for text in sentences(_folded(answer)) for c in _in_line(text, answer_cell)]
    known, on_test = submission.known_accuracies, submission.test_accuracies
    return [c for c in claims if known and _far_from(c.value, on_test if c.on_test else known)]


def levels_named(printed: str, otherwise: str = "") -> list[float]:
    """Levels of an accuracy, 0 to 1, that the message of a callback names, in order.

    A time, a loss or a number that nothing says anything of is none, nor is anything in a line that it prints as well,
    with these or other digits, where it does not stop (``otherwise``).
    """
    usual = {_without_digits(line) for line in _folded(otherwise).splitlines()}
    lines = [line for line in _folded(printed).splitlines() if _without_digits(line) not in usual]
    numbers = [n for line in lines for n in _levels_in(line)]
    values = [float(n["percent"]) / 100 if n["percent"] else float(n["fraction"]) for n in numbers]
    return [value for value in values if 0.3 <= value <= 1]


def _levels_in(line: str) -> Iterator[re.Match[str]]:
    begin, said = 0, re.search(_WORD, line, re.IGNORECASE) or _OF_A_LEVEL.search(line)
    for number in _NUMBER.finditer(line):
        other = _OTHER_VALUE.search(line, begin, number.start()) or _UNIT_OF_TIME.match(line, number.end())
        begin = number.end()
        if not other and (said or number["percent"]):
            yield number


def _without_digits(line: str) -> str:
    return re.sub(r"\d+", "0", line)


def _typed(cells: Iterable[NotebookCell]) -> Iterator[Claim]:
    """Printed figures that stand in the code: what a program computed may come from anywhere."""
    code = [c for c in cells if c.kind == "code"]
    literals = {float(n) for c in code for n in re.findall(r"(?<![\w.])\d*\.?\d+(?![\w.])", _folded(c.source))}
    for cell in code:
        for line in _folded(cell.printed).splitlines():
            found = () if _OF_A_LEVEL.search(line) else _in_line(line, cell.index)
            yield from (c for c in found if {c.value, round(c.value * 100, 9)} & literals)


def _in_line(line: str, cell: int) -> list[Claim]:
    if _NO_CLAIM.search(line):
        return []
    values = [
        float(f"0.{m['fraction']}") if m["fraction"] else float(m["percent"]) / 100 for m in _STATED.finditer(line)
    ]
    return [Claim(v, cell, _TEST.search(line) is not None) for v in values if 0.3 <= v <= 1]


def _far_from(value: float, known: Sequence[float]) -> bool:
    return all(abs(value - other) > TOLERANCE for other in known)


def other_evaluations(fits: Iterable[TrainedFit], data: DataFacts | None) -> list[tuple[float, float, int | None]]:
    """``evaluate`` on as many images as the test split has gave what the model does not reach, and never what it does:
    beside the plain one, others may be tries with noise or turned images.

    :returns: the accuracy that it gave, the one measured again, and the cell.
    """
    found = []
    for fit in fits:
        measured = fit.measured_accuracy
        if measured is None or fit.capped or data is None or is_prepared_otherwise(fit, data):
            continue
        values = fit.evaluated_on_all(data)
        if all(abs(v - measured) > TOLERANCE for _, v in values):
            found += [(v, measured, e.cell) for e, v in values]
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
