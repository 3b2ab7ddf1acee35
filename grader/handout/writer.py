"""Writes what one assignment hands out."""

from __future__ import annotations

from pathlib import Path

from grader.handout.build import dumps, student_notebook
from grader.handout.kit import build_kit
from grader.rubric import Course


def write_handout(
    course: Course, assignment_id: str, language: str, out_dir: Path, colab_badge: str | None = None
) -> tuple[Path, Path]:
    """Writes ``<assignment>.<language>.ipynb`` and ``<assignment>.kit`` into ``out_dir``; nothing if either would leak.

    :param colab_badge: https address of the notebook in Colab, for a badge.
    :raises LeakError: the notebook or the kit would show a solution or something hidden.
    :raises UsageError: no such assignment or language.
    """
    assignment = course.assignment(assignment_id)
    notebook = dumps(student_notebook(assignment, language, colab_badge, self_check=True))
    kit = build_kit(course, assignment_id)
    out_dir.mkdir(parents=True, exist_ok=True)
    notebook_path = out_dir / f"{assignment.id}.{language}.ipynb"
    kit_path = out_dir / f"{assignment.id}.kit"
    notebook_path.write_text(notebook, "utf-8", newline="\n")
    kit_path.write_bytes(kit)
    return notebook_path, kit_path
