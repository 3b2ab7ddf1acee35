"""A tiny course of one assignment with something hidden in every place where a course can hide it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.rubric import Assignment, Course

TEMPLATE = """\
# %% [markdown]
# Student number :

# %%
# [1-0]
import numpy as np

# %%
# [1-1]
numbers = np.arange(10)
total = int(numbers.sum())

# %% [markdown] tags=["task"]
# ## Task 1 Double the numbers
#
# Say why the total doubles.
#
# ```python
# doubled_by_hint = numbers * 2
# ```

# %% tags=["placeholder"]
# Your code here.

# %% tags=["solution"]
doubled_by_hint = numbers * 2
secret_total = int(doubled_by_hint.sum())  # ninety

# %% [markdown] tags=["answer", "placeholder"]
# (Write your answer here.)

# %% [markdown] tags=["answer", "solution"]
# Because multiplication distributes over addition. The factor can be taken
# out of the sum.
"""

ASSIGNMENT = """\
version = "3"
dataset = "digits"
[title]
en = "Doubling"
[templates]
en = "hidden_template.en.py"
[[questions]]
criterion = "why"
heading = "Task 1"
[[questions]]
criterion = "quiet"
heading = "Task 1"
"""

RUBRIC = """\
version = "7"
[[criterion]]
id = "runs"
points = 2
title = { en = "It runs" }
[[criterion]]
id = "why"
points = 3
kind = "written"
title = { en = "The reason" }
[[criterion]]
id = "quiet"
points = 1
visibility = "staff"
title = { en = "Works on numbers nobody has seen" }
[[criterion]]
id = "later"
points = 1
visibility = "after_due"
title = { en = "Shown when all is over" }
[thresholds.runs]
distribution = "reference"
false_fail = 0.01
[thresholds.most]
distribution = "reference"
false_fail = 0.01
side = "upper"
[thresholds.concealed-drop]
distribution = "drops"
false_fail = 0.01
public = false
[texts.en]
"runs/ok" = "It ran to the end: 100 %, as \\"expected\\"."
"common/thanks" = "Thank you."
"quiet/no" = "It does not know the unseen numbers."
"later/no" = "Told only afterwards."
"""

PUBLIC_CHECK = """\
import pytest
from helpers_public_more import something


@pytest.mark.criterion("runs", weight=2)
def test_it_runs(say):
    say.passed("runs/ok")
"""

STAFF_CHECK = """\
import pytest


@pytest.mark.criterion("quiet")
def test_it_knows_more(say):
    say.failed("quiet/no")
"""

REFERENCE_VALUES = (0.91234, 0.92345, 0.93456)
DROPS = (0.011223, 0.012234, 0.013245)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    root = tmp_path / "course"
    write(root / "assignments" / "a1" / "assignment.toml", ASSIGNMENT)
    write(root / "assignments" / "a1" / "hidden_template.en.py", TEMPLATE)
    rubric = root / "rubrics" / "a1"
    write(rubric / "rubric.toml", RUBRIC)
    write(rubric / "test_public.py", PUBLIC_CHECK)
    write(rubric / "helpers_public_more.py", "something = 1\n")
    write(rubric / "test_staff.py", STAFF_CHECK)
    distributions = {
        name: {"values": values, "student_t": {"0.01": 6.965}}
        for name, values in (("reference", REFERENCE_VALUES), ("drops", DROPS))
    }
    calibration = {"dataset": "digits", "dataset_digest": "d1", "date": "", "machine": "", "versions": {}}
    write(rubric / "calibration.json", json.dumps([{**calibration, "distributions": distributions}]))
    return Course(root)


@pytest.fixture
def assignment(course: Course) -> Assignment:
    return course.assignment("a1")


@pytest.fixture
def rewrite(assignment: Assignment):
    """Changes a piece of the tiny template."""

    def change(old: str, new: str) -> Assignment:
        path = assignment.directory / assignment.templates["en"]
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        return assignment

    return change


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
