"""Checks of VGG16 fine-tuning; all of them may be seen and run by students."""

from __future__ import annotations

import helpers_public_vgg16_finetune as vgg
import pytest
from helpers_public_vgg16_finetune import Finding

from grader.checks.files import brought_weights, started_from_file
from grader.checks.origins import why_unknown
from grader.checks.prepared import leave_prepared_otherwise
from grader.checks.runs import every_cell_runs
from grader.checks.thresholds import HARDLY_ANY
from grader.checks.unmeasured import explain_unmeasured, left_out
from grader.model import FlagKind

CLAIM_TOLERANCE = 0.02


@pytest.mark.criterion("runs")
def test_every_cell_runs(say, submission, notebook):
    every_cell_runs(say, submission, notebook)


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
    own = [f for f in vgg.candidates(submission.fits) if not started_from_file(f)]
    found = {known: {f.model.id for f in own if vgg.is_pretrained(f) is known} for known in (True, False)}
    judged = [judge_base(m, pretrained and (m.id not in found[False] or m.id in found[True])) for m in models]
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
    seen = {"still": moved.still, "wanted": vgg.FROZEN, "of": len(moved.convolutions), "flagged": moved.ignored}
    if moved.still == 0 and (moved.ignored or all(moved.convolutions)):
        return Finding(0.0, "flag-ignored" if moved.ignored else "nothing-frozen", seen)
    if moved.still == 0:
        return Finding(0.0, "other-border", seen)
    if not moved.head:
        return Finding(0.25, "head-still", seen)
    if moved.still == len(moved.convolutions):
        return Finding(0.5, "all-frozen", seen)
    if moved.still != vgg.FROZEN or not moved.in_one_piece:
        return Finding(0.5, "other-border", seen)
    return Finding(1.0, "passed", seen)


@pytest.mark.criterion("labels")
def test_the_labels_are_one_hot_and_the_loss_belongs_to_them(say, fits, data):
    say_best(say, vgg.candidates(fits) or fits, lambda fit: judge_labels(fit, data))


def judge_labels(fit, data):
    loss = fit.model.loss or "?"
    y = fit.fit.y
    one_a_class = y.shape is not None and [n for n in y.shape[1:] if n != 1] == [vgg.CLASSES]
    seen = {"loss": loss, "shape": "×".join(map(str, y.shape or ())) or "?"}
    if fit.fit.ended == "error" and not fit.fit.epochs_run:
        return Finding(0.0, "not-trained", seen)
    if (wrong := fit.wrong_labels(data)) is not None and wrong > vgg.WRONG_LABELS:
        return Finding(0.0, "of-other-images", {**seen, "share": wrong})
    if loss == "categorical_crossentropy" and (one_a_class or y.shape is None):
        one_hot = y.max in (None, 1) and y.min in (None, 0)
        return Finding(1.0, "passed", seen) if one_hot else Finding(0.5, "not-one-hot", seen)
    if loss == "sparse_categorical_crossentropy":
        return Finding(0.5, "integers", seen)
    if one_a_class:
        return Finding(0.5, "other-loss", seen)
    return Finding(0.0, "mismatch", seen)


@pytest.mark.criterion("trained")
def test_it_was_trained_with_a_part_kept_for_validation(say, submission, data, request):
    brought = brought_weights(submission.evidence, submission.fits)
    if brought and not any(f.learned for f in submission.fits):
        say.failed("loaded-only", file=name_of_file(brought[-1].file), cell=brought[-1].cell)
    fits = request.getfixturevalue("fits")
    flag_test_images(say, fits, data)
    chosen = vgg.candidates(fits)
    if not chosen:
        say.blocked("no-base")
    say_best(say, chosen, lambda fit: judge_training(fit, data))


def name_of_file(path):
    """The last part of a path."""
    return path.rstrip("/").rsplit("/", 1)[-1] or "?"


def judge_training(fit, data):
    seen = {
        "rows": fit.rows_told,
        "wanted_rows": vgg.n_train(data),
        "epochs": fit.epochs_run,
        "fewest": vgg.FEWEST_EPOCHS,
    }
    if not fit.learned:
        return Finding(0.0, "not-learned", seen)
    if vgg.share_of_test(fit, data) > vgg.TEST_SHARE:
        return Finding(0.0, "test-images", seen)
    if load := started_from_file(fit):
        return Finding(0.25, "loaded", {**seen, "file": name_of_file(load.file)})
    if not vgg.finished(fit):
        return Finding(0.5, "unfinished", seen)
    if not is_full(fit, data):
        return Finding(0.5, "not-all-images", seen)
    if fit.scaling.flaw and not rescales(fit.model):
        return Finding(0.75, "pixels", {**seen, "low": fit.scaling.low, "high": fit.scaling.high})
    if not has_validation(fit):
        return Finding(0.5, "no-validation", seen)
    if not fit.capped and fit.fit.ended != "stopped" and fit.epochs_run < vgg.FEWEST_EPOCHS:
        return Finding(0.75, "few-epochs", seen)
    if data is not None and data.share(fit.validation_rows, "test") > vgg.TEST_SHARE:
        return Finding(0.75, "validated-on-test", seen)
    return Finding(1.0, "passed", seen)


