"""What a confined kernel needs to see of one NVIDIA GPU: its device nodes, and the driver's files outside ``/usr/lib``.

The nodes are those that NVIDIA's own container toolkit shows to a container; of several GPUs only one's is among them.
"""

from __future__ import annotations

import glob
import os

from grader.sandbox.spec import Mount

_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
# CUDA where it is installed by itself, the driver on NixOS, and what CUDA reads of the machine.
_FILES = (
    "/usr/local/cuda*",
    "/run/opengl-driver",
    "/sys/bus/pci",
    "/sys/devices/pci*",
    "/sys/devices/system/node",
    "/sys/module/nvidia*",
)


def gpu_mounts(minor: int, root: str = "") -> list[Mount]:
    """Mounts for the GPU with device node ``/dev/nvidia<minor>``; what is not there is left out.

    :param root: folder that stands for ``/``.
    """
    nodes = [f"/dev/{name}" for name in (f"nvidia{minor}", *_NODES)]
    found = [Mount("device", path, root + path) for path in nodes if os.path.exists(root + path)]
    sources = [source for pattern in _FILES for source in sorted(glob.glob(root + pattern))]
    return found + [Mount("ro", source.removeprefix(root), source) for source in sources]
