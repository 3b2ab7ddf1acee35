"""Checks of VGG16 fine-tuning; all of them may be seen and run by students."""

from __future__ import annotations

from collections import Counter

import helpers_public_vgg16_finetune as vgg
import pytest
from helpers_public_vgg16_finetune import Finding

from grader.model import CellOutcome, ExecutionOutcome, FlagKind

CLAIM_TOLERANCE = 0.02
LENGTH_ERRORS = ("ValueError", "IndexError", "KeyError")
WEIGHTS_ONLY = ".weights.h5"


@pytest.mark.criterion("runs")
def test_every_cell_runs(say, submission, notebook):
    code = [c for c in notebook if c.kind == "code" and c.outcome is not CellOutcome.EMPTY]
    counts = Counter(c.outcome for c in code)
    if not code:
        say.failed("no-code")
    if counts[CellOutcome.OK] == len(code):
        say.passed(cells=len(code))
    share = counts[CellOutcome.OK] / len(code)
    first = next(c for c in code if c.outcome is not CellOutcome.OK)
    seen = {"ran": counts[CellOutcome.OK], "cells": len(code), "first": name_of(first)}
    outcome = submission.execution.outcome
    if capped_before(submission, first):
        say.needs_review("undecided-capped", cell=first.index, error=first.error_name or "?", **seen)
    if outcome is ExecutionOutcome.BUDGET:
        say.needs_review("undecided-quick", cell=first.index, **seen)
    if outcome in (ExecutionOutcome.KERNEL_DIED, ExecutionOutcome.MEMORY):
        say.partial(min(0.5, share), "kernel-ended", cell=first.index, **seen)
    if counts[CellOutcome.TIMEOUT] or outcome is ExecutionOutcome.TIMEOUT:
        say.partial(min(0.5, share), "timeout", cell=first.index, **seen)
    say.partial(min(0.75, share), "errors", cell=first.index, error=first.error_name or "?", **seen)


def capped_before(submission, cell):
    """Whether a training that the quick budget cut short may be why ``cell`` failed: fewer epochs were to be drawn."""
    capped = [f.cell for f in submission.fits if f.fit.capped and f.cell is not None and f.learned]
    return bool(capped) and cell.index > min(capped) and cell.error_name in LENGTH_ERRORS


def name_of(cell):
    """What a person calls the cell: its label, else its place counted from 1."""
    return f"[{cell.label}]" if cell.label else f"#{cell.index + 1}"


def say_best(say, fits, judge):
    """The verdict of the training that earns most."""
    fit, found = vgg.best(fits, judge)
    if found.credit == 1:
        say.passed(cell=fit.cell, **found.facts)
    say.partial(found.credit, found.key, cell=fit.cell, **found.facts)


@pytest.mark.criterion("base")
def test_the_base_is_vgg16_without_its_top(say, submission):
    models = [m for m in submission.evidence.models if vgg.base_of(m)]
    if not models:
        say.failed("missing")
    pretrained = "vgg16" in submission.evidence.datasets
    judged = [judge_base(model, pretrained) for model in models]
    found = max(enumerate(judged), key=lambda item: (item[1].credit, item[0]))[1]
    if found.credit == 1:
        say.passed(**found.facts)
    say.partial(found.credit, found.key, **found.facts)


def judge_base(model, pretrained):
    base = vgg.base_of(model)
    seen = {"seen": str(base), "side": base.side_px}
    if not base.is_vgg16:
        return Finding(0.25 if len(base.filters) >= vgg.FROZEN else 0.0, "other-network", seen)
    if base.with_top:
        return Finding(0.5, "with-top", seen)
    if not pretrained:
        return Finding(0.5, "random-weights", seen)
    if base.side_px not in (None, vgg.SIDE_PX):
        return Finding(0.75, "other-size", seen)
    return Finding(1.0, "passed", seen)


@pytest.mark.criterion("head")
def test_the_layers_on_top_are_those_asked_for(say, submission):
    models = [m for m in submission.evidence.models if (b := vgg.base_of(m)) and len(b.filters) >= vgg.FROZEN]
    if not models:
        say.blocked("no-base")
    judged = [judge_head(model) for model in models]
    found = max(enumerate(judged), key=lambda item: (item[1].credit, item[0]))[1]
    if found.credit == 1:
        say.passed(**found.facts)
    say.partial(found.credit, found.key, **found.facts)


