"""Claims made to exhaust, or to lead elsewhere."""

import json
import os

import pytest

from grader.errors import EvidenceError
from grader.evidence import files as files_module
from grader.evidence import read_evidence
from grader.evidence.npz import read_npz
from grader.evidence.zips import TooManyMembersError, open_zip


def test_a_claims_folder_that_became_a_link_is_refused(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "names.json").write_text("{}")
    (folder / "claims").rmdir()
    (folder / "claims").symlink_to(elsewhere)
    with pytest.raises(EvidenceError, match="links are not followed"):
        read_evidence(folder)


@pytest.mark.parametrize("name", ["../execution.json", "/etc/passwd", "a/b", "a\0b", "", "."])
def test_only_plain_names_in_the_folder_are_claims(folder, name):
    with pytest.raises(EvidenceError, match="no such file"):
        read_evidence(folder).claim(name)


def test_a_layer_whose_configuration_is_nested_deeply_is_left_out(folder, write, events):
    deep = json.loads("[" * 40 + "]" * 40)
    layer = {"class_name": "a", "name": "a", "config": {"units": deep}}
    write({**events[0], "layers": [layer]})
    evidence = read_evidence(folder)
    assert evidence.models == ()
    assert "nested deeply" in evidence.faults[0]


@pytest.mark.parametrize("limit", ["EVENTS_LIMIT", "VALUES_LIMIT"])
def test_reading_stops_at_the_limit_and_says_where(folder, write, events, monkeypatch, limit):
    monkeypatch.setattr(files_module, limit, 20)
    write(*events[:2], *[events[2]] * 50)
    evidence = read_evidence(folder)
    assert "nothing was read" in evidence.faults[0]
    assert len(evidence.fits) == 1
    assert evidence.fits[0].epochs_run < 25


def test_names_of_very_many_values_are_refused(folder, monkeypatch):
    monkeypatch.setattr(files_module, "VALUES_LIMIT", 100)
    (folder / "claims" / "names.json").write_text(json.dumps({"a": list(range(200))}))
    with pytest.raises(EvidenceError, match="values, at most 100"):
        read_evidence(folder).names()


@pytest.mark.parametrize("shape", [[-1], [10**13], [0.5], ["1"]])
def test_a_shape_that_no_array_has_is_a_fault(folder, write, events, shape):
    write(events[0], {**events[1], "x": {"shape": shape}})
    assert read_evidence(folder).fits == ()


@pytest.mark.parametrize("cell", [-1, 10**7, 2**80])
def test_a_cell_that_no_notebook_has_is_a_fault(folder, write, events, cell):
    write({**events[0], "cell": cell})
    assert read_evidence(folder).models == ()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_evidence_error(folder):
    (folder / "execution.json").chmod(0)
    with pytest.raises(EvidenceError, match="cannot be opened"):
        read_evidence(folder)


def test_an_archive_of_too_many_members_is_not_opened(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x05\x06" + b"\0" * 18)
    assert read_npz(path) == {}
    monkeypatch.setattr("grader.evidence.zips.DIRECTORY_LIMIT_BYTES", 100)
    crowded = path.read_bytes()[:12] + (10**6).to_bytes(4, "little") + b"\0" * 6
    path.write_bytes(b"\0" * 10**6 + crowded)
    with path.open("rb") as stream, pytest.raises(TooManyMembersError):
        open_zip(stream, 10)
