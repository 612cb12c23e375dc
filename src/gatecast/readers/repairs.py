"""From one item's raw rows to a checked series: safe repairs are noted, unsafe ones kept as problems too."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatecast.notes import Note
from gatecast.prices import PriceSeries, stamp_text
from gatecast.readers.cells import Grid
from gatecast.readers.diagnostics import notice
from gatecast.readers.findings import Findings, Problem
from gatecast.text import counted, shown

_PRICES = ("open", "high", "low", "close", "adj_close")
_SLIP = np.log10(1.3)  # a slip of 10x lands within 30% of ten times its neighbours
_LONGEST_SLIP = 5  # rows; a longer stay at ten times the price is no slip of the decimal sign
_LEAST, _MOST = 1e-100, 1e100  # beyond, ratios of prices would leave the range of a float
_FAR = 7.0  # an open or close this many times outside [low, high] is an error, not rounding or a late quote


@dataclass(frozen=True, kw_only=True)
class RawItem:
    """One item's rows in the order of the source; NaN where a cell is blank or unreadable."""

    item_id: str
    stamps: np.ndarray
    values: Mapping[str, np.ndarray]
    unreadable: Mapping[str, np.ndarray]
    rows: np.ndarray  # positions in the grid
    fields: Mapping[str, int]  # {field: column of the grid}


@dataclass
class _Work:
    """An item on its way to a series; rows leave it together."""

    item: RawItem
    grid: Grid
    findings: Findings
    stamps: np.ndarray
    values: dict[str, np.ndarray]
    unreadable: dict[str, np.ndarray]
    rows: np.ndarray
    notes: list[str] = field(default_factory=list)

    def keep(self, mask: np.ndarray) -> None:
        self.stamps, self.rows = self.stamps[mask], self.rows[mask]
        self.values = {name: one[mask] for name, one in self.values.items()}
        self.unreadable = {name: one[mask] for name, one in self.unreadable.items()}

    def place(self, row: int) -> str:
        return f"{self.grid.place(int(self.rows[row]))} ({stamp_text(self.stamps[row])})"

    def places(self, bad: np.ndarray) -> str:
        at = np.flatnonzero(bad)
        more = f" and {len(at) - 3:,} more" if len(at) > 3 else ""
        return ", ".join(self.place(int(row)) for row in at[:3]) + more

    def cell(self, name: str, row: int) -> str:
        return self.grid.text(self.item.fields[name], int(self.rows[row]))

    def problem(self, bad: np.ndarray, *, rule: str, has: str, repair: str, done: str) -> None:
        """Keep a problem, and the note that says what was done about it."""
        first = int(bad.argmax())
        culprit = f"{shown(self.item.item_id)} has {has} at {self.place(first)}"
        self.findings.problems.append(
            Problem(rule=rule, culprit=culprit, count=int(bad.sum()), repair=repair)
        )
        rows = counted(int(bad.sum()), "row")
        self.notes.append(f"repair: {done.format(rows=rows)}: {self.places(bad)}.")


def mend(item: RawItem, grid: Grid, findings: Findings) -> PriceSeries | None:
    """The checked series of an item, or None where no price is left; problems go to `findings`."""
    work = _Work(item, grid, findings, item.stamps, dict(item.values), dict(item.unreadable), item.rows)
    _drop_blank_columns(work)
    _sort(work)
    _trim(work)
    _whole_days(work)
    if len(work.stamps):
        _bad_closes(work)
    if len(work.stamps) == 0:
        findings.notes.append(f"left out {shown(item.item_id)}: it has no price.")
        findings.notes.extend(work.notes)
        return None
    _bad_companions(work)
    _volume(work)
    for name in _PRICES:
        if name in work.values:
            _slips(work, name)
    _range(work)
    adjusted = _adjust(work)
    columns = {name: work.values[name] for name in ("open", "high", "low", "volume") if name in work.values}
    close = work.values["close"]
    work.notes.extend(notice(work.stamps, close, columns.get("open"), adjusted=adjusted))
    item_id = item.item_id or "item"
    return PriceSeries(
        item_id=item_id,
        timestamps=work.stamps,
        close=close,
        **columns,
        notes=tuple(Note("data", text, (item_id,)) for text in work.notes),
    )


def _drop_blank_columns(work: _Work) -> None:
    """Columns beside the close that are mostly blank carry nothing."""
    priced = ~np.isnan(work.values["close"])
    for name in [one for one in work.values if one != "close"]:
        missing = np.isnan(work.values[name]) & ~work.unreadable[name]
        if 2 * int((missing & priced).sum()) > int(priced.sum()):
            del work.values[name], work.unreadable[name]
            work.notes.append(f"left out column {name}: more than half of it is blank.")


