"""The table of callback flaws in docs/audit.md: what the rubric says of each, in the words that a student reads.

``GRADER_WRITE_DOCS=1 pytest tests/rubrics/conv_callback/test_table.py`` writes it again.
"""

import dataclasses
import os
import re

import pytest
from checks_factory import REPOSITORY
from conv_attempt import RIGHT, RISING, TASK, Callback, ConvAttempt, RemembersTheStop, above, stopper
from made_up_keras import keras_own

from grader.messages import Catalogue
from grader.model import CellOutcome
from grader.rubric import Course

PAGE = REPOSITORY / "docs" / "audit.md"
BLOCK = re.compile(r"(<!-- callback-table -->\n)(.*?)(<!-- end -->)", re.DOTALL)
CREDITS = {"passed": "full points", "failed": "no points", "needs_review": "for a person"}
FALLING_SHORT = (0.95, 0.97, 0.981, 0.984)
BROKEN = {"ended": "error", "error": "AttributeError: stopped", "planned": 4}


def failed_cell(attempt, source, error, value):
    attempt.clothes(64, 64)
    attempt.code(source, CellOutcome.ERROR, error=error)
    attempt.runs[-1] = dataclasses.replace(attempt.runs[-1], error_value=value)


def without_callback(source):
    return lambda attempt: attempt.digits(source=source, ended="completed")


def on_digits(callback, values=RISING, **more):
    return lambda attempt: attempt.digits(callback, values, **more)


def older_class(attempt):
    attempt.code("class StopAt90(keras.callbacks.Callback):\n  pass")
    attempt.code("class StopAt995(keras.callbacks.Callback):\n  pass")
    attempt.digits(above(0.9, name="StopAt90"), [0.95], source="model.fit(x, y, callbacks=[StopAt90()])")


def deleted_class(attempt):
    attempt.code("class StopAt995(keras.callbacks.Callback):\n  pass")
    failed_cell(attempt, "model.fit(x, y, callbacks=[MyStop()])", "NameError", "name 'MyStop' is not defined")


def shadowed_and_called(attempt):
    attempt.code("class MyStop(keras.callbacks.Callback):\n  pass\nMyStop = MyStop()")
    failed_cell(attempt, "model.fit(x, y, callbacks=[MyStop()])", "TypeError", "'MyStop' object is not callable")


def shadowed_and_given(attempt):
    attempt.names = {"MyCallback": {"type": "MyCallback"}}
    attempt.digits(above(0.995))


