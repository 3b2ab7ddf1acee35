"""What is handed out: the student's notebook and the kit, and the sample submissions made from the same templates."""

from grader import schemas  # noqa: F401 - before anything imports nbformat
from grader.handout.build import build_notebook, dumps, reference_notebook, source_digest, student_notebook
from grader.handout.kit import Kit, build_kit, read_kit
from grader.handout.writer import write_handout

__all__ = [
    "Kit",
    "build_kit",
    "build_notebook",
    "dumps",
    "read_kit",
    "reference_notebook",
    "source_digest",
    "student_notebook",
    "write_handout",
]
