"""Which saved outputs contradict the code, and which only look different."""

import pytest

from grader.checks.facts import NotebookCell
from grader.checks.stale import out_of_order, stale_outputs
from grader.evidence import Array, Fit, Model
from grader.evidence.submitted import SavedCell
from grader.model import CellOutcome


def code(source, printed="", error=None, index=0):
    if error is not None:
        name, value = error
        outputs = ({"output_type": "error", "ename": name, "evalue": value, "traceback": []},)
        return NotebookCell(index, "code", source, outputs=outputs, outcome=CellOutcome.ERROR, error_name=name)
    outputs = ({"output_type": "stream", "name": "stdout", "text": printed},) if printed else ()
    return NotebookCell(index, "code", source, outputs=outputs, outcome=CellOutcome.OK)


def found(source, saved, printed="", **more):
    """The sentence's English source about a notebook of one cell, or ``None``."""
    stale = stale_outputs([SavedCell(saved)], [code(source, printed, **more)], fits_of(source))
    return stale[0].message.id if stale else None


def fits_of(source, capped=False):
    if "fit(" not in source:
        return []
    model = Model("model-1", "sequential")
    return [Fit("fit-1", model, Array(), Array(), cell=0, epochs=int(source.split("epochs=")[1][:2]), capped=capped)]


OLD_SUMMARY = """Model: "sequential"
_________________________________________________________________
 Layer (type)                Output Shape              Param #
=================================================================
 conv2d (Conv2D)             (None, 24, 24, 32)        832
 batch_normalization (Batch  (None, 24, 24, 32)        128
 dense (Dense)               (None, 10)                1,000
=================================================================
Total params: 1,960
Trainable params: 1,896
Non-trainable params: 64
_________________________________________________________________
"""
NEW_SUMMARY = """\x1b[1mModel: "sequential_3"\x1b[0m
┃\x1b[1m \x1b[0m\x1b[1mLayer (type)                   \x1b[0m\x1b[1m \x1b[0m┃ Output Shape ┃ Param # ┃
│ conv2d_7 (\x1b[38;5;33mConv2D\x1b[0m)       │ (\x1b[38;5;45mNone\x1b[0m, 24, 24, 32) │ 832 │
│ batch_normalization_4     │ (None, 24, 24, 32) │ 128 │
│ (BatchNormalization)      │                    │     │
│ dense_9 (Dense)           │ (None, 10)         │ 1,000 │
 Total params: 5,752 (22.47 KB)
 Trainable params: 1,896 (7.41 KB)
 Non-trainable params: 64 (256.00 B)
 Optimizer params: 3,792 (14.81 KB)
"""


class TestHiddenState:
    ERROR = ("NameError", "name 'data' is not defined")

    def test_a_name_that_nothing_defines_is_told(self):
        stale = stale_outputs([SavedCell("42")], [code("print(data)", error=self.ERROR)], [])
        assert stale[0].message.params == {"place": 1, "name": "data"}

    @pytest.mark.parametrize(
        "elsewhere",
        ["data = 1", "def f(data): pass", "import big.data as data", "for data in x: pass", "data, _ = !ls",
         "from tools import *", "exec('data = 1')", "%run tools.py", "with a as data: pass", "これは data です"],
    )  # fmt: skip
    def test_a_name_that_may_be_defined_somewhere_is_a_mistake_of_order_only(self, elsewhere):
        cells = [code("print(data)", error=self.ERROR), code(elsewhere, index=1)]
        assert stale_outputs([SavedCell("42"), SavedCell()], cells, []) == ()

    def test_no_saved_output_or_a_saved_error_contradicts_nothing(self):
        cell = code("print(data)", error=self.ERROR)
        assert stale_outputs([SavedCell()], [cell], []) == ()
        assert stale_outputs([SavedCell("Traceback", error="NameError")], [cell], []) == ()

    @pytest.mark.parametrize(
        "error", [("ImportError", "no module"), ("NameError", "name 'xrange' is not defined"), ("NameError", "odd")]
    )
    def test_other_errors_come_from_other_versions(self, error):
        assert found("print(data)", "42", error=error) is None

    def test_the_name_of_another_cell_counts_though_that_cell_failed(self):
        cells = [code("data = load()", error=("OSError", "no file")), code("print(data)", error=self.ERROR, index=1)]
        assert stale_outputs([SavedCell(), SavedCell("42")], cells, []) == ()


