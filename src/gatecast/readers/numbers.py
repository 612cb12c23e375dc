"""From number cells to floats; all cells together decide the decimal sign, the thousands separator and the currency."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource, UsageError
from gatecast.readers.cells import Column, Grid, matches
from gatecast.readers.characters import plain_text
from gatecast.readers.names import writes_commas
from gatecast.text import counted, listed, shown

BLANKS = (
    "", "nan", "null", "none", "n/a", "#n/a", "na", "<na>", "nat", "-", "--", ".", "?", "missing", "#n/a n/a",
    "nd", "n.d.", "n.a.", "..", "...", "…", "no data", "holiday", "bank holiday", "market holiday", "closed",
)  # fmt: skip
_INFINITE = ("inf", "+inf", "-inf", "infinity", "-infinity", "+infinity")
_HEAD = 1000  # rows looked at for percentages
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_INDIAN = r"\d{1,2}(,\d{2})+,\d{3}(\.\d*)?"  # 14,88,984 and 1,26,421.44
_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d*)?([eE][+-]?\d{1,3})?$"  # 1.234,56
_DOT = rf"^[+-]?({_INDIAN}|\d{{1,3}}(,\d{{3}})+(\.\d*)?|\d+\.?\d*|\.\d+)([eE][+-]?\d{{1,3}})?$"  # 1,234.56
# Spellings that have a single meaning: 12,5 and 1.234,56 or 1.234.567; 12.5 and 1,234.56 or 1,234,567.
_SAYS_COMMA = r"^[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|\d{4,},\d*|\d{1,3}(\.\d{3})+,\d*|\d{1,3}(\.\d{3}){2,})$"
_SAYS_DOT = (
    rf"^[+-]?({_INDIAN}|\d*\.(\d{{1,2}}|\d{{4,}})|0?\.\d+|\d{{4,}}\.\d*"
    r"|\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,})$"
)
_UNCLEAR_DOT = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
_CURRENCY = (
    r"[A-Za-z]{0,3}[$€£¥₹₩₽₺₴₫₪฿₱₦₡₵₸₮₲﷼¢￥￦]|Kč|zł|Ft|kr\.?|TL|Rs\.?|Fr\.?|S/\.?|lei|лв\.?|руб\.?|р\.|元|円|圓|원|"  # noqa: RUF001
    "(?i:USD|EUR|GBP|GBX|JPY|CHF|CNY|RMB|HKD|TWD|KRW|INR|BRL|MXN|ARS|CLP|COP|PEN|CAD|AUD|NZD|SGD|MYR|THB|IDR|PHP|VND"
    "|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|KZT|ILS|AED|SAR|EGP|ZAR|NGN|KES|PKR|BDT|USDT|USDC|BTC|ETH)"
)
_MAGNITUDES = {
    **{"k": 1e3, "tsd": 1e3, "tys": 1e3, "тыс": 1e3, "千": 1e3, "万": 1e4, "萬": 1e4, "만": 1e4},
    **{"m": 1e6, "mm": 1e6, "mn": 1e6, "mio": 1e6, "mln": 1e6, "млн": 1e6, "b": 1e9, "bn": 1e9, "mrd": 1e9, "mld": 1e9},
    **{"млрд": 1e9, "t": 1e12, "亿": 1e8, "億": 1e8, "억": 1e8, "lakh": 1e5, "lac": 1e5, "cr": 1e7, "crore": 1e7},
}
_MAGNITUDE = rf"(?i:{'|'.join(sorted(_MAGNITUDES, key=len, reverse=True))})\.?"
# Rand before a number, pence and the percents of bonds after it: signs in a column of prices alone.
_BEFORE, _AFTER = rf"{_CURRENCY}|R", rf"{_CURRENCY}|p|%"
_SPACES = " '\u2019\u00a0\u202f\u2009\u2007"  # between groups of digits
_S = "[\\s\u00a0\u202f\u2009\u2007]*"  # \s of arrow's expressions is ASCII
LIKE_NUMBER = (
    rf"^[-+]?{_S}({_CURRENCY})?{_S}[-+]?[\d.,{_SPACES}]*\d[\d.,{_SPACES}]*([eE][-+]?\d+)?"
    rf"{_S}({_MAGNITUDE}|{_CURRENCY})?$"
)


@dataclass(frozen=True)
class Numbers:
    """Values of a column: NaN where blank or unreadable; `unreadable` marks cells that hold no number."""

    values: np.ndarray
    unreadable: np.ndarray


@dataclass(frozen=True)
class _Cells:
    """Tidy text of a column, and by how much each number is to be multiplied: 1e6 for 1.2M."""

    text: pa.ChunkedArray
    scale: np.ndarray | float = 1.0


def read_numbers(grid: Grid, wanted: list[int], volumes: set[int]) -> dict[int, Numbers]:
    """The wanted columns as floats; raises `UnreadableSource` where the decimal sign is unclear, and `UsageError` where
    one is given for what is no text.
    """
    if grid.options.decimal is not None and not grid.any_text(wanted):
        raise UsageError(
            f'decimal="{grid.options.decimal}" says how text is to be read; the prices of this source are numbers. '
            "Leave it out."
        )
    numbers: dict[int, Numbers] = {}
    cells: dict[int, _Cells] = {}
    votes: dict[int, tuple[int, int]] = {}
    signs_of: dict[str, list[int]] = {}  # of each currency sign its columns
    for at in wanted:
        column = grid.columns[at]
        plain = _plain(column, grid.options.decimal)
        if plain is None and isinstance(column, pa.ChunkedArray):
            cells[at] = _tidy(grid, at, column, at in volumes, signs_of)
            votes[at] = _votes(cells[at].text)
        elif plain is not None:
            numbers[at] = Numbers(plain, np.broadcast_to(np.False_, len(plain)))  # takes no memory
            if isinstance(column, pa.ChunkedArray):
                says_comma = int(matches(column[:40], ",").any())
                votes[at] = (says_comma, 1 - says_comma)
    _note_signs(grid, signs_of)
    commas, dots = sum(comma for comma, _ in votes.values()), sum(dot for _, dot in votes.values())
    undecided: dict[int, pa.ChunkedArray] = {}
    for at, tidy in cells.items():
        comma, dot = votes[at] if votes[at] != (0, 0) else (commas, dots)
        if grid.options.decimal is not None:
            comma, dot = (1, 0) if grid.options.decimal == "," else (0, 1)
        if comma == dot == 0 and at not in volumes:
            _refuse_unclear(grid, at, tidy.text)
            undecided[at] = tidy.text
        numbers[at] = _convert(tidy, comma > dot)
        if grid.options.decimal is not None:
            _check_sign(grid, at, tidy, numbers[at])
    _note_unclear(grid, undecided)
    return numbers


def _check_sign(grid: Grid, at: int, cells: _Cells, given: Numbers) -> None:
    """Refuse a decimal sign that most cells which are numbers do not have: dropping their rows would be no remedy."""
    other = _convert(cells, grid.options.decimal == ".")
    wrong = given.unreadable & ~other.unreadable
    if 2 * int(wrong.sum()) > int((~other.unreadable).sum()):
        row, sign = int(wrong.argmax()), "," if grid.options.decimal == "." else "."
        raise UnreadableSource(
            f"numbers must have the decimal sign that is given; {grid.place(row)} has {grid.text(at, row)} in column "
            f'{shown(grid.names[at][0])}. Pass decimal="{sign}" or leave it out.'
        )


def look_like_numbers(column: Column) -> bool:
    """Whether most filled cells look like numbers; a blank column counts as an asset without prices."""
    if _plain(column) is not None:
        return isinstance(column, pa.ChunkedArray) or column.dtype.kind == "f"
    text = plain_text(pc.utf8_trim_whitespace(column))
    filled = ~_among(pc.utf8_lower(text), BLANKS)
    return bool(2 * matches(text, LIKE_NUMBER).sum() >= filled.sum())


def holds_percentages(name: str, column: Column) -> bool:
    """Whether a column holds percent changes, which are no prices: by its name, or by `%` in most cells."""
    if "%" in name or re.search(r"(^|[^a-z])(pct|percent|percentage)([^a-z]|$)", name.lower()):
        return True
    if not isinstance(column, pa.ChunkedArray):
        return False
    head = column[:_HEAD]
    return bool(2 * matches(head, r"\d\s*%\s*$").sum() > len(head))


def _plain(column: Column, decimal: str | None = None) -> np.ndarray | None:
    """The values of a numeric column, or of text whose decimal sign is given or beyond doubt."""
    if isinstance(column, np.ndarray):
        return column.astype(np.float64, copy=False) if column.dtype.kind == "f" else np.full(len(column), np.nan)
    head = column.filter(pc.not_equal(column, ""))[:40]
    if decimal == "," or (decimal is None and matches(head, _SAYS_COMMA).any()):
        if pc.any(pc.match_substring(column, ".")).as_py():
            return None
        column = pc.replace_substring(column, ",", ".")
    elif decimal is None and not matches(head, _SAYS_DOT).any():
        return None
    blank = pc.equal(column, "")
    with suppress(pa.ArrowInvalid):  # most columns are plain numbers, which arrow reads fast
        plain = np.array(
            pc.cast(pc.if_else(blank, pa.scalar(None, column.type), column), pa.float64()), dtype=np.float64
        )
        if (np.isfinite(plain) | np.asarray(blank)).all():
            return plain
    return None


def _refuse_unclear(grid: Grid, at: int, text: pa.ChunkedArray) -> None:
    """Refuse `1,234`, which may be 1234 or 1.234, where no cell of the file decides it.

    `1.234` is refused beside names of columns in a language that writes decimals with a comma.
    """
    unclear, sign = matches(text, r"^[+-]?\d{1,3},\d{3}$"), "comma"
    if not unclear.any() and any(writes_commas(names[0]) for names in grid.names):
        unclear, sign = matches(text, _UNCLEAR_DOT), "dot"
    if unclear.any():
        row = int(unclear.argmax())
        raise UnreadableSource(
            f"a {sign} must be clearly a decimal sign or a thousands separator; {grid.place(row)} has "
            f"{grid.text(at, row)} in column {shown(grid.names[at][0])}, and no cell of the source decides it. "
            'Pass decimal="," where a comma is the decimal sign, or decimal="." where a dot is.'
        )


def _note_unclear(grid: Grid, columns: Mapping[int, pa.ChunkedArray]) -> None:
    """Say that `1.234` is read with a decimal sign, where no cell of the file decides it: of all columns a note."""
    for at, text in columns.items():
        unclear = matches(text, _UNCLEAR_DOT)
        if unclear.any():
            cell, column = grid.text(at, int(unclear.argmax())), shown(grid.names[at][0])
            other = f" and {counted(len(columns) - 1, 'other column')}" if len(columns) > 1 else ""
            grid.findings.note(
                f"read {cell} in column {column}{other} with a dot as decimal sign; pass "
                'decimal="," if it divides thousands.'
            )
            return


def _note_signs(grid: Grid, signs_of: Mapping[str, list[int]]) -> None:
    """Say of each currency sign where it was, in a single note."""
    for sign, columns in signs_of.items():
        labels = listed([shown(grid.names[at][0]) for at in columns])
        what = "the sign '%' of prices in per cent" if sign == "%" else f"the currency sign {shown(sign)}"
        grid.findings.note(f"ignored {what} in {'column' if len(columns) == 1 else 'columns'} {labels}.")


def _tidy(grid: Grid, at: int, column: pa.ChunkedArray, volume: bool, signs_of: dict[str, list[int]]) -> _Cells:
    """Trimmed text without currency signs, spaces in numbers and letters such as the M of 1.2M."""
    text = pc.utf8_trim_whitespace(column)
    if matches(text, _PLAIN).all():
        return _Cells(text)
    filled = int((~_among(pc.utf8_lower(text), BLANKS)).sum())
    text = plain_text(text)
    text = _without_currency(at, text, filled, signs_of)
    for _ in range(2):  # 1 234 567: a match consumes its digits, so the second pass gets every other space
        text = pc.replace_substring_regex(text, rf"(\d)[{_SPACES}](\d{{3}})", r"\1\2")
    if volume:
        text = pc.replace_substring(text, " ", "")
    found = matches(text, rf"\d\s*{_MAGNITUDE}$")
    if not found.any() or (not volume and 2 * found.sum() <= filled):
        return _Cells(text)  # of prices, a few with a letter are slips, and stay unreadable
    words = pc.struct_field(pc.extract_regex(text, rf"\d\s*(?P<word>{_MAGNITUDE})$"), "word").to_pylist()
    scale = np.array([1.0 if word is None else _MAGNITUDES[word.lower().rstrip(".")] for word in words])
    if not volume:
        row = int(found.argmax())
        grid.findings.note(
            f"read {grid.text(at, row)} in column {shown(grid.names[at][0])} as a multiple of {scale[row]:,.0f}."
        )
    return _Cells(pc.replace_substring_regex(text, rf"(\d)\s*{_MAGNITUDE}$", r"\1"), scale)


def _without_currency(at: int, text: pa.ChunkedArray, filled: int, signs_of: dict[str, list[int]]) -> pa.ChunkedArray:
    """Cells without the currency sign that most of them have, before or after the number; `signs_of` keeps it."""
    for before in (True, False):
        pattern = rf"^[+-]?\s*(?P<sign>{_BEFORE})\s*[+-]?[.,]?\d" if before else rf"\d[.,]?\s*(?P<sign>{_AFTER})$"
        if not matches(text, pattern).any():
            continue
        signs = pc.drop_null(pc.struct_field(pc.extract_regex(text, pattern), "sign"))
        sign, times = Counter(signs.to_pylist()).most_common(1)[0]
        # A sign on a few cells only is a stray byte or another currency: such cells stay unreadable.
        if 2 * times > filled:
            escaped = re.escape(sign)
            strip = rf"^([+-]?)\s*{escaped}\s*" if before else rf"()\s*{escaped}$"
            text = pc.replace_substring_regex(text, strip, r"\1")
            signs_of.setdefault(sign, []).append(at)
    return text


def _votes(text: pa.ChunkedArray) -> tuple[int, int]:
    """How many cells can only be read with a decimal comma, and how many only with a dot."""
    if not matches(text, r",|\.\d{3}(\.|$)").any():
        return 0, int(matches(text, r"\.").any())
    return int(matches(text, _SAYS_COMMA).sum()), int(matches(text, _SAYS_DOT).sum())


def _among(text: pa.ChunkedArray, words: Sequence[str]) -> np.ndarray:
    return np.asarray(pc.is_in(text, value_set=pa.array(words, type=text.type)), dtype=bool)


def _convert(cells: _Cells, comma: bool) -> Numbers:
    text = cells.text
    lower = pc.utf8_lower(text)
    blank, infinite = _among(lower, BLANKS), _among(lower, _INFINITE)
    good = matches(text, _COMMA if comma else _DOT)
    if comma:
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    else:
        text = pc.replace_substring(text, ",", "")
    good &= matches(text, _PLAIN)
    number = pc.cast(pc.if_else(pa.array(good), text, pa.scalar("nan", type=text.type)), pa.float64())
    values = np.array(number, dtype=np.float64) * cells.scale
    values[infinite] = np.inf
    return Numbers(values, ~good & ~blank & ~infinite)
