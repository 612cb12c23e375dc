"""Features: finite everywhere, scale-free, causal, and equal to the textbook's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import talib

from conftest import simulated_series
from gatecast.config import Config
from gatecast.errors import DataError
from gatecast.features.indicators import CLOSES, WARMUP, FeatureSpec, evaluate, series_features, volatility
from gatecast.features.indicators import _trailing as trailing_windows
from gatecast.features.windows import checked_features
from gatecast.prices import PriceSeries

SPECS = [
    FeatureSpec(returns=returns, has_range=full, has_volume=full)
    for returns in ("log", "simple", "none")
    for full in (True, False)
]


def series_of(close: np.ndarray, **columns: np.ndarray) -> PriceSeries:
    stamps = pd.bdate_range("2000-01-03", periods=len(close)).to_numpy()
    return PriceSeries(item_id="X", timestamps=stamps, close=close, **columns)


def awkward_series() -> dict[str, PriceSeries]:
    n = 200
    rng = np.random.default_rng(0)
    flat = np.full(n, 10.0)
    step = np.where(np.arange(n) < 120, 10.0, 20.0)
    crash = np.append(100 * np.exp(np.cumsum(rng.normal(0, 0.01, n - 1))), 5.0)
    cent = np.where(rng.random(n) < 0.5, 0.01, 0.02)
    shapes = {
        "constant": flat,
        "one cent": np.full(n, 0.01),
        "cent flicker": cent,
        "step": step,
        "crash": crash,
        "tiny": crash * 1e-12,
        "huge": crash * 1e12,
        "exponential": np.exp(np.linspace(0, 300, n)),
        "one row": flat[:1],
        "two rows": crash[:2],
    }
    return {
        name: series_of(close, high=close * 1.0, low=close * 1.0, volume=np.zeros(len(close)))
        for name, close in shapes.items()
    }


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", awkward_series())
def test_never_nan_or_infinite(name: str, spec: FeatureSpec) -> None:
    assert np.isfinite(series_features(awkward_series()[name], spec)).all()


def test_eight_features_by_default() -> None:
    for columns in (True, False):
        series = simulated_series(columns=columns)
        spec = FeatureSpec.of([series])
        assert len(spec.names) == len(set(spec.names)) == 8
        assert series_features(series, spec).shape == (len(series), 8)
    assert {"log_range", "volume_z"} <= set(FeatureSpec.of([simulated_series()]).names)
    assert {"momentum_10", "log_slow_volatility"} <= set(FeatureSpec.of([simulated_series(columns=False)]).names)


def test_scale_free() -> None:
    series = simulated_series(rows=300)
    scaled = series_of(*(7.3e4 * series.close,), high=7.3e4 * series.high, low=7.3e4 * series.low, volume=series.volume)
    spec = FeatureSpec.of([series])
    np.testing.assert_allclose(series_features(series, spec), series_features(scaled, spec), atol=1e-9)


@pytest.mark.parametrize("spec", SPECS)
def test_the_future_cannot_matter(spec: FeatureSpec) -> None:
    series = simulated_series(rows=200)
    cut = 150
    doubled = {name: np.append(v[:cut], 2 * v[cut:]) for name, v in series.columns().items()}
    later = PriceSeries(item_id="X", timestamps=series.timestamps, **doubled)
    np.testing.assert_array_equal(series_features(series, spec)[:cut], series_features(later, spec)[:cut])
    assert not np.array_equal(series_features(series, spec)[cut:], series_features(later, spec)[cut:])


def test_the_past_beyond_the_window_cannot_matter() -> None:
    series = simulated_series(rows=400)
    spec = FeatureSpec.of([series])
    late = series.rows(400 - CLOSES, 400)
    np.testing.assert_allclose(series_features(series, spec)[-1], series_features(late, spec)[-1], rtol=1e-12)


def test_guard_is_exactly_half_where_bands_collapse() -> None:
    series = awkward_series()["step"]
    guarded = series_features(series, FeatureSpec())[:, 5]
    collapsed = series.close == pd.Series(series.close).rolling(20).mean().to_numpy()
    assert collapsed.sum() > 100
    assert (guarded[collapsed] == 0.5).all()
    assert (guarded[120:139] != 0.5).all()


def test_without_the_guard_the_formula_breaks_and_says_where() -> None:
    spec = FeatureSpec.of([awkward_series()["constant"]], Config(bollinger_guard=False))
    with pytest.raises(DataError, match="Bollinger position of 'X' is undefined on 2000-01-28.*bollinger_guard=true"):
        checked_features(awkward_series()["constant"], spec)


def test_equal_to_talib() -> None:
    series = simulated_series(rows=700)
    spec = FeatureSpec.of([series])
    ours = dict(zip(spec.names, series_features(series, spec).T, strict=True))
    close = np.array(series.close)
    settled = slice(400, None)  # TA-Lib's averages start elsewhere; by then both have forgotten where
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    expected = {
        "sma_20_ratio": close / talib.SMA(close, 20) - 1,
        "rsi_14": talib.RSI(close, 14) / 100,
        "macd_12_26": talib.MACDEXT(close, 12, 1, 26, 1)[0] / close,
        "bollinger_position": (close - lower) / (upper - lower),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name][settled], values[settled], atol=2e-4, err_msg=name)
    momentum = series_features(series, FeatureSpec())[:, 6]
    np.testing.assert_allclose(momentum[settled], np.log(talib.ROCR(close, 10))[settled], atol=1e-12)
    assert middle is not None


def test_volatility_equals_the_recursion() -> None:
    series = simulated_series(rows=600, columns=False)
    squared = np.diff(np.log(series.close)) ** 2
    variance = squared[0]
    for value in squared[1:]:
        variance = 0.94 * variance + 0.06 * value
    assert volatility(series.close)[-1] == pytest.approx(np.sqrt(variance), rel=1e-3)


def test_parkinson_on_paper() -> None:
    series = series_of(np.array([10.0, 10.0]), high=np.array([10.0, 11.0]), low=np.array([10.0, 9.0]))
    value = series_features(series, FeatureSpec(has_range=True))[1, 6]
    assert value == pytest.approx(np.log(np.log(11 / 9) / np.sqrt(4 * np.log(2))))


def test_rows_and_paths_share_one_function() -> None:
    series = simulated_series(rows=300)
    spec = FeatureSpec.of([series])
    alone = evaluate(trailing_windows(series, spec, 299, 300), spec)[0]
    np.testing.assert_allclose(series_features(series, spec)[-1], alone[0], rtol=1e-12)
    assert WARMUP < CLOSES
