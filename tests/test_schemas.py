"""What every process that reads a notebook imports, and what it leaves out."""

import subprocess
import sys

import pytest

ENTRIES = ("grader.intake", "grader.execution", "grader.handout", "grader.pipeline.writers")


def said_by(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("entry", ENTRIES)
def test_reading_a_notebook_builds_no_grammar_of_web_addresses(entry):
    assert said_by(f"import sys, {entry}\nprint('nbformat' in sys.modules, 'lark' in sys.modules)") == ["True", "False"]


def test_whoever_asks_for_the_grammar_afterwards_gets_it():
    pytest.importorskip("rfc3987_syntax")
    code = (
        "import grader.intake\nimport rfc3987_syntax\nprint(rfc3987_syntax.is_valid_syntax('iri', 'http://a.example'))"
    )
    assert said_by(code) == ["True"]


def test_notebooks_are_still_compared_with_their_schema():
    code = (
        "import grader.intake, nbformat\n"
        "nb = nbformat.v4.new_notebook()\nnb['metadata'] = 3\n"
        "try:\n    nbformat.validate(nb)\nexcept nbformat.ValidationError:\n    print('refused')"
    )
    assert said_by(code) == ["refused"]
