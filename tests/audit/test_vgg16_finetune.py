"""The variants of VGG16 fine-tuning: made-up images and weights, no download."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from grader.audit import read_variants
from grader.cli.app import app
from grader.rubric import Course
from grader.rubric.course import bundled_course_dir

IDENT = "vgg16-finetune"


@pytest.fixture(scope="module")
def bundled():
    course = Course()
    return course.assignment(IDENT), course.rubric(IDENT)


def test_every_criterion_has_three_wrong_variants_meant_for_it(bundled):
    meant = [v.criterion for v in read_variants(*bundled).variants]
    assert {ident: meant.count(ident) >= 3 for ident in bundled[1].ids} == dict.fromkeys(bundled[1].ids, True)


@pytest.mark.slow
def test_an_audit_makes_up_what_is_not_installed_and_says_so(tmp_path, monkeypatch):
    root = tmp_path / "course"
    for name in ("assignments", "rubrics"):
        shutil.copytree(bundled_course_dir() / name / IDENT, root / name / IDENT)
    path = root / "assignments" / IDENT / "audit" / "variants.toml"
    text = path.read_text("utf-8").replace("train_images = 100", "train_images = 30")
    text = text.replace("calibration_runs = 6", "calibration_runs = 3\ncalibration_epochs = 1")
    path.write_text(text.replace("test_images = 60", "test_images = 20"), "utf-8")
    monkeypatch.setenv("GRADER_DATA_DIR", str(tmp_path / "nothing"))
    out = tmp_path / "out.json"
    only = [word for name in ("labels-forgotten", "base-own-network") for word in ("--only", name)]
    done = CliRunner().invoke(app, ["audit", IDENT, "--course", str(root), "--jobs", "1", "--json", str(out), *only])
    assert done.exit_code == 0, done.output
    assert "cifar10: made-up images" in done.output
    assert "vgg16: made-up weights" in done.output
    said = {row["name"]: row["messages"][row["expected_criterion"]] for row in json.loads(out.read_text("utf-8"))}
    assert said == {"labels-forgotten": "labels/not-trained", "base-own-network": "base/other-network"}
