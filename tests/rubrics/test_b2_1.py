"""What the rubric of B2-1 accepts and refuses, each on evidence made by hand."""

import numpy as np
import pytest
from checks_factory import DROPOUT, FLATTEN, N_TRAIN, POOL, REPOSITORY, bpnn, cnn, conv, dense

from grader.model import FlagKind
from grader.rubric import Course


def test_a_complete_attempt_passes_every_automatic_criterion(complete):
    found = complete.check()
    outcomes = {r.criterion: r.outcome for r in found.results}
    written = {"filters-discussion", "comparison-discussion"}
    assert {c for c, o in outcomes.items() if o == "passed"} == set(outcomes) - written
    assert {outcomes[c] for c in written} == {"needs_review"}
    assert found.flags == []
    assert list(outcomes) == list(Course(complete.course).rubric("b2-1").ids)


def test_the_students_own_check_looks_at_public_criteria_only(complete):
    found = complete.check(public_only=True)
    assert "held-out" not in {r.criterion for r in found.results}
    assert len(found.results) == 8


def test_a_kit_says_the_same_as_the_course(complete, tmp_path):
    from grader.handout.kit import build_kit, read_kit

    (tmp_path / "b2-1.kit").write_bytes(build_kit(Course(REPOSITORY), "b2-1"))
    kit = read_kit(tmp_path / "b2-1.kit").unpack(tmp_path / "kit")
    said = {}
    for course_dir in (complete.course, kit):
        found = complete.check(course_dir=course_dir, public_only=True, data_dir=tmp_path / "none")
        said[course_dir] = {r.criterion: (r.outcome, r.message.id) for r in found.results if r.criterion != "runs"}
    assert said[kit].pop("base-model") == ("partial", "base-model/not-all-images")  # 3,000 of MNIST's 60,000
    assert said[complete.course].pop("base-model") == ("partial", "base-model/not-all-images")
    assert said[kit] == said[complete.course]
    assert said[kit]["small-data-accuracy"] == ("passed", "small-data-accuracy/passed")


