"""Real notebooks and a real verifier behind the walls, with the same results as without them."""

import hashlib
import json
import secrets
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest

from grader.evidence import read_evidence
from grader.execution import ExecutionRequest, execute, warm_pool
from grader.model import Attempt, CellOutcome, ExecutionOutcome, Student

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the sandboxes need Linux")]

TRAINING = (
    "import numpy as np, keras, matplotlib.pyplot as plt\n"
    "(x, y), _ = keras.datasets.mnist.load_data()\n"
    "model = keras.Sequential([keras.layers.Input((28, 28)), keras.layers.Flatten(),\n"
    "                          keras.layers.Dense(10, activation='softmax')])\n"
    "model.compile('sgd', 'sparse_categorical_crossentropy', metrics=['accuracy'])\n"
    "history = model.fit(x[:600] / 255., y[:600], epochs=2, batch_size=50, verbose=0)",
    "plt.plot(history.history['loss']); plt.title('loss of 2 epochs'); plt.show()",
)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (700, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 700).astype(np.uint8)
    np.savez(folder / "mnist.npz", x_train=images[:600], y_train=labels[:600], x_test=images[600:], y_test=labels[600:])
    folder.chmod(0o555)  # as the data store has it
    return {"mnist": {"digest": "made-here", "directory": str(folder), "files": ["mnist.npz"]}}


def run(folder, sandbox, *sources, **changes):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    content = json.loads(json.dumps(nbformat.v4.new_notebook(cells=cells)))
    request = ExecutionRequest(
        **{"time_limit_s": 180, "memory_limit_mib": 3000, "seed": 7, "sandbox": sandbox, **changes}
    )
    attempt = Attempt("b2-1", "sha256:" + "0" * 64, "s.ipynb", json.dumps(content).encode(), Student(), content)
    return execute(attempt, request, folder)


def texts(folder):
    cells = json.loads((folder / "executed.ipynb").read_text("utf-8"))["cells"]
    return ["".join("".join(o.get("text", "")) for o in cell["outputs"]) for cell in cells]


def fingerprint(folder):
    """Digest of every weight, figure and prediction that a run left."""
    found = {}
    for path in sorted((folder / "claims").iterdir()):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found[path.name] = [hashlib.sha256(arrays[n].tobytes()).hexdigest() for n in sorted(arrays.files)]
        elif path.suffix == ".png":
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="session")
def free_run(tmp_path_factory, served):
    """The training without any sandbox."""
    folder = tmp_path_factory.mktemp("free") / "evidence"
    execution = run(folder, None, *TRAINING, datasets=served)
    assert execution.outcome is ExecutionOutcome.OK
    assert execution.sandbox == "none"
    return folder


def test_a_training_gives_the_same_bits_as_without_a_sandbox(sandbox, free_run, served, tmp_path):
    execution = run(tmp_path / "evidence", sandbox, *TRAINING, datasets=served)
    assert execution.outcome is ExecutionOutcome.OK, execution
    assert execution.sandbox == sandbox.name
    assert execution.trained_fits == 1
    expected = fingerprint(free_run)
    assert any(name.endswith(".npz") for name in expected)
    assert fingerprint(tmp_path / "evidence") == expected
    fits = [read_evidence(folder).fits[0] for folder in (free_run, tmp_path / "evidence")]
    assert fits[0].logs == fits[1].logs
    assert len(fits[0].logs) == 2


def test_the_verifier_measures_the_same_behind_walls(sandbox, free_run, served, tmp_path):
    from grader.verification import VerifierSettings, verify

    class Data:
        name, digest = "mnist", "2e28" * 16  # of this data alone

        def array(self, role):
            with np.load(Path(served["mnist"]["directory"]) / "mnist.npz") as arrays:
                return arrays[role]

    found = []
    with warm_pool(1, None) or nullcontext() as pool:
        for way, warm in ((None, None), (sandbox, None), (sandbox, pool), (None, pool)):
            evidence = read_evidence(free_run)
            settings = VerifierSettings(sandbox=way, warm=warm)
            verified = verify(evidence, Data(), held_out_seed=3, scratch=tmp_path, settings=settings)
            assert verified.measurements[0].reason is None, verified
            found.append((verified.measurements[0].accuracy, verified.measurements[0].held_out_accuracy))
    assert len(set(found)) == 1
    assert found[0][0] is not None


