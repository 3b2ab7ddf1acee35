import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from grader.recorder.environment import ColabFinder, needs_network, tame_processes, tame_shell


@pytest.mark.parametrize(
    "command",
    [
        "pip install tensorflow",
        "pip3 install -q keras==2.3",
        " pip install x",
        "python -m pip install x",
        "python3 -m pip install --upgrade pip",
        "sudo apt-get install fonts-ipafont",
        "apt install graphviz",
        "conda install numpy",
        "wget https://example.org/x \\\n  -O y",
        "curl -O https://example.org/x",
        "cd data && wget https://example.org/x",
        "ls; pip install x",
        "ls | curl -T - https://example.org",
        "git clone https://example.org/x.git",
        "git  clone x",
        "kaggle datasets download x",
        "gdown --id 1",
        "npm install",
        "(pip install x)",
        "true || pip install x",
        "PIP_NO_INPUT=1 pip install x",
        "/usr/bin/pip install x",
        "ls\npip install x",
        "sudo -H pip install x",
        "for i in 1 2; do wget https://example.org/$i; done",
        "if true\nthen pip install x\nfi",
        "time wget https://example.org/x",
        "apt-get update -qq && apt-get install -y x",
        "git pull",
        "bash -c 'pip install x'",
        'bash -lc "cd data; curl -O https://example.org/x"',
        "echo $(curl https://example.org)",
        "pip3.11 install x",
        "uv pip install x",
        "python -m uv pip install x",
        "conda install -c conda-forge x",
        "pip install --upgrade \\\n  tensorflow",
    ],
)
def test_commands_that_install_or_download_are_known(command):
    assert needs_network(command)


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "echo pip",
        "echo 'pip install x'",
        "cat wget.log",
        "nvidia-smi",
        "git status",
        "git --version",
        "git log --grep=clone",
        "python train.py --pip",
        "which pip",
        "mkdir curl",
        "pipx --version",
        "head pip.txt",
        "pip list",
        "pip3 show tensorflow",
        "python -m pip freeze",
        "pip --version",
        "./wget.sh",
        "python -m pipeline.curl",
        "# pip install x",
        "mkdir data\n# wget is not there\nls data",
        "conda list",
        "uv --version",
        "echo time to wget",
        "sh run.sh",
        "",
    ],
)
def test_other_commands_run(command):
    assert not needs_network(command)


@pytest.fixture
def colab(session, monkeypatch):
    """A session whose finder serves ``google.colab``; modules and finders are as before afterwards."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in [n for n in sys.modules if n == "google.colab" or n.startswith("google.colab.")]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    ColabFinder(session)
    yield session
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "google":
            del sys.modules[name]


def kinds(events):
    return [e["detail"] for e in events if e["kind"] == "colab"]


def test_where_it_runs_is_not_pretended_until_somebody_asks_for_colab(colab, written):
    assert "google.colab" not in sys.modules
    assert written() == []


def test_colab_functions_do_nothing_and_are_noted(colab, written, capsys):
    drive = importlib.import_module("google.colab.drive")
    assert drive.mount("/content/drive", force_remount=True) is None
    assert "does nothing here" in capsys.readouterr().out
    assert "google.colab.drive.mount" in kinds(written())


def test_an_upload_gives_an_empty_dictionary(colab):
    from google.colab import files

    assert files.upload() == {}
    assert list(files.upload().keys()) == []


def test_what_colab_does_not_have_is_missing_there_too(colab):
    module = importlib.import_module("google.colab")
    with pytest.raises(AttributeError):
        module.no_such_thing  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("google.colab.no_such_thing")
    with pytest.raises(ImportError):
        importlib.import_module("google.no_such_package_here")


def test_special_attributes_of_a_stand_in_are_not_invented(colab):
    drive = importlib.import_module("google.colab.drive")
    assert not hasattr(drive, "__wrapped__")
    assert drive.__name__ == "google.colab.drive"


class Shell:
    """What the recorder uses of IPython's shell."""

    def __init__(self):
        self.user_ns = {}
        self.ran = []
        self.magics = {}
        lines = {"conda": lambda line: self.ran.append(f"conda {line}")}
        cells = {name: lambda line, cell: self.ran.append((line, cell)) for name in ("bash", "sh", "script")}
        self.magics_manager = SimpleNamespace(magics={"line": lines, "cell": cells})

    def system(self, command):
        self.ran.append(command)

    def getoutput(self, command, split=True, depth=0):
        self.ran.append(command)
        return ["output"]

    def register_magic_function(self, function, kind, name):
        self.magics[name] = (function, kind)


@pytest.fixture
def shell(session):
    made = Shell()
    tame_shell(made, session)
    return made


def test_a_download_is_refused_with_a_note_and_looks_successful(shell, written, capsys):
    shell.system("pip install x")
    assert shell.ran == []
    assert shell.user_ns["_exit_code"] == 0
    assert "no network while grading: pip install x" in capsys.readouterr().out
    assert [(e["kind"], e["detail"]) for e in written()] == [("shell", "pip install x")]


