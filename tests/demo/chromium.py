"""Headless Chromium, driven by the DevTools protocol over a pipe with the standard library alone."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
_ALWAYS = (
    *("--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)
_SILENT_S = 120
"""How long an answer may take; a test fails then, and does not hang."""

_NAME_PIPES = """
import os, sys
ends = [os.dup(os.dup(os.dup(int(end)))) for end in sys.argv[1:3]]  # above 4
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Gives Chromium its ends of the pipes as descriptors 3 and 4, whatever they are here."""


class Chromium:
    """A browser with one page; `with` ends it. `requests` are the addresses that it asked for."""

    def __init__(self, *flags: str) -> None:
        program = executable()
        self.requests: list[str] = []
        self.log: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        command = [
            program,
            *_ALWAYS,
            f"--user-data-dir={self._profile}",
            *flags,
            "about:blank",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _NAME_PIPES, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._last, self._sessions = b"", 0, [""]
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._sessions = [
            self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        ]
        self.send(
            "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True
        )
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.send("Browser.close", session="")
            self._process.wait(20)
        except (OSError, EOFError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    @property
    def process(self) -> int:
        """The number of its first process."""
        return self._process.pid

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the page, or with an empty `session` of the browser, and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session := self._sessions[0] if session is None else session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        """Read a message, and note what it tells of requests and of the console."""
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], _SILENT_S)[0]:
                raise EOFError(f"Chromium said nothing for {_SILENT_S} s")
            piece = os.read(self._in, 1 << 16)
            if not piece:
                raise EOFError("Chromium ended")
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        told = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif message.get("method") == "Runtime.consoleAPICalled":
            self.log.append(
                " ".join(str(a.get("value", a.get("description"))) for a in told["args"])
            )
        elif message.get("method") == "Log.entryAdded":
            self.log.append(told["entry"]["text"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.log.append(json.dumps(told["exceptionDetails"])[:500])
        elif message.get("method") == "Target.attachedToTarget" and self._sessions[0]:
            self._watch(told["sessionId"])
        return message

    def _watch(self, session: str) -> None:
        """Note what a worker asks for and tells too; the answers are not waited for."""
        for domain in ("Network", "Runtime", "Log"):
            message = {"id": 0, "method": f"{domain}.enable", "sessionId": session}
            os.write(self._out, json.dumps(message).encode() + b"\0")

    def open(self, url: str) -> None:
        """Open an address, and return once its page is loaded."""
        assert "errorText" not in self.send("Page.navigate", url=url), url
        self.wait_for("document.readyState === 'complete' && location.protocol !== 'about:'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, or of its promise."""
        done = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 120) -> Any:
        """Return an expression's value once it is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.1)
        text = self.evaluate("document.body?.innerText")
        raise AssertionError(f"{expression} did not come true; log {self.log}; page {text}")

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files as a person does in a dialogue."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def screenshot(self, path: Path, size: tuple[int, int], *, dark: bool = False) -> None:
        """Write a PNG of the page in a window of that width and height."""
        self.look(size, dark=dark)
        picture = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def look(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """Give the page a window of that width and height, light or dark."""
        width, height = size
        self.send(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        time.sleep(0.3)


def executable() -> str:
    """Return Debian's Chromium; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("chromium is absent: the page cannot be opened")


def camera_from(film: Path) -> Sequence[str]:
    """Return the flags of a camera that shows a y4m or mjpeg film and needs no yes."""
    return (*CAMERA, f"--use-file-for-fake-video-capture={film}")