def test_a_notebook_sees_its_own_folder_its_data_and_nothing_else(sandbox, served, tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    canary.write_text("secret")
    monkeypatch.setenv("CANARY_TOKEN", "secret")
    data = str(Path(served["mnist"]["directory"]) / "mnist.npz")
    look = (
        "import os, json, grader\n"
        "root = os.path.dirname(os.path.dirname(os.getcwd()))\n"
        "def can(path, mode='r'):\n    try:\n        open(path, mode).close(); return True\n"
        "    except OSError:\n        return False\n"
        f"seen = dict(canary=can({str(canary)!r}), data=can({data!r}), change_data=can({data!r}, 'a'),\n"
        "    own=can('made', 'w'), given=can(root + '/given/recorder.json'),\n"
        "    change_given=can(root + '/given/recorder.json', 'a'),\n"
        "    link=can(root + '/given/link', 'w'), token='CANARY_TOKEN' in os.environ, root=os.getuid() == 0,\n"
        "    sealed=hasattr(grader, '__version__'))\n"
        "print(json.dumps(seen))"
    )
    execution = run(tmp_path / "evidence", sandbox, look, "!echo hello from a command", datasets=served)
    assert execution.outcome is ExecutionOutcome.OK
    shown = texts(tmp_path / "evidence")
    assert json.loads(shown[0]) == {
        "canary": False,
        "data": True,
        "change_data": False,
        "own": True,
        "given": True,
        "change_given": False,
        "link": False,
        "token": False,
        "root": False,
        "sealed": False,
    }
    assert "hello from a command" in shown[1]


def test_an_interrupt_reaches_the_notebook_and_it_goes_on(sandbox, tmp_path):
    execution = run(tmp_path / "e", sandbox, "x = 1", "while True: pass", "y = x", cell_time_limit_s=1.0)
    assert [c.outcome for c in execution.cells] == [CellOutcome.OK, CellOutcome.TIMEOUT, CellOutcome.OK]


def test_too_much_memory_is_told_from_a_dead_kernel(sandbox, tmp_path):
    grow = "kept = []\nfor _ in range(64):\n    kept.append(bytearray(b'x') * 2**24)"
    execution = run(tmp_path / "e", sandbox, grow, "y = 2", memory_limit_mib=400)
    assert execution.outcome is ExecutionOutcome.MEMORY


def test_a_kernel_that_ends_itself_is_no_fault_of_the_sandbox(sandbox, tmp_path):
    execution = run(tmp_path / "e", sandbox, "import os; os._exit(0)", "y = 2")
    assert execution.outcome is ExecutionOutcome.KERNEL_DIED


@pytest.mark.parametrize(
    "write",
    [
        "open(f'f{n}', 'wb').write(bytes(8 << 20))",
        "f = open('same', 'wb'); f.write(bytes(8 << 20)); f.flush(); os.unlink('same'); kept.append(f)",
    ],
    ids=["files", "deleted files"],
)
def test_writing_too_much_ends_the_notebook_and_is_named(sandbox, tmp_path, write):
    fill = f"import os, time\nkept = []\nfor n in range(40):\n    {write}\n    time.sleep(0.05)\ntime.sleep(20)"
    execution = run(tmp_path / "e", sandbox, fill, scratch_limit_mib=64)
    assert execution.outcome is ExecutionOutcome.KERNEL_DIED
    assert any("was ended" in note.id and note.params["limit"] == 64 for note in execution.notes)


def test_what_a_notebook_leaves_running_is_gone_with_it(sandbox, tmp_path):
    name = f"canary-{secrets.token_hex(6)}"
    code = (
        f"import os, sys, time\nfor _ in range(2):\n    if not os.fork():\n        os.setsid()\n"
        f"        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(300)', {name!r}])\n"
        "time.sleep(0.5)"
    )
    execution = run(tmp_path / "e", sandbox, code)
    assert execution.outcome is ExecutionOutcome.OK
    time.sleep(0.2)
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if name in (p.info["cmdline"] or ())]
    assert not left


def test_a_link_in_place_of_our_files_changes_nothing_outside(sandbox, tmp_path):
    """The harness writes the number of each cell: a link put there must not lead it to another file."""
    canary = tmp_path / "canary"
    canary.write_text("mine")
    attack = (
        "import os, shutil\nroot = os.path.dirname(os.path.dirname(os.getcwd()))\n"
        "for name in ('given/cell', 'given/inputs.npz', 'own/claims/events.jsonl', 'own/kernel.json', 'cell'):\n"
        "    try:\n        os.path.lexists(root + '/' + name) and os.unlink(root + '/' + name)\n"
        f"        os.symlink({str(canary)!r}, root + '/' + name)\n"
        "    except OSError as error:\n        print(name, type(error).__name__)"
    )
    execution = run(tmp_path / "e", sandbox, attack, "x = 1", "y = 1")
    assert [c.outcome for c in execution.cells] == [CellOutcome.OK] * 3
    assert canary.read_text() == "mine"
    assert "given/cell" in texts(tmp_path / "e")[0]


def test_a_pipe_in_place_of_the_events_does_not_stop_the_grader(sandbox, tmp_path):
    attack = (
        "import os\nclaims = os.path.join(os.path.dirname(os.getcwd()), 'claims', 'events.jsonl')\n"
        "os.path.lexists(claims) and os.unlink(claims)\nos.mkfifo(claims)"
    )
    execution = run(tmp_path / "e", sandbox, attack, "import time; time.sleep(1.5)", time_limit_s=60)
    assert [c.outcome for c in execution.cells] == [CellOutcome.OK] * 2
    assert execution.duration_s < 60
