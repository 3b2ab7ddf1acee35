"""What all requests share: course, gradebook, classes in memory, what runs."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from grader.config import Settings
from grader.errors import CourseError, GraderError
from grader.messages import Catalogue
from grader.pipeline import Context, open_context
from grader.pipeline.lateness import EXTENSIONS_FILE, HANDINS_FILE
from grader.pipeline.similar import similar_file
from grader.rubric import Course, bundled_course_dir
from grader.store import Gradebook, User, open_gradebook
from grader.store.views import Memory
from grader.web.classlist import ClassList, class_list
from grader.web.hub import Hub
from grader.web.jobs import Jobs
from grader.web.press import Press
from grader.web.refresh import Refresh
from grader.web.sections import Sections, read_sections

ASSETS = {"style.css": "text/css", "web/web.css": "text/css", "web/app.js": "text/javascript"}


class Room:
    """The state of one server process. Threads share it.

    :param settings: workspace and course. :param hub: where people may also sign in.
    :raises StoreError: the gradebook cannot be opened.
    """

    def __init__(self, settings: Settings, hub: Hub | None = None) -> None:
        self.settings = settings
        self.hub = hub
        self.workspace = settings.workspace.resolve()
        self.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.course = Course(settings.course)
        self.book: Gradebook = open_gradebook(settings)
        self.jobs = Jobs(settings)
        self.press = Press(settings.browser)
        self.refresh = Refresh(settings, self.book.stale_pages)
        self._contexts: dict[str, tuple[object, Context]] = {}
        self._classes: dict[str, tuple[object, ClassList]] = {}
        self._memory: dict[str, Memory] = {}
        self._lock = threading.Lock()

    @cached_property
    def reports_dir(self) -> Path:
        """Templates and styles; of the bundled course where this one has no pages of the application."""
        own = self.course.reports_dir
        return own if (own / "web").is_dir() else bundled_course_dir() / "reports"

    @cached_property
    def asset_version(self) -> str:
        """Changes with the style sheets and the script, so that browsers may keep them."""
        content = b"".join((self.reports_dir / name).read_bytes() for name in ASSETS)
        return hashlib.sha256(content).hexdigest()[:12]

    def catalogue(self, language: str) -> Catalogue:
        """The program's texts in ``language``."""
        return Catalogue(language, self.reports_dir / "locale")

    def assignments(self) -> list[str]:
        """Assignments of the course that somebody handed in, in order."""
        known = set(self.course.assignment_ids())
        return [ident for ident in self.book.assignments() if ident in known]

    def context(self, assignment: str) -> Context:
        """Rubric and data of an assignment; read again after its files changed.

        :raises UnknownAssignment: there is none. :raises CourseError: its files are wrong.
        """
        stamp = self._course_stamp(assignment)
        with self._lock:
            kept = self._contexts.get(assignment)
        if kept and kept[0] == stamp:
            return kept[1]
        context = open_context(self.settings, assignment, course=self.course)
        context.gradebook = self.book
        with self._lock:
            self._contexts[assignment] = (stamp, context)
        return context

    def title(self, assignment: str, language: str) -> str:
        """The assignment's title; its id where its files are wrong."""
        try:
            titles = self.context(assignment).assignment.title
        except CourseError:
            return assignment
        return titles.get(language) or titles.get("en") or next(iter(titles.values()), assignment)

    def class_of(self, assignment: str) -> ClassList:
        """Everybody's standing, as of now; only what changed since the last look is read.

        :raises UnknownAssignment: there is none.
        """
        context = self.context(assignment)
        sections = self.sections
        stamp = (self.book.stamp(assignment), id(context), sections.stamp, self._beside_stamp(assignment))
        with self._lock:
            kept = self._classes.get(assignment)
        if kept and kept[0] == stamp:
            return kept[1]
        memory = self._memory.setdefault(assignment, {})
        made = class_list(context, self.book.overview(assignment, memory), sections)
        with self._lock:
            self._classes[assignment] = (stamp, made)
        return made

    @property
    def sections(self) -> Sections:
        """Who is in which section of the class."""
        return read_sections(self.workspace)

    def waiting(self, user: User) -> int:
        """How many requests of students ``user`` could answer and nobody has."""
        return sum(1 for _ in self.open_requests(user))

    def open_requests(self, user: User) -> list[int]:
        """Ids of those requests."""
        found = []
        known = set(self.assignments())
        for request in self.book.desk.requests():
            if request.answers or request.assignment not in known:
                continue
            with suppress(GraderError):  # the files of one assignment are wrong, which is no reason to show no page
                line = self.class_of(request.assignment).of_attempt(request.attempt_id)
                if line is not None and user.sees(line.section):
                    found.append(request.id)
        return found

    def _beside_stamp(self, assignment: str) -> object:
        """Differs when deadlines, extensions, times or similar pairs changed."""
        names = ("late.toml", EXTENSIONS_FILE, HANDINS_FILE)
        files = [folder / name for folder in (self.workspace, self.course.root) for name in names]
        return tuple(_changed(path) for path in (*files, similar_file(self.workspace, assignment)))

    def _course_stamp(self, assignment: str) -> object:
        folders = [self.course.root / kind / assignment for kind in ("assignments", "rubrics")]
        files = [path for folder in folders for path in sorted(folder.glob("*.toml")) + sorted(folder.glob("*.json"))]
        return tuple((str(path), path.stat().st_mtime_ns) for path in files)


def _changed(path: Path) -> int:
    """When a file was changed, in ns; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
