"""Days that are walked over twice are simulated once, and every result is the same."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest

from conftest import base_networks, simulated_series
from gatecast.calibration import cache
from gatecast.calibration.cache import FEW_ITEMS, CachedForecasts
from gatecast.calibration.online import timestamps
from gatecast.config import Config
from gatecast.forecast import Forecast
from gatecast.judge.recent import recent_verdict
from gatecast.model import Request
from gatecast.models import base
from gatecast.models.choice import choose
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import shipped
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.training.adapting import Adaptation
from gatecast.prices import PriceSeries, PriceTable

TABLE = PriceTable(series=(simulated_series("X", 900, 1, start="2016-06-01"),))
DAYS = list(timestamps(TABLE)[-12::4])


class Counting:
    """The base network, and how often it was asked for a day."""

    def __init__(self) -> None:
        self.network = base_networks(shipped()[0])
        self.asked = 0

    def __deepcopy__(self, memo: object) -> Counting:
        return self  # the judge copies a model; its questions count all the same

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        self.asked += len(request.cutoffs)
        return self.network.predict_at(prices, request)


def test_a_day_is_simulated_once_and_a_shorter_forecast_is_its_beginning() -> None:
    counting = Counting()
    cached = CachedForecasts(counting)
    far = cached.predict_at(TABLE, Request(cutoffs=DAYS[1:], horizon=6, paths=20, seeds=[2, 3]))
    near = cached.predict_at(TABLE, Request(cutoffs=DAYS, horizon=4, paths=20, seeds=[1, 2, 3]))
    assert counting.asked == 3
    fresh = counting.network.predict_at(TABLE, Request(cutoffs=DAYS, horizon=4, paths=20, seeds=[1, 2, 3]))
    for ours, theirs in zip(near, fresh, strict=True):
        assert ours.horizon == len(ours.items[0].timestamps) == 4
        np.testing.assert_allclose(ours.items[0].paths, theirs.items[0].paths, rtol=1e-6)
        assert ours.items[0].density is not None and theirs.items[0].density is not None
        np.testing.assert_allclose(ours.items[0].density.scale, theirs.items[0].density.scale, rtol=1e-5)
    np.testing.assert_array_equal(far[0].items[0].paths[:, :4], near[1].items[0].paths)


def test_other_paths_seeds_and_prices_are_other_forecasts() -> None:
    counting = Counting()
    cached = CachedForecasts(counting)
    doubled = PriceTable.from_close({"X": (2 * TABLE.series[0].close, TABLE.series[0].timestamps)})
    for table, horizon, paths, seed in (
        (TABLE, 3, 20, 1),
        (TABLE, 3, 21, 1),
        (TABLE, 3, 20, 2),
        (doubled, 3, 20, 1),
        (TABLE, 5, 20, 1),
    ):
        cached.predict_at(table, Request(cutoffs=DAYS[:1], horizon=horizon, paths=paths, seeds=[seed]))
    assert counting.asked == 5
    # A day's own rows alone are the key: later ones change nothing.
    cached.predict_at(TABLE.until(DAYS[0]), Request(cutoffs=DAYS[:1], horizon=3, paths=20, seeds=[2]))
    assert counting.asked == 5


def test_it_keeps_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    counting = Counting()
    cached = CachedForecasts(counting)
    for _ in range(2):
        cached.predict_at(TABLE, Request(cutoffs=DAYS, horizon=3, paths=20, seeds=[1, 2, 3]))
    assert counting.asked == 4


def test_the_verdict_is_the_same_with_the_walk_it_was_spared() -> None:
    config = Config.from_preset("base")
    forecaster = Forecaster(config).fit(TABLE)
    spared = recent_verdict(choose(config, TABLE), TABLE, horizon=5, cached=forecaster.source_)
    assert spared.text == recent_verdict(choose(config, TABLE), TABLE, horizon=5).text
    # Of the hundred origins before the verdict's first, sixty were walked for the forecast, and its own forty.
    counting = Counting()
    walked = CachedForecasts(counting)
    Forecaster(config, cached=walked).fit(TABLE)
    assert counting.asked == 100
    recent_verdict(choose(config, TABLE), TABLE, horizon=5, cached=walked)
    assert counting.asked == 140


def test_a_table_of_many_items_is_not_kept() -> None:
    table = PriceTable(series=tuple(simulated_series(str(number), 200, number) for number in range(FEW_ITEMS + 1)))
    counting = Counting()
    cached = CachedForecasts(counting)
    for _ in range(2):
        cached.predict_at(table, Request(cutoffs=[timestamps(table)[-1]], horizon=2, paths=5, seeds=[1]))
    assert counting.asked == 2


def test_a_network_adapted_later_lends_its_forecasts_to_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fit adapts anew: the verdict's network must not be calibrated by forecasts of one that saw later rows."""

    def by_the_last_close(members: Sequence[BaseNetwork], series: Sequence[PriceSeries], *_: object, **__: object):
        moved = copy.deepcopy(tuple(members))
        for member in moved:
            member.head.bias.data[0] += float(np.log(series[0].close[-1] / series[0].close[0]))
        return Adaptation(members=moved, kept=True, until=series[0].timestamps[-200], gain=1.0, error=0.1, held_out=9)

    monkeypatch.setattr(base, "adapt", by_the_last_close)
    config = Config.from_preset("default")
    forecaster = Forecaster(config).fit(TABLE)
    assert isinstance(forecaster.source_, CachedForecasts)
    lent = recent_verdict(choose(config, TABLE), TABLE, horizon=5, cached=forecaster.source_)
    assert lent.to_dict() == recent_verdict(choose(config, TABLE), TABLE, horizon=5).to_dict()
