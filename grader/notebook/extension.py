"""``%load_ext grader``, ``%grader`` and ``grader.check``: what a student types, and one friendly answer to each."""

from __future__ import annotations

import contextlib
import random
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grader.config import load_settings
from grader.datasets import DataStore, load_catalogue, serving_map
from grader.errors import GraderError, UsageError
from grader.messages import Catalogue
from grader.model import Outcome, Text
from grader.notebook.chosen import (
    Chosen,
    NotChosen,
    Opened,
    catalogue_of,
    choose,
    notebook_file,
    open_chosen,
    read_notebook,
    stamp_of,
)
from grader.notebook.timeline import is_of
from grader.notebook.watch import Watch
from grader.rubric import Course

LOADED = Text("The self-check is ready: {check} judges what has run here, {fresh} runs the saved file afresh.")
NOT_LOADED = Text("The self-check is not loaded in this kernel: run {load} first, then the cells to be judged.")
HELP = Text("{check} or {one}: judges what has run. {fresh}: runs the saved file afresh. {use}: says which kit.")
NO_CRITERION = Text("There is no public criterion {name}. There are: {known}.")
FAULT = Text("The self-check failed, which is a fault of the grader and not yours: {detail}")
_WORDS = {
    "check": "%grader check",
    "one": "%grader check CRITERION",
    "fresh": "%grader submit-ready",
    "use": "%grader use FILE.kit",
    "load": "%load_ext grader",
}
_active: list[Extension] = []


class Extension:
    """The check in one kernel."""

    def __init__(self, shell: Any, watch: Watch) -> None:
        from grader.notebook.judge import Judge

        self._shell = shell
        self._watch = watch
        self._judge = Judge(watch)
        self._chosen = Chosen()
        self._opened: Opened | None = None
        self._passed: frozenset[str] = frozenset()

    @property
    def catalogue(self) -> Catalogue:
        """Texts in the language of the notebook, as far as that is known."""
        return catalogue_of(self._chosen.language or self._stamp().get("language"))

    def _stamp(self) -> Any:
        return stamp_of(read_notebook(notebook_file(self._shell.user_ns)))

    def magic(self, line: str) -> None:
        """``%grader check [CRITERION ...]``, ``submit-ready [NOTEBOOK]``, ``use FILE.kit|ASSIGNMENT [--lang L]``."""
        try:
            words = shlex.split(line)
        except ValueError:  # a quotation mark that is not closed
            words = line.split()
        match words[:1]:
            case ["check"]:
                self.check(*words[1:])
            case ["submit-ready"]:
                self._answer(lambda: self._ready(words[1:]))
            case ["use"]:
                self._answer(lambda: self._use(words[1:]))
            case _:
                self._answer(lambda: self._say(HELP, **_WORDS))

    def check(self, *criteria: str) -> None:
        """Shows what the public criteria find in what has run; only ``criteria``, where some are named."""
        self._answer(lambda: self._check(criteria))

    def _say(self, text: Text, **params: Any) -> Any:
        from grader.notebook.card import message_card

        return message_card(self.catalogue, Text(text.id, params or text.params))

    def _use(self, words: list[str]) -> Any:
        self._chosen, self._opened = choose(words, self._chosen), None
        return self._say(LOADED, **_WORDS)

    def _open(self, stamp: Any) -> Opened:
        if self._opened is None:
            self._opened = open_chosen(self._chosen, stamp)
        return self._opened

    def _check(self, criteria: tuple[str, ...]) -> Any:
        from grader.notebook.card import check_card

        saved = read_notebook(notebook_file(self._shell.user_ns))
        stamp = stamp_of(saved)
        opened = self._open(stamp)
        if stamp.get("assignment", opened.assignment) != opened.assignment or not is_of(self._watch.ran, saved):
            saved = {}  # another notebook's file
        judged = self._judge(opened, self._chosen.language or stamp.get("language"), saved)
        lines = judged.result.score.criteria
        for name in criteria:
            if name not in {line.id for line in lines}:
                return self._say(NO_CRITERION, name=name, known=", ".join(line.id for line in lines))
        self._passed = frozenset(line.id for line in lines if line.outcome is Outcome.PASSED)
        return check_card(judged, criteria)

    def _ready(self, words: list[str]) -> Any:
        from grader.notebook.ready import NO_FILE, Kernel, ready

        file = Path(words[0]).expanduser() if words else notebook_file(self._shell.user_ns)
        notebook = read_notebook(file)
        if file is None or not notebook:
            return self._say(NO_FILE, example=f"{_WORDS['fresh']} b2-1.ipynb")
        stamp = stamp_of(notebook)
        kernel = Kernel(self._watch.ran, set(self._shell.user_ns), self._passed)
        return ready(self._open(stamp), self._chosen.language or stamp.get("language"), file, notebook, kernel)

    def _answer(self, action: Callable[[], Any]) -> None:
        """Shows what ``action`` gives. Whatever goes wrong is one line: never an error in the student's notebook."""
        from grader.notebook.card import Card

        with _undisturbed():
            try:
                card = action()
            except NotChosen as missing:
                card = self._say(missing.text)
            except UsageError as error:
                card = Card(self.catalogue.language, str(error))
            except Exception as error:
                card = self._say(FAULT, detail=f"{type(error).__name__}: {error}"[:500])
        if card is not None:
            from IPython.display import display

            display(card)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """The student's random numbers go on as if nothing had been asked."""
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


def load(shell: Any) -> None:
    """Starts recording in this kernel; a second time changes nothing."""
    if not _active:
        try:
            with _undisturbed():
                settings = load_settings()
                specs = load_catalogue(Course(settings.course).root).values()
                _active.append(Extension(shell, Watch(shell, serving_map(DataStore(settings.data_dir), specs))))
        except (GraderError, OSError) as error:  # a setting of this machine, the disk
            print(catalogue_of("en").render(Text(FAULT.id, {"detail": str(error)})))  # noqa: T201
            return
    shell.register_magic_function(_active[0].magic, "line", "grader")
    import grader

    shell.user_ns.setdefault("grader", grader)


def check(*criteria: str) -> None:
    """``grader.check("small-data-accuracy")``."""
    if _active:
        _active[0].check(*criteria)
    else:
        print(catalogue_of(None).render(Text(NOT_LOADED.id, _WORDS)))  # noqa: T201
