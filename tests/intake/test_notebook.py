"""Any bytes become a valid nbformat 4.5 notebook or a reason."""

import json

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.intake import decode as decode_module
from grader.intake import parse_notebook


def book(*cells, **top) -> dict:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **top}


def code(source="1", **more) -> dict:
    return {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
        **more,
    }


def parsed(value):
    return parse_notebook(value if isinstance(value, bytes) else json.dumps(value).encode())


def reason(value) -> str:
    result = parsed(value)
    assert result.notebook is None
    return result.unreadable.id


def notes(value) -> list[str]:
    result = parsed(value)
    assert result.unreadable is None
    nbformat.validate(nbformat.from_dict(result.notebook))
    return [note.id for note in result.notes]


def test_a_good_notebook_comes_back_unchanged_and_without_notes():
    stream = {"output_type": "stream", "name": "stdout", "text": "hi\n"}
    original = book(
        code(outputs=[stream], execution_count=3), {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "# t"}
    )
    original["metadata"] = {
        "kernelspec": {"name": "tf_gpu2", "display_name": "TF", "language": "python"},
        "language_info": {"name": "python"},
        "grader": {"assignment": "b2-1"},
    }
    result = parsed(original)
    assert result.notebook == original
    assert result.notes == ()


@pytest.mark.parametrize("content", [b"", b"  \n", b"\0\0\0"])
def test_an_empty_file_says_so(content):
    assert reason(content).startswith("The file is empty")


def test_a_truncated_notebook_is_unreadable_with_a_reason():
    whole = json.dumps(book(code("print('hello')")), indent=1).encode()
    for length in (len(whole) // 3, len(whole) // 2, len(whole) - 2):
        assert reason(whole[:length]).startswith("The file is cut off")


def test_merge_conflict_markers_are_named():
    text = json.dumps(book(code()), indent=1).replace(
        '"source": "1"', '<<<<<<< HEAD\n"source": "1"\n=======\n"source": "2"\n>>>>>>> x'
    )
    assert "merge conflict" in reason(text.encode())


def test_conflict_markers_inside_a_cell_are_only_text():
    assert notes(book(code("<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> x"))) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"%PDF-1.7 ...", "{kind} file"),
        (b"PK\x03\x04...", "{kind} file"),
        (b"import numpy as np\n", "not a notebook file"),
        (b'{"a": 1}', "no cells"),
        (b"[1, 2]", "no cells"),
        (b'{"cells": [], "nbformat": 4,, }', "damaged near line"),
        (b"\x00\xff\x01\xfe" * 50, "binary file"),
        (b"[" * 100_000, "nested more deeply"),
        (b'{"cells":' + b"[" * 500 + b"]" * 500 + b"}", "nested more deeply"),
        (b'{"nbformat": 1e3, "cells": 1e999e}', "damaged"),
    ],
)
def test_what_is_no_notebook_has_a_telling_reason(content, words):
    assert words in reason(content)


def test_other_languages_and_far_futures_are_refused():
    assert "not for Python" in reason(
        book(metadata={"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}})
    )
    assert "not for Python" in reason(book(metadata={"language_info": {"name": "julia"}}))
    assert "newer than this grader" in reason(book(nbformat=9))


def test_a_huge_file_is_not_read(monkeypatch):
    monkeypatch.setattr(decode_module, "NOTEBOOK_LIMIT_BYTES", 100)
    assert "is not read" in reason(book(code("x" * 200)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932", "euc_jp"])
def test_encodings_are_recognised(encoding):
    content = json.dumps(book(code("名前 = '山田花子'  # 深層学習の課題です")), ensure_ascii=False).encode(encoding)
    result = parsed(content)
    assert result.notebook["cells"][0]["source"] == "名前 = '山田花子'  # 深層学習の課題です"
    assert len(result.notes) == (not encoding.startswith("utf-8"))


def test_damaged_characters_do_not_cost_the_notebook():
    content = json.dumps(book(code("xyz"))).encode().replace(b"xyz", b"\xff\xfe\x81")
    assert any("damaged" in note for note in notes(content))


def test_raw_line_breaks_nan_and_duplicate_keys_are_tolerated():
    cell = b'{"cell_type":"code","source":"a\nb"}'
    content = b'{"nbformat":4,"nbformat_minor":4,"metadata":{"x":NaN,"x":Infinity},"cells":[' + cell + b"]}"
    result = parsed(content)
    assert result.notebook["cells"][0]["source"] == "a\nb"
    assert result.notebook["metadata"]["x"] is None
    assert len(result.notes) == 1


def test_lone_surrogates_can_be_written_again():
    result = parsed(
        b'{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[{"cell_type":"code","id":"a","source":"\\ud800x"}]}'
    )
    json.dumps(result.notebook, ensure_ascii=False).encode()
    assert result.notebook["cells"][0]["source"] == "�x"


def test_format_3_is_converted():
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "x"},
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": ["Task"], "metadata": {}},
                    {
                        "cell_type": "code",
                        "input": ["a = 1\n", "a"],
                        "language": "python",
                        "prompt_number": 1,
                        "outputs": [{"output_type": "pyout", "text": ["1"], "prompt_number": 1, "metadata": {}}],
                        "metadata": {},
                    },
                ]
            }
        ],
    }
    result = parsed(old)
    heading, cell = result.notebook["cells"]
    assert heading["source"] == "## Task"
    assert cell["source"] == "a = 1\na"
    assert cell["outputs"][0]["data"]["text/plain"] == "1"
    assert "old format" in result.notes[0].id
    nbformat.validate(nbformat.from_dict(result.notebook))
    assert parsed(old).notebook == result.notebook


