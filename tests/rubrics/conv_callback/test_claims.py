"""Accuracies that a notebook states or evaluates, held against what was measured."""

import pytest
from conv_attempt import above

from grader.model import Budget, FlagKind


@pytest.fixture
def trained(asked):
    """A right attempt whose digits are recognised with 0.985."""
    asked.fit_id = asked.digits(above(0.995))
    return asked


def claims(attempt):
    flags = attempt.check().flags
    assert {f.kind for f in flags} <= {FlagKind.CLAIM_DIFFERS}
    return [(f.message.id.split("/")[-1], round(f.message.params["claimed"], 4)) for f in flags]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("test accuracy: 0.7512", [("claim-differs", 0.7512)]),
        ("テストデータの精度: 75.12%", [("claim-differs", 0.7512)]),
        ("测试准确率 0.7512", [("claim-differs", 0.7512)]),
        ("точность на тесте: 75.12 %", [("claim-differs", 0.7512)]),
        ("test accuracy: 0.9851", []),
        ("accuracy is above 75%, stopping", []),
        ("training accuracy 0.7512", []),
        ("accuracy 8 points lower", []),
    ],
)
def test_a_figure_typed_into_a_print_is_held_against_everything_measured(trained, line, found):
    trained.code(f"print({line!r})", printed=line)
    assert claims(trained) == found


def test_a_test_accuracy_is_not_excused_by_the_training_images(trained):
    trained.events = [e | {"logs": {"accuracy": 0.7}} if e["event"] == "epoch" else e for e in trained.events]
    for words, found in (("accuracy 0.7001", []), ("test accuracy 0.7002", [("claim-differs", 0.7002)])):
        trained.code(f"print({words!r})", printed=words)
        assert claims(trained) == found


def test_a_figure_that_the_program_computed_is_no_claim(trained):
    trained.code("print('test accuracy:', np.mean(predicted == labels))", printed="test accuracy: 0.7512")
    assert claims(trained) == []


@pytest.mark.parametrize(("value", "found"), [("0.7512", [("claim-differs", 0.7512)]), ("0.9853", [])])
def test_a_figure_in_the_written_answer_is_a_claim(trained, value, found):
    trained.markdown("### Exercise 2-1 Experiments with convolutions")
    trained.markdown(f"With 16 filters the network was quicker and reached a test accuracy of {value} on the digits.")
    assert claims(trained) == found


@pytest.mark.parametrize(
    ("value", "images", "found"),
    [(0.31, 200, [("evaluation-differs", 0.31)]), (0.98, 200, []), (0.31, 100, [])],
)
def test_evaluate_on_all_test_images_must_give_what_the_model_reaches(trained, value, images, found):
    trained.evaluate(trained.fit_id, value, images=images)
    assert claims(trained) == found


def test_a_shortened_run_contradicts_nothing(trained):
    trained.budget = Budget.QUICK
    trained.code("print('test accuracy: 0.7512')", printed="test accuracy: 0.7512")
    trained.evaluate(trained.fit_id, 0.31, images=200)
    assert claims(trained) == []
