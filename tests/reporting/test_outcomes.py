"""Who is at fault is said in words of their own, to the student and to staff. Run as a program it writes the table of
``docs/outcomes.md``.
"""

import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from grader.messages import DATA_MISSING, GRADER_FAILED, LANGUAGES
from grader.model import CellOutcome, CellRun, Execution, ExecutionOutcome, Outcome, Score, Status, Text
from grader.reporting import Audience, DashboardInfo, attention_reasons, dashboard, student_report
from grader.scoring import not_gradable_by_us, redact

PAGE = Path(__file__).resolve().parents[2] / "docs" / "outcomes.md"
HEAD = "| what happened | whose fault | what the student reads | what staff read | points |\n|---|---|---|---|---|"
FAULT = "This could not be checked because of a fault on our side. It costs you no points: staff will look at it."
COSTS = {
    "student error": ("the student's", "what ran is graded"),
    "over budget": ("the student's", "what ran is graded"),
    "out of memory": ("the student's", "what ran is graded"),
    "kernel died": ("the student's, most often", "what ran is graded"),
    "data missing": ("ours", "all open"),
    "grader fault": ("ours", "all open"),
    "check fault": ("ours", "those of the criterion are open"),
    "undecided": ("nobody's", "those of the criterion are open"),
    "unreadable": ("the student's", "none can be given"),
}


def ended(factory, outcome):
    cells = (CellRun(0, CellOutcome.OK), CellRun(1, CellOutcome.ERROR, None, 1.0))
    return factory.result(execution=factory.execution(outcome, cells=cells))


def failed(factory, reason):
    score = not_gradable_by_us(factory.rubric(), reason)
    return factory.result(execution=Execution(ExecutionOutcome.OK), score=score, evidence=None)


def one_line(factory, ident, outcome, message):
    line = factory.criterion(ident, outcome, None, Text(message))
    return factory.result(execution=factory.execution(ExecutionOutcome.OK, cells=()), score=factory.score((line,)))


def unreadable(factory):
    reason = Text("The file is empty. Save the notebook again and hand it in once more.")
    result = factory.unreadable()
    return replace(result, score=Score(Status.NOT_GRADABLE, None, 25.0, 25.0, result.score.criteria, (), reason))


CASES = {
    "student error": lambda f: ended(f, ExecutionOutcome.CELL_ERROR),
    "over budget": lambda f: ended(f, ExecutionOutcome.TIMEOUT),
    "out of memory": lambda f: ended(f, ExecutionOutcome.MEMORY),
    "kernel died": lambda f: ended(f, ExecutionOutcome.KERNEL_DIED),
    "data missing": lambda f: failed(f, DATA_MISSING),
    "grader fault": lambda f: failed(f, GRADER_FAILED),
    "check fault": lambda f: one_line(f, "runs", Outcome.ERRORED, FAULT),
    "undecided": lambda f: one_line(f, "runs", Outcome.NEEDS_REVIEW, "A person will look at this."),
    "unreadable": unreadable,
}


def plain(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def student_words(factory, name, language):
    """The banners of the student's page; without any, the word at the criterion and its message."""
    result = CASES[name](factory)
    result = replace(result, score=redact(result.score, Audience.STUDENT))
    page = student_report(result, None, factory.context(language), audience=Audience.STUDENT)
    banners = re.findall(r'<section class="banner[^"]*"><h2>(.*?)</h2><p>(.*?)</p></section>', page, re.DOTALL)
    if banners:
        return [(plain(headline), plain(sentence)) for headline, sentence in banners]
    lines = re.findall(r'<div class="line">(.*?)<div class="what"><h3>.*?</h3><p>(.*?)</p>', page, re.DOTALL)
    return [(plain(tag).lstrip("…! "), plain(message)) for tag, message in lines]


def staff_words(factory, name, language):
    """Why the dashboard asks for attention; else how it lists the execution among those that failed."""
    context, result = factory.context(language), CASES[name](factory)
    page = dashboard([result], context, DashboardInfo())
    reasons = attention_reasons(context, result)
    if not reasons:
        reasons = [plain(why) for why in re.findall(r'<bdi class="why">(.*?)</bdi>', page)]
    assert all(reason in plain(page) for reason in reasons)
    return [re.sub(r" \([^)]*\)| · .*", "", reason) for reason in reasons]  # without time and place


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_case_has_words_of_its_own_for_the_student(factory, language):
    said = {name: student_words(factory, name, language)[0] for name in CASES}
    assert all(headline and sentence for headline, sentence in said.values()), said
    assert len({headline for headline, _ in said.values()}) == len(CASES), said
    assert len({sentence for _, sentence in said.values()}) == len(CASES), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_case_has_words_of_its_own_for_staff(factory, language):
    said = {name: tuple(staff_words(factory, name, language)) for name in CASES}
    assert all(said.values())
    assert len(set(said.values())) == len(CASES), said


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_no_case_is_left_in_english(factory, language):
    for name in CASES:
        own, english = (student_words(factory, name, code)[0][0] for code in (language, "en"))
        assert own != english, name


@pytest.mark.parametrize("name", [name for name, (fault, _) in COSTS.items() if fault == "ours"])
def test_what_is_our_fault_says_that_it_costs_nothing_and_takes_no_points(factory, name):
    (_, sentence), *_ = student_words(factory, name, "en")
    assert "cost" in sentence
    assert CASES[name](factory).score.pending > 0


def rows(factory):
    for name in CASES:
        headline, sentence = student_words(factory, name, "en")[0]
        staff = re.sub("“.*?”", "“…”", "; ".join(staff_words(factory, name, "en")))
        fault, cost = COSTS[name]
        yield f"| {name} | {fault} | **{headline}** {sentence} | {staff} | {cost} |"


def test_the_page_on_outcomes_says_what_reports_say(factory):
    assert "\n".join((HEAD, *rows(factory))) in PAGE.read_text("utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    import factory as made

    table = "\n".join((HEAD, *rows(made)))
    before, _, rest = PAGE.read_text("utf-8").partition("<!-- outcomes -->\n")
    after = rest.partition("<!-- end -->")[2]
    PAGE.write_text(f"{before}<!-- outcomes -->\n{table}\n<!-- end -->{after}", "utf-8")
