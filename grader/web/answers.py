"""What one attempt holds for the person who reads its answer: the words, the learned filters, the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from grader.checks.answers import find_answers
from grader.checks.facts import read_cells
from grader.checks.handed_out import read_given
from grader.checks.prose import GivenText
from grader.errors import EvidenceError
from grader.model import Result
from grader.pipeline import Context
from grader.pipeline.view import evidence_of
from grader.reporting.clean import clean, clip
from grader.reporting.trainings import TrainingView, training_views
from grader.reporting.words import Words

TRAININGS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class AnswerView:
    """The student's own words for one task, without what was handed out; ``cells`` and ``pictures`` count from 1.

    ``pictures``: cells of the task that show a picture. ``shared``: the words stand in another task's place.
    """

    paragraphs: Sequence[str]
    characters: int
    cells: Sequence[int]
    trainings: Sequence[TrainingView] = ()
    pictures: Sequence[int] = ()
    shared: bool = False


def answer_view(words: Words, context: Context, result: Result, criterion: str) -> AnswerView:
    """What a person needs to grade ``criterion``; no words where there is no answer."""
    evidence = evidence_of(context, result)
    if evidence is None:
        return AnswerView((), 0, ())
    try:
        cells = read_cells(evidence.notebook(), evidence.execution)
    except EvidenceError:
        cells = ()
    found = find_answers(cells, context.assignment.questions, _given(context.rubric.directory)).get(criterion)
    trainings = training_views(words, evidence, result.score, context.test_set, {})
    shown = sorted(trainings, key=lambda t: not t.filters)[:TRAININGS_SHOWN]
    if found is None:
        return AnswerView((), 0, (), shown)
    paragraphs = clip(clean(found.text))[0].split("\n") if found.text else ()
    places, pictures = ([i + 1 for i in numbers] for numbers in (found.cells, found.pictures))
    return AnswerView(paragraphs, found.characters, places, shown, pictures, found.shared)


@lru_cache(maxsize=8)
def _given(directory: Path) -> GivenText:
    return read_given(directory)
