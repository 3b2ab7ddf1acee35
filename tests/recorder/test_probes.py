"""What the probes of a callback show of its level and its state; driven without any framework."""

import pytest
from plain_callbacks import EXPECTED, REAL_LOGS, Callback, Model, stopping_when, stops

from grader.recorder.probes import CallbackFit


@pytest.mark.parametrize(
    ("test", "metric", "direction", "level", "at_level"),
    [
        (lambda logs: logs.get("accuracy") > 0.99, "accuracy", "above", 0.99, False),
        (lambda logs: logs["accuracy"] >= 0.95, "accuracy", "above", 0.95, True),
        (lambda logs: logs["loss"] < 0.4, "loss", "below", 0.4, False),
        (lambda logs: not logs["loss"] > 0.05, "loss", "below", 0.05, True),
        (lambda logs: 100 * logs["accuracy"] > 99, "accuracy", "above", 0.99, None),
        (lambda logs: (logs.get("acc") or logs.get("accuracy")) > 0.9, "accuracy", "above", 0.9, None),
    ],
)
def test_the_level_follows_from_what_the_callback_does(probe, test, metric, direction, level, at_level):
    levels, runs = probe(stopping_when(test)())
    found = next(found for found in levels if found.metric == metric)
    assert found.direction == direction
    assert found.low == pytest.approx(level, abs=1e-9)
    assert found.high == pytest.approx(level, abs=1e-9)
    if at_level is not None:
        assert found.at_level_stops is at_level
        assert runs["given", "at-level"].stopped_at == (0 if at_level else None)
    assert stops(runs, "given") == EXPECTED
    assert stops(runs, "fresh") == EXPECTED


def test_an_inverted_test_is_seen_by_its_direction_and_by_its_runs(probe):
    levels, runs = probe(stopping_when(lambda logs: logs["accuracy"] < 0.99)())
    assert [(found.metric, found.direction) for found in levels] == [("accuracy", "below")]
    assert runs["given", "never"].stopped_at == 0
    assert runs["given", "reached-1"].stopped_at is None


def test_a_level_beyond_what_the_log_can_reach_is_found_too(probe):
    (percent,), _ = probe(stopping_when(lambda logs: logs["accuracy"] > 99)())
    assert (percent.metric, percent.low) == ("accuracy", 99.0)


def test_one_beyond_by_a_hair_is_told_from_one_at_the_best_value(probe):
    (over,), runs = probe(stopping_when(lambda logs: logs["accuracy"] > 1.0)())
    assert over.low == 1.0
    assert over.at_level_stops is False
    assert runs["given", "at-level"].stopped_at is None


def test_a_key_that_the_training_lacks_is_inferred_and_its_error_kept(probe):
    levels, runs = probe(stopping_when(lambda logs: logs.get("acc") > 0.99)())
    assert [(found.metric, found.low) for found in levels] == [("acc", 0.99)]
    assert runs["given", "reached-1"].error.startswith("TypeError")
    assert runs["given", "other-name"].stopped_at == 0


def test_validation_logs_are_driven_where_the_training_has_them(probe):
    logs = {**REAL_LOGS, "val_accuracy": 0.8, "val_loss": 0.5}
    (level,), runs = probe(stopping_when(lambda logs: logs["val_loss"] <= 0.3)(), logs)
    assert (level.metric, level.direction, level.low) == ("val_loss", "below", 0.3)
    assert level.at_level_stops is True
    assert stops(runs, "given") == EXPECTED


def test_two_values_that_must_both_pass_are_joint(probe):
    both, runs = probe(stopping_when(lambda logs: logs["accuracy"] > 0.9 and logs["loss"] < 0.25)())
    assert {(found.metric, found.joint) for found in both} == {("accuracy", True), ("loss", True)}
    assert stops(runs, "given") == EXPECTED


def test_either_of_two_values_gives_two_levels_of_their_own(probe):
    either, _ = probe(stopping_when(lambda logs: logs["accuracy"] > 0.9 or logs["loss"] < 0.25)())
    assert {(found.metric, found.joint) for found in either} == {("accuracy", False), ("loss", False)}


@pytest.mark.parametrize(("test", "always"), [(lambda logs: True, True), (lambda logs: False, False)])
def test_a_callback_that_does_not_look_at_the_logs_has_no_level(probe, test, always):
    (level,), runs = probe(stopping_when(test)())
    assert (level.metric, level.always, level.never) == (None, always, not always)
    assert runs["given", "improving"].stopped_at == (0 if always else None)


