"""Checks of B2-1 that students may see and run themselves."""

from __future__ import annotations

from collections import Counter

import helpers_public_b2_1 as b2
import pytest
from helpers_public_b2_1 import Standing

from grader.checks.origins import why_unknown
from grader.checks.prepared import is_prepared_otherwise, leave_prepared_otherwise
from grader.checks.runs import every_cell_runs
from grader.checks.unmeasured import explain_unmeasured, left_out
from grader.checks.unseen import leave_unseen_training
from grader.model import FlagKind

CLAIM_TOLERANCE = 0.02
"""About four standard deviations between seeds: a figure kept from an earlier run is no wrong claim."""
HALF_CREDIT_ACCURACY = 0.5
"""A network that recognises half of the images has learned, though not what this one can."""


@pytest.mark.criterion("runs")
def test_every_cell_runs(say, submission, notebook):
    every_cell_runs(say, submission, notebook)


@pytest.mark.criterion("base-model")
def test_the_base_model_was_trained_on_everything(say, fits, data):
    convolutional = [f for f in fits if f.is_convolutional]
    if not convolutional:
        say.failed("no-convolution", seen=b2.outline(fits[-1].model))
    ranked = [(base_credit(f, data), f.n_rows or 0, number) for number, f in enumerate(convolutional)]
    credit, _, number = max(ranked)
    fit = convolutional[number]
    seen = {
        "rows": fit.rows_told,
        "wanted_rows": b2.n_train(data),
        "epochs": fit.epochs_run,
        "seen": b2.outline(fit.model),
    }
    if not fit.learned:
        say.failed("not-learned", cell=fit.cell, **seen)
    if b2.share_of_test(fit, data) > b2.TEST_SHARE:
        say.failed("test-images", cell=fit.cell, **seen)
    if flaw := b2.spoiled(fit, data):
        key, facts = flaw
        say.partial(credit, key, cell=fit.cell, **facts, **seen)
    if not b2.finished(fit):
        say.partial(credit, "unfinished", cell=fit.cell, **seen)
    if not is_full(fit, data):
        say.partial(credit, "not-all-images", cell=fit.cell, **seen)
    if not recognises(fit):
        leave_prepared_otherwise(say, [fit], data)
        explain_guessing(say, credit, fit, seen)
    if b2.deviations(fit.model):
        say.partial(credit, "structure", cell=fit.cell, **seen)
    say.passed(cell=fit.cell, **seen)


def explain_guessing(say, credit, fit, seen):
    """It learned nothing: because of its pixels, or for a reason that cannot be told."""
    seen |= {"test_accuracy": fit.measured_accuracy, "low": fit.scaling.low, "high": fit.scaling.high}
    match fit.scaling.flaw:
        case "tiny":
            say.partial(credit, "pixels-tiny", cell=fit.cell, **seen)
        case "huge":
            say.partial(credit, "pixels-huge", cell=fit.cell, **seen)
    say.partial(credit, "guesses", cell=fit.cell, **seen)


def is_full(fit, data):
    """Whether it saw (nearly) the whole training split; a part kept back for validation by hand is fine."""
    kept_back = (fit.fit.validation.shape or (0,))[0] or 0
    wanted = b2.n_train(data)
    if fit.rows_at_most is not None and fit.rows_at_most < 0.7 * wanted:
        return False
    return fit.n_rows is None or fit.n_rows >= 0.9 * wanted or (fit.n_rows >= 0.7 * wanted <= fit.n_rows + kept_back)


def recognises(fit):
    """Whether it learned digits at all: wrong labels or a wrong loss change weights, too. In doubt it does."""
    unknown = fit.capped or fit.measured_accuracy is None
    return unknown or fit.measured_accuracy >= HALF_CREDIT_ACCURACY


def base_credit(fit, data):
    """Structure and training, each with its share; a training that taught nothing earns nothing."""
    if not fit.learned or b2.share_of_test(fit, data) > b2.TEST_SHARE:
        return 0.0
    structure = {0: 0.5, 1: 0.25}.get(b2.deviations(fit.model), 0.0)
    trained = is_full(fit, data) and b2.finished(fit) and recognises(fit) and not b2.spoiled(fit, data)
    return structure + (0.5 if trained else 0.0)


