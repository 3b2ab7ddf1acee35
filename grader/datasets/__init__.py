"""Data sets: what exists and its digests, where it comes from, and a read-only store that kernels are served from."""

from grader.datasets.catalogue import ArraySpec, DatasetSpec, find_dataset, load_catalogue
from grader.datasets.held_out import held_out_images
from grader.datasets.install import install
from grader.datasets.store import DataStore, StoredDataset, default_data_dir, serving_map

__all__ = [
    "ArraySpec",
    "DataStore",
    "DatasetSpec",
    "StoredDataset",
    "default_data_dir",
    "find_dataset",
    "held_out_images",
    "install",
    "load_catalogue",
    "serving_map",
]
