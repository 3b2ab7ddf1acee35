"""The kit: what is in it, what must not be, and what is refused as one."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest

from grader.errors import CourseError, KitError, LeakError
from grader.handout import build_kit, read_kit, write_handout
from grader.handout.kit import BYTES_LIMIT
from grader.model import Visibility
from grader.rubric import Course, read_calibration

MEMBERS = {
    "assignment.toml",
    "helpers_public_more.py",
    "kit.json",
    "rubric.toml",
    "test_public.py",
    "thresholds.json",
}


@pytest.fixture
def kit_path(course: Course, tmp_path: Path) -> Path:
    path = tmp_path / "a1.kit"
    path.write_bytes(build_kit(course, "a1"))
    return path


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def rubric_file(course: Course, name: str) -> Path:
    return course.root / "rubrics" / "a1" / name


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_kit_holds_the_public_files_and_is_the_same_every_time(course):
    data = build_kit(course, "a1")
    assert set(members(data)) == MEMBERS
    assert data == build_kit(course, "a1")
    assert len(data) < 20_000


def test_a_kit_is_a_course_of_its_own(kit_path, tmp_path, course):
    kit = read_kit(kit_path)
    assert (kit.assignment, kit.version, kit.languages) == ("a1", "3", ("en",))
    small = Course(kit.unpack(tmp_path / "unpacked"))
    assert small.assignment_ids() == ["a1"]
    assert small.assignment("a1").time_limit_s == course.assignment("a1").time_limit_s
    rubric = small.rubric("a1")
    assert rubric.ids == ("runs", "why")
    assert rubric.version == "7"
    assert rubric.texts["en"] == {"runs/ok": 'It ran to the end: 100 %, as "expected".', "common/thanks": "Thank you."}
    assert [q.criterion for q in small.assignment("a1").questions] == ["why"]
    assert (rubric.directory / "test_public.py").read_bytes() == rubric_file(course, "test_public.py").read_bytes()


def test_public_thresholds_are_numbers_rounded_in_the_students_favour(kit_path, course):
    found = json.loads(read_kit(kit_path).files["thresholds.json"])
    calibration = read_calibration(rubric_file(course, "calibration.json"))
    exact = {name: calibration.threshold(rule) for name, rule in course.rubric("a1").thresholds.items()}
    numbers = found["thresholds"]
    assert set(numbers) == {"runs", "most"}
    assert 0 <= exact["runs"] - numbers["runs"]["value"] < 1e-4
    assert 0 <= numbers["most"]["value"] - exact["most"] < 1e-4
    rules = course.rubric("a1").thresholds
    assert 0 <= calibration.of(rules["runs"]).doubt(rules["runs"]) - numbers["runs"]["doubt"] < 1e-4
    assert 0 <= numbers["most"]["doubt"] - calibration.of(rules["most"]).doubt(rules["most"]) < 1e-4
    assert (numbers["runs"]["reference_min"], numbers["runs"]["reference_max"]) == (0.9123, 0.9346)
    assert found["dataset_digest"] == "d1"


def hidden_in(course: Course, assignment_id: str) -> set[str]:
    """Everything of a course that no kit may hold, collected without the program's own idea of it."""
    assignment, rubric = course.assignment(assignment_id), course.rubric(assignment_id)
    hidden = {c.id for c in rubric.criteria if c.visibility is not Visibility.PUBLIC}
    found = set(hidden) | set(assignment.templates.values())
    for criterion in rubric.criteria:
        if criterion.id in hidden:
            found |= set(criterion.title.values()) | set(criterion.short.values())
    shown = set()
    for texts in rubric.texts.values():
        found |= {t for key, t in texts.items() if key.split("/")[0] in hidden}
        shown |= {t for key, t in texts.items() if key.split("/")[0] not in hidden}
    found -= shown
    return found | _solution_lines(assignment)


def hidden_numbers(course: Course, assignment_id: str) -> set[str]:
    """What right answers were seen to reach, and thresholds for staff; the public ones' extremes may be shown."""
    rules = course.rubric(assignment_id).thresholds.values()
    calibration = read_calibration(course.root / "rubrics" / assignment_id / "calibration.json")
    values = {v for d in calibration.distributions.values() for v in d.values}
    for rule in rules:
        if rule.public:
            reached = calibration.distributions[rule.distribution].values
            values -= {min(reached), max(reached)}
    texts = {repr(v) for v in values}
    texts |= {format(calibration.threshold(r), f".{n}f") for r in rules if not r.public for n in (4, 5, 6, 16)}
    return {text for text in texts if re.fullmatch(r"-?\d\.\d{4,}", text)}


