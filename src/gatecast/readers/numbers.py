"""From number cells to floats; all cells together decide the decimal sign, the thousands separator and the currency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.findings import Findings
from gatecast.text import shown

BLANKS = (
    "", "nan", "null", "none", "n/a", "#n/a", "na", "<na>", "nat", "-", "--", ".", "?", "missing", "#n/a n/a",
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


def read_numbers(grid: Grid, wanted: list[int], volumes: set[int], findings: Findings) -> dict[int, Numbers]:
    """The wanted columns as floats; raises `UnreadableSource` where the decimal sign is unclear."""
    cells = {at: _tidy(grid, at, at in volumes, findings) for at in wanted}
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
    unclear = np.asarray(pc.match_substring_regex(text, r"^[+-]?\d{1,3},\d{3}$"), dtype=bool)
    if unclear.any():
        row = int(unclear.argmax())
        raise UnreadableSource(
            f"a comma must be clearly a decimal sign or a thousands separator; {grid.place(row)} has "
            f"{grid.text(at, row)} in column {shown(grid.names[at][0])}, and no cell of the source decides it. "
            "Write decimals with a dot and no thousands separator."
        )


def _tidy(grid: Grid, at: int, volume: bool, findings: Findings) -> pa.ChunkedArray | np.ndarray:
    """Trimmed text without currency signs and spaces in numbers; a numeric column of a frame unchanged."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        return column.astype(np.float64) if column.dtype.kind == "f" else np.full(len(column), np.nan)
    text = pc.utf8_trim_whitespace(column)
    if pc.all(pc.match_substring_regex(text, _PLAIN)).as_py():
        return text
    money = pc.match_substring_regex(text, f"^[+-]?({_MONEY})|({_MONEY})$")
    filled = pc.invert(pc.is_in(text, value_set=pa.array(BLANKS, type=text.type)))
    # A sign on a few cells only is a stray byte or another currency: such cells stay unreadable.
    if pc.sum(money).as_py() > 0.5 * (pc.sum(filled).as_py() or 0):
        text = pc.replace_substring_regex(text, rf"^([+-]?)({_MONEY})\s*|\s*({_MONEY})$", r"\1")
        findings.note(f"ignored the currency sign in column {shown(grid.names[at][0])}.")
    text = pc.replace_substring(text, "\u2212", "-")  # the minus sign of typesetting
    for _ in range(2):  # 1 234 567: a match consumes its digits, so the second pass gets every other space
        text = pc.replace_substring_regex(text, "(\\d)[ '\u2019\u00a0\u202f](\\d{3})", r"\1\2")
    return pc.replace_substring(text, " ", "") if volume else text


def _votes(text: pa.ChunkedArray) -> tuple[int, int]:
    """How many cells can only be read with a decimal comma, and how many only with a dot."""
    if (
        not pc.any(pc.match_substring(text, ",")).as_py()
        and not pc.any(pc.match_substring_regex(text, r"\.\d{3}(\.|$)")).as_py()
    ):
        return (0, 1) if pc.any(pc.match_substring(text, ".")).as_py() else (0, 0)
    comma = pc.sum(pc.match_substring_regex(text, _SAYS_COMMA)).as_py() or 0
    dot = pc.sum(pc.match_substring_regex(text, _SAYS_DOT)).as_py() or 0
    return int(comma), int(dot)


def _convert(text: pa.ChunkedArray, comma: bool, volume: bool) -> Numbers:
    if not comma:
        try:  # most columns are plain numbers, which arrow reads fast
            plain = np.array(pc.cast(text, pa.float64()), dtype=np.float64)
        except pa.ArrowInvalid:
            pass
        else:
            if np.isfinite(plain).all():
                return Numbers(plain, np.zeros(len(plain), bool))
    scale = np.ones(len(text))
    lower = pc.utf8_lower(text)
    blank = np.asarray(pc.is_in(lower, value_set=pa.array(BLANKS, type=text.type)), dtype=bool)
    infinite = np.asarray(pc.is_in(lower, value_set=pa.array(_INFINITE, type=text.type)), dtype=bool)
    if volume:  # 1.2M shares
        for letter, factor in (("k", 1e3), ("m", 1e6), ("b", 1e9)):
            scale[np.asarray(pc.match_substring_regex(lower, rf"\d{letter}$"), dtype=bool)] = factor
        text = pc.replace_substring_regex(text, r"(\d)[kmbKMB]$", r"\1")
    if comma:
        good = pc.match_substring_regex(text, _COMMA)
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    else:
        good = pc.match_substring_regex(text, _DOT)
        text = pc.replace_substring(text, ",", "")
    good = pc.and_(good, pc.match_substring_regex(text, _PLAIN))
    number = pc.cast(pc.if_else(good, text, pa.scalar("nan", type=text.type)), pa.float64())
    values = np.array(number, dtype=np.float64) * scale
    values[infinite] = np.inf
    read = np.asarray(good, dtype=bool)
    return Numbers(values, ~read & ~blank & ~infinite)
