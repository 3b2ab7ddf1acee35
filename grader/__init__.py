"""Grades TensorFlow/Keras notebook assignments: runs, records, re-measures, explains."""

__version__ = "0.1.0"