class OnlyTalks(Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > 0.995:
            print("stop")  # noqa: T201


class StopsItself(Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.stop_training = logs["accuracy"] > 0.995


class Misspelt(Callback):
    def on_epochs_end(self, epoch, logs=None):
        self.model.stop_training = logs["accuracy"] > 0.995


class NotBeforeTheFourth(Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["accuracy"] > 0.995 and epoch >= 3


class ReadsPrecision(Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs.get("precision") > 0.995


class StopsAtTheFourth(Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["accuracy"] > 0.995 or epoch >= 3


class Remembers(Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.done = self.__dict__.get("done", False) or logs["accuracy"] > 0.995
        self.model.stop_training = self.done


class Typo(Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > 0.995:
            raise NameError("name 'prnt' is not defined")


def early_stopping():
    early = keras_own("EarlyStopping", Callback, on_epoch_end=lambda self, epoch, logs=None: None)()
    early.monitor, early.patience = "loss", 2
    return early


def reads(key):
    return stopper(lambda logs: logs.get(key) > 0.995)()


DEFINED, STOPS = "callback-defined", "callback-stops"
CASES = [
    ("right, with a message", STOPS, on_digits(above(0.995, says="99.5 %"))),
    ("right, and silent", STOPS, on_digits(above(0.995))),
    ("right, relied on to end 1,000 epochs", STOPS, on_digits(above(0.995, says="99.5 %"), planned=1000)),
    ("right, its message names another level", STOPS, on_digits(above(0.995, says="Reached 60% accuracy!"))),
    ("right, the class is hidden by the instance that is given", DEFINED, shadowed_and_given),
    ("the class is hidden by its instance, and called again", DEFINED, shadowed_and_called),
    ("commented out of `fit`", DEFINED, without_callback(RIGHT.replace(", callbacks", ")  # , callbacks"))),
    ("written, given to no `fit`", DEFINED, without_callback(RIGHT.replace(", callbacks=[MyCallback()]", ""))),
    ("its class was deleted from the notebook", DEFINED, deleted_class),
    ("none at all", DEFINED, without_callback("model.fit(x, y)")),
    ("the class, not an instance", DEFINED, on_digits(type(above(0.995)), [], ended="error")),
    ("an older class with another level is given", STOPS, older_class),
    ("test inverted", STOPS, on_digits(stopper(lambda logs: logs["accuracy"] < 0.99)(), [0.95])),
    ("level in percent", STOPS, on_digits(above(99.5), [*RISING] * 2, ended="completed")),
    ("level of 1", STOPS, on_digits(above(1.0), [*RISING] * 2, ended="completed")),
    ("level not met in all epochs", STOPS, on_digits(above(0.995), FALLING_SHORT, ended="completed", planned=4)),
    ("reads `acc`, logged as `accuracy`", STOPS, on_digits(reads("acc"), [0.95], ended="error")),
    ("reads `val_accuracy`, no validation data", STOPS, on_digits(reads("val_accuracy"), [0.95], ended="error")),
    ("reads a name that no log has", STOPS, on_digits(ReadsPrecision(), [0.95], ended="error")),
    ("another level than the task's", STOPS, on_digits(above(0.9), [0.95])),
    ("another value than the task's", STOPS, on_digits(stopper(lambda logs: logs["loss"] < 0.02)(), [0.95, 0.985])),
    ("prints, and never stops", STOPS, on_digits(OnlyTalks(), ended="completed", planned=4)),
    ("sets its own attribute, not the model's", STOPS, on_digits(StopsItself(), ended="completed", planned=4)),
    ("its method is misspelt", STOPS, on_digits(Misspelt(), ended="completed", planned=4)),
    ("stops whatever the logs say", STOPS, on_digits(stopper(lambda logs: True)(), [0.95])),
    ("asks for an epoch number, too", STOPS, on_digits(NotBeforeTheFourth(), ended="stopped")),
    ("stops at an epoch number, too", STOPS, on_digits(StopsAtTheFourth(), [0.95, 0.96, 0.97, 0.98])),
    ("remembers an earlier training", STOPS, on_digits(Remembers())),
    ("an error of its own when it would stop", STOPS, on_digits(Typo(), ended="error")),
    ("an error of `on_train_end` where it does not stop", STOPS, on_digits(RemembersTheStop())),
    ("the same, and the level not met", STOPS, on_digits(RemembersTheStop(), FALLING_SHORT, **BROKEN)),
    ("Keras' `EarlyStopping`", STOPS, on_digits(early_stopping(), ended="completed")),
]


def rows(course, folder):
    rubric = Course(course).rubric("conv-callback")
    catalogues = [Catalogue(lang, REPOSITORY / "reports" / "locale", rubric.texts_in(lang)) for lang in ("en", "ja")]
    for number, (flaw, criterion, make) in enumerate(CASES):
        attempt = ConvAttempt(course, folder / str(number))
        attempt.markdown(TASK)
        make(attempt)
        result = attempt.check()[criterion]
        outcome = CREDITS.get(result.outcome, f"{result.credit:.0%} of the points")
        sentences = " | ".join(c.render(result.message) for c in catalogues)
        yield f"| {flaw} | `{criterion}`: {outcome} | {sentences} |"


@pytest.mark.slow
def test_the_table_of_callback_flaws_says_what_the_rubric_says(course, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    head = ["| the callback is | outcome | English | Japanese |", "|---|---|---|---|"]
    table = "\n".join([*head, *rows(course, tmp_path)]) + "\n"
    text = PAGE.read_text("utf-8")
    if os.environ.get("GRADER_WRITE_DOCS"):
        PAGE.write_text(BLOCK.sub(lambda m: m[1] + table + m[3], text), "utf-8")
        return
    block = BLOCK.search(text)
    assert block is not None, f"{PAGE} has no callback table"
    assert block[2] == table
