"""Where a workspace's gradebook is."""

from __future__ import annotations

from pathlib import Path

from grader.config import Settings
from grader.store.gradebook import Gradebook

GRADEBOOK_FILE = "gradebook.sqlite"


def gradebook_location(settings: Settings) -> Path | str:
    """The URL of the settings, else the file in the workspace."""
    return settings.database_url or settings.workspace.resolve() / GRADEBOOK_FILE


def open_gradebook(settings: Settings) -> Gradebook:
    """The gradebook of these settings; a file is made if needed. :raises StoreError: see :class:`Gradebook`."""
    return Gradebook(gradebook_location(settings))


def existing_gradebook(settings: Settings) -> Gradebook | None:
    """The gradebook of these settings, ``None`` where there is no file. :raises StoreError: it cannot be opened."""
    location = gradebook_location(settings)
    return None if isinstance(location, Path) and not location.is_file() else Gradebook(location)
