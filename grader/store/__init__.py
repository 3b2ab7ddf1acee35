"""The gradebook: what was handed in, what it was given and by whom. Nothing in it is ever overwritten."""

from grader.store.gradebook import Gradebook
from grader.store.records import Edit, Event, StoredAttempt, StoredResult, student_key
from grader.store.upkeep import Forgotten, KeptFile, backup, find_student, forget

__all__ = [
    "Edit",
    "Event",
    "Forgotten",
    "Gradebook",
    "KeptFile",
    "StoredAttempt",
    "StoredResult",
    "backup",
    "find_student",
    "forget",
    "student_key",
]