def test_a_fixed_epoch_stops_whatever_the_logs_say(probe):
    class Fifth(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 4

    (level,), _ = probe(Fifth())
    assert level.always


def test_a_level_that_counts_from_a_later_epoch_on_is_found_in_longer_runs(probe):
    class Late(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch >= 3 and logs["accuracy"] > 0.9:
                self.model.stop_training = True

    (level,), runs = probe(Late())
    assert (level.metric, level.low) == ("accuracy", 0.9)
    assert runs["given", "reached-1"].stopped_at == 3


def test_waiting_for_an_improvement_shows_in_the_flat_and_the_improving_run(probe):
    class Patient(Callback):
        def on_train_begin(self, logs=None):
            self.best, self.wait = 99.0, 0

        def on_epoch_end(self, epoch, logs=None):
            self.wait = 0 if logs["loss"] < self.best else self.wait + 1
            self.best = min(self.best, logs["loss"])
            if self.wait >= 3:
                self.model.stop_training = True

    (level,), runs = probe(Patient())
    assert level.metric is None
    assert runs["given", "flat"].stopped_at == 3
    assert runs["given", "improving"].stopped_at is None


def test_an_object_that_keeps_its_state_differs_from_a_fresh_one(probe):
    class Sticky(Callback):
        def __init__(self):
            self.done = False

        def on_epoch_end(self, epoch, logs=None):
            self.done = self.done or logs["accuracy"] > 0.9
            self.model.stop_training = self.done

    sticky = Sticky()
    fit = CallbackFit.of("fit-1", Model(), [sticky], 10, ())
    fit.logs = dict(REAL_LOGS)
    sticky.done = True  # as its training left it
    levels, runs = probe(sticky, fits=[fit])
    assert levels[0].low == 0.9
    assert runs["given", "never"].stopped_at == 0
    assert runs["fresh", "never"].stopped_at is None
    assert runs["fresh", "again-never"].stopped_at == 0


def test_a_fresh_one_has_the_settings_of_the_very_object(probe):
    class Own(Callback):
        def __init__(self, level=0.99):
            self.limit = level

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = logs["accuracy"] > self.limit

    (level,), _ = probe(Own(0.8))
    assert level.low == 0.8


def test_a_class_that_needs_arguments_is_copied(probe):
    class Own(Callback):
        def __init__(self, level):
            self.level = level

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = logs["accuracy"] > self.level

    (level,), runs = probe(Own(0.7))
    assert level.low == 0.7
    assert stops(runs, "fresh") == EXPECTED


def test_what_a_training_taught_one_that_needs_arguments_is_not_in_its_copy(probe):
    class Own(Callback):
        def __init__(self, level):
            self.level = level

        def on_epoch_end(self, epoch, logs=None):
            if logs["accuracy"] > self.level or self.__dict__.get("done", False):
                self.done = True
                self.model.stop_training = True

    own = Own(0.7)
    fit = CallbackFit.of("fit-1", Model(), [own], 10, ())
    fit.logs = dict(REAL_LOGS)
    own.done = True  # as its training left it
    (level,), runs = probe(own, fits=[fit])
    assert level.low == 0.7
    assert runs["given", "never"].stopped_at == 0
    assert runs["fresh", "never"].stopped_at is None


def test_what_an_earlier_training_changed_is_not_in_the_fresh_one():
    callback = stopping_when(lambda logs: False)()
    callback.done = False
    first = CallbackFit.of("fit-1", Model(), [callback], 3, ())
    callback.done = True
    second = CallbackFit.of("fit-2", Model(), [callback], 3, [first])
    assert second.before == [{"done": False}]


def test_a_class_in_place_of_an_instance_is_named(probe):
    (level,), runs = probe(stopping_when(lambda logs: True))
    assert level.error == "TypeError: Stopping is a class, not an instance of it"
    assert runs == {}


def test_a_callback_that_stops_a_model_by_its_global_name_is_seen(probe):
    model = Model()

    class Global(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if logs["accuracy"] > 0.9:
                model.stop_training = True

    (level,), runs = probe(Global(), model=model)
    assert level.low == 0.9
    assert stops(runs, "given") == EXPECTED


def test_stopping_inside_a_batch_counts_for_its_epoch(probe):
    class Batch(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if logs["loss"] < 0.1:
                self.model.stop_training = True

    (level,), runs = probe(Batch())
    assert (level.metric, level.low) == ("loss", pytest.approx(0.1))
    assert stops(runs, "given") == EXPECTED


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_a_callback_that_measures_the_model_itself_is_told_apart(probe, name):
    class Measuring(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = getattr(self.model, name)(1) > 0.9

    (level,), runs = probe(Measuring())
    assert level.error == f"NotDrivenError: it calls {name} of the model"
    assert runs["given", "never"].error == level.error


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_a_callback_raises_is_kept_as_text(probe, error):
    def test(logs):
        raise error

    (level,), _ = probe(stopping_when(test)())
    assert level.error.startswith(type(error).__name__)
