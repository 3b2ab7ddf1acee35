"""Every kind of broken input is read, or refused with a sentence; ``docs/broken-input.md`` lists what happens.

``python tests/intake/test_broken_input.py`` writes the tables of that page again.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from grader.intake import collect, parse_notebook
from grader.intake import sources as sources_module
from grader.messages import Catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "broken-input.md"
ENGLISH = Catalogue("en", ROOT / "reports" / "locale")
JAPANESE = "名前 = '山田花子'  # 深層学習の課題です"


def code(source="x = 1", **more):
    return {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": []} | more


def book(*cells, **top):
    table = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells or [code()])}
    return {key: value for key, value in (table | top).items() if value is not None}


def dumped(*cells, **top):
    return json.dumps(book(*cells, **top), ensure_ascii=False, indent=1).encode()


def worksheets(version, cell):
    return json.dumps({"nbformat": version, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}).encode()


OLD = {"cell_type": "code", "input": "x = 1", "language": "python", "outputs": [], "prompt_number": 1}
CONFLICT = '\n<<<<<<< HEAD\n"nbformat_minor": 5,\n=======\n"nbformat_minor": 4,\n>>>>>>> theirs\n'
BAR = [
    {"output_type": "stream", "name": "stdout", "text": f"\r{n}/15000 [=====>.......] - loss: 0.1234"}
    for n in range(15_000)
]
MAGICS = "%matplotlib inline\n!pip install x\n%%time\n?x\nx?\n!wget a \\\n  b\n%%javascript\nwindow.close()"
WIDGET = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
PICTURE = {"cell_type": "markdown", "id": "p", "metadata": {}, "source": "![a](attachment:a.png)"}
R = {"name": "ir", "display_name": "R", "language": "R"}
PYTHON_2 = {"name": "python2", "display_name": "Python 2", "language": "python"}

FILES = {
    "empty file": b"",
    "only null bytes": b"\0" * 64,
    "the word foo": b"foo",
    "a script instead of a notebook": b"import tensorflow as tf\n",
    "a web page saved as .ipynb": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "a PDF called .ipynb": b"%PDF-1.7\n",
    "bytes of no known kind": b"\x00\xff\x01\xfe" * 50,
    "JSON without cells": b'{"a": 1}',
    "cut off in the middle": dumped()[:60],
    "damaged in the middle": dumped().replace(b'"metadata"', b'"metadata" oops', 1),
    "Git conflict in the JSON": dumped().replace(b'\n "nbformat_minor": 5,', CONFLICT.encode()),
    "Git conflict inside a cell": dumped(code("<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> x")),
    "larger than 100 MiB": b'{"cells": "' + b" " * (101 * 2**20),
    "millions of values": b'{"cells": [' + b"0," * 6_000_001 + b"0]}",
    "more than 10,000 cells": dumped(*[{"cell_type": "raw", "source": ""}] * 10_001),
    "nested 100,000 deep": b'{"cells": ' + b"[" * 100_000,
    "nested 500 deep": b'{"cells": ' + b"[" * 500 + b"]" * 500 + b"}",
    "UTF-8 with a byte order mark": b"\xef\xbb\xbf" + dumped(code(JAPANESE)),
    "UTF-16": dumped(code(JAPANESE)).decode().encode("utf-16"),
    "Shift_JIS": dumped(code(JAPANESE)).decode().encode("cp932"),
    "EUC-JP": dumped(code(JAPANESE)).decode().encode("euc_jp"),
    "some bytes that are no text": dumped(code("xyz")).replace(b"xyz", b"\xff\xfe\x81"),
    "half an emoji (a lone surrogate)": dumped(code("xyz")).replace(b"xyz", rb"\ud83d"),
    "raw line breaks in texts": dumped(code("a|b")).replace(b"a|b", b"a\nb"),
    "null bytes in texts": dumped(code("a|b")).replace(b"a|b", b"a\0b"),
    "null bytes after the end": dumped() + b"\0" * 512,
    "NaN, Infinity, 1e999": dumped(metadata={"x": 0}).replace(b'"x": 0', b'"x": [NaN, Infinity, 1e999]'),
    "a number of 5,000 digits": dumped(metadata={"x": 0}).replace(b'"x": 0', b'"x": ' + b"9" * 5_000),
    "format 1": json.dumps({"nbformat": 1, "cells": [{"cell_type": "code", "code": "x = 1"}]}).encode(),
    "format 2": worksheets(2, OLD),
    "format 3": worksheets(3, {**OLD, "metadata": {}}),
    "format 3, damaged": worksheets(3, None),
    "format 4.0": dumped({"cell_type": "code", "source": ["x = 1"], "metadata": {}, "outputs": []}, nbformat_minor=0),
    "format 4.9": dumped(nbformat_minor=9),
    "format 5": dumped(nbformat=5),
    "no format number": dumped(nbformat=None),
    "no metadata": dumped(metadata=None),
    "no kernel named": dumped(metadata={"language_info": {"name": "python"}}),
    "metadata of the wrong type": dumped(code(metadata={"tags": "x", "collapsed": 5}), metadata={"kernelspec": 3}),
    "a kernel of another name (tf_gpu2)": dumped(metadata={"kernelspec": {**PYTHON_2, "name": "tf_gpu2"}}),
    "an R kernel": dumped(metadata={"kernelspec": R}),
    "a Python 2 kernel": dumped(metadata={"kernelspec": PYTHON_2}),
    "the same cell id twice": dumped(code(), code()),
    "cells that are no cells": dumped(code(), None, "text"),
    "a cell of an unknown type": dumped({"cell_type": "slide", "id": "s", "source": "text"}),
    "a cell whose source is a number": dumped(code(5)),
    "damaged outputs": dumped(code(outputs=[{"output_type": "nonsense"}, 1])),
    "attachments": dumped({**PICTURE, "attachments": {"a.png": {"image/png": "AAAA"}}}),
    "widgets": dumped(metadata={"widgets": WIDGET}),
    "1.5 MB of progress bars": dumped(code(outputs=BAR)),
    "an indented cell": dumped(code("    x = 1\n    y = 2")),
    "a bare sentence in a code cell": dumped(code("学習率を変えると精度が下がった。")),
    "unfinished code": dumped(code("for i in range(3)\n    print(i")),
    "magics of all kinds": dumped(code(MAGICS)),
}


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def linked():
    info = zipfile.ZipInfo("a.ipynb")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return zipped((info, "/etc/passwd"))


def locked():
    """The flag of encryption in both headers."""
    data = bytearray(zipped(("a.ipynb", dumped())))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def japanese_name():
    return zipped(("AAAAAA.ipynb", dumped())).replace(b"AAAAAA", "課題一".encode("cp932"))


ARCHIVES = {
    "an empty archive": zipped(),
    "no notebook in it": zipped(("main.py", "x = 1"), ("plot.png", b"\x89PNG")),
    "cut off": zipped(("a.ipynb", dumped()))[:-30],
    "a damaged member": zipped(("a.ipynb", dumped())).replace(dumped()[:4], b"????")[:40]
    + b"\xff" * 20
    + zipped(("a.ipynb", dumped()))[60:],
    "with a password": locked(),
    "a link": linked(),
    "a bomb (101 MiB of zeros)": zipped(("a.ipynb", b"\0" * (101 * 2**20))),
    "more entries than are read": zipped(*((f"{n}.png", b"") for n in range(60))),
    "an archive in an archive": zipped(("21X4001.zip", zipped(("a.ipynb", dumped())))),
    "an archive in an archive in an archive": zipped(("b.zip", zipped(("c.zip", zipped(("a.ipynb", dumped())))))),
    "a student's archive of many notebooks": zipped(
        ("b.zip", zipped(*((f"{n}.ipynb", dumped()) for n in range(51)))),
    ),
    "names with .. and /": zipped(("../../../etc/a.ipynb", dumped())),
    "a name in Shift_JIS": japanese_name(),
    "a name with control characters": zipped(("a\x1b[2J\u202e.ipynb", dumped())),
    "files of macOS and hidden ones beside it": zipped(("a.ipynb", dumped()), ("__MACOSX/._a.ipynb", b"\0\5")),
}


def row(name, notebook, texts):
    """One line of a table: input, what happens, the sentences that are shown."""
    said = " ".join(ENGLISH.render(text) for text in texts) or "–"
    return f"| {name} | {'read' if notebook is not None else 'unreadable'} | {said} |"


def file_row(name):
    result = parse_notebook(FILES[name])
    return row(name, result.notebook, [t for t in (*result.notes, result.unreadable) if t])


def archive_row(name, folder):
    path = folder / "submission.zip"
    path.write_bytes(ARCHIVES[name])
    (attempt,) = collect([path], "b2-1")
    return row(name, attempt.notebook, [t for t in (*attempt.notes, attempt.unreadable) if t])


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(sources_module, "ARCHIVE_LIMIT_MEMBERS", 55)


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_does_what_the_page_says(name):
    assert file_row(name) in PAGE.read_text("utf-8")


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_broken_archive_does_what_the_page_says(name, tmp_path, small_limit):
    assert archive_row(name, tmp_path) in PAGE.read_text("utf-8")
    assert [path.name for path in tmp_path.rglob("*")] == ["submission.zip"]


def test_the_page_lists_nothing_else():
    listed = re.findall(r"^\| ([^|]+) \| (?:read|unreadable) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert listed == [*FILES, *ARCHIVES]


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_is_a_valid_notebook_that_reads_the_same_again(name):
    result = parse_notebook(FILES[name])
    if result.notebook is None:
        return
    nbformat.validate(nbformat.from_dict(result.notebook))
    stored = json.dumps(result.notebook, ensure_ascii=False, allow_nan=False).encode()
    assert parse_notebook(stored).notebook == result.notebook


@pytest.mark.parametrize(
    "name", ["an indented cell", "a bare sentence in a code cell", "unfinished code", "magics of all kinds"]
)
def test_code_is_left_as_it_is(name):
    assert parse_notebook(FILES[name]).notebook["cells"][0]["source"] == json.loads(FILES[name])["cells"][0]["source"]


@pytest.mark.parametrize("name", ["UTF-16", "Shift_JIS", "EUC-JP", "UTF-8 with a byte order mark"])
def test_no_character_is_lost_by_another_encoding(name):
    assert parse_notebook(FILES[name]).notebook["cells"][0]["source"] == JAPANESE


def test_the_name_of_a_member_is_repaired(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(ARCHIVES["a name in Shift_JIS"])
    assert collect([path], "b2-1")[0].source == f"{path.as_posix()}!課題一.ipynb"


def test_a_name_cannot_bring_control_characters(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(ARCHIVES["a name with control characters"])
    assert collect([path], "b2-1")[0].source == f"{path.as_posix()}!a\\x1b[2J\\u202e.ipynb"


def test_a_name_that_climbs_stays_inside(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(ARCHIVES["names with .. and /"])
    assert collect([path], "b2-1")[0].source == f"{path.as_posix()}!etc/a.ipynb"


def _rewrite() -> None:
    import tempfile

    sources_module.ARCHIVE_LIMIT_MEMBERS = 55
    with tempfile.TemporaryDirectory() as folder:
        rows = {"files": [file_row(n) for n in FILES], "archives": [archive_row(n, Path(folder)) for n in ARCHIVES]}
    page = PAGE.read_text("utf-8")
    for title, lines in rows.items():
        table = "\n".join(["| input | what happens | what is said |", "|---|---|---|", *lines])
        page = re.sub(
            rf"(<!-- {title} -->\n).*?(<!-- end -->)", lambda m, t=table: m[1] + t + "\n" + m[2], page, flags=re.DOTALL
        )
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    sys.exit(_rewrite())
