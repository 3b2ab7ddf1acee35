"""When the callback stops the training, and when not: the table of flaws."""

import shutil

import pytest
from conv_attempt import RISING, Callback, RemembersTheStop, above, stopper
from made_up_keras import keras_own

from grader.model import FlagKind


def stops(attempt):
    return attempt.check().said("callback-stops")


class TestStops:
    """The table of flaws."""

    def test_silent_but_right(self, asked):
        asked.digits(above(0.995))
        assert stops(asked) == "passed silent"

    def test_inverted(self, asked):
        asked.digits(stopper(lambda logs: logs["accuracy"] < 0.99, says="Reached 99%")(), [0.95])
        found = asked.check()
        assert found.said("callback-stops") == "failed inverted"
        assert found["callback-stops"].measured["level"] == 0.99
        assert found.said("callback-defined") == "passed passed"

    def test_a_percentage_is_out_of_reach(self, asked):
        asked.digits(above(99), [*RISING] * 2, ended="completed")
        assert stops(asked) == "failed out-of-reach-percent"

    def test_a_level_of_one_is_out_of_reach(self, asked):
        asked.digits(above(1.0), [*RISING] * 2, ended="completed")
        assert stops(asked) == "failed out-of-reach"

    def test_a_level_that_the_training_never_met(self, attempt):
        attempt.digits(above(0.9999), RISING, ended="completed", planned=4)
        assert stops(attempt) == "partial never-met"

    def test_the_name_of_old_tensorflow(self, asked):
        asked.digits(stopper(lambda logs: logs.get("acc") > 0.995)(), [0.95], ended="error")
        found = asked.check()
        assert found.said("callback-stops") == "failed wrong-name"
        assert found["callback-stops"].measured["alias"] == "accuracy"
        assert found.flags == []

    def test_the_name_of_old_tensorflow_costs_nothing_but_is_flagged_where_it_is_accepted(self, asked):
        asked.compatibility = ("acc-log-names",)
        asked.digits(stopper(lambda logs: logs.get("acc") > 0.995)())
        found = asked.check()
        assert found.said("callback-stops") == "passed silent"
        assert found["callback-stops"].measured["metric"] == "accuracy"
        assert [f.kind for f in found.flags] == [FlagKind.COMPATIBILITY]

    def test_an_inverted_test_stays_wrong_under_the_name_of_old_tensorflow(self, asked):
        asked.compatibility = ("acc-log-names",)
        asked.digits(stopper(lambda logs: logs.get("acc") < 0.995)(), [0.95])
        assert stops(asked) == "failed inverted"

    def test_an_option_that_nothing_needed_is_not_flagged(self, asked):
        asked.compatibility = ("acc-log-names", "sequential-input")
        asked.digits(above(0.995))
        found = asked.check()
        assert found.said("callback-stops") == "passed silent"
        assert found.flags == []

    @pytest.mark.parametrize(
        ("key", "said"), [("val_accuracy", "failed no-validation"), ("precision", "failed raises")]
    )
    def test_a_key_that_the_logs_lack(self, asked, key, said):
        asked.digits(stopper(lambda logs: logs[key] > 0.995)(), [0.95], ended="error")
        assert stops(asked) == said

    def test_a_message_that_contradicts_the_level_is_only_noted(self, asked):
        asked.digits(above(0.995, says="Reached 60% accuracy so cancelling training!"))
        found = asked.check()
        assert found.said("callback-stops") == "passed message-differs"
        assert found["callback-stops"].measured["stated"] == 0.6

    @pytest.mark.parametrize(
        ("says", "stated"),
        [
            ("0.4s", None),
            ("stopped after 0.53 seconds", None),
            ("精度が目標に達しました。学習時間：0.41 秒", None),
            ("loss 0.4123: accuracy reached", None),
            ("the loss is 0.6, the accuracy above 99.5%", None),
            ("0.5312", None),
            ("learning rate 0.0010, stopping", None),
            ("残り0.5%で終了します", None),
            ("loss 0.0123, accuracy above 0.9", 0.9),
            ("stopped after 0.5 s: accuracy above 60 %", 0.6),
            ("精度が０．９を超えたので終了します", 0.9),
        ],
    )
    def test_a_printed_time_or_loss_is_no_level(self, asked, says, stated):
        asked.digits(above(0.995, says=says))
        found = asked.check()
        assert found.said("callback-stops") == ("passed passed" if stated is None else "passed message-differs")
        assert found["callback-stops"].measured.get("stated") == stated

    def test_what_it_prints_in_every_epoch_is_no_message_of_a_stop(self, asked):
        class Tells(Callback):
            def on_train_begin(self, logs=None):
                self.seen = []

            def on_epoch_end(self, epoch, logs=None):
                self.seen.append(logs["accuracy"])
                print(f"mean accuracy {sum(self.seen) / len(self.seen):.3f}")  # noqa: T201
                self.model.stop_training = logs["accuracy"] > 0.995

        asked.digits(Tells())
        assert stops(asked) == "passed passed"

    def test_what_it_computes_of_the_logs_is_no_level(self, asked):
        class Tells(Callback):
            def on_train_begin(self, logs=None):
                self.seen = []

            def on_epoch_end(self, epoch, logs=None):
                self.seen.append(logs["accuracy"])
                if logs["accuracy"] > 0.995:
                    print(f"stopped, mean accuracy {sum(self.seen) / len(self.seen):.3f}")  # noqa: T201
                    self.model.stop_training = True

        asked.digits(Tells())
        assert stops(asked) == "passed passed"

    def test_another_level_than_the_tasks_is_half(self, asked):
        asked.digits(above(0.9), [0.95])
        assert stops(asked) == "partial other-level"

    def test_another_metric_than_the_tasks_is_half(self, asked):
        asked.digits(stopper(lambda logs: logs["loss"] < 0.02)(), [0.95, 0.985])
        assert stops(asked) == "partial other-metric"

    @pytest.mark.parametrize(
        ("test", "values"),
        [
            (lambda logs: logs["loss"] < 0.1, [0.8, 0.95]),
            (lambda logs: logs["accuracy"] >= 0.99, [0.95, 0.991]),
            (lambda logs: logs["accuracy"] > 0.6, [0.95]),
        ],
    )
    def test_where_the_task_leaves_it_open_any_sensible_level_is_right(self, attempt, test, values):
        attempt.digits(stopper(test)(), values)
        assert stops(attempt) == "passed silent"

    def test_a_level_that_everything_passes_is_too_easy(self, attempt):
        attempt.digits(above(0.05), [0.95])
        assert stops(attempt) == "partial too-easy"

    @pytest.mark.parametrize(("value", "said"), [(True, "failed always"), (False, "failed never")])
    def test_one_that_does_not_look_at_the_logs(self, asked, value, said):
        asked.digits(stopper(lambda logs: value)(), [0.95], ended="stopped" if value else "completed")
        assert stops(asked).startswith(said)

    def test_one_that_only_prints_is_told_what_it_lacks(self, asked):
        class Talks(Callback):
            def on_epoch_end(self, epoch, logs=None):
                if logs["accuracy"] > 0.995:
                    print("stop")  # noqa: T201

        asked.digits(Talks(), RISING, ended="completed", planned=4)
        assert stops(asked) == "failed never-told"

    def test_a_class_in_place_of_an_instance(self, asked):
        asked.digits(type(above(0.995)), [], ended="error")
        found = asked.check()
        assert found.said("callback-stops") == "failed class-not-instance"
        assert found.said("callback-defined") == "failed class-not-instance"

    def test_state_that_outlives_a_training(self, asked):
        class Sticky(Callback):
            def __init__(self):
                self.done = False

            def on_epoch_end(self, epoch, logs=None):
                self.done = self.done or logs["accuracy"] > 0.995
                self.model.stop_training = self.done

        asked.digits(Sticky())
        assert stops(asked) == "partial state"

    def test_a_training_that_went_on_past_the_level(self, asked):
        asked.digits(above(0.995), [0.95, 0.996, 0.997], ended="completed", planned=3)
        assert stops(asked) == "partial went-on"

    def test_reaching_the_level_in_the_last_epoch_is_no_fault(self, asked):
        asked.digits(above(0.995), RISING, ended="stopped", planned=4)
        assert stops(asked) == "passed silent"

    def test_a_value_within_rounding_of_the_level_counts_either_way(self, asked):
        asked.digits(above(0.995), [0.95, 0.9950000001, 0.996], ended="stopped")
        assert stops(asked) == "passed silent"

    def test_a_capped_training_decides_nothing_about_reaching_the_level(self, asked):
        asked.digits(above(0.995), [0.3, 0.5], ended="completed", capped=True)
        assert stops(asked) == "needs_review undecided-quick"

    def test_a_capped_training_does_not_hide_a_wrong_callback(self, asked):
        asked.digits(stopper(lambda logs: logs["accuracy"] < 0.995)(), [0.3], capped=True)
        assert stops(asked) == "failed inverted"

    def test_the_best_of_several_attempts_counts(self, asked):
        asked.digits(above(0.995))
        asked.digits(above(99), RISING, ended="completed", planned=4)
        assert stops(asked) == "passed silent"

    def test_one_that_another_callback_forestalled_was_never_seen_to_stop(self, asked):
        asked.digits([stopper(lambda logs: logs["loss"] < 0.1)(), above(0.995)], [0.85, 0.95])
        assert stops(asked) == "partial never-met"

    def test_a_callback_that_could_not_be_driven_is_for_a_person(self, asked):
        asked.digits(above(0.995))
        asked.events = [e for e in asked.events if not e["event"].startswith("probe")]
        assert stops(asked) == "needs_review not-driven"

    def test_a_callback_that_measures_the_model_is_for_a_person(self, asked):
        class Measures(Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = self.model.evaluate(1)[1] > 0.99

        asked.digits(Measures())
        assert stops(asked) == "needs_review measures-itself"

    def test_early_stopping_is_not_what_this_task_asks_for(self, asked):
        def on_epoch_end(self, epoch, logs=None):
            self.waited = getattr(self, "waited", 0) + 1

        early = keras_own("EarlyStopping", Callback, on_epoch_end=on_epoch_end)()
        early.monitor, early.patience = "loss", 2
        asked.digits(early)
        found = asked.check()
        assert found.said("callback-stops") == "failed early-stopping-not-asked"
        assert found.said("callback-defined") == "passed early-stopping"

    def test_one_that_stopped_though_made_up_logs_never_make_it_is_for_a_person(self, asked):
        asked.digits(stopper(lambda logs: 0.9 < logs["accuracy"] < 0.97)(), [0.8, 0.95])
        found = asked.check()
        assert found.said("callback-stops") == "needs_review unexplained"
        assert found["callback-stops"].measured["epochs"] == 2


class TestEndingThatNeedsAStop:
    """``on_train_end`` fails where nothing stopped the training."""

    ERROR = "AttributeError: stopped"

    def broken(self, attempt, error=ERROR, **more):
        attempt.digits(RemembersTheStop(), RISING[:3], ended="error", error=error, planned=3, **more)
        return attempt.check()

    def test_it_is_only_noted_where_the_training_was_stopped(self, asked):
        asked.digits(RemembersTheStop())
        found = asked.check()
        assert found.said("callback-stops") == "passed raises-at-end"
        assert found["callback-stops"].measured["error"] == self.ERROR

    def test_it_costs_a_part_where_it_broke_the_real_training(self, asked):
        found = self.broken(asked)
        assert found.said("callback-stops") == "partial raised-at-end"
        assert found["callback-stops"].credit == 0.75
        assert found["callback-stops"].measured["best"] == 0.992

    def test_a_training_that_broke_off_for_another_reason_is_unfinished(self, asked):
        assert self.broken(asked, error="ValueError: shapes").said("callback-stops") == "partial unfinished"

    def test_what_a_capped_training_did_not_reach_decides_nothing(self, asked):
        assert self.broken(asked, capped=True).said("callback-stops") == "needs_review undecided-quick"

    def test_one_that_fails_after_a_stop_too_is_an_error(self, asked):
        class Typo(RemembersTheStop):
            def on_train_end(self, logs=None):
                raise NameError("prnt")

        asked.digits(Typo(), ended="error")
        assert stops(asked) == "failed raises"

    def test_one_that_evaluates_when_all_is_over_is_driven_all_the_same(self, asked):
        class Evaluates(RemembersTheStop):
            def on_train_end(self, logs=None):
                self.model.evaluate(1)

        asked.digits(Evaluates())
        assert stops(asked) == "passed silent"


class TestEarlyStoppingWhereItIsAllowed:
    @pytest.fixture
    def allowed(self, asked, tmp_path):
        course = tmp_path / "allowing"
        shutil.copytree(asked.course, course)
        path = course / "rubrics" / "conv-callback" / "rubric.toml"
        text = path.read_text("utf-8")
        assert "early-stopping-allowed = 0" in text
        path.write_text(text.replace("early-stopping-allowed = 0", "early-stopping-allowed = 1"), "utf-8")
        asked.course = course
        return asked

    def waiting(self, patience, monitor="loss"):
        def on_train_begin(self, logs=None):
            self.best, self.waited = None, 0

        def on_epoch_end(self, epoch, logs=None):
            value = logs.get(self.monitor)
            better = self.best is None or value < self.best
            self.best, self.waited = (value, 0) if better else (self.best, self.waited + 1)
            self.model.stop_training = self.waited >= self.patience

        early = keras_own("EarlyStopping", Callback, on_train_begin=on_train_begin, on_epoch_end=on_epoch_end)()
        early.monitor, early.patience = monitor, patience
        return early

    @pytest.mark.parametrize(
        ("patience", "monitor", "said"),
        [
            (2, "loss", "passed early-stopping"),
            (10, "loss", "partial early-stopping-patience"),
            (2, "val_loss", "failed wrong-key"),
        ],
    )
    def test_it_is_driven_through_standstill_and_progress(self, allowed, patience, monitor, said):
        allowed.digits(self.waiting(patience, monitor), ended="completed")
        assert stops(allowed) == said

    def test_an_own_callback_that_waits_is_as_good(self, allowed):
        class Waits(Callback):
            def on_train_begin(self, logs=None):
                self.best, self.waited = float("inf"), 0

            def on_epoch_end(self, epoch, logs=None):
                self.waited = 0 if logs["loss"] < self.best else self.waited + 1
                self.best = min(self.best, logs["loss"])
                self.model.stop_training = self.waited >= 3

        allowed.digits(Waits(), ended="completed")
        assert stops(allowed) == "passed early-stopping-own"
