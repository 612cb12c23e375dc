"""The paths of a job come back as they were kept, with the dated events that were known of the days ahead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import FixedVolatility
from gatecast.errors import NotFound
from gatecast.events import Events
from gatecast.faces.wording import events_ahead
from gatecast.prices import PriceTable
from gatecast.readers.choices import ReadOptions
from gatecast.readers.read import column_uses
from gatecast.web.saved import load_paths, save_paths


@pytest.fixture
def prices() -> PriceTable:
    days = pd.bdate_range("2024-01-01", periods=60)
    table = PriceTable.from_close({"<b>A</b>": (np.linspace(50, 60, 60), days), "B": (np.linspace(9, 8, 60), days)})
    last, ahead = str(days[-1])[:10], str(days[-1] + pd.Timedelta(days=3))[:10]
    return table.with_events(Events.of_rows([("B", last, "split", None), ("B", ahead, "earnings", None)]))


def test_paths_and_the_events_ahead_come_back(prices: PriceTable, tmp_path: Path) -> None:
    forecast = FixedVolatility(0.01).fit(prices).predict(prices, 5, paths=7)
    save_paths(tmp_path, forecast, prices)
    kept, past = load_paths(tmp_path)
    for item, again in zip(forecast, kept, strict=True):
        assert again.item_id == item.item_id and again.last_close == item.last_close
        assert (again.paths == item.paths).all() and again.highs is None
        assert (again.timestamps == item.timestamps).all() and again.last_timestamp == item.last_timestamp
        assert (past[item.item_id].close == prices[item.item_id].close).all()
    assert events_ahead(kept["B"], past["B"]) == {3: "earnings"}
    assert events_ahead(kept["<b>A</b>"], past["<b>A</b>"]) == {}


def test_without_paths_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Forecast again"):
        load_paths(tmp_path)


def test_a_column_of_events_is_told_from_the_others() -> None:
    frame = pd.DataFrame(
        {"date": pd.bdate_range("2024-01-01", periods=30), "event": [""] * 29 + ["earnings"], "close": np.arange(1, 31)}
    )
    uses = {use.name: use.used_as for use in column_uses(frame, ReadOptions())}
    assert uses == {"date": "date", "event": "events", "close": "close"}
