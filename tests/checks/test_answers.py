"""Where students really write, and what is taken off."""

import json
import shutil
import subprocess
import sys

import pytest

from grader.checks.answers import find_answers
from grader.checks.facts import NotebookCell
from grader.checks.given import given_digests, make_given, percent_cells
from grader.checks.handed_out import read_given
from grader.checks.pieces import pieces_of
from grader.checks.prose import GivenText, n_characters
from grader.rubric import Course, WrittenQuestion

QUESTIONS = (
    WrittenQuestion("filters", "B2-1-1", ("フィルタ", "模様", "filter")),
    WrittenQuestion("comparison", "B2-1-2", ("BPNN", "600", "fewer")),
)
TASK_1 = "## 課題 B2-1-1 フィルタの考察\n\n学習後のフィルタがこのような模様になったのは、なぜだと考えますか。"
TASK_2 = "## 課題 B2-1-2 比較\n\n600 枚で学習した BPNN と比べて、性能はどのように違いますか。"
PLACEHOLDER = "**解答欄 B2-1-1**\n\n（この行を消して、考察を書いてください。）"
ABOUT_1 = "線の縁に反応すると誤差が小さくなるので、明るい部分と暗い部分に分かれた模様になったと考えられる。"
ABOUT_2 = "BPNN は画素ごとに別の重みを持つので、少ない枚数では位置のずれに対応できなかったのだと思う。"


def cells(*sources):
    """Markdown, or code for a source that begins with ``>>> ``."""
    made = []
    for index, source in enumerate(sources):
        kind = "code" if source.startswith(">>> ") else "markdown"
        made.append(NotebookCell(index, kind, source.removeprefix(">>> ")))
    return made


GIVEN = GivenText(given_digests(cells(TASK_1, PLACEHOLDER, TASK_2, ">>> # ここに実験のコードを書いてください。")))


def find(*sources, given=GIVEN):
    return find_answers(cells(*sources), QUESTIONS, given)


def test_an_own_cell_below_the_task():
    found = find(TASK_1, ABOUT_1, TASK_2, ABOUT_2)
    assert (found["filters"].text, found["filters"].where, found["filters"].cells) == (ABOUT_1, "own-cell", (1,))
    assert found["comparison"].text == ABOUT_2
    assert found["filters"].has_substance


def test_below_the_question_in_its_own_cell():
    found = find(f"{TASK_1}\n\n{ABOUT_1}", TASK_2)
    assert (found["filters"].text, found["filters"].where) == (ABOUT_1, "task-cell")
    assert found["comparison"].empty


def test_comments_and_strings_in_code():
    found = find(TASK_1, f">>> # {ABOUT_1}\nx = 1", TASK_2, f'>>> """\n{ABOUT_2}\n"""\nprint(1)')
    assert [found[c].where for c in ("filters", "comparison")] == ["code", "code"]
    assert [found[c].text for c in ("filters", "comparison")] == [ABOUT_1, ABOUT_2]


def test_a_printed_string_and_a_bare_sentence():
    found = find(TASK_1, f'>>> print("フィルタの{ABOUT_1}")', TASK_2, f">>> {ABOUT_2}\nx = 1\ny = 2")
    assert found["filters"].text.endswith(ABOUT_1)
    assert found["comparison"].text == ABOUT_2


def test_both_tasks_in_one_cell_and_the_words_tell_the_answers_apart():
    found = find(f"{TASK_1}\n\n{TASK_2}", ABOUT_2, ABOUT_1)
    assert found["filters"].text == ABOUT_1
    assert found["comparison"].text == ABOUT_2


def test_both_tasks_and_both_answers_in_one_cell():
    found = find(f"{TASK_1}\n\n{ABOUT_1}\n\n{TASK_2}\n\n{ABOUT_2}")
    assert (found["filters"].text, found["comparison"].text) == (ABOUT_1, ABOUT_2)


def test_one_answer_to_two_tasks_in_one_cell_is_not_counted_twice():
    found = find(f"{TASK_1}\n\n{TASK_2}", ABOUT_2)
    assert found["filters"].empty
    assert found["comparison"].text == ABOUT_2


