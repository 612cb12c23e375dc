"""What every baseline keeps: no look-ahead, the same answer for a seed, no currency, the walk where it fails."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conftest import texts
from gatecast.errors import ConfigError, TooFewRows, UsageError
from gatecast.model import Model
from gatecast.models.baselines import Drift, Ema, EwmaT, Garch, Har, Historical, Kalman, Ols, RandomWalk, Sma, Theta
from gatecast.prices import PriceSeries, PriceTable

MODELS: dict[str, Callable[[], Model]] = {
    "random_walk": RandomWalk,
    "drift": Drift,
    "sma": Sma,
    "ema": Ema,
    "kalman": Kalman,
    "kalman_trend": lambda: Kalman(trend=True),
    "ols": Ols,
    "garch": Garch,
    "garch_normal": lambda: Garch(asymmetric=False, errors="normal"),
    "har": Har,
    "theta": Theta,
    "ewma_t": EwmaT,
    "historical": Historical,
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def series(item_id: str, close: Any, *, ranged: bool = False) -> PriceSeries:
    close = np.asarray(close, dtype=float)
    days = np.datetime64("2015-01-01") + np.arange(len(close))
    if not ranged:
        return PriceSeries(item_id=item_id, timestamps=days, close=close)
    rng = np.random.default_rng(len(close))
    spread = np.abs(np.diff(np.log(close), prepend=np.log(close[0]))) + rng.gamma(2, 0.004, len(close))
    high, low = close * np.exp(spread / 2), close * np.exp(-spread / 2)
    return PriceSeries(item_id=item_id, timestamps=days, close=close, high=high, low=low)


def wandering(rows: int, seed: int) -> np.ndarray:
    """A price whose volatility comes and goes, with fat tails."""
    rng = np.random.default_rng(seed)
    sigma = 0.012 * np.exp(0.5 * np.sin(np.arange(rows) / 40))
    return 50 * np.exp(np.cumsum(sigma * rng.standard_t(5, rows)))


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return PriceTable(series=(series("A", wandering(600, 1)), series("B", wandering(700, 2), ranged=True)))


def scaled(table: PriceTable, factor: Any) -> PriceTable:
    """Every price times `factor`, a number or an array with one for each row of the longest item."""
    return dataclasses.replace(
        table,
        series=tuple(
            dataclasses.replace(
                series,
                **{
                    name: values * (factor if np.isscalar(factor) else factor[: len(series)])
                    for name, values in series.columns().items()
                },
            )
            for series in table
        ),
    )


def same(this: Any, other: Any) -> bool:
    """Whether two learned values are equal to the last bit."""
    if dataclasses.is_dataclass(this):
        return type(this) is type(other) and all(
            same(getattr(this, field.name), getattr(other, field.name)) for field in dataclasses.fields(this)
        )
    if isinstance(this, dict):
        return this.keys() == other.keys() and all(same(this[key], other[key]) for key in this)
    if isinstance(this, np.ndarray):
        return np.array_equal(this, other)
    return bool(this == other)


def assert_no_look_ahead(make: Callable[[], Model], table: PriceTable, fitted_to: Any, cutoff: Any) -> None:
    """Doubling every price after the cutoff changes nothing; rows after fit's end reach the state alone."""
    ends = table.series[0].timestamps
    doubled = scaled(table, np.where(np.arange(len(table.series[-1])) > np.searchsorted(ends, cutoff), 2.0, 1.0))
    answers = []
    for prices in (table, doubled):
        model = make().fit(prices.until(fitted_to))
        learned = dict(vars(model))
        forecast = model.predict(prices.until(cutoff), 4, paths=60, seed=3)
        model.predict(prices, 4, paths=60, seed=3)
        assert same(vars(model), learned)
        again = model.predict(prices.until(cutoff), 4, paths=60, seed=3)
        answers.append((learned, [item.paths for item in forecast], [item.paths for item in again]))
    assert all(same(this, other) for this, other in zip(answers[0][0].values(), answers[1][0].values(), strict=True))
    for paths in zip(answers[0][1], answers[0][2], answers[1][1], answers[1][2], strict=True):
        assert len({drawn.tobytes() for drawn in paths}) == 1