def _sort(work: _Work) -> None:
    """Rows by date; exact duplicates dropped; of conflicting ones the last stays."""
    step = np.diff(work.stamps)
    if (step <= np.timedelta64(0)).any():
        if (step < np.timedelta64(0)).any():
            work.notes.append(f"sorted {counted(len(work.stamps), 'row')} by date.")
        order = np.argsort(work.stamps, kind="stable")
        work.stamps, work.rows = work.stamps[order], work.rows[order]
        work.values = {name: one[order] for name, one in work.values.items()}
        work.unreadable = {name: one[order] for name, one in work.unreadable.items()}
    _drop_repeats(work)


def _drop_repeats(work: _Work) -> None:
    again = np.concatenate([[False], work.stamps[1:] == work.stamps[:-1]])
    if not again.any():
        return
    same = again.copy()
    for name, one in work.values.items():
        equal = (one[1:] == one[:-1]) | (np.isnan(one[1:]) & np.isnan(one[:-1]))
        same[1:] &= equal & (work.unreadable[name][1:] == work.unreadable[name][:-1])
    if same.any():
        count = int(same.sum())
        work.notes.append(f"dropped {count:,} exact duplicate row{'' if count == 1 else 's'}.")
        work.keep(~same)
        again = np.concatenate([[False], work.stamps[1:] == work.stamps[:-1]])
    if again.any():
        work.problem(
            again,
            rule="a date stands once for an item",
            has="another row with other values",
            repair="keep the last row of each date",
            done="kept the last of conflicting rows in place of {rows}",
        )
        work.keep(~np.concatenate([again[1:], [False]]))


def _trim(work: _Work) -> None:
    """Blank rows before the first and after the last price: an asset not yet listed, a bar not yet closed."""
    close = work.values["close"]
    filled = np.flatnonzero(~np.isnan(close) | work.unreadable["close"])
    if len(filled) == 0:
        work.keep(np.zeros(len(close), dtype=bool))
        return
    first, last = int(filled[0]), int(filled[-1])
    if first:
        work.notes.append(f"dropped {counted(first, 'blank row')} before the first price.")
    if last + 1 < len(close):
        work.notes.append(f"dropped {counted(len(close) - last - 1, 'blank row')} after the last price.")
    if first or last + 1 < len(close):
        inside = np.zeros(len(close), dtype=bool)
        inside[first : last + 1] = True
        work.keep(inside)


def _whole_days(work: _Work) -> None:
    """Daily bars stamped with an hour (16:00, 14:30 in universal time) become dates."""
    days = work.stamps.astype("datetime64[D]").astype("datetime64[ns]")
    if len(days) < 2 or (days == work.stamps).all():
        return
    if (
        np.median(np.diff(work.stamps).astype(np.int64)) >= 20 * 3600e9
        and (np.diff(days) > np.timedelta64(0)).all()
    ):
        work.stamps = days
        work.notes.append("left out the time of day of daily rows.")


def _bad_closes(work: _Work) -> None:
    """Rows inside the history whose close, or adjusted close, is no price: --repair drops them."""
    for name in ("close", "adj_close"):
        if name not in work.values or len(work.stamps) == 0:
            continue
        values, unreadable = work.values[name], work.unreadable[name]
        for bad, rule in _breaches(values, unreadable, name):
            work.problem(
                bad,
                rule=rule,
                has=f"{name} {work.cell(name, int(bad.argmax()))}",
                repair="drop such rows",
                done=f"dropped {{rows}} for an unusable {name}",
            )
        good = _usable(values)
        if not good.all():
            work.keep(good)


def _usable(values: np.ndarray) -> np.ndarray:
    return np.asarray((values >= _LEAST) & (values <= _MOST))


def _breaches(values: np.ndarray, unreadable: np.ndarray, name: str) -> list[tuple[np.ndarray, str]]:
    """Masks of the cells that are no price, with the rule each breaks; the empty ones left out."""
    finite = np.isfinite(values)
    breaches = [
        (unreadable, f"{name} must be a number"),
        (~finite & ~unreadable, f"{name} must be present and finite inside the history"),
        (finite & (values <= 0), f"{name} must be positive"),
        (finite & (values > 0) & ~_usable(values), f"{name} must lie between {_LEAST:g} and {_MOST:g}"),
    ]
    return [(bad, rule) for bad, rule in breaches if bad.any()]


def _bad_companions(work: _Work) -> None:
    """Opens, highs and lows that are no price: --repair puts the close in their place."""
    for name in ("open", "high", "low"):
        if name not in work.values:
            continue
        values = work.values[name]
        for bad, rule in _breaches(values, work.unreadable[name], name):
            work.problem(
                bad,
                rule=rule,
                has=f"{name} {work.cell(name, int(bad.argmax()))}",
                repair=f"put the close in place of the {name}",
                done=f"put the close in place of the {name} in {{rows}}",
            )
        good = _usable(values)
        work.values[name] = np.where(good, values, work.values["close"])


