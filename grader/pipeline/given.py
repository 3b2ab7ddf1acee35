"""Files that kernels are given, made once a machine: test images without labels, matplotlib's list of fonts."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from grader.verification import DatasetView
from grader.verification.inputs import unlabelled_inputs


def write_inputs(path: Path, dataset: DatasetView, held_out_seed: int | None) -> Path:
    """Test images for models that only their kernel can run: npz, uint8 ``official`` and, with a seed, ``held_out``."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **unlabelled_inputs(dataset, held_out_seed))  # type: ignore[arg-type]
    part.replace(path)
    return path


def make_font_cache(folder: Path) -> Path:
    """Matplotlib's font list, which takes a second to make; nothing is done where ``folder`` is there."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        # Fonts of this user are not among them: no other machine, and no sandbox, has those.
        environment = {**os.environ, "MPLCONFIGDIR": str(folder), "HOME": str(folder)}
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        with suppress(subprocess.TimeoutExpired):  # each kernel makes it for itself then
            subprocess.run(command, env=environment, check=False, capture_output=True, timeout=120)
    return folder
