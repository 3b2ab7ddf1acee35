"""The guard's own rules, on made-up modules; with real Keras in tests/execution/test_tampering.py."""

import os
import sys
import types

import pytest

from grader.recorder import arrays
from grader.recorder.guard import Guard


class History:
    def __init__(self, epochs):
        self.epoch = list(range(epochs))


@pytest.fixture
def told(written):
    return lambda: [(e["what"], e["by"]) for e in written() if e["event"] == "tamper"]


def test_nothing_replaced_is_nothing_told(session, told):
    guard = Guard(session)
    guard.look()
    assert told() == []


def test_a_function_of_the_recorder_that_is_replaced_is_told_once(session, told, monkeypatch):
    guard = Guard(session)
    monkeypatch.setattr(arrays, "describe", lambda value: {})
    guard.look()
    guard.look()
    assert [what for what, _ in told()] == ["arrays.describe"]


def test_new_code_in_the_same_function_is_told_too(session, told, monkeypatch):
    guard = Guard(session)
    monkeypatch.setattr(arrays.class_labels, "__code__", (lambda y: y).__code__)
    guard.look()
    assert [what for what, _ in told()] == ["arrays.class_labels"]


def test_code_from_another_file_is_foreign_at_first_sight(session, told, monkeypatch):
    module = types.ModuleType("grader.recorder.pretended")
    module.__file__ = "/somewhere/pretended.py"
    exec("def honest(): pass", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    Guard(session)
    assert told() == [("pretended.honest", "grader.recorder.pretended.honest")]


def test_a_callback_list_that_lost_the_recorder_shows_in_the_number_of_epochs(session, told):
    guard = Guard(session)
    guard.check_callbacks("fit-1", History(5), 5)
    guard.check_callbacks("fit-2", None, 5)
    guard.check_callbacks("fit-3", History(5), 2)
    assert told() == [("callbacks of fit-3", None)]


def test_lines_that_the_recorder_did_not_write_are_told(session, told):
    guard = Guard(session)
    session.note("x")
    guard.look()
    assert told() == []
    with session.events_path.open("a") as file:
        file.write('{"event": "note", "kind": "forged"}\n')
    guard.look()
    assert told() == [("events.jsonl", None)]


def test_a_notebook_that_forked_may_have_written_twice(session, told):
    guard = Guard(session)
    pid = os.fork()
    if pid == 0:
        session.note("from the child")
        os._exit(0)
    os.waitpid(pid, 0)
    guard.look()
    assert told() == []


def test_an_emit_put_over_the_session_is_told_all_the_same(session, told):
    guard = Guard(session)
    session.emit = lambda *_, **__: None
    guard.look()
    assert [what for what, _ in told()] == ["Session.emit"]
