"""From an item's rows to its `PriceSeries`: safe repairs are made and noted, unsafe ones are problems as well."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from gatecast.notes import Note
from gatecast.prices import PriceSeries, stamp_text
from gatecast.readers.diagnostics import diagnose
from gatecast.readers.live_rows import merge_live_row
from gatecast.readers.misdated_bars import drop_misdated_bars
from gatecast.readers.names import normalized
from gatecast.readers.rows import ItemRows
from gatecast.readers.splits import match_close, repair_splits
from gatecast.text import counted, shown

_SLIP = np.log10(1.3)  # a slip of 10x lands within 30% of ten times its neighbours
_LONGEST_SLIP = 5  # rows; a longer stay at ten times the price is no slip of the decimal point
_LEAST, _MOST = 1e-100, 1e100  # beyond, ratios of prices would leave the range of a float
_ENDED = 10  # blank rows; after more of them an item is no day late: it has ended
_DAILY = 20 * 3_600_000_000_000  # nanoseconds at least from row to row, in the median, of daily rows
_FAR = 7.0  # an open or close this many times outside [low, high] is an error, not rounding or a late quote
_TENTH = 7.0  # times; a price that lost its last digit before the decimal point is 10 to 20 times smaller


def repair_item(item: ItemRows, calendar: str | None = None) -> PriceSeries | None:
    """The checked series of an item, or None where it has no price; problems go to its findings."""
    _drop_blank_columns(item)
    _sort(item)
    _drop_days_without_trade(item)
    _drop_duplicates(item)
    _trim_blank_ends(item)
    _drop_time_of_day(item)
    _take_averages(item)
    _check_closes(item)
    if len(item.stamps) == 0:
        item.grid.findings.note(f"left out {shown(item.item_id)}: it has no price.")
        item.grid.findings.notes.extend(Note(note.kind, str(note)) for note in item.notes)
        return None
    _check_last_line(item)
    _check_other_prices(item)
    _fill_volume(item)
    for name in ("open", "high", "low", "close", "adj_close"):
        if name in item.values:
            _move_decimal_points(item, name)
    merge_live_row(item)
    _drop_time_of_day(item)
    match_close(item)
    _widen_range(item)
    drop_misdated_bars(item)
    adjusted = _adjust(item)
    if item.grid.findings.repair and not adjusted:
        repair_splits(item)
    for remark, row in diagnose(item.stamps, item.values, adjusted=adjusted, calendar=calendar):
        item.note(remark, row)
    last = stamp_text(item.stamps[-1])  # of a live row, which was moved, the day it has now
    notes = tuple(replace(note, since=min(note.since, last)) for note in item.notes)
    item.freeze()
    columns: dict[str, Any] = item.values
    return PriceSeries(item_id=item.item_id, timestamps=item.stamps, **columns, notes=notes)


def _drop_blank_columns(item: ItemRows) -> None:
    """Ignore a column beside the close that is mostly blank."""
    priced = ~np.isnan(item.values["close"])
    for name in [name for name in item.values if name != "close"]:
        missing = np.isnan(item.values[name]) & ~item.unreadable[name]
        if 2 * int((missing & priced).sum()) > int(priced.sum()):
            del item.values[name], item.unreadable[name]
            item.note(f"ignored column {name}: more than half of it is blank.")
        elif name == "volume" and 2 * int((item.unreadable[name] & priced).sum()) > int(priced.sum()):
            row = int(item.unreadable[name].argmax())
            item.note(f"ignored column volume: more than half of it is no number, such as {item.text(name, row)}.")
            del item.values[name], item.unreadable[name]


def _sort(item: ItemRows) -> None:
    """Rows by date, those of a date in the order of the source."""
    if (item.stamps[1:] < item.stamps[:-1]).any():
        item.note(f"sorted {counted(len(item.stamps), 'row')} by date.")
        item.take(np.argsort(item.stamps, kind="stable"))


def _drop_days_without_trade(item: ItemRows) -> None:
    """Drop rows between prices that are blank in every field: on such a day others traded and this item did not."""
    blank = np.ones(len(item.stamps), dtype=bool)
    for name, values in item.values.items():
        blank &= (np.isnan(values) & ~item.unreadable[name]) | ((name == "volume") & (values == 0))
    priced = _span(~blank)
    if priced is not None:
        blank[: priced.start] = blank[priced.stop :] = False  # `_trim_blank_ends` tells of these
        if blank.any():
            item.grid.findings.without_trade.append((item.item_id, int(blank.sum()), item.place(int(blank.argmax()))))
            item.take(~blank)


def _drop_duplicates(item: ItemRows) -> None:
    """Drop rows that repeat the row before; of rows that differ on a date, the last is kept with `repair`."""
    same = _repeated(item.stamps)
    if not same.any():
        return
    for name, values in item.values.items():
        unreadable = item.unreadable[name]
        equal = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
        same[1:] &= equal & (unreadable[1:] == unreadable[:-1])
    if same.any():
        item.note(f"dropped {counted(int(same.sum()), 'exact duplicate row')}.", int(same.argmax()))
        item.take(~same)
    repeated = _repeated(item.stamps)
    item.problem(
        repeated,
        rule="an item must have a single row per date",
        has="another row with other values",
        repair="keep the last row of each date",
        done="kept the last of conflicting rows in place of {rows}",
    )
    item.take(~np.append(repeated[1:], False))


def _repeated(stamps: np.ndarray) -> np.ndarray:
    """Which rows have the date of the row before."""
    return np.concatenate([[False], stamps[1:] == stamps[:-1]])


def _trim_blank_ends(item: ItemRows) -> None:
    """Drop blank rows before the first and after the last price: an asset not yet listed, a bar not yet closed."""
    filled = _span(~np.isnan(item.values["close"]) | item.unreadable["close"])
    if filled is not None:
        first, last = filled.start, filled.stop - 1
        for count, where in ((first, "before the first"), (len(item.stamps) - 1 - last, "after the last")):
            if count:
                after = where == "after the last"
                end = f", that of {stamp_text(item.stamps[last])}: its forecast goes on from there."
                text = f"dropped {counted(count, 'blank row')} {where} price"
                item.note(text + (end if after and count > _ENDED else "."), last if after else None)
                if not after:
                    item.grid.findings.not_yet[item.notes[-1]] = (item.item_id, count)
    item.take(filled or slice(0))


def _span(mask: np.ndarray) -> slice | None:
    """The rows from the first to the last of a mask; None where it has none."""
    return slice(int(mask.argmax()), len(mask) - int(mask[::-1].argmax())) if mask.any() else None


def _drop_time_of_day(item: ItemRows) -> None:
    """Daily rows stamped with an hour (16:00, 14:30 in UTC) get the date alone."""
    steps = np.diff(item.stamps.view(np.int64))
    if len(steps) == 0 or (steps < _DAILY).mean() > 0.5 or np.median(steps) < _DAILY:
        return
    days = item.stamps.astype("datetime64[D]").astype("datetime64[ns]")
    if (days != item.stamps).any() and (np.diff(days) > np.timedelta64(0, "ns")).all():
        item.stamps = days
        item.note("removed the time of day from daily rows.")


def _take_averages(item: ItemRows) -> None:
    """In CRSP's column PRC a negative close is the average of bid and ask on a day without a trade."""
    close = item.values["close"]
    average = close < 0
    if average.any() and normalized(item.grid.names[item.fields["close"]][-1]) == "prc":
        item.values["close"] = np.abs(close)
        rows = counted(int(average.sum()), "negative close")
        text = f"took {rows} as CRSP writes averages of bid and ask, without the sign: {item.places(average)}."
        item.note(text, int(average.argmax()))