def judge_head(model):
    parts = vgg.head_of(model)
    seen = {"seen": vgg.outline(parts), "wanted": vgg.outline(vgg.WANTED)}
    if not parts:
        return Finding(0.0, "missing", seen)
    return Finding(max(0.0, 1 - 0.25 * vgg.deviations(parts)), "differs", seen)


@pytest.mark.criterion("frozen")
def test_the_early_layers_stayed_and_the_late_ones_moved(say, submission):
    judged = [f for f in vgg.candidates(submission.fits) if f.learned]
    if not judged:
        untrained(say, submission.evidence.models)
    known = [f for f in judged if vgg.movement(f, submission.evidence)]
    if not known:
        say.needs_review("unknown-weights", cell=judged[-1].cell)
    say_best(say, known, lambda fit: judge_movement(vgg.movement(fit, submission.evidence)))


def untrained(say, models):
    """What is marked as frozen is worth something, even where no training shows whether it is."""
    deep = [flags for m in models if len(flags := vgg.trainable_flags(m)) >= vgg.FROZEN]
    if not deep:
        say.blocked("no-base")
    if any(not any(flags[: vgg.FROZEN]) and all(flags[vgg.FROZEN :]) for flags in deep):
        say.partial(0.5, "only-marked")
    say.failed("not-trained")


def judge_movement(moved):
    seen = {"still": moved.still, "wanted": vgg.FROZEN, "of": len(moved.convolutions), "flagged": moved.flagged}
    if moved.still == 0:
        return Finding(0.0, "flag-ignored" if moved.flagged else "nothing-frozen", seen)
    if not moved.head:
        return Finding(0.25, "head-still", seen)
    if moved.still == len(moved.convolutions):
        return Finding(0.5, "all-frozen", seen)
    if moved.still != vgg.FROZEN or not moved.in_one_piece:
        return Finding(0.5, "other-border", seen)
    return Finding(1.0, "passed", seen)


@pytest.mark.criterion("labels")
def test_the_labels_are_one_hot_and_the_loss_belongs_to_them(say, fits):
    say_best(say, vgg.candidates(fits) or fits, judge_labels)


def judge_labels(fit):
    loss = fit.model.loss or "?"
    y = fit.fit.y
    one_a_class = y.shape is not None and [n for n in y.shape[1:] if n != 1] == [vgg.CLASSES]
    seen = {"loss": loss, "shape": "×".join(map(str, y.shape or ())) or "?"}
    if fit.fit.ended == "error" and not fit.fit.epochs_run:
        return Finding(0.0, "not-trained", seen)
    if loss == "categorical_crossentropy" and (one_a_class or y.shape is None):
        one_hot = y.max in (None, 1) and y.min in (None, 0)
        return Finding(1.0, "passed", seen) if one_hot else Finding(0.5, "not-one-hot", seen)
    if loss == "sparse_categorical_crossentropy":
        return Finding(0.5, "integers", seen)
    if one_a_class:
        return Finding(0.5, "other-loss", seen)
    return Finding(0.0, "mismatch", seen)


@pytest.mark.criterion("trained")
def test_it_was_trained_with_a_part_kept_for_validation(say, fits, data):
    flag_test_images(say, fits, data)
    chosen = vgg.candidates(fits)
    if not chosen:
        say.blocked("no-base")
    say_best(say, chosen, lambda fit: judge_training(fit, data))


def judge_training(fit, data):
    seen = {"rows": fit.n_rows, "wanted_rows": vgg.n_train(data), "epochs": fit.epochs_run, "fewest": vgg.FEWEST_EPOCHS}
    if not fit.learned:
        return Finding(0.0, "not-learned", seen)
    if vgg.share_of_test(fit, data) > vgg.TEST_SHARE:
        return Finding(0.0, "test-images", seen)
    if not vgg.finished(fit):
        return Finding(0.5, "unfinished", seen)
    if not is_full(fit, data):
        return Finding(0.5, "not-all-images", seen)
    if not has_validation(fit):
        return Finding(0.5, "no-validation", seen)
    if not fit.capped and fit.fit.ended != "stopped" and fit.epochs_run < vgg.FEWEST_EPOCHS:
        return Finding(0.75, "few-epochs", seen)
    if data is not None and data.share(fit.validation_rows, "test") > vgg.TEST_SHARE:
        return Finding(0.75, "validated-on-test", seen)
    return Finding(1.0, "passed", seen)


