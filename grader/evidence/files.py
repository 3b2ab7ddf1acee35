"""Reads the files of an evidence folder: plain files only, of limited size, whatever is in them."""

from __future__ import annotations

import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from grader.errors import EvidenceError
from grader.evidence import events as ev

EVENTS_LIMIT_BYTES = 64 * 2**20
EVENTS_LIMIT = 200_000
LINE_LIMIT_BYTES = 2 * 2**20
JSON_LIMIT_BYTES = 16 * 2**20
NOTEBOOK_LIMIT_BYTES = 256 * 2**20
MALFORMED_LINES_LIMIT = 1_000
VALUES_LIMIT = 6_000_000
DEPTH_LIMIT = 10


def is_plain_file(path: Path) -> bool:
    """Neither link nor pipe nor folder."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return False


def claims_of(directory: Path) -> Path:
    """The folder that the kernel wrote to.

    :raises EvidenceError: it has become a link.
    """
    claims = directory / "claims"
    if claims.is_symlink():
        raise EvidenceError(f"claims of {directory.name} is a link; links are not followed")
    return claims


def read_bytes(path: Path, limit: int) -> bytes:
    """What is in the file, at most ``limit`` bytes."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            read = file.read(limit + 1) if size <= limit else b""
    except OSError as error:
        raise EvidenceError(f"{path.name} cannot be opened: {error.strerror}") from error
    if max(size, len(read)) > limit:
        raise EvidenceError(f"{path.name} has {size} bytes, at most {limit} are read")
    return read


def _real(digits: str) -> float | None:
    return value if math.isfinite(value := float(digits)) else None


def _n_values(data: bytes) -> int:
    """About how many JSON values ``data`` holds, not fewer; each may take 30 times its size in memory."""
    return sum(map(data.count, (b",", b"[", b"{")))


def read_json(path: Path, limit: int = JSON_LIMIT_BYTES) -> dict[str, Any]:
    """An object; what JSON does not have (NaN, infinity, ``1e999``) reads as ``None``."""
    try:
        data = read_bytes(path, limit)
        if _n_values(data) > VALUES_LIMIT:
            raise EvidenceError(f"{path.name} holds {_n_values(data)} values, at most {VALUES_LIMIT} are read")
        text = data.decode("utf-8")
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_real)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise EvidenceError(f"{path.name} holds a {type(value).__name__}, expected an object")
    return value


def _is_deep(value: Any, limit: int = DEPTH_LIMIT) -> bool:
    level = [value]
    for _ in range(limit):
        nested = [node for node in level if isinstance(node, (dict, list))]
        level = [child for node in nested for child in (node.values() if isinstance(node, dict) else node)]
    return bool(level)


def read_events(path: Path) -> tuple[list[ev.AnyEvent], list[str]]:
    """Events in order, and what was wrong with the lines left out."""
    if not is_plain_file(path):
        return [], []
    good: list[ev.AnyEvent] = []
    faults: list[str] = []
    values = 0
    for number, line in enumerate(io.BytesIO(read_bytes(path, EVENTS_LIMIT_BYTES)), 1):
        values += _n_values(line)
        if len(faults) >= MALFORMED_LINES_LIMIT or len(good) >= EVENTS_LIMIT or values > VALUES_LIMIT:
            faults.insert(0, f"{len(faults)} events are malformed; from event {number} on nothing was read")
            break
        if len(line) > LINE_LIMIT_BYTES:
            faults.append(f"event {number} has {len(line)} bytes")
            continue
        try:
            event = ev.decode_event(line)
            if isinstance(event, ev.ModelEvent) and any(_is_deep(layer.config) for layer in event.layers):
                raise ValueError("the configuration of a layer is nested deeply")
            good.append(event)
        except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
            faults.append(f"event {number}: {error}")
    return good, faults
