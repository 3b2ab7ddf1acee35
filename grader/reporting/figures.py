"""Charts: pure functions from numbers to SVG. Each says its finding as its text alternative."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grader.reporting.svg import build, fluid, join, label_at, line_path, number, text_width_px, touch
from grader.reporting.words import Words

POINTS_ON_A_CURVE = 240
PLOT_PX = 150
LABEL_PX = 16

Series = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Scale:
    """A measured value and what it is compared with, all in the same unit.

    :ivar value: the student's. :ivar threshold: the line to pass, or ``None``. :ivar low, high: range of the reference.
    :ivar tries: values of single runs, of which ``value`` is the median; empty where there was one run.
    :ivar decided: whether the value was judged.
    """

    value: float
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    at_least: bool = True
    tries: tuple[float, ...] = ()
    decided: bool = True

    @property
    def passed(self) -> bool | None:
        """On the right side of the line; ``None`` where there is no line, or nobody has decided yet."""
        if self.threshold is None or not self.decided:
            return None
        return self.value >= self.threshold if self.at_least else self.value <= self.threshold


def score_bar(words: Words, points: float, pending: float, max_points: float) -> Markup:
    """Got, open and lost points on one bar."""
    lost = max(0.0, max_points - points - pending)
    label = words.say(
        "{got} points earned, {open} still open, {lost} lost",
        got=words.total(points),
        open=words.total(pending),
        lost=words.total(lost),
    )
    parts, at = [], 0.0
    for css, value in (("got", points), ("open", pending), ("lost", lost)):
        share = value / max_points if max_points else 0.0
        if share > 0:
            parts.append(build('<rect class="{}" x="{:.2%}" width="{:.2%}" height="10"/>', css, at, share))
        at += share
    return fluid(label, join(parts), 10, "bar")


def strip(words: Words, scale: Scale) -> Markup:
    """One value on its scale: the student's dot, the line to pass, the range of the reference."""
    known = [v for v in (scale.value, scale.threshold, scale.low, scale.high, *scale.tries) if v is not None]
    span = max(max(known) - min(known), 0.02)
    start, width = min(known) - 0.25 * span, 1.5 * span
    at = {name: (value - start) / width for name, value in _scale_values(scale).items()}
    you = words.say("your model {value}", value=words.share(scale.value))
    if scale.tries:
        you = words.say("median of {n} runs {value}", n=len(scale.tries), value=words.share(scale.value))
    sign = {True: " ✓", False: " ✕", None: ""}[scale.passed]
    below: list[tuple[float, str]] = []
    marks = [build('<line class="grid" x1="0" x2="100%" y1="34" y2="34"/>')]
    if scale.threshold is not None:
        below.append((at["threshold"], words.say("line to pass {value}", value=words.share(scale.threshold))))
        marks.append(build('<line class="thr" x1="{0:.1%}" x2="{0:.1%}" y1="20" y2="50"/>', at["threshold"]))
    if scale.low is not None and scale.high is not None:
        text = words.say("range of right answers {low} to {high}", low=f"{scale.low:.3f}", high=f"{scale.high:.3f}")
        below.append(((at["low"] + at["high"]) / 2, text))
        box = '<rect class="ref" x="{:.1%}" width="{:.1%}" y="25" height="18" rx="4"/>'
        marks.insert(0, build(box, at["low"], at["high"] - at["low"]))
    dot = '<circle class="try" cx="{:.1%}" cy="34" r="4"/>'
    marks += [build(dot, (value - start) / width) for value in scale.tries if value != scale.value]
    css = "you no" if scale.passed is False else "you" if scale.decided else "you open"
    marks.append(build('<circle class="{}" cx="{:.1%}" cy="34" r="7"/>', css, at["value"]))
    marks.append(label_at(at["value"], 13, you + sign, "strong"))
    rows = [67, 85 if touch(below) else 67]
    marks += [label_at(share, y, text) for y, (share, text) in zip(rows, below, strict=False)]
    label = " · ".join([you, *(text for _, text in below)])
    return fluid(label, join(marks), rows[len(below) - 1] + 7 if below else 52, "plot strip")


def _scale_values(scale: Scale) -> dict[str, float]:
    pairs = {"value": scale.value, "threshold": scale.threshold, "low": scale.low, "high": scale.high}
    return {name: value for name, value in pairs.items() if value is not None}


def curve(words: Words, title: str, train: Series, validation: Series | None, is_share: bool) -> Markup:
    """A learning curve over epochs, each line labelled at its end; empty where nothing is finite.

    :param is_share: the values are shares (0 to 1), else losses (from 0 up).
    """
    lines = [("l1", words.say("training"), train)]
    if validation is not None:
        lines.append(("l2", words.say("validation"), validation))
    lines = [line for line in lines if any(v is not None for v in line[2])]
    if not lines:
        return Markup("")
    low, high = _range([v for _, _, series in lines for v in series if v is not None], is_share)
    ends = [(css, f"{name} {_last(series):.3f}", _last(series)) for css, name, series in lines]
    ticks = [low, (low + high) / 2, high]
    left = int(max(text_width_px(f"{t:g}") for t in ticks)) + 11
    right = int(max(text_width_px(text) for _, text, _ in ends)) + 10

    def y_px(value: float) -> float:
        return PLOT_PX * (1 - (value - low) / (high - low))

    tick = '<text x="-8" y="{}" text-anchor="end">{:g}</text>'
    body = [build(tick, number(y_px(t) + 16), t) for t in ticks]
    body.append(_lines(lines, ticks, y_px))
    body += _end_labels(ends, y_px)
    x_axis = '<text x="0" y="184">1</text><text x="100%" y="184" text-anchor="end">{}</text>'
    body.append(build(x_axis, words.say("{n} epochs", n=len(train))))
    finding = [words.say("{line} ends at {value}", line=n, value=f"{_last(s):.3f}") for _, n, s in lines]
    return fluid(f"{title}: {' · '.join(finding)}", join(body), 190, margins=(left, right))


