"""The market of a table: what it says, when it says nothing, and that the network listens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import base_networks, simulated_series, texts
from gatecast.config import Config
from gatecast.errors import ConfigError, TooFewRows
from gatecast.features.cross_section import AVERAGED, CROSS_SECTION, LEAST_ITEMS, ItemSignals, cross_section_rows
from gatecast.features.event_calendar import EVENTS, SUMMARY
from gatecast.features.signal_windows import BaseInputs, SignalFeatures
from gatecast.features.signals import SIGNALS, SOFT, START, Signals
from gatecast.judge.recent import recent_verdict
from gatecast.model import Request
from gatecast.models.choice import choose
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import load_ensemble, shipped
from gatecast.models.trained_networks import TrainedNetworks
from gatecast.nn.base_network import INPUTS, BaseNetwork
from gatecast.nn.next_day import JointDay
from gatecast.nn.training import adapting as base_adapting
from gatecast.nn.training import base as base_training
from gatecast.nn.training.base import _dropped, predicted
from gatecast.nn.training.sequences import Chunks, TrainingSequence
from gatecast.prices import PriceSeries, PriceTable

DAYS = pd.bdate_range("2020-01-01", periods=3).to_numpy()


def seen(values: np.ndarray, scale: float = 0.01, *, days: np.ndarray = DAYS, has_range: bool = True) -> ItemSignals:
    """An item whose signals are all alike on a day."""
    signals = np.repeat(values[:, None], SIGNALS, axis=1)
    ones = np.ones(len(values))
    return ItemSignals(
        timestamps=days,
        signals=Signals(values=signals, scale=scale * ones, overnight=ones, usual_volume=0 * ones),
        has_range=has_range,
    )


def table_of(count: int, rows: int = 160, first_seed: int = 0) -> PriceTable:
    return PriceTable(
        series=tuple(simulated_series(f"S{number:02d}", rows, first_seed + number) for number in range(count))
    )


def present_markets(table: PriceTable) -> list[np.ndarray]:
    return [rows.cross_section for rows in SignalFeatures().history([list(table)])]


def test_means_spread_and_own_scale_are_what_they_say() -> None:
    moves = np.linspace(-1, 2, LEAST_ITEMS)
    items = [seen(np.array([0.0, move, 1.0]), 0.01 * np.exp(place)) for place, move in enumerate(moves)]
    rows = cross_section_rows(items)
    for place, row in enumerate(rows):
        assert row.shape == (3, CROSS_SECTION)
        np.testing.assert_allclose(row[:, : len(AVERAGED)], np.outer([0, moves.mean(), 1], np.ones(6)))
        np.testing.assert_allclose(row[:, 6], np.log(np.array([0, moves.std(), 0]) + SOFT))
        np.testing.assert_allclose(row[:, 7], np.log(np.abs([0, moves.mean(), 1]) + SOFT))
        np.testing.assert_allclose(row[:, 8], place - (LEAST_ITEMS - 1) / 2)


def test_few_items_are_no_market_and_a_day_that_few_have_tells_nothing() -> None:
    items = [seen(np.zeros(3)) for _ in range(LEAST_ITEMS)]
    assert all(np.isfinite(row).all() for row in cross_section_rows(items))
    assert all(np.isnan(row).all() for row in cross_section_rows(items[1:]))
    items[0] = seen(np.zeros(2), days=DAYS[:2])
    for row in cross_section_rows(items)[1:]:
        assert np.isfinite(row[:2]).all() and np.isnan(row[2]).all()


def test_ranges_are_averaged_over_those_that_have_them_and_told_to_them_alone() -> None:
    items = [seen(np.ones(3)) for _ in range(LEAST_ITEMS)]
    items.append(seen(np.full(3, 10.0), has_range=False))
    with_ranges, without = cross_section_rows(items)[0], cross_section_rows(items)[-1]
    np.testing.assert_allclose(with_ranges[:, 2:6], 1.0)
    np.testing.assert_allclose(with_ranges[:, 0], 18 / 9)
    assert np.isnan(without[:, 2:6]).all() and np.isfinite(without[:, [0, 1, 6, 7, 8]]).all()


def test_what_a_forecast_sees_is_what_the_network_learned_from() -> None:
    table = table_of(LEAST_ITEMS)
    for lesson, market in zip(TrainingSequence.of_table(list(table)), present_markets(table), strict=True):
        np.testing.assert_allclose(lesson.inputs.cross_section, market[:-1], rtol=1e-4, atol=1e-5)
        assert len(market) == 159 - START


def test_currencies_do_not_enter_the_market() -> None:
    table = table_of(LEAST_ITEMS)
    dear = table.series[0]
    columns = {name: values * (1 if name == "volume" else 1e5) for name, values in dear.columns().items()}
    other = PriceTable(
        series=(PriceSeries(item_id=dear.item_id, timestamps=dear.timestamps, **columns), *table.series[1:])
    )
    for first, second in zip(present_markets(table), present_markets(other), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_an_absent_market_is_zero_and_said_to_be_absent() -> None:
    network = BaseNetwork()
    signals, flags, market = torch.randn(2, SIGNALS), torch.ones(2, 2), torch.randn(2, CROSS_SECTION)
    market[1] = torch.nan
    events, expected = torch.zeros(2, EVENTS), torch.zeros(2, SUMMARY)
    inputs = BaseInputs(signals=signals, flags=flags, cross_section=market, events=events, expected=expected)
    around = network.standardised(inputs)
    torch.testing.assert_close(around[0, SIGNALS : SIGNALS + CROSS_SECTION], market[0].clamp(-5, 5))
    assert around[0, -1] == 1
    torch.testing.assert_close(around[1], network.standardised(replace(inputs, cross_section=None))[1])
    assert (around[1, SIGNALS : SIGNALS + CROSS_SECTION] == 0).all() and around[1, -1] == 0


def test_training_hides_the_market_from_some_and_ends_it_for_others() -> None:
    hidden = _dropped(torch.ones(50, 2000, CROSS_SECTION), torch.Generator().manual_seed(0)).isnan()[..., 0]
    never, always = hidden.all(dim=0), ~hidden.any(dim=0)
    assert 0.30 < never.float().mean() < 0.40
    assert 0.40 < always.float().mean() < 0.51
    ending = hidden[:, ~never & ~always]
    assert (ending[1:] >= ending[:-1]).all()  # gone, it does not come back


def test_a_wild_day_of_the_others_widens_the_band_of_a_calm_item() -> None:
    calm = table_of(12, 300)
    others = []
    for history in calm.series[1:]:
        columns = {name: values.copy() for name, values in history.columns().items()}
        columns["low"][-1] *= 0.92
        columns["close"][-1] *= 0.93
        others.append(PriceSeries(item_id=history.item_id, timestamps=history.timestamps, **columns))
    wild = PriceTable(series=(calm.series[0], *others))

    def width(table: PriceTable, item: int = 0) -> float:
        forecast = base_networks(shipped()[0]).predict_at(
            table, Request(cutoffs=[table.series[0].timestamps[-1]], horizon=1, paths=4000, seeds=[0])
        )[0]
        return float(np.subtract(*np.quantile(forecast.items[item].log_returns()[:, 0], [0.95, 0.05])))

    assert width(wild) > 1.1 * width(calm)
    few = LEAST_ITEMS - 1
    assert width(wild.select(wild.item_ids[:few])) == width(calm.select(calm.item_ids[:few]))


def test_a_lesson_by_itself_has_no_market() -> None:
    table = table_of(LEAST_ITEMS)
    (alone,) = TrainingSequence.of_table([table.series[0]])
    assert alone.inputs.cross_section.isnan().all()
    together = TrainingSequence.of_table(list(table))[0]
    batch = Chunks.of([together.rows(0, 100)])
    hidden = torch.full_like(batch.inputs.cross_section, torch.nan)
    unseen = replace(batch, inputs=replace(batch.inputs, cross_section=hidden))
    network = BaseNetwork()
    torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(1))
    assert (predicted(network, batch).scale != predicted(network, unseen).scale).any()


def test_market_false_forecasts_each_item_by_itself() -> None:
    table = table_of(LEAST_ITEMS, 300)
    config = Config.from_preset("base", ["calibrate=false", "cross_section=false", "joint=false"])
    apart = Forecaster(config).fit(table).predict(table, 3, paths=50)
    for item in apart:
        alone = (
            Forecaster(config).fit(table.select((item.item_id,))).predict(table.select((item.item_id,)), 3, paths=50)
        )
        np.testing.assert_allclose(item.paths, alone.items[0].paths, rtol=1e-5)
        assert not any("recent moves of all" in note for note in texts(item.notes))
    together = Forecaster(config.replace(cross_section=True)).fit(table).predict(table, 3, paths=50)
    assert all(np.abs(item.paths / other.paths - 1).max() > 1e-4 for item, other in zip(together, apart, strict=True))
    assert all(f"recent moves of all {LEAST_ITEMS} items" in " ".join(texts(item.notes)) for item in together)


@pytest.mark.parametrize("market", [True, False])
def test_adapting_hears_the_market_or_does_not(market: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    def listening(network: BaseNetwork, batch: Chunks, generator: torch.Generator | None = None) -> JointDay:
        heard.append(bool(batch.inputs.cross_section.isfinite().any()))
        return predicted(network, batch, generator)

    monkeypatch.setattr(base_adapting, "predicted", listening)
    config = Config.from_preset("default", [f"cross_section={market}"])
    base_adapting.adapt(load_ensemble(shipped()[0]).members[:1], list(table_of(LEAST_ITEMS, 400)), config)
    assert heard and all(value == market for value in heard)


def test_training_drops_inputs_but_never_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    network, read = BaseNetwork(), []
    lstm = network.lstm.forward
    monkeypatch.setattr(base_training, "INPUT_DROPOUT", 1.0)
    monkeypatch.setattr(network.lstm, "forward", lambda rows, state: read.append(rows) or lstm(rows, state))
    lesson = TrainingSequence.of_table(list(table_of(LEAST_ITEMS)))[0]
    batch = Chunks.of([lesson.rows(0, 100)] * 60)
    predicted(network, batch, torch.Generator().manual_seed(0))
    inputs = read[0][..., :INPUTS]
    assert (inputs[..., : SIGNALS + CROSS_SECTION] == 0).all()
    assert (inputs[..., SIGNALS + CROSS_SECTION : -1] == 1).all()
    assert 0.2 < inputs[..., -1].mean() < 0.9  # the market is hidden from some


def test_a_verdict_on_a_few_of_many_says_that_they_were_judged_without_the_others() -> None:
    table, config = table_of(LEAST_ITEMS, 300), Config.from_preset("base", ["calibrate=false"])
    words = "4 of the 8 items, without the cross-section of all items: "
    assert words in recent_verdict(choose(config, table), table, horizon=2).text
    assert "without" not in recent_verdict(choose(config.replace(cross_section=False), table), table, horizon=2).text


def test_where_a_network_of_ones_own_is_trained_instead_there_is_no_market() -> None:
    table = PriceTable(series=(simulated_series("X", 300, start="2010-01-04"),))
    config = Config.from_preset("default", ["cross_section=false"]).replace(device="cpu")
    fitted = Forecaster(config).fit(table)
    assert isinstance(fitted.networks_, TrainedNetworks)
    recent_verdict(choose(config, table), table, horizon=1)
    with pytest.raises(ConfigError, match="sees no cross-section"):
        Config(cross_section=False)


def test_an_item_of_one_row_is_refused_in_one_line_by_the_adapted_network_too() -> None:
    table = PriceTable(series=(*table_of(2, 300), simulated_series("N", 1)))
    with pytest.raises(TooFewRows, match="'N' has 1"):
        Forecaster(Config.from_preset("default")).fit(table).predict(table, 2)
