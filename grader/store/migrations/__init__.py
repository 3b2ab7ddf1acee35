"""Alembic migrations of the gradebook, run by :mod:`grader.store.database`."""
