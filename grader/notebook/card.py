"""What the check says, as a small card in a notebook and as lines in a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from grader.messages import Catalogue
from grader.model import CriterionScore, Outcome, Text
from grader.notebook.judge import FRESH, Judged
from grader.plain import isolated
from grader.reporting import Audience
from grader.reporting.criteria import criterion_title, shown_criteria
from grader.reporting.words import FACT_WORDS, SIGNS, Words

HEADLINE = Text("Self-check of {assignment}: what has run in this kernel")
FRESH_HEADLINE = Text("Ready to hand in? {file}, run from top to bottom in a fresh kernel")
COUNTS = Text("{passed} of {all} public criteria passed")
ONLY_HERE = Text("Nothing was run again. Before you hand in, {command} runs the saved file in a fresh kernel.")
NO_GRADE = Text("Public criteria only. This is no grade.")
_SHARES = ("accuracy", "threshold", "share", "drop", "quoted", "reference")
_MEASURED_LIMIT = 6
_BORDER = "border:1px solid currentColor;border-radius:6px;padding:.4em 1em;margin:.4em 0;max-width:60em"
_HANGING = "margin:.4em 0;padding-left:1.5em;text-indent:-1.5em"  # below a sign all lines begin alike


@dataclass(frozen=True)
class Item:
    """One criterion. ``measured``: what was measured, in words; ``lines``: what is missing; ``hints``: what to try."""

    sign: str
    title: str
    outcome: str
    measured: str = ""
    lines: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """Headline, notes, good news, criteria, and what comes last. Everything is plain text and is escaped here."""

    language: str
    headline: str
    items: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    good: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [self.headline, *(f"! {note}" for note in self.notes), *(f"✓ {text}" for text in self.good)]
        for item in self.items:
            lines.append(f"{item.sign} {item.title}: {item.outcome}")
            lines += [f"    {text}" for text in (item.measured, *item.lines) if text]
            lines += [f"    → {text}" for text in item.hints]
        return isolated("\n".join([*lines, *self.last]))

    def _repr_html_(self) -> str:
        signed = [*(("⚠", note) for note in self.notes), *(("✓", text) for text in self.good)]
        notes = "".join(f"<p style='{_HANGING}'>{sign} {_safe(text)}</p>" for sign, text in signed)
        items = "".join(map(_item, self.items))
        last = f"<p style='margin:.4em 0'><small>{'<br>'.join(map(_safe, self.last))}</small></p>" if self.last else ""
        body = f"<ul style='list-style:none;padding:0;margin:0'>{items}</ul>" if items else ""
        return (
            f"<section lang='{escape(self.language)}' aria-label='{_safe(self.headline)}' style='{_BORDER}'>"
            f"<p style='margin:.4em 0'><strong>{_safe(self.headline)}</strong></p>{notes}{body}{last}</section>"
        )


def _safe(text: str) -> str:
    return escape(isolated(text))


def _item(item: Item) -> str:
    said = "".join(f"<br>{_safe(text)}" for text in (item.measured, *item.lines) if text)
    tries = "".join(f"<br>→ {_safe(text)}" for text in item.hints)
    head = f"<span aria-hidden='true'>{item.sign}</span> <strong>{_safe(item.title)}</strong>: {_safe(item.outcome)}"
    return f"<li style='{_HANGING}'>{head}{said}{tries}</li>"


def check_card(judged: Judged, only: Collection[str] = ()) -> Card:
    """The public criteria, or those of them that were asked for."""
    view = judged.context.report_context(judged.language)
    words = view.words
    shown = [c for c in shown_criteria(judged.result, Audience.CHECK) if not only or c.id in only]
    headline = words.render(Text(HEADLINE.id, {"assignment": judged.context.assignment.id}))
    last = [] if only else [words.render(counts(shown))]
    last += [words.render(Text(ONLY_HERE.id, {"command": FRESH})), words.render(NO_GRADE)]
    items = items_of(view, shown)
    return Card(judged.language, headline, items, tuple(map(words.render, judged.notes)), tuple(last))


def items_of(view: Any, shown: Iterable[CriterionScore]) -> tuple[Item, ...]:
    """Criteria as a student may see them."""
    return tuple(_criterion(view.words, criterion_title(view, line.id), line) for line in shown)


def counts(shown: Sequence[CriterionScore]) -> Text:
    """How many passed."""
    return Text(COUNTS.id, {"passed": sum(c.outcome is Outcome.PASSED for c in shown), "all": len(shown)})


def _criterion(words: Words, title: str, line: CriterionScore) -> Item:
    head = Item(SIGNS[line.outcome], title, words.outcome(line.outcome), _measured(words, line.measured))
    if line.outcome is Outcome.PASSED:
        return head
    said = [(line.message, line.hint), *((c.message, c.hint) for c in line.checks if c.outcome is not Outcome.PASSED)]
    lines = dict.fromkeys(text for message, _ in said if (text := words.render(message)))
    hints = dict.fromkeys(text for _, hint in said if (text := words.render(hint)))
    return Item(head.sign, head.title, head.outcome, head.measured, tuple(lines), tuple(hints))


def _measured(words: Words, measured: Mapping[str, Any]) -> str:
    """``test accuracy 0.882 · line to pass 0.861``: what has a word of its own and is one number or short text."""
    found = []
    for key, value in measured.items():
        if key in FACT_WORDS and (text := _value(words, key, value)):
            found.append(f"{words.render(FACT_WORDS[key])} {text}")
    return " · ".join(found[:_MEASURED_LIMIT])


def _value(words: Words, key: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float) and (any(part in key for part in _SHARES) or not value.is_integer()):
        return words.share(value)
    if isinstance(value, int | float):
        return words.count(int(value))
    return value[:120] if isinstance(value, str) else ""


def message_card(catalogue: Catalogue, *texts: Text) -> Card:
    """One friendly line, or a few."""
    first, *others = map(catalogue.render, texts)
    return Card(catalogue.language, first, last=tuple(others))
