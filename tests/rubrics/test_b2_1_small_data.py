"""What the task on 600 images accepts and refuses, each on evidence made by hand."""

import numpy as np
import pytest
from checks_factory import bpnn, cnn

from grader.model import Budget, FlagKind


class TestSmallDataModel:
    def said(self, attempt):
        return attempt.check().said("small-data-model")

    def test_any_600_different_training_images_are_right(self, attempt):
        attempt.fit(cnn(), np.random.default_rng(1).permutation(attempt.train)[:600])
        assert self.said(attempt) == "passed passed"

    def test_540_with_the_other_60_as_validation_data_are_600(self, attempt):
        attempt.fit(cnn(), attempt.train[:540], validation={"kind": "array", "shape": [60, 28, 28, 1]})
        assert self.said(attempt) == "passed passed"

    def test_training_continued_in_several_calls_is_one_training(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], epochs=25)
        attempt.fit(cnn(), attempt.train[:600], epochs=25, initial=attempt.final)
        result = attempt.check()["small-data-model"]
        assert (result.outcome, result.measured["epochs"]) == ("passed", 50)

    def test_early_stopping_is_accepted(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], ended="stopped", epochs=17)
        assert self.said(attempt) == "passed passed"

    def test_a_right_training_counts_whatever_comes_after_it(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.fit(cnn(), attempt.train[:100])
        attempt.fit(bpnn(), attempt.train[:600])
        assert self.said(attempt) == "passed passed"

    def test_6000_instead_of_600_fail_and_the_number_is_told(self, attempt):
        attempt.fit(cnn(20), attempt.train)
        attempt.fit(cnn(), attempt.train[:2000])
        result = attempt.check()["small-data-model"]
        assert (result.message.id, result.measured["rows"]) == ("small-data-model/other-size", 2000)
        assert result.outcome == "failed"

    @pytest.mark.parametrize("n", [540, 599, 601, 660])
    def test_nearly_600_are_half(self, attempt, n):
        attempt.fit(cnn(), attempt.train[:n])
        assert self.said(attempt) == "partial near"

    @pytest.mark.parametrize("n", [539, 661])
    def test_further_away_is_another_size(self, attempt, n):
        attempt.fit(cnn(), attempt.train[:n])
        assert self.said(attempt) == "failed other-size"

    def test_few_images_repeated_are_not_600(self, attempt):
        attempt.fit(cnn(), np.tile(attempt.train[:60], 10))
        assert self.said(attempt) == "failed other-size"

    def test_the_base_model_trained_further_is_not_600_images_alone(self, attempt):
        attempt.fit(cnn(), attempt.train)
        attempt.fit(cnn(), attempt.train[:600], initial=attempt.final)
        found = attempt.check()
        assert found.said("small-data-model") == "partial continued"
        assert found.said("small-data-accuracy") == "blocked no-model"

    def test_a_model_never_trained_fails(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], learned=False)
        assert self.said(attempt) == "failed not-learned"

    def test_600_test_images_fail_and_raise_a_flag(self, attempt):
        attempt.fit(cnn(), np.concatenate([attempt.test, attempt.train[:200]]))
        found = attempt.check()
        assert found.said("small-data-model") == "failed test-images"
        assert found["small-data-model"].measured["share"] == pytest.approx(2 / 3, abs=1e-5)
        assert [f.kind for f in found.flags] == [FlagKind.TRAINED_ON_TEST_DATA]
        assert found.said("small-data-accuracy") == "blocked no-model"

    def test_images_that_cannot_be_told_are_left_to_a_person(self, attempt):
        attempt.fit(cnn(), np.arange(600, dtype=np.uint64))
        assert self.said(attempt) == "needs_review unknown-images"

    def test_unknown_rows_count_by_their_number(self, attempt):
        attempt.fit(cnn(), 600)
        assert self.said(attempt) == "passed passed"

    def test_a_training_that_broke_off_is_half(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], ended=None)
        assert self.said(attempt) == "partial unfinished"

    def test_only_the_base_model_is_nothing_on_600(self, attempt):
        attempt.fit(cnn(20), attempt.train)
        assert self.said(attempt) == "failed missing"

    def test_a_model_that_fit_was_never_called_on_is_told_so(self, attempt):
        attempt.fit(cnn(20), attempt.train)
        attempt.model(cnn())
        assert self.said(attempt) == "failed never-trained"

    def test_without_the_data_set_the_number_of_images_still_counts(self, attempt, tmp_path):
        attempt.fit(cnn(), attempt.train[:600])
        assert attempt.check(data_dir=tmp_path / "none").said("small-data-model") == "passed passed"


