"""A headless Chromium for the tests of the application: goes to pages, presses keys, says what is there."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tornado.websocket import websocket_connect

WAIT_S = 30
_KEYS = {"Enter": 13, "ArrowRight": 39, "ArrowLeft": 37, "Escape": 27, "Tab": 9}


def _browser() -> ModuleType:
    """The helper of the tests of reports."""
    path = Path(__file__).resolve().parent / "reporting" / "browser.py"
    if "reporting_browser" not in sys.modules:
        spec = importlib.util.spec_from_file_location("reporting_browser", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules["reporting_browser"]


def find() -> str | None:
    """Chromium's program, if there is one."""
    return _browser().find()


class Tab:
    """One tab with cookies of its own; each call waits until it is done."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tab: Any) -> None:
        self._loop, self._tab = loop, tab

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return self._loop.run_until_complete(asyncio.wait_for(self._tab.call(method, **params), WAIT_S))

    def go(self, address: str) -> None:
        """Opens a page and waits until it is loaded."""
        self.loads(lambda: self.call("Page.navigate", url=address))

    def loads(self, act: Any) -> None:
        """Does something that leads to another page, and waits for that."""
        self._tab.events.clear()
        act()
        self._loop.run_until_complete(self._tab.until("Page.loadEventFired", WAIT_S))

    def run(self, code: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """One key, down and up, as a person presses it."""
        code = _KEYS.get(key, ord(key[0].upper()))
        common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if ctrl else 0}
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)

    @property
    def complaints(self) -> list[str]:
        """Errors, blocked attempts and exceptions since the last page was opened."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown")
        found = [e["params"] for e in self._tab.events if e["method"] in kinds]
        return [json.dumps(p)[:400] for p in found if p.get("entry", {}).get("level", "error") in ("error", "warning")]

    def size(self, width: int, height: int) -> None:
        """The window's size in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


class Chrome:
    """A running browser."""

    def __init__(self, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._port, self._loop = port, loop

    def tab(self) -> Tab:
        """A new tab that shares no cookies with others."""
        return self._loop.run_until_complete(self._new())

    async def _new(self) -> Tab:
        version = json.load(urllib.request.urlopen(f"http://127.0.0.1:{self._port}/json/version"))
        main = _browser()._Tab(await websocket_connect(version["webSocketDebuggerUrl"], max_message_size=2**28))
        context = (await main.call("Target.createBrowserContext"))["browserContextId"]
        ident = (await main.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        address = f"ws://127.0.0.1:{self._port}/devtools/page/{ident}"
        tab = _browser()._Tab(await websocket_connect(address, max_message_size=2**28))
        for room in ("Page", "Runtime", "Log"):
            await tab.call(f"{room}.enable")
        await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)  # several tabs at once, each with keys
        return Tab(self._loop, tab)


@contextlib.contextmanager
def chrome() -> Iterator[Chrome]:
    """A browser that ends with the block."""
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions")
        quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars")
        where = (f"--user-data-dir={profile}", "--remote-debugging-port=0", "--disable-dev-shm-usage")
        command = [find() or "chromium", *options, *quiet, *where, "about:blank"]
        with subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as browser:
            try:
                yield Chrome(_browser()._port(Path(profile) / "DevToolsActivePort"), loop)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(browser.pid, 9)
                loop.close()
