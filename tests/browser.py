"""Headless Chromium for tests of pages; no tests here."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

import pytest

# Selenium's names of keys are code points of no use: Ctrl-A, Tab and Enter.
ALL, TAB, ENTER = "\ue009a\ue000", "\ue004", "\ue007"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--window-size=1360,1500",
    "--force-device-scale-factor=1",
)


def needed() -> pytest.MarkDecorator:
    """Skip, with the reason, where there is no browser."""
    missing = [
        name
        for name, found in (("chromium", CHROMIUM), ("chromedriver", DRIVER))
        if found is None
    ]
    reason = f"no {' and no '.join(missing)}: apt install chromium chromium-driver"
    return pytest.mark.skipif(bool(missing), reason=reason)


@contextlib.contextmanager
def opened(folder: pathlib.Path) -> Iterator:
    """Give a browser that keeps profile and downloads in a folder."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(downloads)}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
