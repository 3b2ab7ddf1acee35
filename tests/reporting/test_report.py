"""The report of one attempt: what it says, to whom, and that nothing of a student's can act in it."""

import dataclasses
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from grader.model import Budget, Execution, ExecutionOutcome, Flag, FlagKind, Outcome, Status, Student, Text, Visibility
from grader.reporting import Audience, Standing, student_report

VOID = {"meta", "img", "br", "input", "link", "hr"}


class Page(HTMLParser):
    """Tags with their attributes, in order; complains about wrong nesting."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def ja(factory):
    return factory.context("ja")


@pytest.fixture(scope="module")
def report(factory, evidence, ja):
    images = factory.test_set()
    return student_report(factory.result(), evidence, ja, thresholds=factory.THRESHOLDS, images=images)


def test_head_says_points_what_is_open_and_which_attempt(report):
    words = Page(report).words
    assert "山田 花子 さん" in words
    assert "15.0 / 25 点" in words
    assert "あと 5 点分は教員が記述を読んで決めます" in words
    assert "提出 11月20日 21:14" in words
    assert "2 回目" in words


@pytest.mark.parametrize(
    ("open_ones", "said"),
    [(("filters-discussion",), "staff read what you wrote"), (("filters-discussion", "runs"), "staff look at them")],
)
def test_only_where_nothing_but_answers_is_open_staff_are_said_to_read(factory, evidence, open_ones, said):
    waits = [factory.criterion(ident, Outcome.NEEDS_REVIEW, None, Text("waits")) for ident in open_ones]
    html = student_report(factory.result(score=factory.score(tuple(waits))), evidence, factory.context("en"))
    assert f"more points are open: {said}" in Page(html).words


def test_each_outcome_has_colour_sign_and_word(report):
    for look, sign, word in (("passed", "✓", "合格"), ("partial", "◐", "一部"), ("failed", "✕", "不足")):
        assert f'class="tag {look}"><span aria-hidden="true">{sign}</span>{word}' in report


def test_accuracy_is_shown_on_its_scale(report):
    labels = [a["aria-label"] for a in Page(report).named("svg") if "aria-label" in a]
    assert "あなたのモデル 0.882 · 合格の線 0.861 · 見本の範囲 0.875〜0.892" in labels


@pytest.mark.parametrize(
    ("one_in", "said"), [(7_200, "約 7,200 回に 1 回です"), (100_000, "100,000 回に 1 回もありません")]
)
def test_a_value_below_its_line_says_how_rare_that_is_and_which_runs_decided(factory, evidence, one_in, said):
    tries = [{"seed": s, "value": v} for s, v in ((1, 0.855), (2, 0.858), (3, None), (4, 0.88))]
    facts = {"test_accuracy": 0.858, "threshold": 0.861, "one_in": one_in, "tries": tries}
    line = factory.criterion("small-data-accuracy", Outcome.PARTIAL, 0.5, Text("acc/ok", facts), measured=facts)
    made = factory.result(score=factory.score((line,)))
    page = {
        audience: student_report(
            made, evidence, factory.context("ja"), audience=audience, thresholds=factory.THRESHOLDS
        )
        for audience in ("student", "staff")
    }
    for text in page.values():
        words = Page(text).words
        assert said in words
        assert "3 通りの乱数の種で実行しました（0.855, 0.858, 0.880）。中央値の 0.858" in words
    assert "seed 3 value –" in Page(page["staff"]).words


def test_every_figure_has_a_text_alternative(report):
    figures = [a for a in Page(report).named("svg") if a.get("role") == "img"]
    assert len(figures) >= 9
    assert all(len(a["aria-label"]) > 5 for a in figures)
    assert all(a.get("alt") for a in Page(report).named("img"))


def test_confusion_matrix_says_its_finding(report, factory, evidence):
    truth = factory.test_set().labels
    right = int((factory.predictions(truth) == truth).sum())
    assert f"2,000 枚中 {right:,} 枚を正しく認識" in report
    assert "最も多い間違いは 9 を 4 と答えたもの" in report


def test_filters_before_and_after_share_one_scale(report):
    assert report.count("学習前の 5×5 フィルタ 32 個") == 2
    assert report.count("学習後の 5×5 フィルタ 32 個") == 2
    assert "濃淡の尺度は両方で共通" in report


def test_only_the_training_that_is_compared_is_open(report):
    opened = re.findall(r'<details class="training"( open)?>.*?<h3>(.*?)</h3>', report, re.S)
    assert opened == [("", "畳み込みのあるモデル・60,000 枚で学習"), (" open", "畳み込みのあるモデル・600 枚で学習")]


def test_next_step_and_cell_are_named(report):
    assert "次にすること" in report
    assert '<a href="#cell-10">セル #11 を見る</a>' in report
    assert 'id="cell-10"' in report


def test_links_lead_to_something(report):
    page = Page(report)
    ids = {a["id"] for _, a in page.tags if a.get("id")}
    targets = {a["href"][1:] for a in page.named("a") if a["href"].startswith("#")}
    assert targets
    assert targets <= ids


def test_ids_are_used_once(report):
    ids = [a["id"] for _, a in Page(report).tags if a.get("id")]
    assert sorted(set(ids)) == sorted(ids)


def test_headings_go_down_one_level_at_a_time(report):
    levels = [int(tag[1]) for tag, _ in Page(report).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_page_has_landmarks_and_a_language(report):
    names = [tag for tag, _ in Page(report).tags]
    assert {"header", "main", "footer"} <= set(names)
    assert report.startswith('<!doctype html>\n<html lang="ja">')


def test_page_asks_for_nothing_and_runs_nothing(report):
    page = Page(report)
    policy = next(a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-hashes' 'sha256-")
    assert "unsafe-inline" not in policy
    assert page.named("script") == []
    assert page.named("link") == []
    addresses = [a[key] for _, a in page.tags for key in ("src", "href") if key in a]
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in addresses)
    assert not [key for _, a in page.tags for key in a if key.startswith("on")]


def test_html_of_a_notebook_is_not_rendered(report):
    assert "<script>alert" not in report
    assert "&lt;b&gt;線の向き&lt;/b&gt;" in report
    assert "0  1  2" in report


def test_terminal_colours_are_stripped(report):
    assert "\x1b" not in report
    assert "File &#34;&lt;cell&gt;&#34;, line 1" in report


def test_reproduction_facts_are_listed(report):
    words = Page(report).words
    for fact in ("keras 3.15.1", "20261121", "mnist 741c988805…", "b2-1 第 3 版", "別の環境", "s07.ipynb"):
        assert fact in words
    assert "class/s07.ipynb" not in words


def test_direction_marks_are_shown_and_control_characters_gone(factory, evidence, ja):
    bad = factory.result(student=Student("21X\x004001", "山田\u202e<i>\ud800"))
    html = student_report(bad, evidence, ja)
    html.encode("utf-8")
    assert "\u202e" not in html
    assert "山田‹U+202E›&lt;i&gt;" in html
    assert "\x00" not in html


def test_a_message_cannot_bring_markup(factory, evidence, ja):
    lines = (factory.criterion("runs", Outcome.FAILED, 0.0, Text("<img src=x onerror=alert(1)>")),)
    html = student_report(factory.result(score=factory.score(lines)), evidence, ja)
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_students_see_no_detail_no_conflicts_and_no_accusation(factory, evidence, ja):
    flagged = factory.flagged()
    flags = (*flagged.score.flags, Flag(FlagKind.TAMPERING, Text("tampered with X")))
    flagged = dataclasses.replace(
        flagged, score=dataclasses.replace(flagged.score, flags=flags), conflicts=(Text("number differs"),)
    )
    student = student_report(flagged, evidence, ja, audience="student")
    staff = student_report(flagged, evidence, ja, audience="staff")
    for secret in ("KeyError: &#39;x&#39;", "number differs", "tampered with X", "非公開画像での正解率"):
        assert secret in staff
        assert secret not in student


def test_staff_lines_keep_their_points_and_say_nothing_to_students(factory, evidence, ja):
    line = factory.criterion(
        "runs", Outcome.PASSED, 1.0, Text("secret finding"), Text("secret hint"), visibility=Visibility.STAFF
    )
    html = student_report(factory.result(score=factory.score((line,))), evidence, ja)
    assert "secret" not in html
    assert "ノートブックが最後まで" not in html
    assert "教員だけが見る項目" in html
    assert "この項目の確認内容は教員にのみ表示されます。" in html
    assert "<b>2.5</b> / 2.5 点" in html


def test_self_check_shows_public_lines_and_promises_no_grade(factory, evidence, ja):
    shown = factory.criterion("runs", Outcome.PASSED, 1.0, Text("shown"))
    later = factory.criterion("base-model", Outcome.PASSED, 1.0, Text("later"), visibility=Visibility.AFTER_DUE)
    html = student_report(factory.result(score=factory.score((shown, later))), evidence, ja, audience=Audience.CHECK)
    words = Page(html).words
    assert "自己チェック" in words
    assert "成績ではありません" in words
    assert "later" not in words
    assert "2.5 / 2.5 点" in words
    assert "提出 11月" not in words


def test_quick_self_check_says_that_accuracies_mean_little(factory, evidence, ja):
    run = factory.execution(ExecutionOutcome.OK, budget=Budget.QUICK)
    html = student_report(factory.result(execution=run), evidence, ja, audience="check")
    assert "学習を短くしました" in html


def test_an_unreadable_file_has_a_friendly_page(factory, ja):
    words = Page(student_report(factory.unreadable(), None, ja)).words
    assert "この提出は採点できませんでした 読めないファイル" in words
    assert "– 未採点 / 25 点" in words
    assert ".ipynb 形式で保存し、もう一度提出" in words
    assert "基準ごとの結果" not in words


@pytest.mark.parametrize("audience", ["student", "staff"])
def test_the_reason_of_an_unreadable_file_is_said_once_above_a_list_of_the_criteria(audience, factory, ja):
    result = factory.unreadable()
    lines = list(result.score.criteria)
    lines[-1] = dataclasses.replace(lines[-1], visibility=Visibility.STAFF)
    result = dataclasses.replace(result, score=dataclasses.replace(result.score, criteria=tuple(lines)))
    html = student_report(result, None, ja, audience=audience)
    assert html.count("読めないファイル") == 1
    assert "教員にのみ表示" not in html
    listed = re.findall(r'<li id="c-.*?"><span>(.*?)</span><span class="num soft">(.*?)</span>', html)
    assert len(listed) == len(lines)
    assert listed[0] == ("データ数 600 の CNN の正解率", "5.0 点")


def test_points_given_to_an_unreadable_file_show_and_the_reason_is_still_said_once(factory, ja):
    result = factory.unreadable()
    given = dataclasses.replace(
        result.score.criteria[0], points=2.0, outcome=Outcome.PARTIAL, message=Text("seen on paper")
    )
    score = dataclasses.replace(
        result.score, status=Status.NEEDS_REVIEW, points=2.0, criteria=(given, *result.score.criteria[1:])
    )
    html = student_report(dataclasses.replace(result, score=score), None, ja)
    assert html.count("<p>読めないファイル</p>") == 1
    assert "seen on paper" in html
    assert "<b>2.0</b> / 5.0 点" in html


def test_the_attempt_that_counts_says_so_and_the_others_name_it(factory, evidence, ja):
    one, alone = (factory.result(attempt_number=n) for n in (2, 1))
    counts = Page(student_report(one, evidence, ja, standing=Standing(3, 2, "a-2.html")))
    assert "3 回中 2 回目" in counts.words
    assert "この提出が成績になります。" in counts.words
    other = student_report(one, evidence, ja, standing=Standing(3, 3, "a-3.html"))
    assert "この提出は成績になりません" in other
    assert "成績になるのは 3 回目の提出です。" in other
    assert '<a class="noprint" href="a-3.html">' in other
    assert "成績になり" not in student_report(alone, evidence, ja)


def test_a_check_that_waited_for_a_person_is_silent_once_points_are_given(factory, evidence, ja):
    line = factory.criterion("runs", Outcome.NEEDS_REVIEW, None, Text("waits to be read"), cell=6)
    given = dataclasses.replace(line, points=2.0, outcome=Outcome.PARTIAL, message=Text("well said"))
    shown = [student_report(factory.result(score=factory.score((x,))), evidence, ja) for x in (line, given)]
    assert ["waits to be read" in html for html in shown] == [True, False]
    assert all('href="#cell-6"' in html for html in shown)


def test_facts_for_staff_have_words_where_they_are_known_and_else_their_key_as_code(factory, evidence, ja):
    measured = {"rows": 60000, "test_accuracy": 0.88123, "own<key>": True}
    line = factory.criterion("runs", Outcome.PASSED, 1.0, Text("bug"), measured=measured)
    html = student_report(factory.result(score=factory.score((line,))), evidence, ja, audience="staff")
    assert "<dt>学習データの枚数</dt><dd>60,000</dd>" in html
    assert "<dt>テスト正解率</dt><dd>0.8812</dd>" in html
    assert "<dt><code>own&lt;key&gt;</code></dt><dd>True</dd>" in html


def test_a_link_to_a_cell_is_no_larger_than_the_text_around_it(report):
    around = re.findall(
        r'<(\w+)([^>]*)>(?:[^<]|</?span[^>]*>)*<a[^>]* href="#cell-|<a class="goto" href="#cell-', report
    )
    assert around
    assert all(not tag or 'class="goto"' in attributes for tag, attributes in around)


def test_our_own_fault_is_called_ours(factory, evidence, ja):
    words = Page(student_report(factory.flagged(), evidence, ja)).words
    assert "こちらの不具合なので、あなたの点は減りません" in words


@pytest.mark.parametrize("outcome", [o for o in ExecutionOutcome if o not in (ExecutionOutcome.OK,)])
def test_every_way_a_run_can_end_is_explained(outcome, factory, evidence, ja):
    run = dataclasses.replace(factory.execution(), outcome=outcome)
    html = student_report(factory.result(execution=run), evidence, ja)
    assert '<section class="banner' in html


def test_a_run_that_went_well_needs_no_banner(factory, evidence, ja):
    run = factory.execution(ExecutionOutcome.OK)
    assert '<section class="banner' not in student_report(factory.result(execution=run), evidence, ja)


def test_a_damaged_evidence_folder_costs_the_section_not_the_page(factory, tmp_path, ja):
    broken = factory.evidence(tmp_path)
    (tmp_path / "executed.ipynb").write_text("{")
    for path in (tmp_path / "claims").glob("*.npz"):
        path.write_bytes(b"no zip")
    (tmp_path / "fit-2.npy").write_bytes(b"\x93NUMPY")
    html = student_report(factory.result(), broken, ja, audience="staff", images=factory.test_set())
    assert "executed.ipynb is not JSON" in html
    assert "基準ごとの結果" in html
    assert "最初の畳み込み層のフィルタ" not in html


def test_predictions_outside_the_folder_are_not_read(factory, tmp_path):
    from grader.reporting.trainings import read_predictions

    outside = factory.evidence(tmp_path / "a")
    (tmp_path / "other.npy").write_bytes((tmp_path / "a" / "fit-2.npy").read_bytes())
    assert read_predictions(outside, "../other.npy") is None
    assert read_predictions(outside, "fit-2.npy") is not None


def test_a_notebook_of_any_shape_is_survived(factory, tmp_path, ja):
    folder = factory.evidence(tmp_path)
    cells = [None, 3, {}, {"cell_type": "code", "source": 5, "outputs": [7, {"output_type": "stream", "text": {}}]}]
    cells.append({"cell_type": "code", "source": ["a\n", 1], "outputs": [{"output_type": "display_data", "data": []}]})
    (tmp_path / "executed.ipynb").write_text(json.dumps({"cells": cells}))
    assert "<main" in student_report(factory.result(), folder, ja)


@pytest.mark.parametrize("language", ["ja", "en", "zh", "ru"])
def test_a_report_can_be_written_in_every_language(language, factory, evidence):
    html = student_report(factory.result(), evidence, factory.context(language), thresholds=factory.THRESHOLDS)
    assert f'<html lang="{language}">' in html
    Page(html)


def test_a_report_is_small(report):
    assert len(report.encode()) < 120_000


def test_a_result_without_anything_is_still_a_page(factory, ja):
    bare = factory.result(
        student=Student(), execution=Execution(ExecutionOutcome.UNREADABLE), handed_in_at=None, graded_at=None
    )
    bare = dataclasses.replace(bare, score=dataclasses.replace(bare.score, status=Status.NOT_GRADABLE, points=None))
    assert "名前不明" in student_report(bare, None, ja)
