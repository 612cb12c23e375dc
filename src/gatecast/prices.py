"""The price table: price histories, checked when they are made and immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.errors import DataError, UsageError, briefly, check_texts, check_type
from gatecast.events import EVERY_ITEM, Events, check_events
from gatecast.notes import Note
from gatecast.text import counted, listed

COLUMNS = ("open", "high", "low", "close", "volume")  # the order of every frame and hash


@dataclass(frozen=True, kw_only=True, eq=False)
class PriceSeries:
    """The history of an asset: strictly increasing timestamps, finite positive prices, read-only arrays.

    Shapes: every array is (T,), T >= 1. Units: prices in the asset's own currency, volume in its own
    units (>= 0), timestamps `datetime64[ns]` without a zone. `open`, `high`, `low` and `volume` are None
    where the source has none. `events` are the dated events that were known on the last day. Raises `DataError` where
    a rule is broken; repairs belong to `readers`.
    """

    item_id: str
    timestamps: np.ndarray
    close: Float[np.ndarray, " time"]
    open: Float[np.ndarray, " time"] | None = None
    high: Float[np.ndarray, " time"] | None = None
    low: Float[np.ndarray, " time"] | None = None
    volume: Float[np.ndarray, " time"] | None = None
    notes: tuple[Note, ...] = ()
    events: Events | None = None

    def __post_init__(self) -> None:
        stamps = _array(self.item_id, "timestamps", self.timestamps, "datetime64[ns]")
        stamps.flags.writeable = False
        object.__setattr__(self, "timestamps", stamps)
        for name, values in self.columns().items():
            array = _array(self.item_id, name, values, "float64")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.timestamps) == 0:
            raise DataError(f"an item needs at least one row; '{self.item_id}' has none. Remove the item.")
        if np.isnat(self.timestamps).any() or not (self.timestamps[1:] > self.timestamps[:-1]).all():
            raise DataError(
                f"timestamps must increase within an item; '{self.item_id}' breaks this rule. Sort it, drop duplicates."
            )
        for name, values in self.columns().items():
            if values.shape != self.timestamps.shape:
                raise DataError(f"'{name}' of '{self.item_id}' must have one value per timestamp. Align the columns.")
            good = np.isfinite(values) & ((values >= 0) if name == "volume" else (values > 0))
            if not good.all():
                row = int(np.argmin(good))
                raise DataError(
                    f"{name} must be finite and {'not negative' if name == 'volume' else 'positive'}; "
                    f"'{self.item_id}' has {values[row]} "
                    f"on {stamp_text(self.timestamps[row])}. Correct or drop that row."
                )
        if self.events is not None:
            check_events(self.events)
            object.__setattr__(self, "events", self.events.known(self.timestamps[-1]))

    def columns(self) -> dict[str, np.ndarray]:
        """The columns this series has, by name, in the order of `COLUMNS`."""
        return {name: getattr(self, name) for name in COLUMNS if getattr(self, name) is not None}

    @property
    def has_range(self) -> bool:
        """Whether highs and lows are known."""
        return self.high is not None and self.low is not None

    def __len__(self) -> int:
        return len(self.timestamps)

    def __repr__(self) -> str:
        dates = f"{stamp_text(self.timestamps[0])} to {stamp_text(self.timestamps[-1])}"
        return f"PriceSeries({self.item_id!r}: {counted(len(self), 'row')}, {dates}; {', '.join(self.columns())})"

    def rows(self, start: int, stop: int) -> PriceSeries:
        """The rows `start..stop` (a Python slice) as a series of their own, without what later days told of them.

        Left out are notes on later rows, and events that were announced later.
        """
        cut: dict[str, Any] = {name: values[start:stop] for name, values in self.columns().items()}
        stamps, notes = self.timestamps[start:stop], self.notes
        if not len(stamps):
            return replace(self, timestamps=stamps, **cut)  # refused: no rows
        if any(note.since for note in notes):
            last = stamp_text(stamps[-1])
            notes = tuple(note for note in notes if note.since <= last)
        events = None if self.events is None else self.events.known(stamps[-1])
        part = object.__new__(PriceSeries)  # rows of a checked series need no check
        vars(part).update(vars(self), timestamps=stamps, notes=notes, events=events, **cut)
        return part


@dataclass(frozen=True, kw_only=True, eq=False)
class PriceTable:
    """The price histories of one or more assets, immutable, in the order the source gave them.

    `calendar` is an exchange code such as "XNYS" when the user named one; it decides the future timestamps.
    `notes` say what was repaired or noticed when the table was read; each series has its own.

    >>> table = PriceTable.from_close({"X": ([100.0, 101.0], ["2024-01-02", "2024-01-03"])})
    >>> table.item_ids, len(table["X"])
    (('X',), 2)
    >>> table, table["X"]
    (PriceTable(1 item: X; 2 rows), PriceSeries('X': 2 rows, 2024-01-02 to 2024-01-03; close))
    """

    series: tuple[PriceSeries, ...]
    calendar: str | None = None
    notes: tuple[Note, ...] = ()
    _index: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_type("series", self.series, tuple, "Give for example series=(series,).")
        for series in self.series:
            check_type("a member of series", series, PriceSeries, "Make one with PriceSeries(...).")
        if not self.series:
            raise DataError("a price table needs at least one item; this one has none. Give it a price history.")
        index = {series.item_id: position for position, series in enumerate(self.series)}
        if len(index) != len(self.series):
            raise DataError("item ids must be unique; an id is used twice. Rename an item.")
        object.__setattr__(self, "_index", index)

    @classmethod
    def from_close(cls, items: Mapping[str, tuple[object, object]]) -> PriceTable:
        """A table of closes: {item_id: (closes, timestamps)}; raises `DataError` where they break the rules."""
        if not isinstance(items, Mapping) or not all(
            isinstance(pair, tuple) and len(pair) == 2 for pair in items.values()
        ):
            given = "other values" if isinstance(items, Mapping) else briefly(items)
            raise UsageError(f"items are {{item_id: (closes, timestamps)}}; got {given}. Give a pair for each item.")
        return cls(
            series=tuple(
                PriceSeries(
                    item_id=item_id,
                    close=_array(item_id, "close", close, "float64"),
                    timestamps=_array(item_id, "timestamps", stamps, "datetime64[ns]"),
                )
                for item_id, (close, stamps) in items.items()
            )
        )

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The assets' names."""
        return tuple(self._index)

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        rows = counted(sum(len(series) for series in self.series), "row")
        return f"PriceTable({counted(len(self), 'item')}: {listed(self.item_ids)}; {rows})"

    def __iter__(self) -> Iterator[PriceSeries]:
        return iter(self.series)

    def __getitem__(self, item_id: str) -> PriceSeries:
        if not isinstance(item_id, str) or item_id not in self._index:
            raise UsageError(f"no item '{item_id}' in this table. It has: {listed(self.item_ids, 10)}.")
        return self.series[self._index[item_id]]

    def until(self, cutoff: object) -> PriceTable:
        """The rows at or before `cutoff`; items that begin later are left out. Raises if none is left."""
        try:
            stamp = pd.Timestamp(cutoff).to_datetime64()  # type: ignore[arg-type]
        except (ValueError, TypeError):
            stamp = np.datetime64("NaT", "ns")
        if np.isnat(stamp):
            raise UsageError(f"a cutoff is a date; got {briefly(cutoff)}. Give for example '2020-01-31'.")
        ends = ((series, int(np.searchsorted(series.timestamps, stamp, side="right"))) for series in self.series)
        return replace(self, series=tuple(series.rows(0, end) for series, end in ends if end))

    def with_events(self, events: Events) -> PriceTable:
        """The table with these events beside those it has: each item's own, as far as they were known on its last day.

        Events of items that the table has not are left out, and noted.

        >>> days = np.arange("2024-01-01", "2024-02-10", dtype="datetime64[D]")
        >>> table = PriceTable.from_close({"KO": (np.linspace(60, 61, 40), days)})
        >>> table.with_events(Events.of_rows([("KO", "2024-02-13", "earnings", None)]))["KO"].events
        Events(1: earnings of KO)
        """
        check_events(events)
        series = tuple(
            series if (own := events.of(series.item_id)) is None else replace(series, events=own.joined(series.events))
            for series in self.series
        )
        unknown = sorted(set(events.item_ids.tolist()) - {*self.item_ids, EVERY_ITEM})
        notes = (*self.notes, *events.notes)
        if unknown:
            text = f"left out events of items without prices: {listed(unknown, 6)}; the prices are of"
            notes += (Note("data", f"{text} {listed(self.item_ids, 6)}"),)
        mine = [(each.timestamps[-1], events.of(each.item_id)) for each in self.series]
        ahead = [found.not_yet_known(last) for last, found in mine if found is not None]
        secret = sorted({kind for hidden in ahead if hidden is not None for kind in hidden.kinds.tolist()})
        if secret:
            text = f"left out dates ahead that nobody knew yet, of {listed(secret, 6)}"
            notes += (Note("data", f"{text}; a column 'announced' tells since when they are known"),)
        return replace(self, series=series, notes=notes)

    def select(self, item_ids: tuple[str, ...]) -> PriceTable:
        """A table of these items alone, in this order."""
        check_texts("item_ids", item_ids, self.series[0].item_id)
        return replace(self, series=tuple(self[item_id] for item_id in item_ids))

    def to_frame(self) -> pd.DataFrame:
        """A long pandas frame: `item_id, timestamp` and the columns any item has."""
        parts = [
            pd.DataFrame({"item_id": series.item_id, "timestamp": series.timestamps, **series.columns()})
            for series in self.series
        ]
        return pd.concat(parts, ignore_index=True)

    def all_notes(self) -> tuple[Note, ...]:
        """The notes of the table and of each of its items."""
        return (*self.notes, *(note for series in self.series for note in series.notes))

    def data_hash(self) -> str:
        """SHA-256 over ids, timestamps, values and events: the same data gives the same text."""
        digest = hashlib.sha256()
        for series in self.series:
            digest.update(f"{series.item_id}\0{','.join(series.columns())}\0{len(series)}\0".encode())
            digest.update(np.ascontiguousarray(series.timestamps).view("int64").data)
            for values in series.columns().values():
                digest.update(np.ascontiguousarray(values).data)
            if series.events is not None:
                digest.update(series.events.digest())
        return digest.hexdigest()


def _array(item_id: str, name: str, values: object, kind: str) -> np.ndarray:
    """A column as an array; raises `DataError` where it holds other things. One that nobody can write is not copied."""
    if isinstance(values, np.ndarray) and values.dtype == kind and values.ndim == 1 and not values.flags.writeable:
        owner = values if values.base is None else values.base
        if isinstance(owner, np.ndarray) and not owner.flags.writeable:
            return values
    try:
        array = np.array(values, dtype=kind)
    except (ValueError, TypeError):
        array = np.array(0)
    if array.ndim != 1:
        what = "dates" if name == "timestamps" else "numbers"
        raise DataError(f"{name} must be a list of {what}; that of '{item_id}' is not. Convert it.")
    return array


def check_prices(prices: object) -> None:
    """Refuse what is no checked table, as a frame that was not read yet."""
    if not isinstance(prices, PriceTable):
        raise UsageError(f"prices are a PriceTable; got a {type(prices).__name__}. Make one with read_prices(...).")


def stamp_text(stamp: np.datetime64) -> str:
    """ISO text of a timestamp: the date alone at midnight, else date and time to the second."""
    text = str(np.datetime_as_string(stamp.astype("datetime64[s]")))
    return text.removesuffix("T00:00:00")
