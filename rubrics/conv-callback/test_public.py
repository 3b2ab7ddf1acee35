"""Checks of conv-callback that students may see and run themselves."""

from __future__ import annotations

import helpers_public_conv_callback as cc
import helpers_public_conv_claims as claims
import helpers_public_conv_results as results
import pytest

from grader.checks.origins import why_unknown
from grader.checks.prepared import leave_prepared_otherwise
from grader.checks.runs import every_cell_runs
from grader.checks.thresholds import HARDLY_ANY
from grader.checks.unmeasured import explain_unmeasured
from grader.model import FlagKind

HALF_CREDIT_ACCURACY = 0.5
"""A network that recognises half of the digits has learned, though not what this one can."""


@pytest.mark.criterion("runs")
def test_every_cell_runs(say, submission, notebook):
    every_cell_runs(say, submission, notebook)


@pytest.mark.criterion("model")
def test_a_convolutional_model_was_trained(say, fits):
    convolutional = [f for f in fits if f.is_convolutional]
    if not convolutional:
        say.failed("no-convolution", seen=cc.outline(fits[-1].model))
    fit = max(enumerate(convolutional), key=lambda pair: (model_credit(pair[1]), pair[0]))[1]
    seen = {"seen": cc.outline(fit.model), "epochs": fit.epochs_run}
    if not fit.learned:
        say.failed("not-learned", cell=fit.cell, **seen)
    if not cc.finished(fit):
        say.partial(0.5, "unfinished", cell=fit.cell, **seen)
    lacking = cc.lacks(fit.model)
    if "softmax" in lacking:
        units, activation = cc.outputs(fit.model)
        say.partial(model_credit(fit), "outputs", cell=fit.cell, units=units, activation=activation, **seen)
    if lacking:
        say.partial(model_credit(fit), "no-pooling", cell=fit.cell, **seen)
    say.passed(cell=fit.cell, **seen)


def model_credit(fit):
    """A network that learned nothing earns nothing; each part that is missing costs a half."""
    if not fit.learned:
        return 0.0
    return max(0.0, 1 - len(cc.lacks(fit.model)) / 2) * (1.0 if cc.finished(fit) else 0.5)


@pytest.mark.criterion("callback-defined")
def test_a_callback_is_given_to_fit(say, submission, notebook, fits):
    code = cc.written(notebook)
    given = [(f, c) for f in fits for _, c in cc.stopping_callbacks(f)]
    if not given:
        explain_missing_callback(say, submission, notebook, code)
    instances = [(f, c) for f, c in given if not cc.is_given_class(c)]
    if not instances:
        say.failed("class-not-instance", cell=given[-1][0].cell)
    own = [(f, c) for f, c in instances if not cc.is_early_stopping(c)]
    if not own:
        say.passed("early-stopping", cell=instances[-1][0].cell)
    fit, callback = own[-1]
    name = callback.class_name
    if newer := cc.forgotten(code, {c.class_name for _, c in own}, name):
        say.passed("other-class", cell=fit.cell, given=name, defined=newer)
    if submission.evidence.names().get(name, {}).get("type") == name:
        say.passed("shadowed", cell=fit.cell, given=name)
    say.passed(cell=fit.cell, given=name)


def explain_missing_callback(say, submission, notebook, code):
    """No training had a callback that could end it: why."""
    errors = {run.index: run for run in submission.execution.cells if run.error_name}
    for cell in notebook:
        error = errors.get(cell.index)
        passed = cc.calls_with_callbacks(cell)
        value = (error.error_value or "") if error else ""
        if error and error.error_name == "NameError" and any(f"'{name}'" in value for name in passed):
            missing = next(name for name in passed if f"'{name}'" in value)
            defined = next(reversed(code.classes), None)
            if defined:
                say.failed("not-defined", cell=cell.index, given=missing, defined=defined)
            say.failed("not-defined-at-all", cell=cell.index, given=missing)
        shadowed = [name for name in code.classes if value == f"'{name}' object is not callable"]
        if shadowed:
            say.failed("shadowed-error", cell=cell.index, given=shadowed[0])
    if not code.classes and not code.lambdas:
        say.failed("missing")
    name = next(reversed(code.classes), "LambdaCallback")
    if code.commented_out is not None:
        say.failed("commented-out", cell=code.commented_out, defined=name)
    say.failed("not-given", defined=name)