def has_validation(fit):
    return (
        bool(fit.fit.validation_split)
        or fit.fit.validation.kind != "none"
        or any("val_loss" in m for m in fit.fit.logs)
    )


def is_full(fit, data):
    """Whether it saw (nearly) the whole training split; a part kept back for validation by hand is fine."""
    kept_back = (fit.fit.validation.shape or (0,))[0] or 0
    wanted = vgg.n_train(data)
    return fit.n_rows is None or fit.n_rows >= 0.9 * wanted or (fit.n_rows >= 0.7 * wanted <= fit.n_rows + kept_back)


def flag_test_images(say, fits, data):
    """A person should see every training that had test images in it."""
    for fit in fits:
        share = vgg.share_of_test(fit, data)
        if share > vgg.TEST_SHARE:
            place = fit.cell + 1 if fit.cell is not None else "?"
            say.flag(FlagKind.TRAINED_ON_TEST_DATA, "common/test-images", share=share, place=place)


@pytest.mark.criterion("accuracy")
def test_it_recognises_as_much_as_a_right_answer_does(say, submission, data, threshold):
    flag_wrong_claims(say, submission)
    valid = [f for f in vgg.candidates(submission.fits) if f.learned and vgg.share_of_test(f, data) <= vgg.TEST_SHARE]
    if not valid:
        say.blocked("no-model")
    measured = [f for f in valid if f.measured_accuracy is not None]
    if not measured:
        explain_missing(say, valid[-1])
    fit = max(enumerate(measured), key=lambda pair: (pair[1].measured_accuracy, pair[0]))[1]
    bound = threshold.find("accuracy")
    seen = {"test_accuracy": fit.measured_accuracy, "epochs": fit.epochs_run, "cell": fit.cell}
    if bound is not None and fit.measured_accuracy >= bound.value:
        say.passed(**seen, **bound.measured())
    if submission.quick or any(f.capped for f in valid):
        say.needs_review("undecided-quick", **seen)
    if bound is None:
        say.needs_review("not-calibrated", **seen)
    say.partial(0.5, "below", **seen, **bound.measured())


def explain_missing(say, fit):
    """No accuracy: the student's doing has a reason; anything else is a fault of ours."""
    measurement = fit.measurement
    if measurement is None or measurement.our_fault or measurement.reason is None:
        raise RuntimeError(f"{fit.id} was not measured: {measurement}")
    say.blocked(measurement.reason, cell=fit.cell)


def flag_wrong_claims(say, submission):
    """Accuracies that the notebook printed and that nothing measured, logged or evaluated comes near."""
    known = submission.known_accuracies
    if submission.quick or not known:
        return
    for value, cell in vgg.printed_accuracies(submission.cells):
        if all(abs(value - other) > CLAIM_TOLERANCE for other in known):
            say.flag(FlagKind.CLAIM_DIFFERS, "claim-differs", claimed=value, place=cell + 1)


@pytest.mark.criterion("saved")
def test_the_trained_model_was_saved(say, submission, fits):
    chosen = vgg.candidates(fits)
    if not chosen:
        say.blocked("no-base")
    models = {f.model.id for f in chosen}
    trained = min((f.cell for f in chosen if f.learned and f.cell is not None), default=None)
    saves = [s for s in submission.evidence.saves if s.model in models]
    after = [s for s in saves if trained is None or s.cell is None or s.cell >= trained]
    if whole := [s for s in after if not s.file.endswith(WEIGHTS_ONLY)]:
        say.passed(file=whole[-1].file.rsplit("/", 1)[-1], cell=whole[-1].cell)
    checkpoints = [f for f in chosen if any(c.class_name == "ModelCheckpoint" for c in f.fit.callbacks)]
    if checkpoints:
        say.passed("checkpoint", cell=checkpoints[-1].cell)
    if after:
        say.partial(0.5, "weights-only", file=after[-1].file.rsplit("/", 1)[-1], cell=after[-1].cell)
    if saves:
        say.partial(0.5, "too-early", cell=saves[-1].cell)
    say.failed("missing")
