"""What the rubric of VGG16 fine-tuning accepts and refuses, each on evidence made by hand."""

import json
import shutil

import numpy as np
import pytest
from checks_factory import REPOSITORY
from small_vgg import CONVOLUTIONS
from vgg_attempt import DROPOUT, FLATTEN, HEAD, HIDDEN, NORMALISED, ONE_HOT, OUTPUT, WANTED, base, layer

from grader.datasets import find_dataset, load_catalogue
from grader.model import Budget, CellOutcome, FlagKind
from grader.rubric import Course


@pytest.fixture
def attempt(vgg_attempt):
    return vgg_attempt


@pytest.fixture
def complete(attempt):
    attempt.pretrained()
    attempt.compiled()
    attempt.trained()
    attempt.saved()
    return attempt


def test_a_complete_attempt_passes_all_but_the_accuracy_that_nobody_calibrated(complete):
    found = complete.check()
    outcomes = {r.criterion: r.outcome for r in found.results}
    assert list(outcomes) == list(Course(REPOSITORY).rubric("vgg16-finetune").ids)
    assert {c for c, o in outcomes.items() if o != "passed"} == {"accuracy"}
    assert found.said("accuracy") == "needs_review not-calibrated"
    assert found["accuracy"].measured["test_accuracy"] == 0.8
    assert found.flags == []


def test_a_kit_says_the_same_as_the_course(complete, tmp_path):
    from grader.handout.kit import build_kit, read_kit

    (tmp_path / "a.kit").write_bytes(build_kit(Course(REPOSITORY), "vgg16-finetune"))
    kit = read_kit(tmp_path / "a.kit").unpack(tmp_path / "kit")
    found = complete.check(course_dir=kit, public_only=True, data_dir=tmp_path / "none")
    assert {r.criterion: r.outcome for r in found.results} | {"trained": "passed"} == {
        r.criterion: r.outcome for r in complete.check().results
    }
    assert found.said("trained") == "partial not-all-images"  # 120 of CIFAR-10's 50,000


class TestRuns:
    def test_an_error_that_a_shortened_training_may_have_caused_is_not_decided_in_the_quick_check(self, complete):
        complete.budget = Budget.QUICK
        complete.trained(capped=True, epochs=1)
        complete.code("plt.plot(range(epoch), history)", CellOutcome.ERROR, error="IndexError")
        assert complete.check().said("runs") == "needs_review undecided-capped"

    @pytest.mark.parametrize("capped", [False, True])
    def test_any_other_error_costs_a_part(self, complete, capped):
        complete.trained(capped=capped)
        complete.code("undefined", CellOutcome.ERROR, error="NameError" if capped else "ValueError")
        assert complete.check().said("runs") == "partial errors"


class TestBase:
    def judged(self, attempt, parts, pretrained=True):
        if pretrained:
            attempt.pretrained()
        attempt.compiled(parts)
        result = attempt.check()["base"]
        return result.message.id.split("/")[-1], result.credit

    def test_a_model_that_was_never_trained_still_has_its_base(self, attempt):
        assert self.judged(attempt, None) == ("passed", 1.0)

    def test_random_weights_are_half(self, attempt):
        assert self.judged(attempt, None, pretrained=False) == ("random-weights", 0.5)

    def test_the_dense_layers_of_vgg16_do_not_belong_there(self, attempt):
        top = [FLATTEN, layer("Dense", "fc1", 2, units=4096), layer("Dense", "fc2", 2, units=4096), OUTPUT]
        assert self.judged(attempt, base() + top) == ("with-top", 0.5)

    def test_larger_images_cost_a_quarter(self, attempt):
        assert self.judged(attempt, base(side=224) + HEAD) == ("other-size", 0.75)

    def test_another_deep_network_is_a_quarter_and_a_small_one_nothing(self, attempt):
        vgg19 = {**CONVOLUTIONS, 3: (256,) * 4, 4: (512,) * 4, 5: (512,) * 4}
        assert self.judged(attempt, base(sizes=vgg19) + HEAD) == ("other-network", 0.25)
        attempt.events.clear()
        assert self.judged(attempt, base(sizes={1: (32,)}) + HEAD) == ("other-network", 0.0)

    def test_without_a_model_it_fails(self, attempt):
        attempt.code("x = 1")
        assert attempt.check().said("base") == "failed missing"


