"""Evidence in one piece: what comes out is what went in, and nothing else is ever written."""

import io
import os
import stat
import zipfile

import numpy as np
import pytest

from grader.errors import EvidenceError
from grader.evidence import archive as archive_module
from grader.evidence.archive import pack, put_in_place, unpack


@pytest.fixture
def evidence(tmp_path):
    folder = tmp_path / "evidence"
    (folder / "claims").mkdir(parents=True)
    (folder / "other-runtime" / "claims").mkdir(parents=True)
    (folder / "execution.json").write_text('{"outcome": "ok"}', "utf-8")
    (folder / "executed.ipynb").write_text("é" * 5_000, "utf-8")
    (folder / "claims" / "events.jsonl").write_text("{}\n" * 1_000, "utf-8")
    np.savez(folder / "claims" / "fit-1.after.npz", w=np.arange(9.0))
    (folder / "other-runtime" / "claims" / "names.json").write_text("{}", "utf-8")
    return folder


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_comes_out_is_what_went_in(evidence, tmp_path):
    data = pack(evidence)
    unpack(data, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(evidence)
    assert len(data) < sum(map(len, files_of(evidence).values()))
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_links_and_what_evidence_does_not_consist_of_stay_behind(evidence, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}", "utf-8")
    (evidence / "claims" / "link.json").symlink_to(secret)
    (evidence / "claims" / "folder.json").symlink_to(tmp_path)
    (evidence / "claims" / "program.sh").write_text("#!/bin/sh", "utf-8")
    (evidence / "claims" / "Weights.H5").write_bytes(b"x")
    os.mkfifo(evidence / "claims" / "pipe.json")
    unpack(pack(evidence), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out" / "claims").iterdir()) == ["events.jsonl", "fit-1.after.npz"]


def zipped(*members, how=zipfile.ZIP_DEFLATED):
    """An archive of (name or ZipInfo, content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as made:
        for name, content in members:
            made.writestr(name, content)
    return buffer.getvalue()


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json",
        "/etc/cron.d/x.json",
        "claims/../../outside.json",
        "claims\\..\\outside.json",
        "./a.json",
        "a/b/c/d/e.json",
        "claims/",
        "program.sh",
        "model.keras",
        "weights.pkl",
        ".hidden.json",
        "nul\x00l.json",
        "é.json",
        "x" * 90 + ".json",
        link("claims/link.json"),
    ],
    ids=str,
)
def test_anything_else_than_evidence_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(EvidenceError):
        unpack(zipped(("execution.json", "{}"), (name, "../../target")), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(EvidenceError, match="twice"):
        unpack(zipped(("a.json", "1"), ("a.json", "2")), tmp_path / "out")
    with pytest.raises(EvidenceError):  # a file where another one needs a folder
        unpack(zipped(("a.json", "1"), ("a.json/b.json", "2")), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_refused_by_what_its_directory_says(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "UNPACKED_LIMIT_BYTES", 1_000_000)
    data = zipped(("events.jsonl", b"0" * 2_000_000))
    assert len(data) < 10_000
    with pytest.raises(EvidenceError, match="2000000 bytes"):
        unpack(data, tmp_path / "out")


def test_a_bomb_that_lies_about_its_size_is_cut_off(tmp_path):
    data = bytearray(zipped(("events.jsonl", b"0" * 2_000_000)))
    for start in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[start : start + 4] = (1_000).to_bytes(4, "little")
    with pytest.raises(EvidenceError):
        unpack(bytes(data), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_two_ways_of_packing_are_read(tmp_path, how):
    with pytest.raises(EvidenceError):
        unpack(zipped(("a.json", "{}"), how=how), tmp_path / "out")


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"no archive at all", zipped(("a.json", "{}" * 100))[:-30]],
    ids=["empty", "two bytes", "text", "cut off"],  # the time stands in an archive
)
def test_damaged_bytes_are_refused(tmp_path, data):
    with pytest.raises(EvidenceError):
        unpack(data, tmp_path / "out")


def test_an_archive_that_is_too_large_is_neither_made_nor_read(evidence, tmp_path, monkeypatch):
    data = pack(evidence)
    monkeypatch.setattr(archive_module, "PACKED_LIMIT_BYTES", 100)
    with pytest.raises(EvidenceError, match="more than 100 bytes"):
        pack(evidence)
    with pytest.raises(EvidenceError, match="at most 100"):
        unpack(data, tmp_path / "out")


def test_nothing_that_is_there_is_written_over(evidence, tmp_path):
    with pytest.raises(FileExistsError):
        unpack(pack(evidence), evidence)
    assert (evidence / "execution.json").read_text() == '{"outcome": "ok"}'


def test_a_finished_folder_takes_the_place_of_an_older_one(tmp_path):
    for name in ("finished", "directory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    put_in_place(tmp_path / "finished", tmp_path / "directory")
    assert (tmp_path / "directory" / "a").read_text() == "finished"
    assert [p.name for p in tmp_path.iterdir()] == ["directory"]
