"""Words, signs, numbers and dates of one language, as reports, dashboard and terminal use them."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo
from functools import cache
from typing import Any

from babel.core import Locale
from babel.dates import format_skeleton
from babel.numbers import format_decimal

from grader.messages import Catalogue, fill
from grader.model import CellOutcome, ExecutionOutcome, FlagKind, Outcome, Status, Text

SIGNS = {
    Outcome.PASSED: "✓",
    Outcome.PARTIAL: "◐",
    Outcome.FAILED: "✕",
    Outcome.BLOCKED: "–",
    Outcome.ERRORED: "!",
    Outcome.NEEDS_REVIEW: "…",
}
OUTCOME_WORDS = {
    Outcome.PASSED: Text("passed"),
    Outcome.PARTIAL: Text("in part"),
    Outcome.FAILED: Text("not met"),
    Outcome.BLOCKED: Text("cannot be judged"),
    Outcome.ERRORED: Text("grader's fault"),
    Outcome.NEEDS_REVIEW: Text("waiting for staff"),
}
# The look of a cell's outcome is that of the nearest check outcome, so that one set of colours serves.
CELL_LOOK = {
    CellOutcome.OK: (Outcome.PASSED, Text("ran")),
    CellOutcome.ERROR: (Outcome.FAILED, Text("stopped with an error")),
    CellOutcome.TIMEOUT: (Outcome.FAILED, Text("ran out of time")),
    CellOutcome.NOT_RUN: (Outcome.BLOCKED, Text("not run")),
    CellOutcome.EMPTY: (Outcome.BLOCKED, Text("empty cell")),
}
EXECUTION_WORDS = {
    ExecutionOutcome.OK: Text("ran to the end"),
    ExecutionOutcome.CELL_ERROR: Text("a cell stopped with an error"),
    ExecutionOutcome.TIMEOUT: Text("ran out of time"),
    ExecutionOutcome.MEMORY: Text("ran out of memory"),
    ExecutionOutcome.KERNEL_DIED: Text("the kernel died"),
    ExecutionOutcome.UNREADABLE: Text("the file cannot be read"),
    ExecutionOutcome.BUDGET: Text("trainings were shortened"),
}
STATUS_WORDS = {
    Status.GRADED: Text("graded"),
    Status.NEEDS_REVIEW: Text("waiting for staff"),
    Status.NOT_GRADABLE: Text("could not be graded"),
}
FLAG_WORDS = {
    FlagKind.TRAINED_ON_TEST_DATA: Text("trained on test data"),
    FlagKind.CLAIM_DIFFERS: Text("claim differs from measurement"),
    FlagKind.TAMPERING: Text("touched the recorder"),
    FlagKind.STALE_OUTPUTS: Text("saved outputs do not fit the code"),
    FlagKind.COMPATIBILITY: Text("old idiom accepted"),
    FlagKind.SIMILAR: Text("similar to another submission"),
}

# What rubrics measure most often, by the key under which their checks report it.
FACT_WORDS = {
    "bpnn_accuracy": Text("accuracy without convolution"),
    "cells": Text("code cells"),
    "characters": Text("characters written"),
    "cnn_accuracy": Text("accuracy with convolution"),
    "drop": Text("drop on the held-out images"),
    "epochs": Text("epochs"),
    "error": Text("error"),
    "first": Text("first cell that stopped"),
    "held_out_accuracy": Text("held-out accuracy"),
    "one_in": Text("right answers for one as far off"),
    "quoted": Text("accuracy quoted"),
    "ran": Text("cells that ran"),
    "reference_max": Text("highest right answer"),
    "reference_min": Text("lowest right answer"),
    "rows": Text("training examples"),
    "seen": Text("layers found"),
    "share": Text("share of test data"),
    "test_accuracy": Text("test accuracy"),
    "threshold": Text("line to pass"),
    "tries": Text("runs under other seeds"),
    "wanted": Text("characters needed"),
    "wanted_rows": Text("training examples asked for"),
    "where": Text("found in"),
}


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


class Words:
    """Everything that is said in one language.

    :param timezone: of the dates shown; ``None`` is the machine's own.
    """

    def __init__(self, catalogue: Catalogue, timezone: tzinfo | None = None) -> None:
        self.catalogue = catalogue
        self.language = catalogue.language
        self._timezone = timezone
        self._locale = _locale(self.language)

    def say(self, message: str, **params: Any) -> str:
        """The program's sentence ``message`` with its placeholders filled."""
        return fill(self.catalogue.gettext(message), params)

    def render(self, text: Text | None) -> str:
        """The sentence of a :class:`Text`."""
        return self.catalogue.render(text)

    def outcome(self, outcome: Outcome) -> str:
        """The word that goes with an outcome's sign and colour."""
        return self.render(OUTCOME_WORDS[outcome])

    def points(self, value: float | None) -> str:
        """``17.5``, ``5.0``, ``17.25``; a dash where there are none yet."""
        if value is None or not math.isfinite(value):
            return "–"
        text = f"{value:.2f}"
        return text[:-1] if text.endswith("0") else text

    def total(self, value: float) -> str:
        """A maximum: ``25``, ``2.5``."""
        return f"{value:.2f}".rstrip("0").rstrip(".")

    def count(self, value: int) -> str:
        """``10,000`` with the language's separator."""
        return str(format_decimal(value, locale=self._locale))

    def share(self, value: float) -> str:
        """An accuracy or another share: three decimals."""
        return f"{value:.3f}"

    def percent(self, value: float) -> str:
        """``84%``, without decimals."""
        return f"{value:.0%}"

    def duration(self, seconds: float | None) -> str:
        """``0.57 s``, ``8.1 s``, ``1 min 52 s``; empty where it is not known."""
        if seconds is None or not math.isfinite(seconds) or seconds < 0:
            return ""
        if seconds < 59.95:
            digits = 2 if seconds < 1 else 1
            return self.say("{seconds} s", seconds=f"{seconds:.{digits}f}")
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60 and not rest:
            return self.say("{minutes} min", minutes=minutes)
        if minutes < 60:
            return self.say("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
        return self.say("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)

    def date(self, iso: str | None) -> str:
        """``11月21日 10:02`` from ISO 8601 (UTC where it has no offset); empty for ``None`` or what is no date."""
        moment = self._moment(iso)
        if moment is None:
            return ""
        return " ".join(format_skeleton(part, moment, locale=self._locale) for part in ("MMMd", "Hm"))

    def full_date(self, iso: str | None) -> str:
        """The same with year and offset: ``2026-11-21T10:02:00+09:00``."""
        moment = self._moment(iso)
        return "" if moment is None else moment.isoformat(timespec="seconds")

    def _moment(self, iso: str | None) -> datetime | None:
        try:
            moment = datetime.fromisoformat((iso or "").replace("Z", "+00:00"))
            if moment.tzinfo is None:
                moment = datetime.fromisoformat(f"{moment.isoformat()}+00:00")
            return moment.astimezone(self._timezone)
        except (ValueError, OverflowError):  # the last day of year 9999 has no next morning
            return None
