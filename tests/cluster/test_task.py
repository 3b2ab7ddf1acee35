"""What goes over the network: everything that a worker needs, and nothing about the student."""

import dataclasses
import json
import math

from grader.cluster.task import SENT, Machine, Shared, Task, sent_part, versions
from grader.datasets import load_catalogue
from grader.execution import ExecutionRequest
from grader.model import Budget, Text

OF_THE_MACHINE = {"datasets", "inputs_file", "font_cache", "sandbox", "warm", "gpu", "replay_store", "replay_into"}
REQUEST = ExecutionRequest(
    time_limit_s=90.0,
    memory_limit_mib=2_000,
    runtime="keras2",
    budget=Budget.QUICK,
    seed=7,
    threads=2,
    cell_time_limit_s=12.5,
    compatibility=("acc-log-names",),
    quick_epochs=3,
    seed_shift=5,
)


def task(**changes):
    values = {
        "ident": "grader-1",
        "machine": Machine(versions(), tuple(load_catalogue(None).values()), "auto"),
        "notebook": {"cells": [{"source": "print('\ud800 é')", "metadata": {"x": math.inf}}]},
        "assignment": "b2-1",
        "digest": "sha256:0",
        "notes": (Text("It was repaired ({what}).", {"what": "\udc80"}),),
        "request": sent_part(REQUEST),
        "auto": True,
        "measured": "mnist",
        "n_images": None,
        "held_out_seed": 11,
        "measuring_limit_s": 120,
        "warm": True,
        "device": "gpu",
        "gpu_slots": 2,
        "gpu_memory_limit_mib": None,
        "shared": Shared("/w", "/w/t", "0", "/w/f"),
    }
    return Task(**{**values, **changes})


def test_a_task_arrives_as_it_was_sent():
    sent = task()
    assert Task.decode(sent.encode()) == sent
    assert sent.encode().isascii()


def test_a_request_is_the_same_on_a_worker_but_for_what_is_of_the_machine():
    arrived = Task.decode(task().encode()).execution_request()
    assert arrived == REQUEST


def test_every_field_of_a_request_is_either_sent_or_of_the_machine():
    """A new field needs a decision: is it the same on every machine?"""
    all_fields = {f.name for f in dataclasses.fields(ExecutionRequest)}
    assert all_fields == {*SENT} | OF_THE_MACHINE
    assert not {*SENT} & OF_THE_MACHINE


def test_a_worker_is_not_told_whose_notebook_it_is():
    arrived = Task.decode(task().encode()).attempt()
    assert dataclasses.asdict(arrived.student) == {"id": None, "name": None, "email": None}
    assert (arrived.source, arrived.content) == ("grader-1", b"")
    assert not {"student", "source", "content"} & set(json.loads(task().encode()))


def test_the_secret_seed_is_not_shown_where_a_task_is_printed():
    assert "held_out_seed" not in repr(task())
