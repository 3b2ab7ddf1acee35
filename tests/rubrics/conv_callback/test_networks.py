"""The network, its accuracy, and the experiments on its structure."""

import numpy as np
import pytest
from checks_factory import FLATTEN, POOL, conv, dense
from conv_attempt import DISCUSSION, above, network

from grader.model import FlagKind
from grader.rubric import Course


def test_a_complete_attempt_passes_everything_but_the_written_answer(asked):
    asked.clothes(64, 64)
    for filters in ((32, 32), (16, 16), (32,), (32, 32, 32)):
        asked.clothes(*filters)
    asked.fit([conv(32, 3), POOL, POOL, POOL, FLATTEN, dense(10, "softmax")], np.arange(120, dtype=np.uint64), epochs=2)
    asked.markdown("### Exercise 2-1 Experiments with convolutions")
    asked.markdown(DISCUSSION)
    asked.digits(above(0.995, says="accuracy is above 99.5%"))
    found = asked.check()
    outcomes = {(r.criterion, str(r.outcome)) for r in found.results}
    assert outcomes == {(c, "passed") for c in Course(asked.course).rubric("conv-callback").ids[:-1]} | {
        ("exercises-discussion", "needs_review")
    }
    assert found.flags == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"```\n{DISCUSSION}\n```", "needs_review found"),
        ("<img src='notes.png'>", "needs_review picture"),
        ("It got worse: ![](notes.png)", "needs_review picture"),
        ("It got worse.", "failed too-short"),
        ("", "failed empty"),
    ],
)
def test_only_next_to_nothing_gets_no_points_without_a_person(attempt, text, said):
    attempt.markdown("### Exercise 2-1 Experiments with convolutions")
    attempt.markdown(text)
    found = attempt.check()
    assert found.said("exercises-discussion") == said
    if said.endswith("picture"):
        assert found["exercises-discussion"].measured["place"] == str(len(attempt.cells))


class TestExercises:
    def made(self, attempt):
        results = [r for r in attempt.check().results if r.criterion == "exercises"]
        assert all(r.weight == 1 for r in results)
        return {r.message.id.split("/")[-1] for r in results if r.outcome == "passed"}

    @pytest.mark.parametrize(
        ("networks", "made"),
        [
            ([], set()),
            ([(32, 32), (16, 16)], {"filters"}),
            ([(16, 16)], {"filters"}),
            ([(32,)], {"less"}),
            ([(32,), (32,)], {"less", "first"}),
            ([(64, 64, 64)], {"more"}),
            ([(32,), (32, 32, 32)], {"less", "more"}),
        ],
    )
    def test_each_experiment_counts_on_its_own(self, asked, networks, made):
        asked.clothes(64, 64)
        for filters in networks:
            asked.clothes(*filters)
        asked.digits(above(0.995))
        assert self.made(asked) == made

    def test_pooling_layers_that_stayed_tell_the_fourth_from_the_second(self, asked):
        asked.fit([conv(32, 3), POOL, POOL, FLATTEN, dense(10, "softmax")], np.arange(120, dtype=np.uint64), epochs=2)
        assert self.made(asked) == {"first"}

    def test_in_an_earlier_edition_one_network_answers_both(self, attempt):
        attempt.clothes(64, 64)
        attempt.clothes(64)
        assert self.made(attempt) == {"less", "first"}

    def test_a_change_of_the_network_for_digits_counts(self, attempt):
        attempt.clothes(64, 64)
        attempt.digits(above(0.99), layers=network(16))
        assert self.made(attempt) == {"filters"}

    def test_the_training_that_is_handed_out_is_no_change_of_filters(self, asked):
        asked.clothes(64, 64, cell=asked.code("# [1-4]\nmodel.fit(x, y)", label="1-4"))
        asked.clothes(32, 32)
        assert self.made(asked) == set()

    def test_the_given_training_with_other_filters_is_one(self, asked):
        asked.clothes(16, 16, cell=asked.code("# [1-4]\nmodel.fit(x, y)", label="1-4", printed="loss: 0.5"))
        assert self.made(asked) == {"filters"}

    @pytest.mark.parametrize(("rows", "said"), [(1, "few-images"), (99, "few-images"), (100, "filters")])
    def test_an_experiment_on_hardly_any_images_is_half(self, asked, rows, said):
        asked.clothes(16, 16, rows=rows)
        found = self.of_filters(asked)
        assert found.message.id == f"exercises/{said}"
        assert found.credit == (0.5 if said == "few-images" else 1)

    def test_images_that_our_own_budget_cut_are_not_too_few(self, asked):
        asked.clothes(16, 16, rows=50, capped=True)
        assert self.of_filters(asked).outcome == "passed"

    @pytest.mark.parametrize("printed", ["", "<keras.src.callbacks.history.History at 0x7f0a12b3c4d0>"])
    def test_an_experiment_that_nobody_looked_at_is_left_to_a_person(self, asked, printed):
        asked.clothes(16, 16, printed=printed)
        found = self.of_filters(asked)
        assert (found.outcome, found.message.id) == ("needs_review", "exercises/not-measured")
        assert found.measured["number"] == 1

    @pytest.mark.parametrize(
        "look",
        [
            lambda attempt, fit, cell: attempt.evaluate(fit),
            lambda attempt, fit, cell: attempt.events.append(
                {"event": "predict", "model": "model-1", "x": {}, "output_shape": [100, 10], "after_fit": fit}
            ),
            lambda attempt, fit, cell: attempt.events.append({"event": "figure", "cell": cell, "axes": 1, "images": 0}),
            lambda attempt, fit, cell: attempt.code("plt.plot(log.history['accuracy'])"),
        ],
    )
    def test_every_way_to_look_at_it_counts(self, asked, look):
        fit = asked.clothes(16, 16, printed="")
        look(asked, fit, len(asked.cells) - 1)
        assert self.of_filters(asked).outcome == "passed"

    def of_filters(self, attempt):
        return next(r for r in attempt.check().results if r.check.endswith("filters_was_changed"))

    def test_networks_that_learned_nothing_do_not_count(self, asked):
        asked.clothes(16, 16, learned=False)
        assert self.made(asked) == set()


