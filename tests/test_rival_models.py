"""The fast models beside the network: as likely as arch's fit, the same whoever asks, blind to what comes later."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import simulated_series
from gatecast.calibration.combination import MEMBERS, Rivals
from gatecast.calibration.raw_bands import PROBABILITIES
from gatecast.models import rivals as rivals_module
from gatecast.models.baselines import Garch, Har
from gatecast.models.baselines.contract import Unfit
from gatecast.models.baselines.garch import GarchParameters
from gatecast.models.baselines.gjr import _Likelihood, fit_gjr
from gatecast.models.baselines.recursion import recursive
from gatecast.models.rivals import LEAST, REFIT, RIVALS, RivalModels
from gatecast.prices import PriceSeries

ROWS = LEAST + 2 * REFIT


def clustered(seed: int, rows: int = ROWS) -> np.ndarray:
    """Log returns of a GJR-GARCH with Student-t errors."""
    rng = np.random.default_rng(seed)
    truth = GarchParameters(unit=1.0, mu=0.02, omega=0.03, alpha=0.05, gamma=0.08, beta=0.88, df=6.0)
    variance, returns = np.ones(1), np.empty(rows)
    for row in range(rows):
        error = np.sqrt(variance) * np.array([rng.standard_t(6.0) * np.sqrt(4 / 6)])
        returns[row] = truth.mu + error[0]
        variance = truth.next_variance(error, variance)
    return 0.01 * returns


SERIES = simulated_series("X", ROWS, 1)


@pytest.fixture(autouse=True)
def _nothing_held() -> None:
    for newest in (rivals_module._fits, rivals_module._said):
        newest.held.clear()


def likelihood(returns: np.ndarray, p: GarchParameters) -> float:
    """The mean log-likelihood, worked out row by row."""
    from scipy.stats import t

    errors = returns / p.unit - p.mu
    variance, total = p.filter(errors)[:-1], 0.0
    for error, now in zip(errors, variance, strict=True):
        scale = np.sqrt(now * (p.df - 2) / p.df)
        total += t.logpdf(error / scale, p.df) - np.log(scale)
    return total / len(errors)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_fit_is_as_likely_as_archs(seed: int) -> None:
    returns = clustered(seed)
    series = PriceSeries(
        item_id="X",
        timestamps=simulated_series("X", ROWS + 1, 0).timestamps,
        close=100 * np.exp(np.r_[0, returns.cumsum()]),
    )
    ours, archs = fit_gjr(returns), Garch()._learn(series)
    assert likelihood(returns, ours) > likelihood(returns, archs) - 2e-5
    assert ours.persistence == pytest.approx(archs.persistence, abs=0.02)
    assert ours.df == pytest.approx(archs.df, rel=0.1)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    returns = clustered(3, 400) / 0.01
    of = _Likelihood(returns=returns, backcast=1.1)
    for place in ([0.05, -3.0, -0.5, 0.3, 2.0, 1.2], [-0.2, -2.0, 0.4, -0.3, 1.0, 2.5]):
        at = np.array(place)
        _, gradient = of.cost(at)
        for number in range(6):
            step = 1e-6 * (np.arange(6) == number)
            slope = (of.cost(at + step)[0] - of.cost(at - step)[0]) / 2e-6
            assert gradient[number] == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.97, 1.0, -0.6])
def test_the_recursion_is_that_of_a_loop(keep: float) -> None:
    values = np.random.default_rng(0).normal(size=700)
    before, found = 2.5, []
    for value in values:
        before = value + keep * before
        found.append(before)
    np.testing.assert_allclose(recursive(values, keep, 2.5), found, rtol=1e-9, atol=1e-12)
    assert len(recursive(values[:0], keep, 2.5)) == 0


def test_an_origin_is_answered_the_same_alone_among_others_and_whatever_comes_later() -> None:
    rows = np.arange(LEAST - 10, ROWS, 7)
    rivals: Rivals = RivalModels()
    together = rivals.quantiles(SERIES, rows, 5)
    assert together.shape == (len(rows), len(RIVALS), 5, len(PROBABILITIES)) and MEMBERS[1:] == RIVALS
    assert np.isnan(together[rows < LEAST]).all()
    assert np.isfinite(together[rows >= LEAST]).all()
    assert (np.diff(together[rows >= LEAST], axis=-1) >= 0).all()
    later = SERIES.close.copy()
    for place in (3, 40, len(rows) - 1):
        row = int(rows[place])
        later[row:] = 2 * SERIES.close[row:]
        highs, lows = SERIES.high.copy(), SERIES.low.copy()
        highs[row:], lows[row:] = 2 * highs[row:], 2 * lows[row:]
        opens = SERIES.open.copy()
        opens[row:] *= 2
        doubled = PriceSeries(
            item_id="X",
            timestamps=SERIES.timestamps,
            open=opens,
            high=highs,
            low=lows,
            close=later.copy(),
            volume=SERIES.volume,
        )
        (alone,) = RivalModels().quantiles(doubled, rows[place : place + 1], 5)
        np.testing.assert_allclose(alone, together[place], rtol=1e-9)
        later[row:] = SERIES.close[row:]


def test_quantiles_of_a_walk_are_those_of_paths() -> None:
    row = ROWS - 40
    known = SERIES.rows(0, row)
    (quantiles,) = RivalModels().quantiles(SERIES, np.array([row]), 10)
    paths = RivalModels().sorted_paths(known, 10, 20_000, 0)
    assert paths is not None and (np.diff(paths, axis=1) >= 0).all()
    for rival, name in enumerate(RIVALS):
        for step in (0, 4, 9):
            expected = np.quantile(paths[rival, :, step], [0.1, 0.9])
            found = np.interp([0.1, 0.9], PROBABILITIES, quantiles[rival, step])
            np.testing.assert_allclose(found, expected, rtol=0.25 if name == "HAR" and step else 0.08)


def test_parameters_are_learned_anew_once_a_year_and_held() -> None:
    fits = rivals_module._fits.held
    RivalModels().quantiles(SERIES, np.arange(LEAST, LEAST + REFIT, 5), 2)
    assert len(fits) == 1
    RivalModels().quantiles(SERIES, np.arange(LEAST, ROWS, 50), 2)
    assert len(fits) == 2
    RivalModels().sorted_paths(SERIES.rows(0, LEAST + 3), 2, 10, 0)
    assert len(fits) == 2


def test_what_was_said_is_not_worked_out_again_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(LEAST, ROWS, 40)
    (alone,) = RivalModels().quantiles(SERIES, rows[3:4], 2)
    rivals_module._said.held.clear()
    first = RivalModels().quantiles(SERIES, rows, 2)
    np.testing.assert_array_equal(first[3], alone)
    monkeypatch.setattr(rivals_module, "_quantiles", None)
    np.testing.assert_array_equal(RivalModels().quantiles(SERIES, rows, 2), first)
    later = PriceSeries(
        item_id="Y", timestamps=SERIES.timestamps, close=np.r_[SERIES.close[: rows[5]], 2 * SERIES.close[rows[5] :]]
    )
    with pytest.raises(TypeError):
        RivalModels().quantiles(later, rows, 2)


def test_the_oldest_that_is_held_goes_first() -> None:
    newest: rivals_module.Newest[int] = rivals_module.Newest(most=2)
    assert [newest.of(name, lambda name=name: ord(name)) for name in "abca"] == [97, 98, 99, 97]
    assert list(newest.held) == ["c", "a"]
    assert newest.of("c", lambda: 0) == 99


def test_where_too_few_rows_or_no_move_is_there_nothing_is_said() -> None:
    assert RivalModels().sorted_paths(SERIES.rows(0, LEAST - 1), 3, 10, 0) is None
    still = PriceSeries(item_id="S", timestamps=SERIES.timestamps, close=np.full(ROWS, 5.0))
    assert RivalModels().sorted_paths(still, 3, 10, 0) is None
    assert np.isnan(RivalModels().quantiles(still, np.array([LEAST]), 3)).all()


def test_where_har_cannot_be_fitted_garch_stands_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Har, series: PriceSeries) -> None:
        raise Unfit("its variance explodes")

    monkeypatch.setattr(Har, "_learn", refused)
    (quantiles,) = RivalModels().quantiles(SERIES, np.array([LEAST]), 3)
    np.testing.assert_array_equal(quantiles[1], quantiles[0])
    paths = RivalModels().sorted_paths(SERIES.rows(0, LEAST), 3, 4000, 0)
    assert paths is not None
    # Another sample of the same distribution: the average of the members has then the noise that it is said to have.
    assert (paths[1] != paths[0]).any()
    middle = slice(400, 3600)
    np.testing.assert_allclose(paths[1][middle], paths[0][middle], atol=0.1 * paths[0].std())
    assert np.abs(paths[2][middle] - paths[0][middle]).max() > 0.1 * paths[0].std()
