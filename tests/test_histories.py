"""What the base network reads of several tables: the rows of each as of it alone, read once where they are the same."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import base_networks, simulated_series
from gatecast.events import Events
from gatecast.features import signal_rows
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.features.event_calendar import EVENTS
from gatecast.features.known_events import future_known
from gatecast.features.signal_rows import LOOKBACK, MEMORY, SignalRows, histories, readings
from gatecast.models.shipped import shipped
from gatecast.nn.sampling.strands import read_histories, tensors_of
from gatecast.prices import PriceSeries, PriceTable


def spaced(series: PriceSeries, frequency: str) -> PriceSeries:
    stamps = pd.date_range("1990-01-01", periods=len(series), freq=frequency).to_numpy()
    return replace(series, timestamps=stamps)


def table_of(frequency: str = "B", count: int = LEAST_ITEMS) -> PriceTable:
    """Items that begin on different days, one of which has closes alone; some have events, a few announced late."""
    series = [simulated_series(f"S{number}", 1100, number, columns=number != 3) for number in range(count)]
    table = PriceTable(series=tuple(spaced(of, frequency).rows(30 * number, 1100) for number, of in enumerate(series)))
    return table.with_events(reports_of(table, [f"S{number}" for number in (0, 3, 5)]))


def reports_of(table: PriceTable, items: list[str]) -> Events:
    """A report every 63rd day, on weekends too; every fifth is told of 30 days after it."""
    rows = {}
    for item in items:
        stamps = table[item].timestamps
        for place, row in enumerate(range(20, len(stamps), 63)):
            day = stamps[row].astype("datetime64[D]") + place % 3
            rows.setdefault((item, day), day + 30 if place % 5 == 4 else None)
    return Events.of_rows([(item, day, "earnings", told) for (item, day), told in rows.items()])


def tables(table: PriceTable, rows: tuple[int, ...] = (300, 305, 700, 1020, 1100)) -> list[list[PriceSeries]]:
    stamps = table.series[0].timestamps
    return [list(table.until(stamps[row - 1])) for row in rows]


def same(ours: SignalRows, theirs: SignalRows) -> None:
    for field in fields(SignalRows):
        if field.name in ("signals", "moves", "calendar", "whole", "begin", "stop", "first", "known_events"):
            continue
        values = [getattr(rows, field.name).astype(float) for rows in (ours, theirs)]
        if field.name in ("events", "known"):  # those of the day to come are put in where it is known which day that is
            values = [of[:-1] for of in values]
        np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.signals.values, theirs.signals.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(ours.moves.log_return, theirs.moves.log_return)


@pytest.mark.parametrize("frequency", ["B", "D", "W", "MS", "h"])
@pytest.mark.parametrize("cross_section", [True, False])
def test_tables_read_together_have_the_rows_of_each_read_by_itself(frequency: str, cross_section: bool) -> None:
    many = tables(table_of(frequency))
    together = histories(many, cross_section=cross_section)
    assert len({id(rows.whole) for rows in together}) == LEAST_ITEMS
    alone = [rows for table in many for rows in histories([table], cross_section=cross_section)]
    assert len(together) == len(alone) == sum(map(len, many))
    assert any(rows.known.any() for rows in together) == (frequency in "BD")
    for ours, theirs in zip(together, alone, strict=True):
        same(ours, theirs)
        ahead = ours.timestamps[-1] + np.arange(1, 30) * (ours.timestamps[-1] - ours.timestamps[-2])
        expected = [future_known(r.known_events, r.timestamps, ahead, np.zeros((29, EVENTS))) for r in (ours, theirs)]
        np.testing.assert_allclose(*expected)
        assert min(MEMORY, ours.stop) <= len(ours.timestamps) <= MEMORY + 128
        assert len(ours.moves) < LOOKBACK


def test_days_that_are_near_begin_to_read_at_the_same_row() -> None:
    table = PriceTable(series=(simulated_series("X", 900, 1),))
    parts = histories(tables(table, tuple(range(600, 700, 5))), cross_section=True)
    assert len({rows.timestamps[0] for rows in parts}) <= 3
    batches = readings(parts)
    assert sum(len(batch.stops) for batch in batches) == 20
    assert len(batches) <= 3


def test_the_state_before_a_row_is_that_of_reading_up_to_there() -> None:
    network = base_networks(shipped()[0]).members[2].eval()
    parts = histories(tables(table_of(), (240, 300, 305, 700, 1100)), cross_section=True)
    state = read_histories(network, readings(parts), len(parts))
    for number, rows in enumerate(parts):
        inputs = signal_rows.inputs_of([rows])
        with torch.inference_mode():
            before = tensors_of(
                replace(inputs, **{f.name: getattr(inputs, f.name)[:-1] for f in fields(inputs)}), network
            )
            alone = network(before, None, None, last=1)[1]
        for ours, theirs in zip(state[0], alone[0], strict=True):
            torch.testing.assert_close(ours[:, [number]], theirs, rtol=1e-4, atol=1e-5)


def test_a_history_of_a_single_row_starts_from_nothing() -> None:
    network = base_networks(shipped()[0]).members[0].eval()
    parts = histories([[simulated_series("X", 22, 1)]], cross_section=True)
    assert len(parts[0].timestamps) == 1
    (layer,) = read_histories(network, readings(parts), 1)
    assert all((part == 0).all() and part.shape == (1, 1, 64) for part in layer)


@pytest.mark.parametrize("what", ["volume", "another day", "a missing item", "other prices"])
def test_tables_that_are_not_the_same_prices_are_read_apart(what: str) -> None:
    """Volume that was too rare on an earlier day was not used there, so that nothing later may change that."""
    table = table_of()
    many = tables(table)
    if what == "volume":
        first = table.series[0]
        assert first.volume is not None
        rare = replace(first, volume=np.where(np.arange(len(first)) < 250, 0.0, first.volume))
        many = tables(PriceTable(series=(rare, *table.series[1:])))
    elif what == "another day":
        many[0][0] = replace(many[0][0], timestamps=many[0][0].timestamps - np.timedelta64(1, "h"))
    elif what == "a missing item":
        many[1] = many[1][1:]
    else:
        many[0][0] = replace(many[0][0], close=many[0][0].close * 1.01)
    together = histories(many, cross_section=True)
    alone = [rows for of in many for rows in histories([of], cross_section=True)]
    for ours, theirs in zip(together, alone, strict=True):
        same(ours, theirs)
        np.testing.assert_array_equal(ours.flags, theirs.flags)
    assert len({id(rows.whole) for rows in together}) == len(together)
