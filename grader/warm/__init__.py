"""Processes that start from one which has imported TensorFlow already: each is forked from it, into its sandbox."""

from grader.warm.pool import WarmFailure, WarmJob, WarmPool, WarmProcess, warm_works

__all__ = ["WarmFailure", "WarmJob", "WarmPool", "WarmProcess", "warm_works"]
