"""Runs pieces of Python in each sandbox that works on this machine; attacks aim at what the tests made themselves."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from grader.sandbox.box import Box, Sandbox
from grader.sandbox.choose import examine, trial
from grader.sandbox.spec import Limits

WAYS = {
    "namespaces": Sandbox("namespaces"),
    "without-user-namespace": Sandbox("namespaces", user_namespace=False),
    "bwrap": Sandbox("bwrap"),
}


@pytest.fixture(scope="session", params=WAYS)
def sandbox(request):
    """Each way to confine; nothing is tried in one that did not pass its own test."""
    way = WAYS[request.param]
    known = trial(way.name)
    if not known.works:
        pytest.skip(f"{way.name} does not work here: {known.reason}")
    if way.user_namespace is False:
        if os.geteuid() != 0:
            pytest.skip("only root can do without a user namespace")
        if problem := examine(way):
            pytest.skip(f"root may not do without a user namespace here: {problem}")
    return way


@dataclass
class Inside:
    """Runs Python code confined; ``box`` can be looked at while the fixture lives."""

    box: Box
    folder: object

    def run(self, code, *, timeout=60, environment=None):
        return subprocess.run(
            self.box.command([sys.executable, "-I", "-S", "-c", code]),
            env={"PATH": os.environ["PATH"], **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            start_new_session=True,
            check=False,
        )

    def look(self, code, **options):
        """What ``code`` left in ``found``."""
        done = self.run(f"import json, os, sys\nfound = None\n{code}\nprint(json.dumps(found))", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def fails(self, action, imports="os"):
        """Name of the error that a statement ends with; ``None``: it went through."""
        code = f"import {imports}\ntry:\n    {action}\nexcept OSError as error:\n    found = type(error).__name__"
        return self.look(code)


@pytest.fixture
def inside(sandbox, tmp_path):
    """A box with one writable folder."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    with Box(sandbox, readable=[], writable=[folder], cwd=folder, limits=Limits(processes=64)) as box:
        yield Inside(box, folder)


@pytest.fixture
def make_inside(sandbox, tmp_path):
    """More boxes, with their own limits and folders."""
    boxes = []

    def make(name="scratch", readable=(), hidden=(), **limits):
        folder = tmp_path / name
        folder.mkdir()
        way = Sandbox(sandbox.name, tuple(map(str, hidden)), sandbox.user_namespace)
        boxes.append(Box(way, readable=readable, writable=[folder], cwd=folder, limits=Limits(**limits)))
        return Inside(boxes[-1], folder)

    yield make
    for box in boxes:
        box.close()
