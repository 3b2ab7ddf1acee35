"""Too much of everything: the attempt ends with a word for it, within its limits, and nothing of it lives on."""

import os
import time

import psutil
import pytest
from attacks.running import SANDBOXES, outputs, run_for_execution, run_notebook, tree

from grader.model import CellOutcome, ExecutionOutcome

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("sandbox", SANDBOXES)]
MIB = 2**20


def processes_named(mark):
    running = psutil.process_iter(["cmdline"])
    return [p.pid for p in running if any(mark in word for word in p.info["cmdline"] or ())]


def gone(mark):
    """Whether every process with ``mark`` on its command line ends soon."""
    deadline = time.monotonic() + 10
    while processes_named(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_burst_of_processes_meets_a_limit_and_is_gone(tmp_path, sandbox):
    source = """
import subprocess, sys
made = []
try:
    for _ in range(1500):
        made.append(subprocess.Popen(["sleep", "31.7"]))
except OSError as error:
    print("REFUSED", len(made), error)
else:
    print("GOT", len(made))
"""
    evidence = run_notebook(tmp_path, [source, "print('after')"], sandbox)
    assert outputs(evidence)[0].startswith("REFUSED")
    assert gone("31.7")


def test_memory_that_no_machine_should_give(tmp_path, sandbox):
    execution = run_for_execution(
        tmp_path, ["kept = [bytearray(64 * 2**20) for _ in range(48)]", "x = 1"], sandbox, memory_limit_mib=600
    )
    assert execution.outcome is ExecutionOutcome.MEMORY


def test_memory_spread_over_children(tmp_path, sandbox):
    source = """
import subprocess, sys, time
code = "kept = bytearray(200 * 2**20); import time; time.sleep(8)"
children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(8)]
time.sleep(9)
print([c.poll() for c in children])
"""
    execution = run_for_execution(tmp_path, [source], sandbox, memory_limit_mib=700)
    survived = execution.outcome is ExecutionOutcome.OK and "-9" in outputs(tmp_path / "evidence")[0]
    assert execution.outcome is ExecutionOutcome.MEMORY or survived


def test_a_disk_is_not_filled(tmp_path, sandbox):
    source = """
block = bytes(2**20)
with open("big", "wb", buffering=0) as file:
    for _ in range(3000):
        file.write(block)
print("GOT")
"""
    execution = run_for_execution(tmp_path, [source, "b = 1"], sandbox, scratch_limit_mib=200)
    assert execution.outcome is not ExecutionOutcome.OK
    assert "GOT" not in outputs(tmp_path / "evidence")[0]


def test_temporary_files_have_a_limit(tmp_path, sandbox):
    source = """
block, kept = bytes(8 * 2**20), 0
try:
    for number in range(100):
        with open(f"/tmp/f{number}", "wb", buffering=0) as file:
            kept += file.write(block) == len(block)
except OSError as error:
    print("REFUSED", kept, error)
else:
    print("GOT" if kept == 100 else "NOTHING", kept)
"""
    evidence = run_notebook(tmp_path, [source], sandbox)
    assert "GOT" not in outputs(evidence)[0]


def test_thousands_of_small_files_do_not_come_home(tmp_path, sandbox):
    source = """
import os
made = 0
try:
    for number in range(5000):
        open(f"f{number}", "w").close()
        made += 1
finally:
    print(made)
"""
    evidence = run_notebook(tmp_path, [source], sandbox)
    assert len(tree(evidence)) < 50


def test_threads_meet_a_limit(tmp_path, sandbox):
    source = """
import threading
stop, made = threading.Event(), []
try:
    for _ in range(2000):
        thread = threading.Thread(target=stop.wait, daemon=True)
        thread.start()
        made.append(thread)
except RuntimeError as error:
    print("REFUSED", len(made), error)
else:
    print("GOT", len(made))
stop.set()
"""
    evidence = run_notebook(tmp_path, [source], sandbox)
    assert outputs(evidence)[0].startswith("REFUSED")


def test_descriptors_meet_a_limit(tmp_path, sandbox):
    source = """
import os
kept = []
try:
    for _ in range(20000):
        kept.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    refused = f"REFUSED {len(kept)} {error}"
else:
    refused = "GOT"
for one in kept:
    os.close(one)
print(refused)
"""
    evidence = run_notebook(tmp_path, [source], sandbox)
    assert outputs(evidence)[0].startswith("REFUSED")


def test_a_flood_of_output_is_cut(tmp_path, sandbox):
    source = "for _ in range(300):\n    print('x' * 100_000)"
    execution = run_for_execution(tmp_path, [source, "print('after')"], sandbox, output_limit_chars=200_000)
    assert execution.outcome in (ExecutionOutcome.OK, ExecutionOutcome.CELL_ERROR, ExecutionOutcome.TIMEOUT)
    assert (tmp_path / "evidence" / "executed.ipynb").stat().st_size < MIB


def test_a_loop_that_ignores_interrupts(tmp_path, sandbox):
    source = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
    started = time.monotonic()
    execution = run_for_execution(
        tmp_path, ["a = 1", source, "b = 1"], sandbox, cell_time_limit_s=3.0, time_limit_s=20.0
    )
    assert execution.cells[1].outcome is CellOutcome.TIMEOUT
    assert time.monotonic() - started < 50


def test_a_background_process_does_not_outlive_its_notebook(tmp_path, sandbox):
    source = """
import subprocess
subprocess.Popen(["setsid", "nohup", "sleep", "33.9"], start_new_session=True)
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "33.9"])
    os._exit(0)
print("started")
"""
    evidence = run_notebook(tmp_path, [source], sandbox)
    assert "started" in outputs(evidence)[0]
    assert gone("33.9")


def test_a_hang_at_exit_does_not_hold_the_grader(tmp_path, sandbox):
    source = "import atexit, time\natexit.register(time.sleep, 600)\nprint('armed')"
    started = time.monotonic()
    execution = run_for_execution(tmp_path, [source], sandbox)
    assert execution.outcome is ExecutionOutcome.OK
    assert time.monotonic() - started < 40


def test_ten_thousand_cells(tmp_path, sandbox):
    started = time.monotonic()
    execution = run_for_execution(tmp_path, ["x = 1"] * 10_000, sandbox, time_limit_s=5.0)
    assert execution.outcome is ExecutionOutcome.TIMEOUT
    assert len(execution.cells) == 10_000
    assert time.monotonic() - started < 60


def test_one_huge_cell(tmp_path, sandbox):
    execution = run_for_execution(tmp_path, ["x = 1\n" * 50_000, "print('after')"], sandbox)
    assert execution.cells[1].outcome in (CellOutcome.OK, CellOutcome.TIMEOUT)


def test_a_cell_nested_deeper_than_any_parser(tmp_path, sandbox):
    execution = run_for_execution(tmp_path, ["(" * 5000 + ")" * 5000, "print('after')"], sandbox)
    assert execution.cells[0].outcome is not CellOutcome.OK
    assert execution.outcome in (ExecutionOutcome.CELL_ERROR, ExecutionOutcome.KERNEL_DIED)


def test_the_grader_itself_stays_small(tmp_path, sandbox):
    before = psutil.Process(os.getpid()).memory_info().rss
    run_for_execution(tmp_path, ["import sys\nfor _ in range(40):\n    sys.stdout.write('y' * 10**6)"], sandbox)
    assert psutil.Process(os.getpid()).memory_info().rss - before < 300 * MIB
