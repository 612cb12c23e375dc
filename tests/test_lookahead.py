"""No look-ahead: doubling every price after a cutoff changes nothing at or before it, in any part of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from conftest import TINY, base_networks, simulated_series
from gatecast.calibration import dependence
from gatecast.calibration.bands import Calibrator
from gatecast.calibration.combination import Combination
from gatecast.calibration.dependence import Outcomes
from gatecast.calibration.online import OnlineCalibration
from gatecast.calibration.turns import TURNS
from gatecast.calibration.walked import WalkedDays, WalkedNetwork
from gatecast.config import Config
from gatecast.events import Events
from gatecast.features import indicators as features
from gatecast.features import signals
from gatecast.features.cross_section import LEAST_ITEMS, ItemSignals, cross_section_rows
from gatecast.features.event_calendar import EventCalendar, history_events
from gatecast.features.indicators import FeatureSpec, series_features, volatility
from gatecast.features.signals import START, Moves, Signals, history_signals
from gatecast.features.windows import assemble, learn_scaler, split_timestamp, training_samples
from gatecast.judge import risk_answers
from gatecast.judge.recent import AsItWas
from gatecast.judge.walkforward import backtest
from gatecast.model import Request
from gatecast.models import rivals
from gatecast.models.baselines import EwmaT, Historical
from gatecast.models.calibrated import Calibrated
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import shipped
from gatecast.models.simulated import places_of
from gatecast.nn.training.sequences import TrainingSequence
from gatecast.prices import PriceSeries, PriceTable

ROWS, CUT = 200, 160


def dated(series: PriceSeries) -> PriceSeries:
    """The history with a report each quarter."""
    days = series.timestamps.astype("datetime64[D]")[30::63]
    return replace(series, events=Events.of_rows([(series.item_id, day, "earnings", None) for day in days]))


def doubled(series: PriceSeries, cutoff: np.datetime64) -> PriceSeries:
    """The same history with every value after the cutoff doubled (volume too), and events that were announced then."""
    late = series.timestamps > cutoff
    columns = {name: np.where(late, 2 * values, values) for name, values in series.columns().items()}
    day = cutoff.astype("datetime64[D]")
    told = Events.of_rows([(series.item_id, day + shift, "earnings", day + 1) for shift in (-20, 0, 1, 4)])
    assert series.events is not None
    return replace(series, **columns, events=told.joined(series.events.known(cutoff)))


def worlds(items: int = 2) -> tuple[PriceTable, PriceTable, np.datetime64]:
    """Two tables that agree up to the cutoff and differ after it."""
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:items]
    walks = (simulated_series(name, ROWS, seed) for seed, name in enumerate(names, start=1))
    ours = PriceTable(series=tuple(map(dated, walks)))
    cutoff = ours.series[0].timestamps[CUT - 1]
    return ours, PriceTable(series=tuple(doubled(series, cutoff) for series in ours)), cutoff


def feature_rows(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    spec = FeatureSpec.of(table, config)
    return [series_features(series, spec)[series.timestamps <= cutoff] for series in table]


def scales(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    return [volatility(series.close)[series.timestamps <= cutoff] for series in table]


def scaler(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    learned = learn_scaler(list(table), FeatureSpec.of(table, config), cutoff)
    return [learned.mean, learned.std, np.array(list(learned.levels.values()))]


def windows(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """Training windows with the cutoff as the split, as the network sees them."""
    spec = FeatureSpec.of(table, config)
    panel = assemble(list(table), spec, learn_scaler(list(table), spec, cutoff), config)
    samples = training_samples(panel, cutoff, config, epoch=1)
    rows = samples.starts[:, None] + np.arange(samples.length)
    judged = rows[:, -samples.judged :]
    kept = samples.row_weights[judged] > 0
    return [panel.inputs[rows], panel.target[judged][kept], samples.row_weights[judged]]


def weights(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """Weights trained on the whole table, judged on rows whose split falls at the cutoff."""
    whole = Forecaster(config).fit(table.until(cutoff))
    return [tensor.numpy() for tensor in whole.networks_.networks[0].network.state_dict().values()]


def weights_before_the_split(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """What training alone learned: the held-out tail of the table lies after the cutoff and only stops it."""
    share = 1 - (CUT - 29) / (ROWS - 29)
    config = config.replace(validation=share, epochs=1)
    assert split_timestamp(list(table), config) == cutoff
    forecaster = Forecaster(config).fit(table)
    return [tensor.numpy() for tensor in forecaster.networks_.networks[0].network.state_dict().values()]


def forecast(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    forecaster = Forecaster(config).fit(table.until(cutoff))
    return [item.paths for item in forecaster.predict(table.until(cutoff), 5, paths=20, seed=0)]


def calibrated(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """A stretch learned on half of the rows, then followed to the cutoff through a table that goes on."""
    model = Calibrated(EwmaT(), horizon=3, every=3).fit(table.until(table.series[0].timestamps[99]))
    origins = table.series[0].timestamps[100:CUT:3]
    onward = Calibrator.fresh(3).learn(model.model_, table, origins, paths=100)
    known = onward.settle(table.until(cutoff))
    seen = model.predict(table.until(cutoff), 3, paths=100)
    return [known.missed, known.lost, known.usual, *(item.paths for item in seen)]


def past_risk(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """Risk answers of cutoffs up to this one, and what had come by then, from a walk that goes on after it."""
    report = backtest(
        [EwmaT(), Historical()],
        table,
        horizon=5,
        every=3,
        start=table.series[0].timestamps[100],
        min_rows=60,
        refit=0,
        risk=True,
    )
    assert report.risk is not None
    answers = report.risk[report.risk["cutoff"] <= cutoff]
    settled = answers[answers["timestamp"] <= cutoff]
    assert 0 < len(settled) < len(answers)
    said = answers[answers["question"] != "portfolio"]  # whose value is the place of what came
    return [np.nan_to_num(rows) for rows in (said[["value", "shortfall", "walk"]], settled[["value", "observed"]])]


PARTS: list[Callable[[PriceTable, np.datetime64, Config], list[np.ndarray]]] = [
    feature_rows,
    scales,
    scaler,
    windows,
    weights,
    weights_before_the_split,
    forecast,
]
UNSET = [calibrated, past_risk]  # parts that no setting of a network touches
SETTINGS = [
    {},
    {"returns": "simple"},
    {"returns": "none"},
    {"training": "windows"},
    {"encoder": "gru"},
    {"encoder": "rnn"},
    {"encoder": "tcn"},
    {"encoder": "transformer"},
    {"weights": "half_life"},
    {"per_asset": True},
    {"calibrate": True},
    {"events": True},
]


def same(part: Callable[..., list[np.ndarray]], config: Config, items: int = 2) -> bool:
    ours, theirs, cutoff = worlds(items)
    pairs = zip(part(ours, cutoff, config), part(theirs, cutoff, config), strict=True)
    return all(np.array_equal(first, second) for first, second in pairs)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("part", PARTS)
def test_the_future_changes_nothing(part: Callable[..., list[np.ndarray]], settings: dict[str, object]) -> None:
    assert same(part, TINY.replace(**settings))


@pytest.mark.parametrize("part", UNSET)
def test_the_future_changes_nothing_beside_networks(
    part: Callable[[PriceTable, np.datetime64, Config], list[np.ndarray]],
) -> None:
    assert same(part, TINY)


@pytest.mark.parametrize("counted", ["missed", "lost"])
def test_control_a_calibrator_that_settles_early_is_caught(counted: str) -> None:
    def early(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
        model = EwmaT().fit(table.until(cutoff))
        onward = Calibrator.fresh(3).learn(model, table, table.series[0].timestamps[100:CUT:3], paths=100)
        return [getattr(onward.settle(table), counted)]

    assert not same(early, TINY)


def test_control_a_combination_that_settles_early_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def early(known: Combination, prices: PriceTable) -> Combination:
        return honest(known, whole)

    def peeking(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
        nonlocal whole
        whole = table
        return base_combined(table, cutoff, config)[:1]  # the slopes

    honest, whole = Combination.settle, worlds()[0]
    assert same(peeking, TINY)
    monkeypatch.setattr(Combination, "settle", early)
    assert not same(peeking, TINY)


def test_control_a_usual_move_of_later_days_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = risk_answers._case
    monkeypatch.setattr(risk_answers, "_case", lambda item, seen, days: honest(item, days, days))
    assert not same(past_risk, TINY)


@pytest.mark.parametrize("part", [feature_rows, scaler, windows, weights_before_the_split])
def test_control_a_feature_that_peeks_is_caught(
    part: Callable[..., list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = features._trailing

    def peeking(series: PriceSeries, spec: FeatureSpec, start: int, stop: int) -> features.Trailing:
        """Centres every window on its row, as a forgotten shift would."""
        seen = honest(series, spec, start, stop)
        ahead = np.append(np.log(series.close)[1:], np.log(series.close[-1]))[start:stop]
        return features.Trailing(
            log_close=np.column_stack([seen.log_close[:, 1:], ahead]),
            rows=seen.rows,
            log_range=seen.log_range,
            log_volume=seen.log_volume,
        )

    assert same(part, TINY)
    monkeypatch.setattr(features, "_trailing", peeking)
    assert not same(part, TINY)


def signal_rows(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """What the base network sees at each row, and the scales that turn it back."""
    rows = []
    for series in table:
        seen, past = history_signals(Moves.of(series)), series.timestamps[1:] <= cutoff
        rows += [seen.values[past], seen.scale[past], seen.overnight[past], seen.usual_volume[past]]
    return rows


def event_rows(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """What the calendar says of the day after each row."""
    rows = []
    for series in table:
        moves = Moves.of(series)
        events = history_events(EventCalendar.of(series, moves), len(moves))
        assert np.abs(events[:, :18]).sum() > 0
        rows.append(events[series.timestamps[1:] <= cutoff])
    return rows


def training_sequences(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """What the base network learns from, of days up to the cutoff: targets too."""
    rows = []
    learned = dict(zip(table.item_ids, TrainingSequence.of_table(list(table)), strict=True))
    for series in table:
        lesson = learned[series.item_id]
        past = lesson.days <= cutoff
        parts = [getattr(lesson.inputs, field.name) for field in fields(lesson.inputs)]
        rows += [np.nan_to_num(part.numpy()[past]) for part in (*parts, lesson.observed)]
    return rows


def base_forecast(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    model = Forecaster(Config(start="base")).fit(table)
    alone = model.predict(table.until(cutoff), 5, paths=20, seed=0)
    in_a_batch = model.predict_at(
        table, Request(cutoffs=[table.series[0].timestamps[CUT - 9], cutoff], horizon=5, paths=20, seeds=[1, 0])
    )
    items = [item for forecast in (alone, *in_a_batch) for item in forecast]
    assert all(item.highs is not None and item.lows is not None for item in items)
    return [part for item in items for part in (item.paths, item.highs, item.lows) if part is not None]


def base_calibrated(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """A stretch learned on the first rows, then followed to the cutoff through a table that goes on."""
    stamps = table.series[0].timestamps
    model = Forecaster(Config(start="base", calibrate=True)).fit(table.until(stamps[CUT - 30]))
    assert model.calibration_ is not None and model.calibration_.learned.origins > 1
    forecasts = model.predict_at(table, Request(cutoffs=[stamps[CUT - 9], cutoff], horizon=5, paths=20, seeds=[1, 0]))
    return [item.paths for forecast in forecasts for item in forecast]


def base_combined(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """Weights and stretches learned on the first rows, then followed to the cutoff through a table that goes on."""
    stamps = table.series[0].timestamps
    with early_rivals():
        model = Forecaster(Config(start="base", calibrate=True, combine=True)).fit(table.until(stamps[CUT - 30]))
        request = Request(cutoffs=[stamps[CUT - 9], cutoff], horizon=5, paths=20, seeds=[1, 0])
        forecasts = model.predict_at(table, request)
        assert model.calibration_ is not None
        known = model.calibration_.known_at(model.source_, table, [cutoff])[0]
    assert known.combination is not None and (known.combination.slopes != 0).any()
    paths = [item.paths for forecast in forecasts for item in forecast]
    return [known.combination.slopes, known.calibrator.missed, known.calibrator.lost, *paths]


def base_as_it_was(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """A model that was fitted on a table that goes on, asked what it would have said of some of its items before."""
    stamps = table.series[0].timestamps
    with early_rivals():
        model = Forecaster(Config(start="base", calibrate=True, combine=True)).fit(table)
        request = Request(cutoffs=[stamps[CUT - 9], cutoff], horizon=5, paths=20, seeds=[1, 0])
        judged = AsItWas(forecaster=model, prices=table)
        forecasts = list(judged.predict_at(table.select(table.item_ids[:2]), request))
        assert model.calibration_ is not None and cutoff < model.calibration_.since
        known = model.calibration_.known_at(model.source_, table, [cutoff])[0]
    assert known.combination is not None and (known.combination.slopes != 0).any()
    paths = [item.paths for forecast in forecasts for item in forecast]
    return [known.combination.slopes, known.calibrator.missed, known.calibrator.lost, *paths]


@contextmanager
def early_rivals() -> Iterator[None]:
    """Models beside the network that learn from a table as short as this one."""
    usual = rivals.LEAST, rivals.REFIT
    rivals.LEAST, rivals.REFIT = 100, 20
    try:
        yield
    finally:
        rivals.LEAST, rivals.REFIT = usual


def base_walked(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """Days walked over up to the cutoff, after a walk that went on behind it."""
    stamps, days = table.series[0].timestamps, WalkedDays()
    network = WalkedNetwork(network=base_networks(shipped()[0]), days=days, identity="base")
    origins = [*stamps[CUT - 29 : CUT - 1 : 4], cutoff, *stamps[CUT + 3 :: 4]]
    list(network.bands(table, origins, 3, 100, origins))
    known = origins[: origins.index(cutoff) + 1]
    return [part for bands in network.bands(table, known, 3, 100, known) for part in (bands.middle, bands.above)]


def markets(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """What each row holds of the other items."""
    parts = []
    for series in table:
        signals = history_signals(Moves.of(series), START)
        parts.append(ItemSignals(timestamps=series.timestamps[1 + START :], signals=signals, has_range=True))
    rows = [row[part.timestamps <= cutoff] for part, row in zip(parts, cross_section_rows(parts), strict=True)]
    assert all(np.isfinite(row).any() for row in rows)
    return [np.nan_to_num(row) for row in rows]


def joint_places(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """Where the shocks of joint paths stand, drawn from a table that goes on."""
    stamps = table.series[0].timestamps
    request = Request(cutoffs=[stamps[CUT - 9], cutoff], horizon=5, paths=20, seeds=[1, 0])
    return list(places_of(table, request).values())


def all_places(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
    """The places before a cutoff, asked for together with later ones."""
    stamps = table.series[0].timestamps
    request = Request(cutoffs=[stamps[CUT - 9], cutoff, stamps[-1]], horizon=5, paths=20, seeds=[1, 0, 2])
    return [places for (_, number), places in places_of(table, request).items() if number < 2]


BASE_PARTS = [
    all_places,
    joint_places,
    signal_rows,
    event_rows,
    training_sequences,
    base_forecast,
    base_calibrated,
    base_combined,
    base_as_it_was,
    base_walked,
]


@pytest.mark.parametrize("part", BASE_PARTS)
def test_the_future_changes_nothing_for_the_base_network(part: Callable[..., list[np.ndarray]]) -> None:
    assert same(part, TINY)


MARKET_PARTS = [markets, all_places, joint_places, training_sequences, base_forecast, base_calibrated, base_combined]


@pytest.mark.parametrize("part", MARKET_PARTS)
def test_the_future_changes_nothing_in_a_table_that_has_a_market(part: Callable[..., list[np.ndarray]]) -> None:
    assert same(part, TINY, items=LEAST_ITEMS)


@pytest.mark.parametrize("part", [base_calibrated, base_combined, base_as_it_was])
def test_the_future_changes_nothing_where_items_take_turns(part: Callable[..., list[np.ndarray]]) -> None:
    assert same(part, TINY, items=TURNS * LEAST_ITEMS)


def test_control_a_turn_that_peeks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each origin saw the rows after it."""
    until = PriceTable.until
    monkeypatch.setattr(PriceTable, "until", lambda self, cutoff: until(self, cutoff + np.timedelta64(7, "D")))
    assert not same(base_calibrated, TINY, items=TURNS * LEAST_ITEMS)


