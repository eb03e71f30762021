"""Parts of self-contained pages: templates, embedded images, SVG charts.

Nothing that is put into a template is taken for HTML but ``Markup``, which only templates and this module make. A page runs no
script but its own and loads nothing from elsewhere, by its Content-Security-Policy: the second wall.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from ..rendering.drawing import AFTER, BEFORE, FILLED_IN, Color, Image


def page(template: str, script: str = "", **values: Any) -> str:
    """A whole page from the package's file ``template``; ``values`` are text, numbers, or Markup of this module.

    ``script``: the package's file of the page's script. The policy names it by its hash, so that no other script is run.
    """
    code = _file(script) if script else ""
    allowed = f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" if script else "'none'"
    media = "style-src 'unsafe-inline'; img-src data:; media-src data:"
    policy = f"default-src 'none'; script-src {allowed}; {media}; base-uri 'none'; form-action 'none'"
    return f"{part(template, policy=policy, script=Markup(code), **values)}\n"


def part(template: str, **values: Any) -> Markup:
    """A piece of a page from the package's file ``template``."""
    return Markup(_templates().get_template(template).render(**values))


@lru_cache(maxsize=1)
def _templates() -> Environment:
    made = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals.update(before_color=css(BEFORE), after_color=css(AFTER), filled_color=css(FILLED_IN))
    return made


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def css(color: Color) -> str:
    """A colour in CSS notation."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def picture(image: Image, alt: str) -> Markup:
    """An ``<img>`` with the image embedded as JPEG."""
    height, width = image.shape[:2]
    return Markup('<img alt="{}" width="{}" height="{}" src="{}">').format(alt, width, height, jpeg(image))


def jpeg(image: Image, quality: int = 84) -> str:
    """The image as the address of an embedded JPEG."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def number(value: float) -> str:
    """A number with three significant digits and no exponent: 0.000123, 0.12, 4.56, 123."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{value:.{min(max(digits, 0), 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_chart(values: Sequence[float | None], title: str, note: str = "") -> Markup:
    """A small SVG curve of one value per epoch (None: a gap), with its first and last value written out."""
    width, height, left, right, top, bottom = 260, 120, 8, 8, 10, 20
    points = [(i, v) for i, v in enumerate(values) if v is not None and math.isfinite(v)]
    if not points:
        return Markup()
    low, high = min(v for _, v in points), max(v for _, v in points)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def place(index: int, value: float) -> tuple[float, float]:
        x = left + (width - left - right) * (index / max(1, len(values) - 1))
        return round(x, 1), round(top + (height - top - bottom) * (1 - (value - low) / (high - low)), 1)

    runs: list[list[tuple[float, float]]] = []
    for index, value in points:
        if not runs or values[index - 1] is None:
            runs.append([])
        runs[-1].append(place(index, value))
    return part(
        "chart.html", title=title, note=note, first=number(points[0][1]), last=number(points[-1][1]), width=width, height=height,
        left=left, right=width - right, base=height - bottom, count=len(values), runs=runs,
        dots=[(*place(index, value), index + 1, number(value)) for index, value in points],
    )  # fmt: skip


def stacked_strip(shares: Sequence[tuple[str, NDArray[np.floating]]], bins: int = 240) -> Markup:
    """Stacked fractions over time [T] in [0, 1] as filled SVG steps; long clips are averaged into bins."""
    length = len(shares[0][1])
    edges = np.unique(np.linspace(0, length, min(bins, length) + 1).round().astype(int))
    widths = np.diff(edges)
    floor = np.zeros(len(widths))
    paths = []
    for name, share in shares:
        top = floor + np.add.reduceat(np.asarray(share, float), edges[:-1]) / widths
        outline = [f"M{edges[0]},{1 - floor[0]:.3f}"]
        outline += [f"V{1 - t:.3f}H{edge}" for t, edge in zip(top, edges[1:], strict=True)]
        outline += [f"V{1 - f:.3f}H{edge}" for f, edge in zip(floor[::-1], edges[-2::-1], strict=True)]
        paths.append((name, "".join(outline) + "Z"))
        floor = top
    return part("strip.html", length=length, paths=paths)
