"""Diebold-Mariano, Holm and the coverage interval, against published implementations and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from gatecast.judge.significance import (
    by_date,
    change_interval,
    coverage_interval,
    diebold_mariano,
    freedom,
    holm,
    variance_of_mean,
)


def moving_average(rng: np.random.Generator, n: int, lags: int) -> np.ndarray:
    return np.convolve(rng.normal(size=n + lags), np.ones(lags + 1), mode="valid")


def test_without_overlap_it_is_the_one_sample_t_test() -> None:
    d = np.random.default_rng(0).normal(0.3, 1, 25)
    ours, published = diebold_mariano(d, kernel="rectangular"), stats.ttest_1samp(d, 0)
    assert (ours.dm, ours.p_value) == pytest.approx((published.statistic, published.pvalue))
    assert ours.p_greater == pytest.approx(stats.ttest_1samp(d, 0, alternative="greater").pvalue)


@pytest.mark.parametrize("kernel", ["rectangular", "bartlett"])
def test_variance_is_statsmodels_hac(kernel: str) -> None:
    d = moving_average(np.random.default_rng(1), 60, 4)
    options = {"maxlags": 4, "kernel": {"rectangular": "uniform", "bartlett": "bartlett"}[kernel]}
    fit = sm.OLS(d, np.ones(60)).fit(cov_type="HAC", cov_kwds={**options, "use_correction": False})
    assert variance_of_mean(d, overlap=4, kernel=kernel) == pytest.approx(float(fit.bse[0]) ** 2)  # type: ignore[arg-type]


def test_the_small_sample_correction_is_the_one_of_harvey_leybourne_and_newbold() -> None:
    d, n, h = moving_average(np.random.default_rng(2), 40, 2), 40, 3
    gamma = [float(np.mean((d - d.mean())[k:] @ (d - d.mean())[: n - k])) / n for k in range(h)]
    plain = d.mean() / np.sqrt((gamma[0] + 2 * gamma[1] + 2 * gamma[2]) / n)
    by_hand = plain * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    ours = diebold_mariano(d, overlap=2, kernel="rectangular")
    assert ours.dm == pytest.approx(by_hand)
    rows_kept = n + 1 - 2 * h + h * (h - 1) / n
    assert ours.p_value == pytest.approx(2 * stats.t.sf(abs(by_hand), rows_kept / h))


def test_a_negative_rectangular_variance_gives_way_to_bartlett() -> None:
    d = np.tile([1.0, -1.0], 10) + 0.05
    assert variance_of_mean(d, overlap=1, kernel="rectangular") < 0
    assert variance_of_mean(d, overlap=1) >= variance_of_mean(d, overlap=1, kernel="bartlett") > 0
    assert np.isfinite(diebold_mariano(d, overlap=1).dm)


@pytest.mark.parametrize(("overlap", "n"), [(0, 12), (1, 12), (4, 12), (4, 20), (4, 60), (29, 60), (4, 200), (19, 200)])
def test_equal_models_are_told_apart_in_a_twentieth_of_cases_at_most(overlap: int, n: int) -> None:
    rng, times = np.random.default_rng(3), 1200
    tests = [diebold_mariano(moving_average(rng, n, overlap), overlap=overlap) for _ in range(times)]
    luck = 2.33 * np.sqrt(0.06 * 0.94 / times)  # a size of 6% shows more than this in one case of a hundred
    assert np.mean([test.p_value < 0.05 for test in tests]) < 0.06 + luck


def test_as_many_degrees_of_freedom_as_rows_would_claim_far_too_often() -> None:
    rng = np.random.default_rng(3)
    found = [diebold_mariano(moving_average(rng, 20, 4), overlap=4).dm for _ in range(600)]
    assert np.mean(2 * stats.t.sf(np.abs(found), 19) < 0.05) > 0.1


def test_ignoring_the_overlap_would_claim_far_too_often() -> None:
    rng = np.random.default_rng(4)
    tests = [diebold_mariano(moving_average(rng, 60, 4), kernel="rectangular").p_value < 0.05 for _ in range(300)]
    assert np.mean(tests) > 0.2


def test_what_cannot_tell_says_so() -> None:
    for d in (np.zeros(30), np.array([]), np.array([1.0, 2.0])):
        answer = diebold_mariano(d, overlap=4)
        assert np.isnan(answer.dm) and answer.p_value == 1.0 and answer.p_greater == 1.0
    assert diebold_mariano(np.full(10, 0.25)).p_value == 0.0


def test_swapping_the_models_flips_the_sign() -> None:
    d = np.random.default_rng(5).normal(0.2, 1, 30)
    there, back = diebold_mariano(d, overlap=2), diebold_mariano(-d, overlap=2)
    assert (there.dm, there.p_value) == pytest.approx((-back.dm, back.p_value))


def test_assets_of_one_date_count_once() -> None:
    dates = np.repeat(np.array(["2024-01-02", "2024-01-01"], dtype="datetime64[D]"), [3, 1])
    assert by_date(np.array([1.0, 2.0, 3.0, 9.0]), dates).tolist() == [9.0, 2.0]


def test_holm_equals_statsmodels() -> None:
    p = np.random.default_rng(6).uniform(0, 0.2, 9)
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_coverage_interval_of_many_independent_rows_is_wilsons() -> None:
    hits = (np.random.default_rng(7).uniform(size=4000) < 0.9).astype(float)
    share, low, high = coverage_interval(hits, np.arange(4000))
    wilson = proportion_confint(hits.sum(), 4000, method="wilson")
    assert share == hits.mean()
    assert (low, high) == pytest.approx(wilson, abs=2e-3)


def test_coverage_interval_is_as_wide_as_its_dates_are_few() -> None:
    rng = np.random.default_rng(8)
    dates = np.repeat(np.arange(40), 20)
    together = np.repeat(rng.uniform(size=40) < 0.9, 20).astype(float)  # twenty assets that move as one
    alone = (rng.uniform(size=800) < 0.9).astype(float)
    width = {
        name: np.ptp(coverage_interval(hits, dates)[1:]) for name, hits in (("together", together), ("alone", alone))
    }
    assert width["together"] > 2.5 * width["alone"]


@pytest.mark.parametrize("overlap", [0, 4])
def test_coverage_interval_holds_the_truth_about_as_often_as_it_says(overlap: int) -> None:
    rng, dates = np.random.default_rng(9), np.repeat(np.arange(60), 5)
    held = 0
    for _ in range(400):
        common = moving_average(rng, 60, overlap) / np.sqrt(overlap + 1)
        value = common[dates] * 0.7 + rng.normal(size=300) * np.sqrt(0.51)
        low, high = coverage_interval((np.abs(value) < 1.645).astype(float), dates, overlap=overlap)[1:]
        held += low <= 0.9 <= high
    assert held / 400 > 0.92


def test_a_date_with_many_rows_counts_as_one_with_few() -> None:
    dates = np.repeat(np.arange(10), [1] * 5 + [9] * 5)
    share, low, high = coverage_interval((dates < 5).astype(float), dates)
    assert share == 0.5 and low < 0.5 < high


def test_too_few_dates_leave_coverage_unknown() -> None:
    assert coverage_interval(np.ones(4), np.array([0, 0, 1, 1])) == (1.0, 0.0, 1.0)


def hac(d: np.ndarray, lags: int, *, taper: bool) -> float:
    """The variance of a mean on paper: autocovariances to a lag, tapered as Bartlett has it or not."""
    n, centred = len(d), d - d.mean()
    covariances = [float(centred[lag:] @ centred[: n - lag]) / n for lag in range(lags + 1)]
    weights = [1 - lag / (lags + 1) if taper else 1.0 for lag in range(1, lags + 1)]
    return (covariances[0] + 2 * sum(w * c for w, c in zip(weights, covariances[1:], strict=True))) / n


@pytest.mark.parametrize(("n", "rule"), [(3, 1), (12, 2), (100, 4), (274, 5)])
def test_the_cautious_variance_is_the_largest_of_three(n: int, rule: int) -> None:
    rng, largest = np.random.default_rng(10), set()
    for overlap in (0, 1, min(8, n - 2)):
        for d in (np.diff(rng.normal(size=n + 1)), moving_average(rng, n, 2), moving_average(rng, n, 9)):
            three = [hac(d, overlap, taper=False), hac(d, overlap, taper=True), hac(d, rule, taper=True)]
            assert variance_of_mean(d, overlap=overlap) == pytest.approx(max(three))
            largest.add(int(np.argmax(three)))
    assert largest == {0, 1, 2} or n == 3


def test_an_overlap_as_long_as_the_series_is_cut_to_all_lags_but_the_last() -> None:
    d = np.random.default_rng(11).normal(0.2, 1, 9)
    assert variance_of_mean(d, overlap=40) == variance_of_mean(d, overlap=7)
    rectangular, bartlett = (
        {overlap: variance_of_mean(d, overlap=overlap, kernel=kernel) for overlap in (6, 7, 40)}
        for kernel in ("rectangular", "bartlett")
    )
    for variance in (rectangular, bartlett):
        assert variance[40] == variance[7] != variance[6]
    assert diebold_mariano(d, overlap=40) == diebold_mariano(d, overlap=7) != diebold_mariano(d, overlap=6)
    # Harvey, Leybourne and Newbold's factor at h = 8 of 9 rows; the freedom still knows of the longer overlap.
    assert freedom(9, 40) == pytest.approx((9 + 1 - 16 + 8 * 7 / 9) / 41)


def test_nothing_overlaps_unless_it_is_said() -> None:
    d = moving_average(np.random.default_rng(12), 40, 3)
    assert variance_of_mean(d, kernel="rectangular") == pytest.approx(d.var() / 40)
    assert diebold_mariano(d) == diebold_mariano(d, overlap=0) != diebold_mariano(d, overlap=1)
    hits, dates = (d > 0).astype(float), np.arange(40)
    assert coverage_interval(hits, dates) == coverage_interval(hits, dates, overlap=0)
    assert coverage_interval(hits, dates) != coverage_interval(hits, dates, overlap=1)
    assert change_interval(d[None] * [[1], [2]]) == change_interval(d[None] * [[1], [2]], overlap=0)
    assert change_interval(d[None] * [[1], [2]]) != change_interval(d[None] * [[1], [2]], overlap=1)


def test_a_test_says_what_it_rests_on() -> None:
    three = diebold_mariano(np.array([1.0, 2.0, 4.0]), kernel="rectangular")
    assert three.p_value == pytest.approx(stats.ttest_1samp([1.0, 2.0, 4.0], 0).pvalue)
    assert (three.mean, three.n) == (pytest.approx(7 / 3), 3)
    two, none = diebold_mariano(np.array([1.0, 2.0])), diebold_mariano(np.array([]))
    assert (two.mean, two.n, none.n) == (1.5, 2, 0) and np.isnan(none.mean)


def test_an_adjusted_p_value_is_a_probability() -> None:
    assert holm(np.array([0.9, 0.8, 0.4])).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert holm(np.array([0.01, 0.01, 0.02])).tolist() == pytest.approx([0.03, 0.03, 0.03])


def wilson(share: float, rows: float, t: float) -> tuple[float, float]:
    """Wilson's interval: the shares from which `share` is `t` standard errors away, the roots of a quadratic."""
    a, b, c = 1 + t**2 / rows, -(2 * share + t**2 / rows), share**2
    root = np.sqrt(b**2 - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


@pytest.mark.parametrize(("dates", "overlap"), [(40, 0), (40, 3), (7, 0), (4, 2), (3, 0)])
def test_coverage_interval_is_wilsons_at_the_rows_that_vary_alike(dates: int, overlap: int) -> None:
    rng = np.random.default_rng(13)
    together = rng.uniform(size=dates) < 0.6
    hits = np.where(rng.uniform(size=(dates, 5)) < 0.5, together[:, None], rng.uniform(size=(dates, 5)) < 0.6)
    shares = hits.mean(axis=1)
    blocks = max(dates / (overlap + 1), 2.0)
    variance = variance_of_mean(shares, overlap=overlap) * blocks / (blocks - 1)
    effective = min(shares.mean() * (1 - shares.mean()) / variance, 5 * dates)
    for confidence in (0.95, 0.5):
        found = coverage_interval(
            hits.ravel().astype(float), np.repeat(np.arange(dates), 5), overlap=overlap, confidence=confidence
        )
        by_hand = wilson(shares.mean(), effective, stats.t.ppf((1 + confidence) / 2, blocks - 1))
        assert found == pytest.approx((shares.mean(), *by_hand))
    assert coverage_interval(hits.ravel().astype(float), np.repeat(np.arange(dates), 5), overlap=overlap)[1:] == (
        pytest.approx(wilson(shares.mean(), effective, stats.t.ppf(0.975, blocks - 1)))
    )


@pytest.mark.parametrize(("hits", "share"), [([1.0, 1.0], 1.0), ([0.0, 0.0], 0.0), ([1.0, 0.0], 0.5)])
def test_where_dates_do_not_vary_each_that_shares_no_days_counts_as_a_row(hits: list[float], share: float) -> None:
    found = coverage_interval(np.tile(hits, 12), np.repeat(np.arange(12), 2), overlap=1)
    assert found == pytest.approx((share, *wilson(share, 6, stats.t.ppf(0.975, 5))), abs=1e-12)
    assert 0 <= found[1] <= found[2] <= 1


def test_rows_of_opposite_luck_count_as_no_more_rows_than_there_are() -> None:
    hits = np.array([1.0, 0.0] * 11 + [1.0, 1.0])  # the dates' shares vary less than independent rows would
    found = coverage_interval(hits, np.repeat(np.arange(12), 2))
    assert found[1:] == pytest.approx(wilson(13 / 24, 24, stats.t.ppf(0.975, 11)))


@pytest.mark.parametrize(("seeds", "origins", "overlap"), [(3, 40, 0), (2, 12, 2), (5, 3, 0), (4, 6, 9)])
def test_change_interval_adds_the_luck_of_seeds_to_that_of_origins(seeds: int, origins: int, overlap: int) -> None:
    rng = np.random.default_rng(14)
    d = 0.3 + rng.normal(0, 1, (seeds, 1)) + rng.normal(0, 1, (1, origins)) + rng.normal(0, 1, (seeds, origins))
    h = min(overlap, origins - 2) + 1
    kept = (origins + 1 - 2 * h + h * (h - 1) / origins) / origins
    of_origins = variance_of_mean(d.mean(axis=0), overlap=overlap) / kept
    of_seeds = d.mean(axis=1).var(ddof=1) / seeds
    both = of_origins + of_seeds
    welch = both**2 / (of_origins**2 * (overlap + 1) / (origins * kept) + of_seeds**2 / (seeds - 1))
    reach = stats.t.ppf(0.975, welch) * np.sqrt(both)
    assert change_interval(d, overlap=overlap) == pytest.approx((d.mean(), d.mean() - reach, d.mean() + reach))


def test_a_change_that_is_everywhere_the_same_is_certain_and_one_of_few_is_unknown() -> None:
    assert change_interval(np.full((3, 12), 0.25)) == (0.25, 0.25, 0.25)
    for few in (np.full((3, 2), 0.25), np.full((1, 12), 0.25)):
        assert change_interval(few) == (0.25, -np.inf, np.inf)