def _check_closes(item: ItemRows) -> None:
    """A close or adjusted close that is no price: `repair` drops its row."""
    for name in ("close", "adj_close"):
        if name in item.values:
            item.take(_check(item, name, "drop such rows", f"dropped {{rows}} for an unusable {name}"))


def _check_last_line(item: ItemRows) -> None:
    """A file's last line whose price is about a tenth of its neighbour's, 6 for 67.44, and has no line end."""
    if item.grid.ended or item.rows[0] == item.rows[-1]:
        return
    close, cut = item.values["close"], np.zeros(len(item.stamps), dtype=bool)
    for row, beside in ((0, 1), (-1, -2)):  # where the newest rows stand first, the last line is the oldest
        if item.rows[row] == len(item.grid) - 1:
            ratio = close[beside] / close[row]
            cut[row] = ratio > _TENTH
    if cut.any():
        item.problem(
            cut,
            rule="a file's last line must be whole and end with a line end",
            cells=("close",),
            has=f", {ratio:.0f} times smaller than the row beside it, and no line end",
            repair="drop it",
            done="dropped {rows} as cut off",
        )
        item.take(~cut)


def _check_other_prices(item: ItemRows) -> None:
    """An open, high or low that is no price: `repair` replaces it with the close."""
    for name in ("open", "high", "low"):
        if name in item.values:
            action = f"the {name} with the close"
            good = _check(item, name, f"replace {action}", f"replaced {action} in {{rows}}")
            if not good.all():
                item.values[name] = np.where(good, item.values[name], item.values["close"])


def _check(item: ItemRows, name: str, repair: str, done: str) -> np.ndarray:
    """Which cells of a column are prices; a problem for each rule that the others break."""
    values, unreadable = item.values[name], item.unreadable[name]
    finite = np.isfinite(values)
    usable = np.asarray((values >= _LEAST) & (values <= _MOST))
    for bad, rule in (
        (unreadable, "be a number"),
        (~finite & ~unreadable, "be present and finite inside the history"),
        (finite & (values <= 0), "be positive"),
        (finite & (values > 0) & ~usable, f"lie between {_LEAST:g} and {_MOST:g}"),
    ):
        item.problem(bad, rule=f"{name} must {rule}", cells=(name,), repair=repair, done=done)
    return usable


