"""The rubric's own files: points and texts."""

import ast
import string
import tomllib

import pytest
from checks_factory import REPOSITORY

from grader.rubric import Course

DIRECTORY = REPOSITORY / "rubrics" / "vgg16-finetune"


@pytest.fixture(scope="module")
def texts():
    return tomllib.loads((DIRECTORY / "rubric.toml").read_text("utf-8"))["texts"]


def test_both_languages_have_the_same_texts_and_placeholders(texts):
    assert texts["ja"].keys() == texts["en"].keys()
    for key in texts["ja"]:
        used = [{n for _, n, _, _ in string.Formatter().parse(texts[la][key]) if n} for la in ("ja", "en")]
        assert used[0] == used[1], key


def test_no_text_is_left_that_no_check_says(texts):
    shared = "".join((REPOSITORY / "grader/checks" / f"{name}.py").read_text("utf-8") for name in ("runs", "origins"))
    tree = ast.parse((DIRECTORY / "test_public.py").read_text("utf-8") + shared.replace("from __future__", "# "))
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    own = [key for key in texts["en"] if not key.startswith(("common/", "runs/"))]  # those of runs: tests/checks
    keys = {key.split("/", 1)[1].removesuffix(".hint") for key in own}
    assert keys <= words


def test_every_key_that_a_check_says_has_a_text(texts):
    """``say.x("key")`` and ``Finding(credit, "key", facts)``; a finding's criterion is that of its judge."""
    tree = ast.parse((DIRECTORY / "test_public.py").read_text("utf-8"))
    known = {key.split("/", 1)[1] for key in texts["en"]} | {key for key in texts["en"] if key.startswith("common/")}
    said = set()
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        is_finding = isinstance(call.func, ast.Name) and call.func.id == "Finding"
        is_verdict = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "say"
        if is_finding or is_verdict:
            nodes = ast.walk(call.args[1]) if is_finding else (n for a in call.args for n in ast.walk(a))
            said |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert said
    assert said - known == set()


def test_20_points_are_given():
    assert Course(REPOSITORY).rubric("vgg16-finetune").max_points == 20
