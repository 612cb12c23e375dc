"""Diebold-Mariano, Holm and the coverage interval, against published implementations and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from gatecast.judge.significance import by_date, coverage_interval, diebold_mariano, holm, variance_of_mean


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
