"""What a check says, and what becomes of it; each rubric is a few lines in a file of its own."""

import shutil
import textwrap

import pytest
from checks_factory import Attempt, Found, cnn

from grader.checks.attempt import check_attempt
from grader.checks.verdicts import plain
from grader.model import FlagKind


@pytest.fixture
def say_it(course, tmp_path, monkeypatch):
    """Runs one check with ``body`` for criterion ``runs``; its result and everything found."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(body, fixtures="say", marks="", criterion="'runs'", fill=lambda attempt: attempt.code("x = 1"), **more):
        root = tmp_path / "own"
        shutil.copytree(course, root, ignore=shutil.ignore_patterns("data", "__pycache__", "*.py"))
        (root / "data").symlink_to(course / "data")
        body = textwrap.indent(textwrap.dedent(body), "    ")
        source = f"import pytest\n{marks}\n@pytest.mark.criterion({criterion})\ndef test_it({fixtures}):\n{body}\n"
        (root / "rubrics" / "b2-1" / "test_public.py").write_text(source, "utf-8")
        attempt = Attempt(root, tmp_path / "evidence")
        fill(attempt)
        found = Found()
        check_attempt(attempt.request(**more), found, tmp_path)
        return found

    return run


def test_a_check_that_returns_has_passed(say_it):
    result = say_it("return")["runs"]
    assert (result.outcome, result.credit, result.message.id) == ("passed", 1.0, "runs/passed")


def test_a_plain_assert_of_the_rubric_fails_with_its_message_alone(say_it):
    result = say_it("expected = 42\nassert expected == 43, 'The {answer} is wrong.'")["runs"]
    assert result.outcome == "failed"
    assert result.message.id == "The {{answer}} is wrong."
    assert "42" not in result.message.id


def test_a_plain_assert_may_name_a_key(say_it):
    result = say_it("assert False, 'no-code'")["runs"]
    assert (result.message.id, result.hint.id) == ("runs/no-code", "runs/no-code.hint")


def test_an_assert_of_somebody_elses_code_is_a_bug(say_it):
    result = say_it("import numpy as np\nnp.testing.assert_array_equal([1], [2])")["runs"]
    assert result.outcome == "errored"


def test_a_rubrics_own_except_does_not_eat_a_verdict(say_it):
    result = say_it("try:\n    say.failed('no-code')\nexcept Exception:\n    pass")["runs"]
    assert result.outcome == "failed"


@pytest.mark.parametrize(("credit", "outcome"), [(0, "failed"), (0.5, "partial"), (1, "passed"), (7, "passed")])
def test_partial_credit_at_its_ends_is_not_partial(say_it, credit, outcome):
    result = say_it(f"say.partial({credit}, 'errors')")["runs"]
    assert (result.outcome, result.credit) == (outcome, min(credit, 1))


def test_a_review_has_no_credit_yet(say_it):
    result = say_it("say.needs_review('errors')")["runs"]
    assert (result.outcome, result.credit) == ("needs_review", None)


def test_measured_values_are_plain_json_and_fill_the_text(say_it):
    body = "import numpy as np\nsay.passed(cells=np.int64(3), ratio=float('nan'), at=np.float32(0.25), cell=4)"
    result = say_it(body)["runs"]
    assert result.measured == {"cells": 3, "ratio": None, "at": 0.25}
    assert result.message.params == result.measured
    assert result.cell == 4


def test_an_unknown_key_becomes_a_general_sentence_and_never_shows_itself(say_it):
    assert say_it("say.failed('no-such-key')")["runs"].message.id == "This is not as it was asked for."


def test_a_fixture_whose_thing_is_missing_blocks_and_names_it(say_it):
    result = say_it("pass", fixtures="fits")["runs"]
    assert result.outcome == "blocked"
    assert "fit was never called" in result.message.id
    assert result.hint is not None


def test_flags_are_kept_apart_from_verdicts_and_once(say_it):
    body = """
        from grader.model import FlagKind
        for _ in range(2):
            say.flag(FlagKind.TAMPERING, "touched", what="keras")
    """
    found = say_it(body)
    assert found["runs"].outcome == "passed"
    assert [(f.kind, f.message.id) for f in found.flags] == [(FlagKind.TAMPERING, "runs/touched")]


def test_the_own_check_of_students_leaves_other_visibilities_out(say_it):
    found = say_it("pass", marks="@pytest.mark.visibility('after_due')", public_only=True)
    assert found.results == []


def test_a_weight_is_kept(say_it):
    assert say_it("pass", criterion="'runs', weight=2.5")["runs"].weight == 2.5


def test_all_fixtures_can_be_had(say_it):
    names = "submission, evidence, execution, notebook, fits, models, answers, threshold, data, say"
    body = """
        assert len(fits) == len(models) == 1, "fits"
        assert fits[0].is_convolutional and fits[0].learned, "learned"
        assert submission.execution is execution and submission.evidence is evidence, "same"
        assert notebook[0].kind == "code", "cells"
        assert data.share(fits[0].rows, "train") == 1 and data.share(fits[0].rows, "test") == 0, "data"
        assert threshold("small-data-accuracy").n == 3, "threshold"
        assert set(answers) == {"filters-discussion", "comparison-discussion"}, "answers"
    """
    found = say_it(body, fixtures=names, fill=lambda a: a.fit(cnn(), a.train[:600]))
    assert found["runs"].outcome == "passed", found["runs"]


def test_plain_leaves_no_value_that_json_lacks():
    assert plain({1: (float("inf"), {2}), "x": object}) == {"1": [None, [2]], "x": "<class 'object'>"}


def test_a_set_has_one_order_in_every_process():
    assert plain({"names": {"pool", "conv", "dense"}, "cells": frozenset({3, 1})}) == {
        "names": ["conv", "dense", "pool"],
        "cells": [1, 3],
    }
