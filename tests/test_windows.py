"""Scaling, splits, recency weights and window views."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import TINY, simulated_series
from gatecast.config import Config
from gatecast.errors import TooFewRows
from gatecast.features.indicators import WARMUP, FeatureSpec
from gatecast.features.targets import CLIP, next_value, to_log_return
from gatecast.features.windows import (
    assemble,
    learn_scaler,
    long_enough,
    recency_weights,
    rows_needed,
    split_timestamp,
    training_samples,
    validation_samples,
)


def panel_of(config: Config = TINY):
    series = [simulated_series("A", 160, 1), simulated_series("B", 140, 2, start="2020-02-03")]
    spec = FeatureSpec.of(series, config)
    split = split_timestamp(series, config)
    return series, spec, split, assemble(series, spec, learn_scaler(series, spec, split), config)


STAMPS = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


@pytest.mark.parametrize("kind", ["none", "linear", "exponential", "half_life"])
def test_recency_weights_have_mean_one_and_never_fall(kind: str) -> None:
    weights = recency_weights(STAMPS, Config(weights=kind, half_life_days=100))
    assert weights.mean() == pytest.approx(1)
    assert (np.diff(weights) >= 0).all()
    ratio = {"none": 1.0, "linear": 2.0, "exponential": np.exp(3), "half_life": 2 ** (365 / 100)}[kind]
    assert weights[-1] / weights[0] == pytest.approx(ratio)


@pytest.mark.parametrize("training", ["dense", "windows"])
def test_split_in_time_holds_for_every_item(training: str) -> None:
    config = TINY.replace(training=training, validation=0.2)
    _, _, split, panel = panel_of(config)
    train, held_out = training_samples(panel, split, config, 1), validation_samples(panel, split, config)
    assert (panel.stamps[train.row_weights > 0] <= split).all()
    assert (panel.stamps[held_out.row_weights > 0] > split).all()
    share = (held_out.row_weights > 0).sum() / panel.usable.sum()
    assert share == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("training", ["dense", "windows"])
def test_every_held_out_target_is_judged_once(training: str) -> None:
    config = TINY.replace(training=training)
    _, _, split, panel = panel_of(config)
    samples = validation_samples(panel, split, config)
    first = samples.starts + samples.length - samples.judged
    judged = (first[:, None] + np.arange(samples.judged)).ravel()
    judged = judged[samples.row_weights[judged] > 0]
    assert sorted(judged) == list(np.flatnonzero(panel.usable & (panel.stamps > split)))


def test_dense_epochs_reach_every_training_row() -> None:
    _, _, split, panel = panel_of()
    seen: set[int] = set()
    for epoch in range(1, 12):
        samples = training_samples(panel, split, TINY, epoch)
        seen |= set((samples.starts[:, None] + np.arange(samples.length)).ravel().tolist())
    assert set(np.flatnonzero(panel.usable & (panel.stamps <= split))) <= seen


def test_no_window_reaches_into_another_item() -> None:
    series, _, split, panel = panel_of()
    for samples in (training_samples(panel, split, TINY, 1), validation_samples(panel, split, TINY)):
        for start in samples.starts:
            rows = np.arange(start, start + samples.length)
            real = [
                ((rows >= first) & (rows < first + len(asset))).any()
                for first, asset in zip(panel.first_rows, series, strict=True)
            ]
            weighted = samples.row_weights[rows[-samples.judged :]].any()
            assert sum(real) == 1 or not weighted


def test_scaler_learns_from_training_rows_alone() -> None:
    series, spec, split, _ = panel_of()
    doubled = [_doubled_after(asset, split) for asset in series]
    ours, theirs = learn_scaler(series, spec, split), learn_scaler(doubled, spec, split)
    np.testing.assert_array_equal(ours.mean, theirs.mean)
    np.testing.assert_array_equal(ours.std, theirs.std)


def _doubled_after(series, split):
    late = series.timestamps > split
    columns = {name: np.where(late, 2 * values, values) for name, values in series.columns().items()}
    return type(series)(item_id=series.item_id, timestamps=series.timestamps, **columns)


def test_scaled_training_rows_have_mean_zero_and_deviation_one() -> None:
    series, spec, split, panel = panel_of()
    rows = panel.usable & (panel.stamps <= split)
    assert np.abs(panel.inputs[rows].mean(axis=0)).max() < 0.3
    assert np.abs(panel.inputs).max() <= CLIP
    assert panel.inputs.dtype == np.float32


@pytest.mark.parametrize("returns", ["log", "simple", "none"])
def test_target_and_back(returns: str) -> None:
    close = simulated_series().close
    value = next_value(returns, close)[:-1]
    np.testing.assert_allclose(to_log_return(returns, np.log(close[:-1]), value), np.diff(np.log(close)), atol=1e-12)


def test_a_predicted_price_below_zero_stays_a_price() -> None:
    assert np.isfinite(to_log_return("none", np.zeros(1), np.array([-5.0]))).all()
    assert np.isfinite(to_log_return("simple", np.zeros(1), np.array([-3.0]))).all()


def test_too_few_rows_names_the_number_needed() -> None:
    config = Config(context_length=60)
    assert rows_needed(config) == 100
    with pytest.raises(TooFewRows, match=r"at least 100 rows.*'X' has 99"):
        long_enough([simulated_series(rows=99)], config)
    assert long_enough([simulated_series(rows=99), simulated_series("Y", 100)], config)[0].item_id == "Y"


def test_windows_are_views() -> None:
    rows = torch.zeros(100_000, 8)
    assert rows.unfold(0, 1460, 1).data_ptr() == rows.data_ptr()
    assert WARMUP == 20
