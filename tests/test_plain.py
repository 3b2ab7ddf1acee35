"""What others wrote, in a terminal: nothing of it moves the cursor, and none of it changes places with what is ours."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.cli.common import console
from grader.plain import clean, isolated

HEBREW, ARABIC = "\u05d3\u05d5\u05d3", "\u0645\u062d\u0645\u062f"
ISOLATE = re.compile("\u2068[^\u2068\u2069\n]*\u2069")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("21X4001.ipynb  17.5", "21X4001.ipynb  17.5"),
        (f"{HEBREW}.ipynb  17.5", f"\u2068{HEBREW}\u2069.ipynb  17.5"),
        (f"1 {ARABIC} 2 {ARABIC} 3", f"1 \u2068{ARABIC} 2 {ARABIC}\u2069 3"),
        (f"{HEBREW}\n{HEBREW}", f"\u2068{HEBREW}\u2069\n\u2068{HEBREW}\u2069"),
        (f"{HEBREW} and {ARABIC}", f"\u2068{HEBREW}\u2069 and \u2068{ARABIC}\u2069"),
        ("\u05e9\u05b8\u05c1!", "\u2068\u05e9\u05b8\u05c1\u2069!"),
        ("a\u202eb\u2068c", "a‹U+202E›b‹U+2068›c"),
        ("山田 花子", "山田 花子"),
    ],
)
def test_letters_from_right_to_left_stand_in_isolates(text, shown):
    assert isolated(text) == shown


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(HEBREW + ARABIC + "\u202e\u2066\u2069\n 1"), max_size=40))
def test_outside_of_isolates_nothing_is_written_from_right_to_left(text):
    shown = isolated(text)
    assert ISOLATE.sub(lambda m: m[0][1:-1], shown) == clean(text)
    outside = ISOLATE.sub("", shown)
    assert not [c for c in outside if unicodedata.bidirectional(c) in ("R", "AL", "AN", "RLE", "RLO", "RLI", "LRO")]


def test_a_terminal_shows_a_score_beside_a_hebrew_name_where_it_belongs(capsys):
    console().print(f"{HEBREW} 17.5", markup=False)
    assert capsys.readouterr().out == f"\u2068{HEBREW}\u2069 17.5\n"


def test_an_error_that_quotes_a_file_name_moves_no_cursor(monkeypatch, capsys, tmp_path):
    from grader.cli import main

    monkeypatch.setattr("sys.argv", ["grader", "grade", "b2-1", f"{tmp_path}/\x1b[2J\u202efdp.ipynb"])
    monkeypatch.setenv("GRADER_SANDBOX", "none")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "fdp.ipynb" in said
    assert not [c for c in said if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")]
