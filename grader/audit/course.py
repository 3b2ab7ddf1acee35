"""A course of its own for an audit: the same assignment and rubric, a small part of the data, its own calibration."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from grader.audit.standins import made_up_arrays, made_up_weights
from grader.audit.variants import Variants
from grader.calibration import calibrate, read_plan, rubric_directory, write_calibration
from grader.calibration.plan import PLAN_FILE, RESULT_FILE
from grader.calibration.runs import Say
from grader.config import Settings
from grader.datasets import DatasetSpec, DataStore, StoredDataset, find_dataset, load_catalogue
from grader.datasets.catalogue import COURSE_FILE, ArraySpec, sha256_of
from grader.errors import CourseError, DataError
from grader.rubric import Course

_EPOCHS = re.compile(r"^epochs\s*=\s*\d+", re.MULTILINE)
_MADE_UP = "made up for an audit"
HELD_OUT_SEED = 11
"""Fixed, so that an audit gives the same result every time."""


def small_course(settings: Settings, assignment_id: str, variants: Variants, folder: Path, say: Say) -> Settings:
    """Settings that grade the assignment in ``folder``, on the first images of each data set.

    What the variants list as made up is made (:mod:`grader.audit.standins`), even where the real data is installed, so
    that the audit says the same on every machine; ``say`` is told.

    :raises DataError: a data set that the assignment uses is not installed.
    """
    full = Course(settings.course)
    root = folder / "course"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("assignments", "rubrics"):
        ignore = shutil.ignore_patterns("__pycache__", RESULT_FILE)
        shutil.copytree(full.root / name / assignment_id, root / name / assignment_id, ignore=ignore)
    _small_data(full, assignment_id, variants, settings, folder, say)
    small = replace(
        settings,
        course=root,
        data_dir=folder / "data",
        workspace=folder / "workspace",
        held_out_seed=HELD_OUT_SEED,
        cell_time_limit_s=settings.cell_time_limit_s or variants.cell_time_limit_s,
    )
    _calibrate(small, assignment_id, variants, folder, say)
    return small


def _small_data(
    full: Course, assignment_id: str, variants: Variants, settings: Settings, folder: Path, say: Say
) -> None:
    """Writes ``datasets.toml`` and a store with the small data sets; real weights are linked as they are."""
    assignment, catalogue, store = (
        full.assignment(assignment_id),
        load_catalogue(full.root),
        DataStore(settings.data_dir),
    )
    target = DataStore(folder / "data")
    tables: list[str] = []
    arrays: dict[str, dict[str, np.ndarray]] = {}
    files: dict[str, bytes] = {}
    for name in dict.fromkeys((assignment.dataset, *assignment.datasets)):
        spec = find_dataset(catalogue, name)
        if name in variants.made_up:
            say(f"{name}: made-up {'weights' if spec.file else 'images'} of the same shape stand in for the real ones")
            spec = msgspec.structs.replace(spec, licence=_MADE_UP, source=_MADE_UP)
            if spec.file is not None:
                files[spec.name] = made_up_weights(spec.module)
                tables.append(_file_table(spec, files[spec.name]))
                continue
            arrays[spec.name] = made_up_arrays(spec, variants.train_images, variants.test_images)
        else:
            stored = store.get(spec)
            if stored is None:
                raise DataError(f"data set {name!r} is not installed: run 'grader data install {name}'")
            if spec.file is not None:
                _link(stored, target.directory_of(spec))
                continue
            arrays[spec.name] = _first(stored, variants)
        tables.append(_table(spec, arrays[spec.name]))
    (folder / "course" / COURSE_FILE).write_text("\n".join(tables), "utf-8")
    small = load_catalogue(folder / "course")
    for name, parts in arrays.items():
        target.put(small[name], parts)
    for name, content in files.items():
        target.put_file(small[name], content)


def _link(stored: StoredDataset, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(stored.directory)


def _first(stored: StoredDataset, variants: Variants) -> dict[str, np.ndarray]:
    counts = {"train": variants.train_images, "test": variants.test_images}
    return {
        f"{kind}_{split}": np.ascontiguousarray(stored.array(f"{kind}_{split}")[:n])
        for split, n in counts.items()
        for kind in "xy"
    }


def _table(spec: DatasetSpec, arrays: dict[str, np.ndarray]) -> str:
    """One table of ``datasets.toml``; JSON strings and lists are TOML's, too."""
    facts = {"licence": spec.licence, "source": spec.source, "title": spec.title, "serve_as": spec.module}
    lines = [f"[{spec.name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items())]
    for role, array in arrays.items():
        facts = msgspec.to_builtins(ArraySpec(array.shape, sha256_of(array), array.dtype.name))
        lines += [f"[{spec.name}.arrays.{role}]", *(f"{key} = {json.dumps(value)}" for key, value in facts.items())]
    return "\n".join(lines) + "\n"


def _file_table(spec: DatasetSpec, content: bytes) -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    name = spec.file.name if spec.file else ""
    lines = [f"[{spec.name}]", f'licence = "{spec.licence}"', f'source = "{spec.source}"']
    return "\n".join([*lines, f"[{spec.name}.file]", f"name = {json.dumps(name)}", f'md5 = "{md5}"']) + "\n"


def _calibrate(settings: Settings, assignment_id: str, variants: Variants, folder: Path, say: Say) -> None:
    """Gives the small course a calibration for its data; one of the same plan in ``folder`` is used again."""
    course = Course(settings.course)
    directory = rubric_directory(course, assignment_id)
    plan = directory / PLAN_FILE
    if not plan.is_file():
        return
    text = plan.read_text("utf-8")
    if variants.calibration_epochs:
        text = _EPOCHS.sub(f"epochs = {variants.calibration_epochs}", text)
    for edit in variants.calibration_edits:
        text, n = re.subn(edit.pattern, edit.new, text, flags=re.MULTILINE)
        if not n:
            raise CourseError(f"{PLAN_FILE} of {assignment_id} has nothing that matches {edit.pattern!r}")
    plan.write_text(text, "utf-8")
    runs, assignment = variants.calibration_runs, course.assignment(assignment_id)
    wanted = dict.fromkeys(r.dataset or assignment.dataset for r in read_plan(directory).references)
    catalogue, store = load_catalogue(course.root), DataStore(settings.data_dir)
    stored = [found for name in wanted if (found := store.get(find_dataset(catalogue, name)))]
    digests = " ".join(dataset.digest for dataset in stored)
    key = hashlib.sha256(plan.read_bytes() + f"{digests} {runs}".encode()).hexdigest()[:16]
    kept = folder / f"calibration-{key}.json"
    if not kept.is_file():
        say(f"calibrating on {runs} runs of each reference answer")
        for dataset in stored:
            made = calibrate(course, assignment_id, dataset, runs=runs, workers=settings.jobs)
            write_calibration(directory, made)
        shutil.copy(directory / RESULT_FILE, kept)
        return
    shutil.copy(kept, directory / RESULT_FILE)
