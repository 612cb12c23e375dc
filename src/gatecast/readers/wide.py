"""The assets of a table that has columns for each: one of closes, names that join field and asset, two header rows."""

from __future__ import annotations

import re

import numpy as np

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.choices import name_it
from gatecast.readers.date_columns import column_names
from gatecast.readers.fields import Assets, Fields, fields_by_name, note_ignored, refuse_without_close
from gatecast.readers.items import refuse_mixed_assets
from gatecast.readers.names import FIELDS, PRICE_WORDS, key, kinds
from gatecast.readers.numbers import look_like_numbers
from gatecast.readers.shapes import MOST_BY_SHAPE, SAMPLE_ROWS, forward, may_be_prices, take_sample
from gatecast.text import clean, listed, shown

_TICKER = 4  # letters: a shorter name of a volume, such as KL or VOL, may be an asset's
_LEAST_COUNTED = 20  # rows; in fewer a price may happen to stand still
_COUNTS_ON = 0.99  # of the steps from row to row, those by one
_VOLUME_SIZE = 1000  # times the usual price of a table


def flattened(grid: Grid, rest: list[int]) -> Assets:
    """Assets of columns whose names join field and asset, as `AAPL.Close` and `Close_AAPL` do; or none."""
    split: dict[str, dict[int, str]] = {}
    example = ""
    for at in rest:
        label = re.sub(r"[()'\"]", "", grid.names[at][0])
        for joint in re.finditer(r"[,_.\s:|/-]+", label):
            left, right = label[: joint.start()], label[joint.end() :]
            ways = [(item, key(word)) for word, item in ((left, right), (right, left)) if len(key(word)) > 1]
            found = next(((item, word) for item, word in ways if item and set(kinds(word)) & set(FIELDS)), None)
            if found:
                split.setdefault(found[0].strip(), {})[at] = found[1]
                example = grid.names[at][0]
                break
    columns = sum(map(len, split.values()))
    if columns < 2 or 2 * columns < len(rest):
        return {}
    words = {key(item) for item in split}
    if all(set(kinds(word)) & set(FIELDS) or word in PRICE_WORDS for word in words):
        return {}  # "Price Open" has no asset
    assets = {item: fields for item, names in split.items() if "close" in (fields := fields_by_name(grid, names, {}))}
    if len(assets) != len(split):
        return {}
    if len(assets) == 1:  # whose other fields may have names of their own
        (fields,) = assets.values()
        plain = {at: key(grid.names[at][0]) for at in rest if at not in fields.values()}
        fields.update({**fields_by_name(grid, plain, {}), **fields})
    grid.findings.note(f"read names such as {shown(example)} as a field and its asset.")
    note_ignored(grid, [at for at in rest if not any(at in fields.values() for fields in assets.values())])
    return assets


def wide(grid: Grid, times: list[int], rest: list[int], fields: Fields) -> Assets:
    """A date and a column of closes per asset."""
    assets: Assets = {}
    ignored: list[int] = []
    numeric = dict.fromkeys(at for at in rest if look_like_numbers(grid.columns[at]))
    likely = [at for at in numeric if at not in fields.values()]
    if not (set(rest) - set(fields.values())) or len(set(fields) & {"open", "high", "low", "volume"}) > 1:
        rest = []
    no_asset = _counts(grid, list(numeric), times) if rest else set()
    if (volume := fields.get("volume")) is not None and (len(key(grid.names[volume][0])) > _TICKER or not likely):
        no_asset.add(volume)
    for at in rest:
        label = grid.names[at][0]
        if not label or at not in numeric or at in no_asset:
            ignored.append(at)
        elif label in assets:
            raise UnreadableSource(
                f"each asset needs a name of its own; two columns are named {shown(label)}. Rename a column."
            )
        else:
            assets[label] = {"close": at}
    if not assets:
        refuse_without_close(grid, likely)
    if len(assets) == 1:
        (only,) = assets.values()
        refuse_mixed_assets(grid, times, only["close"], [at for at in rest if at != only["close"]])
    note_ignored(grid, ignored)
    _note_single(grid, times, assets)
    return assets


