"""What every page needs beside its figures: the course's texts, the language, and the template environment."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from grader.messages import Catalogue
from grader.reporting.clean import clean
from grader.reporting.words import SIGNS, Words
from grader.rubric import Assignment, Rubric, bundled_course_dir


class Audience(StrEnum):
    """Who reads a page. ``CHECK`` is the student's own check: public criteria, no promise of a grade."""

    STUDENT = "student"
    STAFF = "staff"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class ThresholdView:
    """A threshold and the range that right answers were seen in; shares, 0 to 1.

    :ivar n: right answers behind it. :ivar false_fail: probability that a right answer misses it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    false_fail: float | None = None
    side: str = "lower"


@dataclass(frozen=True, slots=True)
class TestSet:
    """The official test images that predictions belong to.

    :ivar images: uint8, (n, height, width). :ivar labels: integers, (n,).
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    images: npt.NDArray[np.uint8] = field(repr=False)
    labels: npt.NDArray[np.integer] = field(repr=False)
    n_classes: int = 10


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What stays the same for all pages of one assignment in one language.

    :ivar reports_dir: folder with the templates and the style sheet.
    :ivar timezone: of the dates shown; ``None`` is the machine's own.
    """

    rubric: Rubric
    assignment: Assignment
    catalogue: Catalogue
    reports_dir: Path = field(default_factory=lambda: bundled_course_dir() / "reports")
    timezone: tzinfo | None = None

    @property
    def words(self) -> Words:
        """The language's words."""
        return Words(self.catalogue, self.timezone)

    def is_written(self, criterion: str) -> bool:
        """Whether a person reads an answer for it; also ``False`` for one that the rubric no longer has."""
        return criterion in self.rubric.ids and self.rubric.criterion(criterion).kind == "written"


_POLICY_PLACE = "POLICY"
_STYLE_ATTRIBUTE = re.compile(r' style="([^"]*)"')  # quotes of anybody else's are escaped


def _finalize(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment(reports_dir: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(reports_dir),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(path: Path) -> str:
    """A style sheet or script without its comments and indentation."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def render_page(context: ReportContext, template: str, script: str | None = None, **values: Any) -> str:
    """One self-contained page in the context's language.

    :param script: file name of the page's only script; its digest is then the only one that the page's policy admits.
    """
    return render_bare(context.words, context.reports_dir, template, script=script, **values)


def render_bare(words: Words, reports_dir: Path, template: str, script: str | None = None, **values: Any) -> str:
    """:func:`render_page` for a page that belongs to no single assignment."""
    directory = reports_dir.resolve()
    code = _asset(directory / script) if script else ""
    style = _asset(directory / "style.css")
    text = render_served(
        words,
        directory,
        template,
        policy=_POLICY_PLACE,
        style=Markup(style),  # noqa: S704 - the course's own file
        code=Markup(code),  # noqa: S704 - the course's own file
        **values,
    )
    return text.replace(_POLICY_PLACE, _policy(text, style, code), 1)


def render_served(words: Words, reports_dir: Path, template: str, **values: Any) -> str:
    """A page that a server sends, with style sheet, script and policy of its own (see :func:`style_sources`)."""
    return (
        _environment(reports_dir.resolve())
        .get_template(template)
        .render(
            _=words.say,
            words=words,
            lang=words.language,
            signs=SIGNS,
            outcome_words={outcome: words.outcome(outcome) for outcome in SIGNS},
            **values,
        )
    )


def style_sources(page: str, *sheets: str) -> list[str]:
    """What ``style-src`` must name so that ``page`` has its style attributes, and ``sheets``, and no others."""
    attributes = sorted(set(_STYLE_ATTRIBUTE.findall(page)))
    return ["'unsafe-hashes'"] * bool(attributes) + [_source(text) for text in (*sheets, *attributes)]


def _policy(page: str, style: str, code: str) -> str:
    """What a browser may do with ``page`` (Content Security Policy 3): show it with our own style sheet, style
    attributes, pictures inside it, and the one script that is ours; fetch, send, frame or run nothing else.
    """
    rules = [
        "default-src 'none'",
        f"style-src {' '.join(style_sources(page, style))}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join([*rules, f"script-src {_source(code)}"] if code else rules)


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def localised_title(texts: Mapping[str, str], language: str) -> str:
    """A title in ``language``, else in English, else whichever there is."""
    return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")
