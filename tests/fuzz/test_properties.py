"""Whatever the bytes are: the readers keep their promises (``targets.py``). Seeds are small real files, bent."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).with_name("corpus")
FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())
TARGETS = sorted({path.parent.name for path in FILES})
TOKENS = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"1e999", b"NaN", b"-1", b"9" * 30, b"0"),
    *(rb"\ud800", b"\xff", b"\0", b"\n", b"\r", b"\x1b[", b"\x1b]", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"<<<<<<< ", b'"cells"', b'"outputs"', b'"source"', b"../", b"PK\x01\x02", b"PK\x05\x06", b"\xff\xff\xff\xff"),
)
EDIT = st.tuples(
    st.sampled_from(["cut", "insert", "overwrite", "repeat", "drop", "swap"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(TOKENS) | st.binary(max_size=6),
)


def bent(seed: bytes, edits: list[tuple[str, float, float, bytes]]) -> bytes:
    """``seed`` after ``edits``: places are shares of its length."""
    data = seed
    for kind, one, two, token in edits:
        start, end = sorted((int(one * len(data)), int(two * len(data))))
        if kind == "cut":
            data = data[:end]
        elif kind == "insert":
            data = data[:start] + token + data[start:]
        elif kind == "overwrite":
            data = data[:start] + token + data[start + len(token) :]
        elif kind == "repeat":
            data = data[:end] + data[start:end] * 3 + data[end:]
        elif kind == "drop":
            data = data[:start] + data[end:]
        else:
            data = data[end:] + data[start:end] + data[:start]
        data = data[:65_536]
    return data


def seeds(target: str) -> st.SearchStrategy[bytes]:
    known = [path.read_bytes() for path in FILES if path.parent.name == target]
    return st.builds(bent, st.sampled_from(known), st.lists(EDIT, max_size=6)) | st.binary(max_size=200)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_file_of_the_corpus_keeps_the_promise(targets, path):
    targets.TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_seeds(targets):
    assert sorted(targets.TARGETS) == TARGETS


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bent_files_keep_the_promise(targets, target, data):
    targets.TARGETS[target](data.draw(seeds(target)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.text(max_size=8) | st.sampled_from([token.decode("latin-1") for token in TOKENS])).map("".join))
def test_any_text_is_folded_and_cleaned(targets, text):
    targets.terminal(text.encode("utf-8", "surrogatepass"))


BOMBS = {
    "values": "notebook(b'{\"cells\":[' + b'{},' * 33_000_000 + b'{}]}')",
    "cells": "notebook(b'{\"nbformat\":4,\"cells\":[' + b'{},' * 1_900_000 + b'{}]}')",
    "outputs": 'notebook(b\'{"cells":[{"cell_type":"code","outputs":[\' + b\'{},\' * 900_000 + b\'{}]}]}\')',
    "depth": "notebook(b'[' * 50_000_000)",
    "header": 'notebook(b\'{"cells":[{"cell_type":"markdown","source":"name: a\' + b\' \' * 9_000_000 + b\'b"}]}\')',
    "events": "evidence(EXECUTION + EVENTS + MODEL.replace(b'VALUE', b'[],' * 600_000 + b'[]') * 30)",
    "figures": 'evidence(EXECUTION + EVENTS + b\'{"event":"figure"}\\n\' * 3_000_000)',
    "malformed": "evidence(EXECUTION + EVENTS + b'{\\n' * 30_000_000)",
    "names": "evidence(EXECUTION + b'\\n%%% claims/names.json\\n{\"a\":[' + b'{},' * 5_000_000 + b'{}]}')",
    "screen": "terminal(b'x' * 20_000 + b'\\x08a' * 300_000 + b'\\x1b[999999A' * 100_000)",
}
SETUP = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30,) * 2)
sys.path.insert(0, sys.argv[1])
from targets import *
EXECUTION = b'%%% execution.json\\n{"outcome":"ok"}'
EVENTS = b'\\n%%% claims/events.jsonl\\n'
LAYER = b'{"class_name":"a","name":"a","config":{"a":[VALUE]}}'
MODEL = b'{"event":"model","model":"model-1","kind":"a","layers":[' + LAYER + b']}\\n'
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux'")
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_made_to_exhaust_is_answered_in_3_gib_and_a_minute_of_cpu(bomb):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-c", SETUP + BOMBS[bomb], str(CORPUS.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 60
