"""The page that a run folder explains itself with: one self-contained HTML file.

Figures and sounds are embedded; everything that came from outside (file names,
config, messages) is escaped.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from cak_jax.report.html_page import (
    MINUS,
    embed,
    escape,
    is_number,
    make_page,
    typeset,
    typeset_column,
)
from cak_jax.runtime.files import replace_file

SECTIONS = (
    *("title", "summary", "facts", "kernel", "bias", "scale", "tables", "figures"),
    *("previews", "config", "commands", "warnings"),
)
# A click on a heading sorts the table by that column, a second click the other way;
# what is missing stays last.
SORT = """
document.querySelectorAll("table.sortable th").forEach(head => {
  head.addEventListener("click", () => {
    const place = head.cellIndex, body = head.closest("table").tBodies[0];
    const turn = head.dataset.turn === "1" ? -1 : 1;
    head.dataset.turn = turn;
    const text = row => row.cells[place].textContent.replace("\\u2212", "-");
    const missing = row => text(row) === "\\u2013";
    const order = (a, b) => {
      if (missing(a) !== missing(b)) return missing(a) ? 1 : -1;
      const by = Number(text(a)) - Number(text(b));
      return turn * (isNaN(by) ? text(a).localeCompare(text(b)) : by);
    };
    [...body.rows].sort(order).forEach(row => body.append(row));
  });
});
"""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def section(title: str, body: str) -> str:
    """Return a titled section, or nothing if the body is empty."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def render_list(items: Sequence, tag: str) -> str:
    """Return each item as an element of its own."""
    return "\n".join(f"<{tag}>{escape(item)}</{tag}>" for item in items)


def render_warnings(warnings: Sequence) -> str:
    """Return the box of warnings, or nothing."""
    if not warnings:
        return ""
    items = render_list(warnings, "li")
    return f'<div class="warnings" role="note"><ul>{items}</ul></div>'


def render_facts(facts: Sequence) -> str:
    """Return (name, value) pairs as a grid of cards."""
    cards = [
        f"<div><dt>{escape(name)}</dt><dd>{typeset(value)}</dd></div>"
        for name, value in facts
    ]
    return f'<dl class="facts">{"".join(cards)}</dl>' if cards else ""


def render_weight(weight: float, limit: float) -> str:
    """Return one cell of the kernel: orange above zero, blue below, by strength."""
    colour = "213, 94, 0" if weight > 0 else "0, 114, 178"
    strength = 0.65 * abs(weight) / limit
    text = f"{weight:+.4f}".replace("-", MINUS)
    return f'<td style="background: rgba({colour}, {strength:.2f})">{text}</td>'


def render_kernel(kernel, bias: float | None, scale: float | None) -> str:
    """Return the learned numbers as a coloured table, frequency upwards.

    Raises:
      ValueError: the kernel is not 3x3 or not finite.
    """
    rows = [[float(weight) for weight in row] for row in kernel]
    flat = [weight for row in rows for weight in row]
    if [len(row) for row in rows] != [3, 3, 3] or not all(map(math.isfinite, flat)):
        raise ValueError(f"kernel must be 3x3 and finite, got {rows}")
    limit = max(map(abs, flat)) or 1.0
    names = (f"frequency {MINUS}1", "frequency 0", "frequency +1")
    lines = [
        f"<tr><th>{names[i]}</th>"
        + "".join(render_weight(weight, limit) for weight in rows[i])
        + "</tr>"
        for i in (2, 1, 0)
    ]
    head = "".join(
        f"<th>{text}</th>" for text in ("", f"time {MINUS}1", "time 0", "time +1")
    )
    rest = [("kernel sum", sum(flat)), ("bias", bias), ("scale", scale)]
    notes = [f"{name} {typeset(value)}" for name, value in rest if value is not None]
    return (
        f'<div class="scroll"><table class="kernel"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>\n"
        f'<p class="muted">{", ".join(notes)}</p>'
    )


def number_class(values: list) -> str:
    """Return the class attribute of a column that holds numbers only, or nothing."""
    shown = [value for value in values if value is not None]
    return ' class="number"' if shown and all(map(is_number, shown)) else ""