@every_model
def test_what_comes_after_the_cutoff_cannot_matter(make, table):
    stamps = table.series[0].timestamps
    assert_no_look_ahead(make, table, fitted_to=stamps[399], cutoff=stamps[449])


def test_the_look_ahead_test_sees_a_model_that_peeks(table):
    class Peeks(RandomWalk):
        def predict(self, prices, horizon, **settings):
            self.fit(prices)
            return super().predict(prices, horizon, **settings)

    stamps = table.series[0].timestamps
    with pytest.raises(AssertionError):
        assert_no_look_ahead(Peeks, table, fitted_to=stamps[399], cutoff=stamps[449])


@every_model
def test_a_forecast_fits_the_contract(make, table):
    model = make().fit(table)
    forecast = model.predict(table, 6, paths=101, seed=1)
    assert [item.item_id for item in forecast] == ["A", "B"]
    for item, series in zip(forecast, table, strict=True):
        assert item.paths.shape == (101, 6)
        assert item.last_close == series.close[-1] and item.last_timestamp == series.timestamps[-1]
        assert (np.diff(item.timestamps) > np.timedelta64(0, "ns")).all() and item.timestamps[0] > series.timestamps[-1]
        assert texts(item.notes) == ()
        assert item.density is not None and item.density.loc.shape[1] == 6
        # a day's band is of the order of a day's volatility, not of the price's history
        assert 0.01 < np.log(item.interval(0.9)[1][0] / item.interval(0.9)[0][0]) < 0.5


@every_model
def test_one_seed_one_answer_whatever_the_other_items(make, table):
    model = make().fit(table)
    both, again = (model.predict(table, 3, paths=50, seed=7), make().fit(table).predict(table, 3, paths=50, seed=7))
    alone = model.predict(table.select(("B",)), 3, paths=50, seed=7)
    assert both["B"].paths.tobytes() == again["B"].paths.tobytes() == alone["B"].paths.tobytes()
    assert both["B"].paths.tobytes() != model.predict(table, 3, paths=50, seed=8)["B"].paths.tobytes()


@every_model
def test_scaled_prices_have_the_scaled_forecast(make, table):
    plain = make().fit(table).predict(table, 5, paths=200, seed=2)
    times = make().fit(scaled(table, 1 / 7)).predict(scaled(table, 1 / 7), 5, paths=200, seed=2)
    for this, other in zip(plain, times, strict=True):
        np.testing.assert_allclose(other.paths * 7, this.paths, rtol=1e-4)


HARD = {
    "constant": np.full(300, 20.0),
    "sixty rows": wandering(60, 3),
    "one cent": 0.01 * np.random.default_rng(0).integers(1, 4, 300),
    "crash": np.append(wandering(299, 4), 2.0),
    "tiny": wandering(300, 5) * 1e-6,
    "huge": wandering(300, 6) * 1e5,
    "pegged": np.where(np.arange(300) % 50 == 7, 7.4601, 7.46),
    "straight": 100 * 1.001 ** np.arange(300),
}


@every_model
@pytest.mark.parametrize("close", HARD.values(), ids=HARD.keys())
def test_hard_histories_give_finite_positive_paths(make, close):
    for ranged in (False, True):
        table = PriceTable(series=(series("X", close, ranged=ranged),))
        item = make().fit(table).predict(table, 20, paths=200)["X"]
        assert np.isfinite(item.paths).all() and (item.paths > 0).all()
        assert np.isfinite(item.density.log_pdf(np.zeros(20))).all()


def test_constant_highs_and_lows_too():
    flat = np.full(200, 3.0)
    days = np.datetime64("2020-01-01") + np.arange(200)
    table = PriceTable(series=(PriceSeries(item_id="X", timestamps=days, close=flat, high=flat, low=flat),))
    for make in MODELS.values():
        assert np.allclose(make().fit(table).predict(table, 5, paths=50)["X"].paths, 3.0, rtol=0.01)