@pytest.mark.criterion("filters-shown")
def test_the_learned_filters_are_shown(say, submission, notebook, fits):
    convolutional = [f for f in fits if f.is_convolutional and f.learned]
    if not convolutional:
        say.blocked("no-training")
    first = min((f.cell for f in convolutional if f.cell is not None), default=0)
    shown = sorted(cell for cell, n in drawn(submission).items() if shows_filters(notebook, cell, n, submission))
    after = [cell for cell in shown if cell >= first]
    if after:
        say.passed(cell=after[0])
    if shown:
        say.partial(0.5, "only-before", cell=shown[0])
    say.failed("missing")


def drawn(submission):
    """Pictures drawn by each cell, over all its figures."""
    totals = Counter()
    for figure in submission.evidence.figures:
        if figure.cell is not None:
            totals[figure.cell] += figure.images or figure.axes
    return totals


def shows_filters(notebook, cell, n_pictures, submission):
    """A picture for each filter of some layer, or code that speaks of filters and draws."""
    sizes = {layer.config.get("filters") for m in submission.evidence.models for layer in m.layers}
    one_each = any(n_pictures % size == 0 for size in sizes if isinstance(size, int) and size > 1)
    return n_pictures > 0 and (one_each or b2.speaks_of_filters(notebook, cell))


@pytest.mark.criterion("small-data-model")
def test_a_convolutional_model_was_trained_on_600_images(say, submission, fits, data):
    flag_test_images(say, fits, data)
    convolutional = [f for f in fits if f.is_convolutional]
    if not convolutional:
        say.failed("no-convolution")
    standing, fit = b2.best_small(convolutional, data)
    if fit is None:
        explain_none_small(say, submission, convolutional, data)
    seen = {"rows": fit.n_rows, "epochs": fit.epochs_run, "cell": fit.cell}
    match standing:
        case Standing.RIGHT:
            say.passed(**seen)
        case Standing.UNKNOWN:
            say.needs_review(why_unknown(fit) or "unknown-images", **seen)
        case Standing.SPOILED:
            key, facts = b2.spoiled(fit, data)
            say.partial(0.5, key, **facts, **seen)
        case Standing.NEAR:
            say.partial(0.5, "near", **seen)
        case Standing.CONTINUED:
            say.partial(0.25, "continued", **seen)
        case Standing.UNFINISHED:
            say.partial(0.5, "unfinished", **seen)
        case Standing.TEST_IMAGES:
            say.failed("test-images", share=b2.share_of_test(fit, data), **seen)
        case _:
            say.failed("not-learned", **seen)


def explain_none_small(say, submission, convolutional, data):
    """Another number of images, a model without ``fit``, or nothing."""
    others = [f for f in convolutional if f.n_rows and f.n_rows < 0.7 * b2.n_train(data)]
    if size := b2.nearest_size(others):
        say.failed("other-size", rows=size)
    leave_unseen_training(say, submission)
    trained = {f.model.id for f in submission.fits}
    untrained = [m for m in submission.evidence.models if m.layers_of("Conv2D") and m.id not in trained]
    say.failed("never-trained" if untrained else "missing")


def flag_test_images(say, fits, data):
    """A person should see every training that had test images in it, whatever it was for."""
    for fit in fits:
        share = b2.share_of_test(fit, data)
        if share > b2.TEST_SHARE:
            place = fit.cell + 1 if fit.cell is not None else "?"
            say.flag(FlagKind.TRAINED_ON_TEST_DATA, "common/test-images", share=share, place=place)


