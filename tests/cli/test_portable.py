"""The student's own check needs nothing that only Linux has: Windows, macOS and Colab import the same modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import grader

PACKAGE = Path(grader.__file__).parent
ROOMS = (
    "cli/check cli/common cli/__init__ cli/app config messages rubric datasets evidence model errors recorder intake"
)
ROOMS += " execution verification checks scoring store reporting handout pipeline"
FILES = sorted(
    path for room in ROOMS.split() for path in (PACKAGE / room).rglob("*.py") or () if "migrations" not in path.parts
) + [path for room in ROOMS.split() if (path := PACKAGE / f"{room}.py").is_file()]
CHILDREN = {"verification/child.py"}
# The one is imported where the system was asked; the other by --pdf, after find_browser has refused Windows.
LINUX = {"checks/forks.py", "reporting/printing.py"}
FILES = [path for path in FILES if path.relative_to(PACKAGE).as_posix() not in LINUX]
POSIX_MODULES = {
    "resource",
    "fcntl",
    "pwd",
    "grp",
    "spwd",
    "termios",
    "pty",
    "tty",
    "syslog",
    "posix",
    "curses",
    "crypt",
}
POSIX_MODULES |= {"readline", "nis", "_posixsubprocess", "_posixshmem"}
POSIX_NAMES = {
    "os": [
        "fork",
        "forkpty",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "setuid",
        "setgid",
        "killpg",
        "setsid",
        "setpgid",
        "getpgid",
        "getpgrp",
        "mkfifo",
        "mknod",
        "uname",
        "nice",
        "chown",
        "lchown",
        "fchown",
        "fchmod",
        "getpriority",
        "setpriority",
        "wait",
        "wait3",
        "wait4",
        "O_NOFOLLOW",
        "O_DIRECTORY",
        "O_CLOEXEC",
        "O_NONBLOCK",
        "getloadavg",
        "register_at_fork",
        "pipe2",
        "statvfs",
        "initgroups",
        "sched_getaffinity",
        "sched_setaffinity",
        "chroot",
        "sync",
        "posix_spawn",
        "pread",
        "pwrite",
        "sendfile",
        "getxattr",
        "setxattr",
        "memfd_create",
    ],
    "signal": [
        "SIGKILL",
        "SIGALRM",
        "SIGHUP",
        "SIGQUIT",
        "SIGSTOP",
        "SIGCONT",
        "SIGUSR1",
        "SIGUSR2",
        "SIGCHLD",
        "SIGPIPE",
        "SIGXCPU",
        "SIGXFSZ",
        "alarm",
        "setitimer",
        "getitimer",
        "pause",
        "pthread_kill",
        "pthread_sigmask",
        "sigwait",
        "ITIMER_REAL",
    ],
    "time": ["tzset", "clock_gettime", "pthread_getcpuclockid"],
    "socket": ["AF_UNIX", "AF_NETLINK", "socketpair"],
}
POSIX_ARGUMENTS = {"preexec_fn", "pass_fds", "umask", "user", "group", "extra_groups"}


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def relative(path):
    return path.relative_to(PACKAGE).as_posix()


def test_every_module_of_the_check_is_looked_at():
    seen = {relative(path) for path in FILES}
    assert {"cli/check.py", "intake/collect.py", "execution/run.py", "recorder/session.py", "model.py"} <= seen
    assert len(seen) > 60


def test_all_modules_of_the_check_import_without_the_modules_that_only_posix_has():
    """Only imports made by our own modules fail; what other libraries import on this machine is their affair."""
    code = f"""
import builtins, importlib, sys
real, blocked = builtins.__import__, {sorted(POSIX_MODULES)!r}
def guarded(name, globals=None, locals=None, fromlist=(), level=0):
    asking = str((globals or {{}}).get("__name__", ""))
    if name.split(".")[0] in blocked and asking.split(".")[0] == "grader":
        raise ModuleNotFoundError(f"{{asking}} imports {{name}}, which Windows does not have")
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = guarded
for module in sys.argv[1:]:
    importlib.import_module(module)
print("imported", len(sys.argv) - 1)
"""
    modules = [name_of(path) for path in FILES if relative(path) not in CHILDREN]
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"imported {len(modules)}", done.stderr


def guarded_lines(tree):
    """Lines inside ``try: import … except ImportError`` or a branch or function that asks the system first."""
    lines = set()
    for node in ast.walk(tree):
        handlers = getattr(node, "handlers", ())
        caught = {n.id for h in handlers if h.type for n in ast.walk(h.type) if isinstance(n, ast.Name)}
        asks = isinstance(node, ast.If) and {"platform", "TYPE_CHECKING"} & {
            getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node.test)
        }
        if (isinstance(node, ast.Try) and caught & {"ImportError", "ModuleNotFoundError"}) or asks:
            lines |= set(range(node.lineno, node.end_lineno + 1))
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(n, ast.Call) and getattr(n.func, "id", "") == "hasattr" for n in ast.walk(node)
        ):
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def posix_only(tree):
    """Line and what is used there that Windows does not have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.split(".")[0] in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module.split(".")[0] in POSIX_MODULES:
                yield node.lineno, node.module
            names = POSIX_NAMES.get(node.module, ())
            yield from ((node.lineno, f"{node.module}.{a.name}") for a in node.names if a.name in names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in POSIX_NAMES.get(node.value.id, ()):
                yield node.lineno, f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, k.arg) for k in node.keywords if k.arg in POSIX_ARGUMENTS)


def test_what_is_for_linux_alone_is_imported_where_the_system_was_asked():
    importers = []
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "grader.checks.forks":
                importers.append(relative(path))
                assert node.col_offset > 0
    assert importers == ["checks/child.py"]
    assert 'if not sys.platform.startswith("linux") or not jobs:' in (PACKAGE / "checks" / "child.py").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nothing_that_only_posix_has_is_used_without_asking(path):
    tree = ast.parse(path.read_text("utf-8"))
    guarded = guarded_lines(tree)
    assert [(line, what) for line, what in posix_only(tree) if line not in guarded] == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "from resource import getrusage",
        "from os import getuid",
        "import os\nos.fork()",
        "import signal\nsignal.SIGKILL",
        "import subprocess\nsubprocess.run([], preexec_fn=print)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    tree = ast.parse(source)
    assert [line for line, _ in posix_only(tree) if line not in guarded_lines(tree)]
