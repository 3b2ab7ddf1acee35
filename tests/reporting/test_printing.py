"""PDFs of pages, made by the real browser: what is on the page is in them as text, and nothing of it acts."""

import functools
import io
import os
import re
import signal
import unicodedata
from pathlib import Path

import msgspec
import pytest

from grader.errors import BrowserError, PrintError
from grader.reporting import printing, student_report
from grader.reporting.printing import Printer, find_browser

pypdf = pytest.importorskip("pypdf")
A4_PT = (595, 842)
POSIX = pytest.mark.skipif(os.name == "nt", reason="no pipe to a browser")


@pytest.fixture(scope="module")
def printer():
    try:
        program = find_browser()
    except BrowserError:
        pytest.skip("no Chromium here")
    with Printer(program) as made:
        yield made


def read(content):
    return pypdf.PdfReader(io.BytesIO(content))


def text_of(reader):
    """All its text; fonts may name a glyph after a radical that looks the same, so in compatibility form."""
    return unicodedata.normalize("NFKC", "\n".join(page.extract_text() for page in reader.pages))


def fonts_of(reader):
    found = {}
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            found[font.indirect_reference.idnum] = font.get_object()
    return list(found.values())


def is_embedded(font):
    if font["/Subtype"] == "/Type3":  # its glyphs are drawings in the file
        return bool(font["/CharProcs"])
    kinds = ("/FontFile", "/FontFile2", "/FontFile3")
    return any(key in one["/FontDescriptor"] for one in font["/DescendantFonts"] for key in kinds)


def links_of(reader):
    notes = [note.get_object() for page in reader.pages for note in page.get("/Annots", [])]
    return [note["/A"]["/URI"] for note in notes if "/URI" in note.get("/A", {})]


@pytest.fixture(scope="module")
def report(printer, factory, evidence):
    """The report in a language: as page and as PDF, made once."""

    @functools.cache
    def make(language):
        html = student_report(factory.result(), evidence, factory.context(language), thresholds=factory.THRESHOLDS)
        return html, printer.pdf(html)

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "points", "said"),
    [("ja", "15.0 / 25 点", "基準ごとの結果"), ("en", "15.0 / 25 points", "Result by criterion")],
)
def test_a_report_has_its_points_its_words_and_numbered_pages_of_a4(report, language, points, said):
    made = read(report(language)[1])
    text = text_of(made)
    assert re.sub(r"\s+", "", points) in re.sub(r"\s+", "", text)
    assert said in text
    assert "山田 花子" in re.sub(r"\s+", " ", text)
    n = len(made.pages)
    assert n > 2
    for number, one in enumerate(made.pages, 1):
        last = re.sub(r"\s+", " ", one.extract_text()).strip()
        assert last.endswith(f"{number} / {n}")
        assert (round(float(one.mediabox.width)), round(float(one.mediabox.height))) == A4_PT
    assert made.metadata.title.startswith("山田 花子")
    assert made.trailer["/Root"]["/MarkInfo"]["/Marked"]  # for readers of the screen


@pytest.mark.slow
def test_what_is_folded_on_the_screen_is_open_on_paper(report):
    html, content = report("en")
    assert re.search(r'<details class="code">', html)
    text = text_of(read(content))
    assert "model.summary()" in text
    assert "validation 0.875" in text


@pytest.mark.slow
def test_fonts_and_pictures_are_in_the_file(report):
    html, content = report("ja")
    made = read(content)
    fonts = fonts_of(made)
    assert len(fonts) > 2
    assert all(map(is_embedded, fonts))
    assert ' loading="lazy"' in html
    assert sum(len(one.images) for one in made.pages) >= html.count("<img ") > 0


@pytest.mark.slow
def test_the_same_page_gives_the_same_bytes(printer, report):
    html, made = report("en")
    assert made == printer.pdf(html)
    assert read(made).metadata.creation_date is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["script", "javascript link", "image with a handler", "script after a title"])
def test_hostile_text_is_printed_as_text(printer, factory, payloads, tmp_path, name):
    payload = payloads.PAYLOADS[name]
    evidence = payloads.evidence(tmp_path, msgspec.json.encode(factory.execution()), payload)
    result = payloads.result(factory, payload)
    content = printer.pdf(student_report(result, evidence, factory.context("en"), thresholds=factory.THRESHOLDS))
    made = read(content)
    text = re.sub(r"\s+", "", text_of(made))
    assert text.count(re.sub(r"\s+", "", payload)) >= 10
    assert links_of(made) == []
    assert not re.search(rb"/(JavaScript|JS|Launch|EmbeddedFile)\b", content)


@pytest.mark.slow
def test_no_script_runs_and_nothing_is_fetched_even_without_a_policy(printer, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("of the disk")
    html = (
        f'<!doctype html><html lang="en"><body><p id="a">as written</p><iframe src="{secret.as_uri()}"></iframe>'
        '<iframe src="http://localhost:1/"></iframe><img src="https://example.invalid/x.png">'
        "<script>document.getElementById('a').textContent = 'changed'</script><noscript>no script</noscript>"
    )
    text = text_of(read(printer.pdf(html)))
    assert "as written" in text
    assert "no script" in text
    assert "changed" not in text
    assert "of the disk" not in text


@pytest.mark.slow
def test_a_browser_that_died_is_an_error_and_leaves_nothing(factory):
    try:
        made = Printer(find_browser())
    except BrowserError:
        pytest.skip("no Chromium here")
    with made:
        os.killpg(made._process.pid, signal.SIGKILL)
        with pytest.raises(PrintError, match="stopped"):
            made.pdf("<!doctype html><p>x")
    assert not Path(made._folder.name).exists()


def test_without_any_browser_it_says_what_was_looked_for_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(printing, "_APPLICATIONS", ())
    with pytest.raises(BrowserError) as said:
        find_browser()
    for name in (*printing.NAMES, "GRADER_BROWSER", "install"):
        assert name in str(said.value)


@POSIX
def test_a_browser_is_found_by_name_or_path_and_the_first_one_otherwise(monkeypatch, tmp_path):
    own = tmp_path / "microsoft-edge"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() == find_browser("microsoft-edge") == find_browser(str(own)) == str(own)
    with pytest.raises(BrowserError, match="opera"):
        find_browser("opera")


@POSIX
@pytest.mark.parametrize(("script", "word"), [("echo no usable sandbox >&2; exit 1", "no usable sandbox"), ("", "")])
def test_a_browser_that_does_not_start_is_named_with_its_last_words(tmp_path, script, word):
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    with pytest.raises(BrowserError) as said:
        Printer(str(program))
    assert str(program) in str(said.value)
    assert word in str(said.value)


@POSIX
def test_a_browser_that_never_answers_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    program.chmod(0o700)
    monkeypatch.setattr(printing, "START_TIMEOUT_S", 2.0)
    monkeypatch.setattr(printing, "_END_TIMEOUT_S", 0.1)
    with pytest.raises(BrowserError, match="in time"):
        Printer(str(program))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
