"""Decides what in a tree of files is a hand-in of its own, what only lies beside one, and what is nobody's.

Every notebook is a hand-in. Where somebody evidently handed in something else (a script, a PDF, an empty folder), that
is a hand-in without a notebook. Pictures, data and the like are companions of the notebooks they lie beside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import PurePath

from grader.intake.decode import Unreadable
from grader.intake.filename import lms_group
from grader.intake.gradescope import METADATA_FILE, gradescope_students, gradescope_times
from grader.intake.notebook import looks_like_notebook
from grader.intake.sources import File, Folder, listing, natural_key, opened_archive, shortened
from grader.model import Student, Text

TOLD_LIMIT = 20
STUDENT_ARCHIVE_LIMIT_BYTES = 400 * 2**20
STUDENT_NOTEBOOKS_LIMIT = 50
NOTE_BESIDE = "Other files beside the notebook were not looked at: {names}."

_MAY_BE_NOTEBOOK = re.compile(r".*\.ipynb\b.*|.*\.(txt|json)|[^.]*", re.IGNORECASE | re.DOTALL)
_COMPANION = re.compile(
    r".*\.(png|jpe?g|gif|bmp|svg|webp|tiff?|csv|tsv|json|ya?ml|xml|npz|npy|h5|hdf5|keras|tflite|pb|pkl|pickle|ckpt|"
    r"index|data-\d.*|weights|log|lock|pyc|db|sqlite|toml|ini|cfg|mp4|avi|mov|ttf|otf|ttc|yml)"
    r"|readme.*|timestamp\.txt|requirements.*\.txt",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(slots=True)
class Handin:
    """One input that becomes one attempt. :ivar file: ``None`` for a folder without any notebook.

    :ivar parts: names on the way to it, from the given input on. :ivar folder: where it lies.
    :ivar unreadable: why it holds no notebook, when that is already known. :ivar submitter: who, by an LMS' metadata.
    :ivar submitted_at: when, by that metadata: ISO 8601 in UTC.
    """

    source: str
    parts: tuple[str, ...]
    file: File | None = None
    folder: Folder | None = None
    unreadable: Text | None = None
    submitter: Student | None = None
    submitted_at: str | None = None
    notes: list[Text] = field(default_factory=list)


class Sorter:
    """Turns one tree into hand-ins.

    :param assignment: id of the assignment, to know which of several folders of one student is meant.
    :param tell: gets a text for everything that is left aside.
    :param stack: keeps opened archives open.
    """

    def __init__(self, assignment: str, tell: Callable[[Text], None], stack: ExitStack) -> None:
        self._assignment, self._tell, self._stack = assignment, tell, stack

    def single(self, file: File) -> list[Handin]:
        """Hand-ins of a file that was given by itself."""
        if not file.name.lower().endswith(".zip"):
            return [Handin(file.source, (file.name,), file)]
        try:
            return self.tree(opened_archive(file, self._stack))
        except Unreadable as reason:
            return [Handin(file.source, (file.name,), file, unreadable=reason.text)]

    def tree(self, given: Folder) -> list[Handin]:
        """Hand-ins of a folder or archive that was given by itself.

        A lone folder in it stands for it. Its own name says who it is from only when one hand-in is all there is in it.
        """
        folder = given
        parts: tuple[str, ...] = ()
        for skipped in given.all_skipped()[:TOLD_LIMIT]:
            self._left_aside(skipped)
        while len(folder.folders) == 1 and not folder.files:
            folder = folder.folders[0]
            parts = (*parts, folder.name)
        handins = self._split(folder, parts, is_class=True)
        if len(handins) == 1 and len(handins[0].parts) == 1 and handins[0].file:
            handins[0].parts = (given.name, *handins[0].parts)
        return handins

    def _of_archive(self, file: File, parts: tuple[str, ...]) -> list[Handin]:
        try:
            folder = opened_archive(file, self._stack, STUDENT_ARCHIVE_LIMIT_BYTES)
            handins = self._split(folder, (*parts, folder.name), is_class=False)
            if len(handins) > STUDENT_NOTEBOOKS_LIMIT:
                raise Unreadable(_too_many(len(handins)))
        except Unreadable as reason:
            return [Handin(file.source, (*parts, file.name), file, unreadable=reason.text)]
        return handins

    def _split(self, folder: Folder, parts: tuple[str, ...], is_class: bool) -> list[Handin]:
        """:param is_class: the files and folders here are likely to be of different students."""
        kinds: dict[str, list[File]] = {"notebook": [], "archive": [], "other": []}
        for file in folder.files:
            kinds[_kind(file)].append(file)
        notebooks = [Handin(file.source, (*parts, file.name), file, folder) for file in kinds["notebook"]]
        found = notebooks + [handin for file in kinds["archive"] for handin in self._of_archive(file, parts)]
        below = self._of_folders(folder, parts, are_students=is_class and not notebooks)
        if not found and not any(handin.file for handin in below):
            groups = {lms_group(file.name) for file in kinds["other"]} - {None}
            if not is_class or (not below and len(groups) < 2):
                return [Handin(folder.source, parts or (folder.name,), None, folder, listing(folder))]
        found += below
        found += self._own_handins(kinds["other"], notebooks, folder, parts, is_class)
        if is_class:  # a student's own folder names nobody
            _name_submitters(folder, found, len(parts))
        return sorted(found, key=lambda handin: natural_key(handin.source))

    def _of_folders(self, folder: Folder, parts: tuple[str, ...], are_students: bool) -> list[Handin]:
        meant = [below for below in folder.folders if below.name.casefold() == self._assignment.casefold()]
        for other in folder.folders:
            if meant and other not in meant:
                self._left_aside(other.source)
        found: list[Handin] = []
        for below in meant or folder.folders:
            handins = self._split(below, (*parts, below.name), is_class=False)
            if are_students or any(handin.file is not None for handin in handins):
                found += handins
            else:
                self._left_aside(below.source)
        return found

    def _own_handins(
        self, others: list[File], notebooks: list[Handin], folder: Folder, parts: tuple[str, ...], is_class: bool
    ) -> list[Handin]:
        """Documents that are hand-ins of their own; everything else is noted on the notebooks it belongs to."""
        own: list[Handin] = []
        beside: dict[int, list[str]] = {}
        shared = is_class and len(notebooks) != 1
        for file in others:
            related = [n for n, handin in enumerate(notebooks) if _belong_together(file.name, handin.parts[-1])]
            if not related and not shared:
                related = list(range(len(notebooks)))
            for n in related:
                beside.setdefault(n, []).append(file.name)
            if not related and shared and not _COMPANION.fullmatch(file.name):
                own.append(Handin(file.source, (*parts, file.name), file, folder))
            elif not related:
                self._left_aside(file.source)
        for n, names in beside.items():
            notebooks[n].notes.append(Text(NOTE_BESIDE, {"names": shortened(names)}))
        return own

    def _left_aside(self, source: str) -> None:
        self._tell(Text("Not looked at: {source}.", {"source": source}))


def _too_many(count: int) -> Text:
    return Text(
        "The archive holds {count} notebooks; one student's may hold {limit}. Please hand in one notebook. "
        "(Staff: the archive of a whole class is given by itself, not in a folder or another archive.)",
        {"count": count, "limit": STUDENT_NOTEBOOKS_LIMIT},
    )


def _belong_together(name: str, notebook: str) -> bool:
    """Whether two files in one folder are evidently of one student: the same stem, or one LMS number."""
    group = lms_group(name)
    return PurePath(name).stem == PurePath(notebook).stem or (group is not None and group == lms_group(notebook))


def _name_submitters(folder: Folder, handins: list[Handin], depth: int) -> None:
    """Takes who handed in from a Gradescope export's metadata, if this folder is one."""
    metadata = next((file for file in folder.files if file.name == METADATA_FILE), None)
    if metadata is None:
        return
    try:
        text = metadata.read().decode("utf-8", errors="replace")
    except Unreadable:
        return
    students, times = gradescope_students(text), gradescope_times(text)
    for handin in handins:
        if len(handin.parts) > depth:
            handin.submitter = students.get(handin.parts[depth])
            handin.submitted_at = times.get(handin.parts[depth])


def _kind(file: File) -> str:
    if file.name.lower().endswith(".zip"):
        return "archive"
    if file.name.lower().endswith(".ipynb"):
        return "notebook"
    if not _MAY_BE_NOTEBOOK.fullmatch(file.name):
        return "other"
    try:
        return "notebook" if looks_like_notebook(file.read()) else "other"
    except Unreadable:
        return "other"