@pytest.mark.criterion("callback-stops")
def test_the_callback_stops_when_it_should_and_only_then(say, submission, notebook, fits, parameter):
    found = cc.driven(submission.evidence, fits)
    if not found:
        say.blocked("no-callback")
    asked = cc.asked_level(notebook, parameter["callback-level"])
    verdicts = [judge(one, found, parameter, asked) for one in found]
    best = max(enumerate(verdicts), key=lambda pair: (rank(pair[1]), pair[0]))[0]
    credit, key, seen = verdicts[best]
    name = found[best].facts.class_name
    seen = {"callback": name, **seen}
    newer = cc.forgotten(cc.written(notebook), {one.facts.class_name for one in found}, name)
    if newer and credit is not None and credit < 1:
        say.failed("other-class", cell=found[best].fit.cell, given=name, defined=newer, **seen)
    if credit is None:
        say.needs_review(key, cell=found[best].fit.cell, **seen)
    say.partial(credit, key, cell=found[best].fit.cell, **seen)


def rank(verdict):
    """A person may find more in an open one than in one that is half right."""
    return 0.6 if verdict[0] is None else verdict[0]


def judge(one, others, parameter, asked):
    """Credit (``None``: for a person), key and facts of one callback."""
    if cc.is_given_class(one.facts):
        return 0.0, "class-not-instance", {}
    if cc.is_early_stopping(one.facts):
        return judge_early_stopping(one, parameter)
    if not one.levels:
        return None, "not-driven", {}
    if (error := one.error) is not None:
        if error.startswith("NotDrivenError"):
            return None, "measures-itself", {}
        if error.startswith("TimeUp"):
            return None, "too-slow", {}
        if cc.is_of_a_missing_key(error) and (unknown := one.unknown_keys()):
            return 0.0, "wrong-key", {"metric": unknown[0], "names": ", ".join(one.names)}
        return 0.0, "raises", {"error": error[:200]}
    if not one.watched:
        return judge_without_level(one, is_alone(one, others), parameter)
    return judge_level(one, others, parameter, asked)


def judge_early_stopping(one, parameter):
    """Keras' own: it waits for an improvement and knows no level."""
    monitor = str(one.facts.config.get("monitor"))
    patience = one.facts.config.get("patience") or 0
    epochs = one.fit.fit.epochs or 0
    seen = {"metric": monitor, "patience": patience, "epochs": epochs}
    if not parameter["early-stopping-allowed"]:
        return 0.0, "early-stopping-not-asked", seen
    if one.fit.fit.logs and monitor not in one.names:
        return 0.0, "wrong-key", {**seen, "names": ", ".join(one.names)}
    if patience >= epochs > 0 and not one.fit.capped:
        return 0.5, "early-stopping-patience", seen
    if not one.runs:
        return None, "not-driven", seen
    return (1.0, "early-stopping", seen) if one.waits_for_improvement() else (0.0, "never", seen)


def is_alone(one, others):
    """Whether no other callback could have ended its training."""
    return sum(other.fit is one.fit for other in others) == 1


def judge_without_level(one, alone, parameter):
    """No value of any log changes what it does."""
    if one.waits_for_improvement():
        allowed = parameter["early-stopping-allowed"]
        return (1.0, "early-stopping-own", {}) if allowed else (0.0, "early-stopping-not-asked", {})
    if one.levels[0].always:
        return 0.0, "always", {}
    if one.fit.fit.ended == "stopped" and alone:
        return None, "unexplained", {"epochs": one.fit.epochs_run}
    if unknown := one.unknown_keys():
        return 0.0, "wrong-key", {"metric": unknown[0], "names": ", ".join(one.names)}
    return 0.0, cc.why_never(one.facts.source), {}


def judge_level(one, others, parameter, asked):
    """It watches a value: which, on which side, and whether the training was as that asks for."""
    level = one.watched[0]
    metric = str(level.metric)
    seen = {"metric": metric, "level": cc.value_of(level), "names": ", ".join(one.names)}
    if metric not in one.names:
        return judge_key(one, metric, seen)
    if any(cc.is_inverted(other) for other in one.watched):
        return 0.0, "inverted", seen
    if cc.is_out_of_reach(level):
        percent = cc.rises(metric) and 1 < seen["level"] <= 100
        return 0.0, "out-of-reach-percent" if percent else "out-of-reach", seen
    if surprises := one.first_use():
        run, due = surprises[0]
        if run.error:
            return 0.0, "raises", {**seen, "error": run.error[:200]}
        at = run.stopped_at + 1 if run.stopped_at is not None else 0
        key = "unasked" if due is None else "other-epoch" if at else "misses"
        return 0.5, key, {**seen, "due": 0 if due is None else due + 1, "at": at}
    if one.later_use():
        return 0.5, "state", seen
    return judge_training(one, others, seen) or judge_choice(one, seen, parameter, asked)


