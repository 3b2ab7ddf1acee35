"""The command line, run in this process: exit code, standard output and standard error."""

import json
import shutil
import sys
from dataclasses import dataclass

import nbformat
import pytest
from small_course import make_small_course

from grader.cli import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    """With one assignment, b2-1."""
    course = make_small_course(tmp_path_factory.mktemp("small"))
    for other in (p for p in course.root.glob("*/*") if p.is_dir() and p.name != "b2-1"):
        shutil.rmtree(other)
    return course


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Nothing of this machine's settings or data; the current directory is the test's own."""
    for name in ("GRADER_COURSE", "GRADER_CONFIG", "GRADER_WORKSPACE", "GRADER_LANGUAGE", "GRADER_AUTHOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADER_DATA_DIR", str(tmp_path / "no-data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def grader(environment, monkeypatch, capfd):
    """Runs ``grader ARGUMENTS``."""

    def run(*arguments):
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["grader", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        code = ended.value.code
        return Ran(0 if code is None else code, *capfd.readouterr())

    return run


@pytest.fixture
def course_data(small_course, monkeypatch, environment):
    """The small course and its data set are the ones at hand."""
    monkeypatch.setenv("GRADER_COURSE", str(small_course.root))
    monkeypatch.setenv("GRADER_DATA_DIR", str(small_course.data))
    return small_course


@pytest.fixture(scope="session")
def save_notebook():
    """Writes a notebook of code cells, with a header cell where a student is given."""

    def save(path, *sources, student=None, **metadata):
        header = [nbformat.v4.new_markdown_cell(f"Student number : {student}")] if student else []
        cells = [*header, *(nbformat.v4.new_code_cell(source) for source in sources)]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        book = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(book), "utf-8")
        return path

    return save