def assert_nothing_hidden(course: Course, assignment_id: str) -> None:
    texts, numbers = hidden_in(course, assignment_id), hidden_numbers(course, assignment_id)
    data = build_kit(course, assignment_id)
    for name, content in [*members(data).items(), ("the file itself", data)]:
        assert [text for text in texts if text.encode() in content] == [], name
        found = {token.decode() for token in re.findall(rb"-?\d+\.\d+", content)}
        assert found & numbers == set(), name


def _solution_lines(assignment) -> set[str]:
    """Lines of solution cells that stand in no other cell."""
    own: set[str] = set()
    others: set[str] = set()
    for name in assignment.templates.values():
        text = (assignment.directory / name).read_text("utf-8")
        for part in re.split(r"^(?=# %%)", text, flags=re.MULTILINE):
            lines = {line.strip("# \n") for line in part.splitlines()[1:] if len(line.strip("# \n")) >= 12}
            if '"solution"' in part.partition("\n")[0]:
                own |= lines
            else:
                others |= lines
    return own - others


def test_nothing_hidden_is_in_any_byte_of_a_kit(course):
    hidden = hidden_in(course, "a1")
    assert {"quiet", "later", "Told only afterwards.", "hidden_template.en.py"} <= hidden
    assert any("secret_total" in text for text in hidden)
    assert any("distributes" in text for text in hidden)
    assert {"0.92345", "0.012234"} <= hidden_numbers(course, "a1")
    assert_nothing_hidden(course, "a1")


def test_the_kit_of_b2_1_holds_nothing_hidden():
    course = Course()
    assert len(hidden_in(course, "b2-1")) > 50
    assert len(hidden_numbers(course, "b2-1")) > 10
    assert_nothing_hidden(course, "b2-1")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"runs", weight', '"quiet", weight', "test_public.py:5: a public file checks 'quiet'"),
        ('"runs", weight', '"missing", weight', "checks 'missing'"),
        ('"runs", weight', '"ru" + "ns", weight', "no literal string"),
        ('@pytest.mark.criterion("runs", weight=2)', "", "test_it_runs has no @pytest.mark.criterion"),
        ('say.passed("runs/ok")', 'say.passed("quiet/no")', "'quiet'"),
        ('say.passed("runs/ok")', 'say.passed("runs/ok")  # as quiet does', "'quiet'"),
        ('say.passed("runs/ok")', '"""See: Told only afterwards."""', "'Told only afterwards.'"),
        ('say.passed("runs/ok")', 'threshold("concealed-drop")', "'concealed-drop'"),
        ("import pytest\n", "import pytest\nimport test_staff\n", "imports test_staff"),
        ("import pytest\n", "import pytest\nfrom test_staff import x\n", "imports test_staff"),
        ("import pytest\n", "import pytest\nfrom . import test_staff\n", "imports test_staff"),
    ],
)
def test_a_public_check_that_names_something_hidden_stops_the_kit(course, old, new, said):
    change(rubric_file(course, "test_public.py"), old, new)
    with pytest.raises(LeakError, match=re.escape(said)):
        build_kit(course, "a1")


def test_a_public_text_that_names_something_hidden_stops_the_kit(course):
    change(rubric_file(course, "rubric.toml"), "Thank you.", "Thank you; quiet comes next.")
    with pytest.raises(LeakError, match=r"rubric\.toml line \d+ of the kit would hold 'quiet'"):
        build_kit(course, "a1")


def test_a_longer_word_that_contains_a_hidden_id_is_no_leak(course):
    change(rubric_file(course, "rubric.toml"), "Thank you.", "Quietly, un-quiet, quietude.")
    build_kit(course, "a1")


def test_a_public_check_that_is_no_python_is_the_courses_fault(course):
    rubric_file(course, "test_public.py").write_text("def", "utf-8")
    with pytest.raises(CourseError, match="is no Python"):
        build_kit(course, "a1")


def test_without_a_calibration_there_is_no_kit_and_the_command_is_named(course):
    rubric_file(course, "calibration.json").unlink()
    with pytest.raises(CourseError, match="grader calibrate a1"):
        build_kit(course, "a1")


def test_digests_of_what_was_handed_out_go_into_the_kit(course, tmp_path):
    rubric_file(course, "given.json").write_text('{"template": ["00ff"]}\n', "utf-8")
    path = tmp_path / "a1.kit"
    path.write_bytes(build_kit(course, "a1"))
    directory = read_kit(path).unpack(tmp_path / "unpacked")
    assert (directory / "rubrics" / "a1" / "given.json").read_text("utf-8") == '{"template": ["00ff"]}\n'


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/etc/passwd", "C:\\x.py", "a/test_public.py", "test_staff.py", "conftest.py", "test_public.pyc"],
)
def test_a_kit_with_a_file_that_no_kit_holds_is_refused(kit_path, name):
    files = members(kit_path.read_bytes()) | {name: b"1"}
    with pytest.raises(KitError, match="which no kit holds"):
        read_kit(write_zip(kit_path, files))


