"""The class dashboard: figures, reasons, and a page that reads without its script."""

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grader.model import ExecutionOutcome, Outcome, Student, Text
from grader.reporting import (
    DashboardInfo,
    IndexEntry,
    attention_reasons,
    classfigures,
    dashboard,
    index,
    newest_graded_at,
)


@pytest.fixture(scope="module")
def context(factory):
    return factory.context("ja")


@pytest.fixture(scope="module")
def results(factory):
    return factory.class_of(12)


@pytest.fixture(scope="module")
def page(results, context):
    roster = (Student("21X4998", "森 鴎外"), results[0].student)
    return dashboard(results, context, DashboardInfo(112.0, 12, "../", roster))


def test_counts_at_the_top(page):
    top = re.sub(r"<[^>]+>", " ", page.split('<dl class="kpi">')[1].split("</dl>")[0])
    assert " ".join(top.split()).startswith("提出 12 / 13 採点済み 2")


def test_rows_link_to_reports_and_the_missing_are_listed(page):
    assert '<a href="../reports/21X4001.html"><bdi>山田 花子</bdi></a>' in page
    assert "森 鴎外" in page
    assert "未提出" in page


def test_whoever_needs_attention_comes_first_with_the_reason(page):
    first = page.split("<tbody>")[-1].split("</tr>")[0]
    assert "佐藤 太郎" in first
    assert "テストデータで学習" in first
    assert "「構造」の確認が動かなかった" in first


def test_an_unreadable_file_is_a_reason(page):
    attention = page.split('id="attention"')[1].split("</ul>")[0]
    assert "鈴木 一郎" in attention
    assert "読めないファイル" in attention


def test_the_only_script_is_the_one_that_the_policy_admits(page):
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "unsafe-eval" not in page


def test_without_the_script_all_rows_show_and_the_buttons_do_not(page):
    assert '<div class="filters noprint" hidden>' in page
    assert "<tr hidden" not in page


def test_headers_of_every_table_have_a_scope(page):
    assert all("scope=" in head for head in re.findall(r"<th\b[^>]*>", page))


def test_a_hostile_name_stays_text(factory, context):
    evil = factory.result(student=Student("1", "</td><script>x</script>"), report="javascript:alert(1)//x.html")
    html = dashboard([evil], context, DashboardInfo(link_prefix=""))
    assert "<script>x" not in html
    assert 'href="javascript:' not in html


def test_an_empty_class_is_a_page(context):
    assert "すべて 0" in dashboard([], context)


def test_a_thousand_rows_stay_small(factory, context):
    html = dashboard(factory.class_of(1000), context)
    assert html.count("<tr data-state") == 1000
    assert len(html) < 2_000_000


def test_errored_checks_do_not_lower_a_pass_rate(factory, context):
    lines = (factory.criterion("runs", Outcome.PASSED, 1.0, Text("bug")),)
    broken = (factory.criterion("runs", Outcome.ERRORED, None, Text("bug")),)
    html = dashboard([factory.result(score=factory.score(lines)), factory.result(score=factory.score(broken))], context)
    assert rates(html)["実行"].startswith("100%")


def rates(html):
    """Pass rate of each criterion as shown, and what is said beside it."""
    table = html.split('<table class="bars">')[1].split("</table>")[0]
    found = re.findall(r'<th scope="row">(.*?)</th>.*?<td class="r"[^>]*>(.*?)</td>', table, re.S)
    return {name: re.sub(r"<[^>]+>", "", cell) for name, cell in found}


def test_a_criterion_that_mostly_waits_has_no_pass_rate_yet(factory, context):
    outcomes = [Outcome.FAILED, Outcome.NEEDS_REVIEW, Outcome.NEEDS_REVIEW]
    lines = [(factory.criterion("runs", o, None, Text("bug")),) for o in outcomes]
    html = dashboard([factory.result(score=factory.score(line)) for line in lines], context)
    assert rates(html)["実行"] == "– 3 件中 2 件が未確定"
    assert "未確定の基準は「–」" in html


