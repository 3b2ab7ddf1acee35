"""The colours can be read: contrast of at least 4.5 to 1, light and dark (WCAG 2.2, success criterion 1.4.3)."""

import re
from pathlib import Path

import pytest

STYLE = (Path(__file__).resolve().parents[2] / "reports" / "style.css").read_text("utf-8")
TEXT_ON = [
    *[(ink, ground) for ink in ("ink", "ink-2") for ground in ("paper", "wash")],
    *[("ink", wash) for wash in ("accent-wash", "ok-wash", "part-wash", "no-wash", "wait-wash")],
    ("ink-3", "paper"),
    ("accent", "paper"),
    ("accent", "wash"),
    ("accent", "accent-wash"),
    ("ok", "ok-wash"),
    ("part", "part-wash"),
    ("no", "no-wash"),
    ("wait", "wait-wash"),
    ("ok", "paper"),
    ("part", "paper"),
    ("no", "paper"),
    ("wait", "paper"),
    ("base", "paper"),
    ("second", "paper"),
    ("ink-2", "accent-wash"),
    ("paper", "ok"),
    ("paper", "part"),
    ("paper", "no"),
    ("paper", "ink-3"),
    ("paper", "wait"),
]


def tokens(dark):
    light, night = re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
    found = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})", light))
    return found | (dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})", night)) if dark else {})


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_ON)
def test_text_stands_out_from_what_it_is_on(ink, ground, dark):
    colours = tokens(dark)
    assert contrast(colours[ink], colours[ground]) >= 4.5


def test_contrast_of_black_on_white_is_21():
    assert contrast("#000", "#ffffff") == pytest.approx(21)


def test_dark_mode_replaces_every_colour():
    light, night = re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
    names = set(re.findall(r"--([a-z0-9-]+): #", light))
    assert names == set(re.findall(r"--([a-z0-9-]+): #", night))


def test_every_colour_used_is_a_token():
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", STYLE))
    defined = set(re.findall(r"--([a-z0-9-]+):", STYLE))
    assert used <= defined


def test_nothing_is_fetched():
    assert "@import" not in STYLE
    assert not re.search(r"url\((?!#)", STYLE)


def test_print_opens_what_is_folded():
    assert "::details-content" in STYLE.split("@media print", 1)[1]
