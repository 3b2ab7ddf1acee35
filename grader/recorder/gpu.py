"""Keeps a kernel within its part of a GPU's memory.

See https://www.tensorflow.org/guide/gpu#limiting_gpu_memory_growth: the limit is set on the device before anything uses
it. It holds for TensorFlow, which takes all of its memory through it; code that calls CUDA by itself is not held by it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from grader.recorder.importing import rebind
from grader.recorder.session import Session

# What notebooks call to have a GPU of their own; an error once the limit is set, or its end.
_SETTERS = ("set_memory_growth", "set_virtual_device_configuration", "set_logical_device_configuration")


def limit_memory(session: Session, tensorflow: ModuleType) -> None:
    """Gives the one GPU that is there a logical device of limited size; later wishes of the notebook are noted only."""
    try:
        config = tensorflow.config
        limit = config.LogicalDeviceConfiguration(memory_limit=session.settings.gpu_memory_limit_mib)
        devices = config.list_physical_devices("GPU")
        for device in devices:
            config.set_logical_device_configuration(device, [limit])
        session.note("gpu", f"{len(devices)} of {session.settings.gpu_memory_limit_mib} MiB")
        for owner in (config, config.experimental):
            for name in _SETTERS:
                if hasattr(owner, name):
                    _leave_gpus_alone(session, getattr(owner, name))
    except Exception as error:
        session.fault("gpu", error)


def _leave_gpus_alone(session: Session, original: Callable[..., Any]) -> None:
    """``original`` still configures other devices (a test of several CPUs)."""

    @functools.wraps(original)
    def setter(*args: Any, **kwargs: Any) -> Any:
        device = args[0] if args else kwargs.get("device")
        if getattr(device, "device_type", None) == "GPU":
            session.note("gpu", f"{original.__name__} was not run: the limit of the grader holds")
            return None
        return original(*args, **kwargs)

    rebind(original, setter, ("tensorflow",))
