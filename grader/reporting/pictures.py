"""Pictures made of pixels and counts: filters, confusion matrix, wrongly recognised images. Pure functions to SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from grader.reporting.svg import build, data_uri, join, mosaic, png, scaled
from grader.reporting.words import Words

FILTERS_SHOWN = 64
FILTER_COLUMNS = 8
DIGIT_COLUMNS = 5


def filters(
    words: Words, before: npt.NDArray[np.generic], after: npt.NDArray[np.generic]
) -> tuple[Markup, Markup, float] | None:
    """A layer's kernels before and after training on one grey scale, and the value that is white (minus it is black).

    :param before, after: numbers, (kernel height, kernel width, input channels, filters); channels are averaged.
    :returns: ``None`` where the shapes differ or nothing is finite.
    """
    if before.shape != after.shape or before.ndim != 4 or min(before.shape) == 0:
        return None
    pair = [np.asarray(k, np.float64).mean(axis=2)[:, :, :FILTERS_SHOWN].transpose(2, 0, 1) for k in (before, after)]
    if not all(np.isfinite(k).all() for k in pair):
        return None
    limit = max(float(np.abs(k).max()) for k in pair) or 1.0
    shape = f"{before.shape[0]}×{before.shape[1]}"
    spreads = [words.share(float(k.std())) for k in pair]
    same = bool(np.array_equal(before, after))
    n_filters = before.shape[3]
    labels = (
        words.say("{n} filters of {shape} before training, spread {sd}", n=n_filters, shape=shape, sd=spreads[0]),
        words.say("{n} filters of {shape} after training, unchanged", n=n_filters, shape=shape)
        if same
        else words.say("{n} filters of {shape} after training, spread {sd}", n=n_filters, shape=shape, sd=spreads[1]),
    )
    grey = [np.rint((k / limit + 1) * 127.5).astype(np.uint8) for k in pair]
    return _tiles(labels[0], grey[0]), _tiles(labels[1], grey[1]), limit


def _tiles(label: str, tiles: npt.NDArray[np.uint8], columns: int = FILTER_COLUMNS) -> Markup:
    sheet = mosaic(tiles, columns)
    height, width = sheet.shape[:2]
    image = build('<image class="pixels" href="{}" width="{}" height="{}"/>', data_uri(png(sheet)), width, height)
    return scaled(label, image, width, height)


def confusion_counts(
    truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], n_classes: int
) -> npt.NDArray[np.int64]:
    """Counts, int64, (n_classes, n_classes): rows are true classes; predictions outside the classes are left out."""
    ok = (predicted >= 0) & (predicted < n_classes) & (truth >= 0) & (truth < n_classes)
    flat = truth[ok].astype(np.int64) * n_classes + predicted[ok].astype(np.int64)
    return np.bincount(flat, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def confusion(words: Words, counts: npt.NDArray[np.int64]) -> Markup:
    """A confusion matrix: right ones on the diagonal, mistakes the darker the more of their row they are."""
    n, size, left, top = len(counts), 30, 26, 26
    rows = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    levels = np.ceil(np.minimum(counts / rows * 40, 4)).astype(int)
    squares: dict[str, list[str]] = {}
    texts = []
    for i in range(n):
        for j in range(n):
            css = "right" if i == j else f"wrong{levels[i, j]}"
            if i == j or counts[i, j]:
                squares.setdefault(css, []).append(f"M{left + j * size},{top + i * size}h29v29h-29z")
                ink = "on" if i == j or levels[i, j] > 2 else ""
                x, y = left + j * size + 14.5, top + i * size + 19
                texts.append(f'<text class="{ink}" x="{x}" y="{y}">{counts[i, j]:d}</text>')
    marks = [f'<path class="{css}" d="{"".join(d)}"/>' for css, d in squares.items()]
    ticks = [f'<text class="tick" x="{left + i * size + 14.5}" y="18">{i}</text>' for i in range(n)]
    ticks += [f'<text class="tick" x="12" y="{top + i * size + 19}">{i}</text>' for i in range(n)]
    # Numbers and words of this function alone; ``build``, which escapes, would take ten times as long.
    body = Markup("".join([*marks, *ticks, *texts]))  # noqa: S704
    return scaled(_confusion_finding(words, counts), body, left + n * size, top + n * size, "picture matrix")


def _confusion_finding(words: Words, counts: npt.NDArray[np.int64]) -> str:
    right, total = int(np.trace(counts)), int(counts.sum())
    finding = words.say("{right} of {total} images recognised", right=words.count(right), total=words.count(total))
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return finding
    i, j = (int(k) for k in np.unravel_index(int(wrong.argmax()), wrong.shape))
    most = words.say("most often {true} was taken for {predicted} ({n} times)", true=i, predicted=j, n=int(wrong[i, j]))
    return f"{finding} · {most}"


def pick_mistakes(
    truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], limit: int = 15
) -> npt.NDArray[np.intp]:
    """Indices of up to ``limit`` wrong answers: the first example of each confusion, the most frequent ones first."""
    wrong = np.flatnonzero(truth != predicted)
    groups: dict[tuple[int, int], list[int]] = {}
    for i, pair in zip(wrong.tolist(), zip(truth[wrong].tolist(), predicted[wrong].tolist(), strict=True), strict=True):
        groups.setdefault(pair, []).append(i)
    order = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    depth = max((len(members) for members in groups.values()), default=0)
    picked = (members[d] for d in range(depth) for _, members in order if d < len(members))
    return np.asarray(list(islice(picked, limit)), np.intp)


def mistakes(words: Words, images: npt.NDArray[np.uint8], pairs: Sequence[tuple[int, int]]) -> Markup:
    """Wrongly recognised images with ``true → predicted`` below each.

    :param images: uint8, (n, height, width) or, in colour, (n, height, width, 3).
    :param pairs: n pairs of true and predicted class.
    """
    step, label_height = 60, 22
    columns = min(DIGIT_COLUMNS, len(pairs))
    parts = []
    for k, (tile, (true, predicted)) in enumerate(zip(images, pairs, strict=True)):
        x, y = (k % columns) * step, (k // columns) * (step + label_height)
        href = data_uri(png(np.ascontiguousarray(tile)))
        parts.append(build('<image class="pixels" href="{}" x="{}" y="{}" width="54" height="54"/>', href, x, y))
        parts.append(build('<text x="{}" y="{}">{} → {}</text>', x + 27, y + 69, true, predicted))
    listed = ", ".join(f"{true} → {predicted}" for true, predicted in pairs)
    lines = -(-len(pairs) // columns)
    label = words.say("Wrongly recognised, true → predicted: {pairs}", pairs=listed)
    return scaled(label, join(parts), columns * step - 6, lines * (step + label_height) - 6, "picture digits")
