"""Files, folders and archives in, one attempt each out."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.intake import Roster, collect
from grader.intake import sources as sources_module
from grader.model import Student

HEADER = "学生証番号 : {id}\n\n名前 : {name}\n\nメールアドレス(大学) : {email}\n\n# B2-1"


def notebook_bytes(ident="", name="", email="", **metadata) -> bytes:
    cells = [
        {
            "cell_type": "markdown",
            "id": "head",
            "metadata": {},
            "source": HEADER.format(id=ident, name=name, email=email),
        },
        {"cell_type": "code", "id": "one", "metadata": {}, "source": "1 + 1", "outputs": [], "execution_count": None},
    ]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 4, 10, 12, 0, 0)), content)
    return buffer.getvalue()


def sources(attempts, root: Path) -> list[str]:
    return [attempt.source.removeprefix(root.as_posix()).lstrip("/!") for attempt in attempts]


def test_a_notebook_gives_one_attempt_with_digest_student_and_time(tmp_path):
    content = notebook_bytes("２１Ｘ４００１", "山田　花子", "hanako@example.ac.jp")
    path = tmp_path / "work.ipynb"
    path.write_bytes(content)
    os.utime(path, (1_760_000_000, 1_760_000_000))
    (attempt,) = collect([path], "b2-1")
    assert attempt.source == path.as_posix()
    assert attempt.digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert attempt.content == content
    assert attempt.student == Student("21X4001", "山田 花子", "hanako@example.ac.jp")
    assert attempt.language == "ja"
    assert attempt.handed_in_at == "2025-10-09T08:53:20+00:00"
    assert attempt.unreadable is None
    assert not attempt.conflicts
    nbformat.validate(nbformat.from_dict(attempt.notebook))


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        collect([tmp_path / "none.ipynb"], "b2-1")


def test_a_class_folder_gives_its_files_in_natural_order(tmp_path):
    root = write(tmp_path / "class", {f"s{n}.ipynb": notebook_bytes(f"21X400{n}") for n in (10, 2, 1)})
    assert sources(collect([root], "b2-1"), root) == ["s1.ipynb", "s2.ipynb", "s10.ipynb"]


def test_hidden_and_system_files_are_skipped_but_told(tmp_path):
    root = write(
        tmp_path / "class",
        {
            "a.ipynb": notebook_bytes(),
            ".ipynb_checkpoints/a-checkpoint.ipynb": notebook_bytes(),
            "__MACOSX/._a.ipynb": b"\0\5",
            ".DS_Store": b"x",
        },
    )
    told = []
    assert sources(collect([root], "b2-1", tell=told.append), root) == ["a.ipynb"]
    assert {str(text.params["source"]).rsplit("/", 1)[-1] for text in told} == {
        ".ipynb_checkpoints",
        "__MACOSX",
        ".DS_Store",
    }


def test_companions_in_a_students_folder_are_a_note_and_no_attempts(tmp_path):
    root = write(
        tmp_path / "class",
        {
            "alice/b2-1.ipynb": notebook_bytes(),
            "alice/figure.png": b"\x89PNG",
            "alice/report.pdf": b"%PDF-1.4",
            "alice/images/a.png": b"\x89PNG",
            "bob/b2-1.ipynb": notebook_bytes(),
        },
    )
    attempts = collect([root], "b2-1")
    assert sources(attempts, root) == ["alice/b2-1.ipynb", "bob/b2-1.ipynb"]
    (note,) = attempts[0].notes
    assert note.params["names"] == "figure.png, report.pdf"
    assert not attempts[1].notes


def test_a_students_folder_without_a_notebook_is_one_unreadable_attempt(tmp_path):
    root = write(
        tmp_path / "class",
        {"alice/main.py": b"print(1)", "alice/out.png": b"\x89PNG", "bob/b2-1.ipynb": notebook_bytes()},
    )
    (root / "carol").mkdir()
    alice, bob, carol = collect([root], "b2-1")
    assert alice.unreadable.params == {"names": "main.py, out.png"}
    assert bob.unreadable is None
    assert carol.unreadable.id.startswith("It is empty")
    assert alice.digest != carol.digest


def test_a_single_students_folder_is_one_attempt(tmp_path):
    root = write(tmp_path / "alice", {"main.py": b"print(1)", "plot.png": b"\x89PNG"})
    (attempt,) = collect([root], "b2-1")
    assert attempt.unreadable is not None


@pytest.mark.parametrize(
    ("name", "content"), [("a.py", b"print(1)"), ("a.pdf", b"%PDF-1.7"), ("a.docx", b"PK\x03\x04")]
)
def test_a_file_of_another_kind_is_an_unreadable_attempt_that_says_so(tmp_path, name, content):
    root = write(tmp_path, {name: content})
    (attempt,) = collect([root / name], "b2-1")
    assert attempt.notebook is None
    assert attempt.unreadable.params == {"kind": Path(name).suffix}
    assert attempt.content == content


def test_documents_in_a_flat_class_folder_are_attempts_but_pictures_are_not(tmp_path):
    root = write(
        tmp_path / "class",
        {
            "s01.ipynb": notebook_bytes(),
            "s01.html": b"<html>",
            "s02.ipynb": notebook_bytes(),
            "s03.pdf": b"%PDF",
            "photo.png": b"\x89PNG",
            "roster.csv": b"id\n1",
        },
    )
    told = []
    attempts = collect([root], "b2-1", tell=told.append)
    assert sources(attempts, root) == ["s01.ipynb", "s02.ipynb", "s03.pdf"]
    assert attempts[0].notes[0].params["names"] == "s01.html"
    assert len(told) == 2


@pytest.mark.parametrize("name", ["b2-1.ipynb.txt", "b2-1.json", "b2-1.ipynb (1)", "b2-1"])
def test_a_notebook_under_another_suffix_is_recognised(tmp_path, name):
    root = write(tmp_path / "alice", {name: notebook_bytes("21X4001"), "x.png": b"\x89PNG"})
    (attempt,) = collect([root], "b2-1")
    assert attempt.student.id == "21X4001"


def test_a_zip_gives_the_same_attempts_as_the_folder(tmp_path):
    files = {
        "class/s1.ipynb": notebook_bytes("21X4001"),
        "class/s2.ipynb": b"",
        "class/sub/s3.ipynb": notebook_bytes("21X4003"),
        "__MACOSX/class/._s1.ipynb": b"\0",
    }
    path = tmp_path / "export.zip"
    path.write_bytes(zip_bytes(files))
    folder = write(tmp_path / "folder", files)
    zipped, plain = collect([path], "b2-1"), collect([folder], "b2-1")
    assert [a.digest for a in zipped] == [a.digest for a in plain]
    assert [a.source for a in zipped] == [
        f"{path.as_posix()}!class/s1.ipynb",
        f"{path.as_posix()}!class/s2.ipynb",
        f"{path.as_posix()}!class/sub/s3.ipynb",
    ]
    assert all(a.handed_in_at and a.handed_in_at.startswith("2026-04-1") for a in zipped)


def test_a_zip_in_a_zip_is_opened_but_not_a_third_one(tmp_path):
    inner = zip_bytes({"b2-1.ipynb": notebook_bytes("21X4001"), "a.png": b"\x89PNG"})
    third = zip_bytes({"deep.zip": zip_bytes({"c.ipynb": notebook_bytes("21X4003")})})
    path = tmp_path / "all.zip"
    path.write_bytes(zip_bytes({"21X4001.zip": inner, "b.ipynb": notebook_bytes("21X4002"), "third.zip": third}))
    attempts = collect([path], "b2-1")
    assert [a.student.id for a in attempts] == ["21X4001", "21X4002", None]
    assert attempts[0].source == f"{path.as_posix()}!21X4001.zip!b2-1.ipynb"
    assert "archive inside an archive" in attempts[2].unreadable.id


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04garbage", zip_bytes({"a.ipynb": notebook_bytes()})[:-30]])
def test_a_damaged_zip_is_one_unreadable_attempt(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    (attempt,) = collect([path], "b2-1")
    assert attempt.unreadable.id.startswith("The archive is damaged")


def test_an_empty_zip_is_one_unreadable_attempt(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zip_bytes({}))
    (attempt,) = collect([path], "b2-1")
    assert attempt.unreadable.id.startswith("It is empty")


def test_a_damaged_member_leaves_the_others_alone(tmp_path):
    raw = bytearray(zip_bytes({"a.ipynb": notebook_bytes("21X4001"), "b.ipynb": notebook_bytes("21X4002")}))
    start = raw.index(b"a.ipynb") + len(b"a.ipynb")
    raw[start + 10 : start + 30] = b"\xff" * 20
    path = tmp_path / "x.zip"
    path.write_bytes(bytes(raw))
    first, second = collect([path], "b2-1")
    assert "damaged inside the archive" in first.unreadable.id
    assert second.student.id == "21X4002"


def test_a_zip_bomb_is_an_unreadable_member(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_module, "NOTEBOOK_LIMIT_BYTES", 100_000)
    path = tmp_path / "x.zip"
    path.write_bytes(zip_bytes({"bomb.ipynb": b"\0" * 5_000_000, "ok.ipynb": notebook_bytes("21X4001")}))
    bomb, fine = collect([path], "b2-1")
    assert "more than {limit_mib} MiB is not read" in bomb.unreadable.id
    assert len(bomb.content) < 1000
    assert fine.student.id == "21X4001"


def test_members_cannot_reach_outside_the_archive(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zip_bytes({"../../etc/a.ipynb": notebook_bytes(), "/abs/b.ipynb": notebook_bytes()}))
    attempts = collect([path], "b2-1")
    assert [a.source.split("!")[1] for a in attempts] == ["abs/b.ipynb", "etc/a.ipynb"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_shift_jis_member_names_are_read(tmp_path):
    # What Windows' own zip function writes: the bytes in the system's code page, without the UTF-8 flag.
    stand_in, name = "ABCDEFGH.ipynb", "山田花子.ipynb".encode("cp932")
    assert len(stand_in) == len(name)
    path = tmp_path / "x.zip"
    path.write_bytes(zip_bytes({stand_in: notebook_bytes()}).replace(stand_in.encode(), name))
    (attempt,) = collect([path], "b2-1")
    assert attempt.source.endswith("!山田花子.ipynb")
    assert attempt.student.name == "山田花子"


def test_moodle_folders_name_the_student(tmp_path):
    root = write(
        tmp_path / "b2-1",
        {
            "Hanako Yamada_12345_assignsubmission_file_/work.ipynb": notebook_bytes(),
            "Taro Sato_12346_assignsubmission_file_/work.ipynb": notebook_bytes(),
        },
    )
    assert [a.student.name for a in collect([root], "b2-1")] == ["Hanako Yamada", "Taro Sato"]


def test_canvas_files_of_one_student_belong_together(tmp_path):
    root = write(
        tmp_path / "submissions",
        {
            "yamadahanako_12345_67890_b2-1.ipynb": notebook_bytes(),
            "yamadahanako_12345_67891_report.pdf": b"%PDF",
            "satotaro_LATE_12346_67892_answer.pdf": b"%PDF",
            "suzuki_12347_67893_b2-1-1.ipynb": notebook_bytes(),
        },
    )
    roster = Roster(
        [Student("21X4001", "Yamada, Hanako", None), Student("21X4002", "Sato, Taro", None)], [["12345"], []]
    )
    attempts = collect([root], "b2-1", roster)
    assert sources(attempts, root) == [
        "satotaro_LATE_12346_67892_answer.pdf",
        "suzuki_12347_67893_b2-1-1.ipynb",
        "yamadahanako_12345_67890_b2-1.ipynb",
    ]
    assert [a.student.id for a in attempts] == ["21X4002", None, "21X4001"]
    assert [a.student.name for a in attempts] == ["satotaro", "suzuki", "yamadahanako"]
    assert not attempts[2].conflicts


def test_nbgraders_layout_names_the_student_and_the_time(tmp_path):
    root = write(
        tmp_path / "submitted",
        {
            "alice/b2-1/b2-1.ipynb": notebook_bytes(),
            "alice/b2-1/timestamp.txt": b"2015-02-02 14:58:23.948203 America/Los_Angeles",
            "alice/b1-2/b1-2.ipynb": notebook_bytes(),
            "bob/b2-1/b2-1.ipynb": notebook_bytes(),
        },
    )
    alice, bob = collect([root], "b2-1")
    assert (alice.student.id, bob.student.id) == ("alice", "bob")
    assert alice.handed_in_at == "2015-02-02T22:58:23+00:00"
    (direct,) = collect([root / "bob" / "b2-1" / "b2-1.ipynb"], "b2-1")
    assert direct.student.id == "bob"


def test_gradescopes_metadata_names_the_submitter(tmp_path):
    metadata = b"""---
