"""Small pictures as SVG for a page without a script: a fan for a row of a table, and the losses of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from gatecast.faces.wording import price_text

_EDGE = 2.0  # pixels around the lines


def spark_fan(
    closes: Sequence[float],
    bands: Sequence[tuple[Sequence[float], Sequence[float]]],
    median: Sequence[float],
    *,
    width: int = 132,
    height: int = 36,
) -> Markup:
    """A small fan: the last closes, bands (outermost first) and the median, all of the steps after the last close.

    Colours come from the page's style: classes `close`, `band`, `median`.
    """
    last = closes[-1]
    values = [*closes, *median, *(price for band in bands for edge in band for price in edge)]
    place = _places(values, len(closes) + len(median), width, height)
    ahead = range(len(closes) - 1, len(closes) + len(median))
    shapes = []
    for low, high in bands:
        upper = [place(x, y) for x, y in zip(ahead, (last, *high), strict=True)]
        lower = [place(x, y) for x, y in zip(ahead, (last, *low), strict=True)]
        shapes.append(f'<path class="band" d="M{" L".join([*upper, *reversed(lower)])}Z"/>')
    shapes.append(_line("close", [place(x, y) for x, y in enumerate(closes)]))
    shapes.append(_line("median", [place(x, y) for x, y in zip(ahead, (last, *median), strict=True)]))
    label = f"median {price_text(median[-1], last)} after {len(median)} steps"
    return _picture("spark", shapes, width, height, label)


def loss_lines(losses: Sequence[Sequence[float | None]], *, width: int = 640, height: int = 160) -> Markup:
    """The losses of a training that goes on: rows of (epoch, training, held out), as two lines; gaps where not finite.

    Colours come from the page's style: classes `training`, `held`.
    """
    columns = {"training": [row[1] for row in losses], "held": [row[2] for row in losses]}
    values = [value for column in columns.values() for value in column if value is not None and math.isfinite(value)]
    if len(losses) < 2 or not values:
        return Markup()
    place = _places(values, len(losses), width, height)
    shapes = []
    for name, column in columns.items():
        points = [place(x, y) for x, y in enumerate(column) if y is not None and math.isfinite(y)]
        if points:
            shapes.append(_line(name, points))
    return _picture("losses", shapes, width, height, f"losses of {len(losses)} epochs")


def _places(values: Sequence[float], count: int, width: int, height: int) -> Callable[[int, float], str]:
    low, high = min(values), max(values)
    across = (width - 2 * _EDGE) / max(count - 1, 1)
    down = (height - 2 * _EDGE) / ((high - low) or 1.0)

    def place(x: int, y: float) -> str:
        return f"{_EDGE + across * x:.1f} {_EDGE + down * (high - y):.1f}"

    return place


def _line(name: str, points: Sequence[str]) -> str:
    return f'<path class="{name}" d="M{" L".join(points)}"/>'


def _picture(name: str, shapes: Sequence[str], width: int, height: int, label: str) -> Markup:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" preserveAspectRatio="none"'
    return Markup(f'<svg class="{name}" {size} role="img" aria-label="{{}}">{"".join(shapes)}</svg>').format(label)
