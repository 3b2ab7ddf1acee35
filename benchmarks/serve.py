"""``python -m benchmarks.serve [STUDENTS] [USERS]``: page times of the staff application, over loopback.

The class is made up (``tests/web_class.py``): results of full size, and one small evidence folder that all share.
"""

from __future__ import annotations

import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import httpx2 as httpx
import psutil

from benchmarks._common import machine, table
from grader.store import Role
from grader.web.credentials import digest, new_secret

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from web_class import World, add_attempt, make_world

PORT = 8797
BASE = f"http://127.0.0.1:{PORT}"
REPEATS = 20
QUESTION = "/a/b2-1/grade/filters-discussion"


def pages(attempt: int) -> dict[str, str]:
    """What staff ask for, by name."""
    return {
        "assignments": "/assignments",
        "class": "/a/b2-1",
        "class, searched": "/a/b2-1?q=S0005",
        "class, sorted by points": "/a/b2-1?sort=points&down=1",
        "class, flagged of a section": "/a/b2-1?section=A&state=flagged",
        "submission": f"/a/b2-1/s/{attempt}",
        "grading": f"{QUESTION}?at={attempt}",
        "audit log": "/audit",
    }


OWN = {"own list": "/me", "own report": "/me/b2-1/1"}
"""What a student asks for."""


def signed_in(world: World, name: str, student: str | None = None) -> httpx.Client:
    """A browser of a new instructor, or of the student with this number."""
    role, key = (Role.STUDENT, f"id:{student.lower()}") if student else (Role.INSTRUCTOR, None)
    user = world.book.accounts.add(name, role, student_key=key)
    secret, until = new_secret(), datetime.now(UTC) + timedelta(hours=1)
    world.book.accounts.start_session(user.id, digest(secret), until.isoformat())
    return httpx.Client(base_url=BASE, cookies={"grader-session": secret}, follow_redirects=True, timeout=120)


def took_ms(client: httpx.Client, path: str) -> float:
    """Time until the whole page is there."""
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000


def after_an_edit(client: httpx.Client, attempt: int) -> float:
    """Gives points to one answer; how long the class page takes then."""
    page = client.get(f"{QUESTION}?at={attempt}").text
    hidden = {name: re.search(rf'name="{name}" value="(\w+)"', page)[1] for name in ("csrf", "seen")}  # type: ignore[index]
    client.post(QUESTION, data={**hidden, "attempt": str(attempt), "points": "3"}).raise_for_status()
    return took_ms(client, "/a/b2-1")


def measure(world: World, n_users: int) -> None:
    """Prints the tables."""
    attempt = world.book.counting("b2-1")[-1].attempt_id
    staff, student = signed_in(world, "one"), signed_in(world, "student", "S002")
    rows = []
    for client, asked in ((staff, pages(attempt)), (student, OWN)):
        for name, path in asked.items():
            first, *times = [took_ms(client, path) for _ in range(REPEATS + 1)]
            rows.append((name, first, *shown(times)))
    first, *times = [after_an_edit(staff, s.attempt_id) for s in world.book.counting("b2-1")[: REPEATS + 1]]
    rows.append(("class, after an edit", first, *shown(times)))
    print(table(rows, ("one person, ms", "first", "median", "95 %", "highest")))
    n_students = n_users // 4
    people = [(signed_in(world, f"user{k}"), pages(attempt)) for k in range(n_users - n_students)]
    people += [(signed_in(world, f"s{k}", f"S{k + 3:03d}"), OWN) for k in range(n_students)]
    together = Barrier(n_users)

    def visit(k: int) -> list[tuple[str, float]]:
        client, asked = people[k]
        names = list(asked)
        together.wait(60)
        return [(name, took_ms(client, asked[name])) for i in range(REPEATS) for name in [names[(i + k) % len(names)]]]

    with ThreadPoolExecutor(n_users) as pool:
        taken = [pair for some in pool.map(visit, range(n_users)) for pair in some]
    by_page = {name: [ms for page, ms in taken if page == name] for name in (*pages(attempt), *OWN)}
    rows = [(name, len(times), *shown(times)) for name, times in (*by_page.items(), ("all", [ms for _, ms in taken]))]
    title = f"{n_users} people ({n_students} students) at once, no pause, ms"
    print(table(rows, (title, "pages", "median", "95 %", "highest")))


def shown(times: list[float]) -> tuple[float, float, float]:
    """Median, 95th percentile (the nearest that was measured) and the highest."""
    ordered = sorted(times)
    return statistics.median(ordered), ordered[math.ceil(0.95 * len(ordered)) - 1], ordered[-1]


def main(n_students: int = 1000, n_users: int = 20) -> None:
    """Makes the class, starts the server, measures."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder), n_students)
        for k in range(1, n_students + 1):
            add_attempt(world.book, k, "conv-callback")
        world.book.desk.release("b2-1", "*", "student", "one")
        where = ["--workspace", str(world.settings.workspace), "--port", str(PORT)]
        with subprocess.Popen([sys.executable, "-m", "grader", "serve", *where], stdout=subprocess.DEVNULL) as server:
            try:
                _until_it_answers()
                measure(world, n_users)
                print(f"memory of the server: {psutil.Process(server.pid).memory_info().rss / 2**20:.0f} MiB")
            finally:
                server.terminate()


def _until_it_answers() -> None:
    for _ in range(300):
        try:
            httpx.get(f"{BASE}/health")
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server did not start")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
