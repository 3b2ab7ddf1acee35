import json
import time
from pathlib import Path

import psutil
import pytest

from grader.evidence import read_evidence
from grader.execution.run import FINISH_LIMIT_S
from grader.model import Budget, CellOutcome, ExecutionOutcome

pytestmark = pytest.mark.slow


def outputs(folder, cell):
    executed = json.loads((folder / "executed.ipynb").read_text("utf-8"))
    return "".join("".join(o.get("text", "")) for o in executed["cells"][cell]["outputs"])


def test_an_error_in_one_cell_does_not_stop_the_rest(run, notebook):
    execution = run(notebook("a = 1", "1 / 0", "for i in range(3)", "print(a)"))
    assert execution.outcome is ExecutionOutcome.CELL_ERROR
    assert [c.outcome for c in execution.cells] == [
        CellOutcome.OK,
        CellOutcome.ERROR,
        CellOutcome.ERROR,
        CellOutcome.OK,
    ]
    assert execution.cells[1].error_name == "ZeroDivisionError"
    assert execution.cells[2].error_name == "SyntaxError"


def test_an_endless_loop_is_interrupted_and_later_cells_still_run(run, notebook):
    execution = run(notebook("x = 1", "while True: pass", "y = x"), cell_time_limit_s=1.0)
    assert execution.outcome is ExecutionOutcome.TIMEOUT
    assert [c.outcome for c in execution.cells] == [CellOutcome.OK, CellOutcome.TIMEOUT, CellOutcome.OK]


def test_the_deadline_holds_for_the_whole_notebook(run, notebook):
    execution = run(notebook(*["import time; time.sleep(0.6)"] * 6), time_limit_s=1.5)
    assert execution.outcome is ExecutionOutcome.TIMEOUT
    assert execution.cells[-1].outcome is CellOutcome.NOT_RUN


@pytest.mark.parametrize(
    ("grace_s", "limit_s"), [(1.0, 1.0), (0.01, 1.2)], ids=["noticed in time", "noticed when the grace is over"]
)
def test_a_loop_that_ignores_interrupts_is_killed_and_its_kernel_is_not_asked_again(
    run, notebook, monkeypatch, grace_s, limit_s
):
    monkeypatch.setattr("grader.execution.run.GRACE_S", grace_s)
    loop = "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass"
    execution = run(notebook(loop, "y = 2"), cell_time_limit_s=limit_s)
    assert execution.outcome is ExecutionOutcome.TIMEOUT
    assert [c.outcome for c in execution.cells] == [CellOutcome.TIMEOUT, CellOutcome.NOT_RUN]


def test_a_kernel_that_ends_itself_is_told_from_an_error(run, notebook):
    execution = run(notebook("a = 1", "import os; os._exit(3)", "b = 2"))
    assert execution.outcome is ExecutionOutcome.KERNEL_DIED
    assert [c.outcome for c in execution.cells] == [CellOutcome.OK, CellOutcome.ERROR, CellOutcome.NOT_RUN]


def test_memory_over_the_limit_ends_the_kernel_and_is_named(run, notebook):
    grow = "kept = []\nfor _ in range(64):\n    kept.append(bytearray(b'x') * 2**24)\n    __import__('time').sleep(.01)"
    execution = run(notebook(grow, "y = 2"), memory_limit_mib=400)
    assert execution.outcome is ExecutionOutcome.MEMORY
    assert execution.peak_memory_mib > 400
    assert [note.params for note in execution.notes] == [{"limit": 400}]
    assert execution.cells[1].outcome is CellOutcome.NOT_RUN