def test_an_answer_written_above_its_task_is_found_by_its_words():
    found = find("学習後のフィルタの" + ABOUT_1, TASK_1, TASK_2, ABOUT_2)
    assert found["filters"].where == "elsewhere"
    assert found["filters"].has_substance


def test_own_headings_open_a_place_too_and_full_width_ones():
    found = find("## Ｂ２－１－２ の考察", ABOUT_2, "### B2-1-1 の答え", ABOUT_1)
    assert (found["filters"].text, found["comparison"].text) == (ABOUT_1, ABOUT_2)


@pytest.mark.parametrize(
    "text",
    [
        "学習後のフィルタがこのような模様になったのは、なぜだと考えますか。",
        "学習後のフィルタが、このような模様になったのはなぜだと考えますか？",
        "**フィルタがこのような模様になったのは**",
        "（この行を消して、考察を書いてください。）",
        "![図](https://example.org/figure.png)",
        "## まとめ",
        "```python\nx = 'フィルタの模様についての考察をここに書いたつもりのコード'\n```",
    ],
)
def test_the_question_pasted_and_other_things_that_are_no_answer(text):
    answer = find(TASK_1, text, TASK_2)["filters"]
    assert answer.empty, answer


@pytest.mark.parametrize("info", ["", "text", "md", "考察", " txt "])
@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_an_answer_in_a_fenced_block_is_text(info, fence):
    answer = find(TASK_1, f"{fence}{info}\n{ABOUT_1}\n{fence}\n", TASK_2)["filters"]
    assert (answer.text, answer.where, answer.has_substance) == (ABOUT_1, "own-cell", True)


@pytest.mark.parametrize(
    "lines",
    [
        "正解率は CNN = 0.89、BPNN = 0.85 で、重みの共有が理由だと考えられる。",
        "Edges of strokes appear.\nThey were noise before.\nGradient descent did it.",
        "- 学習前は乱数\n- 学習後は縦線と横線",
    ],
)
def test_lists_short_lines_and_figures_in_a_fenced_block_are_text(lines):
    assert not find(TASK_1, f"```\n{lines}\n```", TASK_2)["filters"].empty


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ("", "model.fit(x, y)"),
        ("", "# 600 枚の学習データを用意して、フィルタの模様を見る。\nx = load(600)"),
        ("python", "# フィルタの模様を見るためのコードです。\nx ="),
        ("python", "x = load(600)\nfor a in x\n    print('フィルタの模様', a)"),
        ("", "!pip install keras"),
        ("", "for a in x\n    model.add(a)"),
        ("", ""),
        ("", "---"),
    ],
)
def test_code_in_a_fenced_block_is_no_answer(info, code):
    assert find(TASK_1, f"```{info}\n{code}\n```", TASK_2)["filters"].empty


def test_what_was_handed_out_in_a_fenced_block_is_no_answer():
    hint = "```\nフィルタの模様が学習の前と後でどう違うかを見比べて書く。\nx = 1  # 画素\n```"
    given = GivenText(given_digests(cells(TASK_1, hint, TASK_2)))
    assert find(TASK_1, hint, TASK_2, given=given)["filters"].empty
    pasted = hint.replace("x = 1  # 画素", ABOUT_1)
    assert find(TASK_1, pasted, TASK_2, given=given)["filters"].text == ABOUT_1


def test_lines_after_a_fenced_block_keep_their_numbers():
    numbers = {p.text: p.line for p in pieces_of(cells(f"```\n{ABOUT_1}\n```\n\n{ABOUT_2}\n```\nx = 1\n```\n続き"))}
    assert numbers == {ABOUT_1: 1, ABOUT_2: 4, "続き": 8}


