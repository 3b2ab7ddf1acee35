"""Turns what pytest saw of a check into a :class:`grader.model.CheckResult`.

pytest calls a student's mistake and a rubric's bug both *failed*; what was raised, and where, tells them apart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from grader.checks.context import Context
from grader.checks.requests import Planned
from grader.checks.verdicts import Verdict, qualified
from grader.errors import CourseError
from grader.messages import Catalogue
from grader.model import CheckResult, Flag, Outcome, Text, Visibility
from grader.rubric import Course, Rubric

FAULT = Text("This could not be checked because of a fault on our side. It costs you no points: staff will look at it.")
DETAIL_LIMIT = 8_000
_GENERIC = {
    Outcome.PASSED: Text("This is as it was asked for."),
    Outcome.PARTIAL: Text("A part of this is as it was asked for."),
    Outcome.FAILED: Text("This is not as it was asked for."),
    Outcome.BLOCKED: Text("Something that this needs is missing."),
    Outcome.NEEDS_REVIEW: Text("A person will look at this."),
    Outcome.ERRORED: FAULT,
}

Report = tuple[Planned, ...] | CheckResult | Flag | str
Sink = Callable[[Report], None]
"""Takes the checks that are about to run, each result, each flag, and (a string) why checks could not be loaded."""

JUDGE = pytest.StashKey["Judge"]()
PLANNED = pytest.StashKey[Planned]()


class Judge:
    """A pytest plugin for one attempt, which may become known after the checks were collected (:meth:`look_at`)."""

    def __init__(self, rubric: Rubric, sink: Sink, *, public_only: bool = False) -> None:
        self.results: list[CheckResult] = []
        self._rubric = rubric
        self._public_only = public_only
        self._context: Context | None = None
        self._sink = sink
        self._n_flags = 0

    @classmethod
    def of(cls, context: Context, sink: Sink) -> Judge:
        """For one attempt that is known from the start."""
        judge = cls(context.rubric, sink, public_only=context.request.public_only)
        judge.look_at(context, sink)
        return judge

    def look_at(self, context: Context, sink: Sink) -> None:
        """From now on the checks are about this attempt."""
        self._context, self._sink = context, sink
        self.results, self._n_flags = [], len(context.flags)

    @property
    def context(self) -> Context:
        """The attempt."""
        if self._context is None:
            raise CourseError("a rubric looks at an attempt while it is loaded: do that in a check or a fixture")
        return self._context

    def pytest_configure(self, config: pytest.Config) -> None:
        """Hands the attempt to the fixtures, and lets checks import helper modules that lie beside them."""
        config.stash[JUDGE] = self
        beside = str(self._rubric.directory)
        sys.path.insert(0, beside)
        config.add_cleanup(lambda: sys.path.remove(beside))
        if not hasattr(config.option, "tbstyle"):  # no terminal to write to: the other styles cost 40 ms a verdict
            config.option.tbstyle = "native"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves out what this run does not look at, and follows the order of the rubric."""
        kept: list[pytest.Item] = []
        left_out: list[pytest.Item] = []
        for item in items:
            try:
                planned = self._planned(item)
            except CourseError as error:
                self._sink(str(error))
                left_out.append(item)
                continue
            hidden = self._public_only and planned.visibility is not Visibility.PUBLIC
            item.stash[PLANNED] = planned
            (left_out if hidden else kept).append(item)
        kept.sort(key=lambda i: self._rubric.ids.index(i.stash[PLANNED].criterion))
        items[:] = kept
        if left_out:
            config.hook.pytest_deselected(items=left_out)
        self._sink(tuple(item.stash[PLANNED] for item in kept))

    def _planned(self, item: pytest.Item) -> Planned:
        marker = item.get_closest_marker("criterion")
        criterion = marker.args[0] if marker and marker.args else None
        if marker is None or criterion not in self._rubric.ids:
            raise CourseError(
                f"check {item.name} is marked for criterion {criterion!r}, expected one of "
                f"{', '.join(self._rubric.ids)}: correct its @pytest.mark.criterion"
            )
        own = item.get_closest_marker("visibility")
        visibility = Visibility(own.args[0]) if own else self._rubric.criterion(criterion).visibility
        return Planned(f"{item.path.name}::{item.name}", criterion, float(marker.kwargs.get("weight", 1.0)), visibility)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A rubric file that cannot be imported."""
        if report.failed:
            self._sink(str(report.longrepr)[-DETAIL_LIMIT:])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tells apart what a check said and what went wrong in it."""
        report = yield
        over = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
        if not over:
            return report
        result = self._result(item.stash[PLANNED], call, report)
        self.results.append(result)
        self._sink(result)
        for flag in self.context.flags[self._n_flags :]:
            self._sink(flag)
        self._n_flags = len(self.context.flags)
        if result.outcome is Outcome.PASSED:
            report.outcome, report.longrepr = "passed", None
        elif result.outcome is not Outcome.ERRORED:
            report.outcome, report.longrepr = "failed", result.outcome.value
            if item.config.pluginmanager.has_plugin("terminalreporter"):  # an author reads it
                report.longrepr += f": {self.sentence(result.message)}"
        return report

    def _result(self, planned: Planned, call: pytest.CallInfo[None], report: pytest.TestReport) -> CheckResult:
        output = report.capstdout + report.capstderr
        raised = call.excinfo.value if call.excinfo else None
        if raised is None:
            verdict: Verdict | None = Verdict(Outcome.PASSED, 1.0, "passed", {})
        elif isinstance(raised, Verdict):
            verdict = raised
        else:
            verdict = self._assertion(call.excinfo)
        if verdict is None:
            detail = f"{report.longreprtext or repr(raised)}\n{output}".strip()
            return faulty(planned, detail)
        message, hint = self._texts(planned.criterion, verdict)
        return CheckResult(
            check=planned.check,
            criterion=planned.criterion,
            outcome=verdict.outcome,
            credit=verdict.credit,
            message=message,
            hint=hint,
            weight=planned.weight,
            measured=verdict.measured,
            cell=verdict.cell,
            detail=output[-DETAIL_LIMIT:] or None,
            retrain=verdict.retrain,
        )

    def _assertion(self, raised: pytest.ExceptionInfo[BaseException] | None) -> Verdict | None:
        """A plain ``assert`` in the rubric's own files is a verdict; one from anywhere else is a bug."""
        if raised is None or not isinstance(raised.value, AssertionError):
            return None
        place = Path(str(raised.traceback[-1].path)).resolve()
        if place.parent != self._rubric.directory.resolve():
            return None
        said = str(raised.value).split("\n", 1)[0].strip()
        return Verdict(Outcome.FAILED, 0.0, said or "failed", {})

    def _texts(self, criterion: str, verdict: Verdict) -> tuple[Text, Text | None]:
        """Message and hint of a verdict: the rubric's, else its own words, else a general sentence."""
        if isinstance(verdict.key, Text):
            return verdict.key, verdict.hint
        known = self._rubric.texts_in(self.context.request.language)
        key = qualified(criterion, verdict.key)
        hint = verdict.hint or (Text(f"{key}.hint", verdict.measured) if f"{key}.hint" in known else None)
        if key in known:
            return Text(key, verdict.measured), hint
        if " " in verdict.key or not verdict.key.isascii():
            return Text(verdict.key.replace("{", "{{").replace("}", "}}")), hint
        return _GENERIC[verdict.outcome], hint

    def sentence(self, text: Text) -> str:
        """``text`` in the language of the request."""
        language = self.context.request.language
        return Catalogue(
            language, Course(self.context.request.course_dir).locale_dir, self._rubric.texts_in(language)
        ).render(text)


def faulty(planned: Planned, detail: str) -> CheckResult:
    """The result of a check that did not come to its end: our fault."""
    return CheckResult(
        planned.check,
        planned.criterion,
        Outcome.ERRORED,
        None,
        FAULT,
        weight=planned.weight,
        detail=detail[-DETAIL_LIMIT:] or None,
    )
