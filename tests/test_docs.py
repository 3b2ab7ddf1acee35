"""The documentation says what the program does. ``python tests/test_docs.py`` writes the table of settings again."""

import ast
import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

import grader
from grader import errors
from grader.checks import plugin
from grader.checks.verdicts import Say
from grader.cli.app import app
from grader.config import describe
from grader.model import ExecutionOutcome, FlagKind, Outcome, Status, Visibility

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
SETTINGS_PAGE = ROOT / "docs" / "instructor.md"
SETTINGS = re.compile(r"(<!-- settings:[^\n]*-->\n)(.*?)(<!-- end of settings -->)", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
IMAGE_LIMIT_BYTES = 200_000
# Options of programs that are not ours, and pytest's own with which authors run a rubric.
FOREIGN_OPTIONS = {"--help", "--version", "--pdb", "--evidence", "--language", "--data-dir"}
FOREIGN_OPTIONS |= {"--tls-ca-file", "--tls-cert", "--tls-key", "--no-dashboard"}  # of Dask
FOREIGN_OPTIONS |= {"--no-sandbox"}  # of Chromium

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def table(text, mark):
    """First column of the table between ``<!-- mark -->`` and ``<!-- end -->``, without code marks."""
    body = text.split(f"<!-- {mark} -->")[1].split("<!-- end -->")[0]
    return [row.split("|")[1].strip().strip("`") for row in body.strip().splitlines()[2:]]


def named_in_tables(text):
    """Every code word in the first column of any table."""
    return {word for row in re.findall(r"^\|([^|]*)\|", text, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)}


def commands(group, path=()):
    """Words of each command to the command itself; groups left out."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(get_command(app)))


def options(command):
    return {opt for p in command.params if p.param_type_name == "option" for opt in p.opts}


def command_lines(text):
    """Words after ``grader`` of each command line in a fenced block; comments and a virtual environment's path go."""
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and words[0].rsplit("/", 1)[-1] == "grader":
                yield words[1:]


def inline_code(text):
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def command_of(words):
    return next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in COMMANDS), None)


def unknown_options(words, command):
    known = options(command) | {"--help"}
    return [w for w in words if w.startswith("--") and w.split("=")[0] not in known]


@every_page
def test_every_command_line_shown_is_one_that_the_program_takes(page):
    for words in command_lines(page.read_text("utf-8")):
        name = command_of(words)
        assert name, f"grader {shlex.join(words)}"
        COMMANDS[name].make_context(" ".join(name), words[len(name) :])  # parses; raises where a call would refuse


@every_page
def test_every_command_and_option_in_running_text_exists(page):
    if page.name == "benchmarks.md":
        pytest.skip("its options are those of the benchmarks")
    known = {opt for command in COMMANDS.values() for opt in options(command)} | FOREIGN_OPTIONS
    groups = {name[:1] for name in COMMANDS if len(name) > 1}
    for code in inline_code(page.read_text("utf-8")):
        words = code.split()
        if words[0] == "grader" and len(words) > 1 and not words[1].startswith("--"):
            name = command_of(words[1:])
            assert name or tuple(words[1:]) in groups, code
            assert name is None or not unknown_options(words, COMMANDS[name]), code
        elif words[0].startswith("--"):
            assert words[0] in known, code


def test_every_command_and_option_is_documented():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    for name, command in COMMANDS.items():
        assert f"grader {' '.join(name)}" in text, name
        assert not {opt for opt in options(command) if opt not in text}, name


def test_the_table_of_options_of_grade_is_complete():
    named = named_in_tables(text_of("docs/instructor.md"))
    assert options(COMMANDS["grade",]) <= named


@every_page
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name}: {target}"
        assert path.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), f"{page.name}: {target}"