def test_a_damaged_old_notebook_is_a_reason_and_no_crash():
    assert "old format" in reason({"nbformat": 3, "worksheets": [{"cells": [None, {"cell_type": 5}]}]})


def test_repeated_ids_are_made_new_the_same_way_each_time():
    twice = book(code("1"), code("2"), code("2", id="no good"))
    first, second = parsed(twice), parsed(twice)
    ids = [cell["id"] for cell in first.notebook["cells"]]
    assert len(set(ids)) == 3
    assert ids[0] == "a"
    assert first.notebook == second.notebook
    assert notes(twice) == ["Missing or repeated cell ids were made new."]


def test_cells_from_before_ids_get_them_without_a_note():
    old = book({"cell_type": "code", "metadata": {}, "source": ["a\n", "b"], "outputs": [], "execution_count": 1})
    assert notes({**old, "nbformat_minor": 2}) == []
    assert parsed(old).notebook["cells"][0]["source"] == "a\nb"


def test_odd_cells_and_outputs_are_repaired_with_a_count():
    odd = book(
        code(
            outputs=[{"output_type": "nonsense"}, "x", {"output_type": "stream", "name": "weird", "text": ["a", "b"]}]
        ),
        {"cell_type": "slide", "source": "text"},
        "no cell",
        {"cell_type": "code", "source": 5},
    )
    result = parsed(odd)
    assert [c["cell_type"] for c in result.notebook["cells"]] == ["code", "raw", "code"]
    assert result.notebook["cells"][0]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "ab"}]
    counts = {note.id: note.params.get("count") for note in result.notes}
    assert counts["Damaged outputs were left out: {count}."] == 2
    assert counts["Entries that are no cells were left out: {count}."] == 1


def test_neighbouring_pieces_of_one_stream_are_joined():
    pieces = [
        {"output_type": "stream", "name": n, "text": t} for n, t in [("stdout", "a"), ("stdout", "b"), ("stderr", "c")]
    ]
    result = parsed(book(code(outputs=pieces)))
    assert [(o["name"], o["text"]) for o in result.notebook["cells"][0]["outputs"]] == [
        ("stdout", "ab"),
        ("stderr", "c"),
    ]


def test_the_handout_stamp_survives_damaged_metadata():
    result = parsed(
        book(
            code(metadata={"tags": "x", "collapsed": 5, "name": ""}),
            metadata={"grader": {"assignment": "b2-1"}, "kernelspec": 3},
        )
    )
    assert result.notebook["metadata"]["grader"] == {"assignment": "b2-1"}
    assert result.notebook["metadata"]["kernelspec"]["name"] == "python3"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OUTPUTS = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "display_data", "execute_result", "error"]) | JSON},
    optional={
        "name": JSON,
        "text": JSON,
        "data": st.dictionaries(st.sampled_from(["text/plain", "application/json", "image/png"]), JSON) | JSON,
        "metadata": JSON,
        "execution_count": JSON,
        "ename": JSON,
        "evalue": JSON,
        "traceback": JSON,
    },
)
METADATA = st.dictionaries(
    st.sampled_from(["tags", "name", "jupyter", "execution", "format", "collapsed", "scrolled", "x"]), JSON, max_size=4
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JSON, "source": st.text(max_size=9) | JSON},
    optional={
        "metadata": METADATA | JSON,
        "outputs": st.lists(OUTPUTS, max_size=3) | JSON,
        "id": JSON,
        "execution_count": JSON,
        "attachments": JSON | st.dictionaries(st.text(max_size=3), st.dictionaries(st.text(max_size=3), JSON)),
        "level": JSON,
    },
)
NOTEBOOKS = st.fixed_dictionaries(
    {"cells": st.lists(CELLS | JSON, max_size=4)},
    optional={
        "metadata": st.dictionaries(
            st.sampled_from(["kernelspec", "language_info", "title", "authors", "orig_nbformat", "grader"]), JSON
        )
        | JSON,
        "nbformat": st.sampled_from([1, 2, 3, 4, 5]) | JSON,
        "nbformat_minor": JSON,
        "worksheets": JSON | st.lists(st.fixed_dictionaries({"cells": st.lists(CELLS)}), max_size=2),
    },
)


@settings(max_examples=300, deadline=None)
@given(NOTEBOOKS)
def test_any_structure_gives_a_valid_notebook_or_a_reason(value):
    result = parse_notebook(json.dumps(value).encode())
    assert (result.notebook is None) == (result.unreadable is not None)
    if result.notebook is not None:
        nbformat.validate(nbformat.from_dict(result.notebook))
        ids = [cell["id"] for cell in result.notebook["cells"]]
        assert len(set(ids)) == len(ids)
        json.dumps(result.notebook, ensure_ascii=False, allow_nan=False).encode()
