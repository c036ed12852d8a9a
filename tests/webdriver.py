"""Drive a headless Chromium through chromedriver (W3C WebDriver); no tests here."""

import base64
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import numpy as np

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
DRIVER = shutil.which("chromedriver")
FOUND = bool(CHROMIUM and DRIVER)
MISSING = "there is no Chromium here: apt install chromium chromium-driver"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
)
SECONDS = 120
# To this machine, whatever proxy there is.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """One window."""

    def __init__(self, address: str, downloads: pathlib.Path, flags):
        options = {
            "binary": CHROMIUM,
            "args": [*FLAGS, *flags],
            "prefs": {"download.default_directory": str(downloads)},
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self._root = f"{address}/session"
        made = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._root += f"/{made['sessionId']}"
        self._call("POST", "/timeouts", {"script": 1000 * SECONDS})

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with DIRECT.open(request, timeout=2 * SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                value = json.load(error)["value"]
            raise AssertionError(f"{value['error']}: {value['message']}") from None

    def open(self, address: str) -> None:
        self._call("POST", "/url", {"url": address})

    def run(self, script: str, *arguments):
        """Return what the body of an async function returns; it may await."""
        body = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{ {script} }})(...arguments)"
            ".then(value => done({value}), error => done({error: String(error)}));"
        )
        given = {"script": body, "args": list(arguments)}
        found = self._call("POST", "/execute/async", given)
        if "error" in found:
            raise AssertionError(found["error"])
        return found.get("value")

    def wait(self, condition: str, *arguments) -> None:
        """Wait until a JavaScript expression is true."""
        self.run(
            f"const end = Date.now() + {900 * SECONDS};"
            f"while (!({condition})) {{ if (Date.now() > end) throw new Error('waited "
            "in vain'); await new Promise(next => setTimeout(next, 30)); }",
            *arguments,
        )

    def element(self, selector: str) -> str:
        found = self._call(
            "POST", "/element", {"using": "css selector", "value": selector}
        )
        return f"/element/{found[ELEMENT]}"

    def click(self, selector: str) -> None:
        self._call("POST", f"{self.element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Press keys where an element has the focus; a file field takes a path."""
        self._call("POST", f"{self.element(selector)}/value", {"text": text})

    def attribute(self, selector: str, name: str) -> str | None:
        return self._call("GET", f"{self.element(selector)}/attribute/{name}")

    def text(self, selector: str) -> str:
        return self._call("GET", f"{self.element(selector)}/text")

    def label(self, selector: str) -> str:
        """Return an element's name as screen readers have it."""
        return self._call("GET", f"{self.element(selector)}/computedlabel")

    def drag(self, selector: str, x: int, y: int, kind: str = "mouse") -> None:
        """Drag an element's middle by some pixels, with a mouse or by touch."""
        origin = {ELEMENT: self.element(selector).removeprefix("/element/")}
        move = {"type": "pointerMove", "duration": 60}
        steps = [
            move | {"origin": origin, "x": 0, "y": 0},
            {"type": "pointerDown", "button": 0},
            move | {"origin": "pointer", "x": x, "y": y},
            {"type": "pointerUp", "button": 0},
        ]
        parameters = {"pointerType": kind}
        hand = {"type": "pointer", "id": kind, "parameters": parameters}
        self._call("POST", "/actions", {"actions": [hand | {"actions": steps}]})

    def phone(self, width: int, height: int) -> None:
        """Be a phone with a screen of that many pixels; 0 for none any more."""
        if not width:
            return self._tell("Emulation.clearDeviceMetricsOverride")
        screen = {"width": width, "height": height, "deviceScaleFactor": 2}
        return self._tell("Emulation.setDeviceMetricsOverride", mobile=True, **screen)

    def _tell(self, command, **parameters):
        given = {"cmd": command, "params": parameters}
        self._call("POST", "/goog/cdp/execute", given)

    def resize(self, width: int, height: int) -> None:
        self._call("POST", "/window/rect", {"width": width, "height": height})

    def screenshot(self) -> bytes:
        return base64.b64decode(self._call("GET", "/screenshot"))

    def complaints(self) -> list[str]:
        """Return what the console has had to say since the last call."""
        found = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in found]

    def close(self) -> None:
        self._call("DELETE", "")


@contextlib.contextmanager
def driver():
    """Start a chromedriver; its address."""
    command = [DRIVER, "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout.readline, "")
            started = (re.search(r"successfully on port (\d+)", line) for line in lines)
            port = next(filter(None, started))[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextlib.contextmanager
def window(address: str, folder: pathlib.Path, *flags: str):
    """Open a window with a profile of its own; what it downloads lies in `folder`."""
    browser = Browser(address, folder, [*flags, f"--user-data-dir={folder}/profile"])
    try:
        yield browser
    finally:
        browser.close()


def packed(sound: np.ndarray) -> list[str]:
    """Return `[channels, samples]` float32 as base64, for JavaScript."""
    return [base64.b64encode(plane.astype("<f4").tobytes()).decode() for plane in sound]


def decoded(text: str) -> bytes:
    """Return what JavaScript packed."""
    return base64.b64decode(text)


def unpacked(planes: list[str]) -> np.ndarray:
    """Return `[channels, samples]` float32 of what JavaScript packed."""
    return np.stack([np.frombuffer(decoded(p), "<f4") for p in planes])


# The same in JavaScript.
PACKING = """
const unpacked = planes => planes.map(text => new Float32Array(
  Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer));
const packed = planes => planes.map(plane => {
  const bytes = new Uint8Array(plane.slice().buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
});
"""
