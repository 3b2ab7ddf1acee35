"""Flags that no rubric has to raise."""

import msgspec
import pytest
from checks_factory import cnn

from grader.errors import EvidenceError
from grader.evidence.submitted import SavedCell, read_saved, write_saved
from grader.model import Budget, FlagKind

TAMPER = {"event": "tamper", "what": "Model.evaluate", "by": "__main__.<lambda>", "cell": 4}


def kinds(found):
    return [flag.kind for flag in found.flags]


def with_saved(attempt, *texts):
    write_saved(attempt.directory, [SavedCell(text, count=9 - i) for i, text in enumerate(texts)])


def test_what_the_recorder_saw_replaced_becomes_a_flag_and_costs_nothing(attempt):
    attempt.fit(cnn(20), attempt.train, accuracy=0.98, labels=attempt.labels)
    before = {r.check: r.credit for r in attempt.check().results}
    attempt.events += [TAMPER]
    found = attempt.check()
    assert kinds(found) == [FlagKind.TAMPERING]
    assert found.flags[0].message.params == {"what": "Model.evaluate", "place": 5, "by": "__main__.<lambda>"}
    assert {r.check: r.credit for r in found.results} == before


def test_many_replacements_are_a_handful_of_flags(attempt):
    attempt.events += [TAMPER | {"what": f"thing {i}"} for i in range(40)]
    assert kinds(attempt.check()) == [FlagKind.TAMPERING] * 5


def test_saved_outputs_that_contradict_the_code_become_flags_with_the_order_as_support(attempt):
    attempt.code("print('Test accuracy')", printed="Test accuracy\n")
    attempt.code("x = 1")
    with_saved(attempt, "Perfect result", "")
    found = attempt.check()
    assert kinds(found) == [FlagKind.STALE_OUTPUTS] * 2
    assert "execution numbers" in found.flags[1].message.id


def test_an_order_that_is_odd_by_itself_is_no_flag(attempt):
    attempt.code("print('Test accuracy')", printed="Test accuracy\n")
    attempt.code("x = 1")
    with_saved(attempt, "Test accuracy", "")
    assert kinds(attempt.check()) == []


def test_a_shortened_run_and_the_students_own_check_accuse_nobody(attempt):
    attempt.code("print('Test accuracy')", printed="Test accuracy\n")
    attempt.events += [TAMPER]
    with_saved(attempt, "Perfect result")
    assert kinds(attempt.check(public_only=True)) == []
    attempt.budget = Budget.QUICK
    assert kinds(attempt.check()) == [FlagKind.TAMPERING]


def test_evidence_without_saved_outputs_is_of_an_earlier_version(attempt):
    attempt.code("print('Test accuracy')", printed="Test accuracy\n")
    assert read_saved(attempt.directory) == ()
    assert kinds(attempt.check()) == []


def test_a_malformed_file_is_our_fault_and_named(attempt):
    attempt.code("pass")
    (attempt.directory / "submitted.json").write_bytes(msgspec.json.encode({"a": 1}))
    assert "submitted.json" in attempt.check().faults[0]
    with pytest.raises(EvidenceError):
        read_saved(attempt.directory)