@pytest.mark.parametrize(
    "picture",
    [
        "![考察](attachment:note.png)",
        "![](data:image/png;base64,AAAA)",
        "![手書き][note]",
        "<img src='note.png'>",
        "<IMG\nsrc='note.png'>",
        "> 図のとおり ![](note.png)",
        ">>> %%html\n<img src='note.png'>",
        '>>> from IPython.display import Image\nImage("note.png")',
    ],
)
def test_a_picture_in_the_answers_place_is_told(picture):
    found = find(TASK_1, picture, TASK_2)
    assert (found["filters"].pictures, found["filters"].too_short) == ((1,), True)
    assert found["comparison"].pictures == ()


def test_a_picture_below_the_last_task_may_answer_those_that_have_nothing():
    found = find(TASK_1, ABOUT_1, TASK_2, "![](note.png)")
    assert (found["filters"].pictures, found["comparison"].pictures) == ((), (3,))
    found = find(TASK_1, TASK_2, ABOUT_2, "![](note.png)")
    assert (found["filters"].pictures, found["comparison"].pictures) == ((3,), (3,))


def test_a_picture_that_was_handed_out_is_none():
    task = f"{TASK_1}\n\n![図](figure.png)"
    given = GivenText(given_digests(cells(task, TASK_2)))
    assert find(task, TASK_2, given=given)["filters"].pictures == ()
    assert find(task, "![図](mine.png)", TASK_2, given=given)["filters"].pictures == (1,)


SEEN = "学習前のフィルタは乱数のままだったが、学習後は縦や横の線に似た模様になった。"
WHY = "誤差逆伝播で重みが更新されたからだと思う。"


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        (f"# まとめ\n{SEEN}{WHY}{ABOUT_2}", {"filters"}),
        (f"{SEEN}\n{ABOUT_2}", {"filters"}),
        (f"### B2-1-1 と B2-1-2\n{ABOUT_2}", {"filters"}),
        (f"### B2-1-1、B2-1-2 まとめて考察\n{SEEN}\n{ABOUT_2}", {"comparison"}),
        (f"# 考察\n{SEEN}{WHY}\n\n{ABOUT_2}", set()),
    ],
)
def test_both_answers_under_the_last_heading_are_left_to_a_person(text, shared):
    found = find(TASK_1, TASK_2, text)
    assert {c for c in found if found[c].shared} == shared
    assert all(a.has_substance and a.cells == (2,) for a in found.values())
    assert ABOUT_2 in found["comparison"].text


def test_text_without_any_keyword_that_is_long_enough_for_two_answers_is_left_to_a_person():
    text = "縦や横の線に反応するようになった。乱数だった重みが更新されたためである。" + ABOUT_2
    assert find(TASK_1, TASK_2, text)["filters"].shared
    assert find(TASK_1, TASK_2, ABOUT_2)["filters"].empty
    assert find(TASK_2, text, TASK_1)["filters"].empty, "above the task's heading its words must speak of it"


def test_a_cell_made_for_another_task_is_shared_by_its_words_only():
    def found(text):
        made = [
            *cells(TASK_1, PLACEHOLDER, TASK_2),
            NotebookCell(3, "markdown", f"**解答欄 B2-1-2**\n\n{text}", ("answer",)),
        ]
        return find_answers(made, QUESTIONS, GIVEN)["filters"]

    about_2 = ABOUT_2 * 2 + "CNN では同じフィルタを画像全体で使う。600 枚でも BPNN より良いのはそのためだろう。"
    assert found(about_2).empty
    assert found(about_2).given == 1
    assert found(SEEN + WHY + ABOUT_2).shared
    assert found(ABOUT_2 * 3 + "フィルタも学習された。").empty, "one word is none"


def test_next_to_nothing_with_a_text_elsewhere_is_left_to_a_person():
    found = find(TASK_1, "下に書きました", TASK_2, f"# まとめ\n{SEEN}{ABOUT_2}")["filters"]
    assert (found.shared, found.cells) == (True, (1, 3))


def test_what_was_handed_out_and_left_is_counted_as_such():
    assert find(TASK_1, PLACEHOLDER, TASK_2)["filters"].given == 1
    assert find(TASK_1, TASK_2)["filters"].given == 0