def test_other_commands_go_to_the_shell_unchanged(shell, written):
    shell.system("ls -l")
    assert shell.getoutput("date") == ["output"]
    assert shell.ran == ["ls -l", "date"]
    assert written() == []


def test_captured_output_of_a_refused_command_is_empty(shell):
    assert shell.getoutput("wget https://example.org") == []


@pytest.mark.parametrize("name", ["bash", "sh", "script"])
def test_a_cell_of_shell_commands_with_a_download_is_not_run(shell, name, written, capsys):
    cell = "mkdir data\ncd data\nwget https://example.org/x \\\n  -O y\n"
    assert shell.magics_manager.magics["cell"][name]("", cell) is None
    assert shell.ran == []
    assert "not run, there is no network while grading" in capsys.readouterr().out
    assert [(e["kind"], e["detail"]) for e in written()] == [("shell", cell)]


def test_other_cells_of_shell_commands_run(shell, written):
    shell.magics_manager.magics["cell"]["bash"]("--out x", "ls\ndate\n")
    assert shell.ran == [("--out x", "ls\ndate\n")]
    assert written() == []


def test_names_that_such_a_cell_was_to_fill_are_empty(shell):
    shell.magics_manager.magics["cell"]["bash"]("--out found --err=wrong", "curl https://example.org")
    assert shell.user_ns == {"found": "", "wrong": ""}


def test_the_magic_conda_is_refused_without_asking_for_a_conda(shell, capsys):
    shell.magics_manager.magics["line"]["conda"]("install x")
    assert shell.ran == []
    assert "conda install x" in capsys.readouterr().out
    shell.magics_manager.magics["line"]["conda"]("list")
    assert shell.ran == ["conda list"]


@pytest.fixture
def processes(session, monkeypatch):
    monkeypatch.setattr(os, "system", os.system)
    monkeypatch.setattr(subprocess.Popen, "__init__", subprocess.Popen.__init__)
    tame_processes(session)


def test_downloads_through_a_process_look_successful_too(processes, written, capsys):
    assert os.system("pip install x") == 0
    assert subprocess.run(["git", "clone", "https://example.org/x.git"], check=True).returncode == 0
    assert subprocess.run("wget https://example.org/x", shell=True, check=True).returncode == 0
    assert subprocess.check_output([sys.executable, "-m", "pip", "install", "x"], text=True) == ""
    assert subprocess.getoutput("curl https://example.org") == ""
    assert os.popen("apt-get install x").read() == ""
    assert [e["kind"] for e in written()] == ["shell"] * 6
    assert "git clone https://example.org/x.git" in capsys.readouterr().out


def test_other_processes_run_as_they_were_asked_to(processes, written):
    ran = subprocess.run([sys.executable, "-c", "print('wget')"], capture_output=True, text=True, check=True)
    assert ran.stdout == "wget\n"
    assert os.system(f'"{sys.executable}" -c "raise SystemExit(3)"') != 0
    with pytest.raises(FileNotFoundError):
        subprocess.run(["no-such-program-here"], check=False)
    assert written() == []


def test_magics_of_colab_are_known_as_empty_ones(shell):
    function, kind = shell.magics["tensorflow_version"]
    assert kind == "line_cell"
    assert function("2.x") is None
    assert function("", "cell body") is None


def test_a_figure_is_counted_when_its_cell_ends(session, written):
    from grader.recorder.figures import Figures

    class Figure:
        def __init__(self, *axes):
            self.axes = [SimpleNamespace(images=[0] * i, lines=[0] * n) for i, n in axes]

    module = SimpleNamespace(Figure=Figure)
    figures = Figures(session)
    figures.watch(module)
    module.Figure((1, 0), (1, 2))
    module.Figure()
    assert written() == []
    figures.flush()
    figures.flush()
    assert [(e["axes"], e["images"], e["lines"]) for e in written()] == [(2, 2, 2)]


def test_a_cell_that_draws_without_end_keeps_only_its_first_figures(session, written):
    from grader.recorder.figures import Figures

    class Figure:
        axes = (SimpleNamespace(images=[1], lines=[]),)

        def __init__(self, **_):
            pass

    module = SimpleNamespace(Figure=Figure)
    figures = Figures(session)
    figures.watch(module)
    made = [module.Figure(figsize=(1, 1)) for _ in range(300)]
    figures.flush()
    assert len(written()) == 200
    assert len(made) == 300


def test_the_magic_pip_runs_through_a_shell_command_too():
    """``%pip install x`` becomes ``/path/to/python -m pip install x``, which IPython hands to ``system``."""
    assert needs_network(f"{sys.executable} -m pip install x")
    assert needs_network(f'"{sys.executable}" -m pip install x')
