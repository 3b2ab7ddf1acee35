"""Cleaning, words and the terminal."""

import base64
import dataclasses
from datetime import timedelta, timezone

import numpy as np
import pytest

from grader.model import Outcome, Student, Text, Visibility
from grader.reporting import plain, result_lines, summary_lines
from grader.reporting.clean import clean, clip, decode_png, png_size, shorten
from grader.reporting.notebook import cell_views
from grader.reporting.svg import png
from grader.reporting.terminal import columns, pad


@pytest.fixture(scope="module")
def ja(factory):
    return factory.context("ja")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("a\x00b\x08c\x85", "abc"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("if x:\u2066 # \u202e", "if x:‹U+2066› # ‹U+202E›"),
        ("\ud800x", "?x"),
        ("日本語 👩‍🔬", "日本語 👩‍🔬"),
    ],
)
def test_clean_text_is_safe_to_show(raw, shown):
    assert clean(raw) == shown


def test_long_text_is_clipped_and_says_by_how_much():
    assert clip("abcdef", 4) == ("abcd", 2)
    assert shorten("a  b\nc", 10) == "a b c"
    assert shorten("abcdef", 4) == "abc…"


def test_only_a_png_passes_as_one():
    good = png(np.zeros((2, 3), np.uint8))
    assert png_size(good) == (3, 2)
    assert decode_png(base64.b64encode(good).decode()) == good
    assert decode_png(base64.b64encode(b"<svg onload=alert(1)>").decode()) is None
    assert decode_png("not base64!") is None
    assert png_size(good[:16] + b"\xff" * 8 + good[24:]) is None


@pytest.mark.parametrize(
    ("value", "shown"), [(17.5, "17.5"), (5.0, "5.0"), (17.25, "17.25"), (None, "–"), (float("nan"), "–")]
)
def test_points_have_no_trailing_noise(value, shown, ja):
    assert ja.words.points(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.034, "0.03 秒"),
        (8.13, "8.1 秒"),
        (59.97, "1 分"),
        (112, "1 分 52 秒"),
        (300, "5 分"),
        (3720, "1 時間 2 分"),
        (None, ""),
    ],
)
def test_durations_are_said_in_the_language(seconds, shown, ja):
    assert ja.words.duration(seconds) == shown


def test_dates_are_said_in_the_language(factory, ja):
    assert ja.words.date("2026-11-21T10:02:00Z") == "11月21日 10:02"
    assert factory.context("en").words.date("2026-11-21T10:02:00+00:00") == "Nov 21 10:02"
    assert ja.words.date("soon") == ""
    assert ja.words.date(None) == ""


@pytest.mark.parametrize("hours", [9, -9])
def test_a_date_that_no_calendar_of_ours_has_is_none(factory, hours):
    words = dataclasses.replace(factory.context("en"), timezone=timezone(timedelta(hours=hours))).words
    shown = [words.date(iso) for iso in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")]
    assert shown == (["Jan 1 09:00", ""] if hours > 0 else ["", "Dec 31 14:59"])


def test_an_error_without_lines_is_shown_by_its_name(ja, factory):
    output = {"output_type": "error", "ename": "E", "evalue": "e", "traceback": 5}
    notebook = {"cells": [{"cell_type": "code", "source": "", "outputs": [output]}]}
    assert [v.text for v in cell_views(ja.words, notebook, factory.execution())[0].outputs] == ["E: e"]


def test_output_of_one_cell_is_capped(ja, factory):
    output = {"output_type": "stream", "text": "x" * 30_000}
    notebook = {"cells": [{"cell_type": "code", "source": "", "outputs": [output, output]}]}
    views = cell_views(ja.words, notebook, factory.execution())[0].outputs
    assert sum(len(v.text) for v in views if v.kind == "text") == 20_000
    assert [v.text for v in views if v.kind == "note"] == [
        "出力の残り 10,000 文字は省略",
        "出力の残り 30,000 文字は省略",
    ]


def test_a_picture_that_is_none_becomes_a_note(ja, factory):
    output = {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}}
    notebook = {"cells": [{"cell_type": "code", "source": "", "outputs": [output]}]}
    assert [v.kind for v in cell_views(ja.words, notebook, factory.execution())[0].outputs] == ["note"]


def test_rich_output_without_text_is_named_not_shown(ja, factory):
    output = {"output_type": "display_data", "data": {"application/javascript": "alert(1)"}}
    notebook = {"cells": [{"cell_type": "code", "source": "", "outputs": [output]}]}
    (view,) = cell_views(ja.words, notebook, factory.execution())[0].outputs
    assert view.kind == "note"
    assert "application/javascript" in view.text
    assert "alert" not in view.text


def test_a_cell_is_titled_by_what_it_says_after_its_label(ja, factory):
    cells = [{"cell_type": "code", "source": "", "outputs": []}] * 4
    cells.append({"cell_type": "code", "source": "# [1-8]\nmodel.fit(x)", "outputs": []})
    view = cell_views(ja.words, {"cells": cells}, factory.execution())[4]
    assert (view.label, view.title) == ("[1-8]", "model.fit(x)")


def test_the_self_check_reads_well_in_a_terminal(factory, ja):
    lines = plain(result_lines(factory.result(), ja))
    assert lines[0] == "自己チェック：class/s07.ipynb"
    assert any(line.startswith("✕ 最初から最後まで実行できる") and "0.0 / 2.5" in line for line in lines)
    assert "    → 行末に「:」を付け、「再起動してすべて実行」で確かめてください。" in lines
    assert lines[-1] == "公開基準だけの結果です。成績ではありません。"


def test_the_terminal_shows_public_lines_only(factory, ja):
    hidden = factory.criterion("runs", Outcome.FAILED, 0.0, Text("secret"), visibility=Visibility.AFTER_DUE)
    assert not any("secret" in t for t in plain(result_lines(factory.result(score=factory.score((hidden,))), ja)))


def test_points_line_up_whatever_the_script(factory, ja):
    lines = [line for line in result_lines(factory.result(), ja) if " / " in line.text and line.style != "title"]
    assert len({columns(line.text.split(" / ")[0]) for line in lines}) == 1


def test_no_line_carries_control_characters(factory, ja):
    evil = factory.result(source="\x1b[2Jx.ipynb", student=Student("1\x07", "a\nb"))
    lines = plain([*result_lines(evil, ja), *summary_lines([evil], ja)])
    assert all(line.isprintable() for line in lines)


def test_a_class_is_summed_up_by_status(factory, ja):
    lines = plain(summary_lines([factory.result(), factory.unreadable()], ja))
    assert lines[-1] == "確認待ち 1 · 採点できません 1"
    assert lines[1].startswith("✕ 21X4005 鈴木 一郎")
    assert "読めないファイル" in lines[1]


def test_padding_counts_full_width_characters_twice():
    assert pad("日本", 6) == "日本  "
    assert columns("e\u0301") == 1


def test_styles_let_a_caller_colour_the_lines(factory, ja):
    assert {"passed", "partial", "failed", "needs_review", "hint", "title"} <= {
        line.style for line in result_lines(dataclasses.replace(factory.result()), ja)
    }
