"""The rubric's own files: points, texts, and what may be public."""

import ast
import importlib.util
import string
import sys
import tomllib

import pytest
from checks_factory import REPOSITORY

from grader.rubric import Course


def _keys(path):
    """Criterion and key of each ``say.xxx("key")`` in a rubric file; the criterion is that of the enclosing check."""
    tree = ast.parse(path.read_text("utf-8"))
    for function in (n for n in tree.body if isinstance(n, ast.FunctionDef)):
        marks = [d.args[0].value for d in function.decorator_list if getattr(d.func, "attr", "") == "criterion"]
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
            if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "say":
                keys = ast.walk(call.args[1 if call.func.attr == "partial" else 0]) if call.args else ()
                strings = [n.value for n in keys if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                yield (marks or [None])[0], call.func.attr, strings


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("file", ["test_public.py", "test_staff.py"])
def test_every_key_that_a_check_says_has_a_text(language, file):
    directory = REPOSITORY / "rubrics" / "b2-1"
    texts = tomllib.loads((directory / "rubric.toml").read_text("utf-8"))["texts"][language]
    known = {key.split("/", 1)[1] for key in texts}
    said = {(c, how, key) for c, how, keys in _keys(directory / file) if how != "flag" for key in keys}
    assert said
    missing = {(c, key) for c, _, key in said if (f"{c}/{key}" not in texts if c else key not in known)}
    assert missing == set()


def test_both_languages_have_the_same_texts_and_placeholders():
    texts = tomllib.loads((REPOSITORY / "rubrics" / "b2-1" / "rubric.toml").read_text("utf-8"))["texts"]
    assert texts["ja"].keys() == texts["en"].keys()
    for key in texts["ja"]:
        used = [{name for _, name, _, _ in string.Formatter().parse(texts[lang][key]) if name} for lang in ("ja", "en")]
        assert used[0] == used[1], key


def test_public_files_name_nothing_that_is_for_staff():
    directory = REPOSITORY / "rubrics" / "b2-1"
    for path in (directory / "test_public.py", directory / "helpers_public_b2_1.py"):
        assert "held-out" not in path.read_text("utf-8")
        assert "held_out" not in path.read_text("utf-8")


def test_25_points_are_given():
    assert Course(REPOSITORY).rubric("b2-1").max_points == 25


@pytest.fixture(scope="module")
def b2():
    path = REPOSITORY / "rubrics" / "b2-1" / "helpers_public_b2_1.py"
    spec = importlib.util.spec_from_file_location("helpers_for_texts", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their names
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("前回の課題では 85 % であった。CNN は 89 %。", 0.85),
        ("普通のNNでは0.85だった。CNNは0.89。", 0.85),
        ("全結合層だけのモデルでは 0.8490 になった", 0.849),
        ("BP法では85.3%", 0.853),
        ("BPNN: loss 0.52 / acc 0.8512", 0.8512),
        ("BPNNの誤り率は14.7%", 0.853),
        ("CNN の test accuracy は前回より高い 0.893", None),
        ("畳み込みニューラルネットワークの正解率は 0.893", None),
    ],
)
def test_a_figure_is_quoted_for_the_network_of_last_time_whatever_it_is_called(b2, text, figure):
    assert b2.quoted_bpnn([text]) == (None if figure is None else pytest.approx(figure))


@pytest.mark.parametrize(
    "text",
    ["CNN accuracy improved by 50% relative.", "CNNの正解率の95%は正しく", "CNNの正解率は 4.50% ポイント上がった"],
)
def test_a_difference_or_a_share_is_no_accuracy(b2, text):
    assert b2.written_claims(text, 0) == []