def _counts(grid: Grid, columns: list[int], times: list[int]) -> set[int]:
    """The columns beside prices that hold a whole number which never changes or only counts on: a nominal, a number."""
    if not 2 <= len(columns) <= MOST_BY_SHAPE or len(grid) < _LEAST_COUNTED:
        return set()
    ends = np.unique(np.append(np.arange(len(grid))[:SAMPLE_ROWS], np.arange(len(grid))[-SAMPLE_ROWS:]))
    values = take_sample(grid, columns, ends, forward(grid, times)).values
    steps = {at: np.diff(column[np.isfinite(column)]) for at, column in values.items()}
    whole = {at for at, column in values.items() if not (np.nan_to_num(column) % 1).any()}
    found = {
        at
        for at in whole
        if len(steps[at])
        and (not steps[at].any() or max((steps[at] == 1).mean(), (steps[at] == -1).mean()) > _COUNTS_ON)
    }
    return found if len(found) < len(columns) else set()


def _note_single(grid: Grid, times: list[int], assets: Assets) -> None:
    """Say so where columns that are read as an asset each look like one asset's prices, or like its volume."""
    if not 2 <= len(assets) <= MOST_BY_SHAPE:
        return
    columns = {item: fields["close"] for item, fields in assets.items()}
    rows = np.arange(min(len(grid), SAMPLE_ROWS))
    sample = take_sample(grid, columns.values(), rows, forward(grid, times))
    if order := may_be_prices(sample):
        high, low, close = (grid.names[order[name]][0] for name in ("high", "low", "close"))
        grid.findings.note(
            f"read {len(assets)} columns as an asset each; {shown(high)} is the highest and {shown(low)} the lowest in "
            f"every row: if they are one asset's, pass {name_it('close', close)}."
        )
        return
    values = {item: sample.values[at] for item, at in columns.items()}
    sizes = {item: float(np.median(cells)) for item, column in values.items() if len(cells := column[column > 0])}
    usual = float(np.median(list(sizes.values()))) if sizes else 0.0
    large = [item for item, size in sizes.items() if size > _VOLUME_SIZE * usual and not (values[item] % 1).any()]
    if large:
        prices = next(item for item in columns if item not in large)
        grid.findings.note(
            f"read {len(assets)} columns as an asset each; {shown(large[0])} looks like a volume: if they are one "
            f"asset's, pass {name_it('close', prices)}."
        )


def two_levels(grid: Grid, rest: list[int]) -> Assets:
    """Two header rows, as yfinance writes them: the field and the asset, in either order."""
    pairs = {at: grid.names[at] for at in rest if len(grid.names[at]) > 1}
    share = [sum(bool(set(kinds(key(pair[level]))) & set(FIELDS)) for pair in pairs.values()) for level in (0, 1)]
    field_level = int(share[1] > share[0])
    wanted = {key(word): field for field, word in grid.options.columns().items() if field not in ("date", "item")}
    items: dict[str, dict[int, str]] = {}
    for at, pair in pairs.items():
        items.setdefault(clean(pair[1 - field_level]), {})[at] = key(pair[field_level])
    found = {
        item: fields_by_name(grid, names, {wanted[name]: at for at, name in names.items() if name in wanted})
        for item, names in items.items()
    }
    assets = {item: fields for item, fields in found.items() if "close" in fields}
    without = [shown(item) for item in found if item not in assets]
    if assets and without:
        grid.findings.note(f"left out {listed(without, 6)}: no column of prices.")
    if not assets:
        raise UnreadableSource(
            f"a table needs prices; no price column among {column_names(grid)}. Name a column 'Close' for each asset, "
            f"or pass {name_it('close', next(iter(pairs.values()))[field_level])}."
        )
    return assets