class TestModelAndAccuracy:
    @pytest.mark.parametrize(
        ("layers", "said", "credit"),
        [
            (network(64, 64), "passed passed", 1),
            (network(64, pool=False), "partial no-pooling", 0.5),
            (network(64, head=dense(512, "softmax")), "partial outputs", 0.5),
            (network(64, head=dense(10, "linear")), "partial outputs", 0.5),
            ([FLATTEN, dense(10, "softmax")], "failed no-convolution", 0),
        ],
    )
    def test_the_parts_of_the_model(self, asked, layers, said, credit):
        asked.fit(layers, np.arange(120, dtype=np.uint64), epochs=2)
        found = asked.check()
        assert found.said("model") == said
        assert found["model"].credit == credit

    @pytest.mark.parametrize(
        ("accuracy", "said"),
        [(0.985, "passed passed"), (0.9999, "needs_review beyond"), (0.9, "partial below"), (0.2, "failed far-below")],
    )
    def test_the_last_training_on_digits_is_measured(self, asked, accuracy, said):
        asked.digits(above(0.995), accuracy=accuracy)
        asked.clothes(16, 16)
        assert asked.check().said("accuracy") == said

    def test_weights_that_something_else_than_fit_put_there_are_left_to_a_person(self, asked):
        fit = asked.digits(above(0.995), accuracy=0.985)
        asked.events.append({"event": "moved", "model": "model-1", "fit": fit})
        assert asked.check().said("accuracy") == "needs_review began-elsewhere"

    @pytest.mark.parametrize("by", ["held data", "loss"])
    def test_a_layer_that_holds_data_is_named(self, asked, by):
        fit = asked.digits(above(0.995), accuracy=0.985)
        asked.events.append({"event": "moved", "model": "model-1", "fit": fit, "by": by})
        said = "held-data" if by == "held data" else "began-elsewhere"
        assert asked.check().said("accuracy") == f"needs_review {said}"

    def test_a_model_that_a_limit_of_ours_left_out_is_left_to_a_person(self, asked):
        asked.digits(above(0.995))
        asked.unmeasured("Too many.", left_out=True)
        result = asked.check()["accuracy"]
        assert (result.outcome, result.message.id) == ("needs_review", "Too many.")

    def test_a_capped_training_decides_no_accuracy(self, asked):
        asked.digits(above(0.995), [0.3], ended="completed", accuracy=0.4, capped=True)
        assert asked.check().said("accuracy") == "needs_review undecided-quick"

    def test_without_digits_there_is_nothing_to_measure(self, asked):
        asked.clothes(64, 64)
        assert asked.check().said("accuracy") == "blocked no-model"

    def test_training_on_test_images_is_refused_and_flagged(self, asked):
        asked.train = np.concatenate([asked.train, asked.test])
        asked.digits(above(0.995))
        found = asked.check()
        assert found.said("accuracy") == "failed test-images"
        assert [f.kind for f in found.flags] == [FlagKind.TRAINED_ON_TEST_DATA]

    def test_training_on_test_images_of_clothes_is_flagged_and_costs_nothing(self, asked):
        asked.fit(network(16, 16), asked.clothes_test, epochs=2)
        asked.digits(above(0.995))
        found = asked.check()
        assert [f.kind for f in found.flags] == [FlagKind.TRAINED_ON_TEST_DATA]
        assert found.said("accuracy") == "passed passed"
