"""Every error that the grader raises on purpose.

::

    GraderError                 root; exit code 3 unless a subclass says otherwise
    ├── UsageError              what the person asked for cannot be done as asked (exit 2)
    │   ├── UnknownAssignment   no such assignment in this course
    │   ├── InvalidSetting      a setting has a value that it cannot have
    │   ├── ClusterError        no other machines answer, or not as they should
    │   ├── SandboxError        no sandbox works here, or not the one that was named
    │   ├── BrowserError        no browser makes PDFs here, or not the one that was named
    │   └── KitError            a kit is damaged, or is for another assignment
    ├── CourseError             the course's own files (assignment, rubric, calibration, template) are wrong (exit 2)
    │   └── LeakError           a handout or kit would give a solution or a hidden value away
    ├── DataError               a data set is missing, damaged or not what it should be (exit 2)
    ├── EvidenceError           what a student's run left behind is missing, malformed or too large
    ├── VerificationError       the verifier's child did not answer as agreed
    ├── PrintError              the browser made no PDF of a page
    ├── ReplayError             a training answered from the replay store is not what training gives
    └── StoreError              the gradebook cannot be read or written as asked

The message of each says what was received, what was expected, and what to do. A student's mistake is never one of
these: it is an outcome in a record (:mod:`grader.model`).
"""

from __future__ import annotations


class GraderError(Exception):
    """Root of the tree. ``exit_code`` is what the command line ends with when nobody catches it."""

    exit_code: int = 3


class UsageError(GraderError):
    """What the person asked for cannot be done as asked."""

    exit_code = 2


class UnknownAssignment(UsageError):
    """No such assignment in this course."""


class InvalidSetting(UsageError):
    """A setting has a value that it cannot have."""


class ClusterError(UsageError):
    """No other machines answer, or not as they should."""


class SandboxError(UsageError):
    """No sandbox works on this machine, or not the one that was named."""


class BrowserError(UsageError):
    """No browser makes PDFs on this machine, or not the one that was named."""


class KitError(UsageError):
    """A kit is damaged, or is for another assignment."""


class CourseError(GraderError):
    """The course's own files are wrong."""

    exit_code = 2


class LeakError(CourseError):
    """A handout or kit would give a solution or a hidden value away."""


class DataError(GraderError):
    """A data set is missing, damaged or not what it should be."""

    exit_code = 2


class EvidenceError(GraderError):
    """What a student's run left behind is missing, malformed or too large."""


class VerificationError(GraderError):
    """The verifier's child did not answer as agreed."""


class PrintError(GraderError):
    """The browser made no PDF of a page."""


class ReplayError(GraderError):
    """A training answered from the replay store is not what training gives."""


class StoreError(GraderError):
    """The gradebook cannot be read or written as asked."""
