"""The report of a run or of a sweep: one self-contained HTML page.

Figures and sounds are embedded. Everything that came from outside (file names,
config, messages) is escaped.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cak_jax.report.html_page import (
    ASSETS,
    MINUS,
    embed,
    fill_page,
    is_number,
    typeset,
    typeset_column,
)
from cak_jax.runtime.files import replace_file

SECTIONS = (
    *("title", "summary", "facts", "kernel", "bias", "scale", "tables", "figures"),
    *("previews", "config", "commands", "warnings"),
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_report(folder: Path | str, report: dict[str, Any]) -> Path:
    """Write `report.html` into a run folder, whole or not at all.

    Args:
      folder: an existing folder.
      report: `title`, and any of `summary` (sentences), `facts` ((name, value)
        pairs), `kernel` (3x3) with `bias` and `scale`, `tables` (dicts of title,
        note, columns, rows; sortable by a click if "sortable"), `figures` (title,
        caption, png bytes), `previews` (name, items of label, mime, data bytes),
        `config` (dict), `commands` and `warnings` (strings). A section that is
        missing is not shown.

    Returns:
      The path of the page.

    Raises:
      ValueError: an unknown section, a table or kernel of the wrong shape, a figure
        that is no PNG, a sound that is no audio type.
    """
    # File names may hold bytes that are no text; they become question marks.
    page = render_page(report).encode("utf-8", "replace")
    path = Path(folder) / "report.html"
    replace_file(path, page)
    return path


def render_page(report: dict[str, Any]) -> str:
    """Return the whole page as one string; see `write_report`."""
    unknown = sorted(set(report) - set(SECTIONS))
    if unknown or "title" not in report:
        raise ValueError(f"report needs a title and knows {SECTIONS}, got {unknown}")
    kernel, config = report.get("kernel"), report.get("config")
    tables = [_table(table) for table in report.get("tables", ())]
    sortable = any(table["sortable"] for table in tables)
    return fill_page(
        ASSETS / "run_page.html",
        title=report["title"],
        script=(ASSETS / "sort.js").read_text("utf-8") if sortable else "",
        summary=report.get("summary", ()),
        warnings=report.get("warnings", ()),
        facts=[(name, typeset(value)) for name, value in report.get("facts", ())],
        kernel=None if kernel is None else _kernel(kernel, report),
        previews=[_preview(preview) for preview in report.get("previews", ())],
        tables=tables,
        figures=[_figure(figure) for figure in report.get("figures", ())],
        commands=report.get("commands", ()),
        config=json.dumps(config, indent=2, ensure_ascii=False, default=str)
        if config
        else "",
    )


def _kernel(
    kernel: Sequence[Sequence[float]], report: dict[str, Any]
) -> dict[str, Any]:
    """Return the learned numbers as a coloured table, frequency upwards.

    Raises:
      ValueError: the kernel is not 3x3 or not finite.
    """
    rows = [[float(weight) for weight in row] for row in kernel]
    flat = [weight for row in rows for weight in row]
    if [len(row) for row in rows] != [3, 3, 3] or not all(map(math.isfinite, flat)):
        raise ValueError(f"kernel must be 3x3 and finite, got {rows}")
    limit = max(map(abs, flat)) or 1.0
    offsets = (f"{MINUS}1", "0", "+1")
    numbers: list[tuple[str, Any]] = [("kernel sum", sum(flat))]
    numbers += [(name, report.get(name)) for name in ("bias", "scale")]
    return {
        "columns": ["", *(f"time {offset}" for offset in offsets)],
        "rows": [
            (f"frequency {offsets[i]}", [_weight(weight, limit) for weight in rows[i]])
            for i in (2, 1, 0)
        ],
        "note": ", ".join(
            f"{name} {typeset(value)}" for name, value in numbers if value is not None
        ),
    }


def _weight(weight: float, limit: float) -> dict[str, str]:
    """Return one cell of the kernel: orange above zero, blue below, by strength."""
    red_green_blue = "213, 94, 0" if weight > 0 else "0, 114, 178"
    strength = 0.65 * abs(weight) / limit
    return {
        "colour": f"{red_green_blue}, {strength:.2f}",
        "text": f"{weight:+.4f}".replace("-", MINUS),
    }


def _table(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table's text, and which columns hold numbers only.

    Raises:
      ValueError: a row is not as long as the columns.
    """
    names, rows = list(table["columns"]), [list(row) for row in table["rows"]]
    for row in rows:
        if len(row) != len(names):
            raise ValueError(
                f"table {table['title']!r} has {len(names)} columns, got row {row}"
            )
    columns = [[row[k] for row in rows] for k in range(len(names))]
    present = [[value for value in values if value is not None] for values in columns]
    numeric = [bool(values) and all(map(is_number, values)) for values in present]
    cells = zip(*map(typeset_column, columns), strict=True)
    return {
        "title": table["title"],
        "note": table.get("note"),
        "sortable": bool(table.get("sortable")),
        "columns": list(zip(names, numeric, strict=True)),
        "rows": [list(zip(row, numeric, strict=True)) for row in cells],
    }


def _figure(figure: dict[str, Any]) -> dict[str, str]:
    """Return a figure with its PNG as a data URI.

    Raises:
      ValueError: the bytes are not a PNG file.
    """
    if not bytes(figure["png"]).startswith(PNG_SIGNATURE):
        raise ValueError(f"figure {figure['title']!r} is not a PNG file")
    return {
        "title": figure["title"],
        "caption": figure.get("caption", ""),
        "source": embed("image/png", figure["png"]),
    }


def _preview(preview: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Return the name of a sound and (label, data URI) of each of its versions."""
    sounds = [
        (item["label"], embed(item["mime"], item["data"])) for item in preview["items"]
    ]
    return preview["name"], sounds
