"""Whether a callback is given to fit, and what went wrong where it is not."""

import dataclasses

import pytest
from conv_attempt import above

from grader.model import CellOutcome


class TestDefined:
    def test_the_older_of_two_classes_is_named(self, asked):
        asked.code("class B(keras.callbacks.Callback):\n  pass")
        asked.code("class A(keras.callbacks.Callback):\n  pass")
        asked.digits(above(0.995, name="B"), source="model.fit(x, y, callbacks=[B()])")
        found = asked.check()
        result = found["callback-defined"]
        assert (result.message.id, result.measured["given"]) == ("callback-defined/other-class", "B")
        assert result.measured["defined"] == "A"
        assert found.said("callback-stops") == "passed silent"

    def test_the_older_of_two_classes_with_another_level_is_the_wrong_one(self, asked):
        asked.code("class B(keras.callbacks.Callback):\n  pass")
        asked.code("class A(keras.callbacks.Callback):\n  pass")
        asked.digits(above(0.9, name="B"), [0.95], source="model.fit(x, y, callbacks=[B()])")
        assert asked.check().said("callback-stops") == "failed other-class"

    def test_a_leftover_of_an_earlier_try_is_no_fault(self, asked):
        asked.code("class A(keras.callbacks.Callback):\n  pass")
        asked.code("class B(keras.callbacks.Callback):\n  pass")
        asked.digits(above(0.995, name="B"), source="model.fit(x, y, callbacks=[B()])")
        assert asked.check().said("callback-defined") == "passed passed"

    def test_a_class_that_is_no_longer_in_the_notebook(self, asked):
        asked.clothes(64, 64)
        asked.code("class A(keras.callbacks.Callback):\n  pass")
        asked.code("model.fit(x, y, callbacks=[B()])", CellOutcome.ERROR, error="NameError")
        asked.runs[-1] = dataclasses.replace(asked.runs[-1], error_value="name 'B' is not defined")
        found = asked.check()
        assert found.said("callback-defined") == "failed not-defined"
        assert found["callback-defined"].measured["given"] == "B"
        assert found.said("callback-stops") == "blocked no-callback"

    def test_a_class_hidden_by_its_own_instance(self, asked):
        asked.clothes(64, 64)
        asked.code("class My(Callback):\n  pass\nMy = My()")
        asked.code("model.fit(x, y, callbacks=[My()])", CellOutcome.ERROR, error="TypeError")
        asked.runs[-1] = dataclasses.replace(asked.runs[-1], error_value="'My' object is not callable")
        assert asked.check().said("callback-defined") == "failed shadowed-error"

    def test_a_name_shared_by_class_and_instance_that_works_is_noted(self, asked):
        asked.names = {"MyCallback": {"type": "MyCallback"}}
        asked.digits(above(0.995))
        assert asked.check().said("callback-defined") == "passed shadowed"

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("class A(Callback):\n  pass\nmodel.fit(x, y)  # , callbacks=[A()])", "failed commented-out"),
            ("class A(Callback):\n  pass\nmodel.fit(x, y)", "failed not-given"),
            ("# class A(Callback):\nmodel.fit(x, y)", "failed missing"),
        ],
    )
    def test_a_callback_that_no_fit_got(self, asked, source, said):
        asked.digits(source=source, ended="completed")
        found = asked.check()
        assert found.said("callback-defined") == said
        assert found.said("callback-stops") == "blocked no-callback"