@pytest.mark.criterion("small-data-accuracy")
def test_it_recognises_as_much_as_a_right_answer_does(say, submission, answers, data, threshold, settle):
    valid = b2.valid_small(submission.fits, data)
    flag_wrong_claims(say, submission, answers, valid, data)
    flag_other_evaluations(say, valid, data)
    if not valid:
        leave_unseen_training(say, submission)
        say.blocked("no-model")
    measured = [f for f in valid if f.measured_accuracy is not None]
    if not measured:
        leave_prepared_otherwise(say, valid, data)
        explain_missing(say, next(filter(left_out, valid), valid[-1]), data)
    if all(map(why_unknown, measured)):
        say.needs_review(
            why_unknown(measured[-1]), test_accuracy=measured[-1].measured_accuracy, cell=measured[-1].cell
        )
    measured = [f for f in measured if not why_unknown(f)]
    bound = threshold("small-data-accuracy")
    enough = [f for f in measured if f.measured_accuracy >= bound.value]
    enough = [f for f in enough if not bound.is_beyond(f.measured_accuracy)] or enough
    fit = enough[-1] if enough else max(measured, key=lambda f: f.measured_accuracy)
    seen = {"test_accuracy": fit.measured_accuracy, **bound.measured(), "epochs": fit.epochs_run, "cell": fit.cell}
    if enough:
        pass_unless_beyond(say, bound, seen)
    leave_prepared_otherwise(say, valid, data)
    if others := [f for f in valid if left_out(f)]:
        explain_unmeasured(say, others[-1])
    if submission.quick or any(f.capped for f in valid):
        say.needs_review("undecided-quick", **seen)
    settled = settle(bound, "test_accuracy", lambda run: best_accuracy(run, data), **seen)
    seen |= settled.measured
    if settled.holds:
        say.passed(**seen)
    if settled.value >= HALF_CREDIT_ACCURACY:
        say.partial(0.5, "below", **seen)
    say.failed("far-below", **seen)


def pass_unless_beyond(say, bound, seen):
    """Far better than any right answer: on 600 images, or on others that were not recorded?"""
    if bound.is_beyond(seen["test_accuracy"]):
        say.needs_review("beyond", **seen)
    say.passed(**seen)


def best_accuracy(run, data):
    """What the best of a run's networks on 600 images reaches; nothing where none could be measured."""
    values = [f.measured_accuracy for f in b2.valid_small(run.fits, data) if not why_unknown(f)]
    return max((v for v in values if v is not None), default=None)


def explain_missing(say, fit, data):
    """No accuracy: no test images (a student's own machine), a reason in the student's doing, or a fault of ours."""
    if data is None:
        say.needs_review("no-test-images", cell=fit.cell)
    explain_unmeasured(say, fit)


def flag_wrong_claims(say, submission, answers, valid, data):
    """Stated accuracies of the experiment that nothing measured comes near; in doubt there is no flag."""
    if submission.quick:
        return
    place = b2.section(submission.cells, "B2-1-2", [f for f in submission.fits if is_small(f, data)])
    inside = [f for f in submission.fits if f.cell is not None and f.cell in place]
    printed = [c for c in b2.printed_claims(submission.cells, place) if inside or c.typed]
    fits, everywhere = [*inside, *valid], range(len(submission.cells))
    known, on_test = (accuracies(submission.evidence, fits, place, training=t) for t in (True, False))
    wrong = [c for c in printed if far_from(c, on_test if c.on_test else known)]
    if valid and (answer := answers["comparison-discussion"]).cells:
        written = b2.written_claims(answer.text, answer.cells[0])
        on_test = accuracies(submission.evidence, submission.fits, everywhere, training=False)
        wrong += [c for c in written if far_from(c, on_test if c.on_test else submission.known_accuracies)]
    for claim in wrong:
        say.flag(FlagKind.CLAIM_DIFFERS, "claim-differs", claimed=claim.value, place=claim.cell + 1)


def flag_other_evaluations(say, valid, data):
    """On the whole test split ``evaluate`` gave what the model does not reach: other weights or images by then."""
    for fit in valid:
        measured = None if fit.capped or is_prepared_otherwise(fit, data) else fit.measured_accuracy
        values = fit.evaluated_on_all(data)
        if measured is None or any(abs(value - measured) <= CLAIM_TOLERANCE for _, value in values):
            continue  # beside the plain one, others may be tries with noise or turned images
        for evaluation, value in values:
            place = evaluation.cell + 1 if evaluation.cell is not None else "?"
            seen = {"claimed": value, "measured": measured, "place": place}
            say.flag(FlagKind.CLAIM_DIFFERS, "evaluation-differs", **seen)


def accuracies(evidence, fits, place, *, training):
    """Accuracies measured, logged and evaluated in the cells ``place`` and of the trainings ``fits``.

    ``training``: also those on the training images, which a network may know by heart.
    """
    ids = {f.id for f in fits}
    logs = [log for f in fits for log in f.fit.logs]
    values = [v for log in logs for name, v in log.items() if "acc" in name and (training or name.startswith("val"))]
    results = [e.results for e in evidence.evaluations if e.cell in place or e.after_fit in ids]
    values += [v for result in results for name, v in result.items() if "acc" in name]
    return [v for v in (*values, *(f.measured_accuracy for f in fits)) if v is not None]


