"""Figures: nested bands that begin at the last close, real dates, plain text, small numbers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gatecast.faces import figures
from gatecast.forecast import ItemForecast
from gatecast.notes import Note
from gatecast.prices import PriceSeries

EVIL = '<script>alert(1)</script><a href="javascript:1">&'


def item_and_history(item_id: str = "X", horizon: int = 10, paths: int = 200) -> tuple[ItemForecast, PriceSeries]:
    rng = np.random.default_rng(3)
    days = pd.bdate_range("2024-01-01", periods=300 + horizon)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, 300)))
    history = PriceSeries(item_id=item_id, timestamps=days[:300].to_numpy(), close=close)
    item = ItemForecast(
        item_id=item_id,
        last_timestamp=history.timestamps[-1],
        last_close=float(close[-1]),
        timestamps=days[300:].to_numpy(),
        paths=close[-1] * np.exp(np.cumsum(rng.normal(0, 0.01, (paths, horizon)), axis=1)),
        notes=(Note("data", "a note", (item_id,)),),
    )
    return item, history


def trace(figure, name):
    return next(each for each in figure.data if each.name == name)


def edges(figure, name):
    """(lower, upper) of a band drawn as a closed outline."""
    y = np.array(trace(figure, name).y, dtype=float)
    half = len(y) // 2
    return y[half:][::-1], y[:half]


def test_bands_are_nested_and_begin_at_the_last_close():
    item, history = item_and_history()
    figure = figures.fan(item, history)
    wide, middle, narrow = (edges(figure, name) for name in ("90%", "80%", "50%"))
    assert (wide[0] <= middle[0]).all() and (middle[0] <= narrow[0]).all()
    assert (narrow[1] <= middle[1]).all() and (middle[1] <= wide[1]).all()
    for low, high in (wide, middle, narrow):
        assert low[0] == high[0] == pytest.approx(item.last_close, rel=1e-5)
    np.testing.assert_allclose(wide[1][1:], item.interval(0.9)[1], rtol=1e-5)


def test_the_axis_has_real_dates_and_history_stops_at_the_last_known_close():
    item, history = item_and_history()
    figure = figures.fan(item, history, history_rows=20)
    close = trace(figure, "Close")
    assert len(close.x) == 20
    assert close.x[-1] == trace(figure, "Median").x[0] == "2025-02-21"
    assert trace(figure, "Median").x[1] == "2025-02-24"  # over a weekend
    later = PriceSeries(
        item_id="X",
        timestamps=np.append(history.timestamps, item.timestamps[0]),
        close=np.append(history.close, 10 * item.last_close),
    )
    assert figures.fan(item, later, history_rows=20).to_json() == figure.to_json()


def test_hourly_stamps_keep_their_hours():
    item, _ = item_and_history()
    hours = ItemForecast(
        item_id="X",
        last_timestamp=np.datetime64("2024-01-01T22:00"),
        last_close=item.last_close,
        timestamps=np.arange("2024-01-01T23", "2024-01-02T09", dtype="datetime64[h]"),
        paths=item.paths,
    )
    assert trace(figures.fan(hours), "Median").x[:2] == ("2024-01-01T22:00:00", "2024-01-01T23:00:00")


def test_the_same_item_gives_the_same_bytes_in_six_digits():
    first, history = item_and_history()
    again, _ = item_and_history()
    text = figures.fan(first, history).to_json()
    assert text == figures.fan(again, history).to_json()
    numbers = [abs(value) for each in json.loads(text)["data"] for value in each["y"] if value is not None]
    assert all(float(f"{value:.6g}") == value for value in numbers)


def test_only_a_handful_of_paths_is_drawn():
    item, history = item_and_history(paths=5000)
    drawn = trace(figures.fan(item, history, sample_paths=12), "12 of 5,000 paths")
    assert sum(value is None for value in drawn.y) == 12
    assert len(figures.fan(item, history).to_json()) < 30_000


def test_names_are_shown_literally():
    item, history = item_and_history(EVIL)
    text = figures.fan(item, history).to_json()
    assert "<script" not in text and "<a href" not in text
    assert "&lt;script&gt;" in text


def test_a_forecast_of_a_single_constant_step_has_a_fan():
    item = ItemForecast(
        item_id="X",
        last_timestamp=np.datetime64("2024-01-01"),
        last_close=1.0,
        timestamps=np.array(["2024-01-02"], dtype="datetime64[ns]"),
        paths=np.ones((5, 1)),
    )
    assert edges(figures.fan(item), "80%")[0].tolist() == [1.0, 1.0]


def test_every_colour_has_a_dark_counterpart():
    item, history = item_and_history()
    for figure in (figures.fan(item, history), figures.loss_curve([(1, 1.0, 1.0), (2, 0.5, 0.6)], 2)):
        assert colours(json.loads(figure.to_json())) <= set(figures.DARK)


def colours(value, key=""):
    if isinstance(value, dict):
        return set().union(*(colours(part, name) for name, part in value.items())) if value else set()
    if isinstance(value, list):
        return set().union(*(colours(part, key) for part in value)) if value else set()
    return {value} if isinstance(value, str) and key.lower().endswith(("color", "colors")) else set()


def test_the_kept_epoch_is_marked_and_a_broken_loss_is_a_gap():
    losses = [(1, 0.9, 0.8), (2, 0.5, 0.6), (3, float("nan"), 0.7)]
    figure = figures.loss_curve(losses, best_epoch=2)
    kept = trace(figure, "Kept: epoch 2")
    assert (kept.x, kept.y) == ((2,), (0.6,))
    assert trace(figure, "Training").y == (0.9, 0.5, None)