def judge_key(one, metric, seen):
    """It reads a log that this training does not have."""
    if alias := cc.same_metric(metric, one.names):
        return 0.0, "wrong-name", {**seen, "alias": alias}
    return 0.0, "no-validation" if metric.startswith("val_") else "wrong-key", seen


def judge_training(one, others, seen):
    """Whether the real training ended where its logs say; ``None`` when it did."""
    fit = one.fit.fit
    past = [cc.passes(one.watched, logs) for logs in fit.logs]
    first = past.index(True) if True in past else None
    seen |= {"epochs": fit.epochs_run, "best": best_value(fit.logs, seen["metric"])}
    by_itself = first is None and one.ended_by_its_own_error()
    if not fit.logs or (fit.ended not in ("completed", "stopped") and not by_itself):
        return 0.75, "unfinished", seen
    if first is not None and first + 1 < fit.epochs_run:
        return 0.5, "went-on", {**seen, "due": first + 1}
    if first is None and (by_itself or None not in past):
        if fit.ended == "stopped" and is_alone(one, others):
            return 0.5, "ended-early", seen
        if one.fit.capped:
            return None, "undecided-quick", seen
        if by_itself:
            return 0.75, "raised-at-end", {**seen, "error": one.ending_error[:200]}
        return 0.75, "never-met", seen
    return None


def best_value(logs, metric):
    """The highest (of a loss: lowest) value that the training reached."""
    values = [v for values in logs if (v := values.get(metric)) is not None]
    return (max if cc.rises(metric) else min)(values, default=None)


def judge_choice(one, seen, parameter, asked):
    """Whether value and level are the task's; where it leaves them open, any that makes sense."""
    level, metric = seen["level"], seen["metric"]
    if asked:
        wanted = {**seen, "wanted": parameter["callback-level"]}
        if metric not in ("accuracy", "acc"):
            return 0.5, "other-metric", wanted
        if abs(level - parameter["callback-level"]) > parameter["callback-level-tolerance"]:
            return 0.5, "other-level", wanted
    elif is_too_easy(metric, level, parameter):
        return 0.5, "too-easy", seen
    if (error := one.ending_error) is not None:
        return 1.0, "raises-at-end", {**seen, "error": error[:200]}
    if (stated := one.stated()) is not None:
        return 1.0, "message-differs", {**seen, "stated": stated}
    return 1.0, "silent" if one.printed() == "" else "passed", seen


def is_too_easy(metric, level, parameter):
    """Whether next to any training passes it."""
    if cc.rises(metric):
        return level < parameter["open-accuracy-lowest"]
    return level > parameter["open-loss-highest"]


@pytest.mark.criterion("accuracy")
def test_the_last_model_recognises_digits(say, submission, fits, answers, data, threshold, settle):
    flag_test_images(say, fits, data)
    trained = trained_on_digits(submission, data)
    if not submission.quick:
        flag_claims(say, submission, answers["exercises-discussion"], trained, data)
    if not trained:
        say.blocked("no-model")
    fit = trained[-1]
    if share_of_test(fit, data) > cc.TEST_SHARE:
        say.failed("test-images", cell=fit.cell, share=share_of_test(fit, data))
    if fit.measured_accuracy is None:
        leave_prepared_otherwise(say, [fit], data)
        explain_unmeasured(say, fit)
    if unknown := why_unknown(fit):
        say.needs_review(unknown, test_accuracy=fit.measured_accuracy, cell=fit.cell)
    bound = threshold("accuracy")
    seen = {"test_accuracy": fit.measured_accuracy, **bound.measured(), "epochs": fit.epochs_run, "cell": fit.cell}
    if bound.is_beyond(fit.measured_accuracy, HARDLY_ANY):
        say.needs_review("beyond", **seen)
    if fit.measured_accuracy >= bound.value:
        say.passed(**seen)
    leave_prepared_otherwise(say, [fit], data)
    if submission.quick or fit.capped:
        say.needs_review("undecided-quick", **seen)
    settle_accuracy(say, settle, bound, data, seen)


