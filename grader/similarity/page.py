"""The page of pairs, side by side, with what matched marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from grader.pipeline.context import Context
from grader.pipeline.publish import report_paths
from grader.pipeline.similar import KINDS, Found
from grader.reporting.context import localised_title, render_page
from grader.similarity.prints import Hashes, words_of

if TYPE_CHECKING:
    from grader.similarity.find import Compared, Match
    from grader.similarity.work import Work

SHOWN_IN_FULL = 60
"""Pairs with their cells; of the others the page says that they are alike."""
_SENTENCES_SHOWN = 12
_CELLS_SHOWN = 12
_CHARACTERS_SHOWN = 6_000

Part = tuple[str, bool]
"""A piece of text, and whether it matched."""


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell. ``number`` counts from 1."""

    number: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class SideView:
    """One side of a pair. ``href``: the staff's report of it, from where this page lies."""

    who: str
    href: str
    cells: tuple[CellView, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairView:
    """One pair: what matched in words, and both sides; ``has_body``: there is something to show."""

    facts: tuple[str, ...]
    sides: tuple[SideView, SideView]
    has_body: bool


def pairs_page(context: Context, compared: Compared, found: Found) -> str:
    """The page as HTML."""
    view = context.report_context(context.language_of(None))
    words = view.words
    pairs = [_pair(context, compared, match, full=n < SHOWN_IN_FULL) for n, match in enumerate(compared.matches)]
    return render_page(
        view,
        "similar.html.jinja",
        title=localised_title(context.assignment.title, words.language),
        dashboard=quote(f"{context.assignment.id}.html"),
        n=found.n,
        at=found.at,
        pairs=pairs,
    )


def _pair(context: Context, compared: Compared, match: Match, *, full: bool) -> PairView:
    one = _side(context, compared, match, match.one, full)
    other = _side(context, compared, match, match.other, full)
    return PairView(_facts(context, match), (one, other), bool(one.cells or one.sentences or other.cells))


def _facts(context: Context, match: Match) -> tuple[str, ...]:
    words = context.report_context(context.language_of(None)).words
    said = []
    for kind in match.kinds:
        shared = match.shared[kind]
        if kind == "code":
            said.append(
                words.say("code: {percent} of what only few have", percent=words.percent(min(1.0, shared.share)))
            )
        elif kind == "words":
            percent = words.percent(min(1.0, shared.share))
            said.append(words.say("written answers: {percent} of what only few have", percent=percent))
        elif kind == "weights":
            said.append(words.say("trainings with the very same weights: {n}", n=shared.n))
        else:
            said.append(words.render(KINDS[kind]))
    return tuple(said)


def _side(context: Context, compared: Compared, match: Match, place: int, full: bool) -> SideView:
    stored, work = compared.submissions[place], compared.works[place]
    page = report_paths(context.workspace, stored.result)[1]
    side = SideView(compared.side(place).who, quote(f"{context.assignment.id}/{page.name}"))
    if not full:
        return side
    code = compared.indexes["code"].common_to(match.one, match.other) if "code" in match.shared else None
    texts = compared.indexes["words"].common_to(match.one, match.other) if "words" in match.shared else None
    return SideView(
        side.who,
        side.href,
        _cells(work, code) if code is not None else (),
        _sentences(work.sentences, texts) if texts is not None else (),
    )


def _cells(work: Work, wanted: Hashes) -> tuple[CellView, ...]:
    views: list[CellView] = []
    left = _CHARACTERS_SHOWN
    for cell in work.cells:
        marked = cell.matched(wanted)
        if marked and left > 0 and len(views) < _CELLS_SHOWN:
            source = cell.source[: left + 1]
            views.append(CellView(cell.index + 1, tuple(_parts(source, marked))))
            left -= len(source)
    return tuple(views)


def _parts(source: str, marked: Sequence[tuple[int, int]]) -> list[Part]:
    parts: list[Part] = []
    at = 0
    for start, end in marked:
        start, end = max(start, at), min(end, len(source))
        if start < end:
            parts += [(source[at:start], False), (source[start:end], True)]
            at = end
    return [part for part in (*parts, (source[at:], False)) if part[0]]


def _sentences(texts: Sequence[str], wanted: Hashes) -> tuple[str, ...]:
    """Sentences of which a run of letters matched."""
    found = [text for text in dict.fromkeys(texts) if np.isin(words_of([text]), wanted).any()]
    return tuple(text[:400] for text in found[:_SENTENCES_SHOWN])
