"""Files made to exhaust, to impersonate or to confuse: bounded work, no exception, nobody else's name."""

import hashlib
import io
import json
import time
import zipfile

import pytest

from grader.evidence import zips as zips_module
from grader.intake import collect, parse_notebook
from grader.intake import handins as handins_module
from grader.intake.filename import FOLDER_NAME, Claim
from grader.intake.header import header_student
from grader.intake.identity import FIELD_LIMIT_CHARACTERS, HEADER, resolve
from grader.model import Student


def book(*cells, **metadata) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def prose(source) -> dict:
    return {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source}


def zipped(files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "source",
    ["name: a" + " " * 19_000 + "b", "[" * 20_000, "email: " + "a" * 19_000, "氏名:" * 6_000, "- " * 9_000 + "name: x"],
    ids=lambda source: source[:8],
)
def test_a_header_of_one_endless_line_takes_no_time(source):
    notebook = parse_notebook(book(*[prose(source)] * 6)).notebook
    began = time.process_time()
    header_student(notebook)
    assert time.process_time() - began < 1


def test_an_id_is_found_even_when_all_pieces_of_its_sum_are_taken():
    last = "x = 1"
    base = hashlib.sha256(f"56:{last}".encode()).hexdigest()
    cells = [{**prose(""), "id": base[start : start + 8]} for start in range(56)]
    result = parse_notebook(book(*cells, {"cell_type": "code", "source": last}))
    ids = [cell["id"] for cell in result.notebook["cells"]]
    assert len(set(ids)) == 57


def test_an_archive_of_very_many_folders_is_listed_in_no_time(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({f"{n}/{n}.png": b"" for n in range(8_000)}))
    began = time.process_time()
    assert len(collect([path], "b2-1")) == 8_000
    assert time.process_time() - began < 5


def test_a_huge_table_of_contents_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zips_module, "DIRECTORY_LIMIT_BYTES", 10_000)
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({f"{n}.ipynb": b"" for n in range(300)}))
    (attempt,) = collect([path], "b2-1")
    assert "too many entries" in attempt.unreadable.id


def test_one_students_archive_may_not_fill_the_class(tmp_path, monkeypatch):
    monkeypatch.setattr(handins_module, "STUDENT_ARCHIVE_LIMIT_BYTES", 3_000)
    inner = zipped({f"{n}.ipynb": book(prose("x" * 1_000)) for n in range(9)})
    path = tmp_path / "class.zip"
    path.write_bytes(zipped({"21X4001.zip": inner, "21X4002.ipynb": book(prose("y"))}))
    attempts = collect([path], "b2-1")
    assert sum(a.notebook is not None for a in attempts) < 5
    assert attempts[-1].notebook is not None


def test_a_students_archive_cannot_say_who_submitted(tmp_path):
    metadata = b"submission_1:\n  :submitters:\n  - :name: Hanako\n    :sid: '21X4001'\n"
    inner = zipped({"submission_1/a.ipynb": book(), "submission_metadata.yml": metadata})
    path = tmp_path / "class.zip"
    path.write_bytes(zipped({"21X4009.zip": inner, "21X4002.ipynb": book(prose("y"))}))
    assert [a.student for a in collect([path], "b2-1")] == [Student("21X4002"), Student()]


def test_what_cannot_be_seen_is_taken_out_of_who_it_is():
    student, _ = resolve([Claim(HEADER, Student("21X\u200b4001", "山田\u202e\x1b\x85 花子\ufeff", "a\x00@b.jp"))], None)
    assert student == Student("21X4001", "山田 花子", "a@b.jp")
    student, _ = resolve([Claim(FOLDER_NAME, Student("\u202e", "n" * 5_000))], None)
    assert student.id is None
    assert len(student.name) == FIELD_LIMIT_CHARACTERS


def test_numbers_that_json_lacks_are_read_as_nothing_and_long_ones_as_floats():
    numbers = "[1e999, -1e999, NaN, 1.5, " + "9" * 30 + ", " + "9" * 5_000 + ", 12]"
    content = book(metadata=None).replace(b'"metadata": null', f'"x": {numbers}'.encode())
    assert parse_notebook(content).notebook["metadata"]["x"] == [None, None, None, 1.5, 1e30, None, 12]
