"""Simulated paths: features recomputed, masks held, both kinds of spread, prices that stay prices."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import TINY, simulated_series
from gatecast.config import Config
from gatecast.errors import TooFewRows, UsageError
from gatecast.features.contract import Day
from gatecast.features.indicator_windows import CLOSES, IndicatorWindows
from gatecast.features.indicators import FeatureSpec, evaluate, series_features, volatility
from gatecast.models.forecaster import Forecaster
from gatecast.nn.next_day import shrinkage_of
from gatecast.prices import PriceSeries, PriceTable


def fitted(table: PriceTable, **settings: object) -> Forecaster:
    return Forecaster(TINY.replace(**settings)).fit(table)


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("returns", ["log", "simple", "none"])
def test_features_along_a_path_equal_those_of_a_history(
    columns: bool, returns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path appended to its history, read back as a history, has the features the network was given."""
    series = simulated_series(columns=columns)
    table = PriceTable(series=(series,))
    forecaster = fitted(table, returns=returns)
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
    append = IndicatorWindows.append

    def spy(self: IndicatorWindows, day: Day) -> None:
        sigma = self._sigma.copy()
        append(self, day)
        volumes = None if self._log_volume is None else self._log_volume[:, CLOSES + self._step - 1].copy()
        features = evaluate(self._trailing(), self._features.spec)[0]
        seen.append((features, sigma * np.exp(day.log_range), volumes))

    monkeypatch.setattr(IndicatorWindows, "append", spy)
    paths = forecaster.predict(table, 6, paths=3, seed=1).items[0].paths
    for path in range(3):
        grown = {"close": np.append(series.close, paths[path])}
        if columns:
            spread = np.exp(np.array([ranges[path] for _, ranges, _ in seen]) * np.sqrt(4 * np.log(2)) / 2)
            grown["high"] = np.append(series.high, paths[path] * spread)
            grown["low"] = np.append(series.low, paths[path] / spread)
            grown["volume"] = np.append(series.volume, np.expm1([volumes[path] for _, _, volumes in seen]))
        stamps = np.arange(len(series) + 6).astype("datetime64[D]")
        history = PriceSeries(item_id="A", timestamps=stamps, **grown)
        again = series_features(history, FeatureSpec.of([history], Config(returns=returns)))[-6:]
        np.testing.assert_allclose([features[path] for features, _, _ in seen], again, rtol=1e-6, atol=1e-8)


def test_same_seed_same_paths_and_each_item_its_own_stream(table: PriceTable) -> None:
    forecaster = fitted(table, joint=False)
    both = forecaster.predict(table, 5, paths=50, seed=3)
    np.testing.assert_array_equal(both["B"].paths, forecaster.predict(table, 5, paths=50, seed=3)["B"].paths)
    alone = forecaster.predict(table.select(("B",)), 5, paths=50, seed=3)
    np.testing.assert_array_equal(both["B"].paths, alone["B"].paths)
    assert not np.array_equal(both["B"].paths, forecaster.predict(table, 5, paths=50, seed=4)["B"].paths)


@pytest.mark.parametrize("factor", [1e-6, 3.7, 1e5])
def test_forecast_of_scaled_prices_is_the_scaled_forecast(factor: float) -> None:
    series = simulated_series()
    columns = {name: v if name == "volume" else factor * v for name, v in series.columns().items()}
    scaled = PriceTable(series=(PriceSeries(item_id="X", timestamps=series.timestamps, **columns),))
    table = PriceTable(series=(series,))
    for returns in ("log", "none"):
        ours = fitted(table, returns=returns).predict(table, 5, paths=200, seed=1).items[0]
        theirs = fitted(scaled, returns=returns).predict(scaled, 5, paths=200, seed=1).items[0]
        for q in (0.05, 0.5, 0.95):
            np.testing.assert_allclose(theirs.quantile(q), factor * ours.quantile(q), rtol=1e-3)


def width(forecaster: Forecaster, table: PriceTable) -> float:
    lower, upper = forecaster.predict(table, 5, paths=400, seed=1).items[0].interval(0.9)
    return float((upper - lower).mean())


def test_both_kinds_of_spread_enter_a_path(table: PriceTable) -> None:
    full, dropout, noise, none = (
        width(fitted(table, noise=noise, mc_dropout=dropped), table)
        for noise, dropped in (("residuals", True), ("none", True), ("residuals", False), ("none", False))
    )
    assert none == pytest.approx(0, abs=1e-9)
    assert dropout > 0
    assert noise > 0
    assert full > max(dropout, 0.9 * noise)


