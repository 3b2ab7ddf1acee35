"""What a worker keeps between tasks."""

import threading
import time

from grader.cluster import worker


def test_threads_that_start_together_share_one_scratch_folder(monkeypatch):
    made = []

    class Slow:
        def __init__(self):
            time.sleep(0.05)
            made.append(self)

    monkeypatch.setattr(worker, "_Here", Slow)
    monkeypatch.setattr(worker, "_made", [])
    found, start = [], threading.Barrier(4)

    def ask():
        start.wait()
        found.append(worker._here())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [made[0]] * 4
    assert len(made) == 1