def rescales(model):
    """Whether the model itself brings pixels to another scale, before its first convolution."""
    first = next((i for i, layer in enumerate(model.layers) if "Conv" in layer.class_name), 0)
    return any(la.class_name in ("Rescaling", "Normalization", "BatchNormalization") for la in model.layers[:first])


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
    if fit.rows_at_most is not None and fit.rows_at_most < 0.7 * wanted:
        return False
    return fit.n_rows is None or fit.n_rows >= 0.9 * wanted or (fit.n_rows >= 0.7 * wanted <= fit.n_rows + kept_back)


def flag_test_images(say, fits, data):
    """A person should see every training that had test images in it."""
    for fit in fits:
        share = vgg.share_of_test(fit, data)
        if share > vgg.TEST_SHARE:
            place = fit.cell + 1 if fit.cell is not None else "?"
            say.flag(FlagKind.TRAINED_ON_TEST_DATA, "common/test-images", share=share, place=place)


@pytest.mark.criterion("accuracy")
def test_it_recognises_as_much_as_a_right_answer_does(say, submission, data, threshold, settle):
    flag_wrong_claims(say, submission)
    valid = fair_fits(submission, data)
    if not valid:
        say.blocked("no-model")
    measured = [f for f in valid if f.measured_accuracy is not None]
    if not measured:
        leave_prepared_otherwise(say, valid, data)
        explain_unmeasured(say, next(filter(left_out, valid), valid[-1]))
    if all(map(why_unknown, measured)):
        say.needs_review(
            why_unknown(measured[-1]), test_accuracy=measured[-1].measured_accuracy, cell=measured[-1].cell
        )
    measured = [f for f in measured if not why_unknown(f)]
    bound = threshold.find("accuracy")
    plain = [f for f in measured if bound is None or not bound.is_beyond(f.measured_accuracy, HARDLY_ANY)]
    fit = max(enumerate(plain or measured), key=lambda pair: (pair[1].measured_accuracy, pair[0]))[1]
    seen = {"test_accuracy": fit.measured_accuracy, "epochs": fit.epochs_run, "cell": fit.cell}
    if not plain:
        say.needs_review("beyond", **seen, **bound.measured())
    if bound is not None and fit.measured_accuracy >= bound.value:
        say.passed(**seen, **bound.measured())
    leave_prepared_otherwise(say, valid, data)
    if others := [f for f in valid if left_out(f)]:
        explain_unmeasured(say, others[-1])
    if submission.quick or any(f.capped for f in valid):
        say.needs_review("undecided-quick", **seen)
    if bound is None:
        say.needs_review("not-calibrated", **seen)
    settled = settle(bound, "test_accuracy", lambda run: best_accuracy(run, data), **seen)
    seen |= settled.measured
    if settled.holds:
        say.passed(**seen)
    say.partial(0.5, "below", **seen)


def fair_fits(run, data):
    """Trainings of a network on VGG16 that learned, and not from test images."""
    return [f for f in vgg.candidates(run.fits) if f.learned and vgg.share_of_test(f, data) <= vgg.TEST_SHARE]


def best_accuracy(run, data):
    """What the best of a run's networks on VGG16 reaches; nothing where none could be measured."""
    values = [f.measured_accuracy for f in fair_fits(run, data) if not why_unknown(f)]
    return max((v for v in values if v is not None), default=None)


def flag_wrong_claims(say, submission):
    """Accuracies that the notebook printed and that nothing measured, logged or evaluated comes near."""
    known = submission.known_accuracies
    if submission.quick or not known:
        return
    for value, cell, on_test in vgg.printed_accuracies(submission.cells):
        if all(abs(value - other) > CLAIM_TOLERANCE for other in (submission.test_accuracies if on_test else known)):
            say.flag(FlagKind.CLAIM_DIFFERS, "claim-differs", claimed=value, place=cell + 1)


@pytest.mark.criterion("saved")
def test_the_trained_model_was_saved(say, submission, fits):
    chosen = vgg.candidates(fits)
    if not chosen:
        say.blocked("no-base")
    learned = [f for f in chosen if f.learned]
    saves = submission.evidence.saves
    good = [s for s in saves if vgg.holds_result(s, learned, submission.evidence)] if learned else []
    if whole := [s for s in good if vgg.is_whole(s)]:
        say.passed(file=name_of_file(whole[-1].file), cell=whole[-1].cell)
    checkpoints = [(f, c) for f in learned for c in f.fit.callbacks if c.class_name == "ModelCheckpoint"]
    if whole := [f for f, c in checkpoints if not c.config.get("save_weights_only")]:
        say.passed("checkpoint", cell=whole[-1].cell)
    if good:
        say.partial(0.5, "weights-only", file=name_of_file(good[-1].file), cell=good[-1].cell)
    if checkpoints:
        say.partial(0.5, "weights-only", file="ModelCheckpoint", cell=checkpoints[-1][0].cell)
    explain_unsaved(say, saves, learned)


def explain_unsaved(say, saves, learned):
    """Nothing that was trained is in a file: what is in there instead."""
    if not saves:
        say.failed("missing")
    last = {"file": name_of_file(saves[-1].file), "cell": saves[-1].cell}
    if not learned:
        say.failed("untrained", **last)
    if all(s.after_fit is None for s in saves) and any(s.model == f.model.id for s in saves for f in learned):
        say.partial(0.5, "too-early", **last)
    say.partial(0.25, "other-weights", **last)
