"""Texts of the rubric, and its kit."""

import ast
import string

from checks_factory import REPOSITORY

from grader.handout.kit import build_kit
from grader.model import FlagKind
from grader.rubric import Course


def test_the_rubric_has_every_text_in_four_languages_and_20_points():
    rubric = Course(REPOSITORY).rubric("conv-callback")
    assert rubric.max_points == 20
    assert set(rubric.texts) == {"ja", "en", "zh", "ru"}
    for key, text in rubric.texts["en"].items():
        for language in ("ja", "zh", "ru"):
            fields = [
                {(name, spec) for _, name, spec, _ in string.Formatter().parse(t) if name}
                for t in (text, rubric.texts[language][key])
            ]
            assert fields[0] == fields[1], (language, key)
    known = {key.split("/")[1] for key in rubric.texts["en"]}
    tree = ast.parse((REPOSITORY / "rubrics" / "conv-callback" / "test_public.py").read_text("utf-8"))
    said = {
        call.args[call.func.attr == "partial"].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and getattr(getattr(call.func, "value", None), "id", "") == "say"
        and len(call.args) > (call.func.attr == "partial")
        and isinstance(call.args[call.func.attr == "partial"], ast.Constant)
    }
    said -= set(FlagKind)
    assert said <= known
    returned = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in rubric.texts["en"]}
    assert returned == {"common/test-images"}


def test_a_kit_holds_the_numbers_of_the_task(course):
    assert build_kit(Course(course), "conv-callback")
