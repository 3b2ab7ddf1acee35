"""Runs notebooks on other machines through Dask: the same pipeline, with executions as tasks."""

from grader.cluster.connect import Cluster, connect
from grader.cluster.runner import ClusterRunner

__all__ = ["Cluster", "ClusterRunner", "connect"]