class TestSummary:
    def test_another_number_of_parameters_is_told(self):
        now = NEW_SUMMARY.replace("1,896 (", "2,896 (")
        assert "parameters" in found("model.summary()", OLD_SUMMARY, now)

    def test_the_same_model_in_the_words_of_another_version_is_the_same(self):
        assert found("model.summary()", OLD_SUMMARY, NEW_SUMMARY) is None
        assert found("model.summary()", NEW_SUMMARY, OLD_SUMMARY) is None

    def test_a_layer_without_parameters_that_was_added_later_is_told(self):
        row = " dropout (Dropout)           (None, 24, 24, 32)        0\n"
        now = OLD_SUMMARY.replace(" dense (Dense)", f"{row} dense (Dense)")
        assert "layers" in found("model.summary()", OLD_SUMMARY, now)

    def test_another_kind_of_layer_and_another_share_that_is_frozen_are_named(self):
        now = NEW_SUMMARY.replace("(BatchNormalization)", "(SpectralNormalization)")
        stale = stale_outputs([SavedCell(OLD_SUMMARY)], [code("model.summary()", now)], [])
        assert stale[0].message.params == {"place": 1, "then": "Batch", "now": "SpectralNormalization"}
        now = NEW_SUMMARY.replace("1,896", "896").replace("64 (", "1,064 (")
        stale = stale_outputs([SavedCell(OLD_SUMMARY)], [code("model.summary()", now)], [])
        assert stale[0].message.params == {"place": 1, "then": 1896, "now": 896}

    def test_an_input_layer_that_only_one_version_lists_is_none(self):
        row = " input_1 (InputLayer)        [(None, 28, 28, 1)]       0\n"
        then = OLD_SUMMARY.replace(" conv2d (Conv2D)", f"{row} conv2d (Conv2D)")
        assert found("model.summary()", then, NEW_SUMMARY) is None

    def test_a_model_not_built_yet_has_nothing_to_compare(self):
        now = OLD_SUMMARY.replace("1,896", "0").replace("64", "0")
        assert found("model.summary()", OLD_SUMMARY, now) is None


class TestEpochs:
    LOG = "Epoch 1/50\n19/19 - loss: 0.3\nEpoch 2/50\n19/19 - loss: 0.2\n"

    def test_a_log_of_other_epochs_is_told(self):
        message = found("model.fit(x, y, epochs=10)", self.LOG, self.LOG.replace("/50", "/10"))
        assert message.startswith("The progress saved")

    @pytest.mark.parametrize(("source", "printed"), [
        ("model.fit(x, y, epochs=50)", "Epoch 1/50\n1/1 - 3s - loss: 9\n"),
        ("model.fit(x, y, epochs=50, verbose=0)", ""),
        ("model.fit(x, y, epochs=50)", "Epoch 1/50\n"),
        ("for i in range(50):\n    print(f'Epoch {i}/50')\n    m.fit(x, y, epochs=1 )", "Epoch 1/50\n"),
        ("train()", ""),
    ])  # fmt: skip
    def test_the_same_epochs_or_none_to_compare_with_are_fine(self, source, printed):
        assert found(source, self.LOG, printed) is None

    def test_a_shortened_training_says_nothing(self):
        source = "model.fit(x, y, epochs=10)"
        assert stale_outputs([SavedCell(self.LOG)], [code(source)], fits_of(source, capped=True)) == ()


class TestSteps:
    """As JupyterLab saves them: pieces of a bar that were overwritten are gone, colours are kept."""

    NEW = "Epoch 1/2\n\x1b[1m{0}/{0}\x1b[0m \x1b[32m━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 16ms/step - loss: 2.2\n"
    OLD = "Epoch 1/2\n{0}/{0} [==============================] - 1s 21ms/step - loss: 2.8252\n"
    BRIEF = "Epoch 1/2\n{0}/{0} - 0s - 26ms/step - loss: 2.3031\n"
    FORMS = (NEW, OLD, BRIEF)

    def about(self, saved, printed, agreeing=True, capped=False):
        cells = [code("model.fit(x, y, epochs=2 )", printed), code("m.evaluate(x, y)", self.OLD.format(313), index=1)]
        others = SavedCell(self.NEW.format(313 if agreeing else 400))
        fits = fits_of("fit(epochs=2 ", capped=capped)
        return [s.message.params for s in stale_outputs([SavedCell(saved), others], cells, fits)]

    @pytest.mark.parametrize("then", FORMS)
    @pytest.mark.parametrize("now", FORMS)
    def test_bars_of_a_training_on_far_more_data_are_told(self, then, now):
        assert self.about(then.format(1875), now.format(19)) == [{"place": 1, "then": 1875, "now": 19}]

    @pytest.mark.parametrize("n", [19, 17, 30])
    def test_nearly_as_many_steps_may_come_from_rows_drawn_at_random(self, n):
        assert self.about(self.NEW.format(n), self.OLD.format(19)) == []

    def test_where_no_bars_agree_the_data_may_be_a_stand_in(self):
        assert self.about(self.NEW.format(1875), self.NEW.format(19), agreeing=False) == []

    def test_a_shortened_training_says_nothing(self):
        assert self.about(self.NEW.format(1875), self.NEW.format(19), capped=True) == []


