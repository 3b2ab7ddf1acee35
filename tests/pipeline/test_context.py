import shutil
from pathlib import Path

import pytest

from grader.config import load_settings
from grader.errors import CourseError, InvalidSetting
from grader.pipeline import open_context
from grader.rubric import bundled_course_dir


def context(tmp_path, name, **changes):
    settings = {"workspace": tmp_path / name, "data_dir": tmp_path / "data", **changes}
    return open_context(load_settings(settings, environ={}), "b2-1")


def test_two_workspaces_of_a_course_measure_on_the_same_held_out_images(tmp_path):
    assert context(tmp_path, "a").held_out_seed == context(tmp_path, "b").held_out_seed


def test_the_held_out_seed_is_not_written_beside_the_bundled_course(tmp_path):
    assert context(tmp_path, "a").held_out_seed is not None
    assert not (bundled_course_dir() / "held_out.seed").exists()
    assert (tmp_path / "data" / "held_out.seed").stat().st_mode & 0o077 == 0


def test_a_course_of_ones_own_keeps_its_seed(small_course, tmp_path):
    drawn = [context(tmp_path, n, course=small_course.root, data_dir=tmp_path / n).held_out_seed for n in ("a", "b")]
    assert drawn[0] == drawn[1]
    assert (small_course.root / "held_out.seed").is_file()


def test_two_courses_have_different_held_out_images(tmp_path):
    seeds = {context(tmp_path, "a", data_dir=tmp_path / str(n)).held_out_seed for n in range(4)}
    assert len(seeds) > 1


def test_a_student_has_no_held_out_images(tmp_path):
    settings = load_settings({"workspace": tmp_path, "data_dir": tmp_path / "data"}, environ={})
    assert open_context(settings, "b2-1", public_only=True).held_out_seed is None
    assert not Path(tmp_path / "data").exists()


@pytest.mark.parametrize(("wanted", "expected"), [(None, "ja"), ("en", "en"), ("ru", "ja")])
def test_an_attempt_in_a_language_the_rubric_lacks_is_answered_in_the_first_of_the_assignment(
    tmp_path, wanted, expected
):
    assert context(tmp_path, "a").language_of(wanted) == expected


def test_compatibility_options_are_off_unless_the_assignment_or_this_run_names_them(tmp_path):
    assert context(tmp_path, "a").compatibility == ()
    assert context(tmp_path, "a").execution_request().compatibility == ()
    named = context(tmp_path, "a", compatibility="sequential-input, acc-log-names")
    assert named.compatibility == ("acc-log-names", "sequential-input")
    assert named.execution_request().compatibility == named.compatibility
    with pytest.raises(InvalidSetting, match="acc-names: expected none, or one or more of acc-log-names"):
        _ = context(tmp_path, "a", compatibility="acc-names").compatibility


def with_options(course, root, line):
    shutil.copytree(course.root, root)
    path = root / "assignments" / "b2-1" / "assignment.toml"
    path.write_text(path.read_text("utf-8").replace("[title]", f"{line}\n[title]", 1), "utf-8")
    return root


def test_an_assignments_own_options_count_until_a_run_names_others(small_course, tmp_path):
    root = with_options(small_course, tmp_path / "course", 'compatibility = ["acc-log-names"]')
    own = context(tmp_path, "a", course=root)
    none = context(tmp_path, "a", course=root, compatibility="none")
    assert (own.compatibility, none.compatibility) == (("acc-log-names",), ())
    assert own.execution_key() != none.execution_key()
    assert own.execution_key() == context(tmp_path, "a", course=root, compatibility="acc-log-names").execution_key()


def test_an_option_that_does_not_exist_is_refused_with_those_that_do(small_course, tmp_path):
    root = with_options(small_course, tmp_path / "course", 'compatibility = ["acc"]')
    with pytest.raises(CourseError, match=r"acc-log-names.*compatibility\[0\]"):
        context(tmp_path, "a", course=root)
