"""The files of `field_files.py` in the exported page: frames, and what the page says.

    python experiments/page_files.py [FOLDER]

Exports a page of one effect, opens each file in it with a headless Chromium, and prints
how many frames ffmpeg decodes, how many the page plays, and what it says. Files and
page lie in FOLDER, in a temporary one without it. Needs what `field_files.py` needs,
and chromium with chromedriver.
"""

import contextlib
import pathlib
import shutil
import sys
import tempfile

from command_line import arguments
from field_files import frames_of_ffmpeg, make
from selenium import webdriver

from cak_jax.commands import export_web

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    "--autoplay-policy=no-user-gesture-required",
)
# Frames that play and what is said, once the page has taken the file of that name.
OPENED = """
const done = arguments[arguments.length - 1];
const file = $("file").files[0];
(async () => {
  try {
    await app.openFile(file);
    done([String(app.sound.planes[0].length), $("message").textContent]);
  } catch (error) {
    done(["refused", error.message]);
  } finally {
    app.stop();
  }
})();
"""


@contextlib.contextmanager
def opened(page: pathlib.Path):
    """Give a browser that shows a page."""
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options, service)
    try:
        driver.set_script_timeout(100)
        driver.get(page.as_uri())
        # The file is taken by OPENED alone.
        driver.execute_script(
            "$('file').addEventListener('change', e => e.stopImmediatePropagation(),"
            " {capture: true})"
        )
        yield driver
    finally:
        driver.quit()


def main(name: str = "") -> None:
    """Make the files and print the table."""
    with tempfile.TemporaryDirectory() as top:
        folder = pathlib.Path(name or top).absolute()
        folder.mkdir(exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):
            export_web.main(["--effect=bright", f"--output={folder}", "--overwrite"])
        print("| file | ffmpeg | page | the page says |\n| --- | --- | --- | --- |")
        with opened(folder / export_web.NAME) as driver:
            for file, data in make(folder).items():
                path = folder / file
                path.write_bytes(data)
                theirs = frames_of_ffmpeg(path)
                driver.find_element("id", "file").send_keys(str(path))
                frames, said = driver.execute_async_script(OPENED, file)
                said = said.removeprefix(f'"{file}" ')
                print(f"| {file} | {theirs} | {frames} | {said} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(*arguments(__doc__, 0, 1)))
