"""Figures: geometry, findings and pixels."""

import re
import struct
import zlib

import numpy as np
import pytest

from grader.reporting import figures, pictures, svg
from grader.reporting.figures import Scale


@pytest.fixture(scope="module")
def words(factory):
    return factory.context("en").words


def decoded(png):
    """Pixels of a PNG that uses filter 0 only."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    size = struct.unpack(">I", png[33:37])[0]
    raw = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8)
    channels = {0: 1, 4: 2, 2: 3}[kind]
    rows = raw.reshape(height, 1 + width * channels)
    assert depth == 8
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, channels).squeeze()


def test_png_keeps_every_pixel():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (decoded(svg.png(pixels)) == pixels).all()


def test_png_keeps_colours():
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert (decoded(svg.png(pixels)) == pixels).all()


def test_png_refuses_what_is_no_image():
    with pytest.raises(ValueError, match="expected uint8"):
        svg.png(np.zeros((2, 2), np.float32))


def test_mosaic_leaves_clear_gaps():
    sheet = svg.mosaic(np.full((3, 2, 2), 9, np.uint8), 2)
    assert sheet.shape == (5, 5, 2)
    assert sheet[:, 2, 1].max() == 0
    assert sheet[3:, 3:, 1].max() == 0
    assert sheet[3, 0].tolist() == [9, 255]


def test_score_bar_shares_add_up(words):
    bar = figures.score_bar(words, 15, 5, 25)
    assert re.findall(r'class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', bar) == [
        ("got", "0.00", "60.00"),
        ("open", "60.00", "20.00"),
        ("lost", "80.00", "20.00"),
    ]
    assert "15 points earned, 5 still open, 5 lost" in bar


@pytest.mark.parametrize(("value", "css"), [(0.9, "you"), (0.7, "you no")])
def test_the_dot_shows_whether_the_line_is_passed(value, css, words):
    assert f'<circle class="{css}"' in figures.strip(words, Scale(value, 0.86, 0.87, 0.89))


def test_single_runs_are_marked_beside_their_median(words):
    strip = figures.strip(words, Scale(0.87, 0.86, 0.87, 0.89, tries=(0.85, 0.88, 0.87)))
    assert strip.count('class="try"') == 2
    assert "median of 3 runs 0.870 ✓" in strip


def test_a_value_that_nobody_has_decided_on_has_no_sign(words):
    strip = figures.strip(words, Scale(0.85, 0.86, 0.87, 0.89, decided=False))
    assert '<circle class="you open"' in strip
    assert "✕" not in strip
    assert "✓" not in strip


def test_an_upper_line_is_passed_from_below():
    assert Scale(0.1, 0.2, at_least=False).passed
    assert not Scale(0.3, 0.2, at_least=False).passed
    assert Scale(0.3).passed is None


@pytest.mark.parametrize("value", [0.0, 0.3, 0.861, 0.95, 1.0])
def test_marks_of_a_scale_stay_inside_it(value, words):
    strip = figures.strip(words, Scale(value, 0.861, 0.874, 0.892))
    shares = [float(v) for v in re.findall(r'(?:cx|x1|x)="([\d.-]+)%"', strip)]
    assert all(0 <= share <= 100 for share in shares)


def test_a_scale_of_one_value_alone_can_be_drawn(words):
    assert "your model 0.500" in figures.strip(words, Scale(0.5))


def test_curve_says_where_both_lines_end(words):
    made = figures.curve(words, "Accuracy", [0.5, 0.9], [0.4, 0.8], True)
    assert "Accuracy: training ends at 0.900 · validation ends at 0.800" in made


def test_labels_of_close_lines_are_moved_apart(words):
    made = figures.curve(words, "Loss", [1, 0.30], [1, 0.31], False)
    ys = sorted(float(y) for y in re.findall(r'class="t-l\d" x="100%" dx="6" y="([\d.]+)"', made))
    assert ys[1] - ys[0] >= 15.9


def test_gaps_lift_the_pen(words):
    made = figures.curve(words, "Loss", [1.0, None, 0.5], None, False)
    assert re.search(r'd="M0,[\d.]+M1000,[\d.]+"', made)


def test_nothing_finite_draws_nothing(words):
    assert figures.curve(words, "Loss", [None, None], [], False) == ""


def test_a_thousand_epochs_are_thinned_but_keep_the_last(words):
    made = figures.curve(words, "Loss", [1 / (i + 1) for i in range(1000)], None, False)
    path = re.search(r'class="l1" d="([^"]+)"', made)[1]
    assert path.count("L") <= figures.POINTS_ON_A_CURVE
    assert path.split("L")[-1].startswith("1000,")


@pytest.mark.parametrize("values", [[3.2], [-0.5, 1.0], [1e-9], [1e6, 2e6]])
def test_losses_of_any_size_fit_their_axis(values, words):
    made = figures.curve(words, "Loss", values, None, False)
    ys = [float(y) for y in re.findall(r"[ML][\d.]+,([\d.-]+)", made)]
    assert all(-0.1 <= y <= figures.PLOT_PX + 0.1 for y in ys)


def test_filters_share_one_grey_scale(words):
    before = np.zeros((2, 2, 1, 4), np.float32)
    after = before.copy()
    after[0, 0, 0, 0] = -0.5
    first, second, limit = pictures.filters(words, before, after)
    assert limit == 0.5
    assert "spread 0.000" in first
    assert "after training, spread" in second


def test_unchanged_filters_say_so(words):
    same = np.ones((3, 3, 3, 8), np.float32)
    assert "after training, unchanged" in pictures.filters(words, same, same)[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.zeros((2, 2, 1, 4)), np.zeros((2, 2, 1, 5))),
        (np.full((2, 2, 1, 4), np.nan), np.zeros((2, 2, 1, 4))),
        (np.zeros((2, 2)), np.zeros((2, 2))),
        (np.zeros((2, 2, 1, 0)), np.zeros((2, 2, 1, 0))),
    ],
)
def test_what_cannot_be_compared_is_left_out(before, after, words):
    assert pictures.filters(words, before, after) is None


def test_confusion_counts_rows_as_truth():
    counts = pictures.confusion_counts(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 7]), 2)
    assert counts.tolist() == [[1, 1], [0, 1]]


def test_confusion_names_the_commonest_mistake(words):
    counts = np.diag([5, 5, 5])
    counts[2, 0] = 3
    assert "15 of 18 images recognised · most often 2 was taken for 0 (3 times)" in pictures.confusion(words, counts)


def test_mistakes_show_each_confusion_before_repeating_one():
    truth, said = np.array([4, 4, 4, 7, 1]), np.array([9, 9, 9, 1, 1])
    assert pictures.pick_mistakes(truth, said, 3).tolist() == [0, 3, 1]


def test_outcome_bar_lists_counts(words):
    bar = figures.outcome_bar("Runs", {"passed": ("passed", 3), "failed": ("not met", 1)}, 4)
    assert 'aria-label="Runs: passed 3 · not met 1"' in bar
    assert 'width="75.00%"' in bar


def test_histogram_counts_all(words):
    made = figures.histogram(words, [0, 2], [1, 3], 25)
    assert "Distribution of 6 scores, 4 of them with points still open" in made


def test_text_in_a_figure_is_escaped():
    assert svg.label_at(0.5, 1, "<b>\u202e") == (
        '<text class="" x="50.0%" y="1" text-anchor="middle">&lt;b&gt;‹U+202E›</text>'
    )


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.66, 0.99, 1.0])
@pytest.mark.parametrize("text", ["a label", "верные решения: от 0.875 до 0.892", "見本の範囲 0.875〜0.892"])
def test_labels_are_never_cut(share, text):
    side, at = svg.place(share, text)
    width = svg.text_width_px(text) / svg.NARROWEST_PX
    left = at - {"start": 0, "middle": width / 2, "end": width}[side]
    assert left >= -1e-9
    assert left + width <= 1 + 1e-9


def test_labels_that_would_touch_are_told_apart():
    assert svg.touch([(0.5, "one label"), (0.55, "another")])
    assert not svg.touch([(0.1, "one"), (0.9, "another")])
    assert not svg.touch([(0.5, "alone")])