def _fill_volume(item: ItemRows) -> None:
    """Volumes that are blank, unreadable, infinite or negative become 0: no price depends on them."""
    volume = item.values.get("volume")
    if volume is None:
        return
    bad = ~((volume >= 0) & (volume <= _MOST))
    if bad.any():
        rows = counted(int(bad.sum()), "row")
        item.note(f"set the volume to 0 in {rows}: {item.places(bad)}.", int(bad.argmax()))
        item.values["volume"] = np.where(bad, 0.0, volume)


def _move_decimal_points(item: ItemRows, name: str) -> None:
    """Runs of up to five rows at 10 or 100 times (or a tenth, a hundredth of) neighbours that agree."""
    values = item.values[name]
    rows = np.flatnonzero((values[1:] > 3 * values[:-1]) | (values[:-1] > 3 * values[1:]))  # the few that may be slips
    jumps = np.log10(values[rows + 1]) - np.log10(values[rows])
    size = np.rint(np.clip(jumps, -3, 3))
    sharp = (np.abs(jumps - size) < _SLIP) & (np.abs(size) >= 1) & (np.abs(size) <= 2)
    power = np.zeros(len(values))
    done = -1
    slips = zip(rows[sharp].tolist(), size[sharp].tolist(), strict=True)
    for (start, up), (end, down) in itertools.pairwise(slips):
        if start <= done or end - start > _LONGEST_SLIP or up != -down:
            continue
        if abs(np.log10(values[end + 1]) - np.log10(values[start])) < _SLIP:
            power[start + 1 : end + 1] = up
            done = end
    bad = power != 0
    if not bad.any():
        return
    first = int(power[bad][0])
    item.problem(
        bad,
        rule="a price can't jump tenfold and back",
        cells=(name,),
        has=f", {10 ** abs(first)} times {'larger' if first > 0 else 'smaller'} than its neighbours,",
        repair="move the decimal point",
        done=f"moved the decimal point of {name} in {{rows}}",
    )
    item.values[name] = values / 10.0**power


def _widen_range(item: ItemRows) -> None:
    """High below low is a problem; an open or close a little outside [low, high] widens the range."""
    values = item.values
    if "high" in values and "low" in values:
        crossed = values["high"] < values["low"]
        item.problem(
            crossed,
            rule="high can't be below low",
            cells=("high", "low"),
            repair="swap them",
            done="swapped high and low in {rows}",
        )
        if crossed.any():
            values["low"], values["high"] = np.sort([values["low"], values["high"]], axis=0)
    outside = np.zeros(len(item.stamps), dtype=bool)
    for inner in _inner(item):
        for name, beyond in (("low", np.less), ("high", np.greater)):
            if name in values:
                outside |= beyond(inner, values[name])
    rows = np.flatnonzero(outside)
    inside = [inner[rows] for inner in _inner(item)]
    bottom, top = np.minimum.reduce(inside), np.maximum.reduce(inside)
    low, high = (values[name][rows] if name in values else at for name, at in (("low", bottom), ("high", top)))
    far = np.zeros(len(item.stamps), dtype=bool)
    far[rows] = (top / high > _FAR) | (low / bottom > _FAR)
    item.problem(
        far,
        rule="open and close must lie between low and high",
        has=f"an open or close more than {_FAR:g} times outside",
        repair="widen low and high",
        done="widened low and high in {rows}",
    )
    near = outside & ~far
    if near.any():
        count = counted(int(near.sum()), "row")
        text = f"widened low and high to include open and close in {count}: {item.places(near)}."
        item.note(text, int(near.argmax()))
    _enclose(item)


def _inner(item: ItemRows) -> list[np.ndarray]:
    """The columns that lie between low and high."""
    return [item.values[name] for name in ("open", "close") if name in item.values]


def _enclose(item: ItemRows) -> None:
    """Widen low and high, where known, to include open and close."""
    for inner in _inner(item):
        for name, wider, beyond in (("low", np.minimum, np.less), ("high", np.maximum, np.greater)):
            if name in item.values and beyond(inner, item.values[name]).any():
                item.values[name] = wider(item.values[name], inner)


def _adjust(item: ItemRows) -> bool:
    """Multiply each row's prices by its ratio of adjusted close to close; say whether the source had that column."""
    adjusted = item.values.pop("adj_close", None)
    if adjusted is None or (adjusted == item.values["close"]).all():
        return adjusted is not None
    ratio = adjusted / item.values["close"]
    for name in ("open", "high", "low"):
        if name in item.values:
            item.values[name] = item.values[name] * ratio
    item.values["close"] = adjusted
    _enclose(item)  # the ratio rounds, and a close that was the high must not end above it
    item.note("adjusted open, high, low and close for splits and dividends by the ratio of adj close to close.")
    return True
