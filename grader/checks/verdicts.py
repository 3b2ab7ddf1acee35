"""How a check speaks: each verdict ends the check at once.

::

    def test_trained(say, fits):
        if not fits:
            say.failed("no-training")                   # rubric text "<criterion>/no-training"
        say.passed("trained", epochs=fits[-1].epochs_run)

A hint is the rubric text ``<criterion>/<key>.hint``, if there is one. A key that contains a ``/`` is taken as it is,
and a whole :class:`grader.model.Text` may stand in a key's place. A check that returns has passed (key ``passed``); a
plain ``assert condition, "message"`` in the rubric's own file fails with that message.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from grader.model import Flag, FlagKind, Outcome, Text

_Failed: Any = pytest.fail.Exception


class Verdict(_Failed):  # type: ignore[misc]
    """Ends a check with an outcome.

    One of pytest's own: they are no ``Exception``, so that a rubric's ``except Exception`` does not eat one, and a
    fixture may raise one.
    """

    def __init__(
        self,
        outcome: Outcome,
        credit: float | None,
        key: str | Text,
        measured: Mapping[str, Any],
        *,
        cell: int | None = None,
        hint: Text | None = None,
        retrain: bool = False,
    ) -> None:
        super().__init__(f"{outcome.value}: {key}", pytrace=False)
        self.outcome = outcome
        self.credit = credit
        self.key = key
        self.measured = {name: plain(value) for name, value in measured.items()}
        self.cell = cell
        self.hint = hint
        self.retrain = retrain


def plain(value: Any) -> Any:
    """``value`` as plain JSON: numpy scalars unwrapped, NaN and infinity ``None``, floats to six digits."""
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in (sorted(value, key=repr) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if isinstance(value, int) else str(value)


@dataclass
class Say:
    """The fixture ``say``: verdicts, and flags for a person to look at.

    :ivar criterion: id of the criterion of the running check; flags' keys belong to it too.
    """

    criterion: str
    flags: list[Flag] = field(default_factory=list)

    def passed(self, key: str | Text = "passed", *, cell: int | None = None, **measured: Any) -> NoReturn:
        """All that was asked for is there."""
        raise Verdict(Outcome.PASSED, 1.0, key, measured, cell=cell)

    def partial(self, credit: float, key: str | Text, *, cell: int | None = None, **measured: Any) -> NoReturn:
        """Some of it is there: ``credit`` of 1. Credit 0 becomes *failed*, credit 1 *passed*."""
        credit = min(1.0, max(0.0, float(credit)))
        outcome = Outcome.FAILED if credit == 0 else Outcome.PASSED if credit == 1 else Outcome.PARTIAL
        raise Verdict(outcome, credit, key, measured, cell=cell)

    def failed(self, key: str | Text, *, cell: int | None = None, **measured: Any) -> NoReturn:
        """It was looked at, and it is not right."""
        raise Verdict(Outcome.FAILED, 0.0, key, measured, cell=cell)

    def blocked(self, key: str | Text, *, cell: int | None = None, **measured: Any) -> NoReturn:
        """What this check needs is missing; the text names it."""
        raise Verdict(Outcome.BLOCKED, 0.0, key, measured, cell=cell)

    def needs_review(self, key: str | Text, *, cell: int | None = None, **measured: Any) -> NoReturn:
        """A person decides."""
        raise Verdict(Outcome.NEEDS_REVIEW, None, key, measured, cell=cell)

    def retrain(self, key: str | Text, *, cell: int | None = None, **measured: Any) -> NoReturn:
        """A value is too near its threshold: run the notebook again under further seeds, then check again.

        Where that cannot be, a person decides.
        """
        raise Verdict(Outcome.NEEDS_REVIEW, None, key, measured, cell=cell, retrain=True)

    def flag(self, kind: FlagKind, key: str, **params: Any) -> None:
        """Asks a person to look at something; does not end the check and takes no points."""
        flag = Flag(kind, Text(qualified(self.criterion, key), {n: plain(v) for n, v in params.items()}))
        if flag not in self.flags:
            self.flags.append(flag)


def qualified(criterion: str, key: str) -> str:
    """``criterion/key``; a key with a ``/`` in it is whole already."""
    return key if "/" in key else f"{criterion}/{key}"