def settle_accuracy(say, settle, bound, data, seen):
    """Too low: what further runs reach decides where it is near the threshold."""
    settled = settle(bound, "test_accuracy", lambda run: last_accuracy(run, data), **seen)
    seen |= settled.measured
    if settled.holds:
        say.passed(**seen)
    if settled.value >= HALF_CREDIT_ACCURACY:
        say.partial(0.5, "below", **seen)
    say.failed("far-below", **seen)


def last_accuracy(run, data):
    """What a run's last model of digits reaches; nothing where it was not measured or knows test images."""
    trained = trained_on_digits(run, data)
    fair = trained and share_of_test(trained[-1], data) <= cc.TEST_SHARE
    return trained[-1].measured_accuracy if fair else None


def trained_on_digits(run, data):
    """A run's models of digits that learned."""
    return [f for f in run.fits if f.learned and cc.on_digits(f, data, run.cells)]


def share_of_test(fit, data):
    """Share of the training images that are test images of MNIST."""
    return data.share(fit.unique_rows, "test") if data else 0.0


def flag_test_images(say, fits, data):
    """A person should see every training that had test images in it, whatever it was for."""
    for fit in fits:
        share = max((d.share(fit.unique_rows, "test") for d in ((data, *data.others) if data else ())), default=0.0)
        if share > cc.TEST_SHARE:
            say.flag(FlagKind.TRAINED_ON_TEST_DATA, "common/test-images", share=share, place=place_of(fit.cell))


def place_of(cell):
    """A cell as a person counts it."""
    return cell + 1 if cell is not None else "?"


def flag_claims(say, submission, answer, trained, data):
    """A person should see accuracies that are stated or evaluated, and that nothing measured comes near."""
    for claim in claims.wrong_claims(submission, answer.text, next(iter(answer.cells), None)):
        say.flag(FlagKind.CLAIM_DIFFERS, "claim-differs", claimed=claim.value, place=place_of(claim.cell))
    for claimed, measured, cell in claims.other_evaluations(trained, data):
        seen = {"claimed": claimed, "measured": measured, "place": place_of(cell)}
        say.flag(FlagKind.CLAIM_DIFFERS, "evaluation-differs", **seen)


EXPERIMENTS = {"filters": 1, "less": 2, "more": 3, "first": 4}


def judge_experiment(say, submission, notebook, data, parameter, name):
    """Whether the trainings show one of the experiments, made so that there is something to compare."""
    asked = cc.asked_level(notebook, parameter["callback-level"])
    number = EXPERIMENTS[name]

    def made(fits):
        return cc.experiments(fits, data, notebook, this_edition=asked)[name]

    enough = [f for f in submission.fits if results.saw_enough(f)]
    if made([f for f in enough if results.was_looked_at(f, notebook, submission.evidence)]):
        say.passed(name)
    if made(enough):
        say.needs_review("not-measured", number=number)
    if made(submission.fits):
        say.partial(0.5, "few-images", number=number, fewest=results.FEWEST_IMAGES)
    say.failed(f"no-{name}")


@pytest.mark.criterion("exercises")
def test_the_number_of_filters_was_changed(say, submission, notebook, fits, data, parameter):
    judge_experiment(say, submission, notebook, data, parameter, "filters")


@pytest.mark.criterion("exercises")
def test_the_last_convolution_was_taken_away(say, submission, notebook, fits, data, parameter):
    judge_experiment(say, submission, notebook, data, parameter, "less")


@pytest.mark.criterion("exercises")
def test_a_convolution_was_added(say, submission, notebook, fits, data, parameter):
    judge_experiment(say, submission, notebook, data, parameter, "more")


@pytest.mark.criterion("exercises")
def test_all_convolutions_but_the_first_were_taken_away(say, submission, notebook, fits, data, parameter):
    judge_experiment(say, submission, notebook, data, parameter, "first")


@pytest.mark.criterion("exercises-discussion")
def test_the_experiments_are_discussed(say, answers):
    answer = answers["exercises-discussion"]
    seen = {"characters": answer.characters, "wanted": answer.needed}
    if answer.too_short and answer.pictures:
        place = ", ".join(str(place_of(cell)) for cell in answer.pictures)
        say.needs_review("picture", cell=answer.pictures[0], place=place, **seen)
    if answer.empty:
        say.failed("only-given" if answer.given else "empty", **seen)
    seen |= {"where": answer.where, "cell": answer.cells[0]}
    if answer.too_short:
        say.failed("too-short", **seen)
    if not answer.has_substance:
        say.needs_review("short", **seen)
    say.needs_review("found", **seen)