submission_101:
  :submitters:
  - :name: Hanako Yamada
    :sid: '21X4001'
    :email: hanako@example.ac.jp
submission_102:
  :submitters:
  - :name: Taro Sato
    :sid: '21X4002'
    :email: taro@example.ac.jp
"""
    root = write(
        tmp_path / "export",
        {
            "submission_metadata.yml": metadata,
            "submission_101/b2-1.ipynb": notebook_bytes(),
            "submission_102/main.py": b"1",
        },
    )
    first, second = collect([root], "b2-1")
    assert first.student == Student("21X4001", "Hanako Yamada", "hanako@example.ac.jp")
    assert second.student.id == "21X4002"
    assert second.unreadable is not None


def test_a_handout_for_another_assignment_is_noted(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_bytes(notebook_bytes(grader={"assignment": "conv-callback", "language": "zh"}))
    (attempt,) = collect([path], "b2-1")
    assert attempt.language == "zh"
    assert attempt.notes[0].params == {"stamped": "conv-callback"}


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    root = write(tmp_path / "class", {"a.ipynb": notebook_bytes()})
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(notebook_bytes("99Z9999"))
    try:
        (root / "b.ipynb").symlink_to(secret)
    except OSError:
        pytest.skip("links cannot be made here")
    assert sources(collect([root], "b2-1"), root) == ["a.ipynb"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".ipynb", ".zip", ".json", ""]))
def test_any_bytes_give_exactly_one_attempt(tmp_path, content, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    (attempt,) = collect([path], "b2-1")
    assert (attempt.notebook is None) == (attempt.unreadable is not None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_corrupted_zip_never_raises(tmp_path, data):
    raw = bytearray(zip_bytes({"a.ipynb": notebook_bytes(), "b/c.ipynb": b"{}"}))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.zip"
    path.write_bytes(bytes(raw))
    assert len(collect([path], "b2-1")) >= 1
