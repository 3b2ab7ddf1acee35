"""The gradebook: what was handed in, what it was given and by whom. Nothing in it is ever overwritten."""

from grader.store.gradebook import Gradebook
from grader.store.records import Edit, Event, StoredAttempt, StoredResult, student_key

__all__ = ["Edit", "Event", "Gradebook", "StoredAttempt", "StoredResult", "student_key"]