class TestSmallDataAccuracy:
    def test_the_measured_value_counts_and_not_the_claimed_one(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.7)
        attempt.events = [e | {"logs": {"accuracy": 0.99}} if e["event"] == "epoch" else e for e in attempt.events]
        result = attempt.check()["small-data-accuracy"]
        assert (result.message.id, result.credit) == ("small-data-accuracy/below", 0.5)
        assert result.measured["test_accuracy"] == 0.7
        assert result.measured["reference_min"] == 0.875
        assert result.measured["threshold"] == pytest.approx(0.88 - 3 * 0.005 * (4 / 3) ** 0.5, abs=1e-6)

    def test_a_good_attempt_counts_though_a_worse_one_follows(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.5)
        result = attempt.check()["small-data-accuracy"]
        assert (result.outcome, result.measured["test_accuracy"]) == ("passed", 0.88)

    def test_guessing_fails(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.1)
        assert attempt.check().said("small-data-accuracy") == "failed far-below"

    def test_a_capped_training_is_never_failed_for_its_accuracy(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.3, capped=True)
        assert attempt.check().said("small-data-accuracy") == "needs_review undecided-quick"

    def test_the_quick_budget_leaves_a_low_accuracy_open(self, attempt):
        attempt.budget = Budget.QUICK
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.3)
        assert attempt.check().said("small-data-accuracy") == "needs_review undecided-quick"

    def test_a_capped_training_that_is_good_enough_passes(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.88, capped=True)
        assert attempt.check().said("small-data-accuracy") == "passed passed"

    def test_a_model_that_could_not_be_measured_blocks_with_its_reason(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.unmeasured("The model is of a kind that cannot be rebuilt.")
        result = attempt.check()["small-data-accuracy"]
        assert (result.outcome, result.message.id) == ("blocked", "The model is of a kind that cannot be rebuilt.")

    def test_a_measurement_that_failed_on_our_side_is_our_fault(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.unmeasured("no answer", our_fault=True)
        result = attempt.check()["small-data-accuracy"]
        assert (result.outcome, result.credit) == ("errored", None)
        assert "was not measured" in result.detail

    def test_a_model_that_a_limit_of_ours_left_out_costs_nothing(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.unmeasured("Too many.", left_out=True)
        found = attempt.check()
        for criterion in ("small-data-accuracy", "held-out"):
            assert (found[criterion].outcome, found[criterion].message.id) == ("needs_review", "Too many.")

    def test_another_that_is_too_low_does_not_stand_for_the_one_left_out(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.unmeasured("Too many.", left_out=True)
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.71)
        assert attempt.check()["small-data-accuracy"].outcome == "needs_review"
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
        assert attempt.check().said("small-data-accuracy") == "passed passed"


class TestClaims:
    def flags(self, attempt):
        return [f.message.params.get("claimed") for f in attempt.check().flags if f.kind is FlagKind.CLAIM_DIFFERS]

    def test_a_typed_accuracy_that_nothing_measured_is_flagged(self, attempt):
        attempt.fit(cnn(20), attempt.train, accuracy=0.98)
        attempt.markdown("## 課題 B2-1-2")
        attempt.code("accuracy2 = 0.8934\nprint('正解率 :', accuracy2)", printed="正解率 : 0.8934\n")
        assert self.flags(attempt) == [0.8934]

    def test_an_accuracy_of_another_run_is_near_enough(self, attempt):
        attempt.markdown("## 課題 B2-1-2")
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
        attempt.code("print('正解率 : 0.893')", printed="正解率 : 0.893\n")
        assert self.flags(attempt) == []

    @pytest.mark.parametrize(
        "line",
        [
            "BPNN の正解率 : 0.65",
            "前回の正解率は 0.65",
            "accuracy: 0.6500 - loss: 1.2",
            "学習前の正解率 : 0.65",
            "正解率の差 : 0.65",
            "正解率 : 0.10",
        ],
    )
    def test_doubtful_lines_are_not_claims(self, attempt, line):
        attempt.markdown("## 課題 B2-1-2")
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
        attempt.code(f"print('{line}')", printed=line + "\n")
        assert self.flags(attempt) == []

    @pytest.mark.parametrize(
        ("words", "claims"), [("The CNN reached a test accuracy of 0.93.", [0.93]), ("CNN accuracy: 0.93.", [])]
    )
    def test_what_is_said_of_test_images_is_not_compared_with_training_images(self, complete, words, claims):
        for event in complete.events:
            if event["event"] == "epoch":
                event["logs"] = {"accuracy": 0.93, "val_accuracy": 0.88}
        complete.markdown(f"{words} I think that filters make the difference on so few images.")
        assert self.flags(complete) == claims

    def test_a_written_figure_far_from_every_value_is_flagged(self, complete):
        complete.markdown("CNN の正解率は 93.5% になり、少ない画像でも特徴をよく学習できたことが分かった。")
        assert self.flags(complete) == [0.935]

    @pytest.mark.parametrize(("evaluated", "claims"), [(0.31, [0.31]), (0.875, [])])
    def test_an_evaluation_on_all_test_images_must_be_what_the_model_reaches(self, attempt, evaluated, claims):
        fit = attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
        attempt.evaluate(fit, evaluated, images=len(attempt.test))
        assert self.flags(attempt) == claims

    def test_an_evaluation_on_other_images_may_differ(self, attempt):
        fit = attempt.fit(cnn(), attempt.train[:600], accuracy=0.88)
        attempt.evaluate(fit, 0.999, images=600)
        assert self.flags(attempt) == []


class TestComparison:
    def test_a_bpnn_that_guesses_is_half(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.evaluate(attempt.fit(bpnn(), attempt.train[:600], accuracy=0.1), 0.1)
        result = attempt.check()["bpnn-comparison"]
        assert (result.message.id, result.credit) == ("bpnn-comparison/guesses", 0.5)

    def test_a_bpnn_on_other_images_is_half(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        fit = attempt.fit(bpnn(), attempt.train[600:1200])
        attempt.evaluate(fit)
        result = attempt.check()["bpnn-comparison"]
        assert (result.message.id, result.credit) == ("bpnn-comparison/other-images", 0.5)

    def test_a_bpnn_that_nobody_measured_is_three_quarters(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.fit(bpnn(), attempt.train[:600])
        result = attempt.check()["bpnn-comparison"]
        assert (result.message.id, result.credit) == ("bpnn-comparison/not-evaluated", 0.75)

    def test_a_bpnn_on_6000_images_is_no_comparison(self, attempt):
        attempt.evaluate(attempt.fit(cnn(), attempt.train[:2000]))
        attempt.evaluate(attempt.fit(bpnn(), attempt.train[:2000]))
        assert attempt.check().said("bpnn-comparison") == "failed other-size"

    @pytest.mark.parametrize(
        "words",
        [
            "前回の BPNN を 600 枚で学習したときの正解率は 0.8519 だった。",
            "ＢＰＮＮ：85.2％、CNN：88.1％",
            "CNN は 0.88、BPNN は 0.85 となった。",
            "The BPNN of last time reached 85 % on the same images.",
            "With 0.85 (BPNN) against 0.88 the CNN wins.",
        ],
    )
    def test_an_earlier_result_quoted_with_its_figure_is_enough(self, attempt, words):
        attempt.markdown("## 課題 B2-1-2")
        attempt.fit(cnn(), attempt.train[:600])
        attempt.markdown(words)
        result = attempt.check()["bpnn-comparison"]
        assert result.message.id == "bpnn-comparison/quoted"
        assert 0.84 < result.measured["quoted"] < 0.86

    @pytest.mark.parametrize(
        "words",
        [
            "CNN を 600 枚で学習させた結果、正解率は 0.8934 になり、BPNN よりもずっとよかった。",
            "BPNN よりも CNN の方がよかった。",
            "CNN の全結合層を 128 から 256 にすると 0.89 になった。",
            "BPNN は 600 枚で学習した。",
        ],
    )
    def test_words_without_the_bpnns_own_figure_are_not(self, attempt, words):
        attempt.markdown("## 課題 B2-1-2")
        attempt.fit(cnn(), attempt.train[:600])
        attempt.markdown(words)
        assert attempt.check().said("bpnn-comparison") == "failed missing"

    @pytest.mark.parametrize(
        "printed", ["epoch 20 loss: 0.41\nBPNN test accuracy: 0.7812", "CNN 0.880\nBPNN (numpy)\n正解率 78.1 %"]
    )
    def test_a_network_without_keras_whose_accuracy_is_printed_is_left_to_a_person(self, attempt, printed):
        attempt.fit(cnn(), attempt.train[:600])
        cell = attempt.code("print('BPNN test accuracy:', accuracy(net, X_test))", printed=printed)
        found = attempt.check()
        assert found.said("bpnn-comparison") == "needs_review printed"
        assert found["bpnn-comparison"].cell == cell
        assert 0.78 < found["bpnn-comparison"].measured["quoted"] < 0.79

    @pytest.mark.parametrize(
        "printed", ["BPNN test accuracy: 0.85", "BPNN 0.4567 0.8500", "CNN 0.88", "BPNN val_accuracy: 0.7", "BPNN 0.12"]
    )
    def test_what_a_recorded_training_gives_is_no_other_network(self, attempt, printed):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.evaluate(attempt.fit(bpnn(), attempt.train[:2000], accuracy=0.85), 0.85)
        attempt.events[-1]["results"]["loss"] = 0.45674
        attempt.code("print('BPNN', scores)", printed=printed)
        assert attempt.check().said("bpnn-comparison") == "failed other-size"

    def test_a_figure_in_a_comment_counts(self, attempt):
        attempt.fit(cnn(), attempt.train[:600])
        attempt.code("# 前回の BPNN の正解率は 0.853 だった\nprint(1)")
        assert attempt.check().said("bpnn-comparison") == "passed quoted"
