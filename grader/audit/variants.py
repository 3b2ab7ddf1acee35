"""``assignments/<id>/audit/variants.toml``: right and wrong variants of the reference answer, as data.

::

    language = "en"                       # of the reference notebook
    train_images = 2500                   # the first so many of every data set that the assignment uses
    test_images = 1000
    calibration_runs = 6
    calibration_epochs = 20               # instead of those of calibration.toml, as the variants train shorter, too
    cell_time_limit_s = 60
    recorded = ["reference"]              # variants whose trainings others share: made once, for all of these
    made_up = ["cifar10", "vgg16"]        # stand-ins of the same shapes are made for these, see grader.audit.standins
    [[calibration_edit]]                  # what [[shared]] does to the variants, done to calibration.toml, too
    pattern = "momentum = 0.99"
    new = "momentum = 0.5"
    [[shared]]                            # done to every variant first: shorter trainings
    do = "replace" ...

    [[variant]]
    name = "small-2000-images"
    kind = "wrong"
    criterion = "small-data-model"        # meant to catch it: takes points, or keeps them from being given
    flag = "trained_on_test_data"         # meant to be raised, too
    [[variant.edit]]                      # operators, see grader.audit.operators
    do = "replace"
    at = "get_data_mnist(data_size=600)"
    old = "600"
    new = "2000"

A right variant may lose nothing; what it may leave to a person is listed in ``open``. Written criteria are always a
person's: of them only the outcome counts, that an answer was found or not.
"""

from __future__ import annotations

import tomllib
from typing import Annotated, Any, Literal

import msgspec
import nbformat
from msgspec import Meta, Struct, field

from grader.audit.operators import AnyOperator, apply
from grader.errors import CourseError
from grader.handout.build import Notebook, reference_notebook
from grader.model import FlagKind
from grader.rubric import Assignment, Rubric
from grader.rubric.records import Ident

Positive = Annotated[int, Meta(ge=1)]


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """One notebook made from the reference. ``language``: of another reference than the file's."""

    name: Ident
    kind: Literal["right", "wrong"]
    about: str = ""
    language: str | None = None
    edits: tuple[AnyOperator, ...] = field(default=(), name="edit")
    criterion: Ident | None = None
    flag: FlagKind | None = None
    open: tuple[Ident, ...] = ()


class PlanEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Replaces what ``pattern`` (multi-line mode) matches in ``calibration.toml``."""

    pattern: str
    new: str


class Variants(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``shared``: operators done to every variant before its own.

    ``recorded``: variants that are run first and recorded: their trainings answer all that are the same to the bit
    (:mod:`grader.pipeline.replaying`). The assignment's own reference trains otherwise; recording it would be in vain.
    """

    language: str
    train_images: Positive
    test_images: Positive
    variants: Annotated[tuple[Variant, ...], Meta(min_length=1)] = field(name="variant")
    shared: tuple[AnyOperator, ...] = ()
    calibration_runs: Annotated[int, Meta(ge=3)] = 6
    calibration_epochs: Positive | None = None
    calibration_edits: tuple[PlanEdit, ...] = field(default=(), name="calibration_edit")
    cell_time_limit_s: Annotated[float, Meta(gt=0)] = 60.0
    made_up: tuple[str, ...] = ()
    recorded: tuple[Ident, ...] = ()


def read_variants(assignment: Assignment, rubric: Rubric) -> Variants:
    """The assignment's variants.

    :raises CourseError: the file is missing or wrong, names a criterion that the rubric lacks, or a name twice.
    """
    path = assignment.directory / "audit" / "variants.toml"
    try:
        variants = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Variants)
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error}): it lists the variants to audit the rubric with") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise CourseError(f"{path}: {error}") from error
    names = [v.name for v in variants.variants]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise CourseError(f"{path}: variants named twice: {', '.join(twice)}")
    if unknown := sorted(set(variants.recorded) - set(names)):
        raise CourseError(f"{path}: recorded names what is no variant: {', '.join(unknown)}")
    for variant in variants.variants:
        _refuse(path, variant, rubric)
    return variants


def _refuse(path: Any, variant: Variant, rubric: Rubric) -> None:
    named = {*variant.open, *([variant.criterion] if variant.criterion else [])}
    if unknown := sorted(named - set(rubric.ids)):
        raise CourseError(f"{path}: variant {variant.name} names criteria that the rubric lacks: {', '.join(unknown)}")
    if variant.kind == "wrong" and not (variant.criterion or variant.flag):
        raise CourseError(f"{path}: wrong variant {variant.name} names neither criterion nor flag meant to catch it")
    if variant.kind == "right" and (variant.criterion or variant.flag):
        raise CourseError(f"{path}: right variant {variant.name} names a criterion or flag to catch it")


def variant_notebook(assignment: Assignment, variants: Variants, variant: Variant) -> Notebook:
    """The variant as nbformat 4.5, without outputs.

    :raises CourseError: an operator finds nothing to change.
    """
    notebook = reference_notebook(assignment, variant.language or variants.language)
    try:
        shared = apply(notebook["cells"], variants.shared, "shared")
        notebook["cells"] = apply(shared, variant.edits, "audit")
    except CourseError as error:
        raise CourseError(f"variant {variant.name}: {error}") from None
    nbformat.validate(notebook)
    return notebook
