"""Lets a plot over all epochs that were asked for work where the quick budget ran only the first of them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sized
from types import ModuleType
from typing import Any

_METHODS = ("plot", "scatter", "bar", "fill_between")


def shorten_plots(axes_module: ModuleType, cut: Collection[tuple[int, int]]) -> None:
    """Hook for ``matplotlib.axes._axes``.

    :param cut: (epochs asked for, epochs run) of each training cut short so far. Only an x of the first length beside a
        y of the second is cut; everything else reaches matplotlib as it was given.
    """
    for name in _METHODS:
        setattr(axes_module.Axes, name, _shortening(getattr(axes_module.Axes, name), cut))


def _shortening(original: Any, cut: Collection[tuple[int, int]]) -> Any:
    @functools.wraps(original)
    def method(axes: Any, *args: Any, **kwargs: Any) -> Any:
        if cut:
            args = tuple(
                _shortened(value, following, cut) for value, following in zip(args, (*args[1:], None), strict=True)
            )
        return original(axes, *args, **kwargs)

    return method


def _shortened(x: Any, y: Any, cut: Collection[tuple[int, int]]) -> Any:
    if isinstance(x, str) or isinstance(y, str) or not isinstance(x, Sized) or not isinstance(y, Sized):
        return x
    try:
        return x[: len(y)] if (len(x), len(y)) in cut else x  # type: ignore[index]
    except TypeError:  # no length after all (a scalar array), or nothing that can be cut
        return x
