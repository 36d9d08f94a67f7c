"""Debian's Chromium, steered over a pipe by its own protocol: nothing else is needed for pages.

Messages are JSON, each ended by a zero byte, on the descriptors 3 and 4 of the browser.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import waiting

PROGRAM = "chromium"
TIMEOUT_S = waiting.GUARD_S
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-pipe",
)
_START = """
import os, sys
read, write, *command = sys.argv[1:]
os.dup2(int(read), 63); os.dup2(int(write), 62)
os.dup2(63, 3); os.dup2(62, 4)
os.execvp(command[0], command)
"""


def program() -> str | None:
    return shutil.which(PROGRAM)


class Browser:
    """A running browser; its pages answer through `Page`."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._held = b""
        self._number = 0
        self.pages: dict[str, Page] = {}

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        number = self._number
        end = time.monotonic() + TIMEOUT_S
        while True:
            answer = self.next(end)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def next(self, end: float) -> dict[str, Any]:
        """The next message; events are kept by their page first."""
        while b"\0" not in self._held:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._back], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._back, 1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self._held += data
        text, _, self._held = self._held.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        page = self.pages.get(message.get("sessionId", ""))
        if page is not None and "method" in message:
            page.keep(message["method"], message["params"])
        return message

    def page(self) -> Page:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        return page


@dataclass
class Page:
    """A tab: what it asked for, and what its console said."""

    browser: Browser
    session: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    loads: int = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def keep(self, event: str, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Page.loadEventFired":
            self.loads += 1
        elif event == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.errors.append(told["entry"]["text"])
        elif event == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.errors.append(str(told["args"]))

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        before, end = self.loads, time.monotonic() + TIMEOUT_S
        answer = self.call("Page.navigate", url=path.as_uri())
        if "errorText" in answer:
            raise RuntimeError(f"{path}: {answer['errorText']}")
        while self.loads == before:
            self.browser.next(end)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more,
                      windowsVirtualKeyCode={"Enter": 13, "Tab": 9}.get(key, 0))  # fmt: skip

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def window(self, width: int, height: int, mobile: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)  # fmt: skip

    def media(self, kind: str = "", scheme: str = "light") -> None:
        """`print` or the screen, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def picture(self, whole: bool = False) -> bytes:
        """A screenshot as PNG, of what is seen or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        made = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(made["data"])


@contextmanager
def running(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; it ends with the block."""
    to_browser, to = os.pipe()
    back, from_browser = os.pipe()
    found = program()
    assert found is not None
    command = [sys.executable, "-c", _START, str(to_browser), str(from_browser), found, *_FLAGS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(to_browser, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        browser = Browser(to, back)
        browser.call("Browser.getVersion")
        yield browser
        browser.call("Browser.close")
        process.wait(TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
        os.close(to)
        os.close(back)