def test_a_mask_is_held_along_the_path(table: PriceTable) -> None:
    """With no noise a path is a function of its mask alone: ranks at step 1 persist, as fresh masks' would not."""
    paths = fitted(table, noise="none", dropout=0.5).predict(table, 8, paths=300, seed=1).items[0].log_returns()
    steps = np.diff(paths, axis=1, prepend=0)
    assert np.corrcoef(steps[:, 1], steps[:, 5])[0, 1] > 0.5


def test_noise_free_bands_match_the_residuals_when_noise_is_on() -> None:
    table = PriceTable(series=(simulated_series(rows=800, columns=False),))
    forecaster = fitted(table, mc_dropout=False)
    errors = forecaster.networks_.networks[0].held_out.error
    item = forecaster.predict(table, 1, paths=20_000, seed=0).items[0]
    sigma = volatility(table.series[0].close)[-1]
    assert item.log_returns().std() == pytest.approx(sigma * errors.std(), rel=0.03)
    assert errors.mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("last", [0.1, 10.0, 1e-3])
def test_after_a_crash_or_a_leap_prices_stay_prices(last: float) -> None:
    series = simulated_series(columns=False)
    close = np.append(series.close[:-1], series.close[-2] * last)
    table = PriceTable(series=(PriceSeries(item_id="X", timestamps=series.timestamps, close=close),))
    for returns in ("log", "simple", "none"):
        paths = fitted(table, returns=returns).predict(table, 60, paths=100, seed=1).items[0].paths
        assert np.isfinite(paths).all()
        assert (paths > 0).all()


def test_constant_prices_give_a_narrow_honest_band() -> None:
    table = PriceTable.from_close({"X": (np.full(160, 10.0), np.arange(160).astype("datetime64[D]"))})
    lower, upper = fitted(table).predict(table, 10, paths=200, seed=0).items[0].interval(0.9)
    assert (lower <= upper).all()
    assert (np.abs(np.append(lower, upper) / 10 - 1) < 1e-3).all()


def test_a_short_history_and_silly_sizes_are_refused(table: PriceTable) -> None:
    forecaster = fitted(table)
    short = PriceTable(series=(simulated_series("A", 25),))
    with pytest.raises(TooFewRows, match="at least 30 rows.*'A' has 25"):
        forecaster.predict(short, 5)
    for horizon, paths in ((0, 10), (5, 0), (10**6, 10**6)):
        with pytest.raises(UsageError):
            forecaster.predict(table, horizon, paths=paths)
    with pytest.raises(UsageError, match="fit"):
        Forecaster().predict(table)


def test_levels_of_an_unknown_item_are_refused(table: PriceTable) -> None:
    forecaster = fitted(table.select(("A",)), returns="none")
    with pytest.raises(Exception, match="'B' is none of them"):
        forecaster.predict(table.select(("B",)), 5)
    assert fitted(table.select(("A",))).predict(table.select(("B",)), 5, paths=10).items[0].item_id == "B"


def test_a_mean_move_counts_by_what_held_out_days_confirm() -> None:
    rng = np.random.default_rng(0)
    noise, signal = rng.normal(size=400), rng.normal(size=400)
    assert shrinkage_of(signal, signal + 0.1 * noise) > 0.95
    assert shrinkage_of(signal, noise) < 0.1
    assert shrinkage_of(signal, -signal) == 0.0
    assert shrinkage_of(np.zeros(50), noise[:50]) == 0.0


def test_a_drift_that_is_not_there_does_not_move_the_median() -> None:
    """On random walks a network's own drift is luck; a memory that is there keeps its weight."""
    drifts: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(5):
        steps = np.random.default_rng(seed).normal(0, 0.01, 220)
        table = PriceTable.from_close({"X": (np.exp(steps.cumsum()), np.arange(220).astype("datetime64[D]"))})
        for shrink, found in drifts.items():
            forecaster = fitted(table, shrink=shrink, epochs=15, hidden=12, learning_rate=0.01)
            item = forecaster.predict(table, 5, paths=1000, seed=1).items[0]
            found.append(abs(float(np.log(item.median[-1] / item.last_close))))
    assert np.mean(drifts[True]) < 0.5 * np.mean(drifts[False])


def test_a_memory_that_is_there_is_trusted() -> None:
    returns = np.zeros(900)
    rng = np.random.default_rng(0)
    for t in range(1, 900):
        returns[t] = -0.8 * returns[t - 1] + 0.01 * rng.normal()
    table = PriceTable.from_close({"X": (np.exp(returns.cumsum()), np.arange(900).astype("datetime64[D]"))})
    forecaster = fitted(table, epochs=25, hidden=16, learning_rate=0.01, dropout=0.05)
    assert forecaster.networks_.networks[0].held_out.shrinkage > 0.6