def far_from(claim, known):
    return all(abs(claim.value - value) > CLAIM_TOLERANCE for value in known)


def is_small(fit, data):
    return b2.standing(fit, data) > Standing.ELSEWHERE


@pytest.mark.criterion("bpnn-comparison")
def test_it_is_compared_with_a_network_without_convolution(say, submission, answers, data):
    dense = [f for f in submission.fits if not f.is_convolutional and f.learned and b2.finished(f)]
    small = [f for f in dense if b2.standing(f, data) >= Standing.NEAR]
    others = [f for f in dense if f not in small]
    counterparts = b2.valid_small(submission.fits, data)
    same = [f for f in small if any(same_images(f, c) for c in counterparts)]
    if tried := [f for f in same if f.tried and recognises(f)]:
        say.passed("trained", **compared(tried[-1], counterparts[-1]))
    texts = [a.text for a in answers.values()] + b2.texts_in_code(submission.cells)
    quoted = b2.quoted_bpnn(texts)
    if quoted is not None and not any(abs(quoted - (f.measured_accuracy or 0)) <= 0.005 for f in others):
        say.passed("quoted", quoted=quoted)
    leave_printed(say, submission)
    if small and counterparts and not any(map(recognises, same)):
        leave_prepared_otherwise(say, [*small, *counterparts], data)
    if same and not any(map(recognises, same)):
        say.partial(0.5, "guesses", cell=same[-1].cell, bpnn_accuracy=same[-1].measured_accuracy)
    if same:
        say.partial(0.75, "not-evaluated", cell=same[-1].cell)
    if small:
        key = "other-images" if counterparts else "no-counterpart"
        say.partial(0.5, key, cell=small[-1].cell, rows=small[-1].n_rows)
    if others and (size := b2.nearest_size(others)):
        say.failed("other-size", cell=others[-1].cell, rows=size)
    leave_unseen_training(say, submission)
    say.failed("missing")


def leave_printed(say, submission):
    """Ends the check where a BPNN's accuracy is printed that no recorded training has: one made without Keras."""
    known = [f.measured_accuracy for f in submission.fits]
    results = [e.results for e in submission.evidence.evaluations]
    results += [f.fit.logs[-1] for f in submission.fits if f.fit.logs]
    known += [value for result in results for value in result.values()]
    for claim, rounding in b2.printed_bpnn(submission.cells):
        if all(abs(claim.value - value) > rounding + 1e-4 for value in known if value is not None):
            say.needs_review("printed", quoted=claim.value, cell=claim.cell)


def same_images(fit, counterpart):
    """The same images, or, where they are unknown, as many."""
    if len(fit.unique_rows) and len(counterpart.unique_rows):
        return fit.same_images(counterpart) >= 0.85  # one of them may have been split for validation by hand
    return fit.n_rows == counterpart.n_rows


def compared(fit, counterpart):
    return {
        "bpnn_accuracy": fit.measured_accuracy,
        "cnn_accuracy": counterpart.measured_accuracy,
        "rows": fit.n_rows,
        "cell": fit.cell,
    }


@pytest.mark.criterion("filters-discussion")
def test_the_filters_are_discussed(say, answers):
    judge_answer(say, answers["filters-discussion"])


@pytest.mark.criterion("comparison-discussion")
def test_the_difference_is_explained(say, answers):
    judge_answer(say, answers["comparison-discussion"])


def judge_answer(say, answer):
    """Whether there is something for a person to read."""
    seen = {"characters": answer.characters, "wanted": answer.needed}
    if answer.shared:
        say.needs_review("elsewhere", cell=answer.cells[-1], place=numbers_of(answer.cells), **seen)
    if answer.too_short and answer.pictures:
        say.needs_review("picture", cell=answer.pictures[0], place=numbers_of(answer.pictures), **seen)
    if answer.empty:
        say.failed("only-given" if answer.given else "empty", **seen)
    seen |= {"where": answer.where, "cell": answer.cells[0]}
    if answer.too_short:
        say.failed("too-short", **seen)
    if not answer.has_substance:
        say.needs_review("short", **seen)
    say.needs_review("found", **seen)


def numbers_of(cells):
    """Cells as a person counts them."""
    return ", ".join(str(cell + 1) for cell in cells)
