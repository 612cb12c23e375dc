"""Each baseline against its truth: parameters to find, forecasts worked out elsewhere, bands that hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import ConfigError
from gatecast.features.indicators import DECAY, FeatureSpec, series_features, volatility
from gatecast.model import Model
from gatecast.models.baselines import Drift, Ema, EwmaT, Garch, Har, Historical, Kalman, Ols, RandomWalk, Sma, Theta
from gatecast.models.baselines.garch import GarchParameters, _unusable
from gatecast.models.baselines.noise import fit_student_t
from gatecast.prices import PriceSeries, PriceTable

WARM, ROWS, ORIGINS = 300, 1500, 300


def priced(close: Any, high: Any = None, low: Any = None) -> PriceTable:
    days = np.datetime64("2012-01-01") + np.arange(len(close))
    return PriceTable(series=(PriceSeries(item_id="X", timestamps=days, close=close, high=high, low=low),))


def until(table: PriceTable, rows: int) -> PriceTable:
    return table.until(table["X"].timestamps[rows - 1])


def from_returns(returns: np.ndarray) -> PriceTable:
    return priced(100 * np.exp(np.cumsum(returns)))


# Worlds: a history in which the model of the same name is the truth.


def walk_world(rows: int, rng: np.random.Generator) -> PriceTable:
    return from_returns(0.01 * rng.standard_t(5, rows))


def drift_world(rows: int, rng: np.random.Generator) -> PriceTable:
    return from_returns(0.004 + 0.01 * rng.standard_t(5, rows))


def sma_world(rows: int, rng: np.random.Generator) -> PriceTable:
    close = np.full(rows, 100.0)
    for row in range(20, rows):
        close[row] = close[row - 20 : row].mean() * np.exp(0.01 * rng.standard_normal())
    return priced(close)


def ema_world(rows: int, rng: np.random.Generator) -> PriceTable:
    keep, average, close = 0.5**0.1, 100.0, np.empty(rows)
    for row in range(rows):
        close[row] = average * np.exp(0.01 * rng.standard_normal())
        average = keep * average + (1 - keep) * close[row]
    return priced(close)


def level_world(rows: int, rng: np.random.Generator) -> PriceTable:
    level = np.cumsum(0.01 * rng.standard_normal(rows))
    return priced(100 * np.exp(level + 0.01 * rng.standard_normal(rows)))


def trend_world(rows: int, rng: np.random.Generator) -> PriceTable:
    slope = np.cumsum(0.0005 * rng.standard_normal(rows))
    level = np.cumsum(slope + 0.01 * rng.standard_normal(rows))
    return priced(np.exp(np.clip(level + 0.01 * rng.standard_normal(rows), -300, 300)))


def autoregressive_world(rows: int, rng: np.random.Generator) -> PriceTable:
    returns = np.zeros(rows)
    for row in range(1, rows):
        returns[row] = 0.3 * returns[row - 1] + 0.01 * rng.standard_normal()
    return from_returns(returns)


TRUE_GARCH = GarchParameters(unit=1.0, mu=0.0004, omega=2e-6, alpha=0.03, gamma=0.12, beta=0.89, df=6.0)


def garch_world(rows: int, rng: np.random.Generator) -> PriceTable:
    truth, variance, errors = TRUE_GARCH, 1e-4, np.empty(WARM + rows)
    for row in range(len(errors)):
        errors[row] = np.sqrt(variance * (truth.df - 2) / truth.df) * rng.standard_t(truth.df)
        weight = truth.alpha + (truth.gamma if errors[row] < 0 else 0)
        variance = truth.omega + weight * errors[row] ** 2 + truth.beta * variance
    return from_returns(truth.mu + errors[WARM:])


def ewma_world(rows: int, rng: np.random.Generator) -> PriceTable:
    # The exponential average dies out on its own; a trickle keeps it alive, at 1% of a day's variance.
    variance, returns = 1e-4, np.empty(rows)
    for row in range(rows):
        returns[row] = np.sqrt(variance * 4 / 6) * rng.standard_t(6)
        variance = 1e-6 + 0.99 * (DECAY * variance + (1 - DECAY) * returns[row] ** 2)
    return from_returns(returns)


TRUE_HAR = np.array([-0.9, 0.35, 0.3, 0.25])


def har_world(rows: int, rng: np.random.Generator) -> PriceTable:
    variances = np.full(WARM + rows, 1e-4)
    shocks = rng.standard_normal(WARM + rows)
    for row in range(22, WARM + rows):
        past = variances[row - 22 : row]
        parts = np.log([np.e, past[-1], past[-5:].mean(), past.mean()])
        variances[row] = np.exp(parts @ TRUE_HAR + 0.3 * rng.standard_normal())
        shocks[row] *= 1.3 * np.exp(parts @ TRUE_HAR / 2)  # the range sees 1 / 1.3 of a day's volatility
    close = 100 * np.exp(np.cumsum(shocks[WARM:]))
    spread = np.exp(np.sqrt(variances[WARM:] * 4 * np.log(2)) / 2)
    return priced(close, close * spread, close / spread)


WORLDS: dict[str, tuple[Callable[[], Model], Callable[[int, np.random.Generator], PriceTable]]] = {
    "random_walk": (RandomWalk, walk_world),
    "drift": (Drift, drift_world),
    "sma": (Sma, sma_world),
    "ema": (Ema, ema_world),
    "kalman": (Kalman, level_world),
    "kalman_trend": (lambda: Kalman(trend=True), trend_world),
    "ols": (Ols, autoregressive_world),
    "garch": (Garch, garch_world),
    "ewma_t": (EwmaT, ewma_world),
    "har": (Har, har_world),
    "har_squared": (Har, lambda rows, rng: priced(garch_world(rows, rng)["X"].close)),
    "theta": (Theta, level_world),
}


@pytest.mark.parametrize(("make", "world"), WORLDS.values(), ids=WORLDS.keys())
def test_a_band_of_90_percent_holds_90_percent_of_its_own_world(make, world):
    table = world(ROWS + 4 * ORIGINS, np.random.default_rng(11))
    model, close = make().fit(until(table, ROWS)), table["X"].close
    hits = []
    for origin in range(ROWS, ROWS + 4 * ORIGINS - 4, 4):  # four steps apart: the outcomes do not overlap
        item = model.predict(until(table, origin), 4, paths=300, seed=origin)["X"]
        lower, upper = item.interval(0.9)
        assert texts(item.notes) == ()
        hits.append((lower <= close[origin : origin + 4]) & (close[origin : origin + 4] <= upper))
    first, last = np.mean(hits, axis=0)[[0, 3]]
    assert 0.85 <= first <= 0.95 and 0.85 <= last <= 0.95  # three standard errors of 300 origins


def test_the_walks_median_is_the_last_close_and_drifts_is_its_mean_return():
    table = drift_world(500, np.random.default_rng(0))
    close = table["X"].close
    walk = RandomWalk().fit(table).predict(table, 10)["X"]
    np.testing.assert_allclose(walk.median, close[-1], rtol=0.005)
    drift = Drift().fit(table).predict(table, 10)["X"]
    expected = close[-1] * np.exp(np.diff(np.log(close)).mean() * np.arange(1, 11))
    np.testing.assert_allclose(drift.median, expected, rtol=0.005)


def test_student_t_is_found_and_survives_zeros():
    rng = np.random.default_rng(3)
    for df in (3.0, 6.0):
        found = fit_student_t(0.02 * rng.standard_t(df, 20_000))
        assert found.df == pytest.approx(df, rel=0.15) and found.scale == pytest.approx(0.02, rel=0.03)
    assert fit_student_t(rng.standard_normal(5_000)).df > 30
    mostly_zero = np.where(rng.random(1_000) < 0.8, 0.0, rng.standard_normal(1_000))
    assert 0 < fit_student_t(mostly_zero).scale < 1
    assert np.isfinite(fit_student_t(np.zeros(5)).scale)


def test_averages_by_hand():
    close = walk_world(300, np.random.default_rng(1))["X"].close
    table = priced(close)
    first = close[-20:].mean()
    second = (close[-19:].sum() + first) / 20
    sma = Sma().fit(table).predict(table, 25, paths=2000)["X"]
    np.testing.assert_allclose(sma.density.loc[0, :2], np.log([first / close[-1], second / close[-1]]), rtol=1e-9)
    np.testing.assert_allclose(sma.median[:2], [first, second], rtol=0.002)
    fed = list(close[-20:])
    for _ in range(25):
        fed.append(np.mean(fed[-20:]))
    np.testing.assert_allclose(close[-1] * np.exp(sma.density.loc[0]), fed[20:], rtol=1e-9)
    ema = Ema(half_life=7.0).fit(table).predict(table, 3, paths=2000)["X"]
    by_pandas = pd.Series(close).ewm(halflife=7, adjust=False).mean().iloc[-1]
    np.testing.assert_allclose(close[-1] * np.exp(ema.density.loc[0]), by_pandas, rtol=1e-9)


def test_an_averages_bands_are_its_own_past_errors():
    table = walk_world(2000, np.random.default_rng(2))
    close = table["X"].close
    item = Sma(window=5).fit(table).predict(table, 3, paths=4000)["X"]
    averages = pd.Series(close).rolling(5).mean().to_numpy()
    sigma = volatility(close)
    errors = np.log(close[1:] / averages[:-1])[19:-2] / sigma[:-1][19:-2]
    expected = np.quantile(np.abs(errors), 0.9) * sigma[-1]
    above = item.interval(0.9)[1][0]
    assert np.log(above / averages[-1]) == pytest.approx(expected, rel=0.08)


def test_kalman_equals_statsmodels_on_later_rows():
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    table = level_world(700, np.random.default_rng(4))
    for trend, kind in ((False, "local level"), (True, "local linear trend")):
        model = Kalman(trend=trend).fit(until(table, 500))
        item = model.predict(table, 8, paths=40_001, seed=1)["X"]
        learned = model.fitted_["X"].learned
        levels = np.log(table["X"].close / table["X"].close[0]) / learned.unit
        reference = UnobservedComponents(levels, kind).filter(learned.variances).get_forecast(8)
        mean = (reference.predicted_mean - levels[-1]) * learned.unit
        deviation = np.sqrt(reference.var_pred_mean) * learned.unit
        np.testing.assert_allclose(item.density.loc[0], mean, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(item.density.scale[0], deviation, rtol=1e-7)
        np.testing.assert_allclose(np.median(item.log_returns(), axis=0), mean, atol=5e-4)
        np.testing.assert_allclose(item.log_returns().std(axis=0), deviation, rtol=0.02)
        # a path's steps hang together: increments of a level are independent, levels are not
        assert np.corrcoef(item.log_returns()[:, 6:].T)[0, 1] > 0.5


def test_kalman_finds_how_much_is_noise():
    learned = Kalman().fit(level_world(3000, np.random.default_rng(5))).fitted_["X"].learned
    noise, level = np.sqrt(learned.variances) * learned.unit
    assert noise == pytest.approx(0.01, rel=0.1) and level == pytest.approx(0.01, rel=0.1)


def test_garch_finds_the_truth():
    learned = Garch().fit(garch_world(12_000, np.random.default_rng(6))).fitted_["X"].learned
    assert learned.mu * learned.unit == pytest.approx(TRUE_GARCH.mu, abs=3e-4)
    assert learned.alpha == pytest.approx(TRUE_GARCH.alpha, abs=0.025)
    assert learned.gamma == pytest.approx(TRUE_GARCH.gamma, abs=0.04)
    assert learned.beta == pytest.approx(TRUE_GARCH.beta, abs=0.03)
    assert learned.df == pytest.approx(TRUE_GARCH.df, rel=0.2)


@pytest.mark.parametrize("settings", [{}, {"asymmetric": False, "errors": "normal"}], ids=["gjr-t", "garch-normal"])
def test_the_variance_filter_is_archs(settings):
    from arch import arch_model

    table = garch_world(1500, np.random.default_rng(7))
    model = Garch(**settings).fit(until(table, 1000))
    learned = model.fitted_["X"].learned
    returns = np.diff(np.log(table["X"].close)) / learned.unit
    learned = dataclasses.replace(learned, mu=returns.mean())  # about which arch takes its backcast
    model.fitted_["X"] = dataclasses.replace(model.fitted_["X"], learned=learned)
    reference = arch_model(returns, o=int(model.asymmetric), dist=model.errors, rescale=False).fix(
        [learned.mu, learned.omega, learned.alpha]
        + [learned.gamma] * model.asymmetric
        + [learned.beta]
        + [learned.df] * (model.errors == "t")
    )
    variance = learned.filter(returns - learned.mu)
    np.testing.assert_allclose(np.sqrt(variance[:-1]), reference.conditional_volatility, rtol=1e-9)
    expected = reference.forecast(horizon=6).variance.to_numpy()[-1]
    np.testing.assert_allclose(variance[-1], expected[0], rtol=1e-9)
    item = model.predict(table, 6, paths=20_000)["X"]
    np.testing.assert_allclose(item.density.loc[:, 0], learned.mu * learned.unit)
    np.testing.assert_allclose(item.density.loc[:, 1], item.log_returns()[:, 0] + learned.mu * learned.unit)
    shrunk = learned.unit * (1 if np.isinf(learned.df) else np.sqrt((learned.df - 2) / learned.df))
    error = item.log_returns()[:, 0] / learned.unit - learned.mu
    fed = np.sqrt(learned.next_variance(error, np.full(20_000, variance[-1])))
    np.testing.assert_allclose(item.density.scale[:, 1], fed * shrunk, rtol=1e-9)
    simulated = np.diff(item.log_returns(), axis=1).var(axis=0) / learned.unit**2
    np.testing.assert_allclose(simulated, expected[1:], rtol=0.08)


@pytest.mark.parametrize("what", ["flag", "explosive"])
def test_garch_that_does_not_converge_is_the_random_walk_and_says_so(monkeypatch, what):
    from arch.univariate.base import ARCHModelResult

    table = garch_world(400, np.random.default_rng(8))
    if what == "flag":
        monkeypatch.setattr(ARCHModelResult, "convergence_flag", property(lambda self: 4))
    else:
        monkeypatch.setattr(GarchParameters, "persistence", property(lambda self: 1.2))
    item = Garch().fit(table).predict(table, 3, paths=99, seed=5)["X"]
    assert item.paths.tobytes() == RandomWalk().fit(table).predict(table, 3, paths=99, seed=5)["X"].paths.tobytes()
    (note,) = item.notes
    assert (note.kind, note.items) == ("fallback", ("X",))
    assert note.text.startswith("garch cannot forecast") and "random walk" in note.text
    assert ("converge" if what == "flag" else "explodes") in note.text


def test_kalman_that_does_not_converge_is_the_random_walk_and_says_so(monkeypatch):
    # One step of the optimiser is never enough, and statsmodels warns of it: no warning may leak.
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    table = level_world(300, np.random.default_rng(9))
    fit = UnobservedComponents.fit

    def hurried(self, **settings):
        return fit(self, **{**settings, "maxiter": 1})

    monkeypatch.setattr(UnobservedComponents, "fit", hurried)
    item = Kalman().fit(table).predict(table, 2, paths=20)["X"]
    assert len(texts(item.notes)) == 1 and "converge" in texts(item.notes)[0]


def test_ewma_starts_from_the_trailing_volatility_and_feeds_on_its_path():
    table = ewma_world(800, np.random.default_rng(10))
    model = EwmaT().fit(table)
    student = model.fitted_["X"].learned
    item = model.predict(table, 2, paths=500)["X"]
    sigma = volatility(table["X"].close)[-1]
    np.testing.assert_allclose(item.density.scale[:, 0], sigma * student.scale, rtol=1e-9)
    fed = np.sqrt(DECAY * sigma**2 + (1 - DECAY) * item.log_returns()[:, 0] ** 2)
    np.testing.assert_allclose(item.density.scale[:, 1], fed * student.scale, rtol=1e-9)


def test_har_finds_the_truth_and_what_the_range_misses():
    learned = Har().fit(har_world(10_000, np.random.default_rng(12))).fitted_["X"].learned
    np.testing.assert_allclose(learned.coefficients[1:], TRUE_HAR[1:], atol=0.07)
    assert np.std(learned.surprises) == pytest.approx(0.3, rel=0.05)
    assert learned.student.scale == pytest.approx(1.3, rel=0.05)


def next_log_sigma_and_move(table: PriceTable) -> tuple[np.ndarray, np.ndarray]:
    item = Har().fit(table).predict(table, 2, paths=5000)["X"]
    return np.log(item.density.scale[:, 1]), np.abs(item.log_returns()[:, 0])


def test_har_paths_are_surprised_by_their_range():
    # A surprise of 0.3 in log variance moves tomorrow's log sigma by half of day, week / 5, month / 22.
    log_sigma, move = next_log_sigma_and_move(har_world(3000, np.random.default_rng(17)))
    assert 0.04 < log_sigma.std() < 0.09
    assert abs(np.corrcoef(log_sigma, move)[0, 1]) < 0.1


def test_in_har_paths_a_large_move_comes_with_a_wide_range():
    close = walk_world(3000, np.random.default_rng(17))["X"].close
    spread = np.exp(np.abs(np.diff(np.log(close), prepend=np.log(close[0]))) * 0.6 + 0.002)
    log_sigma, move = next_log_sigma_and_move(priced(close, close * spread, close / spread))
    assert np.corrcoef(log_sigma, move)[0, 1] > 0.5


def test_volatility_models_widen_after_turmoil():
    rng = np.random.default_rng(13)
    calm = garch_world(900, rng)["X"].close
    wild = calm[-1] * np.exp(np.cumsum(0.05 * rng.standard_normal(25)))
    table = priced(np.append(calm, wild))

    def width(model: Model, rows: int) -> float:
        lower, upper = model.predict(until(table, rows), 1, paths=2000)["X"].interval(0.9)
        return float(np.log(upper[0] / lower[0]))

    for make in (Garch, EwmaT, Har):
        model = make().fit(until(table, 900))
        assert width(model, 925) > 2 * width(model, 900)
    walk = RandomWalk().fit(until(table, 900))
    assert width(walk, 925) == pytest.approx(width(walk, 900))


def test_theta_is_statsmodels_forecast():
    from statsmodels.tsa.forecasting.theta import ThetaModel

    table = priced(level_world(400, np.random.default_rng(14))["X"].close * np.exp(0.001 * np.arange(400)))
    close = table["X"].close
    model = Theta().fit(table)
    item = model.predict(table, 9, paths=4000)["X"]
    levels = np.log(close / close[0])
    expected = ThetaModel(levels / np.diff(levels).std(), period=1, deseasonalize=False).fit().forecast(9)
    expected = close[0] * np.exp(np.asarray(expected) * np.diff(levels).std())
    assert close[-1] * np.exp(item.density.loc[0, 0]) == pytest.approx(expected[0], rel=1e-9)
    np.testing.assert_allclose(item.median, expected, rtol=2e-3)
    quiet = model.fitted_["X"].learned.errors
    assert abs(quiet.mean()) < quiet.std() / 5


def test_ols_is_least_squares_on_the_rows_with_an_outcome():
    table = autoregressive_world(900, np.random.default_rng(15))
    series = table["X"]
    item = Ols().fit(until(table, 700)).predict(table, 3, paths=500)["X"]
    features = series_features(series, FeatureSpec.of([series]))
    design = np.column_stack([np.ones(900), features])
    for step in (1, 3):
        rows = np.arange(19, 700 - 3)
        outcome = np.log(series.close[rows + step] / series.close[rows])
        coefficients = np.linalg.lstsq(design[rows], outcome, rcond=None)[0]
        assert item.density.loc[0, step - 1] == pytest.approx(design[-1] @ coefficients, rel=1e-6)


def test_ols_finds_momentum_where_it_is():
    table = autoregressive_world(2500, np.random.default_rng(16))
    model, close = Ols().fit(until(table, 2000)), table["X"].close
    predicted, observed = [], []
    for origin in range(2000, 2499, 2):
        predicted.append(model.predict(until(table, origin), 1, paths=2)["X"].density.loc[0, 0])
        observed.append(np.log(close[origin] / close[origin - 1]))
    assert np.corrcoef(predicted, observed)[0, 1] > 0.15  # the truth's own correlation is 0.3


def test_garch_does_not_take_an_optimiser_lost_for_a_drift():
    honest = GarchParameters(unit=0.01, mu=0.0, omega=0.05, alpha=0.05, gamma=0.05, beta=0.85, df=6.0)
    assert not _unusable(honest, 0)
    assert "standard deviations" in _unusable(dataclasses.replace(honest, mu=2e7), 0)
    assert "explodes" in _unusable(dataclasses.replace(honest, beta=1.2), 0)


def test_garch_searches_again_from_usual_values(monkeypatch):
    from arch.univariate.base import ARCHModel

    table = garch_world(600, np.random.default_rng(0))
    fit, starts = ARCHModel.fit, []

    def lost_at_first(self, *args, **settings):
        starts.append(settings["starting_values"])
        result = fit(self, *args, **settings)
        if settings["starting_values"] is None:
            result._params = result._params.copy()
            result._params[0] = 2e7
        return result

    monkeypatch.setattr(ARCHModel, "fit", lost_at_first)
    learned = Garch().fit(table).fitted_[table.item_ids[0]].learned
    assert learned is not None and abs(learned.mu) < 1
    assert len(starts) == 2


def test_historical_simulation_draws_the_last_returns_alone_and_keeps_their_lean() -> None:
    table = from_returns(np.concatenate([np.full(300, 0.3), np.tile([0.01, 0.01, 0.01, -0.04], 50)]))
    item = Historical(span=200).fit(table).predict(table, 2, paths=20_000, seed=1)["X"]
    first = item.log_returns()[:, 0]
    np.testing.assert_allclose(np.unique(first.round(9)), [-0.04, 0.01])
    assert np.mean(first < 0) == pytest.approx(0.25, abs=0.01)
    assert np.mean(item.log_returns()[:, 1] < -0.07) == pytest.approx(1 / 16, abs=0.005)  # days are drawn apart
    with pytest.raises(ConfigError, match="a span is 20 to"):
        Historical(span=3)
