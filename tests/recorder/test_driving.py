"""How callbacks are driven: endings, time, Keras' own, the stand-in for a model."""

import contextlib
import time
import weakref
from types import SimpleNamespace

import pytest
from made_up_keras import keras_own
from plain_callbacks import EXPECTED, REAL_LOGS, Callback, Model, RemembersTheStop, stopping_when, stops

from grader.recorder import probes
from grader.recorder.driving import Driver, StandIn
from grader.recorder.levels import infer
from grader.recorder.probes import CallbackFit


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
    assert time.monotonic() - began < 30, "it sleeps for a minute"
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