class TestHead:
    def credit(self, attempt, head):
        attempt.compiled(base() + head)
        return attempt.check()["head"].credit

    @pytest.mark.parametrize(
        ("head", "credit"),
        [
            (HEAD, 1.0),
            ([FLATTEN, HIDDEN, DROPOUT, NORMALISED, OUTPUT], 0.75),
            ([FLATTEN, HIDDEN, DROPOUT, OUTPUT], 0.75),
            ([layer("GlobalAveragePooling2D", "gap"), *HEAD[1:]], 0.75),
            ([FLATTEN, layer("Dense", "d", 2, units=128, activation="relu"), DROPOUT, OUTPUT], 0.5),
            ([FLATTEN, OUTPUT], 0.25),
            ([], 0.0),
        ],
    )
    def test_each_layer_that_differs_costs_a_quarter(self, attempt, head, credit):
        assert self.credit(attempt, head) == credit

    def test_activations_as_layers_of_their_own_are_the_same_layers(self, attempt):
        linear = layer("Dense", "d", 2, units=256, activation="linear")
        out = layer("Dense", "o", 2, units=10, activation="linear")
        softmax = layer("Activation", "s", activation="softmax")
        parts = [FLATTEN, linear, NORMALISED, layer("ReLU", "r"), DROPOUT, out, softmax]
        assert self.credit(attempt, parts) == 1.0


class TestFrozen:
    def said(self, attempt, moved, **more):
        attempt.compiled(**more)
        attempt.trained(moved=moved)
        return attempt.check().said("frozen")

    def test_nothing_frozen_fails(self, attempt):
        assert self.said(attempt, [True] * 16, parts=base((True,) * 13) + HEAD) == "failed nothing-frozen"

    def test_a_mark_that_training_did_not_heed_is_named(self, attempt):
        assert self.said(attempt, [True] * 16) == "failed flag-ignored"

    def test_a_base_that_stays_whole_is_half(self, attempt):
        assert self.said(attempt, [False] * 13 + [True] * 3) == "partial all-frozen"

    def test_late_layers_frozen_instead_of_early_ones_are_nothing(self, attempt):
        parts = base((True,) * 10 + (False,) * 3) + HEAD
        assert self.said(attempt, [True] * 10 + [False] * 3 + [True] * 3, parts=parts) == "failed other-border"

    @pytest.mark.parametrize("still", [7, 9, 11])
    def test_another_border_is_half_and_told(self, attempt, still):
        assert self.said(attempt, [False] * still + [True] * (16 - still)) == "partial other-border"
        result = attempt.check()["frozen"]
        assert (result.measured["still"], result.measured["wanted"]) == (still, 10)

    def test_a_head_that_stays_as_it_was_is_a_quarter(self, attempt):
        attempt.compiled()
        attempt.trained(moved=[False] * 10 + [True] * 3 + [False] * 3)
        result = attempt.check()["frozen"]
        assert (result.message.id, result.credit) == ("frozen/head-still", 0.25)

    def test_training_the_head_first_and_block_5_then_is_right(self, attempt):
        attempt.compiled()
        attempt.trained(moved=[False] * 13 + [True] * 3)
        attempt.trained(initial=attempt.final)
        assert attempt.check().said("frozen") == "passed passed"

    def test_a_base_that_moved_in_an_earlier_training_is_found_out(self, attempt):
        attempt.compiled()
        attempt.trained(moved=[True] * 16)
        attempt.trained(initial=attempt.final)
        assert attempt.check().said("frozen") == "failed flag-ignored"

    def test_weights_that_cannot_be_told_apart_are_left_to_a_person(self, attempt):
        assert self.said(attempt, WANTED, parts=[*base(), *HEAD[:-1], {**OUTPUT, "params": 3}]) == (
            "needs_review unknown-weights"
        )

    def test_right_marks_without_a_training_are_half(self, attempt):
        attempt.compiled()
        assert attempt.check().said("frozen") == "partial only-marked"

    def test_wrong_marks_without_a_training_are_nothing(self, attempt):
        attempt.compiled(base((True,) * 13) + HEAD)
        assert attempt.check().said("frozen") == "failed not-trained"