def test_a_pass_rate_with_something_open_says_so(factory, context):
    outcomes = [Outcome.PASSED, Outcome.FAILED, Outcome.NEEDS_REVIEW]
    lines = [(factory.criterion("runs", o, None, Text("bug")),) for o in outcomes]
    html = dashboard([factory.result(score=factory.score(line)) for line in lines], context)
    assert rates(html)["実行"] == "50% 3 件中 1 件が未確定"


def test_the_time_is_that_of_the_newest_result_not_of_the_page(factory, context):
    times = ("2026-11-21T10:02:00+00:00", "2026-11-21T19:30:00+09:00", None, "2026-11-21T09:00:00")
    results = [factory.result(graded_at=time) for time in times]
    assert newest_graded_at(results) == times[1]
    assert '採点 <time datetime="2026-11-21T10:30:00+00:00">' in dashboard(results, context)
    assert "<time" not in dashboard([factory.result(graded_at=None)], context).split("</header>")[0]


def test_the_head_says_how_long_the_last_run_took_if_that_is_known(page, factory, context):
    assert "前回の実行：1 分 52 秒（12 件）" in page
    assert "前回の実行" not in dashboard([factory.result()], context)


def test_the_count_of_those_that_need_attention_is_that_of_the_reasons(page, results, context):
    n = sum(bool(attention_reasons(context, result)) for result in results)
    assert n > 1
    assert re.search(r"<dt>要対応</dt><dd[^>]*>(\d+)<", page)[1] == str(n)


def test_heads_of_criteria_break_between_words_only():
    style = (Path(__file__).resolve().parents[2] / "reports" / "style.css").read_text("utf-8")
    rule = re.search(r"\.roster th \{(.*?)\}", style)[1]
    assert "word-break: keep-all" in rule
    assert "overflow-wrap: normal" in rule


def test_slow_and_failed_runs_are_named(factory, context):
    slow = factory.result(execution=factory.execution(ExecutionOutcome.TIMEOUT, duration_s=300.0))
    html = dashboard([slow], context)
    assert "時間切れ" in html.split('id="runs"')[1].split("</ul>")[0]


def test_distribution_counts_full_marks_in_the_last_bin(factory):
    table = classfigures.frame(factory.class_of(40))
    final, pending = classfigures.distribution(table, 25.0, 10)
    assert sum(final) + sum(pending) == table["points"].notna().sum()
    assert final[-1] == ((table["points"] >= 22.5) & (table["pending"] == 0)).sum() > 0


def test_median_leaves_out_what_has_no_points(factory):
    table = classfigures.frame([factory.result(), factory.unreadable()])
    assert classfigures.median_points(table) == 15.0
    assert classfigures.median_points(classfigures.frame([])) is None


def test_outcomes_are_counted_by_criterion(factory):
    table = classfigures.frame([factory.result(), factory.result()])
    assert classfigures.outcome_counts(table, ["runs", "unknown"]) == {"runs": {Outcome.FAILED: 2}, "unknown": {}}


def test_index_links_to_each_dashboard(context):
    html = index([IndexEntry("B2-1", "b2-1.html", 30, 2)], context.catalogue, context.reports_dir)
    assert '<a href="b2-1.html">B2-1</a>' in html


def test_index_shows_when_each_was_graded_and_what_nobody_knows(context):
    entries = [
        IndexEntry("A", "a.html", 3, 1, "2026-11-21T10:02:00+00:00"),
        IndexEntry("B", "b.html", 3, None),
    ]
    html = index(entries, context.catalogue, context.reports_dir)
    assert html.count("<time") == 1
    assert re.search(r"<td class=\"r\">3</td><td class=\"r\">–</td>", html)


def test_importing_the_room_does_not_import_pandas():
    code = "import sys, grader.reporting; sys.exit('pandas' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
