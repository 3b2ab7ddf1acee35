import sys

import pytest

from grader.errors import SandboxError
from grader.sandbox import choose as module
from grader.sandbox.box import Sandbox
from grader.sandbox.choose import Trial, choose, examine


@pytest.fixture
def machine(monkeypatch):
    """A machine on which the named mechanisms work."""

    def set_up(*working):
        def trial(name):
            works = name in working
            return Trial(name, works, "fine" if works else f"{name} is forbidden")

        monkeypatch.setattr(module, "trial", trial)

    return set_up


def test_none_is_given_only_when_it_is_named(machine):
    machine("namespaces", "bwrap")
    assert choose("none") is None
    machine()
    with pytest.raises(SandboxError):
        choose("auto")


def test_auto_takes_the_strongest_that_works(machine, tmp_path):
    machine("namespaces", "bwrap")
    assert choose("auto", [tmp_path]) == Sandbox("namespaces", (str(tmp_path),))
    machine("bwrap")
    assert choose("auto").name == "bwrap"


def test_one_that_was_named_is_not_replaced_by_another(machine):
    machine("bwrap")
    with pytest.raises(SandboxError, match="namespaces is forbidden"):
        choose("namespaces")


def test_a_refusal_names_every_reason_and_the_way_out(machine):
    machine()
    with pytest.raises(SandboxError) as refused:
        choose("auto")
    assert refused.value.exit_code == 2
    for part in ("namespaces is forbidden", "bwrap is forbidden", "--sandbox none", "grader doctor"):
        assert part in str(refused.value)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the sandboxes need Linux")
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("import json; print(json.dumps({'the walls stand': False}))", "the walls stand"),
        ("raise SystemExit(3)", "status 3"),
        ("print('hello')", "no answer"),
    ],
)
def test_a_sandbox_whose_process_finds_a_hole_does_not_work(monkeypatch, tmp_path, script, problem):
    if not module.trial("namespaces").works:
        pytest.skip(f"namespaces do not work here: {module.trial('namespaces').reason}")
    path = tmp_path / "selftest.py"
    path.write_text(script)
    monkeypatch.setattr(module, "_SELFTEST", path)
    assert problem in examine(Sandbox("namespaces"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the self-test needs Linux")
def test_the_self_test_notices_that_there_are_no_walls(tmp_path):
    """Run without a sandbox, it finds every hole that it looks for."""
    import contextlib
    import json
    import subprocess

    with contextlib.ExitStack() as stack:
        facts = module._facts(stack, tmp_path, tmp_path)
        (tmp_path / "facts.json").write_text(json.dumps(facts))
        argv = [sys.executable, "-I", "-S", str(module._SELFTEST), str(tmp_path / "facts.json")]
        found = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    holes = {promise for promise, holds in found.items() if not holds}
    assert {
        "a file outside cannot be read",
        "nothing outside can be written",
        "no port of this machine can be reached",
        "no abstract socket can be reached",
        "other processes cannot be seen",
        "the environment is not inherited",
    } <= holes
    assert found["the scratch folder can be written"]


@pytest.mark.skipif(sys.platform == "linux", reason="about other systems")
def test_elsewhere_than_on_linux_none_works():
    assert not module.trial("namespaces").works
