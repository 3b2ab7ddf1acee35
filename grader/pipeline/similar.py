"""What ``grader similar`` found last: kept in the workspace beside the results, which it never changes.

``similar/<assignment>.json`` is written by :mod:`grader.similarity`; the flags follow from it whenever pages or exports
are written, and are gone with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from grader.errors import StoreError
from grader.model import Flag, FlagKind, Text

Key = tuple[str, str]
"""Digest of the file, and key of the student."""

FLAGS_LIMIT = 3
MESSAGE = "Similar to the submission of {who} ({what}). This is for a person to look at and says nothing of the cause."


Kind = Literal["file", "code", "words", "outputs", "weights"]


class Side(Struct, frozen=True, forbid_unknown_fields=True):
    """One of a pair. ``who``: its student as staff know them."""

    attempt: str
    student: str
    who: str


class Pair(Struct, frozen=True, forbid_unknown_fields=True):
    """Two submissions, and what of them is alike, the most telling first.

    :ivar share: of the smaller one's own code, 0 to 1. :ivar weight: by which pairs are sorted.
    """

    sides: tuple[Side, Side]
    kinds: tuple[Kind, ...]
    share: float
    weight: float


class Found(Struct, frozen=True, forbid_unknown_fields=True):
    """All pairs of one assignment, over ``n`` submissions that were compared."""

    at: str
    n: int
    pairs: tuple[Pair, ...] = ()


KINDS: Mapping[Kind, Text] = {
    "file": Text("the same file"),
    "code": Text("code"),
    "words": Text("written answers"),
    "outputs": Text("saved training logs"),
    "weights": Text("weights of trainings"),
}


def similar_file(workspace: Path, assignment: str) -> Path:
    """Where the pairs are kept."""
    return workspace / "similar" / f"{assignment}.json"


def similar_page(workspace: Path, assignment: str) -> Path:
    """The page that shows them."""
    return workspace / "dashboard" / f"similar-{assignment}.html"


def read_similar(workspace: Path, assignment: str) -> Found | None:
    """What was found last; ``None`` where nobody looked. :raises StoreError: the file is damaged."""
    path = similar_file(workspace, assignment)
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Found)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(
            f"{path} is damaged: {error}: run 'grader similar {assignment}' again, or delete it"
        ) from error


def similar_flags(workspace: Path, assignment: str) -> Mapping[Key, list[Flag]]:
    """A flag on either side of each pair; of one submission for its most telling pairs only."""
    found = read_similar(workspace, assignment)
    flags: dict[Key, list[Flag]] = defaultdict(list)
    for pair in found.pairs if found else ():
        for side, other in (pair.sides, pair.sides[::-1]):
            mine = flags[side.attempt, side.student]
            if len(mine) < FLAGS_LIMIT:
                mine.append(Flag(FlagKind.SIMILAR, Text(MESSAGE, {"who": other.who, "what": KINDS[pair.kinds[0]]})))
    return flags


def drop_similar(workspace: Path, assignment: str) -> list[Path]:
    """Takes pairs and page away; which files there were."""
    paths = [p for p in (similar_file(workspace, assignment), similar_page(workspace, assignment)) if p.is_file()]
    for path in paths:
        path.unlink()
    return paths
