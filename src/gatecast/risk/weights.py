"""What a portfolio holds: the weight of each item, equal or from a CSV file; the rest is cash."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatecast.errors import DataError, UnreadableSource, UsageError, briefly, check_number
from gatecast.text import clean, likely_first, listed, shown

Holdings = Mapping[str, float] | Literal["equal"]
MOST = 20.0  # times the value that may be held, long and short together; more are weights in per cent
_LARGEST = 10_000_000  # bytes of a file of weights
_SIGNS = str.maketrans({",": ".", "\u2212": "-", "\u2013": "-"})  # a decimal comma; a minus as it is typeset
_ITEM_WORDS = frozenset(["item", "itemid", "ticker", "symbol", "asset", "name", "holding", "security", "instrument"])
_WEIGHT_WORDS = frozenset(["weight", "weights", "share", "allocation", "percent", "gewicht", "poids", "peso"])


@dataclass(frozen=True, kw_only=True)
class Portfolio:
    """Weights by item as shares of the portfolio's value: 0.4 is 40%, -0.2 is sold short.

    What they leave of 1 is cash, which earns nothing; beyond 1 cash is borrowed, which costs nothing. "equal" gives
    each item of a forecast the same. `rebalanced` brings the weights back at every step; else what is bought is held.
    `value` is that of the portfolio in money. Raises `UsageError` where weights or value are no usable numbers.

    >>> Portfolio(weights={"A": 0.6, "B": -0.2}).over(["A", "B", "C"])
    {'A': 0.6, 'B': -0.2}
    """

    weights: Holdings = "equal"
    rebalanced: bool = False
    value: float | None = None

    def __post_init__(self) -> None:
        if self.value is not None:
            check_number("value", self.value, example=10_000.0)
            if self.value <= 0:
                raise UsageError(f"the value of a portfolio is positive; got {self.value:g}. Give for example 10000.")
        if isinstance(self.weights, str) and self.weights == "equal":
            return
        if not isinstance(self.weights, Mapping):
            raise UsageError(
                f"weights are 'equal' or weights by item; got {briefly(self.weights)}. Give for example {{'A': 0.5}}."
            )
        for item_id, weight in self.weights.items():
            check_number(f"the weight of {shown(item_id)}", weight, example=0.5)
        gross = sum(abs(weight) for weight in self.weights.values())
        if gross == 0:
            raise UsageError("a portfolio holds something; every weight is 0. Give one item a weight, such as 0.5.")
        if gross > MOST:
            raise UsageError(
                f"weights are shares of the value, not money; these add up to {gross:g} in size. Write 40% or 0.4."
            )

    def over(self, item_ids: Sequence[str]) -> dict[str, float]:
        """The weights other than 0 among the items of a forecast; raises `UsageError` for items that are not there."""
        if isinstance(self.weights, str):
            return dict.fromkeys(item_ids, 1 / len(item_ids))
        unknown = [shown(item_id) for item_id in self.weights if item_id not in set(item_ids)]
        if unknown:
            raise UsageError(
                f"a weight belongs to an item of the forecast; {listed(unknown)} is none. It has: "
                f"{likely_first(item_ids, unknown[0])}. Rename it, or leave it out."
            )
        return {item_id: float(weight) for item_id, weight in self.weights.items() if weight}


def read_weights(path: Path) -> dict[str, float]:
    """The weights of a CSV file: an item and its weight in each line, such as `AAPL,0.4` or `AAPL;40%`.

    A first line such as `ticker,weight` is a header; below one, the columns of those names are read, or the first two.
    Raises `DataError` for a line without a weight, a weight that is no finite number, or an item that is named twice,
    and `UnreadableSource` for what is no such file.
    """
    weights: dict[str, float] = {}
    columns: tuple[int, int] | None = None
    for line, whole in _lines(path):
        if columns is None and not weights and len(whole) > 1 and _weight(whole[1]) is None and _is_header(whole):
            columns = _columns(whole)
            continue
        cells = whole if columns is None else [whole[at] if at < len(whole) else "" for at in columns]
        more = [cell for cell in cells[2:] if _weight(cell) is not None]
        if more:
            raise DataError(
                f"a line holds one item and its weight; line {line} of '{path}' has {shown(more[0])} after them. Write "
                "each item in a line of its own, and a decimal sign as a point."
            )
        if len(cells) < 2 or not cells[0]:
            raise DataError(f"a line holds an item and its weight; line {line} of '{path}' does not. Complete it.")
        item_id, weight = cells[0], _weight(cells[1])
        if weight is None:
            raise DataError(
                f"a weight is a number such as 0.4 or 40%; line {line} of '{path}' has {shown(cells[1])}. Correct it."
            )
        if item_id in weights:
            raise DataError(f"an item has one weight; line {line} of '{path}' repeats {shown(item_id)}. Drop one.")
        weights[item_id] = weight
    if not weights:
        raise DataError(f"a portfolio holds something; '{path}' has no weights. Write lines such as AAPL,0.4.")
    return weights


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not blank, from 1, as cells."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a device or a pipe may have no end
            raise UnreadableSource(f"weights are 'equal' or a CSV file; '{path}' is no file. Give another.")
        if path.stat().st_size > _LARGEST:
            raise UnreadableSource(f"a file of weights is small; '{path}' has over 10 MB. Give another file.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UnreadableSource(
            f"weights are 'equal' or a CSV file; '{path}' cannot be read ({why}). Give another file."
        ) from None
    separator = max("\t;,", key=text.partition("\n")[0].count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise UnreadableSource(f"weights are a CSV file; '{path}' is none ({error}). Give another file.") from None
    return [(line, [clean(cell) for cell in row]) for line, row in enumerate(rows, 1) if any(map(str.strip, row))]


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the cells name columns; an item with a weight that cannot be read does not."""
    words = _words(cells)
    return words[0] in _ITEM_WORDS or not _WEIGHT_WORDS.isdisjoint(words)


def _columns(header: Sequence[str]) -> tuple[int, int]:
    """Which columns hold the items and the weights: those that are named so, else the first two."""
    words = _words(header)
    weight = next((at for at, word in enumerate(words) if word in _WEIGHT_WORDS), 1)
    item = next((at for at, word in enumerate(words) if word in _ITEM_WORDS and at != weight), 0)
    return (item, weight) if item != weight else (1 - weight, weight)


def _words(cells: Sequence[str]) -> list[str]:
    return [re.sub(r"[^a-z]", "", cell.lower()) for cell in cells]


def _weight(cell: str) -> float | None:
    """The weight in a cell, or None."""
    number, per_cent = cell.removesuffix("%").strip(), cell.endswith("%")
    try:
        weight = math.nan if "_" in number else float(number.translate(_SIGNS)) / (100 if per_cent else 1)
    except ValueError:
        return None
    return weight if math.isfinite(weight) else None
