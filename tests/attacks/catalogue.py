"""The attacks that are one cell each: bodies of a function that returns something true where it succeeded.

``<name>`` stands for a place of :class:`attacks.world.World`. ``control``: without a sandbox the attack succeeds, which
shows that it would notice a hole; it then touches nothing but canaries. Where something else is tried (a file of the
system, a privilege), success changes nothing: files are opened for writing and closed.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

FRAME = """\
import os, sys, socket, subprocess, ctypes, pathlib, glob
def attack():
{body}
try:
    _got = attack()
except BaseException as _error:
    print("REFUSED", type(_error).__name__, _error)
else:
    print("GOT" if _got else "NOTHING", repr(_got)[:200])
"""


@dataclass(frozen=True)
class OneCell:
    """A named attack."""

    name: str
    body: str
    control: bool = False

    def source(self, places: dict[str, str]) -> str:
        """The cell."""
        body = textwrap.dedent(self.body).strip("\n")
        for name, value in places.items():
            body = body.replace(f"<{name}>", value)
        return FRAME.format(body=textwrap.indent(body, "    "))


def reads(path: str) -> str:
    """Body that reads a file."""
    return f"return open({path!r}, 'rb').read(4096)"


READING = (
    OneCell("staff-checks", reads("<course>/rubrics/b2-1/test_staff.py"), True),
    OneCell("list-the-rubrics", "return os.listdir('<course>/rubrics')", True),
    OneCell("seed-of-the-held-out-images", reads("<course>/held_out.seed"), True),
    OneCell("gradebook", reads("<workspace>/gradebook.sqlite"), True),
    OneCell(
        "gradebook-through-sqlite",
        """
        import sqlite3
        book = sqlite3.connect("file:<workspace>/gradebook.sqlite?mode=ro", uri=True)
        return book.execute("SELECT * FROM grades").fetchall()
        """,
        True,
    ),
    OneCell("another-submission", reads("<workspace>/submissions/other"), True),
    OneCell("another-evidence", reads("<workspace>/evidence/b2-1/other/events.jsonl"), True),
    OneCell("a-neighbours-connection-key", reads("<neighbour>/kernel.json"), True),
    OneCell("home", reads("<home>/diary.txt"), True),
    OneCell("through-cat", "return subprocess.run(['cat', '<home>/diary.txt'], capture_output=True).stdout", True),
    OneCell(
        "through-the-c-library",
        """
        libc = ctypes.CDLL(None)
        fd = libc.open(b"<home>/diary.txt", 0)
        buffer = ctypes.create_string_buffer(100)
        return fd >= 0 and libc.read(fd, buffer, 100) > 0 and buffer.value
        """,
        True,
    ),
    OneCell("up-from-here", "return open('/'.join(['..'] * 20) + '<home>/diary.txt').read()", True),
    OneCell(
        "through-a-link-in-scratch",
        "os.symlink('<home>/diary.txt', 'diary-link'); return open('diary-link').read()",
        True,
    ),
    OneCell("through-a-hard-link", "os.link('<home>/diary.txt', 'diary-hard'); return open('diary-hard').read()"),
    OneCell(
        "by-searching-the-whole-tree",
        """
        import itertools
        walk = itertools.islice(os.walk("/"), 30000)
        return [os.path.join(d, f) for d, _, files in walk for f in files if f in ("diary.txt", "gradebook.sqlite")]
        """,
    ),
    OneCell("environment", "return [v for v in os.environ.values() if '<canary>' in v]"),
    OneCell("environment-of-the-grader", "return bool(open('/proc/<parent>/environ', 'rb').read(1))", True),
    OneCell("environment-of-another-process", "return b'<canary>' in open('/proc/<pid>/environ', 'rb').read()", True),
    OneCell("command-line-of-another-process", "return b'<canary>' in open('/proc/<pid>/cmdline', 'rb').read()", True),
    OneCell(
        "list-of-processes",
        """
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            if "<canary>" in open(path).read():
                found.append(path)
        return found
        """,
        True,
    ),
    OneCell(
        "memory-of-the-grader", "return bool(open('/proc/<parent>/mem', 'rb')) and os.listdir('/proc/<parent>/fd')"
    ),
    OneCell("root-of-another-process", "return open('/proc/<pid>/root<home>/diary.txt').read()"),
    OneCell("folder-of-another-process", "return os.listdir('/proc/<pid>/cwd')", True),
    OneCell("descriptors-of-another-process", "return os.listdir('/proc/<pid>/fd')", True),
    OneCell(
        "descriptors-left-open",
        """
        links = [os.readlink(p) for p in glob.glob("/proc/self/fd/*") if os.path.islink(p)]
        return [l for l in links if "gradebook" in l or "<root>" in l]
        """,
    ),
    OneCell("passwords", "return bool(open('/etc/shadow').read())"),
    OneCell(
        "memory-of-the-machine", "return bool(open('/dev/mem', 'rb').read(16) or open('/proc/kcore', 'rb').read(16))"
    ),
    OneCell("disks", "return [p for p in glob.glob('/dev/*') if os.stat(p).st_mode & 0o170000 == 0o060000]"),
    OneCell("shared-memory-files", "return [p for p in os.listdir('/dev/shm') if 'canary' in p]"),
    OneCell(
        "shared-memory-of-system-v",
        """
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        ident = libc.shmget(<shm>, 4096, 0)
        return <shm> and ident >= 0 and ctypes.string_at(libc.shmat(ident, None, 0o10000), 13)
        """,
        True,
    ),
    OneCell("mounts-of-the-machine", "return [l for l in open('/proc/self/mountinfo') if '<root>' in l]"),
    OneCell("name-of-the-machine", "import platform; return platform.node() not in ('grader', 'sandbox', 'localhost')"),
)

WRITING = (
    OneCell("append-to-the-gradebook", "return open('<workspace>/gradebook.sqlite', 'ab').write(b'x')"),
    OneCell(
        "update-the-gradebook",
        """
        import sqlite3
        book = sqlite3.connect("<workspace>/gradebook.sqlite")
        with book:
            return book.execute("UPDATE grades SET points = 100").rowcount
        """,
        True,
    ),
    OneCell(
        "evidence-of-another", "return open('<workspace>/evidence/b2-1/other/events.jsonl', 'w').write('{}')", True
    ),
    OneCell("a-new-evidence-folder", "os.mkdir('<workspace>/evidence/b2-1/mine'); return True", True),
    OneCell("staff-checks", "return open('<course>/rubrics/b2-1/test_staff.py', 'a').write('x = 1')", True),
    OneCell("delete-a-submission", "os.unlink('<workspace>/submissions/other'); return True", True),
    OneCell("home", "return open('<home>/.bashrc', 'w').write('echo owned')", True),
    OneCell("make-readable-for-all", "os.chmod('<home>/diary.txt', 0o666); return True", True),
    OneCell("rename-the-workspace", "os.rename('<workspace>', '<root>/gone'); return True"),
    OneCell("truncate-through-a-link", "os.symlink('<home>/diary.txt', 'out'); return open('out', 'w').write('x')"),
    OneCell("write-through-dots", "return open('/'.join(['..'] * 20) + '<home>/diary.txt', 'w').write('x')"),
    OneCell("the-interpreters-library", "import json; os.close(os.open(json.__file__, os.O_WRONLY)); return True"),
    OneCell(
        "installed-packages",
        "import numpy; os.close(os.open(numpy.__file__, os.O_WRONLY)); return True",
    ),
    OneCell("system-files", "os.close(os.open('/etc/hosts', os.O_WRONLY)); return True"),
    OneCell("system-programs", "os.close(os.open('/usr/bin/env', os.O_WRONLY)); return True"),
    OneCell("kernel-settings", "os.close(os.open('/proc/sys/kernel/hostname', os.O_WRONLY)); return True"),
    OneCell("mount", "os.mkdir('m'); return ctypes.CDLL(None).mount(b'tmpfs', b'm', b'tmpfs', 0, None) == 0"),
    OneCell("remount-writable", "return ctypes.CDLL(None).mount(None, b'/usr', None, 32 | 4096, None) == 0"),
    OneCell("unmount", "return ctypes.CDLL(None).umount2(b'm', 2) == 0"),
    OneCell("device-node", "os.mknod('disk', 0o060600, os.makedev(8, 0)); return True"),
    OneCell("become-root", "os.setuid(0); return True"),
    OneCell("become-root-by-namespace", "return ctypes.CDLL(None).unshare(0x10000000 | 0x20000) == 0"),
    OneCell(
        "leave-the-root",
        "return subprocess.run([sys.executable, '-c', 'import os; os.chroot(\"/tmp\")'], stderr=-3).returncode == 0",
    ),
    OneCell(
        "trace-another-process",
        "return ctypes.CDLL(None).ptrace(16, <pid>, 0, 0) == 0 and ctypes.CDLL(None).ptrace(17, <pid>, 0, 0)",
    ),
    OneCell("signal-another-process", "os.kill(<pid>, 0); return True", True),
    OneCell("signal-the-grader", "os.kill(<parent>, 0); return True", True),
    OneCell("priority-of-another-process", "os.setpriority(os.PRIO_PROCESS, <pid>, 19); return True", True),
    OneCell("clock", "os.close(os.open('/dev/rtc0', os.O_WRONLY)); return True"),
    OneCell("load-a-kernel-module", "return ctypes.CDLL(None).syscall(175, 0, 0, b'') == 0"),
    OneCell(
        "setuid-program", "return subprocess.run(['su', '-c', 'id'], stdin=-3, stdout=-3, stderr=-3).returncode == 0"
    ),
)

NETWORK = (
    OneCell("tcp", "return socket.create_connection(('127.0.0.1', <tcp>), 2).recv(100)", True),
    OneCell("tcp-of-ipv6", "return <tcp6> and socket.create_connection(('::1', <tcp6>), 2).recv(100)"),
    OneCell(
        "udp",
        """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
        s.sendto(b"<canary>", ("127.0.0.1", <udp>))
        return s.recv(100)
        """,
        True,
    ),
    OneCell(
        "dns",
        """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
        s.sendto(bytes.fromhex("00010100000100000000000007") + b"example" + bytes(5), ("127.0.0.1", <udp>))
        return s.recv(100)
        """,
        True,
    ),
    OneCell("http", "import urllib.request; return urllib.request.urlopen('http://127.0.0.1:<tcp>/', timeout=2)"),
    OneCell(
        "abstract-socket",
        "s = socket.socket(socket.AF_UNIX); s.settimeout(2); s.connect('\\0<abstract>'); return s.recv(100)",
        True,
    ),
    OneCell(
        "socket-file",
        "s = socket.socket(socket.AF_UNIX); s.settimeout(2); s.connect('<unix>'); return s.recv(99)",
        True,
    ),
    OneCell(
        "a-neighbours-kernel",
        """
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.dirname("<unix>") + "/kernel-ipc-1")
        return s
        """,
        True,
    ),
    OneCell("raw-packets", "return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    OneCell("packets-of-the-link", "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    OneCell("interfaces", "return [n for _, n in socket.if_nameindex() if n != 'lo']"),
    OneCell(
        "the-network-of-another-process", "return ctypes.CDLL(None).setns(os.open('/proc/<pid>/ns/net', 0), 0) == 0"
    ),
    OneCell("curl", "return subprocess.run(['curl', '-sm2', 'http://127.0.0.1:<tcp>/'], capture_output=True).stdout"),
)
