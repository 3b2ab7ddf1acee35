from hypothesis import given
from hypothesis import strategies as st

from grader.execution.terminal import Terminal, fold


def test_a_progress_bar_is_shown_as_its_last_state():
    assert fold("1/3 [=>..]\r2/3 [==>.]\r3/3 [===>]\n") == "3/3 [===>]\n"


def test_backspaces_take_characters_back():
    assert fold("12%\b\b\b99%\n") == "99%\n"


def test_colours_disappear():
    assert fold("\x1b[1m\x1b[32mdone\x1b[0m\n") == "done\n"


def test_a_line_written_over_by_a_shorter_one_keeps_its_tail_unless_it_is_erased():
    assert fold("abcdef\rxy\n") == "xycdef\n"
    assert fold("abcdef\rxy\x1b[K\n") == "xy\n"


def test_an_escape_sequence_may_be_split_between_two_messages():
    terminal = Terminal(1000)
    terminal.feed("a\x1b[3")
    terminal.feed("1mb\x1b[0m\n")
    assert terminal.text() == "ab\n"


def test_moving_up_draws_nested_bars_over_themselves():
    assert fold("outer 1\ninner 1\n\x1b[A\x1b[Aouter 2\ninner 2\n") == "outer 2\ninner 2\n"


def test_text_over_the_limit_is_counted_and_said():
    text = fold("x" * 9 + "\n" + "y" * 50 + "\n", limit_chars=20)
    assert text.startswith("x" * 9)
    assert "51 characters" in text


@given(st.lists(st.text(max_size=30), max_size=20))
def test_how_the_text_was_cut_into_messages_makes_no_difference(pieces):
    one, many = Terminal(10**6), Terminal(10**6)
    one.feed("".join(pieces))
    for piece in pieces:
        many.feed(piece)
    assert one.text() == many.text()


@given(st.text(max_size=300))
def test_no_control_character_but_tab_and_newline_is_left(text):
    assert not {c for c in fold(text) if c < " " and c not in "\n\t"}


def test_a_cursor_that_goes_up_by_thousands_of_digits_is_no_error():
    assert fold("a\nb\n\x1b[" + "1" * 5_000 + "A" + "c") == "c"
