"""What the rubric of conv-callback accepts: plain Python callbacks are really driven, nothing is trained."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from checks_factory import FLATTEN, POOL, REPOSITORY, Attempt, conv, dense

from grader.datasets import DataStore, find_dataset, load_catalogue
from grader.datasets.catalogue import sha256_of
from grader.model import CellOutcome, FlagKind
from grader.recorder.facts import callback_facts
from grader.recorder.probes import CallbackFit, probe_callbacks
from grader.recorder.session import jsonable
from grader.rubric import Course

TASK = "### Exercise 3-1 A callback that watches the accuracy\n\nStop once the accuracy is above 0.995 (99.5 %)."
DISCUSSION = (
    "With 16 filters the accuracy fell by one point and training time by a third, since fewer features are found."
)
RISING = (0.95, 0.985, 0.992, 0.9961)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("conv-course")
    rng = np.random.default_rng(3)
    arrays = {}
    for split, n in (("train", 1200), ("test", 200)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (n, 4, 4), np.uint8)
        arrays[f"y_{split}"] = (np.arange(n) % 10).astype(np.uint8)
    lines = []
    for name in ("mnist", "fashion_mnist"):
        lines += [f"[{name}]", 'licence = "made for a test"', 'source = "a test"']
        for key, array in arrays.items():
            lines.append(f'arrays.{key} = {{ shape = {list(array.shape)}, sha256 = "{sha256_of(array)}" }}')
    (root / "datasets.toml").write_text("\n".join(lines), "utf-8")
    ignored = shutil.ignore_patterns("calibration.json", "__pycache__", "samples", "template*")
    for room in ("assignments", "rubrics"):
        shutil.copytree(REPOSITORY / room / "conv-callback", root / room / "conv-callback", ignore=ignored)
    spec = find_dataset(load_catalogue(root), "mnist")
    DataStore(root / "data").put(spec, arrays)
    distribution = {"values": [0.975, 0.978, 0.972], "student_t": {"0.001": 3.0}}
    entry = {"dataset": "mnist", "dataset_digest": spec.digest, "date": "2026-01-01", "machine": "none", "versions": {}}
    entry["distributions"] = {"mnist-conv-16-one-epoch": distribution}
    (root / "rubrics" / "conv-callback" / "calibration.json").write_text(json.dumps([entry]), "utf-8")
    return root


def network(*filters, pool=True, head=None):
    stages = [layer for n in filters for layer in ((conv(n, 3), POOL) if pool else (conv(n, 3),))]
    return [*stages, FLATTEN, dense(128, "relu"), head or dense(10, "softmax")]


class Callback:
    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        pass

    def __getattr__(self, name):
        if name.startswith("on_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)


def stopper(test, says="", name="MyCallback"):
    def on_epoch_end(self, epoch, logs=None):
        if test(logs):
            print(says, end="")  # noqa: T201
            self.model.stop_training = True

    return type(name, (Callback,), {"on_epoch_end": on_epoch_end})


def above(level, **more):
    return stopper(lambda logs: logs.get("accuracy") > level, **more)()


RIGHT = "class MyCallback(keras.callbacks.Callback):\n  pass\nmodel.fit(x, y, callbacks=[MyCallback()])"


class ConvAttempt(Attempt):
    """An attempt at conv-callback."""

    def __init__(self, course, directory):
        super().__init__(course, directory)
        self.names = {}

    def clothes(self, *filters, pool=True, rows=100, **more):
        self._n += 1
        digests = np.arange(rows, dtype=np.uint64) + 7
        return self.fit(network(*filters, pool=pool), digests, accuracy=0.1, epochs=2, **more)

    def digits(self, callback=None, values=RISING, *, ended="stopped", source=RIGHT, planned=10, layers=None, **more):
        """Trains on digits with these logs, and drives the callbacks as the recorder would."""
        cell = self.code(source)
        callbacks = callback if isinstance(callback, list) else [callback] if callback is not None else []
        fit = self.fit(
            layers or network(32),
            self.train,
            accuracy=more.pop("accuracy", 0.985),
            epochs=0,
            ended=None,
            cell=cell,
            callbacks=[{**f, "config": jsonable(f["config"])} for f in callback_facts(callbacks)],
            **more,
        )
        start = next(e for e in self.events if e.get("fit") == fit)
        start["epochs"] = planned
        logs = [{"accuracy": v, "loss": 1 - v} for v in values]
        self.events += [{"event": "epoch", "fit": fit, "epoch": n, "logs": row} for n, row in enumerate(logs)]
        after = {"reason": ended, "epochs_run": len(logs), "weights": f"{fit}.after.npz"}
        self.events.append({"event": "fit_end", "fit": fit, **after})
        self.drive(fit, callbacks, logs, planned)
        return fit

    def drive(self, fit, callbacks, logs, planned):
        def emit(event, **fields):
            self.events.append({"event": event, **jsonable(fields)})

        class Model:
            stop_training = False

        model = Model()
        kept = CallbackFit.of(fit, model, callbacks, planned, ())
        kept.logs = dict(logs[-1]) if logs else {}
        session = SimpleNamespace(emit=emit, depth=0)
        probe_callbacks(SimpleNamespace(session=session, models=lambda: [model]), [kept], 20.0)

    def request(self, **more):
        request = super().request(**more)
        (self.directory / "claims" / "names.json").write_text(json.dumps(self.names), "utf-8")
        return dataclasses.replace(request, assignment="conv-callback")


@pytest.fixture
def attempt(course, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return ConvAttempt(course, tmp_path / "evidence")


@pytest.fixture
def asked(attempt):
    """An attempt on a notebook whose task names the level."""
    attempt.markdown(TASK)
    return attempt


def stops(attempt):
    return attempt.check().said("callback-stops")


def test_a_complete_attempt_passes_everything_but_the_written_answer(asked):
    asked.clothes(64, 64)
    for filters in ((32, 32), (16, 16), (32,), (32, 32, 32)):
        asked.clothes(*filters)
    asked.fit([conv(32, 3), POOL, POOL, POOL, FLATTEN, dense(10, "softmax")], np.arange(90, dtype=np.uint64), epochs=2)
    asked.markdown("### Exercise 2-1 Experiments with convolutions")
    asked.markdown(DISCUSSION)
    asked.digits(above(0.995, says="accuracy is above 99.5%"))
    found = asked.check()
    outcomes = {(r.criterion, str(r.outcome)) for r in found.results}
    assert outcomes == {(c, "passed") for c in Course(asked.course).rubric("conv-callback").ids[:-1]} | {
        ("exercises-discussion", "needs_review")
    }
    assert found.flags == []


class TestStops:
    """The table of flaws."""

    def test_silent_but_right(self, asked):
        asked.digits(above(0.995))
        assert stops(asked) == "passed silent"

    def test_inverted(self, asked):
        asked.digits(stopper(lambda logs: logs["accuracy"] < 0.99, says="Reached 99%")(), [0.95])
        found = asked.check()
        assert found.said("callback-stops") == "failed inverted"
        assert found["callback-stops"].measured["level"] == 0.99
        assert found.said("callback-defined") == "passed passed"

    def test_a_percentage_is_out_of_reach(self, asked):
        asked.digits(above(99), [*RISING] * 2, ended="completed")
        assert stops(asked) == "failed out-of-reach-percent"

    def test_a_level_of_one_is_out_of_reach(self, asked):
        asked.digits(above(1.0), [*RISING] * 2, ended="completed")
        assert stops(asked) == "failed out-of-reach"

    def test_a_level_that_the_training_never_met(self, attempt):
        attempt.digits(above(0.9999), RISING, ended="completed", planned=4)
        assert stops(attempt) == "partial never-met"

    def test_the_name_of_old_tensorflow(self, asked):
        asked.digits(stopper(lambda logs: logs.get("acc") > 0.995)(), [0.95], ended="error")
        found = asked.check()
        assert found.said("callback-stops") == "failed wrong-name"
        assert found["callback-stops"].measured["alias"] == "accuracy"
        assert found.flags == []

    def test_the_name_of_old_tensorflow_is_flagged_where_it_is_accepted(self, asked):
        path = asked.course / "rubrics" / "conv-callback" / "rubric.toml"
        text = path.read_text("utf-8")
        path.write_text(text.replace("compatibility-acc = 0", "compatibility-acc = 1"), "utf-8")
        try:
            from grader.checks.context import _course_side

            _course_side.cache_clear()
            asked.digits(stopper(lambda logs: logs.get("acc") > 0.995)(), [0.95], ended="error")
            found = asked.check()
        finally:
            path.write_text(text, "utf-8")
            _course_side.cache_clear()
        assert found.said("callback-stops") == "passed passed-driven"
        assert [f.kind for f in found.flags] == [FlagKind.COMPATIBILITY]

    @pytest.mark.parametrize(
        ("key", "said"), [("val_accuracy", "failed no-validation"), ("precision", "failed raises")]
    )
    def test_a_key_that_the_logs_lack(self, asked, key, said):
        asked.digits(stopper(lambda logs: logs[key] > 0.995)(), [0.95], ended="error")
        assert stops(asked) == said

    def test_a_message_that_contradicts_the_level_is_only_noted(self, asked):
        asked.digits(above(0.995, says="Reached 60% accuracy so cancelling training!"))
        found = asked.check()
        assert found.said("callback-stops") == "passed message-differs"
        assert found["callback-stops"].measured["stated"] == 0.6

    def test_another_level_than_the_tasks_is_half(self, asked):
        asked.digits(above(0.9), [0.95])
        assert stops(asked) == "partial other-level"

    def test_another_metric_than_the_tasks_is_half(self, asked):
        asked.digits(stopper(lambda logs: logs["loss"] < 0.02)(), [0.95, 0.985])
        assert stops(asked) == "partial other-metric"

    @pytest.mark.parametrize(
        ("test", "values"),
        [
            (lambda logs: logs["loss"] < 0.1, [0.8, 0.95]),
            (lambda logs: logs["accuracy"] >= 0.99, [0.95, 0.991]),
            (lambda logs: logs["accuracy"] > 0.6, [0.95]),
        ],
    )
    def test_where_the_task_leaves_it_open_any_sensible_level_is_right(self, attempt, test, values):
        attempt.digits(stopper(test)(), values)
        assert stops(attempt) == "passed silent"

    def test_a_level_that_everything_passes_is_too_easy(self, attempt):
        attempt.digits(above(0.05), [0.95])
        assert stops(attempt) == "partial too-easy"

    @pytest.mark.parametrize(("value", "said"), [(True, "failed always"), (False, "failed never")])
    def test_one_that_does_not_look_at_the_logs(self, asked, value, said):
        asked.digits(stopper(lambda logs: value)(), [0.95], ended="stopped" if value else "completed")
        assert stops(asked).startswith(said)

    def test_one_that_only_prints_is_told_what_it_lacks(self, asked):
        class Talks(Callback):
            def on_epoch_end(self, epoch, logs=None):
                if logs["accuracy"] > 0.995:
                    print("stop")  # noqa: T201

        asked.digits(Talks(), RISING, ended="completed", planned=4)
        assert stops(asked) == "failed never-told"

    def test_a_class_in_place_of_an_instance(self, asked):
        asked.digits(type(above(0.995)), [], ended="error")
        found = asked.check()
        assert found.said("callback-stops") == "failed class-not-instance"
        assert found.said("callback-defined") == "failed class-not-instance"

    def test_state_that_outlives_a_training(self, asked):
        class Sticky(Callback):
            def __init__(self):
                self.done = False

            def on_epoch_end(self, epoch, logs=None):
                self.done = self.done or logs["accuracy"] > 0.995
                self.model.stop_training = self.done

        asked.digits(Sticky())
        assert stops(asked) == "partial state"

    def test_a_training_that_went_on_past_the_level(self, asked):
        asked.digits(above(0.995), [0.95, 0.996, 0.997], ended="completed", planned=3)
        assert stops(asked) == "partial went-on"

    def test_reaching_the_level_in_the_last_epoch_is_no_fault(self, asked):
        asked.digits(above(0.995), RISING, ended="stopped", planned=4)
        assert stops(asked) == "passed silent"

    def test_a_value_within_rounding_of_the_level_counts_either_way(self, asked):
        asked.digits(above(0.995), [0.95, 0.9950000001, 0.996], ended="stopped")
        assert stops(asked) == "passed silent"

    def test_a_capped_training_decides_nothing_about_reaching_the_level(self, asked):
        asked.digits(above(0.995), [0.3, 0.5], ended="completed", capped=True)
        assert stops(asked) == "needs_review undecided-quick"

    def test_a_capped_training_does_not_hide_a_wrong_callback(self, asked):
        asked.digits(stopper(lambda logs: logs["accuracy"] < 0.995)(), [0.3], capped=True)
        assert stops(asked) == "failed inverted"

    def test_the_best_of_several_attempts_counts(self, asked):
        asked.digits(above(0.995))
        asked.digits(above(99), RISING, ended="completed", planned=4)
        assert stops(asked) == "passed silent"

    def test_one_that_another_callback_forestalled_was_never_seen_to_stop(self, asked):
        asked.digits([stopper(lambda logs: logs["loss"] < 0.1)(), above(0.995)], [0.85, 0.95])
        assert stops(asked) == "partial never-met"

    def test_a_callback_that_could_not_be_driven_is_for_a_person(self, asked):
        asked.digits(above(0.995))
        asked.events = [e for e in asked.events if not e["event"].startswith("probe")]
        assert stops(asked) == "needs_review not-driven"

    def test_a_callback_that_measures_the_model_is_for_a_person(self, asked):
        class Measures(Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = self.model.evaluate(1)[1] > 0.99

        asked.digits(Measures())
        assert stops(asked) == "needs_review measures-itself"

    def test_early_stopping_is_not_what_this_task_asks_for(self, asked):
        def on_epoch_end(self, epoch, logs=None):
            self.waited = getattr(self, "waited", 0) + 1

        kind = type("EarlyStopping", (Callback,), {"on_epoch_end": on_epoch_end, "__module__": "keras.src.callbacks"})
        early = kind()
        early.monitor, early.patience = "loss", 2
        asked.digits(early)
        found = asked.check()
        assert found.said("callback-stops") == "failed early-stopping-not-asked"
        assert found.said("callback-defined") == "passed early-stopping"


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


class TestExercises:
    def made(self, attempt):
        results = [r for r in attempt.check().results if r.criterion == "exercises"]
        assert all(r.weight == 1 for r in results)
        return {r.message.id.split("/")[-1] for r in results if r.outcome == "passed"}

    @pytest.mark.parametrize(
        ("networks", "made"),
        [
            ([], set()),
            ([(32, 32), (16, 16)], {"filters"}),
            ([(16, 16)], {"filters"}),
            ([(32,)], {"less"}),
            ([(32,), (32,)], {"less", "first"}),
            ([(64, 64, 64)], {"more"}),
            ([(32,), (32, 32, 32)], {"less", "more"}),
        ],
    )
    def test_each_experiment_counts_on_its_own(self, asked, networks, made):
        asked.clothes(64, 64)
        for filters in networks:
            asked.clothes(*filters)
        asked.digits(above(0.995))
        assert self.made(asked) == made

    def test_pooling_layers_that_stayed_tell_the_fourth_from_the_second(self, asked):
        asked.fit([conv(32, 3), POOL, POOL, FLATTEN, dense(10, "softmax")], np.arange(90, dtype=np.uint64), epochs=2)
        assert self.made(asked) == {"first"}

    def test_in_an_earlier_edition_one_network_answers_both(self, attempt):
        attempt.clothes(64, 64)
        attempt.clothes(64)
        assert self.made(attempt) == {"less", "first"}

    def test_a_change_of_the_network_for_digits_counts(self, attempt):
        attempt.clothes(64, 64)
        attempt.digits(above(0.99), layers=network(16))
        assert self.made(attempt) == {"filters"}

    def test_networks_that_learned_nothing_do_not_count(self, asked):
        asked.clothes(16, 16, learned=False)
        assert self.made(asked) == set()


class TestModelAndAccuracy:
    @pytest.mark.parametrize(
        ("layers", "said", "credit"),
        [
            (network(64, 64), "passed passed", 1),
            (network(64, pool=False), "partial no-pooling", 0.5),
            (network(64, head=dense(512, "softmax")), "partial outputs", 0.5),
            (network(64, head=dense(10, "linear")), "partial outputs", 0.5),
            ([FLATTEN, dense(10, "softmax")], "failed no-convolution", 0),
        ],
    )
    def test_the_parts_of_the_model(self, asked, layers, said, credit):
        asked.fit(layers, np.arange(90, dtype=np.uint64), epochs=2)
        found = asked.check()
        assert found.said("model") == said
        assert found["model"].credit == credit

    @pytest.mark.parametrize(
        ("accuracy", "said"),
        [(0.985, "passed passed"), (0.9, "partial below"), (0.2, "failed far-below")],
    )
    def test_the_last_training_on_digits_is_measured(self, asked, accuracy, said):
        asked.digits(above(0.995), accuracy=accuracy)
        asked.clothes(16, 16)
        assert asked.check().said("accuracy") == said

    def test_a_capped_training_decides_no_accuracy(self, asked):
        asked.digits(above(0.995), [0.3], ended="completed", accuracy=0.4, capped=True)
        assert asked.check().said("accuracy") == "needs_review undecided-quick"

    def test_without_digits_there_is_nothing_to_measure(self, asked):
        asked.clothes(64, 64)
        assert asked.check().said("accuracy") == "blocked no-model"

    def test_training_on_test_images_is_refused_and_flagged(self, asked):
        asked.train = np.concatenate([asked.train, asked.test])
        asked.digits(above(0.995))
        found = asked.check()
        assert found.said("accuracy") == "failed test-images"
        assert [f.kind for f in found.flags] == [FlagKind.TRAINED_ON_TEST_DATA]


def test_the_rubric_has_every_text_in_four_languages_and_20_points():
    import ast
    import string

    rubric = Course(REPOSITORY).rubric("conv-callback")
    assert rubric.max_points == 20
    assert set(rubric.texts) == {"ja", "en", "zh", "ru"}
    for key, text in rubric.texts["en"].items():
        for language in ("ja", "zh", "ru"):
            fields = [
                {(name, spec) for _, name, spec, _ in string.Formatter().parse(t) if name}
                for t in (text, rubric.texts[language][key])
            ]
            assert fields[0] == fields[1], (language, key)
    known = {key.split("/")[1] for key in rubric.texts["en"]}
    tree = ast.parse((REPOSITORY / "rubrics" / "conv-callback" / "test_public.py").read_text("utf-8"))
    said = {
        call.args[call.func.attr == "partial"].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and getattr(getattr(call.func, "value", None), "id", "") == "say"
        and len(call.args) > (call.func.attr == "partial")
        and isinstance(call.args[call.func.attr == "partial"], ast.Constant)
    }
    said -= set(FlagKind)
    assert said <= known
    returned = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in rubric.texts["en"]}
    assert returned == {"common/test-images"}


def test_a_kit_holds_the_numbers_of_the_task(course):
    from grader.handout.kit import build_kit

    assert build_kit(Course(course), "conv-callback")
