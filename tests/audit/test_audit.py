"""Three variants through everything, on small data of the tests' own making."""

import json

import pytest
from small_course import make_small_course
from typer.testing import CliRunner

from grader.cli.app import app

VARIANTS = """
language = "en"
train_images = 1200
test_images = 300
calibration_runs = 3
calibration_epochs = 25
[[shared]]
do = "regex"
at = "1-8"
pattern = "epochs = 10"
new = "epochs = 12"
[[shared]]
do = "everywhere"
pattern = "epochs=50"
new = "epochs=25"
[[variant]]
name = "other-names"
kind = "right"
edit = [{ do = "everywhere", pattern = "\\\\bcnn\\\\b", new = "net" }]
[[variant]]
name = "too-few"
kind = "wrong"
criterion = "small-data-model"
edit = [{ do = "replace", at = "(data_size=600)", old = "600", new = "60" }]
[[variant]]
name = "slips"
kind = "wrong"
criterion = "runs"
edit = [{ do = "append", cells = "print('all is well')" }]
"""


@pytest.mark.slow
def test_an_audit_tells_caught_slipped_and_accepted_and_ends_with_1(tmp_path, monkeypatch):
    course = make_small_course(tmp_path / "small")
    path = course.root / "assignments" / "b2-1" / "audit" / "variants.toml"
    path.write_text(VARIANTS, "utf-8")
    monkeypatch.setenv("GRADER_DATA_DIR", str(course.data))
    out = tmp_path / "out.json"
    arguments = ["audit", "b2-1", "--course", str(course.root), "--jobs", "2", "--json", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output
    rows = {row["name"]: row for row in json.loads(out.read_text("utf-8"))}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "other-names": "accepted",
        "too-few": "caught",
        "slips": "slipped",
    }
    assert rows["too-few"]["messages"]["small-data-model"] == "small-data-model/other-size"
    assert "slipped: slips (runs)" in done.output


def test_an_unknown_variant_is_a_usage_error(tmp_path):
    from grader.audit import prepare
    from grader.config import load_settings
    from grader.errors import UsageError

    with pytest.raises(UsageError, match="no variant nonsense"):
        prepare(load_settings({}, environ={}), "b2-1", tmp_path, only=["nonsense"])
