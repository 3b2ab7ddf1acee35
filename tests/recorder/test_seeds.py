import random
from types import SimpleNamespace

import numpy as np
import pytest

from grader.recorder.seeds import SeedShift


class Libraries:
    """Stands for the import hook: every library is there already."""

    def __init__(self):
        self.seeded = []
        self.modules = {
            "numpy.random": SimpleNamespace(seed=self.seeded.append),
            "tensorflow": SimpleNamespace(random=SimpleNamespace(set_seed=self.seeded.append)),
        }

    def add(self, name, hook):
        hook(self.modules[name])


@pytest.fixture
def libraries(monkeypatch):
    found = Libraries()
    monkeypatch.setattr(random, "seed", found.seeded.append)
    return found


def watched(libraries, shift):
    seeds = SeedShift(shift)
    faults = []
    seeds.watch(libraries, lambda *told: faults.append(told))
    assert not faults
    return seeds


def seed_all(libraries, value):
    random.seed(value)
    libraries.modules["numpy.random"].seed(value)
    libraries.modules["tensorflow"].random.set_seed(value)
    return libraries.seeded[-3:]


def test_every_global_seed_that_the_notebook_fixes_is_moved(libraries):
    watched(libraries, 100)
    assert seed_all(libraries, 7) == [107] * 3
    assert seed_all(libraries, np.int64(7)) == [107] * 3


def test_in_a_first_run_nothing_is_touched(libraries):
    before = random.seed
    watched(libraries, 0)
    assert random.seed is before
    assert seed_all(libraries, 7) == [7] * 3


def test_a_seed_by_name_is_moved_too(libraries, monkeypatch):
    monkeypatch.setattr(random, "seed", lambda a=None, version=2: libraries.seeded.append(a))
    watched(libraries, 100)
    random.seed(a=7)
    assert libraries.seeded == [107]


@pytest.mark.parametrize("value", [None, "word", 1.5, [1, 2]])
def test_what_is_no_whole_number_stays_as_it_is(libraries, value):
    watched(libraries, 100)
    assert seed_all(libraries, value) == [value] * 3


def test_a_moved_seed_is_one_that_numpy_takes(libraries):
    watched(libraries, 100)
    assert seed_all(libraries, 2**32 - 1) == [99] * 3


def test_the_recorders_own_seeds_are_exact_also_in_what_they_seed(libraries):
    seeds = watched(libraries, 100)
    seeds.exactly(random.seed, 7)
    assert libraries.seeded == [7]
    assert seeds.shifted(7) == 107


def test_a_library_without_the_function_is_a_fault_of_ours_and_nothing_more(libraries):
    libraries.modules["tensorflow"] = SimpleNamespace()
    faults = []
    SeedShift(1).watch(libraries, lambda where, error: faults.append((where, type(error))))
    assert faults == [("seed shift", AttributeError)]
