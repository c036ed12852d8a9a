"""The report of a run or of a sweep: one self-contained HTML page.

Figures and sounds are embedded. Everything that came from outside (file names,
config, messages) is escaped.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cak_jax.report import html_page
from cak_jax.runtime.files import replace_file

# Every section, and what an absent one holds.
SECTIONS: dict[str, Any] = {
    **dict.fromkeys(("previews", "summary", "pictures", "facts", "tables"), ()),
    **dict.fromkeys(("notes", "figures", "commands", "warnings"), ()),
    **dict.fromkeys(("title", "kernel", "bias", "scale", "config")),
    "figures_first": False,
}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_report(folder: Path | str, report: dict[str, Any]) -> Path:
    """Write `report.html` into a run folder, whole or not at all.

    Args:
      folder: the run folder.
      report: `title`, and any of `previews` (name, knob, items of label, mime, data
        bytes: sounds of one length, which a switch plays at the same place), `summary`
        (sentences), `pictures` (as `figures`), `notes` (sentences that begin the
        numbers), `facts` ((name, value) pairs), `kernel` (3x3) with `bias` and `scale`,
        `tables` (dicts of title, note, columns, rows; sortable by a click if
        "sortable"; with "stacked" a narrow screen shows every row as a list; "best" is
        the number of a row to mark), `figures` (title, caption, and png bytes or
        "panels" of title and png bytes; with `figures_first` they stand above the
        tables), `config` (dict), `commands` and `warnings` (strings). A section that is
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
        names = tuple(SECTIONS)
        raise ValueError(f"report needs a title and knows {names}, got {unknown}")
    page = SECTIONS | report
    page["tables"] = [_table(table) for table in page["tables"]]
    if page["kernel"] is not None:
        page["kernel"] = _kernel(page["kernel"])
    if page["config"]:
        text = json.dumps(page["config"], indent=2, ensure_ascii=False, default=str)
        page["config"] = text
    scripts = []
    if any(table["sortable"] for table in page["tables"]):
        scripts.append("sort.js")
    if page["previews"]:
        scripts.append("listen.js")
    return html_page.fill_page(
        html_page.ASSETS / "run_page.html",
        script="".join((html_page.ASSETS / n).read_text("utf-8") for n in scripts),
        embed=html_page.embed,
        embed_figure=_embed_figure,
        typeset=html_page.typeset,
        **page,
    )


def _kernel(kernel: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the sum and the coloured cells of a kernel, lowest frequency first.

    Raises:
      ValueError: the kernel is not 3x3 or not finite.
    """
    rows = [[float(weight) for weight in row] for row in kernel]
    flat = [weight for row in rows for weight in row]
    if [len(row) for row in rows] != [3, 3, 3] or not all(map(math.isfinite, flat)):
        raise ValueError(f"kernel must be 3x3 and finite, got {rows}")
    limit = max(map(abs, flat)) or 1.0
    cells = [[_weight(weight, limit) for weight in row] for row in rows]
    return {"sum": sum(flat), "rows": cells}


def _weight(weight: float, limit: float) -> dict[str, str]:
    """Return one cell of the kernel: orange above zero, blue below, by strength."""
    red_green_blue = "213, 94, 0" if weight > 0 else "0, 114, 178"
    strength = 0.65 * abs(weight) / limit
    return {
        "colour": f"{red_green_blue}, {strength:.2f}",
        "text": f"{weight:+.4f}".replace("-", html_page.MINUS),
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
    numeric = [bool(v) and all(map(html_page.is_number, v)) for v in present]
    cells = zip(*map(html_page.typeset_column, columns), strict=True)
    return {
        "title": table["title"],
        "note": table.get("note"),
        "sortable": bool(table.get("sortable")),
        "stacked": bool(table.get("stacked")),
        "best": table.get("best"),
        "columns": list(zip(names, numeric, strict=True)),
        "rows": [list(zip(row, numeric, names, strict=True)) for row in cells],
    }


def _embed_figure(figure: dict[str, Any]) -> str:
    """Return the PNG of a figure as a data URI.

    Raises:
      ValueError: the bytes are not a PNG file.
    """
    if not bytes(figure["png"]).startswith(PNG_SIGNATURE):
        raise ValueError(f"figure {figure['title']!r} is not a PNG file")
    return html_page.embed("image/png", figure["png"])
