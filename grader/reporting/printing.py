"""Pages as PDF, through a headless Chromium that this machine has.

The browser is spoken to over a pipe (DevTools protocol, https://chromedevtools.github.io/devtools-protocol/), as a port
would be open to everybody on the machine. It gets a page as text and gives the PDF back: it opens no file of the
workspace and no network, and no script runs in it, whatever a page says.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from grader.errors import BrowserError, PrintError
from grader.scratch import scratch_prefix

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "microsoft-edge-stable", "msedge"),
)
_APPLICATIONS = tuple(
    Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in ("Chromium", "Google Chrome", "Microsoft Edge")
)
START_TIMEOUT_S = 60.0
PAGE_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 5.0
_ADDRESS = "http://report.invalid/"  # no such host can be (RFC 6761)
_OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu"),
    *("--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--disable-crash-reporter", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
# Chromium reads commands from file 3 and answers on file 4; here both are one end of a pair of sockets.
_LAUNCH = (
    "import os, sys; n = int(sys.argv[1]); os.dup2(n, 3); os.dup2(n, 4); n > 4 and os.close(n); "
    "os.execvp(sys.argv[2], sys.argv[2:])"
)
# In a title the bracket would stand as "\\(": no text of a page looks like this.
_DATE = re.compile(rb"/(?:CreationDate|ModDate) \(D:[^()]*\)")
_FOOTER = (
    '<div lang="{lang}" style="width:100%;margin:0 16mm;display:flex;justify-content:space-between;gap:8mm;'
    "font-size:8px;color:#333;font-family:system-ui,'Noto Sans','Noto Sans CJK JP',sans-serif\">"
    '<bdi class="title" style="overflow:hidden;white-space:nowrap;text-overflow:ellipsis"></bdi>'
    '<span style="white-space:nowrap"><span class="pageNumber"></span> / <span class="totalPages"></span></span></div>'
)
_PRINTED = {
    "preferCSSPageSize": True,
    "printBackground": True,
    "displayHeaderFooter": True,
    "headerTemplate": "<span></span>",
    "generateTaggedPDF": True,
    "generateDocumentOutline": True,
    "transferMode": "ReturnAsBase64",
}


def find_browser(named: str | None = None) -> str:
    """The program that makes PDFs.

    :param named: setting ``browser``: a path, or a name on the path; ``None``: the first one there is.
    :raises BrowserError: it is not there, or there is none.
    """
    if os.name == "nt":
        raise BrowserError(
            "PDFs are made on Linux and macOS only, where a browser can be driven over a pipe; "
            "here open the report in a browser and print it into a PDF, which looks the same"
        )
    if named is not None:
        found = shutil.which(str(Path(named).expanduser()))
        if found is None:
            raise BrowserError(
                f"no browser {named!r} (GRADER_BROWSER): expected the name or path of a Chromium, Chrome or Edge"
            )
        return found
    places = (*map(shutil.which, NAMES), *(str(path) for path in _APPLICATIONS if path.is_file()))
    first = next(filter(None, places), None)
    if first is None:
        raise BrowserError(
            f"PDFs need a Chromium, Chrome or Edge, and none is here: looked for {', '.join(NAMES)} on the path; "
            "install one (for example: sudo apt-get install chromium), or name it with GRADER_BROWSER"
        )
    return first


class Printer:
    """One browser with one tab; a context, at whose end nothing of it is left.

    :raises BrowserError: it does not start.
    """

    def __init__(self, program: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=scratch_prefix("pdf"), ignore_cleanup_errors=True)
        self._program, self._number, self._unread, self._session = program, 0, b"", ""
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = self._started(theirs)
        try:
            self._open_tab()
        except (PrintError, OSError) as error:
            said = self._said()
            self.close()
            raise BrowserError(
                f"{program} does not start as a headless browser ({error}): {said or 'it says nothing'}; "
                "name another one with GRADER_BROWSER"
            ) from error

    def __enter__(self) -> Printer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the browser and all that it started; may be called again."""
        with contextlib.suppress(OSError):  # it ends by itself once nobody listens
            self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the group; macOS refuses for one that is gone
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def pdf(self, html: str) -> bytes:
        """``html`` on A4, as the print part of its style sheet says, with title and page numbers below.

        :raises PrintError: the browser stopped, took too long, or gave no PDF. It is then of no further use.
        """
        deadline = time.monotonic() + PAGE_TIMEOUT_S
        try:
            self._load(html.replace(' loading="lazy"', ""), deadline)
            said = re.search(r'<html lang="([\w-]+)"', html[:200])
            footer = _FOOTER.format(lang=said[1] if said else "en")
            answer = self._call("Page.printToPDF", deadline, footerTemplate=footer, **_PRINTED)
            content = base64.b64decode(answer.get("data", ""))
        except OSError as error:
            raise PrintError(f"{self._program} stopped ({error}): {self._said()}") from error
        if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-32:]:
            raise PrintError(f"{self._program} gave {len(content)} bytes that are no whole PDF")
        return _undated(content)

    def _started(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        folder = Path(self._folder.name)
        options = [*_OPTIONS, f"--user-data-dir={folder / 'profile'}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium refuses to run as root with one
        number = theirs.fileno()
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(number), self._program, *options, "about:blank"]
        with (folder / "said.txt").open("wb") as said:
            return subprocess.Popen(
                launch,
                pass_fds=[number],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={**os.environ, "TMPDIR": str(folder)},
            )

    def _open_tab(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        tab = self._call("Target.createTarget", deadline, url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", deadline, targetId=tab, flatten=True)["sessionId"]
        self._call("Page.enable", deadline)
        self._call("Emulation.setScriptExecutionDisabled", deadline, value=True)
        self._call("Fetch.enable", deadline, patterns=[{"urlPattern": "*"}])

    def _load(self, html: str, deadline: float) -> None:
        """Answers the tab's request for a page with ``html``, refuses all others, and waits until it is loaded."""
        self._send("Page.navigate", url=_ADDRESS)
        body, answered = base64.b64encode(html.encode("utf-8", "replace")).decode("ascii"), False
        while True:
            message = self._read(deadline)
            kind, told = message.get("method"), message.get("params", {})
            if kind == "Fetch.requestPaused" and not answered and told["request"]["url"] == _ADDRESS:
                head = [{"name": "Content-Type", "value": "text/html; charset=utf-8"}]
                ident = told["requestId"]
                self._send("Fetch.fulfillRequest", requestId=ident, responseCode=200, responseHeaders=head, body=body)
                answered = True
            elif kind == "Fetch.requestPaused" and not told["request"]["url"].startswith("data:"):
                self._send("Fetch.failRequest", requestId=told["requestId"], errorReason="BlockedByClient")
            elif kind == "Fetch.requestPaused":
                self._send("Fetch.continueRequest", requestId=told["requestId"])
            elif kind == "Page.loadEventFired" and answered:
                return

    def _call(self, method: str, deadline: float, **params: Any) -> dict[str, Any]:
        number = self._send(method, **params)
        while (message := self._read(deadline)).get("id") != number:
            pass
        if "error" in message:
            raise PrintError(f"{self._program} refused {method}: {message['error'].get('message')}")
        result: dict[str, Any] = message.get("result", {})
        return result

    def _send(self, method: str, **params: Any) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.settimeout(PAGE_TIMEOUT_S)
        self._socket.sendall(json.dumps(message).encode("ascii") + b"\0")
        return self._number

    def _read(self, deadline: float) -> dict[str, Any]:
        """The browser's next message; :raises PrintError: none came in time. :raises OSError: it has stopped."""
        pieces = [self._unread]
        while b"\0" not in pieces[-1]:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                piece = self._socket.recv(2**20)
            except TimeoutError as error:
                raise PrintError(f"{self._program} did not answer in time") from error
            if not piece:
                raise ConnectionResetError("it closed the pipe")
            pieces.append(piece)
        whole, _, self._unread = b"".join(pieces).partition(b"\0")
        message: dict[str, Any] = json.loads(whole)
        if message.get("method") == "Inspector.targetCrashed":
            raise PrintError(f"{self._program}: the page's process crashed")
        return message

    def _said(self) -> str:
        """The end of what the browser wrote, on one line."""
        try:
            text = (Path(self._folder.name) / "said.txt").read_text("utf-8", "replace")
        except OSError:
            return ""
        return " ".join(text.split())[-600:]


def _undated(content: bytes) -> bytes:
    """``content`` of the same length without when it was made: the same page gives the same bytes."""
    return _DATE.sub(lambda found: b" " * len(found[0]), content, count=2)
