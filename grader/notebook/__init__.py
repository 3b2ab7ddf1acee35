"""The student's own check inside a running notebook: ``%load_ext grader``, then ``%grader check``."""

from grader.notebook.extension import check, load

__all__ = ["check", "load"]
