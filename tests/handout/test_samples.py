"""Sample submissions: how their files are read and built, and what those of b2-1 are."""

from __future__ import annotations

import json

import nbformat
import pytest

from grader.errors import CourseError
from grader.handout.samples import build_samples, read_samples
from grader.model import ExecutionOutcome, FlagKind, Status
from grader.rubric import Course

HEAD = 'about = "x"\nlanguage = "en"\n'
TAIL = '\n[expected]\nstatus = "graded"\nexecution = "ok"\n'


@pytest.fixture
def built(course, tmp_path):
    """Builds one sample of the tiny course from TOML and gives its text."""

    def build(toml: str) -> str:
        directory = course.assignment("a1").directory / "samples"
        directory.mkdir(exist_ok=True)
        (directory / "x.toml").write_text(HEAD + toml + TAIL, "utf-8")
        (path,) = build_samples(course, "a1", tmp_path / "class")
        return path.read_text("utf-8")

    return build


def sources(text: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]


def test_a_sample_without_edits_is_the_handout_with_its_header(built):
    cells = sources(built('header = "Student number : 1"'))
    assert cells[0] == "Student number : 1"
    assert len(cells) == 6


def test_edits_replace_add_drop_and_swap(built):
    edits = """
[[edit]]
at = "1-0"
do = "before"
cells = "!pip install x"
[[edit]]
at = "1-1"
do = "swap"
old = "10"
new = "20"
[[edit]]
at = "code Task 1"
do = "replace"
cells = '''
# %%
a = 1

# %% [markdown]
# why
'''
[[edit]]
at = "answer Task 1"
do = "drop"
[[edit]]
at = "end"
do = "after"
cells = "last = 1"
"""
    cells = sources(built(edits))
    assert cells[1] == "!pip install x"
    assert "np.arange(20)" in cells[3]
    assert cells[-3:] == ["a = 1", "why", "last = 1"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[[edit]]\nat = "9-9"\ndo = "drop"', "there is no cell '9-9'"),
        ('[[edit]]\nat = "answer Task 7"\ndo = "drop"', "there is no cell 'answer Task 7'"),
        ('[[edit]]\nat = "1-0"\ndo = "swap"\nold = "nowhere"', "does not hold 'nowhere'"),
        ('[[edit]]\nat = "1-0"\ndo = "burn"', "Invalid enum value 'burn'"),
        ("[file]\nkeep = 0", "Expected `float` > 0"),
        ("surprise = 1", "unknown field `surprise`"),
    ],
)
def test_a_sample_file_that_makes_no_sense_is_the_courses_fault(built, toml, said):
    with pytest.raises(CourseError, match=said):
        built(toml)


def test_a_file_can_be_of_an_older_format_and_from_another_kernel(built):
    notebook = json.loads(built('[file]\nnbformat_minor = 4\nkernelspec = "tf_gpu2"\nstamped = false'))
    nbformat.validate(notebook)
    assert notebook["nbformat_minor"] == 4
    assert not any("id" in cell for cell in notebook["cells"])
    assert notebook["metadata"]["kernelspec"]["name"] == "tf_gpu2"
    assert "grader" not in notebook["metadata"]


@pytest.mark.parametrize("oddity", ["keep = 0.7", "conflict = true"])
def test_a_file_can_be_broken(built, oddity):
    text = built(f"[file]\n{oddity}")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert ("<<<<<<< " in text) == (oddity == "conflict = true")


@pytest.fixture(scope="module")
def b2_1(tmp_path_factory):
    paths = build_samples(Course(), "b2-1", tmp_path_factory.mktemp("class"))
    return {path.stem: path.read_text("utf-8") for path in paths}


def test_the_class_of_b2_1_has_twelve_different_submissions(b2_1):
    assert sorted(b2_1) == [f"s{n:02d}" for n in range(1, 13)]
    assert len(set(b2_1.values())) == 12


def test_all_but_the_broken_one_are_valid_notebooks(b2_1):
    for name, text in b2_1.items():
        if name == "s11":
            with pytest.raises(json.JSONDecodeError):
                json.loads(text)
        else:
            nbformat.validate(json.loads(text))


def test_no_sample_counts_on_the_size_of_the_full_data_set(b2_1):
    for text in b2_1.values():
        assert not any(size in text for size in ("60000", "60,000", "10000", "10,000"))


def test_samples_are_built_the_same_every_time(b2_1, tmp_path):
    again = {path.stem: path.read_text("utf-8") for path in build_samples(Course(), "b2-1", tmp_path)}
    assert again == b2_1


def test_the_class_covers_every_way_that_matters():
    expected = [sample.expected for sample in read_samples(Course(), "b2-1").values()]
    assert {e.execution for e in expected} == set(ExecutionOutcome) - {"memory", "budget"}
    assert {e.status for e in expected} == set(Status)
    assert {flag for e in expected for flag in e.flags} == {FlagKind.TRAINED_ON_TEST_DATA, FlagKind.CLAIM_DIFFERS}
    assert {s.language for s in read_samples(Course(), "b2-1").values()} == {"ja", "en"}


def test_every_sample_says_what_each_criterion_of_the_rubric_should_find():
    course = Course()
    ids = set(course.rubric("b2-1").ids)
    for name, sample in read_samples(course, "b2-1").items():
        readable = sample.expected.execution is not ExecutionOutcome.UNREADABLE
        assert set(sample.expected.criteria) == (ids if readable else set()), name
