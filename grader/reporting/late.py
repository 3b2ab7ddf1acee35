"""What a deadline makes of a score, in words and figures."""

from __future__ import annotations

from grader.model import Lateness
from grader.reporting.words import Words


def late_points(words: Words, late: Lateness | None) -> str:
    """``−1.75 → 15.75``: what lateness took and left; empty where it took nothing."""
    if late is None or not late.penalty:
        return ""
    return f"−{words.points(late.penalty)} → {words.points(late.final)}"


def late_banner(words: Words, late: Lateness | None) -> tuple[str, str, str] | None:
    """Look, headline and sentence for a report; ``None`` for work that came in time, or without a deadline."""
    if late is None or late.days_late == 0:
        return None
    sentences = [words.render(late.note)]
    if late.penalty:
        sentences.append(
            words.say(
                "The score stays as it is; taken off: {penalty}, final: {final}.",
                penalty=words.points(late.penalty),
                final=words.points(late.final),
            )
        )
    due = words.say("The deadline was {date}.", date=words.date(late.due))
    extended = words.say("It was extended for you (days: {days}).", days=f"{late.extension_days:g}")
    sentences += [due, *([extended] if late.extension_days else [])]
    headline = words.say("Handed in late") if late.days_late else words.say("Time of handing in not known")
    return "partial" if late.penalty else "plain", headline, " ".join(sentences)
