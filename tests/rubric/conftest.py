"""A course of one assignment, small enough to be changed line by line."""

import pytest

ASSIGNMENT = """\
version = "1"
dataset = "digits"
[title]
en = "Doubling"
ja = "二倍"
[templates]
ja = "t.ja.py"
en = "t.en.py"
[[questions]]
criterion = "why"
heading = "Task 1"
"""
RUBRIC = """\
version = "4"
[[criterion]]
id = "runs"
points = 2
title = { en = "It runs", ja = "動く" }
[[criterion]]
id = "why"
points = 0.5
kind = "written"
visibility = "after_due"
title = { en = "Why" }
short = { en = "W" }
[thresholds.accuracy]
distribution = "runs"
[texts.en]
"runs/passed" = "It ran."
"runs/failed" = "It did not run."
[texts.ja]
"runs/passed" = "動きました。"
"""


@pytest.fixture
def make_course(tmp_path):
    """Writes a course, one of its files with ``old`` replaced by ``new``; its root."""

    def make(file="", old="", new="", ident="double"):
        root = tmp_path / "course"
        for name, text in (("assignment", ASSIGNMENT), ("rubric", RUBRIC)):
            path = root / f"{name}s" / ident / f"{name}.toml"
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == file:
                assert old in text
                text = text.replace(old, new, 1)
            path.write_text(text, "utf-8")
        return root

    return make