class TestBaseModel:
    @pytest.mark.parametrize("hidden", [20, 64])
    def test_a_changed_dense_size_is_accepted(self, attempt, hidden):
        attempt.fit(cnn(hidden), attempt.train)
        assert attempt.check().said("base-model") == "passed passed"

    def test_activations_as_layers_of_their_own_are_the_same_model(self, attempt):
        relu = {"class_name": "ReLU", "name": "r"}
        softmax = {"class_name": "Activation", "name": "a", "config": {"activation": "softmax"}}
        layers = [conv(activation="linear"), relu, POOL, FLATTEN, dense(20, "relu"), dense(10, "linear"), softmax]
        attempt.fit(layers, attempt.train)
        assert attempt.check().said("base-model") == "passed passed"

    def test_a_validation_part_split_off_by_hand_is_accepted(self, attempt):
        validation = {"kind": "array", "shape": [N_TRAIN // 5, 28, 28, 1]}
        attempt.fit(cnn(20), attempt.train[: N_TRAIN * 4 // 5], validation=validation)
        assert attempt.check().said("base-model") == "passed passed"

    @pytest.mark.parametrize(
        ("layers", "credit"),
        [
            ([conv(16), POOL, FLATTEN, dense(20, "relu"), dense(10, "softmax")], 0.75),
            ([conv(kernel=3), POOL, FLATTEN, dense(20, "relu"), dense(10, "softmax")], 0.75),
            ([conv(), POOL, FLATTEN, dense(20, "relu"), DROPOUT, dense(10, "softmax")], 0.75),
            ([conv(), FLATTEN, dense(10, "softmax")], 0.5),
        ],
    )
    def test_another_structure_costs_a_part_and_says_what_was_found(self, attempt, layers, credit):
        attempt.fit(layers, attempt.train)
        result = attempt.check()["base-model"]
        assert (result.outcome, result.credit, result.message.id) == ("partial", credit, "base-model/structure")
        assert "Conv2D" in result.measured["seen"]

    def test_a_part_of_the_images_is_not_all(self, attempt):
        attempt.fit(cnn(20), attempt.train[: N_TRAIN // 2])
        result = attempt.check()["base-model"]
        assert (result.message.id, result.credit) == ("base-model/not-all-images", 0.5)

    def test_a_model_that_guesses_was_trained_on_nothing_that_helps(self, attempt):
        attempt.fit(cnn(20), attempt.train, accuracy=0.12)
        result = attempt.check()["base-model"]
        assert (result.outcome, result.credit, result.message.id) == ("partial", 0.5, "base-model/guesses")

    def test_a_capped_base_model_is_never_failed_for_its_accuracy(self, attempt):
        attempt.fit(cnn(20), attempt.train, accuracy=0.12, capped=True)
        assert attempt.check().said("base-model") == "passed passed"

    def test_unchanged_weights_are_no_training(self, attempt):
        attempt.fit(cnn(20), attempt.train, learned=False)
        assert attempt.check().said("base-model") == "failed not-learned"

    def test_a_notebook_that_trains_nothing_is_blocked_and_told_so(self, attempt):
        attempt.model(cnn(20))
        attempt.code("model.summary()")
        result = attempt.check()["base-model"]
        assert result.outcome == "blocked"
        assert "fit was never called" in result.message.id

    def test_a_model_without_convolution_fails(self, attempt):
        attempt.fit(bpnn(), attempt.train)
        found = attempt.check()
        assert found.said("base-model") == "failed no-convolution"
        assert found["base-model"].measured["seen"] == "Flatten → Dense 128 relu → Dense 10 softmax"

    def test_test_images_among_the_training_images_are_refused(self, attempt):
        attempt.fit(cnn(20), np.concatenate([attempt.train, attempt.test]))
        found = attempt.check()
        assert found.said("base-model") == "failed test-images"
        assert [f.kind for f in found.flags] == [FlagKind.TRAINED_ON_TEST_DATA]


class TestFiltersShown:
    def test_filters_drawn_only_before_training_are_half(self, attempt):
        attempt.figure()
        attempt.fit(cnn(20), attempt.train)
        result = attempt.check()["filters-shown"]
        assert (result.message.id, result.credit) == ("filters-shown/only-before", 0.5)

    def test_pictures_of_digits_are_no_filters(self, attempt):
        attempt.fit(cnn(20), attempt.train)
        attempt.figure(50, source="random_plot(X_test, y_test)")
        assert attempt.check().said("filters-shown") == "failed missing"

    def test_one_picture_of_all_filters_counts(self, attempt):
        attempt.fit(cnn(20), attempt.train)
        attempt.figure(1, source="plt.imshow(np.hstack(model.layers[0].get_weights()[0]))")
        assert attempt.check().said("filters-shown") == "passed passed"

    @pytest.mark.parametrize("reads", ["m.weights[0].numpy()", "m.layers[0].kernel", "first(m)"])
    def test_it_may_be_drawn_by_a_function_of_another_cell(self, attempt, reads):
        attempt.code("%matplotlib inline\ndef first(m):\n    return m.get_weights()[0]")
        attempt.code(f"def show(m):\n    plt.imshow(np.vstack(list({reads})))")
        attempt.fit(cnn(20), attempt.train)
        attempt.figure(1, source="show(model)")
        assert attempt.check().said("filters-shown") == "passed passed"

    def test_a_curve_drawn_by_a_function_that_makes_a_network_shows_none(self, attempt):
        attempt.code("def attempt(n):\n    model.add(layers.Conv2D(filters=n, kernel_size=5))\n    plt.plot(log)")
        attempt.fit(cnn(20), attempt.train)
        attempt.figure(1, source="attempt(32)")
        assert attempt.check().said("filters-shown") == "failed missing"


class TestHeldOut:
    @pytest.mark.parametrize(
        ("held_out", "said"),
        [(0.68, "passed passed"), (0.64, "needs_review larger-drop"), (0.3, "failed far-larger-drop")],
    )
    def test_the_drop_is_judged_by_the_references_own(self, attempt, held_out, said):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.88, held_out=held_out)
        assert attempt.check().said("held-out") == said

    def test_a_network_that_always_says_the_same_loses_nothing_and_gets_nothing(self, attempt):
        attempt.fit(cnn(), attempt.train[:600], accuracy=0.1, held_out=0.1)
        assert attempt.check().said("held-out") == "blocked guesses"

    def test_without_a_model_it_is_blocked(self, attempt):
        attempt.fit(cnn(20), attempt.train)
        assert attempt.check().said("held-out") == "blocked no-model"


class TestWritten:
    def test_an_empty_place_is_told_apart_from_untouched_text(self, attempt):
        attempt.markdown("## 課題 B2-1-1 学習後のフィルタについての考察", tags=["task"])
        attempt.markdown("**解答欄 B2-1-1**\n\n（この行を消して、考察を書いてください。）", tags=["answer"])
        attempt.markdown("## 課題 B2-1-2 学習データが少ないときの BPNN（前回の B1-2）との比較", tags=["task"])
        found = attempt.check()
        assert found.said("filters-discussion") == "failed only-given"
        assert found.said("comparison-discussion") == "failed empty"

    def test_a_short_answer_is_left_to_a_person(self, attempt):
        attempt.markdown("## 課題 B2-1-1")
        attempt.markdown("線の縁を検出する形になったから。")
        assert attempt.check().said("filters-discussion") == "needs_review short"

    @pytest.mark.parametrize(
        "text", ["わからない", "ああああああああああああああああああああああああああああああああああああ"]
    )
    def test_next_to_nothing_and_gibberish_fail(self, attempt, text):
        attempt.markdown("## 課題 B2-1-1")
        attempt.markdown(text)
        assert attempt.check().said("filters-discussion") == "failed too-short"

    def test_a_picture_is_left_to_a_person(self, attempt):
        attempt.markdown("## 課題 B2-1-1")
        attempt.markdown("![考察](attachment:note.png)")
        found = attempt.check()
        assert found.said("filters-discussion") == "needs_review picture"
        assert found["filters-discussion"].measured["place"] == "2"

    def test_both_discussions_under_the_last_heading_are_left_to_a_person(self, attempt):
        attempt.markdown("## 課題 B2-1-1")
        attempt.markdown("## 課題 B2-1-2")
        attempt.markdown(
            "# まとめ\nフィルタは乱数だったが、線に似た模様になった。CNN が BPNN より良いのは重みの共有による。"
        )
        found = attempt.check()
        assert found.said("filters-discussion") == "needs_review elsewhere"
        assert found["filters-discussion"].measured["place"] == "3"
        assert found.said("comparison-discussion") == "needs_review found"


def test_ten_steps_an_epoch_are_not_all_images(attempt):
    attempt.fit(cnn(), attempt.train, epochs=10, steps_per_epoch=10, batch_size=16)
    found = attempt.check()
    assert found.said("base-model") == "partial not-all-images"
    assert found["base-model"].measured["rows"] == 1600
    attempt.fit(cnn(), attempt.train, epochs=10, steps_per_epoch=188, batch_size=16)
    assert attempt.check().said("base-model") == "passed passed"
