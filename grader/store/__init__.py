"""The gradebook: what was handed in, what it was given and by whom. Nothing in it is ever overwritten."""

from grader.store.accounts import EVERY_SECTION, Accounts, AuditLine, Role, User
from grader.store.desk import EVERYBODY, Desk, Marking, RegradeRequest, Release, Snippet
from grader.store.gradebook import EditConflict, Gradebook, How, Overview
from grader.store.location import existing_gradebook, open_gradebook
from grader.store.records import Edit, Event, StoredAttempt, StoredResult, student_key
from grader.store.shared import StalePage
from grader.store.upkeep import Forgotten, KeptFile, backup, find_student, forget

__all__ = [
    "EVERYBODY",
    "EVERY_SECTION",
    "Accounts",
    "AuditLine",
    "Desk",
    "Edit",
    "EditConflict",
    "Event",
    "Forgotten",
    "Gradebook",
    "How",
    "KeptFile",
    "Marking",
    "Overview",
    "RegradeRequest",
    "Release",
    "Role",
    "Snippet",
    "StalePage",
    "StoredAttempt",
    "StoredResult",
    "User",
    "backup",
    "existing_gradebook",
    "find_student",
    "forget",
    "open_gradebook",
    "student_key",
]
