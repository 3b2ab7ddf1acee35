from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from grader.errors import VerificationError
from grader.verification.inputs import InputForm
from grader.verification.process import CHILD, Failure, Job, VerifierSettings, predict_models

FORM = InputForm((0, 6, 6), 0.0, 1.0)
QUICK = VerifierSettings(timeout_s=60)


def jobs(n: int) -> list[Job]:
    return [Job({"class_name": "Sequential"}, [np.zeros(2, np.float32)], FORM) for _ in range(n)]


def run(samples, tmp_path: Path, n: int = 3, settings: VerifierSettings = QUICK):
    images = samples.images_and_labels(20)[0]
    return predict_models(jobs(n), {"official": images, "held_out": images[::-1]}, "keras3", tmp_path, settings)


def runs(tmp_path: Path) -> list[str]:
    return (tmp_path / "runs.log").read_text().split()


def test_predictions_come_back_by_image_set_as_classes(samples, tmp_path: Path, fake_child):
    fake_child()
    labels = samples.images_and_labels(20)[1]
    answers = run(samples, tmp_path)
    assert len(answers) == 3
    for answer in answers:
        assert answer["official"].dtype == np.int16
        assert list(answer["official"]) == list(labels)
        assert list(answer["held_out"]) == list(labels[::-1])
    assert runs(tmp_path) == ["0,1,2"]


def test_a_model_that_kills_the_process_is_blamed_alone(samples, tmp_path: Path, fake_child):
    fake_child(each="if number == 1: import os; os._exit(9)")
    answers = run(samples, tmp_path)
    assert isinstance(answers[0], dict)
    assert isinstance(answers[2], dict)
    assert isinstance(answers[1], Failure)
    assert answers[1].our_fault
    assert "exit 9" in str(answers[1].reason.params)
    assert runs(tmp_path) == ["0,1,2", "2"]


def test_a_child_that_cannot_start_is_not_tried_for_every_model(samples, tmp_path: Path, fake_child):
    fake_child(before="raise SystemExit('no tensorflow here')")
    answers = run(samples, tmp_path)
    assert all(isinstance(a, Failure) and a.our_fault for a in answers)
    assert "no tensorflow here" in str(answers[0].reason.params)
    assert runs(tmp_path) == ["0,1,2"]


def test_the_time_limit_holds_for_all_models_together(samples, tmp_path: Path, fake_child):
    fake_child(each="import time; time.sleep(60 if number == 1 else 0)")
    started = time.monotonic()
    answers = run(samples, tmp_path, settings=VerifierSettings(timeout_s=2))
    assert time.monotonic() - started < 20
    assert isinstance(answers[0], dict)
    assert [a.reason.id for a in answers[1:]] == ["Re-measuring took longer than {seconds} seconds."] * 2
    assert all(a.our_fault for a in answers[1:])


@pytest.mark.parametrize(
    ("kind", "ours"),
    [("rebuild", True), ("weights", True), ("memory", True), ("predict", True), ("inputs", False), ("output", False)],
)
def test_each_error_says_whose_fault_it_is(samples, tmp_path: Path, fake_child, kind: str, ours: bool):
    fake_child(each=f"answer = {{'error': '{kind}', 'detail': 'because'}}")
    (answer,) = run(samples, tmp_path, 1)
    assert isinstance(answer, Failure)
    assert answer.our_fault is ours


@pytest.mark.parametrize(
    "each",
    [
        "answer = []",
        "answer = {'error': 'unheard of', 'detail': ''}",
        "answer = {'error': 'inputs'}",
        "outputs = outputs[:-1]",
        "outputs = outputs.astype(np.float64)",
        "outputs = outputs[:, :1]",
        "outputs = np.array([{'a': 1}], object)",
        "import struct; np.save = lambda name, *_, **__: open(name, 'wb').write(b'\\x93NUMPY\\x01\\x00v\\x00' + "
        "str({'descr': '<f4', 'fortran_order': False, 'shape': (10**15, 2)}).ljust(117).encode() + b'\\n')",
        "np.save = lambda name, *_, **__: open(name, 'wb').write(b'\\x93NUMPY\\x01\\x00\\x04\\x00(((\\n')",
    ],
)
def test_a_malformed_answer_is_our_fault_and_never_a_score(samples, tmp_path: Path, fake_child, each: str):
    fake_child(each=each)
    (answer,) = run(samples, tmp_path, 1)
    assert isinstance(answer, Failure)
    assert answer.our_fault


def test_too_many_outputs_are_refused_unread(samples, tmp_path: Path, fake_child):
    fake_child(each="outputs = np.zeros((len(inputs), 2_000), np.float32)")
    (answer,) = run(samples, tmp_path, 1)
    assert isinstance(answer, Failure)
    assert not answer.our_fault


def test_the_child_gets_nothing_of_the_environment(samples, tmp_path: Path, fake_child, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_COURSE", "42")
    fake_child(before="import os; (folder.parent / 'seen').write_text(repr(dict(os.environ)) + repr(sys.path))")
    run(samples, tmp_path, 1)
    seen = (tmp_path / "seen").read_text()
    assert "SECRET_OF_THE_COURSE" not in seen
    assert "'CUDA_VISIBLE_DEVICES': '-1'" in seen
    assert f"'HOME': '{tmp_path}" in seen


def test_nothing_is_left_in_the_scratch_folder(samples, tmp_path: Path, fake_child):
    fake_child()
    run(samples, tmp_path, 1)
    assert not list(tmp_path.glob("verify-*"))


def test_no_models_need_no_process(samples, tmp_path: Path, fake_child):
    fake_child()
    assert run(samples, tmp_path, 0) == []
    assert not (tmp_path / "runs.log").exists()


def test_a_missing_python_is_an_error_of_ours(samples, tmp_path: Path):
    with pytest.raises(VerificationError, match="could not be started"):
        run(samples, tmp_path, 1, VerifierSettings(python=str(tmp_path / "no-python")))


def test_the_child_imports_nothing_of_the_grader():
    assert "grader" not in [line.split()[1].split(".")[0] for line in _imports(CHILD.read_text("utf-8"))]


def _imports(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines() if line.strip().startswith(("import ", "from "))]
