"""Headless Chromium for tests of pages; no tests here."""

import contextlib
import pathlib
from collections.abc import Iterator

import pytest
import webdriver

# Selenium's names of keys are code points of no use: Ctrl-A, Tab and Enter.
ALL, TAB, ENTER = "\ue009a\ue000", "\ue004", "\ue007"
FLAGS = (
    *webdriver.FLAGS,
    "--use-fake-ui-for-media-stream",
    "--window-size=1360,1500",
    "--force-device-scale-factor=1",
)


def needed() -> pytest.MarkDecorator:
    """Skip, with the reason, where there is no browser."""
    return pytest.mark.skipif(not webdriver.FOUND, reason=webdriver.MISSING)


@contextlib.contextmanager
def opened(folder: pathlib.Path) -> Iterator:
    """Give a browser that keeps profile and downloads in a folder."""
    from selenium import webdriver as selenium

    options = selenium.ChromeOptions()
    options.binary_location = webdriver.CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(downloads)}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(webdriver.DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