def test_control_a_past_that_was_known_later_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the last origin that was learned from told of all days."""
    before = OnlineCalibration._before
    monkeypatch.setattr(
        OnlineCalibration, "_before", lambda known, cutoff, prices: before(known, known.since, prices.until(cutoff))
    )
    assert not same(base_as_it_was, TINY)


def test_control_a_dependence_that_peeks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outcomes, "until", lambda outcomes, cutoff: outcomes)
    assert not same(all_places, TINY)


def test_control_a_volatility_of_the_market_that_peeks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the volatility that a day's outcomes are held against were that of all days from it on."""
    monkeypatch.setattr(dependence, "_smoothed", lambda values, decay, start: values[::-1].cumsum()[::-1])
    assert not same(all_places, TINY, items=LEAST_ITEMS)


@pytest.mark.parametrize("part", [markets, training_sequences])
def test_control_a_market_that_peeks_is_caught(
    part: Callable[..., list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ItemSignals.__init__

    def late(self: ItemSignals, *, timestamps: np.ndarray, signals: Signals, has_range: bool) -> None:
        shifted = timestamps.copy()
        if late.turn % LEAST_ITEMS:  # all but the first are known two days early
            shifted[2:], shifted[:2] = timestamps[:-2], timestamps[:2] - np.timedelta64(9, "D")
        late.turn += 1
        honest(self, timestamps=shifted, signals=signals, has_range=has_range)

    late.turn = 0
    monkeypatch.setattr(ItemSignals, "__init__", late)
    assert not same(part, TINY, items=LEAST_ITEMS)


@pytest.mark.parametrize("part", [signal_rows, training_sequences])
def test_control_a_signal_that_peeks_is_caught(
    part: Callable[..., list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = signals.sliding_window_view
    monkeypatch.setattr(signals, "sliding_window_view", lambda *given: np.roll(honest(*given), -2, axis=0))
    assert not same(part, TINY)


def test_control_a_scaler_fitted_on_everything_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    import test_lookahead

    def greedy(table: PriceTable, cutoff: np.datetime64, config: Config) -> list[np.ndarray]:
        learned = learn_scaler(list(table), FeatureSpec.of(table, config), table.series[0].timestamps[-1])
        return [learned.mean, learned.std]

    assert not test_lookahead.same(greedy, TINY)
    assert torch.equal(torch.zeros(1), torch.zeros(1))
