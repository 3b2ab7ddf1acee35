import pytest

from grader.errors import CourseError, UnknownAssignment
from grader.model import Visibility
from grader.rubric import Course, bundled_course_dir


def test_an_assignment_and_its_rubric_are_loaded_with_defaults(make_course):
    course = Course(make_course())
    assignment, rubric = course.assignment("double"), course.rubric("double")
    assert (assignment.id, assignment.version, assignment.dataset) == ("double", "1", "digits")
    assert assignment.languages == ("ja", "en")
    assert assignment.time_limit_s == 900.0
    assert assignment.directory == course.root / "assignments" / "double"
    assert rubric.ids == ("runs", "why")
    assert rubric.max_points == 2.5
    assert rubric.criterion("why").visibility is Visibility.AFTER_DUE
    assert rubric.thresholds["accuracy"].false_fail == 0.001


def test_texts_fall_back_to_english_and_bring_the_titles(make_course):
    texts = Course(make_course()).rubric("double").texts_in("ja")
    assert texts["runs/passed"] == "動きました。"
    assert texts["runs/failed"] == "It did not run."
    assert texts["runs/title"] == "動く"
    assert texts["why/title"] == "Why"
    assert (texts["runs/short"], texts["why/short"]) == ("動く", "W")


def test_a_criterion_that_is_not_there_is_a_key_error(make_course):
    with pytest.raises(KeyError, match="nothing"):
        Course(make_course()).rubric("double").criterion("nothing")


def test_an_unknown_assignment_is_answered_with_the_known_ones(make_course):
    make_course(ident="triple")
    with pytest.raises(UnknownAssignment, match="this course has: double, triple"):
        Course(make_course()).assignment("quadruple")


@pytest.mark.parametrize("ident", ["..", "../double", "double/../double", "", "/etc", "DOUBLE "])
def test_an_assignments_id_is_never_a_path(make_course, ident):
    with pytest.raises(UnknownAssignment):
        Course(make_course()).assignment(ident)


def test_a_folder_without_assignments_is_no_course(tmp_path):
    with pytest.raises(CourseError, match="'grader init' makes a course"):
        Course(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("assignment", 'version = "1"', 'version = "1', "cannot be read"),
        ("assignment", 'version = "1"', "version = 1", "Expected `str`"),
        ("assignment", 'dataset = "digits"', "", "dataset"),
        ("assignment", 'dataset = "digits"', 'dataset = "digits"\ntime_limit = 3', "time_limit"),
        ("assignment", 'dataset = "digits"', 'dataset = "digits"\nruntime = "keras4"', "runtime"),
        ("assignment", 'criterion = "why"', 'criterion = "nothing"', "unknown criteria"),
        ("rubric", "points = 2", "points = -1", "points"),
        ("rubric", "points = 2", "points = nan", "points"),
        ("rubric", "points = 2", "points = inf", "points"),
        ("rubric", "points = 2", 'points = "2"', "points"),
        ("rubric", 'id = "why"', 'id = "runs"', "must differ"),
        ("rubric", 'id = "why"', 'id = "Why Not"', "pattern|regex"),
        ("rubric", '"after_due"', '"secret"', "secret"),
        ("rubric", 'kind = "written"', 'kindd = "written"', "kindd"),
        ("rubric", 'kind = "written"', 'kind = "writen"', "kind"),
        ("rubric", 'distribution = "runs"', 'distribution = "runs"\nfalse_fail = 0.5', "false_fail"),
        ("rubric", 'distribution = "runs"', 'distribution = "runs"\nside = "uper"', "side"),
    ],
)
def test_a_mistake_in_a_courses_file_is_named_with_the_file(make_course, file, old, new, expected):
    course = Course(make_course(file, old, new))
    with pytest.raises(CourseError, match=expected) as raised:
        course.rubric("double")
    assert "double" in str(raised.value)


def test_a_rubric_that_is_not_there_is_a_course_error(make_course):
    root = make_course()
    (root / "rubrics" / "double" / "rubric.toml").unlink()
    with pytest.raises(CourseError, match=r"rubric\.toml"):
        Course(root).rubric("double")


def test_a_file_that_is_not_utf_8_is_a_course_error(make_course):
    root = make_course()
    (root / "assignments" / "double" / "assignment.toml").write_bytes("title = '二倍'".encode("shift_jis"))
    with pytest.raises(CourseError, match="cannot be read"):
        Course(root).assignment("double")


def test_a_course_without_reports_uses_the_bundled_ones(make_course):
    root = make_course()
    assert Course(root).reports_dir == bundled_course_dir() / "reports"
    (root / "reports").mkdir()
    assert Course(root).reports_dir == root / "reports"


def test_the_bundled_course_is_whole():
    course = Course()
    assert course.rubric("b2-1").max_points == 25
    for ident in course.assignment_ids():
        assignment, rubric = course.assignment(ident), course.rubric(ident)
        assert all((assignment.directory / name).is_file() for name in assignment.templates.values())
        assert rubric.max_points > 0
        assert {q.criterion for q in assignment.questions} == {c.id for c in rubric.criteria if c.kind == "written"}
        assert all(set(assignment.languages) <= set(c.title) for c in rubric.criteria)
