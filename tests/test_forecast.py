"""The Forecast value: bands nest, JSON is clean, densities integrate, pictures appear."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gatecast import plot
from gatecast.errors import UsageError
from gatecast.forecast import Density, Forecast, ItemForecast


def item(paths: np.ndarray, **more: object) -> ItemForecast:
    return ItemForecast(
        item_id="X",
        last_timestamp=np.datetime64("2024-01-05", "ns"),
        last_close=100.0,
        timestamps=pd.bdate_range("2024-01-08", periods=paths.shape[1]).to_numpy(),
        paths=paths,
        **more,
    )


@pytest.fixture
def fan() -> Forecast:
    steps = np.random.default_rng(0).normal(0, 0.02, (500, 8))
    return Forecast(items=(item(100 * np.exp(steps.cumsum(axis=1))),), seed=3)


def test_a_band_lies_inside_every_wider_one(fan: Forecast) -> None:
    lower = upper = fan.items[0].median
    for level in (0.1, 0.5, 0.8, 0.9, 0.99):
        wider_lower, wider_upper = fan.items[0].interval(level)
        assert (wider_lower <= lower).all()
        assert (wider_upper >= upper).all()
        lower, upper = wider_lower, wider_upper


def test_quantiles_are_those_of_the_paths(fan: Forecast) -> None:
    item = fan.items[0]
    for q in (0.0, 0.05, 0.5, 1.0):
        np.testing.assert_array_equal(item.quantile(q), np.quantile(item.paths, q, axis=0))
    np.testing.assert_array_equal(item.mean, item.paths.mean(axis=0))
    above = item.probability_above(100.0)
    np.testing.assert_allclose(above, (item.paths > 100).mean(axis=0))
    assert (item.probability_above(0.0) == 1).all()


def test_frames_have_a_row_for_each_item_and_step(fan: Forecast) -> None:
    frame = fan.to_frame(0.8)
    assert list(frame) == ["item_id", "timestamp", "step", "median", "mean", "lower", "upper"]
    assert frame["step"].tolist() == list(range(1, 9))
    assert (frame["lower"] <= frame["median"]).all()
    for other in (fan.median(), fan.mean(), fan.quantile(0.2), fan.interval(0.5), fan.probability_above(101.0)):
        assert len(other) == 8


def test_json_has_the_design_s_shape(fan: Forecast) -> None:
    (document,) = json.loads(fan.to_json(0.9))
    assert list(document) == ["item_id", "last", "notes", "forecast"]
    assert document["last"] == {"timestamp": "2024-01-05", "close": 100.0}
    assert list(document["forecast"][0]) == ["timestamp", "step", "median", "mean", "lower", "upper"]
    assert document["forecast"][0]["timestamp"] == "2024-01-08"


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_level_outside_zero_and_one_is_refused(fan: Forecast, level: float) -> None:
    with pytest.raises(UsageError, match="level"):
        fan.interval(level)


def test_an_unknown_item_is_refused_with_those_there_are(fan: Forecast) -> None:
    with pytest.raises(UsageError, match="'Y'.*X"):
        fan["Y"]
    with pytest.raises(UsageError, match="quantile"):
        fan.quantile(2.0)


def test_density_equals_scipy_and_averages_over_paths() -> None:
    loc, scale, df = np.array([[0.0, 0.1], [0.2, 0.0]]), np.full((2, 2), 0.5), np.array([[5.0, np.inf]] * 2)
    value = np.array([0.3, -0.2])
    expected = [
        np.log(np.mean([stats.t.pdf(0.3, 5, 0.0, 0.5), stats.t.pdf(0.3, 5, 0.2, 0.5)])),
        np.log(np.mean([stats.norm.pdf(-0.2, 0.1, 0.5), stats.norm.pdf(-0.2, 0.0, 0.5)])),
    ]
    np.testing.assert_allclose(Density(loc=loc, scale=scale, df=df).log_pdf(value), expected)
    impossible = Density(loc=loc, scale=np.full((2, 2), 1e-170), df=np.full((2, 2), np.inf))
    with np.errstate(over="ignore"):
        assert (impossible.log_pdf(value) == -np.inf).all()


def test_plot_gives_a_figure_with_a_trace_for_the_median(fan: Forecast) -> None:
    figure = plot(fan)
    assert len(figure.data) >= 3
    assert "html" in figure.to_html()[:100]
