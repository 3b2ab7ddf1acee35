"""Kernels forked from a warm process: the same results, the same walls, and nobody else's fault when it dies."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from grader.evidence import read_evidence
from grader.execution import ExecutionRequest, execute, warm_pool
from grader.execution.needs import framework_needs
from grader.model import Attempt, CellOutcome, ExecutionOutcome, Student
from grader.sandbox.choose import choose, trial
from grader.warm import WarmFailure, WarmJob, WarmPool, warm_works

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not warm_works(), reason="warm processes need Linux")]

SECONDS = 120


@pytest.fixture(scope="module")
def pool():
    with warm_pool(1, None) as pool:
        yield pool


@pytest.fixture
def run(tmp_path):
    def execute_cells(*cells, name="evidence", **changes):
        content = json.loads(json.dumps(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])))
        attempt = Attempt("b2-1", "sha256:" + "0" * 64, "s.ipynb", json.dumps(content).encode(), Student(), content)
        request = ExecutionRequest(**{"time_limit_s": SECONDS, "memory_limit_mib": 3000, **changes})
        return execute(attempt, request, tmp_path / name)

    return execute_cells


def outputs(folder):
    cells = nbformat.read(folder / "executed.ipynb", 4).cells
    return [[(o.output_type, o.get("text"), sorted(o.get("data", ()))) for o in c.outputs] for c in cells]


NOTEBOOK = (
    "import os, sys, random, tempfile, numpy as np, keras, matplotlib.pyplot as plt",
    "random.random(), np.random.rand(2)",
    "model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])\nmodel.compile('sgd', 'mse')\n"
    "print(model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, verbose=0).history, model.layers[0].name)",
    "plt.plot([1, 2]); plt.show()",
    "plt.imshow([[1, 2]]); None",
    "sorted(k for k in os.environ if not k.startswith('JPY_')), sys.flags.utf8_mode",
    "os.path.basename(os.getcwd()), tempfile.gettempdir() == os.environ['TMPDIR']",
    "os.path.expanduser('~') == os.environ['HOME'], __import__('platform').node() == os.uname().nodename",
    "1 / 0",
    "[m for m in sys.modules if m.startswith(('grader.sandbox', 'grader.warm'))]",
    "try:\n    import grader.sandbox\nexcept ImportError:\n    print('not there')",
)


@pytest.mark.parametrize("walls", [None, "namespaces"])
def test_a_notebook_sees_and_gives_the_same_as_in_a_kernel_started_anew(run, pool, tmp_path, walls):
    if walls and not trial(walls).works:
        pytest.skip(trial(walls).reason)
    sandbox = choose(walls, ()) if walls else None
    cold = run(*NOTEBOOK, name="cold", sandbox=sandbox)
    warm = run(*NOTEBOOK, name="warm", sandbox=sandbox, warm=pool)
    assert [c.outcome for c in cold.cells] == [c.outcome for c in warm.cells]
    assert outputs(tmp_path / "cold") == outputs(tmp_path / "warm")
    left, right = read_evidence(tmp_path / "cold"), read_evidence(tmp_path / "warm")
    assert [f.logs for f in left.fits] == [f.logs for f in right.fits] != []
    assert [(f.cell, f.axes, f.images) for f in left.figures] == [(f.cell, f.axes, f.images) for f in right.figures]
    assert cold.versions == warm.versions


def test_two_kernels_of_one_process_share_nothing(run, pool):
    run("import builtins, keras\nbuiltins.left = keras.left = 1\nopen('file', 'w').close()", warm=pool)
    seen = run("import builtins, keras, os\nassert not hasattr(builtins, 'left') and not hasattr(keras, 'left')\n"
               "assert not os.listdir('.')", name="second", warm=pool)  # fmt: skip
    assert seen.outcome is ExecutionOutcome.OK


def test_an_interrupt_reaches_it_and_it_goes_on(run, pool):
    execution = run("x = 1", "while True: pass", "y = x", warm=pool, cell_time_limit_s=1.0)
    assert [c.outcome for c in execution.cells] == [CellOutcome.OK, CellOutcome.TIMEOUT, CellOutcome.OK]


def test_a_kernel_that_ends_itself_is_the_students(run, pool):
    execution = run("import os\nos._exit(3)", "x = 1", warm=pool)
    assert execution.outcome is ExecutionOutcome.KERNEL_DIED


def test_nothing_of_a_kernel_is_left(run, pool):
    before = {p.pid for p in psutil.Process(pool.warm_up("keras3")).children(recursive=True)}
    run("import subprocess\nsubprocess.Popen(['sleep', '300'], start_new_session=True)", warm=pool)
    left = psutil.Process(pool.warm_up("keras3")).children(recursive=True)
    assert [p for p in left if p.pid not in before and p.status() != psutil.STATUS_ZOMBIE] == []


def test_when_the_warm_process_dies_it_is_our_fault(run):
    with warm_pool(1, None) as mine:
        victim = mine.warm_up("keras3")
        killer = f"sleep 3; kill -9 {victim}"
        with subprocess.Popen(["sh", "-c", killer]), pytest.raises(WarmFailure):
            run("import time\ntime.sleep(60)", warm=mine)
        assert run("x = 1", name="again", warm=mine).outcome is ExecutionOutcome.OK  # a new one is started


def test_closing_ends_the_warm_process_and_removes_its_folder():
    pool = warm_pool(1, None)
    pid, library = pool.warm_up("keras3"), pool.library
    pool.close()
    assert not psutil.pid_exists(pid)
    assert not library.exists()


def test_the_warm_process_ends_with_the_grader():
    code = "import os\nfrom grader.execution import warm_pool\nprint(warm_pool(1, None).warm_up('keras3'), flush=True)"
    code += "\nos.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid, deadline = int(done.stdout), time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_that_cannot_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr("grader.warm.pool._SERVER_ARGUMENTS", ("-c", "raise SystemExit('no such library')"))
    before = psutil.Process().num_fds(), psutil.Process().children()
    with WarmPool({"keras3": {"PATH": os.environ["PATH"]}}) as pool:
        for _ in range(3):  # neither pipes nor zombies are left of a process that is asked for again and again
            with pytest.raises(WarmFailure, match="no such library"):
                pool.start("keras3", WarmJob([], {}, tmp_path))
    assert (psutil.Process().num_fds(), psutil.Process().children()) == before


@pytest.mark.parametrize(
    ("source", "own_start", "preload"),
    [
        ("import keras", False, True),
        ("from tensorflow.keras import layers", False, True),
        ("import numpy", False, False),
        ("import os\nos.environ['TF_DETERMINISTIC_OPS'] = '1'\nimport keras", True, False),
        ("%env KERAS_BACKEND=jax\nimport keras", True, False),
        ("os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')\nimport tensorflow", True, False),
        ("print(os.environ['HOME'])\nimport keras", False, True),
    ],
)
def test_what_configures_libraries_before_their_import_gets_a_kernel_of_its_own(source, own_start, preload):
    needs = framework_needs([source])
    assert (needs.own_start, needs.preload) == (own_start, preload)


def test_what_a_first_figure_imports_is_there_and_the_inline_backend_joins_with_its_own_shell(pool, run, tmp_path):
    code = (
        "import sys\nearly = set(sys.modules)\n",
        "import keras, matplotlib.pyplot as plt\nkeras.Sequential([keras.layers.Input((3,))]).summary()\n"
        "plt.plot([1, 2]); plt.show()",
        "name = 'matplotlib_inline.backend_inline'\n"
        "print(name in early, name in sys.modules, sorted(n for n in set(sys.modules) - early if n.startswith('PIL')))",
    )
    run(*code, warm=pool)
    (_, shown, (said,)) = outputs(tmp_path / "evidence")
    assert said[1] == "False True []\n"
    assert ("display_data", None, ["image/png", "text/plain"]) in shown