def test_no_process_of_an_execution_is_left(run, notebook, tmp_path):
    marker = tmp_path / "pid"
    start = (
        "import subprocess, pathlib\np = subprocess.Popen(['sleep', '60'])\n"
        f"pathlib.Path({str(marker)!r}).write_text(str(p.pid))"
    )
    run(notebook(start, "import time; time.sleep(0.5)"))
    pid = int(marker.read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_a_flood_of_output_is_cut_with_a_note(run, notebook, tmp_path):
    execution = run(notebook("for i in range(20000): print('x' * 100)"), output_limit_chars=5000)
    assert len(outputs(tmp_path / "evidence", 0)) < 6000
    assert any("was left out" in note.id for note in execution.notes)


def test_output_that_the_notebook_clears_is_gone_and_what_follows_stays(run, notebook, tmp_path):
    live = "from IPython.display import clear_output, display\ndef live(i):\n    clear_output(wait=True)\n"
    rounds = "print('before')\nfor i in range(3): live(i)\nprint('after')"
    run(notebook(f"{live}    print('round', i)", rounds, f"{live}    display(i)", rounds))
    assert outputs(tmp_path / "evidence", 1) == "round 2\nafter\n"
    assert outputs(tmp_path / "evidence", 3) == "after\n"


_ODD = """
kernel = get_ipython().kernel
def send(kind, **content):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent(), ident=kind.encode())
"""


@pytest.mark.parametrize(
    "odd",
    [
        "from IPython.display import display; display({'text/plain': 5}, raw=True)",
        "send('error', ename='E', evalue='e', traceback=5)",
        "send('display_data', data=5, metadata={}, transient=5)",
        "send('status'); send('comm_msg')",
    ],
)
def test_an_output_that_is_none_costs_itself_and_nothing_else(run, notebook, odd):
    execution = run(notebook(_ODD, odd, "print('after')"))
    assert [cell.outcome for cell in execution.cells] == [CellOutcome.OK] * 3
    assert [note.params["cells"] for note in execution.notes] == ["#2"]


def test_tags_cannot_make_a_cell_skipped(run, notebook):
    content = notebook("1 / 0")
    content["cells"][0]["metadata"]["tags"] = ["skip-execution", "raises-exception", "remove-cell"]
    assert run(content).outcome is ExecutionOutcome.CELL_ERROR


def test_standard_input_is_refused_at_once(run, notebook):
    execution = run(notebook("input('name? ')"))
    assert execution.cells[0].error_name == "StdinNotImplementedError"


def test_colab_and_installing_cells_survive_with_a_note(run, notebook, tmp_path):
    cells = (
        "!pip install --upgrade tensorflow",
        "!wget https://example.org/x \\\n  -O y",
        "%tensorflow_version 2.x",
        "from google.colab import drive, files\ndrive.mount('/content/drive')\nfiles.upload()",
    )
    execution = run(notebook(*cells, kernelspec={"name": "tf_gpu2", "display_name": "x", "language": "python"}))
    assert execution.outcome is ExecutionOutcome.OK
    assert len([n for n in execution.notes if "google.colab" in n.id or "no network" in n.id]) == 2
    assert "no network" in outputs(tmp_path / "evidence", 0)


def test_whether_it_runs_in_colab_is_not_pretended(run, notebook, tmp_path):
    run(notebook("import sys; print('google.colab' in sys.modules)"))
    assert outputs(tmp_path / "evidence", 0).strip() == "False"


def test_the_kernel_sees_nothing_of_the_graders_environment(run, notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_HELD_OUT_SEED", "4242")
    run(notebook("import os; print(sorted(os.environ))", "print(os.getcwd())"))
    assert "GRADER_HELD_OUT_SEED" not in outputs(tmp_path / "evidence", 0)
    assert str(Path.cwd()) not in outputs(tmp_path / "evidence", 1)


TRAINING = """import numpy as np
from tensorflow import keras
(x, y), (xt, yt) = keras.datasets.mnist.load_data()
x = x[:600] / 255.0
"""
MODEL = """model = keras.Sequential([
    keras.layers.Flatten(), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(10, activation="softmax")
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
log = model.fit(x, y[:600], epochs=3, validation_split=0.1, verbose=0)
model.evaluate(xt / 255.0, yt, verbose=0)
"""


def test_a_training_is_recorded_with_data_epochs_and_weights(run, notebook, served_mnist, tmp_path):
    execution = run(notebook(TRAINING, MODEL), datasets=served_mnist)
    assert execution.outcome is ExecutionOutcome.OK
    assert execution.trained_fits == 1
    evidence = read_evidence(tmp_path / "evidence")
    (fit,) = evidence.fits
    assert evidence.faults == ()
    assert evidence.datasets == {"mnist": "made-here"}
    assert (fit.n_rows, fit.train_rows, fit.epochs, fit.epochs_run, fit.ended) == (600, 540, 3, 3, "completed")
    assert [layer.class_name for layer in fit.model.layers] == ["Flatten", "Dense", "Dense"]
    assert set(fit.logs[0]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    before, after = evidence.weights(fit.weights_before), evidence.weights(fit.weights_after)
    assert [w.shape for w in after] == [(784, 8), (8,), (8, 10), (10,)]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert len(evidence.rows(fit.x)["rows"]) == 600
    assert evidence.evaluations[0].after_fit == "fit-1"


def test_the_same_training_gives_the_same_weights_whatever_is_drawn_in_between(run, notebook, served_mnist, tmp_path):
    noise = (
        "import random, numpy\nrandom.random(); numpy.random.rand(5)\n"
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()"
    )
    run(notebook(TRAINING, MODEL), "a", datasets=served_mnist)
    run(notebook(TRAINING, noise, noise, MODEL), "b", datasets=served_mnist)
    left, right = read_evidence(tmp_path / "a"), read_evidence(tmp_path / "b")
    pairs = zip(left.weights("fit-1.after.npz"), right.weights("fit-1.after.npz"), strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    assert left.evaluations[0].results == right.evaluations[0].results
    assert sum(f.lines for f in right.figures) == 2


def test_every_spelling_of_load_data_is_served_whatever_path_is_asked_for(run, notebook, served_mnist):
    cells = (
        "import tensorflow as tf; print(tf.keras.datasets.mnist.load_data()[0][0].shape)",
        "from tensorflow.keras.datasets import mnist; mnist.load_data('/content/drive/mnist.npz')",
        "from keras.datasets.mnist import load_data; load_data(path='m.npz')",
    )
    assert run(notebook(*cells), datasets=served_mnist).outcome is ExecutionOutcome.OK


def test_a_data_set_that_is_not_installed_is_said_to_be_nobodys_mistake_but_ours(run, notebook, tmp_path):
    execution = run(notebook("from tensorflow import keras; keras.datasets.mnist.load_data()"))
    assert execution.cells[0].error_name == "DataMissingError"
    assert "no mistake of yours" in execution.cells[0].error_value
    assert read_evidence(tmp_path / "evidence").datasets == {"mnist": None}


def test_the_quick_budget_caps_rows_and_epochs_of_a_training_only(run, notebook, served_mnist, tmp_path):
    caps = {"budget": Budget.QUICK, "quick_epochs": 2, "quick_rows": 100}
    run(notebook(TRAINING, MODEL, "print(x.shape)"), datasets=served_mnist, **caps)
    evidence = read_evidence(tmp_path / "evidence")
    assert evidence.fits[0].capped
    assert evidence.fits[0].epochs_run == 2
    assert evidence.fits[0].n_rows == 600
    assert "(600, 28, 28)" in outputs(tmp_path / "evidence", 2)


def test_a_training_that_fails_or_is_interrupted_keeps_what_it_reached(run, notebook, served_mnist, tmp_path):
    failing = MODEL.replace("log = model.fit(x, y[:600]", "log = model.fit(x, y[:5]")
    endless = "model.fit(x, y[:600], epochs=10**6, verbose=0)"
    execution = run(notebook(TRAINING, failing, endless), datasets=served_mnist, cell_time_limit_s=25.0)
    assert execution.outcome is ExecutionOutcome.TIMEOUT
    evidence = read_evidence(tmp_path / "evidence")
    assert [fit.ended for fit in evidence.fits] == ["error", "interrupted"]
    assert evidence.fits[1].weights_after is not None
    assert evidence.fits[1].epochs_run > 0


CUSTOM = """class Twice(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2
for extra in (Twice(), keras.layers.Lambda(lambda v: v), keras.layers.Dense(4, activation=lambda v: v)):
    model = keras.Sequential([keras.layers.Flatten(), extra, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y[:600], epochs=1, verbose=0)
"""


def test_models_with_code_of_their_own_predict_in_the_kernel_after_the_notebook(run, notebook, served_mnist, tmp_path):
    import numpy as np

    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, official=np.zeros((5, 28, 28), np.uint8))
    run(notebook(TRAINING, CUSTOM), datasets=served_mnist, inputs_file=inputs)
    evidence = read_evidence(tmp_path / "evidence")
    assert all(fit.model.custom and fit.model.config is None for fit in evidence.fits)
    assert set(evidence.custom_predictions) == {"fit-1", "fit-2", "fit-3"}


def test_links_in_the_evidence_folder_are_left_out(run, notebook, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("held out")
    link = f"import os\nos.symlink({str(secret)!r}, os.path.abspath('../claims/n.npz'))"
    execution = run(notebook(link))
    assert not (tmp_path / "evidence" / "claims" / "n.npz").exists()
    assert any("left out" in note.id for note in execution.notes)


def test_an_interrupt_that_gets_lost_is_repeated_before_the_kernel_is_killed(run, notebook, tmp_path, monkeypatch):
    monkeypatch.setattr("grader.execution.run.GRACE_S", 4.0)
    deaf = """
import time
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(60)
"""
    execution = run(notebook("answer = 41", deaf, "answer = 42"), cell_time_limit_s=1.0)
    assert [cell.outcome.value for cell in execution.cells] == ["ok", "timeout", "ok"]
    assert read_evidence(tmp_path / "evidence").names()["answer"]["value"] == 42


def test_a_kernel_that_ends_while_it_is_asked_for_the_last_facts_is_not_waited_for(run, notebook):
    began = time.monotonic()
    ends = "import os, grader.recorder as recorder; recorder.active.finish = lambda *_: os._exit(1)"
    assert run(notebook(ends)).outcome is ExecutionOutcome.OK
    assert time.monotonic() - began < FINISH_LIMIT_S
