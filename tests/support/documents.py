"""What a Markdown document says that can be checked: commands and Python examples."""

import pathlib
import re
import shlex
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
# All Markdown files, relative to the repository.
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in (
        "*.md",
        *(f"{top}/**/*.md" for top in ("cak_jax", "colab", "experiments", "tests")),
    )
    for path in ROOT.glob(pattern)
)

# Above an example that the tests leave out, with the reason.
LEFT_OUT = "<!-- not run by the tests: "
COMMAND = re.compile(r"(?:cak|python -m cak_jax\.\w+)(?= |$)")
FENCE = re.compile(r"^([^\n]*)\n```(\w*)\n(.*?)^```$", re.M | re.S)
# What ends a command in a shell.
ENDS = ("|", ">", "&&", ";", "#")


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each `cak` or `python -m cak_jax` command in indented code."""
    text = FENCE.sub("", text)
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        for part in re.split(r" && | \| ", line if line.startswith("    ") else ""):
            if COMMAND.match(part.strip()):
                words = shlex.split(part.strip())
                ends = [words.index(end) for end in ENDS if end in words]
                yield words[: min(ends, default=len(words))]


def commands_in_sentences(text: str) -> Iterator[list[str]]:
    """Yield the words of each command between backticks, which may be a part of one."""
    text = FENCE.sub("", text)
    for code in re.findall(r"`([^`]+)`", text):
        if COMMAND.match(code):
            yield code.split()


def flags_in_sentences(text: str) -> set[str]:
    """Return the flags that stand between backticks, without their values."""
    return set(re.findall(r"`(--[\w.-]+)", FENCE.sub("", text)))


def fields(text: str) -> set[str]:
    """Return the fields of a configuration that a document names as flags."""
    return set(re.findall(r"--config\.([\w.]*\w)", text)) - {"FIELD"}


def examples(text: str) -> Iterator[tuple[str, str]]:
    """Yield each Python example, and the reason why it is not run, or ""."""
    for before, language, code in FENCE.findall(text):
        if language == "python":
            reason = before.removeprefix(LEFT_OUT).removesuffix("-->").strip()
            yield code, reason if before.startswith(LEFT_OUT) else ""
