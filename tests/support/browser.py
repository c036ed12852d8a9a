"""Headless Chromium for tests of pages, driven by selenium; no tests here."""

import base64
import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
DRIVER = shutil.which("chromedriver")
FOUND = bool(CHROMIUM and DRIVER)
MISSING = "there is no Chromium here: apt install chromium chromium-driver"
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
    "--force-device-scale-factor=1",
)
ALLOWED = "--use-fake-ui-for-media-stream"  # grants a microphone
# A script hangs if it takes 100 s; selenium itself gives up after 120.
SECONDS = 100
# Selenium names keys by private code points: Ctrl-A, Tab and Enter.
ALL, TAB, ENTER = "\ue009a\ue000", "\ue004", "\ue007"


def needed() -> pytest.MarkDecorator:
    """Skip, with the reason, where there is no browser."""
    return pytest.mark.skipif(not FOUND, reason=MISSING)


@contextlib.contextmanager
def opened(folder: pathlib.Path, *flags: str) -> Iterator["Window"]:
    """Open a window with a new profile; its downloads lie in `folder`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder)}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # The driver runs on this machine, so no proxy may be used.
    with mock.patch.dict(os.environ, no_proxy="*"):
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.set_script_timeout(SECONDS)
        yield Window(driver)
    finally:
        driver.quit()


class Window:
    """Actions of tests in a window; CSS selectors name elements.

    Args:
      driver: of selenium.

    Attributes:
      driver: of selenium.
    """

    def __init__(self, driver):
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def run(self, script: str, *values):
        """Run the body of an async function of `values`; return its value."""
        body = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...values) => {{ {script} }})(...arguments)"
            ".then(value => done({value}), error => done({error: String(error)}));"
        )
        result = self.driver.execute_async_script(body, *values)
        if "error" in result:
            raise AssertionError(result["error"])
        return result.get("value")

    def wait(self, condition: str, *values) -> None:
        """Wait until a JavaScript expression is true."""
        self.run(
            f"const end = Date.now() + {900 * SECONDS};"
            f"while (!({condition})) {{ if (Date.now() > end) throw new Error('waited "
            "in vain'); await new Promise(next => setTimeout(next, 30)); }",
            *values,
        )

    def element(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.element(selector).click()

    def type(self, selector: str, text: str) -> None:
        """Type text into an element; a file field takes a path."""
        self.element(selector).send_keys(text)

    def attribute(self, selector: str, name: str) -> str | None:
        return self.element(selector).get_dom_attribute(name)

    def text(self, selector: str) -> str:
        return self.element(selector).text

    def label(self, selector: str) -> str:
        """Return the name that screen readers read for an element."""
        return self.element(selector).accessible_name

    def drag(self, selector: str, x: int, y: int, kind: str = "mouse") -> None:
        """Drag an element by some pixels, with a mouse or by touch."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        hand = ActionChains(self.driver, 60, devices=[PointerInput(kind, kind)])
        hand.drag_and_drop_by_offset(self.element(selector), x, y).perform()

    def phone(self, width: int, height: int) -> None:
        """Emulate a phone with a screen of that many pixels; width 0 ends it."""
        if not width:
            return self._tell("Emulation.clearDeviceMetricsOverride")
        screen = {"width": width, "height": height, "deviceScaleFactor": 2}
        return self._tell("Emulation.setDeviceMetricsOverride", mobile=True, **screen)

    def _tell(self, command, **parameters):
        self.driver.execute_cdp_cmd(command, parameters)

    def complaints(self) -> list[str]:
        """Return the messages of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


def packed(sound: np.ndarray) -> list[str]:
    """Return `[channels, samples]` float32 as base64, for JavaScript."""
    return [base64.b64encode(plane.astype("<f4").tobytes()).decode() for plane in sound]


def decoded(text: str) -> bytes:
    """Return the bytes that JavaScript packed."""
    return base64.b64decode(text)


def unpacked(planes: list[str]) -> np.ndarray:
    """Return the sound `[channels, samples]` float32 that JavaScript packed."""
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
