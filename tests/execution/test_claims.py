"""Taking claims out of the scratch folder, whatever the notebook made of it."""

import json
import os
import sys

import msgspec
import pytest

from grader.execution.collect import claimed_facts, collect_claims

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names and pipes as Linux has them")


def events(folder, *rows):
    path = folder / "events.jsonl"
    path.write_bytes(b"\n".join(r if isinstance(r, bytes) else json.dumps(r).encode() for r in rows) + b"\n")
    return path


def test_facts_are_counted_and_malformed_events_are_not(tmp_path):
    start = {"event": "fit_start", "fit": "fit-1", "model": "model-1", "x": {}, "y": {}}
    session = {"event": "session", "versions": {"keras": "3"}, "runtime": "keras3", "seed": 1}
    odd = [{"event": "note", "kind": []}, {"event": []}, b"[" * 100_000, b"\xff", b"[]", b'{"event":"note","kind":{}}']
    facts = claimed_facts(events(tmp_path, session, start, *odd, {"event": "note", "kind": "shell"}))
    assert facts.fits == 1
    assert facts.versions == {"keras": "3"}
    assert [note.id[:8] for note in facts.notes] == ["Commands"]


@linux
def test_a_named_pipe_in_place_of_the_events_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "events.jsonl")
    assert claimed_facts(tmp_path / "events.jsonl").fits == 0


@linux
def test_names_that_are_no_text_are_refused_in_a_note_that_can_be_stored(tmp_path):
    source = tmp_path / "claims"
    source.mkdir()
    (source / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")
    (note,) = collect_claims(source, tmp_path / "kept")
    assert r"\xff" in note.params["names"]
    msgspec.json.encode(note)


@linux
@pytest.mark.parametrize("kind", ["missing", "link", "file"])
def test_a_claims_folder_that_is_none_gives_no_claims(tmp_path, kind):
    source, elsewhere = tmp_path / "claims", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "names.json").write_text("{}")
    if kind == "link":
        source.symlink_to(elsewhere)
    elif kind == "file":
        source.write_text("")
    assert collect_claims(source, tmp_path / "kept") == []
    assert list((tmp_path / "kept").iterdir()) == []
