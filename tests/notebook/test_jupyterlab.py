"""The check as a student sees it: a handed-out notebook in a real JupyterLab page."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import axe_core_python
import chrome
import nbformat
import pytest

from grader.handout import dumps, student_notebook
from grader.rubric import Course

pytestmark = [pytest.mark.slow, pytest.mark.skipif(chrome.find() is None, reason="no Chromium here")]

TOKEN = "for-this-test"
WAIT_S = 300
OWN_WORK = """# 600 images
(X_small, y_small), _ = get_data_mnist(600)
small = keras.Sequential([
    keras.Input((28, 28, 1)), layers.Conv2D(32, 5, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
    layers.Dense(20, activation="relu"), layers.Dense(10, activation="softmax"),
])
small.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
log = small.fit(X_small, y_small, epochs=2)"""
BEGINNING = {"b2-1-self-check", "b2-1-1-00", "b2-1-1-01", "b2-1-1-02"}
CURRENT = "window.jupyterapp?.shell.currentWidget"


@contextlib.contextmanager
def lab(folder, home):
    """The address of a JupyterLab of its own on loopback, which leaves the user's settings alone."""
    rooms = {f"JUPYTER_{name.upper()}_DIR": home / name for name in ("config", "data", "runtime")}
    rooms |= {"HOME": home, "IPYTHONDIR": home / "ipython", "JUPYTERLAB_SETTINGS_DIR": home / "settings"}
    rooms |= {"JUPYTERLAB_WORKSPACES_DIR": home / "workspaces"}
    options = ("--no-browser", "--allow-root", "--expose-app-in-browser", f"--IdentityProvider.token={TOKEN}")
    place = ("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={folder}")
    notices = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notices.parent.mkdir(parents=True)
    notices.write_text('{"checkForUpdates": false, "fetchNews": "false"}', "utf-8")  # nothing leaves this machine
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, *place, "--LabApp.extension_manager=readonly"],
            env={**os.environ, **{name: str(path) for name, path in rooms.items()}},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(server, home)
    finally:
        server.terminate()
        server.wait(60)


def _address(server, home):
    end = time.monotonic() + WAIT_S
    while server.poll() is None and time.monotonic() < end:
        for path in (home / "runtime").glob("jpserver-*.json"):
            with contextlib.suppress(ValueError):
                return json.loads(path.read_text("utf-8"))["url"]
        time.sleep(0.1)
    raise AssertionError((home / "log").read_text("utf-8", "replace")[-2000:])


class Page:
    """The one notebook that is open in a tab."""

    def __init__(self, tab):
        self.tab = tab

    def until(self, condition):
        end = time.monotonic() + WAIT_S
        while not self.tab.run(f"!!({condition})"):
            assert time.monotonic() < end, condition
            time.sleep(0.1)

    def command(self, name, **arguments):
        """One of JupyterLab's, as its menus run them, until it is done."""
        start = f"window.done = null; jupyterapp.commands.execute('{name}', {json.dumps(arguments)})"
        self.tab.run(f"{start}.then(() => {{ window.done = true }}); 0")
        self.until("window.done")

    def type_and_run(self, source):
        """A new cell at the end, by keyboard; HTML of what it showed."""
        self.command("notebook:insert-cell-below")
        self.command("notebook:enter-edit-mode")
        self.tab.type(source)
        self.command("notebook:run-cell")
        return self.tab.run(
            "[...document.querySelectorAll('.jp-Notebook .jp-Cell.jp-mod-selected .jp-RenderedHTMLCommon')]"
            ".map(shown => shown.innerHTML).join('')"
        )

    def barriers(self):
        """What axe-core finds in the cards."""
        self.tab.run((Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8"))
        rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']}"
        cards = "{include: ['.jp-OutputArea-output section[aria-label]']}"
        return self.tab.run(f"axe.run({cards}, {rules}).then(r => r.passes.length ? r.violations : 'no card')")


def hand_out(course, file):
    """The handout's cells up to the data, as a student has begun to work on them."""
    notebook = student_notebook(Course(course.root).assignment("b2-1"), "en", self_check=True)
    notebook["cells"] = [c for c in notebook["cells"] if c["id"] in BEGINNING]
    notebook["cells"].append(nbformat.v4.new_code_cell(OWN_WORK))
    file.write_text(dumps(notebook), "utf-8")


def test_cards_stand_in_a_jupyterlab_page_in_both_themes(at_hand, tmp_path):
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    hand_out(at_hand, work / "mine.ipynb")
    with lab(work, home) as address, chrome.chrome() as browser:
        page = Page(browser.tab())
        page.tab.size(1200, 2400)
        page.tab.go(f"{address}lab/tree/mine.ipynb?token={TOKEN}")
        page.until(f"{CURRENT}?.sessionContext?.session?.kernel?.status === 'idle'")
        page.command("notebook:run-all-cells")
        checked = page.type_and_run("%grader check")
        assert "<strong>A CNN is trained on 600 images</strong>: passed" in checked
        assert "training examples 600 · epochs 2" in checked
        assert "test accuracy 0." in page.type_and_run('grader.check("small-data-accuracy")')
        unsaved = page.type_and_run("%grader submit-ready")
        assert "mine.ipynb, run from top to bottom in a fresh kernel" in unsaved
        assert "✓ The notebook runs from top to bottom in a fresh kernel." in unsaved
        assert "The header cell does not say who you are" in unsaved
        assert "Cells of the handout are missing: [1-3], [1-4]" in unsaved
        assert page.barriers() == []
        page.command("apputils:change-theme", theme="JupyterLab Dark")
        page.until("document.body.dataset.jpThemeLight === 'false'")
        assert page.barriers() == []
        page.command("docmanager:save")
        if picture := os.environ.get("GRADER_TEST_PICTURE"):
            page.tab.picture(Path(picture))
    shown = [c.outputs for c in nbformat.read(work / "mine.ipynb", 4).cells if c.source.startswith("%grader")]
    assert all(o[0].data["text/html"].startswith("<section lang='en'") for o in shown)
