"""Who may enter, and how: from a process that is already running, and as an ordinary user."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import grader
from grader.sandbox.box import Box, Sandbox
from grader.sandbox.choose import trial

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the sandboxes need Linux")]

WARM = """
import os, sys
from grader.sandbox.enter import enter
from grader.sandbox.spec import Spec
kept = [n * n for n in range(10)]
child = os.fork()
if not child:
    os.closerange(3, 1000)
    spec = Spec.from_json(sys.argv[1].replace('"parent": null', f'"parent": {os.getppid()}'))
    enter(spec)
    seen = [os.getpid(), os.getuid() != 0, os.path.exists(sys.argv[2]), sum(kept), os.uname().nodename]
    with open("seen", "w") as file:
        file.write(repr(seen))
    os._exit(7)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("user_namespace", [None, False])
def test_a_process_that_is_already_running_can_enter(tmp_path, user_namespace):
    """What it has in memory stays; its exit status comes out."""
    if not trial("namespaces").works:
        pytest.skip(f"namespaces do not work here: {trial('namespaces').reason}")
    if user_namespace is False and os.geteuid() != 0:
        pytest.skip("only root can do without a user namespace")
    folder, canary = tmp_path / "scratch", tmp_path / "canary"
    folder.mkdir()
    canary.write_text("secret")
    with Box(Sandbox("namespaces", (), user_namespace), readable=[], writable=[folder], cwd=folder) as box:
        text = box.spec.to_json().replace(f'"parent": {os.getpid()}', '"parent": null')
        done = subprocess.run([sys.executable, "-c", WARM, text, str(canary)], check=False)
    assert done.returncode == 7
    assert (folder / "seen").read_text() == "[2, True, False, 285, 'grader']"


EXAMINE = """
import sys
from grader.sandbox.box import Sandbox
from grader.sandbox.choose import examine
print(examine(Sandbox(sys.argv[1])))
"""


@pytest.mark.parametrize("name", ["namespaces", "bwrap"])
def test_an_ordinary_user_gets_the_same_walls(name):
    """As root, the self-test is run by a user that is nobody; as an ordinary user every other test is this one."""
    if os.geteuid() != 0:
        pytest.skip("all tests run as an ordinary user here")
    if name == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bwrap is not on the PATH")
    python = "/usr/bin/python3"
    ask = [python, "-c", "import sys; print(sys.version_info >= (3, 11))"]
    if not Path(python).exists() or subprocess.run(ask, capture_output=True, check=False).stdout != b"True\n":
        pytest.skip("there is no Python 3.11 that every user may run")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(grader.__file__).parent
        shutil.copytree(package / "sandbox", f"{folder}/grader/sandbox")
        for module in package.glob("*.py"):
            shutil.copy(module, f"{folder}/grader/{module.name}")
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [python, "-c", EXAMINE, name], env=environment, capture_output=True, text=True, user=12_345, group=12_345,
            extra_groups=[], cwd="/", check=True
        )  # fmt: skip
    problem = done.stdout.strip()
    if "unshare" in problem or "No permissions to create new namespace" in problem or "setting up uid map" in problem:
        pytest.skip(f"ordinary users may not make namespaces here: {problem}")
    assert problem == "None"
