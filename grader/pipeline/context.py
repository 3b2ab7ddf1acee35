"""What one run of the pipeline works with: course, rubric, data, folders, settings."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from grader import __version__
from grader.checks import Room
from grader.config import Settings
from grader.datasets import DataStore, StoredDataset, find_dataset, load_catalogue, serving_map
from grader.errors import CourseError, InvalidSetting, UsageError
from grader.execution import ExecutionRequest, warm_pool
from grader.messages import Catalogue
from grader.model import Attempt, Budget, Student
from grader.pipeline.given import make_font_cache, write_inputs
from grader.pipeline.languages import Languages, read_languages
from grader.recorder.compatibility import OPTIONS
from grader.reporting import ReportContext, TestSet, ThresholdView
from grader.rubric import Assignment, Calibration, Course, Rubric, bundled_course_dir, read_calibration
from grader.sandbox.box import Sandbox
from grader.sandbox.choose import choose
from grader.scheduling import GpuSlots, find_gpus
from grader.store import Gradebook, open_gradebook
from grader.verification import DatasetView, FirstImages
from grader.warm import WarmPool

_SEED_LIMIT = 2**31


@dataclass
class Context:
    """One assignment of one course, graded into one workspace.

    :ivar public_only: the student's own check: public criteria, no held-out data, no gradebook.
    :ivar has_gpu: whether there are GPUs where notebooks run; ``None``: that is here, look.
    :ivar references: notebooks of the course whose trainings are kept for replay, in place of those of its reference
        answers (:mod:`grader.pipeline.replaying`).
    """

    settings: Settings
    course: Course
    assignment: Assignment
    rubric: Rubric
    workspace: Path
    public_only: bool = False
    has_gpu: bool | None = None
    references: tuple[Attempt, ...] | None = None
    _catalogues: dict[str, Catalogue] = field(default_factory=dict)

    @cached_property
    def store(self) -> DataStore:
        """Data sets of this machine."""
        return DataStore(self.settings.data_dir)

    @cached_property
    def dataset(self) -> StoredDataset | None:
        """The data set that models are re-measured on, if it is installed."""
        return self.store.get(find_dataset(load_catalogue(self.course.root), self.assignment.dataset))

    @cached_property
    def missing_datasets(self) -> list[str]:
        """Names of the assignment's data sets that are not installed."""
        catalogue = load_catalogue(self.course.root)
        names = dict.fromkeys((self.assignment.dataset, *self.assignment.datasets))
        return [name for name in names if self.store.get(find_dataset(catalogue, name)) is None]

    @property
    def measured_on(self) -> DatasetView | None:
        """The data set, or in the quick budget as much of it as the assignment says."""
        n = self.assignment.quick_test_images if self.budget is Budget.QUICK else None
        return FirstImages(self.dataset, n) if self.dataset and n else self.dataset

    @cached_property
    def calibration(self) -> Calibration | None:
        """What right answers reach on this data set, if anybody measured it."""
        digest = self.dataset.digest if self.dataset else None
        return read_calibration(self.rubric.directory / "calibration.json", digest)

    @cached_property
    def gradebook(self) -> Gradebook:
        """The workspace's gradebook."""
        return open_gradebook(self.settings)

    @property
    def budget(self) -> Budget:
        """Trainings as written, or capped."""
        return Budget(self.settings.budget)

    @property
    def runtime(self) -> str:
        """``auto``, ``keras3`` or ``keras2``; :raises UsageError: it is not installed."""
        runtime = self.settings.runtime if self.settings.runtime != "auto" else self.assignment.runtime
        if runtime == "keras2":
            from importlib.util import find_spec

            if find_spec("tf_keras") is None:
                raise UsageError(
                    "runtime keras2 needs tf_keras, which is not installed: pip install 'keras-grader[keras2]'"
                )
        return runtime

    @property
    def compatibility(self) -> tuple[str, ...]:
        """Idioms of older Keras that are accepted in this run.

        :raises InvalidSetting: there is no such option.
        """
        if self.settings.compatibility is None:
            return tuple(sorted(set(self.assignment.compatibility)))
        named = {name.strip() for name in self.settings.compatibility.split(",")} - {"none", ""}
        if unknown := sorted(named - set(OPTIONS)):
            raise InvalidSetting(
                f"compatibility is {', '.join(unknown)}: expected none, or one or more of {', '.join(OPTIONS)}"
            )
        return tuple(sorted(named))

    @cached_property
    def sandbox(self) -> Sandbox | None:
        """What student code is confined in; ``None``: nothing, as it was asked for by name.

        :raises SandboxError: none works here, or the one that was named does not.
        """
        return choose(self.settings.sandbox, (self.workspace, self.course.root, self.store.root))

    @cached_property
    def held_out_seed(self) -> int | None:
        """The course's secret: set by its staff, else drawn once; none in a student's own check.

        It lies in the course's own folder, so that every workspace measures alike; for the bundled course, which is no
        secret place, with this user's data sets.
        """
        if self.public_only:
            return None
        if self.settings.held_out_seed is not None:
            return self.settings.held_out_seed
        own = self.course.root != bundled_course_dir() and os.access(self.course.root, os.W_OK)
        return _drawn_once((self.course.root if own else self.store.root) / "held_out.seed")

    def catalogue(self, language: str) -> Catalogue:
        """Program and rubric texts in ``language``."""
        if language not in self._catalogues:
            texts = self.rubric.texts_in(language)
            self._catalogues[language] = Catalogue(language, self.course.locale_dir, texts)
        return self._catalogues[language]

    @cached_property
    def languages(self) -> Languages:
        """What people chose to read in; nothing in a student's own check."""
        return Languages() if self.public_only else read_languages(self.workspace, self.gradebook)

    def language_of(self, attempt_language: str | None, student: Student | None = None) -> str:
        """Language of one attempt's texts: the setting, else that of its student, else its own where the rubric has it,
        else the first.
        """
        if not self.settings.language and student is not None and (own := self.languages.of(student)):
            return own
        wanted = self.settings.language or attempt_language
        known = set(self.rubric.texts) or set(self.assignment.languages)
        return wanted if wanted in known or (wanted and self.settings.language) else self.assignment.languages[0]

    def report_context(self, language: str) -> ReportContext:
        """What pages in ``language`` need."""
        return ReportContext(self.rubric, self.assignment, self.catalogue(language), self.course.reports_dir)

    @cached_property
    def test_set(self) -> TestSet | None:
        """Official test images and labels, for reports."""
        if self.dataset is None:
            return None
        return TestSet(np.asarray(self.dataset.array("x_test")), np.asarray(self.dataset.array("y_test")).reshape(-1))

    @cached_property
    def threshold_views(self) -> Mapping[str, ThresholdView]:
        """Thresholds with the range that right answers were seen in."""
        kit = self.rubric.directory / "thresholds.json"
        if kit.is_file():
            numbers = json.loads(kit.read_text("utf-8"))["thresholds"]
            return {n: ThresholdView(t["value"], t["reference_min"], t["reference_max"]) for n, t in numbers.items()}
        if self.calibration is None:
            return {}
        views = {}
        for name, rule in self.rubric.thresholds.items():
            if self.public_only and not rule.public:
                continue
            seen = self.calibration.distributions.get(rule.distribution)
            if seen is None:
                raise CourseError(f"threshold {name} names distribution {rule.distribution!r}, which is not calibrated")
            low, high = min(seen.values), max(seen.values)
            value = self.calibration.threshold(rule)
            views[name] = ThresholdView(value, low, high, seen.n, rule.false_fail, rule.side)
        return views

    @cached_property
    def serving(self) -> dict[str, Any]:
        """What kernels are served."""
        return dict(serving_map(self.store, load_catalogue(self.course.root).values()))

    @cached_property
    def inputs_file(self) -> Path | None:
        """Test images without labels for models that only their kernel can run: npz, uint8."""
        if self.measured_on is None:
            return None
        return write_inputs(self.workspace / "inputs.npz", self.measured_on, self.held_out_seed)

    @cached_property
    def font_cache(self) -> Path | None:
        """Matplotlib's font list, made once for all kernels."""
        return make_font_cache(self.workspace / "cache" / "matplotlib")

    @cached_property
    def gpus(self) -> GpuSlots:
        """Places on this machine's GPUs."""
        return GpuSlots(find_gpus().gpus, self.settings.gpu_slots, self.settings.gpu_memory_limit_mib)

    @cached_property
    def device(self) -> str:
        """What notebooks train on: ``cpu``, ``gpu`` or ``both``; :raises UsageError: a GPU is wanted, there is none."""
        wanted = self.settings.device
        if wanted == "cpu" or self.public_only:
            return "cpu"
        there = bool(len(self.gpus)) if self.has_gpu is None else self.has_gpu
        if not there and wanted != "auto":
            raise UsageError(f"device is {wanted}, and there is no GPU to use: 'grader doctor' says why")
        if wanted == "auto":
            return "gpu" if there else "cpu"
        return wanted

    @cached_property
    def warm(self) -> WarmPool | None:
        """Warm processes, which end with this object; ``None`` where there are none, or none are wanted."""
        pool = warm_pool(self.settings.threads_per_kernel, self.font_cache) if self.settings.warm_kernels else None
        if pool is not None:
            weakref.finalize(self, pool.close)
        return pool

    @cached_property
    def checks_room(self) -> Room:
        """Where the rubric runs; ends with this object."""
        return Room(self.settings.jobs)

    @cached_property
    def replay_store(self) -> Path | None:
        """Trainings that the grader has made itself; ``None`` where everything is trained for real.

        It lies beside the data sets, for all workspaces of this user, and may be deleted at any time.
        """
        if not self.settings.replay or self.budget is not Budget.FULL or self.public_only or self.device == "gpu":
            return None
        folder = self.store.root / "replay"
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        return folder

    def execution_request(self) -> ExecutionRequest:
        """How to run an attempt of this assignment."""
        settings, assignment = self.settings, self.assignment
        return ExecutionRequest(
            time_limit_s=settings.time_limit_s or assignment.time_limit_s,
            cell_time_limit_s=settings.cell_time_limit_s or assignment.cell_time_limit_s,
            memory_limit_mib=settings.memory_limit_mib or assignment.memory_limit_mib,
            runtime=self.runtime,
            budget=self.budget,
            seed=settings.seed,
            threads=settings.threads_per_kernel,
            output_limit_chars=settings.output_limit_kib * 1024,
            startup_timeout_s=settings.startup_timeout_s,
            datasets=self.serving,
            inputs_file=self.inputs_file,
            font_cache=self.font_cache,
            fallback=self.public_only,
            compatibility=self.compatibility,
            sandbox=self.sandbox,
            scratch_limit_mib=settings.scratch_limit_mib,
            quick_epochs=assignment.quick_epochs,
            quick_rows=assignment.quick_rows,
            warm=self.warm,
            replay_store=self.replay_store,
        )

    def execution_key(self) -> dict[str, Any]:
        """What decides whether evidence of an earlier run is still good."""
        settings, assignment = self.settings, self.assignment
        quick = {"quick": [assignment.quick_epochs, assignment.quick_rows, assignment.quick_test_images]}
        return {
            "grader": __version__,
            "runtime": self.runtime,
            "budget": str(self.budget),
            "seed": settings.seed,
            "threads": settings.threads_per_kernel,
            "time_limit_s": settings.time_limit_s or assignment.time_limit_s,
            "cell_time_limit_s": settings.cell_time_limit_s or assignment.cell_time_limit_s,
            "memory_limit_mib": settings.memory_limit_mib or assignment.memory_limit_mib,
            "compatibility": list(self.compatibility),
            "datasets": {name: entry["digest"] for name, entry in sorted(self.serving.items())},
            **(quick if self.budget is Budget.QUICK else {}),
            **({"device": self.device} if self.device != "cpu" else {}),
        }


def _drawn_once(path: Path) -> int:
    """The number in ``path``; drawn now if there is none, by whichever process comes first."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".held_out-")  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(str(secrets.randbelow(_SEED_LIMIT)))
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        Path(part).unlink()
    return int(path.read_text("ascii"))


def open_context(
    settings: Settings, assignment_id: str, *, course: Course | None = None, public_only: bool = False
) -> Context:
    """Loads what grading ``assignment_id`` needs and makes the workspace, private to its owner.

    :raises UnknownAssignment: the course has no such assignment. :raises CourseError: its files are wrong.
    """
    course = course or Course(settings.course)
    assignment = course.assignment(assignment_id)
    rubric = course.rubric(assignment_id)
    workspace = settings.workspace.resolve()
    workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Context(settings, course, assignment, rubric, workspace, public_only)