def render_table(table: dict) -> str:
    """Return one table; columns of numbers are set flush right.

    Raises:
      ValueError: a row is not as long as the columns.
    """
    columns, rows = list(table["columns"]), [list(row) for row in table["rows"]]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(
                f"table {table['title']!r} has {len(columns)} columns, got row {row}"
            )
    cells = [typeset_column([row[k] for row in rows]) for k in range(len(columns))]
    kinds = [number_class([row[k] for row in rows]) for k in range(len(columns))]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>"
        for name, kind in zip(columns, kinds, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{k}>{v}</td>" for v, k in zip(row, kinds, strict=True))
        + "</tr>"
        for row in zip(*cells, strict=True)
    )
    note = f'<p class="muted">{escape(table["note"])}</p>' if table.get("note") else ""
    kind = ' class="sortable"' if table.get("sortable") else ""
    return (
        f'{note}<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def render_figure(figure: dict) -> str:
    """Return one embedded figure with its caption.

    Raises:
      ValueError: the bytes are not a PNG file.
    """
    if not bytes(figure["png"]).startswith(PNG_SIGNATURE):
        raise ValueError(f"figure {figure['title']!r} is not a PNG file")
    source = embed("image/png", figure["png"])
    return (
        f'<figure><div class="scroll"><img src="{source}" '
        f'alt="{escape(figure["title"])}"></div>'
        f"<figcaption>{escape(figure.get('caption', ''))}</figcaption></figure>"
    )


def render_preview(preview: dict) -> str:
    """Return the players of one sound, dry and processed."""
    players = [
        f'<div><span class="muted">{escape(item["label"])}</span>'
        f'<audio controls preload="none" src="{embed(item["mime"], item["data"])}">'
        "</audio></div>"
        for item in preview["items"]
    ]
    return (
        f'<div class="preview"><h3>{escape(preview["name"])}</h3>'
        f'<div class="sounds">{"".join(players)}</div></div>'
    )


def render_config(config: dict) -> str:
    """Return the configuration, folded away."""
    if not config:
        return ""
    text = escape(json.dumps(config, indent=2, ensure_ascii=False, default=str))
    return f"<details><summary>Every value</summary><pre>{text}</pre></details>"


def render_page(report: dict) -> str:
    """Return the whole page as one string; see `write_report`."""
    unknown = sorted(set(report) - set(SECTIONS))
    if unknown or "title" not in report:
        raise ValueError(f"report needs a title and knows {SECTIONS}, got {unknown}")
    kernel = ""
    if report.get("kernel") is not None:
        kernel = render_kernel(
            report["kernel"], report.get("bias"), report.get("scale")
        )
    parts = [
        f"<h1>{escape(report['title'])}</h1>",
        render_list(report.get("summary", ()), "p"),
        render_warnings(report.get("warnings", ())),
        render_facts(report.get("facts", ())),
        section("What was learned", kernel),
        section("Listen", "\n".join(map(render_preview, report.get("previews", ())))),
        *(
            section(table["title"], render_table(table))
            for table in report.get("tables", ())
        ),
        *(
            section(figure["title"], render_figure(figure))
            for figure in report.get("figures", ())
        ),
        section("Commands", render_list(report.get("commands", ()), "pre")),
        section("Configuration", render_config(report.get("config", {}))),
    ]
    body = "\n".join(part for part in parts if part)
    sorts = any(table.get("sortable") for table in report.get("tables", ()))
    return make_page(report["title"], body, SORT if sorts else "")


def write_report(folder: Path | str, report: dict) -> Path:
    """Write `report.html` into a run folder, whole or not at all.

    Args:
      folder: an existing folder.
      report: `title`, and any of `summary` (sentences), `facts` ((name, value)
        pairs), `kernel` (3x3) with `bias` and `scale`, `tables` (dicts of title,
        note, columns, rows; sortable by a click if "sortable"), `figures` (title,
        caption, png bytes), `previews` (name, items of label, mime, data bytes),
        `config` (dict), `commands` and `warnings` (strings). What is left out is not
        shown.

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
