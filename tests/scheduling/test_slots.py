import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from grader.scheduling import Gpu, GpuSlots, longest_first


def slots(n_gpus=1, per_gpu=2, limit=None):
    return GpuSlots([Gpu(i, f"GPU-{i}", "Made-up GPU", 8_000, i) for i in range(n_gpus)], per_gpu, limit)


def cancelled():
    event = threading.Event()
    event.set()
    return event


def test_kernels_are_spread_over_the_devices():
    pool = slots(n_gpus=2)
    assert len(pool) == 4
    with pool.one() as a, pool.one() as b:
        assert {a.index, b.index} == {0, 1}


def test_a_slot_is_never_given_twice():
    pool, held, most, lock = slots(n_gpus=2), [], [], threading.Lock()

    def use(_):
        with pool.one() as slot:
            with lock:
                held.append(slot.uuid)
                most.append({uuid: held.count(uuid) for uuid in held})
            with lock:
                held.remove(slot.uuid)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, range(400)))
    assert len(most) == 400
    assert max(n for counts in most for n in counts.values()) <= 2
    assert held == []


def test_waiting_ends_when_the_batch_is_cancelled():
    pool = slots(per_gpu=1)
    with pool.one(), pytest.raises(asyncio.CancelledError), pool.one(cancelled()):
        pass
    with pool.one(), pytest.raises(asyncio.CancelledError), pool.alone(cancelled()):
        pass
    with pool.alone() as whole:  # neither of the two that gave up holds anything back
        assert whole.index == 0


def test_alone_means_the_whole_device_with_nobody_beside():
    pool = slots(limit=1_000)
    with pool.alone() as whole:
        assert whole.memory_limit_mib == 8_000 - 512
        with pool.one_if_free() as other:
            assert other is None
    with pool.one_if_free() as other:
        assert other.memory_limit_mib == 1_000


def test_whoever_wants_a_device_alone_is_not_kept_waiting_by_those_who_come_later():
    pool, order = slots(), []
    with ThreadPoolExecutor(2) as threads, ExitStack() as first:
        first.enter_context(pool.one())

        def alone():
            with pool.alone():
                order.append("alone")

        def later():
            with pool.one():
                order.append("later")

        waiting = threads.submit(alone)
        while not pool._reserved:
            pass
        second = threads.submit(later)  # the second slot of the device is free, and not for this one
        while not pool._waiting:
            pass
        first.close()
        waiting.result(10)
        second.result(10)
    assert order == ["alone", "later"]


def test_another_device_goes_on_while_one_is_used_alone():
    pool = slots(n_gpus=2, per_gpu=1)
    with pool.alone() as whole, pool.one() as other:
        assert whole.uuid != other.uuid


def test_waiting_where_there_is_no_device_is_an_error_and_does_not_last():
    with pytest.raises(RuntimeError, match="no GPU slot"), GpuSlots().one():
        pass


def test_what_takes_longest_comes_first_and_equals_keep_their_order():
    known = {"a": 10.0, "b": 300.0, "student-d": 120.0}
    keys = [("a", "student-a"), ("new", "unknown"), ("b", "student-b"), ("also-new", "student-d"), ("c", "unknown")]
    # The median of what is known, 120 s, stands for the two of whom nothing is known.
    assert longest_first(keys, known) == [2, 1, 3, 4, 0]


def test_without_earlier_attempts_the_order_stays():
    assert longest_first([("x",), ("y",), ("z",)], {}) == [0, 1, 2]