def anchors(text):
    """Names that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_linked_from_the_readme():
    readme = text_of("README.md")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme, page.name


def test_pictures_are_used_and_small():
    pages = "\n".join(page.read_text("utf-8") for page in PAGES)
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.name in pages
        assert picture.stat().st_size < IMAGE_LIMIT_BYTES, picture.name


def settings_table():
    rows = ["| setting | value | default | environment variable | meaning |", "|---|---|---|---|---|"]
    for s in describe():
        value = ", ".join(f"`{c}`" for c in s.choices) or s.kind
        rows.append(f"| `{s.name}` | {value} | {s.default} | `{s.env}` | {s.help} |")
    return "\n".join(rows) + "\n"


def test_the_table_of_settings_is_that_of_the_code():
    assert SETTINGS.search(SETTINGS_PAGE.read_text("utf-8"))[2] == settings_table(), "run: python tests/test_docs.py"


def error_kinds(kind=errors.GraderError):
    return {kind}.union(*(error_kinds(sub) for sub in kind.__subclasses__()))


def test_every_exit_code_is_named():
    section = text_of("docs/instructor.md").split("## Exit codes")[1].split("\n## ")[0]
    named = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    # Of the contract: all graded, some attempt needs attention, interrupted.
    assert named == {kind.exit_code for kind in error_kinds() if kind.__module__ == "grader.errors"} | {0, 1, 130}


def test_every_outcome_status_and_flag_is_explained_to_assistants():
    named = named_in_tables(text_of("docs/ta.md"))
    assert {str(v) for kind in (Status, Outcome, ExecutionOutcome, FlagKind) for v in kind} <= named


def fixture_names():
    """Functions of the rubric plugin decorated with ``pytest.fixture``."""
    functions = [n for n in ast.parse(inspect.getsource(plugin)).body if isinstance(n, ast.FunctionDef)]
    return {f.name for f in functions if any(ast.unparse(d).startswith("pytest.fixture") for d in f.decorator_list)}


def verdict_names():
    return {name for name, _ in inspect.getmembers(Say, inspect.isfunction) if not name.startswith("_")}


def test_the_fixtures_and_verdicts_of_rubrics_are_those_of_the_code():
    page = text_of("docs/rubric-author.md")
    verdicts = [re.match(r"say\.(\w+)\((\w+)", row).groups() for row in table(page, "verdicts")]
    assert set(table(page, "fixtures")) == fixture_names()
    assert {name for name, _ in verdicts} == verdict_names()
    for name, first in verdicts:
        assert list(inspect.signature(getattr(Say, name)).parameters)[1] == first


def test_the_visibilities_of_criteria_are_those_of_the_code():
    named = named_in_tables(text_of("docs/rubric-author.md"))
    assert {str(v) for v in Visibility} <= named


@every_page
def test_examples_in_python_and_toml_are_valid(page):
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "python":
            tree = ast.parse(block)
            for f in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")):
                assert {a.arg for a in f.args.args} <= fixture_names()
            said = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "say"}
            assert said <= verdict_names()
        elif language == "toml":
            tomllib.loads(block)


def test_every_dependency_is_listed_with_its_reason():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    parts = re.split(r"^## ", text_of("docs/dependencies.md"), flags=re.MULTILINE)
    groups = {"At run time": project["dependencies"]}
    groups |= {f"Extra `{name}`": wanted for name, wanted in project["optional-dependencies"].items()}
    for title, wanted in groups.items():
        section = next((part for part in parts if part.startswith(title + "\n")), None)
        assert section, f"docs/dependencies.md has no section {title!r}"
        listed = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE))
        assert set(listed) == {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted}, title
        assert all(listed.values())


def test_the_changelog_names_this_version():
    assert f"## [{grader.__version__}]" in text_of("CHANGELOG.md")


def test_the_licence_is_the_one_of_the_project():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert f"[{project['license']} licence](LICENSE)" in text_of("README.md")


if __name__ == "__main__":
    page = SETTINGS_PAGE.read_text("utf-8")
    SETTINGS_PAGE.write_text(SETTINGS.sub(lambda m: m[1] + settings_table() + m[3], page), "utf-8")
