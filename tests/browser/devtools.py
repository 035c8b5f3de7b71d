"""Headless Chromium through the DevTools protocol: just what the console's tests need.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START_SECONDS = 90
_PATIENT: dict[str, Any] = {"open_timeout": START_SECONDS, "ping_interval": None}
WAIT_SECONDS = 90
_ERROR_LEVELS = {"error", "assert"}
_UNTIL = """
new Promise((resolve, reject) => {
  const end = performance.now() + %d;
  const check = () => {
    const value = %s;
    if (value) resolve(value);
    else if (performance.now() > end) reject(new Error('not in time'));
    else setTimeout(check, 20);
  };
  check();
})
"""
_MIDDLE = """
(async () => {
  const middle = () => {
    const element = document.querySelector(%s);
    element.scrollIntoView({ block: 'nearest' });
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  for (let last = middle(), still = 0; ;) {
    await new Promise(requestAnimationFrame);
    const now = middle();
    still = String(now) === String(last) ? still + 1 : 0;
    if (still === 5) return now;
    last = now;
  }
})()
"""


class DevToolsError(Exception):
    """The browser refused a command, or a script of the test threw."""


def find_chromium() -> str | None:
    """The browser's command, if one is installed."""
    return next((path for command in COMMANDS if (path := shutil.which(command))), None)


@contextmanager
def browser(command: str, profile: Path) -> Iterator["Browser"]:
    """A browser of our own, with an empty profile, gone at the end."""
    with subprocess.Popen(
        [command, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            with connect(_debugging_url(process), max_size=None, compression=None, **_PATIENT) as socket:
                yield Browser(socket)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _debugging_url(process: subprocess.Popen[str]) -> str:
    """Wait for the address on stderr; go on reading it, so that the browser never blocks on a full pipe."""
    found: list[str] = []
    seen = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if "DevTools listening on " in line:
                found.append(line.split("DevTools listening on ", 1)[1].strip())
                seen.set()
        seen.set()

    threading.Thread(target=read, daemon=True).start()
    if not seen.wait(START_SECONDS) or not found:
        raise DevToolsError("Chromium did not start.")
    return found[0]


class Browser:
    """One connection to the browser. Commands wait for their answer and keep the events that come before it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self._pages: dict[str, Page] = {}

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Run one command. Raises DevToolsError."""
        self._last += 1
        number = self._last
        command = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(command | ({"sessionId": session} if session else {})))
        deadline = time.monotonic() + WAIT_SECONDS + 5
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise DevToolsError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def wait_for_event(self, page: "Page", method: str) -> None:
        """Receive until the page has had the event."""
        deadline = time.monotonic() + WAIT_SECONDS
        while method not in page.events:
            self._receive(deadline)
        page.events.remove(method)

    @contextmanager
    def page(self) -> Iterator["Page"]:
        """A tab with a browser context of its own: no cookies or storage of another tab."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        try:
            yield page.enable()
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def _receive(self, deadline: float) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(self._socket.recv(timeout=max(deadline - time.monotonic(), 0)))
        except TimeoutError as error:
            raise DevToolsError("The browser said nothing in time.") from error
        page = self._pages.get(message.get("sessionId", ""))
        if page and "method" in message:
            page.hear(message["method"], message["params"])
        return message


class Page:
    """One tab. `errors` has everything that a person would find red in the console."""

    def __init__(self, owner: Browser, session: str) -> None:
        self._browser = owner
        self._session = session
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.events: list[str] = []

    def enable(self) -> Self:
        """Begin to listen."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        return self

    def hear(self, method: str, parameters: dict[str, Any]) -> None:
        """Take one event."""
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}".strip())
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in _ERROR_LEVELS:
            self.errors.append(" ".join(str(value.get("value")) for value in parameters["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(parameters["url"])
        elif method == "Page.loadEventFired":
            self.events.append(method)

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self._call("Page.navigate", url="about:blank")  # a change of the fragment alone would load nothing
        self._browser.wait_for_event(self, "Page.loadEventFired")
        self._call("Page.navigate", url=url)
        self._browser.wait_for_event(self, "Page.loadEventFired")

    def reload(self) -> None:
        """Press F5."""
        self._call("Page.reload")
        self._browser.wait_for_event(self, "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited. Raises DevToolsError."""
        answer = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise DevToolsError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def until(self, expression: str, what: str) -> Any:
        """Wait until the expression is true in the page. Raises AssertionError that says what was expected."""
        try:
            return self.evaluate(_UNTIL % (WAIT_SECONDS * 1000, expression))
        except DevToolsError as error:
            raise AssertionError(f"{what}: {expression}; the page says: {self._text()!r}") from error

    def type(self, selector: str, text: str) -> None:
        """Put the focus into a field and type."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release one key."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}[key]
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **shared, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, where a mouse would, once it rests there.

        Whatever covers it gets the click.
        """
        where = self.evaluate(_MIDDLE % json.dumps(selector))
        place = {"x": where[0], "y": where[1], "button": "left", "clickCount": 1}
        self._call("Input.dispatchMouseEvent", type="mousePressed", **place)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", **place)

    def look(self, *, width: int, height: int, dark: bool = False) -> None:
        """Set the window's size and theme."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=scheme)
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def screenshot(self, path: Path) -> None:
        """Save what is visible as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _text(self) -> str:
        """What the page shows, for the message of a failing test."""
        return str(self.evaluate("document.body.innerText"))[-1000:]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)
