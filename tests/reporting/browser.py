"""A headless Chromium that tells what a page did: scripts, requests, dialogs, blocked attempts, foreign elements."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

START_S = 60
SETTLE_S = 0.05

# Opens, focuses, hovers and clicks all there is (links are only looked at), then lists what is not of our templates.
_PROBE = """(() => {
  const bad = [], all = [...document.querySelectorAll("*")];
  for (const e of all) {
    if (!ALLOWED.includes(e.localName)) bad.push("element " + e.localName);
    for (const a of e.attributes) if (/^on/i.test(a.name)) bad.push("handler " + a.name);
    if (e.localName === "a" && !["file:"].includes(new URL(e.href, location).protocol)) bad.push("link " + e.href);
    if (e.src && !String(e.src).startsWith("data:image/png;base64,")) bad.push("source " + e.src);
    if (e.localName === "details") e.open = true;
    for (const kind of ["mouseover", "focus", "toggle", "pointerenter", "click"])
      if (kind !== "click" || !e.closest("a,summary")) e.dispatchEvent(new Event(kind, { bubbles: true }));
  }
  if (document.title.includes("owned")) bad.push("title");
  return JSON.stringify(bad.slice(0, 20));
})()
//# sourceURL=probe"""


def find() -> str | None:
    """Chromium's program, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class _Tab:
    """One tab, driven by the DevTools protocol; ``events`` are what it told since the last page was opened."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": params}))
        while (answer := await self._read()).get("id") != self._number:
            pass
        return answer.get("result", {})

    async def until(self, method: str, timeout_s: float = 20) -> None:
        """Reads on until an event of this kind has come."""
        end = time.monotonic() + timeout_s
        while not any(event["method"] == method for event in self.events):
            await asyncio.wait_for(self._read(), end - time.monotonic())

    async def _read(self) -> dict[str, Any]:
        message = json.loads(await self._socket.read_message())
        if "method" in message:
            self.events.append(message)
            if message["method"] == "Page.javascriptDialogOpening":
                self._number += 1
                answer = {"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": False}}
                await self._socket.write_message(json.dumps(answer))
                self._number += 1
        return message

    async def script(self, ident: str) -> str:
        return (await self.call("Debugger.getScriptSource", scriptId=ident)).get("scriptSource", "")


async def _visit(tab: _Tab, page: Path, allowed: Sequence[str], own_scripts: Sequence[str]) -> list[str]:
    address = page.as_uri()
    tab.events.clear()
    await tab.call("Page.navigate", url=address)
    await tab.until("Page.loadEventFired")
    probe = _PROBE.replace("ALLOWED", json.dumps(list(allowed)))
    answer = await tab.call("Runtime.evaluate", expression=probe, returnByValue=True)
    await asyncio.sleep(SETTLE_S)
    await tab.call("Runtime.evaluate", expression="1 //# sourceURL=probe", returnByValue=True)
    seen = list(tab.events)
    found = json.loads(answer["result"]["value"])
    for event in seen:
        found += await _incident(tab, event["method"], event["params"], address, own_scripts)
    return found


async def _incident(tab: _Tab, method: str, params: Any, address: str, own_scripts: Sequence[str]) -> list[str]:
    if method == "Page.javascriptDialogOpening":
        return [f"dialog {params['message']}"]
    if method == "Network.requestWillBeSent":
        url = params["request"]["url"]
        return [] if url == address or url.startswith("data:image/png;base64,") else [f"request {url[:100]}"]
    if method == "Debugger.scriptParsed" and params["url"] != "probe":
        code = await tab.script(params["scriptId"])
        return [] if hashlib.sha256(code.encode()).hexdigest() in own_scripts else [f"script {code[:100]}"]
    if method in ("Log.entryAdded", "Runtime.exceptionThrown", "Page.windowOpen", "Runtime.consoleAPICalled"):
        return [f"{method} {json.dumps(params)[:300]}"]
    return []


async def _session(port: int, pages: Sequence[Path], **rules: Sequence[str]) -> dict[Path, list[str]]:
    listed = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list"))
    address = next(target["webSocketDebuggerUrl"] for target in listed if target["type"] == "page")
    socket = await websocket_connect(address, max_message_size=2**28)
    tab = _Tab(socket)
    for room in ("Page", "Network", "Debugger", "Runtime", "Log"):
        await tab.call(f"{room}.enable")
    found = {page: await _visit(tab, page, **rules) for page in pages}
    socket.close()
    return found


def visit(pages: Sequence[Path], allowed: Sequence[str], own_scripts: Sequence[str] = ()) -> Mapping[Path, list[str]]:
    """Opens each page and gives what it did that it must not.

    :param allowed: names of the elements that our templates have.
    :param own_scripts: SHA-256, in hexadecimal, of the scripts that may run.
    """
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions")
        quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
        where = (f"--user-data-dir={profile}", "--remote-debugging-port=0", "--host-resolver-rules=MAP * ~NOTFOUND")
        command = [find() or "chromium", *options, *quiet, *where, "--disable-dev-shm-usage", "about:blank"]
        quietly = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, start_new_session=True, **quietly) as browser:
            try:
                port = _port(Path(profile) / "DevToolsActivePort")
                return asyncio.run(_session(port, pages, allowed=allowed, own_scripts=own_scripts))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(browser.pid, 9)


def _port(file: Path) -> int:
    """The port that the browser chose, once it has written it down."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(file.read_text("ascii").splitlines()[0])
        time.sleep(0.05)
    raise TimeoutError(f"no {file.name} after {START_S} s")
