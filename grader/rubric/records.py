"""What ``assignment.toml`` and ``rubric.toml`` say, as frozen records. msgspec checks types and unknown keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from grader.model import Visibility
from grader.recorder.compatibility import OPTIONS
from grader.rubric.late import LateRules

Ident = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
Compatibility = Annotated[str, Meta(pattern=f"^({'|'.join(OPTIONS)})$")]
Localised = dict[str, str]


def localised(texts: Localised, language: str) -> str:
    """The text in ``language``, else in English, else whichever there is."""
    return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")


class WrittenQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """A written task: where its answer is looked for.

    :ivar criterion: id of the criterion that grades it.
    :ivar heading: what the task's heading contains (``B2-1-1``), in any language.
    :ivar keywords: words that an answer to it is likely to use, to tell answers of two tasks in one place apart.
    """

    criterion: Ident
    heading: str
    keywords: tuple[str, ...] = ()
    min_characters: int = 30


class Assignment(Struct, frozen=True, forbid_unknown_fields=True):
    """One assignment as ``assignments/<id>/assignment.toml`` describes it.

    :ivar templates: language to file name of the jupytext percent source (given cells and solution together).
    :ivar dataset: name of the data set whose test split models are re-measured on.
    :ivar datasets: all that the notebook loads, where there are more than that one.
    :ivar time_limit_s: for the whole notebook, wall clock. :ivar cell_time_limit_s: for any one cell.
    :ivar verification_time_limit_s: for re-measuring, where models take longer than the setting allows.
    :ivar quick_epochs, quick_rows: caps of the quick budget for each training.
    :ivar compatibility: idioms of older Keras that are accepted (:mod:`grader.recorder.compatibility`).
    :ivar quick_test_images: of the test images the first so many are measured in the quick budget, all by default.
    :ivar late: the deadline, and what handing in late costs (:mod:`grader.rubric.late`).
    """

    id: Ident
    version: str
    title: Localised
    dataset: str
    templates: dict[str, str]
    time_limit_s: float = 900.0
    cell_time_limit_s: float | None = None
    memory_limit_mib: int = 4096
    runtime: Annotated[str, Meta(pattern="^(auto|keras3|keras2)$")] = "auto"
    quick_epochs: int = 2
    quick_rows: int = 2000
    quick_test_images: Annotated[int, Meta(ge=1)] | None = None
    verification_time_limit_s: float | None = None
    datasets: tuple[str, ...] = ()
    compatibility: tuple[Compatibility, ...] = ()
    questions: tuple[WrittenQuestion, ...] = ()
    late: LateRules = LateRules()
    directory: Path = field(default_factory=Path)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages there is a template for; the first is the default."""
        return tuple(self.templates)


class Criterion(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a rubric. ``kind``: ``auto`` (checks give the points) or ``written`` (a person does)."""

    id: Ident
    points: Annotated[float, Meta(ge=0, le=10_000)]
    title: Localised
    short: Localised = {}
    visibility: Visibility = Visibility.PUBLIC
    kind: Annotated[str, Meta(pattern="^(auto|written)$")] = "auto"


class ThresholdRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How a threshold follows from a calibration: no number stands in a rubric.

    :ivar distribution: name of the distribution in ``calibration.json``.
    :ivar false_fail: probability that a right answer falls on the wrong side.
    :ivar side: ``lower`` (at least) or ``upper`` (at most).
    """

    distribution: str
    false_fail: Annotated[float, Meta(gt=0, lt=0.5)] = 0.001
    side: Annotated[str, Meta(pattern="^(lower|upper)$")] = "lower"
    public: bool = True


class Rubric(Struct, frozen=True, forbid_unknown_fields=True):
    """One rubric as ``rubrics/<id>/rubric.toml`` describes it; ``texts[language][key]`` are what checks say.

    ``parameters`` are numbers that stand in the task's own text, such as the level at which a training shall stop.
    """

    assignment: Ident
    version: str
    criteria: tuple[Criterion, ...] = field(name="criterion")
    thresholds: dict[str, ThresholdRule] = {}
    parameters: dict[str, float] = {}
    texts: dict[str, dict[str, str]] = {}
    directory: Path = field(default_factory=Path)

    @property
    def max_points(self) -> float:
        """Sum of the criteria's points."""
        return sum(c.points for c in self.criteria)

    def criterion(self, ident: str) -> Criterion:
        """The criterion of this id; :raises KeyError: there is none."""
        return next(c for c in self.criteria if c.id == ident) if ident in self.ids else _missing(ident)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the criteria, in order."""
        return tuple(c.id for c in self.criteria)

    def texts_in(self, language: str) -> dict[str, str]:
        """All texts in ``language``, English where it lacks one; criterion titles under ``<id>/title``."""
        merged = {**self.texts.get("en", {}), **self.texts.get(language, {})}
        merged |= {f"{c.id}/title": localised(c.title, language) for c in self.criteria}
        return merged | {f"{c.id}/short": localised(c.short or c.title, language) for c in self.criteria}


def _missing(ident: str) -> Criterion:
    raise KeyError(ident)