def _last(series: Series) -> float:
    return next(v for v in reversed(series) if v is not None)


def _range(values: Sequence[float], is_share: bool) -> tuple[float, float]:
    """Round limits of an axis that hold all values."""
    if is_share and min(values) >= 0 and max(values) <= 1:
        return next(step for step in (0.9, 0.8, 0.5, 0.0) if min(values) >= step), 1.0
    top = max(*values, 1e-6)
    power = 10.0 ** math.floor(math.log10(top))
    return min(0.0, *values), next(m * power for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 20) if m * power >= top)


def _lines(lines: Sequence[tuple[str, str, Series]], ticks: Sequence[float], y_px: Callable[[float], float]) -> Markup:
    """Grid and lines in a nested SVG that stretches to the width; strokes keep theirs."""
    grid = '<line class="grid" x1="0" x2="1000" y1="{0}" y2="{0}"/>'
    parts = [build(grid, number(y_px(t))) for t in ticks]
    for css, _, series in lines:
        step = -(-len(series) // POINTS_ON_A_CURVE)
        kept = sorted({*range(0, len(series), step), len(series) - 1})
        scale = 1000 / max(1, len(series) - 1)
        ys = [None if (v := series[i]) is None else y_px(v) for i in kept]
        parts.append(build('<path class="{}" d="{}"/>', css, line_path([i * scale for i in kept], ys)))
    return build(
        '<svg y="12" width="100%" height="{}" viewBox="0 0 1000 {}" preserveAspectRatio="none" overflow="visible">'
        "{}</svg>",
        *(PLOT_PX, PLOT_PX, join(parts)),
    )


def _end_labels(ends: Sequence[tuple[str, str, float]], y_px: Callable[[float], float]) -> list[Markup]:
    """One text per line at its end, moved apart where they would touch."""
    at = sorted(((y_px(value) + 16, css, text) for css, text, value in ends), key=lambda item: item[0])
    ys = [y for y, _, _ in at]
    if len(ys) == 2 and ys[1] - ys[0] < LABEL_PX:
        middle = min(max(sum(ys) / 2, 10 + LABEL_PX / 2), PLOT_PX + 16 - LABEL_PX / 2)
        ys = [middle - LABEL_PX / 2, middle + LABEL_PX / 2]
    text = '<text class="t-{}" x="100%" dx="6" y="{}">{}</text>'
    return [build(text, css, number(y), t) for y, (_, css, t) in zip(ys, at, strict=True)]


def outcome_bar(title: str, shares: Mapping[str, tuple[str, int]], total: int) -> Markup:
    """How many have each outcome, as one bar. ``shares``: css class to word and count, in order of drawing."""
    label = f"{title}: " + " · ".join(f"{word} {n}" for word, n in shares.values() if n)
    parts, at = [], 0.0
    for css, (word, n) in shares.items():
        share = n / total if total else 0.0
        if not share:
            continue
        rect = '<rect class="{}" x="{:.2%}" width="{:.2%}" height="22"><title>{} {}</title></rect>'
        parts.append(build(rect, css, at, share, word, n))
        if share > 0.055:
            parts.append(build('<text class="on {}" x="{:.2%}" y="15.5">{}</text>', css, at + share / 2, n))
        at += share
    return fluid(label, join(parts), 22, "hbar")


def histogram(words: Words, final: Sequence[int], pending: Sequence[int], max_points: float) -> Markup:
    """Scores in equal bins: final ones solid, those with points still open hatched on top.

    :param final, pending: number of scores in each bin.
    """
    highest = max((a + b for a, b in zip(final, pending, strict=True)), default=0) or 1
    n, height, top = len(final), 130.0, 18.0
    parts = []
    for i, (done, open_) in enumerate(zip(final, pending, strict=True)):
        x, width = i / n + 0.006, 1 / n - 0.012
        tall = [height * v / highest for v in (done, open_)]
        y = top + height - tall[0]
        rect = '<rect class="{}" x="{:.2%}" width="{:.2%}" y="{}" height="{}"/>'
        if done:
            parts.append(build(rect, "solid", x, width, number(y), number(tall[0])))
        if open_:
            parts.append(build(rect, "open", x, width, number(y - tall[1]), number(tall[1])))
        if done + open_:
            text = '<text x="{:.2%}" y="{}" text-anchor="middle">{}</text>'
            parts.append(build(text, x + width / 2, number(y - tall[1] - 5), done + open_))
    base = top + height
    parts.append(build('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>', base))
    parts.append(build('<text x="0" y="{}">0</text>', base + 18))
    end = words.say("{n} points", n=words.total(max_points))
    parts.append(build('<text x="100%" y="{}" text-anchor="end">{}</text>', base + 18, end))
    finding = words.say(
        "Distribution of {n} scores, {open} of them with points still open",
        n=sum(final) + sum(pending),
        open=sum(pending),
    )
    return fluid(finding, join(parts), int(base + 24))
