"""What a confined process can see and do; each attack aims at a canary that the test made."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from grader.sandbox.box import Box, Sandbox
from grader.sandbox.spec import Limits

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the sandboxes need Linux")]


def gone(pid, within_s=10):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_the_own_folder_can_be_written_and_is_seen_outside(inside):
    inside.run("open('made', 'w').write('x')")
    assert (inside.folder / "made").read_text() == "x"


@pytest.mark.parametrize("where", ["workspace", "home", "other-attempt"])
def test_no_other_folder_can_be_seen(inside, where, tmp_path):
    canary = tmp_path / where / "canary"
    canary.parent.mkdir()
    canary.write_text("secret")
    assert inside.fails(f"open({str(canary)!r}).read()") in ("FileNotFoundError", "PermissionError")
    assert inside.fails(f"os.listdir({str(canary.parent)!r})") in ("FileNotFoundError", "PermissionError")


def test_links_lead_nowhere_outside(inside, tmp_path):
    (tmp_path / "canary").write_text("secret")
    (inside.folder / "link").symlink_to(tmp_path / "canary")
    (inside.folder / "up").symlink_to("../..")
    assert inside.fails("open('link').read()") is not None
    assert inside.fails(f"open('up/{tmp_path.name}/canary').read()") is not None
    assert inside.fails("open('/proc/self/root/../../../../etc/shadow').read()") is not None
    assert inside.fails("open('/proc/1/environ').read()") is not None


def test_neither_home_nor_the_rubric_nor_this_program_is_there(inside):
    import grader
    from grader.rubric import bundled_course_dir

    program = Path(grader.__file__).parent
    home = Path.home()  # where an interpreter lies below it, the way to it is there, and nothing else
    for place in (home / ".bashrc", home / ".ssh", bundled_course_dir() / "rubrics", program / "checks", "/etc/shadow"):
        assert not inside.look(f"found = os.path.lexists({str(place)!r})"), place


def test_nothing_outside_the_own_folder_can_be_written(inside, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in (str(outside), "/usr", "/usr/bin", str(Path(sys.executable).parent), "/", "/dev", "/etc", "/proc/sys"):
        assert inside.fails(f"open({place!r} + '/made', 'w')") is not None, place
    for switch in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname"):
        assert inside.fails(f"os.close(os.open({switch!r}, os.O_WRONLY))") is not None, switch
    assert not list(outside.iterdir())


def test_a_file_in_the_private_tmp_is_not_the_machines(inside):
    name = f"grader-canary-{secrets.token_hex(6)}"
    inside.run(f"open('/tmp/{name}', 'w').write('x')")
    assert not Path(f"/tmp/{name}").exists()


def test_read_only_folders_can_be_read_and_not_changed(make_inside, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "mnist.npz").write_text("images")
    box = make_inside(readable=[data])
    assert box.look(f"found = open({str(data / 'mnist.npz')!r}).read()") == "images"
    assert box.fails(f"open({str(data / 'mnist.npz')!r}, 'w')") is not None
    assert box.fails(f"os.unlink({str(data / 'mnist.npz')!r})") is not None
    assert (data / "mnist.npz").read_text() == "images"


def test_a_hidden_folder_below_a_shown_one_is_empty(make_inside, tmp_path):
    course = tmp_path / "lib" / "course"
    course.mkdir(parents=True)
    (course / "rubric.toml").write_text("secret")
    box = make_inside(readable=[tmp_path / "lib"], hidden=[course])
    assert box.look(f"found = os.listdir({str(tmp_path / 'lib')!r})") == ["course"]
    assert box.fails(f"open({str(course / 'rubric.toml')!r})") == "FileNotFoundError"


def test_the_environment_holds_what_was_given_and_nothing_else(inside, monkeypatch):
    monkeypatch.setenv("CANARY_TOKEN", "secret")
    names = inside.look("found = sorted(os.environ)", environment={"HOME": "/x"})
    assert set(names) <= {"PATH", "HOME", "LC_CTYPE"}


def test_ports_and_sockets_of_the_machine_cannot_be_reached(inside):
    name = f"canary-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen(1)
        tcp = f"socket.create_connection(('127.0.0.1', {port.getsockname()[1]}), 3)"
        assert inside.fails(tcp, "socket") is not None
        assert inside.fails(f"socket.socket(socket.AF_UNIX).connect(chr(0) + {name!r})", "socket") is not None
        for address in ("192.0.2.1", "198.51.100.7"):  # TEST-NET: nobody has them
            assert inside.fails(f"socket.create_connection(({address!r}, 80), 3)", "socket") is not None
    udp = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))"
    assert inside.fails(udp, "socket") is not None
    assert inside.fails("socket.getaddrinfo('example.org', 80)", "socket") is not None
    assert inside.fails("socket.socket(40, socket.SOCK_STREAM)", "socket") is not None  # AF_VSOCK
    assert inside.fails("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "socket") is not None


def test_a_process_can_talk_to_itself(inside):
    code = (
        "import socket\nwith socket.create_server(('127.0.0.1', 0)) as s:\n"
        "    c = socket.create_connection(s.getsockname(), 3)\n    c.close()\nfound = True"
    )
    assert inside.look(code)


def test_only_the_own_processes_can_be_seen(inside):
    others = inside.look("found = [int(n) for n in os.listdir('/proc') if n.isdigit()]")
    assert set(others) <= {1, 2, 3}
    assert inside.fails(f"os.kill({os.getpid()}, 0)") == "ProcessLookupError"


def test_there_is_no_right_left_and_none_to_get(inside):
    status = inside.look("found = dict(l.split(':\t', 1) for l in open('/proc/self/status') if ':\t' in l)")
    assert all(int(status[f"Cap{name}"], 16) == 0 for name in ("Inh", "Prm", "Eff", "Amb", "Bnd"))
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert inside.look("found = [os.getuid(), os.geteuid(), os.getgid(), *os.getgroups()]").count(0) == 0
    assert inside.fails("os.setuid(0)") is not None


CALLS = {
    "ptrace": "libc.ptrace(0, 0, 0, 0)",
    "mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "umount": "libc.umount2(b'/proc', 2)",
    "unshare": "libc.unshare(0x10000000)",
    "setns": "libc.setns(0, 0)",
    "chroot": "libc.chroot(b'/tmp')",
    "personality": "libc.personality(0x0040000)",
    "keyctl": "libc.syscall(ctypes.c_long(250 if x86 else 219), 0, 0, 0, 0, 0)",
    "bpf": "libc.syscall(ctypes.c_long(321 if x86 else 280), 0, 0, 0)",
    "io_uring": "libc.syscall(ctypes.c_long(425), 4, 0)",
    "userfaultfd": "libc.syscall(ctypes.c_long(323 if x86 else 282), 0)",
    "perf_event_open": "libc.syscall(ctypes.c_long(298 if x86 else 241), 0, 0, -1, -1, 0)",
    "process_vm_readv": "libc.syscall(ctypes.c_long(310 if x86 else 270), 1, 0, 0, 0, 0, 0)",
    "reboot": "libc.syscall(ctypes.c_long(169 if x86 else 142), 0, 0, 0, 0)",
}


def test_dangerous_system_calls_are_refused(inside):
    lines = ["import ctypes, platform", "libc = ctypes.CDLL(None, use_errno=True)"]
    lines += ["x86 = platform.machine() == 'x86_64'", "found = {}"]
    for name, call in CALLS.items():
        lines += ["ctypes.set_errno(0)", f"found[{name!r}] = [{call}, ctypes.get_errno()]"]
    assert inside.look("\n".join(lines)) == {name: [-1, 1] for name in CALLS}


def test_no_namespace_can_be_made_by_clone(inside):
    code = (
        "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "number = 56 if platform.machine() == 'x86_64' else 220\n"
        "result = libc.syscall(ctypes.c_long(number), ctypes.c_long(0x10000000 | 17), 0, 0, 0, 0)\n"
        "os._exit(0) if result == 0 else None\nfound = [result, ctypes.get_errno()]"
    )
    assert inside.look(code) == [-1, 1]


def test_landlock_is_on_top_where_the_kernel_has_it(inside):
    from grader.sandbox import landlock

    if landlock.abi() < 2:
        pytest.skip("this kernel has no Landlock, or one of version 1")
    # The view has a root folder that anybody could list; the second wall does not let it.
    assert inside.fails("os.listdir('/')") == "PermissionError"


def test_the_machines_name_is_not_told(inside):
    assert inside.look("found = os.uname().nodename") == "grader"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_everything_ends_with_the_launcher(inside, number):
    code = (
        "import os, time\nfor _ in range(3):\n    if not os.fork():\n        os.setsid()\n        time.sleep(300)\n"
        "open('ready', 'w').close()\ntime.sleep(300)"
    )
    launched = subprocess.Popen(
        inside.box.command([sys.executable, "-I", "-S", "-c", code]), env={}, start_new_session=True
    )
    try:
        pids = wait_for_processes(launched, inside.folder / "ready", 5)
    finally:
        launched.send_signal(number)
        if number == signal.SIGTERM:  # not listened to: the kernel's own signals are not the launcher's
            launched.kill()
        launched.wait()
    assert all(gone(pid) for pid in pids)


def wait_for_processes(launched, ready, at_least):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pids = [p.pid for p in psutil.Process(launched.pid).children(recursive=True)]
        if ready.exists() and len(pids) >= at_least:
            return pids
        time.sleep(0.05)
    raise AssertionError("the confined process did not start")


PARENT = """
import subprocess, sys
from grader.sandbox.box import Box, Sandbox
name, user_namespace, folder = sys.argv[1:]
box = Box(Sandbox(name, (), None if user_namespace == "None" else False), readable=[], writable=[folder], cwd=folder)
code = "import os, time; os.fork(); os.setsid() if os.getpid() != 2 else 0; open('ready', 'w').close(); time.sleep(300)"
subprocess.Popen(box.command([sys.executable, "-I", "-S", "-c", code]), env={}, start_new_session=True).wait()
"""


def test_everything_ends_when_the_grader_is_killed(sandbox, tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    arguments = [sandbox.name, str(sandbox.user_namespace), str(folder)]
    grader = subprocess.Popen([sys.executable, "-c", PARENT, *arguments])
    try:
        pids = wait_for_processes(grader, folder / "ready", 4)
    finally:
        grader.kill()
        grader.wait()
    assert all(gone(pid) for pid in pids)


def test_processes_are_limited(make_inside):
    box = make_inside(processes=30)
    code = (
        "import time\nfound = 0\nfor _ in range(100):\n    try:\n        pid = os.fork()\n    except OSError:\n"
        "        break\n    if not pid:\n        time.sleep(30)\n        os._exit(0)\n    found += 1"
    )
    made = box.look(code)
    if made == 100 and box.box.group is None and os.geteuid() != 0:
        pytest.skip("this kernel counts a person's processes together, and there is no control group")
    assert made < 30


def test_memory_over_the_limit_is_refused_by_the_kernel(make_inside):
    box = make_inside(memory_mib=200)
    if box.box.group is None or not box.box.group.counts_memory:
        pytest.skip("no control group for memory can be made here: the grader watches it")
    done = box.run("kept = []\nfor _ in range(30):\n    kept.append(bytearray(b'x') * (20 << 20))")
    assert done.returncode != 0
    assert box.box.out_of_memory


def test_open_files_file_sizes_and_private_folders_are_limited(make_inside):
    box = make_inside(open_files=50, file_mib=1, temporary_mib=4)
    assert box.fails("[os.open('/dev/null', 0) for _ in range(200)]") is not None
    assert box.fails("open('big', 'wb').write(bytes(3 << 20))") is not None
    assert (box.folder / "big").stat().st_size <= 1 << 20
    for place in ("/tmp", "/dev/shm"):
        fill = f"[open(f'{place}/{{n}}', 'wb').write(bytes(1 << 20)) for n in range(12)]"
        assert box.fails(fill) is not None, place


def test_two_boxes_do_not_see_each_other(make_inside):
    first, second = make_inside("first"), make_inside("second")
    first.run("open('answer', 'w').write('42')")
    assert second.fails(f"open({str(first.folder / 'answer')!r}).read()") is not None


def test_a_program_that_is_not_there_is_told_apart(inside):
    done = subprocess.run(inside.box.command(["/no/such/program"]), env={}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "No such file" in done.stderr


def test_a_box_leaves_nothing_behind(sandbox, tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    with Box(sandbox, readable=[], writable=[folder], cwd=folder, limits=Limits()) as box:
        command = box.command(["/bin/true"])
        subprocess.run(command, env={}, check=True)
        groups = [Path(entrance).parent for entrance in box.spec.groups]
    assert not any(group.exists() for group in groups)
    assert not Path(command[5]).exists()


def test_a_box_of_an_unknown_mechanism_does_not_run_unconfined(tmp_path):
    with Box(Sandbox("nonsense"), readable=[], writable=[tmp_path], cwd=tmp_path) as box:
        code = f"open({str(tmp_path / 'made')!r}, 'w')"
        done = subprocess.run(box.command([sys.executable, "-c", code]), env={}, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "made").exists()