@pytest.mark.parametrize("name", sorted(MEMBERS - {"kit.json"}))
def test_a_kit_with_one_byte_changed_is_refused(kit_path, name):
    files = members(kit_path.read_bytes())
    files[name] = files[name][:-1] + b"?"
    with pytest.raises(KitError, match=rf"damaged or was changed \({re.escape(name)}\)"):
        read_kit(write_zip(kit_path, files))


def test_a_kit_with_a_member_added_or_taken_away_is_refused(kit_path):
    files = members(kit_path.read_bytes())
    with pytest.raises(KitError, match="test_public_new"):
        read_kit(write_zip(kit_path, files | {"test_public_new.py": b""}))
    del files["test_public.py"]
    with pytest.raises(KitError, match=r"test_public\.py"):
        read_kit(write_zip(kit_path, files))


def test_a_kit_with_a_name_twice_is_refused(kit_path):
    files = members(kit_path.read_bytes())
    with zipfile.ZipFile(kit_path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("test_public.py", files["test_public.py"])
    with pytest.raises(KitError, match="twice"):
        read_kit(kit_path)


def test_a_kit_that_unpacks_to_more_than_a_kit_is_refused_before_it_is_unpacked(kit_path):
    files = members(kit_path.read_bytes())
    with zipfile.ZipFile(kit_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("test_public_big.py", b"#" * (BYTES_LIMIT + 1))
    assert kit_path.stat().st_size < BYTES_LIMIT
    with pytest.raises(KitError, match="would unpack to"):
        read_kit(kit_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "no kit"), (b"PK\x03\x04 nonsense", "no kit"), (b"x" * (BYTES_LIMIT + 1), "at most")],
)
def test_a_file_that_is_no_kit_is_refused(tmp_path, data, said):
    path = tmp_path / "x.kit"
    path.write_bytes(data)
    with pytest.raises(KitError, match=said):
        read_kit(path)


def test_every_way_to_cut_a_kit_off_is_refused(kit_path, tmp_path):
    data = kit_path.read_bytes()
    short = tmp_path / "short.kit"
    for length in range(0, len(data), 97):
        short.write_bytes(data[:length])
        with pytest.raises(KitError):
            read_kit(short)


def test_a_missing_kit_is_named(tmp_path):
    with pytest.raises(KitError, match=r"nowhere\.kit cannot be read"):
        read_kit(tmp_path / "nowhere.kit")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b'{"schema": 1}', "malformed"),
    ],
)
def test_a_malformed_manifest_is_refused(kit_path, manifest, said):
    with pytest.raises(KitError, match=said):
        read_kit(write_zip(kit_path, members(kit_path.read_bytes()) | {"kit.json": manifest}))


def test_a_kit_of_a_later_format_says_which_version_reads_it(kit_path):
    files = members(kit_path.read_bytes())
    manifest = json.loads(files["kit.json"]) | {"schema": 2, "grader_version": "9.9"}
    with pytest.raises(KitError, match=r"use that version"):
        read_kit(write_zip(kit_path, files | {"kit.json": json.dumps(manifest).encode()}))


def test_a_manifest_cannot_name_an_assignment_outside_the_folder(kit_path):
    files = members(kit_path.read_bytes())
    manifest = json.loads(files["kit.json"]) | {"assignment": "../../x"}
    with pytest.raises(KitError, match="malformed"):
        read_kit(write_zip(kit_path, files | {"kit.json": json.dumps(manifest).encode()}))


def test_a_handout_is_a_notebook_and_a_kit(course, tmp_path):
    notebook, kit = write_handout(course, "a1", "en", tmp_path / "out")
    assert (notebook.name, kit.name) == ("a1.en.ipynb", "a1.kit")
    assert json.loads(notebook.read_text("utf-8"))["metadata"]["grader"]["assignment"] == "a1"
    assert read_kit(kit).assignment == "a1"


def test_a_handout_that_would_leak_writes_nothing(course, tmp_path):
    change(rubric_file(course, "test_public.py"), '"runs", weight', '"quiet", weight')
    with pytest.raises(LeakError):
        write_handout(course, "a1", "en", tmp_path / "out")
    assert not (tmp_path / "out").exists()
