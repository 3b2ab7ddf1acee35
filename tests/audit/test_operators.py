"""Each operator on a notebook of five cells."""

import pytest

from grader.audit.operators import (
    After,
    Append,
    Before,
    Clear,
    Comment,
    Copy,
    Drop,
    Duplicate,
    Everywhere,
    Indent,
    Merge,
    Move,
    Regex,
    Replace,
    Set,
    Split,
    Swap,
    apply,
    find,
)
from grader.errors import CourseError
from grader.handout.build import new_cell


@pytest.fixture
def cells():
    return [
        new_cell("markdown", "# Title", "a"),
        new_cell("code", "# [1-1]\nx = 1\ny = x + 1", "b"),
        new_cell("code", "print(x)", "c"),
        new_cell("markdown", "## Task B2-1-1 Why?", "d", ["task"]),
        new_cell("markdown", "Because.\nReally.", "e", ["answer"]),
    ]


def sources(cells):
    return [c["source"] for c in cells]


@pytest.mark.parametrize(
    ("at", "index"),
    [("1-1", 1), ("first", 0), ("last", 4), ("print(", 2), ("task B2-1-1", 3), ("answer B2-1-1", 4)],
)
def test_a_cell_is_found_by_label_place_tag_or_text(cells, at, index):
    assert find(cells, at) == index


@pytest.mark.parametrize("at", ["1-2", "Title", "answer B2-1-2", "keras"])
def test_a_cell_that_is_not_there_is_an_error(cells, at):
    with pytest.raises(CourseError, match="no cell"):
        find(cells, at)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Replace("1-1", "x", "z"), {1: "# [1-1]\nz = 1\ny = z + 1"}),
        (Regex("1-1", r"^x = (\d)$", r"x = -\1"), {1: "# [1-1]\nx = -1\ny = x + 1"}),
        (Everywhere(r"\bx\b", "w"), {1: "# [1-1]\nw = 1\ny = w + 1", 2: "print(w)"}),
        (Clear("answer B2-1-1"), {4: ""}),
        (Swap("1-1", "print("), {1: "print(x)", 2: "# [1-1]\nx = 1\ny = x + 1"}),
        (Copy("answer B2-1-1", "task B2-1-1"), {4: "## Task B2-1-1 Why?"}),
        (Comment("answer B2-1-1"), {4: "# Because.\n# Really."}),
        (Indent("1-1"), {1: "    # [1-1]\n    x = 1\n    y = x + 1"}),
        (Set("print(", "pass"), {2: "pass"}),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, dict) else "",
)
def test_an_operator_changes_the_source_that_it_names_and_no_other(cells, operator, expected):
    before = sources(cells)
    after = sources(apply(cells, [operator], "p"))
    assert {i: s for i, s in enumerate(after) if s != before[i]} == expected
    assert sources(cells) == before


@pytest.mark.parametrize(
    ("operator", "order"),
    [
        (Drop("1-1"), "acde"),
        (Move("print(", "task B2-1-1"), "abdce"),
        (Before("1-1", "pass"), "a+bcde"),
        (After("1-1", "pass"), "ab+cde"),
        (Append("# %%\npass\n# %% [markdown]\n# End."), "abcde++"),
        (Duplicate("1-1", "last"), "abcde+"),
        (Split("1-1", "y ="), "ab+cde"),
        (Merge("1-1"), "abde"),
        (Merge("first", 2), "abce"),
    ],
)
def test_an_operator_puts_cells_where_it_says(cells, operator, order):
    made = apply(cells, [operator], "p")
    known = {c["id"] for c in cells}
    assert "".join(c["id"] if c["id"] in known else "+" for c in made) == order
    assert len({c["id"] for c in made}) == len(made)


def test_a_comment_is_a_code_cell(cells):
    assert apply(cells, [Comment("answer B2-1-1")], "p")[-1]["cell_type"] == "code"


def test_splitting_and_merging_again_loses_nothing(cells):
    split = apply(cells, [Split("1-1", "y =")], "p")
    assert sources(split)[1:3] == ["# [1-1]\nx = 1", "y = x + 1"]
    assert sources(apply(split, [Merge("1-1", 3)], "q"))[1] == "# [1-1]\nx = 1\n\ny = x + 1\n\nprint(x)"


@pytest.mark.parametrize(
    "operator",
    [
        Replace("1-1", "absent", ""),
        Regex("1-1", "absent", ""),
        Everywhere("absent", ""),
        Split("1-1", "[1-1]"),
        Merge("print(", 2),
        Move("1-1", "1-1"),
        Swap("1-1", "1-1"),
    ],
    ids=lambda o: type(o).__name__,
)
def test_an_operator_that_changes_nothing_is_an_error_that_names_it(cells, operator):
    with pytest.raises(CourseError, match=rf"operator 1 \({type(operator).__name__.lower()}\)"):
        apply(cells, [operator], "p")
