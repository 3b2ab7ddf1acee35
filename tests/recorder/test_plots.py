"""Plots over all epochs that were asked for, where fewer were run."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import axes
from matplotlib.figure import Figure

from grader.recorder.plots import shorten_plots

matplotlib.use("agg")


@pytest.fixture
def drawing():
    """An axes of a class that is patched for these tests alone; ten epochs were asked for, two were run."""
    cut = {(10, 2)}
    own = type("Own", (axes.Axes,), {})
    shorten_plots(SimpleNamespace(Axes=own), cut)
    figure = Figure()
    return figure.add_axes(own(figure, (0, 0, 1, 1))), cut


@pytest.mark.parametrize("x", [range(10), list(range(10)), np.arange(1, 11)], ids=["range", "list", "array"])
def test_epochs_that_were_not_run_are_left_out_of_the_plot(drawing, x):
    ax, _ = drawing
    first, second = ax.plot(x, [0.1, 0.2], "bo", x, np.array([0.3, 0.4]), "r")
    assert list(first.get_xdata()) == list(x[:2])
    assert list(second.get_ydata()) == [0.3, 0.4]
    assert len(ax.scatter(x, [0.1, 0.2]).get_offsets()) == 2
    assert len(ax.bar(x, [0.1, 0.2])) == 2


def test_any_other_difference_of_lengths_is_the_notebooks_own_mistake(drawing):
    ax, cut = drawing
    with pytest.raises(ValueError, match="same first dimension"):
        ax.plot(range(9), [0.1, 0.2])
    with pytest.raises(ValueError, match="same first dimension"):
        ax.plot([0.1, 0.2], range(10))
    cut.clear()
    with pytest.raises(ValueError, match="same first dimension"):
        ax.plot(range(10), [0.1, 0.2])


def test_other_plots_are_as_they_were(drawing):
    ax, _ = drawing
    (line,) = ax.plot([1, 2, 3])
    assert list(line.get_ydata()) == [1, 2, 3]
    (line,) = ax.plot(range(10), range(10), label="all")
    assert len(line.get_xdata()) == 10
    assert line.get_label() == "all"
    ax.plot(1.0, 2.0, "o")
    ax.fill_between(range(3), 0.0, 1.0)
    ax.plot("first", "second", data={"first": [1, 2], "second": [3, 4]})