class TestLabels:
    @pytest.mark.parametrize(
        ("loss", "y", "said"),
        [
            ("categorical_crossentropy", {"kind": "generator"}, "passed passed"),
            ("categorical_crossentropy", {**ONE_HOT, "max": 0.5}, "partial not-one-hot"),
            ("sparse_categorical_crossentropy", {"kind": "array", "shape": [120, 1]}, "partial integers"),
            ("mean_squared_error", ONE_HOT, "partial other-loss"),
            ("categorical_crossentropy", {"kind": "array", "shape": [120, 1]}, "failed mismatch"),
        ],
    )
    def test_labels_and_loss_are_looked_at_together(self, attempt, loss, y, said):
        attempt.compiled(loss=loss)
        attempt.trained(y=y)
        assert attempt.check().said("labels") == said

    def test_a_training_that_stopped_with_an_error_shows_nothing(self, attempt):
        attempt.compiled()
        attempt.trained(epochs=0, ended="error", moved=[False] * 16)
        assert attempt.check().said("labels") == "failed not-trained"


class TestTrained:
    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"validation_split": None}, "partial no-validation"),
            ({"epochs": 2}, "partial few-epochs"),
            ({"epochs": 2, "ended": "stopped"}, "passed passed"),
            ({"epochs": 1, "capped": True}, "passed passed"),
            ({"ended": "interrupted"}, "partial unfinished"),
            ({"moved": [False] * 16}, "failed not-learned"),
            ({"validation_split": None, "validation": {"kind": "array", "shape": [12, 32, 32, 3]}}, "passed passed"),
        ],
    )
    def test_how_it_was_trained(self, attempt, more, said):
        attempt.compiled()
        attempt.trained(**more)
        assert attempt.check().said("trained") == said

    def test_a_part_of_the_images_is_half(self, attempt):
        attempt.compiled()
        attempt.trained(attempt.train[:60])
        assert attempt.check().said("trained") == "partial not-all-images"

    def test_test_images_for_validation_cost_a_quarter(self, attempt):
        np.savez(attempt.directory / "claims" / "fit-1.validation.npz", rows=attempt.test)
        validation = {"kind": "array", "shape": [40, 32, 32, 3], "rows": "fit-1.validation.npz"}
        attempt.compiled()
        attempt.trained(validation=validation, validation_split=None)
        assert attempt.check().said("trained") == "partial validated-on-test"

    def test_test_images_for_training_fail_and_raise_a_flag(self, attempt):
        attempt.compiled()
        attempt.trained(np.concatenate([attempt.train, attempt.test]))
        found = attempt.check()
        assert found.said("trained") == "failed test-images"
        assert found.said("accuracy") == "blocked no-model"
        assert [f.kind for f in found.flags] == [FlagKind.TRAINED_ON_TEST_DATA]


@pytest.fixture
def calibrated(vgg_course, tmp_path):
    """A course with a threshold for the accuracy."""
    shutil.copytree(vgg_course.root, tmp_path / "course")
    folder = tmp_path / "course" / "rubrics" / "vgg16-finetune"
    digest = find_dataset(load_catalogue(vgg_course.root), "cifar10").digest
    spread = {"fine-tuned": {"values": [0.79, 0.8, 0.81], "student_t": {"0.001": 3.0, "1e-05": 5.0}}}
    entry = {"dataset": "cifar10", "dataset_digest": digest, "date": "2026-01-01", "machine": "none"}
    calibration = [{**entry, "versions": {}, "distributions": spread}]
    (folder / "calibration.json").write_text(json.dumps(calibration), "utf-8")
    return tmp_path / "course"