class TestPrintedText:
    def test_text_that_is_printed_whatever_happens_must_be_there(self):
        source = "score = model.evaluate(x, y)\nprint('Test accuracy:', score[1])"
        assert found(source, "313/313 - 1s\nTest precision 0.99\n", "Test accuracy: 0.88\n").startswith(
            "Cell {place} prints"
        )

    @pytest.mark.parametrize(("source", "saved", "printed"), [
        ("print('Test accuracy:', s)", "Test accuracy: 0.93", "Test accuracy: 0.88"),
        ("print('Ｔｅｓｔ　accuracy')", "Test accuracy", "Ｔｅｓｔ　accuracy"),
        ("if s > 0.9:\n    print('Reached it')", "nothing here", "Reached it"),
        ("def f():\n    print('Reached it')\nf()", "not reached", "Reached it"),
        ("for s in scores:\n    if s: break\n    print('so far')", "other", "so far"),
        ("print('Reached it' if s else 'Not yet')", "Not yet", "Reached it"),
        ("try:\n    print('first way')\nexcept E: pass", "second way", "first way"),
        ("print('Reached it')", "", "Reached it"),
        ("clear_output()\nprint('Reached it')", "other", "Reached it"),
        ("%%capture\nprint('Reached it')", "other", "Reached it"),
        ("print('progress', end='\\r')", "other", "progress"),
        ("print('best class:', names[k])", "best class: Ankle boot", "best class: Shirt"),
        ("print(names[k])", "Ankle boot", "Shirt coat"),
        ("print(model)", "<tensorflow.python.keras.Sequential object at 0x7f1>", "<Sequential name=a, built=True>"),
        ("print('loss', s)", "loss 1.2e-05", "loss 0.004"),
        ("print('loss', s)", "loss nan", "loss 0.004"),
        ("print('ok')", "a warning of another version\nok", "ok"),
        ("model.fit(x, y, epochs=10)", "Using TensorFlow backend.\n1/1 [=====] - ETA: 3s", "1/1 ━━━ 2s 3s/step"),
        ("x_train.shape", "(60000, 28, 28)", "(600, 28, 28)"),
        ("import numpy", "FutureWarning: Passing (type, 1)", ""),
        ("print(keras.__version__)", "2.4.0-tf", "3.15.0"),
        ("print('git', tf.version.GIT_VERSION)", "git v2.2.0-rc4-8-g2b96f3662b", "git v2.21.0-rc1"),
        ("print('GPUs', gpus)", "GPUs [PhysicalDevice(name='/physical_device:GPU:0')]", "GPUs []"),
        ("print('long text')", "IOPub data rate exceeded.\nThe notebook server", "long text"),
    ])  # fmt: skip
    def test_what_only_looks_different_is_left_alone(self, source, saved, printed):
        assert found(source, saved, printed) is None

    @pytest.mark.parametrize(
        ("source", "saved", "printed"),
        [
            ("print('acc', round(s, 3))", "wonderful accuracy 0.993", "acc 0.88"),
            ("print(0.88)", "The accuracy is 0.99", "0.88"),
            ("print(f'{a:.3f} of {b}')", "0.993 of all images, which is 12", "0.880 of 12"),
        ],
    )
    def test_other_words_below_a_cell_that_only_prints_are_told(self, source, saved, printed):
        assert found(source, saved, printed) is not None

    def test_a_cell_saved_while_it_ran_or_cut_off_by_a_restart_may_lack_its_end(self):
        cells = [code("print('first of all')", "first of all"), code("print('the end')", "the end", index=1)]
        first = SavedCell("first of all", count=1)
        assert stale_outputs([first, SavedCell("half of it")], cells, []) == ()
        assert [s.cell for s in stale_outputs([first, SavedCell("half of it", count=2)], cells, [])] == [1]

    def test_after_a_cell_that_failed_nothing_is_compared(self):
        cells = [code("load()", error=("OSError", "no")), code("print('Test accuracy')", "Test accuracy", index=1)]
        assert stale_outputs([SavedCell(), SavedCell("words of another kind")], cells, []) == ()

    def test_text_that_was_cut_is_not_compared(self):
        assert stale_outputs([SavedCell("long", cut=True)], [code("print('the end')", "the end")], []) == ()


def test_a_notebook_handed_in_without_outputs_has_nothing_stale():
    cells = [code("print('Test accuracy')", "Test accuracy"), NotebookCell(1, "markdown", "# Title")]
    assert stale_outputs([SavedCell(), SavedCell()], cells, []) == ()
    assert stale_outputs([], cells, []) == ()


@pytest.mark.parametrize(
    ("counts", "expected"), [([1, 2, 5], False), ([3, None, 1], True), ([None], False), ([], False)]
)
def test_execution_numbers_that_go_down_are_out_of_order(counts, expected):
    assert out_of_order([SavedCell(count=count) for count in counts]) is expected
