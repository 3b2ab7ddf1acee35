"""Makes what student code wrote safe to show: plain text without control characters, and pictures that are pictures."""

from __future__ import annotations

import base64
import binascii

from grader.plain import clean as clean

TEXT_LIMIT_CHARACTERS = 20_000
IMAGE_LIMIT_BYTES = 2 * 2**20
IMAGE_LIMIT_PIXELS = 25_000_000

_PNG = b"\x89PNG\r\n\x1a\n"


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters on one line, an ellipsis at the end of what was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clip(text: str, limit: int = TEXT_LIMIT_CHARACTERS) -> tuple[str, int]:
    """The first ``limit`` characters, and how many were left out."""
    return text[:limit], max(0, len(text) - limit)


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG; ``None`` if ``data`` is no PNG, or one too large to show."""
    if len(data) > IMAGE_LIMIT_BYTES or not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return (width, height) if 0 < width * height <= IMAGE_LIMIT_PIXELS else None


def decode_png(text: str) -> bytes | None:
    """The PNG in base64 ``text``; ``None`` if it is not one (see :func:`png_size`)."""
    if len(text) > 2 * IMAGE_LIMIT_BYTES:
        return None
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if png_size(data) else None
