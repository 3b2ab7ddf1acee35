"""Old idioms on plain Python objects; the same with real Keras is in tests/execution."""

import copy
from types import SimpleNamespace

import pytest

from grader.recorder.compatibility import OPTIONS, AliasedLogs, LogNames, give_sequential_ends


@pytest.fixture
def accepting(make_session):
    return make_session(compatibility=OPTIONS)


def notes(events):
    return [(e["kind"], e["detail"]) for e in events if e["event"] == "note"]


@pytest.mark.parametrize(
    ("real", "read"),
    [("accuracy", "acc"), ("acc", "accuracy"), ("val_accuracy", "val_acc"), ("val_acc", "val_accuracy")],
)
def test_an_accuracy_is_read_by_either_name_and_only_the_missing_one_is_told(real, read):
    used = []
    logs = AliasedLogs({real: 0.9, "loss": 0.1}, used.append)
    assert logs[real] == logs.get(real) == 0.9
    assert used == []
    assert logs[read] == logs.get(read) == 0.9
    assert used == [read, read]
    assert read in logs
    assert list(logs) == [real, "loss"]
    assert logs.copy().get(read) == copy.deepcopy(logs).get(read) == 0.9


def test_other_names_are_missing_as_ever():
    logs = AliasedLogs({"accuracy": 0.9}, print)
    assert logs.get("val_acc") is None
    assert logs.get("loss", 7) == 7
    assert "val_acc" not in logs
    assert 3 not in logs
    with pytest.raises(KeyError, match="lr"):
        logs["lr"]


def test_a_name_that_is_not_the_trainings_own_has_no_other():
    logs = AliasedLogs({"acc": 0.9}, print, ("accuracy", "loss"))
    assert logs.get("accuracy") is None
    assert "accuracy" not in logs


class Callback:
    def __init__(self):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(logs.get("acc"))


def test_a_callback_gets_both_names_for_one_training_and_is_left_as_it_was(accepting, written):
    callback, own = Callback(), Callback()
    own.on_epoch_end = lambda epoch, logs=None: own.seen.append(logs["acc"])
    replaced = own.on_epoch_end
    names = LogNames(accepting)
    names.lend([callback, [own], Callback])
    names.lend(callback)
    for one in (callback, own):
        one.on_epoch_end(0, {"accuracy": 0.9})
        one.on_epoch_end(1, logs={"accuracy": 0.8})
    names.take_back()
    assert callback.seen == own.seen == [0.9, 0.8]
    assert vars(callback) == {"seen": [0.9, 0.8]}
    assert own.on_epoch_end is replaced
    callback.on_epoch_end(2, {"accuracy": 0.9})
    assert callback.seen[-1] is None
    assert notes(written()) == [("acc-log-names", "acc")]


@pytest.mark.parametrize(
    ("monitor", "metrics", "during"),
    [
        ("acc", ["accuracy"], "accuracy"),
        ("val_accuracy", "acc", "val_acc"),
        ("acc", ["acc"], "acc"),
        ("acc", ["acc", "accuracy"], "acc"),
        ("acc", None, "acc"),
        ("val_loss", ["accuracy"], "val_loss"),
    ],
)
def test_what_a_callback_monitors_goes_by_the_name_in_compile(accepting, written, monitor, metrics, during):
    callback, names = SimpleNamespace(monitor=monitor), LogNames(accepting)
    names.lend([callback], metrics)
    assert callback.monitor == during
    names.take_back()
    assert callback.monitor == monitor
    assert bool(written()) == (monitor != during)


def test_off_is_off(session, written):
    callback, names = Callback(), LogNames(session)
    model = SimpleNamespace(history=SimpleNamespace(history={"accuracy": [0.9]}))
    names.lend([callback])
    names.give_history(model)
    callback.on_epoch_end(0, {"accuracy": 0.9})
    assert callback.seen == [None]
    assert type(model.history.history) is dict
    assert written() == []


def test_the_history_answers_to_either_name(accepting, written):
    model = SimpleNamespace(history=SimpleNamespace(history={"acc": [0.9]}))
    LogNames(accepting).give_history(model)
    assert model.history.history["accuracy"] == [0.9]
    assert notes(written()) == [("acc-log-names", "accuracy")]


class Sequential:
    name = "sequential"

    def __init__(self, inputs=None):
        self.inputs = inputs

    @property
    def input(self):
        raise AttributeError("has never been called and thus has no defined input")

    @property
    def output(self):
        return "its own"


@pytest.fixture
def sequential():
    """A class of this test's own: the option changes it."""
    return type("Sequential", (Sequential,), {"input": Sequential.input, "output": Sequential.output})


def test_a_built_sequential_has_an_input(accepting, sequential, written):
    give_sequential_ends(SimpleNamespace(Sequential=sequential), accepting)
    assert sequential(["x"]).input == "x"
    assert sequential(["x"]).output == "its own"
    assert notes(written()) == [("sequential-input", "sequential.input")]


def test_one_that_is_not_built_has_none(accepting, sequential, written):
    give_sequential_ends(SimpleNamespace(Sequential=sequential), accepting)
    with pytest.raises(AttributeError, match="never been called"):
        _ = sequential().input
    assert written() == []


def test_nothing_is_changed_without_the_option(session, sequential):
    give_sequential_ends(SimpleNamespace(Sequential=sequential), session)
    with pytest.raises(AttributeError):
        _ = sequential(["x"]).input


def test_what_the_recorder_reads_for_itself_needs_no_option(accepting, sequential, written):
    give_sequential_ends(SimpleNamespace(Sequential=sequential), accepting)
    accepting.quiet += 1
    assert sequential(["x"]).input == "x"
    assert written() == []
