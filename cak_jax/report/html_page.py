"""What every HTML page of the package shares: its look, escaping, embedding.

A page is one file that loads nothing: styles are inline, images and sounds are data
URIs, and a content security policy forbids the rest. There are no scripts but for one
that a page may bring along, which the policy names by its hash.
"""

import base64
import hashlib
import html
import math
import numbers
import re

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --muted: #66666b; --rule: #dcdce0;
  --page: #fbfbf9; --card: #ffffff; --warn: #8a4b00; --warn-page: #fff4e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ea; --muted: #a0a0a6;
  --rule: #3a3a3e; --page: #161618; --card: #202023; --warn: #ffc674;
  --warn-page: #33260f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; background:
  var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
h1, h2, p, li, td, th, dd, figcaption { overflow-wrap: anywhere;
  unicode-bidi: isolate; }
p { margin: .4rem 0; max-width: 46rem; }
.muted, figcaption, dt { color: var(--muted); font-size: .88rem; }
.warnings { background: var(--warn-page); color: var(--warn); border-radius: .5rem;
  padding: .6rem 1rem; margin: 1rem 0; }
.warnings ul { margin: 0; padding-left: 1.1rem; }
dl.facts { display: grid; gap: .6rem; margin: 1.2rem 0 0;
  grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
dl.facts div { background: var(--card); border: 1px solid var(--rule);
  border-radius: .5rem; padding: .5rem .75rem; }
dl.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .75rem .3rem 0; text-align: left; overflow-wrap: normal;
  border-bottom: 1px solid var(--rule); vertical-align: baseline; }
th { color: var(--muted); font-weight: 600; }
table.sortable th { cursor: pointer; user-select: none; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
table.kernel { border-collapse: separate; border-spacing: 3px; }
table.kernel td { border: 0; border-radius: .3rem; padding: .7rem .8rem;
  text-align: center; font-variant-numeric: tabular-nums; }
table.kernel th { border: 0; font-weight: 400; font-size: .82rem;
  padding: .2rem .5rem; }
@media (max-width: 30rem) { table.kernel td { padding: .7rem .3rem; }
  table.kernel th { padding: .2rem .2rem .2rem 0; } th, td { padding-right: .5rem; } }
figure { margin: 1rem 0 0; }
/* On a phone a wide figure scrolls: shrunk to the screen it could not be read. */
figure img { display: block; width: 100%; min-width: 40rem; height: auto;
  background: #fff; border: 1px solid var(--rule); border-radius: .5rem; }
figcaption { margin-top: .4rem; max-width: 46rem; }
.preview { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .6rem .9rem; margin: .6rem 0; }
.preview h3 { font-size: 1rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
.sounds { display: grid; gap: .5rem 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); }
.sounds audio { display: block; width: 100%; height: 2.4rem; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: .5rem; padding: .7rem .9rem; font-size: .85rem; margin: .5rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--muted); }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
CONTROL_CHARACTERS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], "\ufffd")
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def escape(value) -> str:
    """Make any value safe inside HTML text or a quoted attribute."""
    return html.escape(str(value).translate(CONTROL_CHARACTERS), quote=True)


def is_number(value) -> bool:
    """Say whether a value is shown as a number: real, and not a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def typeset(value) -> str:
    """Write a value for a reader: four digits, a dash for what is missing; escaped.

    >>> typeset(0.123456), typeset(None), typeset("a<b"), typeset(True)
    ('0.1235', '–', 'a&lt;b', 'yes')
    """
    if value is None or (is_number(value) and math.isnan(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value) and not isinstance(value, numbers.Integral):
        return f"{float(value):.4g}".replace("-", MINUS)
    if is_number(value):
        return str(int(value)).replace("-", MINUS)
    return escape(value)


def embed(mime: str, data: bytes) -> str:
    """Return bytes as a data URI.

    Raises:
      ValueError: the type is not a plain image or audio type.
    """
    if not re.fullmatch(r"(image|audio)/[A-Za-z0-9.+-]+", mime):
        raise ValueError(f"mime must be image/... or audio/..., got {mime!r}")
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def typeset_column(values: list) -> list[str]:
    """Write a table's column, numbers with as many decimals each; escaped.

    Where the decimals that suit the largest would round the smallest away, each
    number keeps its own.

    >>> typeset_column([1.0912, 0.1, None])
    ['1.091', '0.100', '–']
    """
    found = [abs(float(v)) for v in values if is_number(v) and math.isfinite(v)]
    whole = all(isinstance(v, numbers.Integral) for v in values if is_number(v))
    found = [value for value in found if value]
    if whole or not found:
        return [typeset(value) for value in values]
    decimals = min(6, max(0, 3 - math.floor(math.log10(max(found)))))
    if min(found) * 10**decimals < 1:
        return [typeset(value) for value in values]
    return [
        f"{float(value):.{decimals}f}".replace("-", MINUS)
        if is_number(value) and math.isfinite(value)
        else typeset(value)
        for value in values
    ]


def make_page(title: str, body: str, script: str = "") -> str:
    """Wrap a body of finished HTML into a page; the title is escaped here.

    Args:
      title: of the page.
      body: finished HTML.
      script: JavaScript that runs at the end of the page, and no other; none if "".
    """
    policy, end = POLICY, ""
    if script:
        sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{sha256}'"
        end = f"<script>{script}</script>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{end}</body>\n</html>\n"
    )