@every_model
def test_two_rows_are_refused_and_twenty_are_the_random_walks(make):
    short = PriceTable(series=(series("S", wandering(20, 8)),))
    with pytest.raises(TooFewRows, match=r"'S' has 2\b"):
        make().fit(PriceTable(series=(series("S", [1.0, 2.0]),)))
    item = make().fit(short).predict(short, 3, paths=50, seed=4)["S"]
    if isinstance(make(), RandomWalk):
        assert texts(item.notes) == ()
    else:
        walk = RandomWalk().fit(short).predict(short, 3, paths=50, seed=4)["S"]
        assert item.paths.tobytes() == walk.paths.tobytes()
        (note,) = item.notes
        assert (note.kind, note.items) == ("fallback", ("S",))
        assert "learns from" in note.text and "there are fewer" in note.text


@every_model
def test_an_item_that_fit_never_saw_is_the_random_walks(make, table):
    item = make().fit(table.select(("A",))).predict(table, 3, paths=50)["B"]
    assert item.paths.tobytes() == RandomWalk().fit(table).predict(table, 3, paths=50)["B"].paths.tobytes()
    assert len(texts(item.notes)) == 1 and "items of fit" in texts(item.notes)[0]


@every_model
def test_few_rows_given_to_predict_never_fail(make, table):
    model = make().fit(table)
    for rows in (1, 2, 15, 21, 40):
        few = PriceTable(series=tuple(series.rows(len(series) - rows, len(series)) for series in table))
        for item in model.predict(few, 3, paths=40):
            assert np.isfinite(item.paths).all()


@every_model
def test_the_density_is_one_and_the_paths_follow_it(make, table):
    item = make().fit(table).predict(table, 5, paths=2000, seed=5)["A"]
    grid = np.linspace(-1.5, 1.5, 3001)
    for step in (1, 5):
        one_step = dataclasses.replace(
            item.density, **{name: getattr(item.density, name)[:, step - 1 : step] for name in ("loc", "scale", "df")}
        )
        pdf = np.exp([one_step.log_pdf(np.array([point]))[0] for point in grid])
        cdf = np.concatenate([[0], np.cumsum((pdf[1:] + pdf[:-1]) / 2 * np.diff(grid))])
        assert cdf[-1] == pytest.approx(1, abs=0.01)
        log_return = np.sort(item.log_returns()[:, step - 1])
        empirical = np.arange(1, 2001) / 2000
        assert np.abs(np.interp(log_return, grid, cdf) - empirical).max() < 0.06


def test_a_warning_while_fitting_becomes_a_note(table):
    class Warns(RandomWalk):
        def _learn(self, series):
            warnings.warn("the surface\nis flat", RuntimeWarning, stacklevel=1)
            return super()._learn(series)

    item = Warns().fit(table).predict(table, 2, paths=20)["A"]
    assert texts(item.notes) == ("random_walk warned: the surface is flat",)


def test_wrong_use_is_refused(table):
    with pytest.raises(UsageError, match="fit"):
        RandomWalk().predict(table, 3)
    for wrong in ({"horizon": 0}, {"paths": 0}, {"seed": -1}):
        with pytest.raises(UsageError, match="at least"):
            RandomWalk().fit(table).predict(table, **{"horizon": 3, **wrong})
    for make in (lambda: Sma(window=0), lambda: Ema(half_life=0.0), lambda: Garch(errors="cauchy")):
        with pytest.raises(ConfigError):
            make()


@pytest.mark.parametrize("half_life", [0.0, -1.0, float("inf"), float("nan"), 1e300])
def test_a_memory_without_end_is_refused(half_life):
    with pytest.raises(ConfigError, match="a half-life is above 0 and at most 10000 rows"):
        Ema(half_life=half_life)
    with pytest.raises(ConfigError, match="window is 1 to 10000 rows; got 100000000"):
        Sma(window=100_000_000)
