"""Hands out places on GPUs; whoever waits longest comes first."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from grader.model import GpuSlot
from grader.scheduling.gpus import Gpu, make_slots, whole

_POLL_S = 0.5


class GpuSlots:
    """The slots of some devices; threads may share it. Empty where there is no device.

    :param per_gpu, memory_limit_mib: see :func:`grader.scheduling.gpus.make_slots`.
    """

    def __init__(self, gpus: Iterable[Gpu] = (), per_gpu: int = 1, memory_limit_mib: int | None = None) -> None:
        gpus = tuple(gpus)
        self._free = list(make_slots(gpus, per_gpu, memory_limit_mib))
        self._total = Counter(slot.uuid for slot in self._free)
        self._whole = {gpu.uuid: whole(gpu) for gpu in gpus if gpu.uuid in self._total}
        self._reserved: set[str] = set()
        self._waiting: list[object] = []
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return sum(self._total.values())

    @contextmanager
    def one(self, cancelled: threading.Event | None = None) -> Iterator[GpuSlot]:
        """A slot, as soon as there is one; :raises asyncio.CancelledError: ``cancelled`` was set."""
        with self._changed:
            self._wait_in_line(cancelled)
            slot = self._take()
        try:
            yield slot
        finally:
            self._give_back([slot])

    @contextmanager
    def one_if_free(self) -> Iterator[GpuSlot | None]:
        """A slot, or ``None`` where all are taken or waited for."""
        with self._changed:
            slot = self._take() if not self._waiting and self._available() else None
        try:
            yield slot
        finally:
            self._give_back([slot] if slot else [])

    @contextmanager
    def alone(self, cancelled: threading.Event | None = None) -> Iterator[GpuSlot]:
        """A whole device: nobody gets a slot of it any more, and it is waited for until the others have left it.

        :raises asyncio.CancelledError: ``cancelled`` was set.
        """
        with self._changed:
            while not (candidates := [uuid for uuid in self._total if uuid not in self._reserved]):
                self._wait(cancelled)
            uuid = max(candidates, key=lambda one: self._n_free(one) / self._total[one])
            self._reserved.add(uuid)
            try:
                while self._n_free(uuid) < self._total[uuid]:
                    self._wait(cancelled)
            except BaseException:
                self._reserved.discard(uuid)
                self._changed.notify_all()
                raise
        try:
            yield self._whole[uuid]
        finally:
            with self._changed:
                self._reserved.discard(uuid)
                self._changed.notify_all()

    def _available(self) -> list[GpuSlot]:
        return [slot for slot in self._free if slot.uuid not in self._reserved]

    def _n_free(self, uuid: str) -> int:
        return sum(slot.uuid == uuid for slot in self._free)

    def _take(self) -> GpuSlot:
        """Of the device with the most room."""
        slot = max(self._available(), key=lambda one: self._n_free(one.uuid) / self._total[one.uuid])
        self._free.remove(slot)
        return slot

    def _give_back(self, slots: list[GpuSlot]) -> None:
        with self._changed:
            self._free += slots
            self._changed.notify_all()

    def _wait_in_line(self, cancelled: threading.Event | None) -> None:
        ticket = object()
        self._waiting.append(ticket)
        try:
            while self._waiting[0] is not ticket or not self._available():
                self._wait(cancelled)
        finally:
            self._waiting.remove(ticket)
            self._changed.notify_all()

    def _wait(self, cancelled: threading.Event | None) -> None:
        if cancelled is not None and cancelled.is_set():
            raise asyncio.CancelledError
        if not self._total:
            raise RuntimeError("there is no GPU slot to wait for")
        self._changed.wait(_POLL_S)
