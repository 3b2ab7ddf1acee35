"""Files for and from the systems around the grader."""

from grader.lms.grades_csv import csv_bytes, write_csv

__all__ = ["csv_bytes", "write_csv"]
