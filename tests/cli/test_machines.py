"""What ``grader doctor`` says of GPUs and of other machines."""

import importlib.metadata

import pytest
from scheduling.made_up_gpus import FakeNvml

from grader.cli import doctor
from grader.config import load_settings
from grader.scheduling import gpus


@pytest.fixture
def machine(monkeypatch):
    """A machine with these GPUs and packages; asks doctor's part about it."""

    def look(nvml, *, without=(), **settings):
        version = importlib.metadata.version

        def installed(name):
            if name in without:
                raise importlib.metadata.PackageNotFoundError(name)
            return "1.0" if name in doctor._CUDA else version(name)

        monkeypatch.setattr(importlib.metadata, "version", installed)
        monkeypatch.setattr(gpus, "_binding", lambda: (nvml, "" if nvml else "nvidia-ml-py is not installed"))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return list(doctor._gpus(load_settings(settings, environ={})))

    return look


def test_each_gpu_is_named_with_its_places(machine):
    (finding,) = machine(FakeNvml(24_000), gpu_slots=2)
    assert (finding.state, finding.mend) == ("ok", "")
    assert "Made-up GPU, 24000 MiB: 2 notebooks with 11488 MiB each" in finding.detail


def test_without_cuda_libraries_the_package_that_has_them_is_named(machine):
    findings = machine(FakeNvml(24_000), without=doctor._CUDA)
    assert findings[-1].state == "note"
    assert "keras-grader[gpu]" in findings[-1].mend


def test_where_there_is_no_gpu_the_reason_is_told(machine):
    (finding,) = machine(None)
    assert "nvidia-ml-py is not installed: notebooks run on the CPU" in finding.detail
    assert "keras-grader[gpu]" in finding.mend
    (finding,) = machine(FakeNvml(init_error=OSError("no driver")))
    assert "no driver" in finding.detail
    assert finding.mend == ""


def test_a_gpu_that_is_too_small_or_not_wanted_is_said_to_be(machine):
    assert "too small" in machine(FakeNvml(600))[0].detail
    assert "not used" in machine(FakeNvml(24_000), device="cpu")[0].detail


def test_what_a_cluster_needs_is_named(machine):
    machine(None)
    (finding,) = doctor._cluster()
    assert finding.state == "ok"
    machine(None, without=["dask-jobqueue"])
    (finding,) = doctor._cluster()
    assert (finding.state, "dask-jobqueue" in finding.detail) == ("note", True)
    assert "keras-grader[cluster]" in finding.mend
