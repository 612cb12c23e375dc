"""Months and years ahead: paths keep to the series' own volatility, without drift and without end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from conftest import base_networks, texts
from gatecast import Forecaster
from gatecast.config import Config
from gatecast.features import indicator_windows, long_run, signal_windows
from gatecast.features.contract import Day, Student
from gatecast.features.long_run import NEAR, LongRun, Sizes, kept, without_drift
from gatecast.features.signal_rows import signal_rows
from gatecast.forecast import ItemForecast
from gatecast.model import Request
from gatecast.models.shipped import SHIPPED
from gatecast.nn.training.base import predicted
from gatecast.nn.training.sequences import Chunks, TrainingSequence
from gatecast.prices import PriceSeries, PriceTable
from gatecast.readers.read import read_prices

SIGMA, FARTHEST = 0.015, 500
NEW = SHIPPED / "2021-12-31"  # noise begins later: none of it was learned from


def noise(item_id: str, seed: int, *, rows: int = 400, sigma: float | np.ndarray = SIGMA) -> PriceSeries:
    """A random walk of normal moves without drift; ranges are those of 60 moves within each day."""
    rng = np.random.default_rng(seed)
    daily = np.broadcast_to(sigma, rows)[:, None]
    within = np.cumsum(rng.standard_normal((rows, 60)) * daily / np.sqrt(60), axis=1)
    start = np.concatenate([[0], np.cumsum(within[:, -1])[:-1]])[:, None]
    day = np.exp(start + np.column_stack([np.zeros(rows), within])) * 100
    return PriceSeries(
        item_id=item_id,
        timestamps=pd.bdate_range("2022-01-03", periods=rows).to_numpy(),
        close=day[:, -1],
        open=day[:, 0],
        high=day.max(axis=1),
        low=day.min(axis=1),
        volume=np.round(1e6 * np.exp(rng.normal(0, 0.3, rows))),
    )


def simulated(*series: PriceSeries, horizon: int = FARTHEST, paths: int = 300) -> list[ItemForecast]:
    """Each series by itself under the base network as it comes, without calibration."""
    networks = replace(base_networks(NEW), cross_section=False)
    last = max(item.timestamps[-1] for item in series)
    request = Request(cutoffs=[last], horizon=horizon, paths=paths, seeds=[0])
    return list(networks.predict_at(PriceTable(series=series), request)[0])


def daily_volatility(item: ItemForecast, first: int, last: int) -> float:
    """The root mean square of the simulated moves of these steps."""
    return float(np.sqrt(np.square(np.diff(item.log_returns()[:, first:last], axis=1)).mean()))


def check_honest(item: ItemForecast, sigma: float, steps: tuple[int, ...] = (60, 250, 500)) -> None:
    """Median, mean, ends and the farthest path are near those of a random walk of this volatility."""
    for step in steps:
        spread = sigma * np.sqrt(step)
        moves = item.log_returns()[:, step - 1]
        low, middle, high = np.quantile(moves, [0.05, 0.5, 0.95])
        luck = 4 * spread / np.sqrt(len(moves))
        assert abs(middle) < 0.02 + 1.25 * luck, step
        assert abs(np.log(item.mean[step - 1] / item.last_close) - spread**2 / 2) < 0.04 + 1.25 * luck, step
        assert 0.8 < (high - low) / (2 * 1.645 * spread) < 1.3, step
        assert np.abs(moves).max() < 10 * spread, step


def test_noise_stays_noise_a_year_and_two_ahead() -> None:
    series = [noise(f"N{seed}", seed) for seed in range(5)]
    for item, own in zip(simulated(*series), series, strict=True):
        check_honest(item, float(np.diff(np.log(own.close)).std()))


@pytest.mark.slow(reason="five calibrations and a year of 500 paths each: 30 s")
@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_forecast_of_noise_stays_sane(seed: int) -> None:
    table = PriceTable(series=(noise("N", seed),))
    (item,) = Forecaster(Config.from_preset("base")).fit(table).predict(table, 500, paths=500)
    check_honest(item, float(np.diff(np.log(table["N"].close)).std()), (250, 500))


@pytest.mark.slow(reason="a calibration and a year of 1,000 paths: 10 s")
def test_the_case_that_exploded(shared_data: Path) -> None:
    table = read_prices(shared_data / "cases" / "plain_400_days_ohlcv.csv")
    (item,) = Forecaster(Config.from_preset("base")).fit(table).predict(table, 500)
    year = item.quantile(0.5)[249], item.mean[249], item.quantile(0.95)[249]
    assert 150 < year[0] < 162
    assert year[1] == pytest.approx(160, abs=4)
    assert year[2] == pytest.approx(232, abs=10)  # of a random walk of the file's own volatility
    assert item.paths.max() < 1000


def test_the_forecast_of_scaled_prices_is_the_scaled_forecast() -> None:
    own = noise("N", 1)
    columns = {name: 1000 * getattr(own, name) for name in ("open", "high", "low", "close")}
    (plain,), (scaled,) = simulated(own, horizon=250), simulated(replace(own, **columns), horizon=250)
    np.testing.assert_allclose(scaled.paths, 1000 * plain.paths, rtol=1e-3)


@pytest.mark.parametrize("rows", [22, 60])
def test_short_series_stay_sane(rows: int) -> None:
    own = noise("N", 2, rows=rows)
    (item,) = simulated(own)
    assert 0.7 < daily_volatility(item, 250, 500) / np.diff(np.log(own.close)).std() < 1.5
    assert np.abs(item.log_returns()).max() < 6 * SIGMA * np.sqrt(FARTHEST)


def test_calm_series_stay_calm_and_constant_ones_where_they_are() -> None:
    (calm,) = simulated(noise("N", 3, sigma=2e-3))
    check_honest(calm, 2e-3)
    days = pd.bdate_range("2022-01-03", periods=100)
    (still,) = PriceTable.from_close({"still": (np.full(100, 5.0), days)})
    (item,) = simulated(still)
    np.testing.assert_allclose(item.paths, 5.0, rtol=1e-3)


@pytest.mark.parametrize("now", [4.0, 0.25])
def test_after_a_storm_or_a_calm_volatility_returns_to_the_series_own(now: float) -> None:
    sigma = np.r_[np.full(700, SIGMA), np.full(60, now * SIGMA)]
    own = noise("N", 4, rows=760, sigma=sigma)
    (item,) = simulated(own)
    usual = np.abs(np.diff(np.log(own.close))).mean() / np.sqrt(2 / np.pi)
    soon, late = daily_volatility(item, 1, 10), daily_volatility(item, 300, 500)
    assert abs(np.log(late / usual)) < 0.25 < abs(np.log(soon / usual))


def test_up_to_the_steps_that_were_measured_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    (ruled,) = simulated(noise("N", 5), horizon=60, paths=40)
    monkeypatch.setattr(LongRun, "scale", lambda self, trailing, step: trailing)
    monkeypatch.setattr(signal_windows, "without_drift", lambda day, step: day)
    (free,) = simulated(noise("N", 5), horizon=60, paths=40)
    np.testing.assert_array_equal(ruled.paths[:, :NEAR], free.paths[:, :NEAR])
    assert (ruled.paths[:, NEAR] != free.paths[:, NEAR]).all()


def test_the_density_is_that_of_the_paths() -> None:
    (item,) = simulated(noise("N", 6), horizon=120, paths=600)
    assert item.density is not None
    for step in (20, 60, 120):
        loc, scale, df = (getattr(item.density, name)[:, step - 1] for name in ("loc", "scale", "df"))
        for q in (0.05, 0.25, 0.5, 0.75, 0.95):
            at = np.quantile(item.log_returns()[:, step - 1], q)
            assert stats.t.cdf((at - loc) / scale, df).mean() == pytest.approx(q, abs=0.02)


def test_a_drift_ends_in_what_was_drawn_and_in_its_density() -> None:
    drift = np.array([0.4, -0.2])
    day = Day(
        value=np.array([1.0, 2.0]),
        log_range=np.zeros(2),
        log_volume=np.zeros(2),
        density=Student(location=drift, scale=np.ones(2), df=np.full(2, 4.0)),
        drift=drift,
    )
    assert without_drift(day, NEAR) is day
    later = without_drift(day, NEAR + 1)
    np.testing.assert_allclose(later.value, day.value - drift)
    assert later.density is not None
    np.testing.assert_allclose(later.density.location, 0)
    assert without_drift(replace(day, drift=None), 99).value is day.value


def test_what_no_series_has_shown_is_bounded() -> None:
    rule = LongRun(volatility=np.full(2, 0.01), pull=0.3)
    wild = rule.scale(np.array([5.0, 1e-6]), 9999)
    np.testing.assert_allclose(wild, [0.04, 0.0025])
    np.testing.assert_allclose(rule.bounded(np.array([-0.5, 0.1]), NEAR + 1), [-0.2, 0.1])
    np.testing.assert_array_equal(rule.bounded(np.array([-0.5, 0.1]), NEAR), [-0.5, 0.1])


def test_the_pull_comes_after_the_near_steps_and_stays() -> None:
    rule = LongRun(volatility=np.array([0.01, 0.04]), pull=0.5)
    trailing = np.array([0.04, 0.01])
    np.testing.assert_array_equal(rule.scale(trailing, NEAR), trailing)
    np.testing.assert_allclose(rule.scale(trailing, NEAR + 10), trailing * [0.25**0.25, 4**0.25])
    np.testing.assert_allclose(rule.scale(trailing, 9999), [0.02, 0.02])
    assert [kept(step) for step in (1, NEAR, NEAR + 20)] == [1, 1, 0.25]


def test_what_a_network_draws_too_large_is_divided_out_beyond_the_near_steps() -> None:
    rng, sizes = np.random.default_rng(0), Sizes(np.array([1.0, 1.2]))
    for step in range(1, 201):
        assert (sizes.divisor(step) == 1).all() == (step <= NEAR)
        sizes.learn(rng.standard_normal((2, 4000)) * [[1.3], [1.2]], step)
    np.testing.assert_allclose(sizes.divisor(200), [1.3, 1.0], rtol=0.01)
    sizes.learn(np.full((2, 4000), 1e6), 201)  # one wild day does not decide
    assert sizes.divisor(201)[0] < 1.4


@pytest.mark.parametrize("settings", [{}, {"head": "student_t"}, {"returns": "simple"}])
def test_a_network_trained_on_little_does_not_explode_beyond_the_near_steps(settings: dict[str, str]) -> None:
    table = PriceTable(series=(noise("N", 7),))
    model = Forecaster(Config.from_preset("quick").replace(**settings)).fit(table)
    (item,) = model.predict(table, 500, paths=200)
    late = daily_volatility(item, 100, 500)
    assert 0.7 * SIGMA < late < 2 * SIGMA
    moves = item.log_returns()
    assert abs(np.median(moves[:, -1] - moves[:, 99])) < 0.15


def test_beyond_what_was_measured_a_note_says_so() -> None:
    (near,) = simulated(noise("N", 8, rows=60), horizon=250, paths=5)
    (far,) = simulated(noise("N", 8, rows=60), horizon=251, paths=5)
    assert not any("beyond" in text for text in texts(near.notes))
    assert any("measured up to 250 steps" in text for text in texts(far.notes))


def test_both_kinds_of_network_follow_the_same_rule() -> None:
    assert signal_windows.LongRun is indicator_windows.LongRun is long_run.LongRun


@pytest.mark.parametrize(("every", "factor"), [(7, 5**0.5), (30, (30 * 5 / 7) ** 0.5)])
def test_the_drift_of_a_row_grows_with_the_days_it_stands_for(every: int, factor: float) -> None:
    close = noise("N", 9, rows=200).close
    first = np.datetime64("2022-01-03")
    days, rows = (
        PriceTable.from_close({"N": (close, first + np.arange(200) * np.timedelta64(step, "D"))}).series[0]
        for step in (1, every)
    )
    scale = signal_rows([days])[0].signals.scale[-1]
    (by_day,), (by_row,) = simulated(days, horizon=1, paths=60), simulated(rows, horizon=1, paths=60)
    moved = (by_row.log_returns()[:, 0] - by_day.log_returns()[:, 0]) / scale
    drifts = [float(member.location.detach()) for member in base_networks(NEW).members]
    assert min(drifts) > 0.02
    shares = np.repeat(drifts, 60 // len(drifts))  # each member has as many of the paths
    np.testing.assert_allclose(np.sort(moved), np.sort(shares) * (factor - 1), atol=1e-5)
    learned = [TrainingSequence.of_table([series])[0].rows(0, 120) for series in (days, rows)]
    member = base_networks(NEW).members[0]
    alone, together = predicted(member, Chunks.of(learned[:1])), predicted(member, Chunks.of(learned))
    torch.testing.assert_close(together.location[:, 0], alone.location[:, 0])
    torch.testing.assert_close(together.location[:, 1], alone.location[:, 0] * factor)