def _volume(work: _Work) -> None:
    """Volumes that are blank, unreadable, infinite or negative become 0: no price depends on them."""
    if "volume" not in work.values:
        return
    good = (work.values["volume"] >= 0) & (work.values["volume"] <= _MOST)
    if not good.all():
        work.notes.append(
            f"set the volume to 0 in {counted(int((~good).sum()), 'row')}: {work.places(~good)}."
        )
        work.values["volume"] = np.where(good, work.values["volume"], 0.0)


def _slips(work: _Work, name: str) -> None:
    """Runs of up to five rows at 10 or 100 times (or a tenth, a hundredth of) neighbours that agree."""
    logs = np.log10(work.values[name])
    jumps = np.diff(logs)
    size = np.rint(np.clip(jumps, -3, 3))
    sharp = (np.abs(jumps - size) < _SLIP) & (np.abs(size) >= 1) & (np.abs(size) <= 2)
    at = np.flatnonzero(sharp)
    if len(at) < 2:
        return
    power = np.zeros(len(logs))
    done = -1
    for here, back in itertools.pairwise(at.tolist()):
        if here <= done or back - here > _LONGEST_SLIP or size[here] != -size[back]:
            continue
        if abs(logs[back + 1] - logs[here]) < _SLIP:
            power[here + 1 : back + 1] = size[here]
            done = back
    bad = power != 0
    if not bad.any():
        return
    first = int(bad.argmax())
    way = "larger" if power[first] > 0 else "smaller"
    times = f"{10 ** abs(int(power[first]))} times {way} than its neighbours"
    work.problem(
        bad,
        rule="a price can't leap tenfold and back",
        has=f"{name} {work.cell(name, first)}, {times},",
        repair="move the decimal sign back",
        done=f"moved the decimal sign of {name} back in {{rows}}",
    )
    work.values[name] = work.values[name] / 10.0**power


def _range(work: _Work) -> None:
    """High below low is a problem; an open or close a little outside [low, high] widens the range."""
    if "high" in work.values and "low" in work.values:
        crossed = work.values["high"] < work.values["low"]
        if crossed.any():
            first = int(crossed.argmax())
            work.problem(
                crossed,
                rule="high can't be below low",
                has=f"high {work.cell('high', first)} and low {work.cell('low', first)}",
                repair="swap them",
                done="swapped high and low in {rows}",
            )
            pair = work.values["high"], work.values["low"]
            work.values["high"], work.values["low"] = np.maximum(*pair), np.minimum(*pair)
    inner = [work.values[name] for name in ("open", "close") if name in work.values]
    top: np.ndarray = np.maximum.reduce(inner)
    bottom: np.ndarray = np.minimum.reduce(inner)
    highest: np.ndarray = work.values.get("high", top)
    lowest: np.ndarray = work.values.get("low", bottom)
    outside = (highest < top) | (lowest > bottom)
    if not outside.any():
        return
    far = (top / highest > _FAR) | (lowest / bottom > _FAR)
    if far.any():
        work.problem(
            far,
            rule="open and close lie between low and high",
            has=f"one more than {_FAR:g} times outside",
            repair="widen low and high",
            done="widened low and high in {rows}",
        )
    if (outside & ~far).any():
        mask = outside & ~far
        count = counted(int(mask.sum()), "row")
        work.notes.append(f"widened low and high to hold open and close in {count}: {work.places(mask)}.")
    if "high" in work.values:
        work.values["high"] = np.maximum(highest, top)
    if "low" in work.values:
        work.values["low"] = np.minimum(lowest, bottom)


def _adjust(work: _Work) -> bool:
    """Put prices in the units of the adjusted close, by one ratio a row; say whether there was one."""
    adjusted = work.values.pop("adj_close", None)
    if adjusted is None or (adjusted == work.values["close"]).all():
        return adjusted is not None
    ratio = adjusted / work.values["close"]
    for name in ("open", "high", "low"):
        if name in work.values:
            work.values[name] = work.values[name] * ratio
    work.values["close"] = adjusted
    both = [name for name in ("high", "low") if name in work.values]
    for name in both:  # the ratio rounds; a close that was the high is the high still
        bound = np.maximum if name == "high" else np.minimum
        inner = [work.values[one] for one in ("open", "close") if one in work.values]
        work.values[name] = bound.reduce([work.values[name], *inner])
    work.notes.append(
        "adjusted open, high, low and close for splits and dividends by the ratio of adj close to close."
    )
    return True
