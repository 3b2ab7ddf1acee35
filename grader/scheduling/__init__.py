"""Who runs where and when: GPUs of this machine, slots on them, and the order of a batch."""

from grader.scheduling.gpus import Gpu, Inventory, find_gpus, make_slots
from grader.scheduling.order import longest_first
from grader.scheduling.slots import GpuSlots

__all__ = ["Gpu", "GpuSlots", "Inventory", "find_gpus", "longest_first", "make_slots"]
