"""Nothing that a submission holds acts on a page, in a terminal or in a spreadsheet: what it is, is shown."""

import base64
import csv
import hashlib
import io
import json
import re
import unicodedata
from html import escape
from html.parser import HTMLParser

import msgspec
import pytest

from grader.cli.common import console
from grader.lms import csv_bytes
from grader.reporting import (
    DashboardInfo,
    IndexEntry,
    dashboard,
    index,
    plain,
    result_lines,
    student_report,
    summary_lines,
)
from grader.reporting.clean import clean

AUDIENCES = ("student", "staff", "check")
MOVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Elements(HTMLParser):
    """Every element with its attributes, and the text in scripts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=False)
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    @property
    def names(self):
        return {tag for tag, _ in self.found}

    @property
    def attributes(self):
        return {(tag, key) for tag, found in self.found for key in found}


@pytest.fixture(scope="module")
def pages(factory, payloads, tmp_path_factory):
    """All pages that one hostile submission gives, by payload and kind."""
    context = factory.context("en")

    def make(payload):
        result = payloads.result(factory, payload)
        folder = tmp_path_factory.mktemp("evidence")
        evidence = payloads.evidence(folder, msgspec.json.encode(factory.execution()), payload)
        made = {
            f"report-{audience}": student_report(
                result, evidence, context, audience=audience, thresholds=factory.THRESHOLDS
            )
            for audience in AUDIENCES
        }
        info = DashboardInfo(duration_s=1.0, n_executed=1, roster=(result.student,))
        made["dashboard"] = dashboard([result, factory.unreadable()], context, info)
        entry = IndexEntry(payload, "b2-1.html", 1, 1, payload)
        made["index"] = index([entry], context.catalogue, context.reports_dir)
        return made

    kept = {}
    return lambda name: kept.setdefault(name, make(payloads.PAYLOADS.get(name, name)))


def payload_names():
    """The names, read without importing the helper (test folders are no packages)."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("payload_names", Path(__file__).with_name("payloads.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.PAYLOADS)


NAMES = payload_names()


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_adds_no_element_attribute_or_address_to_any_page(pages, name):
    for kind, html in pages(name).items():
        html.encode("utf-8")
        hostile, harmless = Elements(html), Elements(pages("harmless")[kind])
        assert hostile.names <= harmless.names | {"ul", "li", "details", "summary", "figure"}, kind
        assert hostile.attributes <= harmless.attributes | {("details", "open")}, kind
        for _, found in hostile.found:
            addresses = [found.get(key) or "#" for key in ("href", "src", "action", "data", "formaction")]
            for address in addresses:
                assert address.startswith("data:image/png;base64,") or not re.match(r"[^/?#]*:", address), address


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_is_shown_without_what_moves_text_around(pages, name):
    for kind, html in pages(name).items():
        assert not MOVES.search(html), kind


@pytest.mark.parametrize("name", ["script", "svg", "mathml", "image with a handler", "javascript link"])
def test_a_payload_is_there_to_be_read(pages, payloads, name):
    html = pages(name)["report-staff"]
    escaped = escape(payloads.PAYLOADS[name], quote=False).replace('"', "&#34;")
    assert html.count(escaped) >= 10


def test_every_page_forbids_everything_but_its_own_style_and_script(pages):
    for kind, html in pages("script").items():
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
        assert html.index("Content-Security-Policy") < html.index("<style>"), kind
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
        assert rules["img-src"] == "data:"
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy
        style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["style-src"]
        assert ("script-src" in rules) == (kind == "dashboard")


def test_names_are_isolated_from_the_text_around_them(pages, payloads):
    name = payloads.PAYLOADS["arabic"]
    assert f"<h1><bdi>{name}</bdi>" in pages("arabic")["report-staff"]
    assert f"<bdi>{name}</bdi></a>" in pages("arabic")["dashboard"]


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_gets_no_control_sequence(factory, payloads, name, capsys):
    result, context = payloads.result(factory, payloads.PAYLOADS[name]), factory.context("en")
    for line in plain([*result_lines(result, context, "staff"), *summary_lines([result], context)]):
        assert not MOVES.search(line)
        assert "\n" not in line
    console().print(payloads.PAYLOADS[name], markup=False)
    assert not MOVES.search(re.sub("\u2068([^\u2066-\u2069]*)\u2069", r"\1", capsys.readouterr().out))  # whole isolates


@pytest.mark.parametrize("name", NAMES)
def test_a_spreadsheet_gets_no_formula(factory, payloads, name):
    payload = payloads.PAYLOADS[name]
    content = csv_bytes([payloads.result(factory, payload)], factory.rubric(), factory.context("en").catalogue)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    assert len(rows) == 2
    texts = [cell for cell in rows[1] if not re.fullmatch(r"-?[\d.]+", cell)]
    assert not [t for t in texts if unicodedata.normalize("NFKC", t).lstrip()[:1] in ("=", "+", "-", "@")]


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "a\x9b31mb", "\x1b]0;t\x07x", "\u202ea", "a\u2028b", "\ud800"])
def test_cleaning_twice_changes_nothing_more(text):
    assert clean(clean(text)) == clean(text)
    assert not MOVES.search(clean(text))


@pytest.mark.slow
def test_a_browser_runs_asks_for_and_opens_nothing_of_a_hostile_submission(browser, pages, tmp_path):
    files, allowed, scripts = [], set(), set()
    for number, name in enumerate(["harmless", *NAMES]):
        for kind, html in pages(name).items():
            if name == "harmless":
                allowed |= Elements(html).names
                codes = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
                scripts |= {hashlib.sha256(code.encode()).hexdigest() for code in codes}
            if name == "harmless" or kind in ("report-staff", "dashboard"):
                files.append(tmp_path / f"{number}-{kind}.html")
                files[-1].write_text(html, "utf-8")
    allowed |= {"ul", "li", "figure", "details", "summary", "figcaption", "tbody"}
    found = browser.visit(files, sorted(allowed), sorted(scripts))
    assert {path.name: what for path, what in found.items() if what} == {}
    assert len(found) >= 2 * len(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["", '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'])
def test_the_browser_tells_when_a_page_does_something(browser, payloads, tmp_path, policy):
    """Without a policy it runs, with one it is refused; either way the test above would fail."""
    unsafe = ("script", "image with a handler", "svg", "frame", "style sheet", "javascript link")
    files = []
    for name in unsafe:
        files.append(tmp_path / f"{name}.html")
        files[-1].write_text(f"<!doctype html><meta charset=utf-8>{policy}<p>{payloads.PAYLOADS[name]}</p>", "utf-8")
    found = browser.visit(files, ["html", "head", "body", "meta", "p"])
    assert all(found.values()), json.dumps({str(k): v for k, v in found.items()})
    said = " ".join(what for whats in found.values() for what in whats)
    assert ("dialog 1" in said) == (not policy)
    assert "link javascript:alert(1)" in said
