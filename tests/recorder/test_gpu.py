"""The limit on a GPU's memory, on a stand-in for TensorFlow: there is no GPU to set it on."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from grader.recorder.gpu import limit_memory

GPU, CPU = SimpleNamespace(device_type="GPU"), SimpleNamespace(device_type="CPU")


class Session:
    """Keeps what is noted."""

    def __init__(self):
        self.settings = SimpleNamespace(gpu_memory_limit_mib=3_000)
        self.notes, self.faults = [], []

    def note(self, kind, detail=""):
        self.notes.append((kind, detail))

    def fault(self, where, error):
        self.faults.append((where, error))


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def tensorflow(monkeypatch):
    """The part of TensorFlow that is used, with its rule that one device has either growth or a limit."""
    top, config, experimental = (ModuleType(f"tensorflow{name}") for name in ("", ".config", ".config.experimental"))
    calls = []

    def set_logical_device_configuration(device, logical):
        calls.append((device.device_type, [one.memory_limit for one in logical]))

    def set_memory_growth(device, enable):
        if device is GPU and calls:
            raise ValueError("Cannot set memory growth on device when virtual devices configured")
        calls.append((device.device_type, enable))

    top.config, config.experimental, config.calls = config, experimental, calls
    config.LogicalDeviceConfiguration = lambda memory_limit=None: SimpleNamespace(memory_limit=memory_limit)
    config.list_physical_devices = lambda kind: {"GPU": [GPU], "CPU": [CPU]}[kind]
    config.set_logical_device_configuration = set_logical_device_configuration
    experimental.set_memory_growth = set_memory_growth
    experimental.set_virtual_device_configuration = set_logical_device_configuration
    for module in (top, config, experimental):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return top


def test_the_limit_is_set_before_the_notebook_can_set_anything(session, tensorflow):
    limit_memory(session, tensorflow)
    assert tensorflow.config.calls == [("GPU", [3_000])]
    assert session.notes == [("gpu", "1 of 3000 MiB")]
    assert session.faults == []


def test_what_notebooks_usually_do_to_a_gpu_is_neither_an_error_nor_the_end_of_the_limit(session, tensorflow):
    limit_memory(session, tensorflow)
    config = tensorflow.config
    for device in config.list_physical_devices("GPU"):
        config.experimental.set_memory_growth(device, True)
        config.experimental.set_memory_growth(device=device, enable=True)
        config.set_logical_device_configuration(device, [config.LogicalDeviceConfiguration(memory_limit=90_000)])
        config.experimental.set_virtual_device_configuration(device, [config.LogicalDeviceConfiguration()])
    assert config.calls == [("GPU", [3_000])]
    assert len(session.notes) == 5


def test_other_devices_are_configured_as_the_notebook_says(session, tensorflow):
    limit_memory(session, tensorflow)
    config = tensorflow.config
    config.set_logical_device_configuration(CPU, [config.LogicalDeviceConfiguration()] * 2)
    assert config.calls[1:] == [("CPU", [None, None])]


def test_a_limit_that_cannot_be_set_is_our_fault_and_no_error_of_the_notebook(session, tensorflow):
    del tensorflow.config.LogicalDeviceConfiguration
    limit_memory(session, tensorflow)
    assert [where for where, _ in session.faults] == ["gpu"]
