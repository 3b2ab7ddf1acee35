"""Turns what was handed in, whatever it is, into attempts: one for every input, unreadable ones too."""

from grader import schemas  # noqa: F401 - before anything imports nbformat
from grader.intake.collect import collect
from grader.intake.notebook import ParsedNotebook, parse_notebook
from grader.intake.roster import Roster, read_roster, without_student

__all__ = ["ParsedNotebook", "Roster", "collect", "parse_notebook", "read_roster", "without_student"]