def test_comments_that_explain_code_are_no_answer():
    found = find(TASK_1, TASK_2, ">>> # モデルの定義\nm = 1\n# 600 枚の学習データを用意する\nx = 2  # BPNN のため")
    assert found["comparison"].empty


def test_an_answer_beside_the_question_pasted_keeps_only_its_own_words():
    found = find(TASK_1, f"学習後のフィルタがこのような模様になったのは、なぜだと考えますか。\n{ABOUT_1}", TASK_2)
    assert found["filters"].text == ABOUT_1


def test_letters_of_an_alphabet_count_half():
    english = "The filters became edge detectors because strokes have edges."
    found = find(TASK_1, english, TASK_2)["filters"]
    assert found.needed == 60
    assert found.characters == len("".join(c for c in english if c.isalnum()))


@pytest.mark.parametrize(
    ("texts", "at_most"),
    [(["ああああああああああああ"], 3), (["テスト" * 10], 5), (["同じ文です。", "同じ文です。"], 5)],
)
def test_repetition_does_not_count(texts, at_most):
    assert n_characters(texts) <= at_most


def test_a_cell_that_is_no_python_still_yields_its_comments():
    found = find(TASK_1, TASK_2, f">>> # {ABOUT_2}\ndef broken(:\n  x =")
    assert found["comparison"].text == ABOUT_2


def test_solutions_are_no_given_text_but_placeholders_are():
    solution = '# %% [markdown] tags=["answer", "solution"]\n# 解答です。'
    source = f"# %% [markdown]\n# 問い。\n\n{solution}\n\n# %%\n# ここに書く。\n"
    assert [c.source for c in percent_cells(source)] == ["問い。", "# ここに書く。"]


def test_given_json_of_b2_1_is_that_of_its_templates():
    course = Course()
    path = course.root / "rubrics" / "b2-1" / "given.json"
    kept = json.loads(path.read_text("utf-8"))
    assert tuple(kept["template"]) == make_given(course, "b2-1").template, (
        "a template has changed: python -m grader.checks.given . b2-1"
    )


def test_the_command_that_writes_given_json_keeps_earlier_editions_and_warns_of_nothing(tmp_path):
    shutil.copytree(Course().root / "assignments" / "b2-1", tmp_path / "assignments" / "b2-1")
    shutil.copytree(Course().root / "rubrics" / "b2-1", tmp_path / "rubrics" / "b2-1")
    path = tmp_path / "rubrics" / "b2-1" / "given.json"
    before = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({"template": [], "earlier": ["0123456789abcdef"]}), "utf-8")
    command = [sys.executable, "-W", "error", "-m", "grader.checks.given", str(tmp_path), "b2-1"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    assert json.loads(path.read_text("utf-8")) == before | {"earlier": ["0123456789abcdef"]}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_untouched_handout_holds_no_answer(language):
    course = Course()
    assignment = course.assignment("b2-1")
    source = (assignment.directory / assignment.templates[language]).read_text("utf-8")
    given = read_given(course.root / "rubrics" / "b2-1")
    assert all(a.empty for a in find_answers(percent_cells(source), assignment.questions, given).values())


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 5_000,
        "x = " + "+".join(["1"] * 50_000),
        "\0 = 1",
        "# a" + " " * 100_000 + "2-1-1",
        "\n".join(["# ある程度の長さがあるコメントの行。"] * 5_000),
        "x = '\\d'",
        "# " + "![" * 40_000,
        "# " + "[](" * 30_000,
        "# " + "[]((a)" * 15_000,
        "# " + "<img " * 20_000,
    ],
)
def test_strange_cells_are_survived_in_good_time(source):
    found = find(TASK_1, ABOUT_1, TASK_2, f">>> {source}")
    assert found["filters"].text == ABOUT_1
    assert found["comparison"].empty


@pytest.mark.parametrize(
    ("picture", "found"), [("![a](https://example.org/a.png)", ()), ("![a](attachment:a.png)", (0,))]
)
def test_without_any_heading_pictures_of_the_web_belong_to_the_text(picture, found):
    assert find(f"Some text of another edition.\n\n{picture}")["filters"].pictures == found