class TestAccuracyOnImagesPreparedOtherwise:
    """``preprocess_input`` swaps the channels and subtracts a mean from each."""

    UNKNOWN = np.arange(120, dtype=np.uint64)

    @pytest.mark.parametrize("accuracy", [0.5, 0.1])
    def test_a_low_one_costs_nothing(self, attempt, calibrated, accuracy):
        attempt.compiled()
        attempt.trained(self.UNKNOWN, accuracy=accuracy)
        attempt.evaluate("fit-1", 0.82, images=len(attempt.test))
        result = attempt.check(course_dir=calibrated)["accuracy"]
        assert (result.outcome, result.message.id) == ("needs_review", "common/prepared-otherwise")
        assert result.measured == {"claimed": 0.82}

    def test_one_that_is_high_enough_counts(self, attempt, calibrated):
        attempt.compiled()
        attempt.trained(self.UNKNOWN, accuracy=0.8)
        assert attempt.check(course_dir=calibrated).said("accuracy") == "passed passed"

    def test_images_of_another_size_cost_nothing(self, attempt, calibrated):
        attempt.compiled()
        attempt.trained(self.UNKNOWN)
        attempt.unmeasured("The model was trained on inputs of another shape.")
        result = attempt.check(course_dir=calibrated)["accuracy"]
        assert (result.outcome, result.message.id) == ("needs_review", "common/prepared-otherwise-untried")


class TestAccuracy:
    def test_a_low_one_is_never_failed_while_nobody_has_calibrated(self, attempt):
        attempt.compiled()
        attempt.trained(accuracy=0.1)
        assert attempt.check().said("accuracy") == "needs_review not-calibrated"

    def test_the_quick_check_decides_nothing(self, attempt):
        attempt.budget = Budget.QUICK
        attempt.compiled()
        attempt.trained(epochs=1, capped=True)
        assert attempt.check().said("accuracy") == "needs_review undecided-quick"

    @pytest.mark.parametrize(
        ("accuracy", "said"),
        [(0.8, "passed passed"), (0.99, "needs_review beyond"), (0.9, "passed passed"), (0.5, "partial below")],
    )
    def test_a_course_that_calibrates_gets_a_threshold(self, attempt, calibrated, accuracy, said):
        attempt.compiled()
        attempt.trained(accuracy=accuracy)
        assert attempt.check(course_dir=calibrated).said("accuracy") == said

    def test_weights_that_something_else_than_fit_put_there_are_left_to_a_person(self, attempt):
        attempt.compiled()
        attempt.trained(accuracy=0.8)
        attempt.events.append({"event": "moved", "model": "model-1", "fit": "fit-1"})
        assert attempt.check().said("accuracy") == "needs_review began-elsewhere"

    def test_labels_that_another_network_gave_are_left_to_a_person(self, attempt):
        attempt.compiled()
        attempt.trained(accuracy=0.8, soft=np.ones(len(attempt.train), np.bool_))
        assert attempt.check().said("accuracy") == "needs_review soft-labels"

    def test_a_model_that_a_limit_of_ours_left_out_is_left_to_a_person(self, attempt):
        attempt.compiled()
        attempt.trained()
        attempt.unmeasured("Too many.", left_out=True)
        result = attempt.check()["accuracy"]
        assert (result.outcome, result.message.id) == ("needs_review", "Too many.")

    def test_a_printed_accuracy_that_nothing_comes_near_raises_a_flag(self, complete):
        complete.code("print('正解率 : 0.9912')", printed="誤差 : 0.1  正解率 : 0.9912")
        assert [f.kind for f in complete.check().flags] == [FlagKind.CLAIM_DIFFERS]

    def test_what_was_measured_and_what_training_prints_raise_none(self, complete):
        complete.code("score", printed="Test Accuracy:  0.8012\nepoch 1 accuracy: 0.9912")
        assert complete.check().flags == []
