"""Callbacks of plain Python, driven without any framework."""

import contextlib
import time
import weakref
from types import SimpleNamespace

import pytest
from made_up_keras import keras_own

from grader.evidence.events import LevelEvent, ProbeEvent, decode_event
from grader.recorder import probes
from grader.recorder.driving import Driver, StandIn
from grader.recorder.levels import infer
from grader.recorder.probes import CallbackFit, probe_callbacks

REAL_LOGS = {"accuracy": 0.9, "loss": 0.3}
EXPECTED = {
    "never": None,
    "reached-1": 0,
    "reached-3": 2,
    "reached-last": 4,
    "reached-then-lost": 1,
    "again-never": None,
    "again-reached-3": 2,
}


class Callback:
    """The part of Keras' base class that matters; its hooks do nothing."""

    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        self.params = params

    def __getattr__(self, name):
        if name.startswith("on_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)


def stopping_when(test, **attributes):
    """A class whose instances stop as soon as ``test(logs)`` holds at the end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if test(logs):
            print("Reached it!")  # noqa: T201
            self.model.stop_training = True

    return type("Stopping", (Callback,), {"on_epoch_end": on_epoch_end, **attributes})


class Model:
    stop_training = False


@pytest.fixture
def probe(session, tmp_path):
    """Drives one callback; levels and runs as they were written, decoded as the reader does."""

    def run(callback, logs=REAL_LOGS, *, epochs=10, model=None, time_limit_s=5.0, fits=None):
        model = model or Model()
        if fits is None:
            fit = CallbackFit.of("fit-1", model, [callback], epochs, ())
            fit.logs = dict(logs)
            fits = [fit]
        hooks = SimpleNamespace(session=session, models=lambda: [model])
        probe_callbacks(hooks, fits, time_limit_s)
        lines = (tmp_path / "claims" / "events.jsonl").read_bytes().splitlines()
        events = [decode_event(line) for line in lines]
        levels = [e for e in events if isinstance(e, LevelEvent)]
        runs = {(e.subject, e.scenario): e for e in events if isinstance(e, ProbeEvent)}
        return levels, runs

    return run


def stops(runs, subject):
    return {name: runs[subject, name].stopped_at for name in EXPECTED}


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


class RemembersTheStop(Callback):
    """Has ``stopped`` only once it has stopped a training."""

    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > 0.9:
            self.stopped = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        print("stopped at", self.stopped)  # noqa: T201


def test_an_ending_that_uses_what_only_a_stop_sets_hides_no_level(probe):
    (level,), runs = probe(RemembersTheStop())
    assert (level.metric, level.low, level.error) == ("accuracy", 0.9, None)
    assert stops(runs, "given") == EXPECTED
    assert stops(runs, "fresh") == EXPECTED
    never = runs["fresh", "never"]
    assert (never.error, never.ending_error) == (None, "AttributeError: stopped")
    assert runs["fresh", "reached-3"].ending_error is None
    assert runs["fresh", "reached-3"].printed == "stopped at 2\n"
    assert runs["given", "again-never"].ending_error is None  # it was set by the stop before


def test_an_ending_that_always_fails_is_an_error_of_the_runs_that_stop(probe):
    def on_train_end(self, logs=None):
        raise NameError("prnt")

    kind = stopping_when(lambda logs: logs["accuracy"] > 0.9, on_train_end=on_train_end)
    (level,), runs = probe(kind())
    assert level.error == "NameError: prnt"
    assert runs["given", "never"].ending_error == "NameError: prnt"


@pytest.mark.parametrize("name", ["evaluate", "save"])
def test_what_an_ending_asks_its_model_for_is_no_matter(probe, name):
    def on_train_end(self, logs=None):
        getattr(self.model, name)(1)

    (level,), runs = probe(stopping_when(lambda logs: logs["accuracy"] > 0.9, on_train_end=on_train_end)())
    assert (level.low, level.error) == (0.9, None)
    assert stops(runs, "given") == EXPECTED
    assert {run.error or run.ending_error for run in runs.values() if run.scenario in EXPECTED} == {None}


def test_a_run_ends_with_the_logs_of_its_last_epoch(probe):
    def on_train_end(self, logs=None):
        print(logs["accuracy"])  # noqa: T201

    _, runs = probe(stopping_when(lambda logs: logs["accuracy"] > 0.9, on_train_end=on_train_end)())
    run = runs["given", "reached-then-lost"]
    assert run.stopped_at == 1
    assert float(run.printed.splitlines()[-1]) == run.logs[1]["accuracy"]


def test_an_ending_that_hangs_is_given_up(probe):
    def on_train_end(self, logs=None):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    (level,), _ = probe(stopping_when(lambda logs: False, on_train_end=on_train_end)(), time_limit_s=0.3)
    assert level.error.startswith("TimeUp")


def test_a_slow_callback_is_given_up_and_the_next_still_driven(probe, session):
    class Slow(Callback):
        def on_epoch_end(self, epoch, logs=None):
            try:
                time.sleep(60)
            except Exception:
                time.sleep(60)

    fits = []
    for ident, callback in (("fit-1", stopping_when(lambda logs: logs["loss"] < 0.2)()), ("fit-2", Slow())):
        fit = CallbackFit.of(ident, Model(), [callback], 5, ())
        fit.logs = dict(REAL_LOGS)
        fits.append(fit)
    began = time.monotonic()
    levels, runs = probe(None, fits=fits, time_limit_s=1.0)
    assert time.monotonic() - began < 3
    assert [(found.fit, found.error is not None) for found in levels] == [("fit-2", True), ("fit-1", False)]
    assert runs["given", "reached-3"].fit == "fit-1"


def test_an_endless_loop_between_epochs_ends_with_the_time(probe):
    class Endless(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            while True:
                with contextlib.suppress(Exception):
                    time.sleep(0.01)

    (level,), _ = probe(Endless(), time_limit_s=0.3)
    assert level.error.startswith("TimeUp")


def test_what_a_callback_prints_is_kept_and_not_shown(probe, capsys):
    _, runs = probe(stopping_when(lambda logs: logs["accuracy"] > 0.9)())
    assert runs["given", "reached-3"].printed == "Reached it!\n"
    assert runs["given", "never"].printed == ""
    assert capsys.readouterr() == ("", "")


def early_stopping(**attributes):
    """Looks like Keras' own; waits for the loss."""

    def on_train_begin(self, logs=None):
        self.best, self.wait = float("inf"), 0

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in logs:
            return
        if logs[self.monitor] < self.best:
            self.best, self.wait, self.weights = logs[self.monitor], 0, self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.model.stop_training = True
            self.model.set_weights(self.weights)

    made = keras_own("EarlyStopping", Callback, on_train_begin=on_train_begin, on_epoch_end=on_epoch_end)()
    vars(made).update(attributes)
    return made


def test_early_stopping_is_driven_by_its_patience(probe):
    (level,), runs = probe(early_stopping(monitor="loss", patience=15))
    assert (level.metric, level.low, level.never) == ("loss", None, False)
    assert runs["given", "flat"].stopped_at == 15
    assert runs["fresh", "flat"].stopped_at == 15
    assert runs["given", "improving"].stopped_at is None


def test_early_stopping_on_a_log_that_is_not_there_never_stops(probe):
    _, runs = probe(early_stopping(monitor="val_loss", patience=2))
    assert runs["given", "flat"].stopped_at is None


def test_a_hopeless_patience_does_not_make_endless_runs(probe):
    _, runs = probe(early_stopping(monitor="loss", patience=10**9))
    assert len(runs["given", "flat"].logs) == 200


def test_keras_own_callbacks_that_stop_nothing_are_left_alone(probe, session):
    session.note("x")
    saving = keras_own("ModelCheckpoint", Callback)()
    assert probe(saving) == ([], {})


def test_only_the_last_trainings_are_driven(probe):
    kept = [CallbackFit.of(f"fit-{n}", Model(), [stopping_when(lambda logs: False)()], 1, ()) for n in range(1, 8)]
    levels, _ = probe(None, fits=kept)
    assert [found.fit for found in levels] == ["fit-7", "fit-6", "fit-5", "fit-4"]


def test_a_model_that_is_gone_is_no_trouble(probe):
    fit = CallbackFit("fit-1", [stopping_when(lambda logs: logs["loss"] < 1)()], [{}], weakref.ref(Model()), 3)
    levels, _ = probe(None, fits=[fit])
    assert levels[0].low == pytest.approx(1)


def test_hooks_come_in_the_order_of_keras():
    calls = []

    class Recording:
        def __getattr__(self, name):
            return lambda *args, **kwargs: calls.append(name)

    Driver(time.monotonic() + 5).run(Recording(), [{"loss": 1.0, "val_loss": 2.0}])
    assert calls == [
        "set_params",
        "set_model",
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_test_begin",
        "on_test_end",
        "on_epoch_end",
        "on_train_end",
    ]


def test_the_stand_in_shows_the_real_model_and_keeps_its_weights_from_it():
    real = SimpleNamespace(name="net", get_weights=lambda: "real")
    model = StandIn(real)
    assert model.name == "net"
    weights = model.get_weights()
    weights[0] += 1
    model.set_weights(weights)
    assert (model.get_weights()[0] == 1).all()
    with pytest.raises(AttributeError):
        model.no_such_thing  # noqa: B018


def test_levels_are_found_for_any_log_name():
    (level,) = infer(lambda logs: logs["my_error"] < 0.7, ["my_error", "loss"])
    assert (level.metric, level.direction) == ("my_error", "below")
    assert level.low == pytest.approx(0.7)


def test_a_range_in_the_middle_is_no_level():
    (level,) = infer(lambda logs: 0.4 < logs["accuracy"] < 0.6, ["accuracy"])
    assert level.error


def test_a_fault_of_ours_writes_nothing_wrong(probe, monkeypatch):
    monkeypatch.setattr(probes, "infer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # the recorder notes it as a fault of its own
        probe(stopping_when(lambda logs: False)())
