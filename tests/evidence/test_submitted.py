"""Saved outputs as text."""

import nbformat
import pytest

from grader.evidence.submitted import CELL_LIMIT_CHARS, SavedCell, read_saved, saved_cells, write_saved


def cell(*outputs, count=None):
    return {"cell_type": "code", "source": "", "outputs": list(outputs), "execution_count": count}


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def of(*cells):
    return saved_cells({"cells": list(cells)}, lambda text: text.replace("\r", ""))


def test_streams_and_plain_results_are_text_and_pictures_are_not():
    picture = {"output_type": "display_data", "data": {"image/png": "AAAA"}}
    result = {"output_type": "execute_result", "data": {"text/plain": ["a", "b"]}}
    assert of(cell(stream(["one\r", "two"]), picture, result, count=3))[0] == SavedCell("onetwo\nab", count=3)


def test_a_stream_saved_in_pieces_is_one_text_as_a_front_end_would_show_it():
    errors = {"output_type": "stream", "name": "stderr", "text": "warning"}
    pieces = [stream("\r 1/12"), stream("\x08\x08"), stream("\r12/12\n"), errors, stream("end")]
    assert of(cell(*pieces))[0].text == " 1/12\x08\x0812/12\n\nwarning\nend"


def test_an_error_is_kept_by_name_and_markdown_has_an_entry_of_its_own():
    error = {"output_type": "error", "ename": "NameError", "evalue": "name 'x'", "traceback": ["long"]}
    assert of({"cell_type": "markdown", "source": "text"}, cell(error)) == (SavedCell(), SavedCell(error="NameError"))


def test_long_text_is_cut_and_says_so():
    saved = of(cell(stream("x" * (CELL_LIMIT_CHARS + 1))), cell(stream("y" * CELL_LIMIT_CHARS)))
    assert [(len(c.text), c.cut) for c in saved] == [(CELL_LIMIT_CHARS, True), (CELL_LIMIT_CHARS, False)]


@pytest.mark.parametrize("outputs", [None, ["text"], [{}], [{"data": 5}], [{"text": 7}], [{"output_type": "error"}]])
def test_odd_outputs_are_read_as_far_as_they_go(outputs):
    assert len(saved_cells({"cells": [{"cell_type": "code", "outputs": outputs}]}, str)) == 1


def test_a_notebook_of_the_library_is_read_and_comes_back_from_disk(tmp_path):
    code = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="hello")], execution_count=2)
    saved = saved_cells(nbformat.v4.new_notebook(cells=[code]), str)
    write_saved(tmp_path, saved)
    assert read_saved(tmp_path) == saved == (SavedCell("hello", count=2),)
