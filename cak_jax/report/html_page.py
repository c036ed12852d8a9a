"""What the HTML pages of the package share: style, templates, security policy.

A page is one file that loads nothing: styles are inline, images and sounds are data
URIs, and a content security policy forbids everything else. A page may bring one
script along; the policy names that script by its hash.

The markup stands in Jinja2 templates, in the folder `assets` beside the module that
fills them. A template can extend or import those of `report/assets`. Every value that
a template shows is escaped.
"""

import base64
import functools
import hashlib
import math
import numbers
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import jinja2

ASSETS = pathlib.Path(__file__).parent / "assets"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
# HTML allows none of these, so a replacement character is shown in their place.
CONTROL_CHARACTERS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], "\ufffd")
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def fill(template: pathlib.Path, **values: Any) -> str:
    """Fill a template; every value is escaped unless the template says `safe`.

    Args:
      template: a file in a folder of templates.
      **values: that the template shows, by name.

    Raises:
      jinja2.UndefinedError: the template shows a value that is missing.
    """
    return _environment(template.parent).get_template(template.name).render(values)


@functools.cache
def _environment(folder: pathlib.Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, ASSETS]),
        autoescape=True,
        finalize=_replace_control_characters,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _replace_control_characters(value: object) -> object:
    """Return a value as text that HTML allows; finished HTML stays as it is."""
    # A missing value must reach Jinja2 as it is, which raises the error.
    if hasattr(value, "__html__") or isinstance(value, jinja2.Undefined):
        return value
    return str(value).translate(CONTROL_CHARACTERS)


def fill_page(
    template: pathlib.Path, title: str, script: str = "", **values: Any
) -> str:
    """Fill a template that extends `page.html`.

    Args:
      template: the file.
      title: of the page.
      script: JavaScript that runs at the end of the page; "" for none. The policy
        forbids every other script.
      **values: that the template shows besides.

    Returns:
      The page.
    """
    policy = f"{POLICY}; script-src {policy_hash(script)}" if script else POLICY
    style = (ASSETS / "page.css").read_text("utf-8")
    return fill(
        template, title=title, policy=policy, style=style, script=script, **values
    )


def policy_hash(text: str) -> str:
    """Return how a content security policy names an inline style or script."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def embed(mime: str, data: bytes) -> str:
    """Return bytes as a data URI.

    Raises:
      ValueError: the type is not a plain image or audio type.
    """
    if not re.fullmatch(r"(image|audio)/[A-Za-z0-9.+-]+", mime):
        raise ValueError(f"mime must be image/... or audio/..., got {mime!r}")
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def is_number(value: object) -> bool:
    """Say whether a value is shown as a number: real, and not a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def typeset(value: object) -> str:
    """Write a value for a reader: four digits; a dash for a missing value.

    >>> typeset(0.123456), typeset(None), typeset("a<b"), typeset(True)
    ('0.1235', '–', 'a<b', 'yes')
    """
    if value is None or (isinstance(value, numbers.Real) and math.isnan(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return str(int(value)).replace("-", MINUS)
    if isinstance(value, numbers.Real):
        return f"{float(value):.4g}".replace("-", MINUS)
    return str(value)


def typeset_column(values: Sequence[Any]) -> list[str]:
    """Write a column of a table; its numbers have the same count of decimals.

    Where the decimals that suit the largest number would round the smallest to 0,
    each number is written alone.

    >>> typeset_column([1.0912, 0.1, None])
    ['1.091', '0.100', '–']
    """
    finite = [abs(float(v)) for v in values if is_number(v) and math.isfinite(v)]
    whole = all(isinstance(v, numbers.Integral) for v in values if is_number(v))
    sizes = [size for size in finite if size]
    if whole or not sizes:
        return [typeset(value) for value in values]
    decimals = min(6, max(0, 3 - math.floor(math.log10(max(sizes)))))
    if min(sizes) * 10**decimals < 1:
        return [typeset(value) for value in values]
    return [
        f"{float(value):.{decimals}f}".replace("-", MINUS)
        if is_number(value) and math.isfinite(value)
        else typeset(value)
        for value in values
    ]
