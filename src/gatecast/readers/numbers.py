"""From number cells to floats; all cells together decide the decimal sign, the thousands separator and the currency."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid, matches
from gatecast.text import shown

BLANKS = (
    "", "nan", "null", "none", "n/a", "#n/a", "na", "<na>", "nat", "-", "--", ".", "?", "missing", "#n/a n/a",
    "nd", "n.d.", "n.a.", "..", "...", "…", "no data", "holiday", "bank holiday", "market holiday", "closed",
)  # fmt: skip
_INFINITE = ("inf", "+inf", "-inf", "infinity", "-infinity", "+infinity")
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d*)?([eE][+-]?\d{1,3})?$"  # 1.234,56
_DOT = r"^[+-]?(\d{1,3}(,\d{3})+(\.\d*)?|\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"  # 1,234.56
# Spellings that have a single meaning: 12,5 and 1.234,56 or 1.234.567; 12.5 and 1,234.56 or 1,234,567.
_SAYS_COMMA = r"^[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|\d{4,},\d*|\d{1,3}(\.\d{3})+,\d*|\d{1,3}(\.\d{3}){2,})$"
_SAYS_DOT = r"^[+-]?(\d*\.(\d{1,2}|\d{4,})|0?\.\d+|\d{4,}\.\d*|\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,})$"
_MONEY = "[$€£¥₹]|USD|EUR|GBP|JPY|CHF"


@dataclass(frozen=True)
class Numbers:
    """Values of a column: NaN where blank or unreadable; `unreadable` marks cells that hold no number."""

    values: np.ndarray
    unreadable: np.ndarray


def read_numbers(grid: Grid, wanted: list[int], volumes: set[int]) -> dict[int, Numbers]:
    """The wanted columns as floats; raises `UnreadableSource` where the decimal sign is unclear."""
    cells = {at: _tidy(grid, at, at in volumes) for at in wanted}
    votes = {at: _votes(text) for at, text in cells.items() if isinstance(text, pa.ChunkedArray)}
    commas, dots = sum(comma for comma, _ in votes.values()), sum(dot for _, dot in votes.values())
    numbers: dict[int, Numbers] = {}
    for at, text in cells.items():
        if isinstance(text, np.ndarray):
            numbers[at] = Numbers(text, np.zeros(len(text), bool))
            continue
        comma, dot = votes[at] if votes[at] != (0, 0) else (commas, dots)
        if comma == dot == 0 and at not in volumes:
            _refuse_unclear(grid, at, text)
        numbers[at] = _convert(text, comma > dot, at in volumes)
    return numbers


def _refuse_unclear(grid: Grid, at: int, text: pa.ChunkedArray) -> None:
    """Refuse `1,234`, which may be 1234 or 1.234, where no cell of the file decides it."""
    unclear = matches(text, r"^[+-]?\d{1,3},\d{3}$")
    if unclear.any():
        row = int(unclear.argmax())
        raise UnreadableSource(
            f"a comma must be clearly a decimal sign or a thousands separator; {grid.place(row)} has "
            f"{grid.text(at, row)} in column {shown(grid.names[at][0])}, and no cell of the source decides it. "
            "Write decimals with a dot and no thousands separator."
        )


def _tidy(grid: Grid, at: int, volume: bool) -> pa.ChunkedArray | np.ndarray:
    """Trimmed text without currency signs and spaces in numbers; a numeric column of a frame unchanged."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        return column.astype(np.float64) if column.dtype.kind == "f" else np.full(len(column), np.nan)
    text = pc.utf8_trim_whitespace(column)
    if matches(text, _PLAIN).all():
        return text
    # A sign on a few cells only is a stray byte or another currency: such cells stay unreadable.
    if matches(text, f"^[+-]?({_MONEY})|({_MONEY})$").sum() > 0.5 * (~_among(text, BLANKS)).sum():
        text = pc.replace_substring_regex(text, rf"^([+-]?)({_MONEY})\s*|\s*({_MONEY})$", r"\1")
        grid.findings.note(f"ignored the currency sign in column {shown(grid.names[at][0])}.")
    text = pc.replace_substring(text, "\u2212", "-")  # the minus sign of typesetting
    for _ in range(2):  # 1 234 567: a match consumes its digits, so the second pass gets every other space
        text = pc.replace_substring_regex(text, "(\\d)[ '\u2019\u00a0\u202f](\\d{3})", r"\1\2")
    return pc.replace_substring(text, " ", "") if volume else text


def _votes(text: pa.ChunkedArray) -> tuple[int, int]:
    """How many cells can only be read with a decimal comma, and how many only with a dot."""
    if not matches(text, r",|\.\d{3}(\.|$)").any():
        return 0, int(matches(text, r"\.").any())
    return int(matches(text, _SAYS_COMMA).sum()), int(matches(text, _SAYS_DOT).sum())


def _among(text: pa.ChunkedArray, words: Sequence[str]) -> np.ndarray:
    return np.asarray(pc.is_in(text, value_set=pa.array(words, type=text.type)), dtype=bool)


def _convert(text: pa.ChunkedArray, comma: bool, volume: bool) -> Numbers:
    if not comma:
        with suppress(pa.ArrowInvalid):  # most columns are plain numbers, which arrow reads fast
            plain = np.array(pc.cast(text, pa.float64()), dtype=np.float64)
            if np.isfinite(plain).all():
                return Numbers(plain, np.zeros(len(plain), bool))
    scale = np.ones(len(text))
    lower = pc.utf8_lower(text)
    blank, infinite = _among(lower, BLANKS), _among(lower, _INFINITE)
    if volume:  # 1.2M shares
        for letter, factor in (("k", 1e3), ("m", 1e6), ("b", 1e9)):
            scale[matches(lower, rf"\d{letter}$")] = factor
        text = pc.replace_substring_regex(text, r"(\d)[kmbKMB]$", r"\1")
    good = matches(text, _COMMA if comma else _DOT)
    if comma:
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    else:
        text = pc.replace_substring(text, ",", "")
    good &= matches(text, _PLAIN)
    number = pc.cast(pc.if_else(pa.array(good), text, pa.scalar("nan", type=text.type)), pa.float64())
    values = np.array(number, dtype=np.float64) * scale
    values[infinite] = np.inf
    return Numbers(values, ~good & ~blank & ~infinite)
