"""Results as JUnit XML in pytest's family ``xunit2``: a suite an attempt, a test case a criterion."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from grader.lms.lines import Line, lines_of, summary
from grader.messages import Catalogue
from grader.model import Result
from grader.rubric import Rubric

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (section 2.2)."""


def junit_xml(results: Iterable[Result], rubric: Rubric, catalogue: Catalogue) -> bytes:
    """The file's content. An open criterion is skipped; points are properties, since xunit2 has no place for them."""
    suites = ElementTree.Element("testsuites", name=_plain(f"grader {rubric.assignment}"))
    for result in results:
        suites.append(_suite(result, list(lines_of(result, rubric, catalogue)), catalogue))
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(result: Result, lines: list[Line], catalogue: Catalogue) -> ElementTree.Element:
    who = result.student
    broken = result.score.points is None
    suite = ElementTree.Element(
        "testsuite",
        name=_plain(who.id or who.name or result.source),
        errors=str(len(lines) if broken else 0),
        failures=str(sum(line.passed is False for line in lines) if not broken else 0),
        skipped=str(sum(line.passed is None for line in lines) if not broken else 0),
        tests=str(len(lines)),
        time=f"{result.execution.duration_s or 0.0:.3f}",
    )
    if result.graded_at:
        suite.set("timestamp", _plain(result.graded_at))
    values = {
        "student_id": who.id,
        "attempt": result.digest,
        "status": str(result.score.status),
        "points_earned": _number(result.score.points),
        "points_final": _number(result.final),
        "points_possible": _number(result.score.max_points),
        "note": summary(result, catalogue) or None,
    }
    _properties(suite, values)
    reason = summary(result, catalogue)
    for line in lines:
        suite.append(_case(line, result, reason if broken else None))
    return suite


def _case(line: Line, result: Result, broken: str | None) -> ElementTree.Element:
    name = f"{result.assignment}.{result.student.id or result.digest[7:19]}"
    case = ElementTree.Element("testcase", classname=_plain(name), name=line.id, time="0.000")
    _properties(
        case,
        {
            "title": line.title,
            "points_earned": _number(line.points),
            "points_possible": _number(line.max_points),
        },
    )
    if broken is not None:
        ElementTree.SubElement(case, "error", message=_plain(broken))
    elif line.passed is None:
        ElementTree.SubElement(case, "skipped", type="grader.open", message=_plain(line.message))
    elif not line.passed:
        ElementTree.SubElement(case, "failure", message=_plain(line.message))
    return case


def _properties(parent: ElementTree.Element, values: dict[str, str | None]) -> None:
    box = ElementTree.SubElement(parent, "properties")
    for name, value in values.items():
        if value is not None:
            ElementTree.SubElement(box, "property", name=name, value=_plain(value))


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _plain(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
