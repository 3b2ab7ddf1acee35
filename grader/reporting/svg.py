"""Small building blocks of the figures: SVG that keeps its text size at any width, and a PNG writer for pixels."""

from __future__ import annotations

import base64
import struct
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from grader.reporting.clean import clean

NARROWEST_PX = 296
TEXT_PX = 12


def build(template: str, *args: Any, **kwargs: Any) -> Markup:
    """``template`` with its ``{}`` filled; what is not Markup is cleaned and escaped."""
    made = [clean(a) if isinstance(a, str) and not isinstance(a, Markup) else a for a in args]
    named = {k: clean(v) if isinstance(v, str) and not isinstance(v, Markup) else v for k, v in kwargs.items()}
    return Markup(template).format(*made, **named)  # noqa: S704 - templates are literals of this package


def join(parts: Iterable[Markup]) -> Markup:
    """All parts, one after the other."""
    return Markup("").join(parts)


def fluid(label: str, body: Markup, height: int, css: str = "plot", margins: tuple[int, int] = (0, 0)) -> Markup:
    """An SVG as wide as its place and ``height`` pixels high: x in percent, y in pixels, so that text never scales.

    :param margins: pixels left and right that labels may run into.
    """
    left, right = margins
    style = build(' style="width:calc(100% - {}px);margin:0 {}px 0 {}px"', left + right, right, left)
    return build(
        '<svg class="{}" width="100%" height="{}"{} role="img" aria-label="{}">{}</svg>',
        *(css, height, style if left + right else "", label, body),
    )


def scaled(label: str, body: Markup, width: float, height: float, css: str = "picture") -> Markup:
    """An SVG that scales as a whole."""
    return build(
        '<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        css,
        number(width),
        number(height),
        label,
        body,
    )


def number(value: float) -> str:
    """``value`` with at most one decimal, without a trailing zero."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def text_width_px(text: str, size_px: float = TEXT_PX) -> float:
    """A generous estimate of how wide ``text`` is: full-width characters one em, Latin 0.6, other letters 0.68."""
    return size_px * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.6 if c.isascii() else 0.68 for c in text)


def place(share: float, text: str) -> tuple[str, float]:
    """``text-anchor`` and x (0..1) of a text about ``share`` of the width, so that no figure is too narrow for it."""
    width = text_width_px(text) / NARROWEST_PX
    if share - width / 2 >= 0 and share + width / 2 <= 1:
        return "middle", share
    if share < 0.5:
        return "start", share if share + width <= 1 else 0.0
    return "end", share if share - width >= 0 else 1.0


def label_at(share: float, y: float, text: str, css: str = "") -> Markup:
    """A text centred on ``share`` (0..1) of the width; near an edge it starts or ends there instead of being cut."""
    side, at = place(share, text)
    return build('<text class="{}" x="{:.1%}" y="{}" text-anchor="{}">{}</text>', css, at, number(y), side, text)


def touch(labels: Sequence[tuple[float, str]]) -> bool:
    """Whether two texts at these shares of the width would touch in the narrowest figure."""
    if len(labels) < 2:
        return False
    spans = []
    for share, text in labels:
        width = text_width_px(text) / NARROWEST_PX
        side, at = place(share, text)
        left = at - {"start": 0.0, "middle": width / 2, "end": width}[side]
        spans.append((left, left + width))
    first, second = sorted(spans)
    return second[0] - first[1] < 12 / NARROWEST_PX


def line_path(xs: Sequence[float], ys: Sequence[float | None]) -> str:
    """Path data through the points; a ``None`` lifts the pen."""
    parts: list[str] = []
    down = False
    for x, y in zip(xs, ys, strict=True):
        if y is not None:
            parts.append(f"{'L' if down else 'M'}{number(x)},{number(y)}")
        down = y is not None
    return "".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file: uint8, (height, width) grey, (height, width, 2) grey and opacity, or (height, width, 3) colour.

    Source: ISO/IEC 15948:2004.
    """
    kind = {(): 0, (2,): 4, (3,): 2}.get(pixels.shape[2:])
    if pixels.dtype != np.uint8 or pixels.ndim < 2 or kind is None:
        raise ValueError(f"received {pixels.dtype} {pixels.shape}, expected uint8 (h, w), (h, w, 2) or (h, w, 3)")
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def data_uri(image: bytes) -> str:
    """``image`` (a PNG file) as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def mosaic(tiles: npt.NDArray[np.uint8], columns: int, gap: int = 1) -> npt.NDArray[np.uint8]:
    """Tiles side by side: uint8, (n, h, w) to (rows, width, 2) grey and opacity; gaps and missing tiles are clear."""
    n, h, w = tiles.shape
    lines = -(-n // columns)
    sheet = np.zeros((lines * (h + gap) - gap, columns * (w + gap) - gap, 2), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (h + gap), (i % columns) * (w + gap)
        sheet[top : top + h, left : left + w, 0] = tile
        sheet[top : top + h, left : left + w, 1] = 255
    return sheet
