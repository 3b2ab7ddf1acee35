from attempt_fixtures import attempt, course, no_plugins

__all__ = ["attempt", "course", "no_plugins"]
