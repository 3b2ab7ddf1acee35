"""Taking claims out of the scratch folder, whatever the notebook made of it."""

import json
import os
import sys

import msgspec
import pytest

from grader.execution.collect import claimed_facts, collect_claims, collect_replays

LIMIT = 2**20
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
    (note,) = collect_claims(source, tmp_path / "kept", LIMIT)
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
    assert collect_claims(source, tmp_path / "kept", LIMIT) == []
    assert list((tmp_path / "kept").iterdir()) == []


def test_many_trainings_lose_nothing(tmp_path):
    source = tmp_path / "claims"
    source.mkdir()
    for i in range(2_100):
        (source / f"fit-{i}.after.npz").touch()
    assert collect_claims(source, tmp_path / "kept", LIMIT) == []
    assert len(list((tmp_path / "kept").iterdir())) == 2_100


def test_what_is_too_much_costs_the_oldest_weights_and_not_the_record(tmp_path):
    source = tmp_path / "claims"
    source.mkdir()
    for age_s, name in enumerate(["fit-3.after.npz", "fit-2.after.npz", "fit-1.after.npz"]):
        (source / name).write_bytes(bytes(400))
        os.utime(source / name, (10**9 - age_s, 10**9 - age_s))
    (source / "zz.json").write_bytes(bytes(100))
    (note,) = collect_claims(source, tmp_path / "kept", 1_000)
    assert note.params == {"count": 1, "names": "fit-1.after.npz"}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"zz.json", "fit-2.after.npz", "fit-3.after.npz"}


KEY = "0123456789abcdef" * 2


@pytest.mark.parametrize("broken", [None, "", '{"kind": "fi'])
def test_an_entry_that_was_broken_off_is_made_again_and_never_taken_over(tmp_path, broken):
    source, store = tmp_path / "recorded", tmp_path / "store"

    def write(folder, entry):
        (folder / KEY).mkdir(parents=True, exist_ok=True)
        (folder / KEY / "states.npz").write_text("new" if entry == "{}" else "old")
        if entry is not None:
            (folder / KEY / "entry.json").write_text(entry)

    write(source, broken)
    collect_replays(source, store)
    assert not (store / KEY).exists()
    write(store, broken)
    write(source, "{}")
    collect_replays(source, store)
    assert (store / KEY / "states.npz").read_text() == "new"
    write(source, '{"another": 1}')
    collect_replays(source, store)
    assert (store / KEY / "entry.json").read_text() == "{}"
