"""Further runs of the same notebook under other seeds, each a whole evidence folder inside the first one's."""

from __future__ import annotations

from pathlib import Path

TRIES = "tries"


def tries_of(directory: Path) -> list[Path]:
    """Evidence folders ``tries/1``, ``tries/2`` … of the attempt whose evidence is in ``directory``, in order."""
    folder = directory / TRIES
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if p.name.isdecimal()), key=lambda p: int(p.name))
