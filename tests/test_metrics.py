"""The scores, each against a published implementation or a closed form."""

from __future__ import annotations

import numpy as np
import properscoring
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from gatecast.errors import UsageError
from gatecast.judge import metrics

values = st.floats(-1e3, 1e3, allow_nan=False, width=32)


@given(st.lists(values, min_size=2, max_size=40), values)
@settings(max_examples=80, deadline=None)
def test_crps_equals_properscoring_and_the_fair_one_equals_scoringrules(paths: list[float], actual: float) -> None:
    x, y = np.array(paths), np.array(actual)
    scale = max(1.0, np.abs(x).max(), abs(actual))
    plain, fair = metrics.crps_paths(x, y, fair=False), metrics.crps_paths(x, y)
    assert plain == pytest.approx(properscoring.crps_ensemble(y, x), abs=1e-10 * scale)
    assert fair == pytest.approx(scoringrules.crps_ensemble(y, x, estimator="fair"), abs=1e-10 * scale)


def test_crps_keeps_leading_axes_and_does_not_mind_the_order_of_paths() -> None:
    rng = np.random.default_rng(0)
    paths, actual = rng.normal(size=(3, 4, 50)), rng.normal(size=(3, 4))
    each = [[metrics.crps_paths(paths[i, j], actual[i, j, ...]) for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(metrics.crps_paths(paths, actual), each, atol=1e-14)
    np.testing.assert_allclose(metrics.crps_paths(paths[..., ::-1], actual), each, atol=1e-14)


def test_fair_crps_of_few_paths_is_unbiased_for_the_normal_and_the_plain_one_is_not() -> None:
    rng = np.random.default_rng(1)
    actual, truth = np.full(20_000, 0.7), scoringrules.crps_normal(0.7, 0.0, 1.0)
    paths = rng.normal(size=(20_000, 8))
    fair, plain = metrics.crps_paths(paths, actual), metrics.crps_paths(paths, actual, fair=False)
    error = fair.std() / np.sqrt(len(fair))
    assert abs(fair.mean() - truth) < 4 * error
    assert plain.mean() - truth > 10 * error


@pytest.mark.parametrize("weights", [(0.45, 0.25, 0.2, 0.1), (0.5, 0.5), (1.0,)])
def test_fair_crps_of_an_average_of_sorted_samples_is_unbiased_where_its_noise_is_known(
    weights: tuple[float, ...],
) -> None:
    rng, share = np.random.default_rng(5), np.array(weights)
    ordered = np.tensordot(share, np.sort(rng.normal(size=(len(share), 40_000, 20)), axis=2), axes=1)
    actual = rng.normal(size=len(ordered))
    # The score of a normal that forecasts itself: the exact one at these actuals takes most of their own luck away.
    exact = scoringrules.crps_normal(actual, 0.0, 1.0)
    found = metrics.crps_sorted(ordered, actual, noise=(share**2).sum()) - exact
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean()) < 4 * error
    flattered = metrics.crps_sorted(ordered, actual) - exact
    assert len(weights) == 1 or flattered.mean() < -8 * error


def test_one_path_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 paths"):
        metrics.crps_paths(np.zeros((3, 1)), np.zeros(3))


@given(st.lists(values, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_quantiles_of_sorted_values_are_numpys(paths: list[float]) -> None:
    levels = np.array([0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0])
    ours = metrics.quantile_sorted(np.sort(np.array(paths)), levels)
    np.testing.assert_allclose(ours, np.quantile(np.array(paths), levels), atol=1e-9)


def test_pit_is_the_share_below_with_ties_counted_half() -> None:
    ordered = np.array([1.0, 2.0, 2.0, 3.0])
    shares = [metrics.pit_sorted(ordered, np.array(actual)).item() for actual in (0.0, 2.0, 2.5, 9.0)]
    assert shares == [0.0, 0.5, 0.75, 1.0]


def test_pinball_mae_and_rmse_equal_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    actual, levels = rng.normal(size=60), np.array([0.05, 0.5, 0.9])
    quantiles = np.sort(rng.normal(size=(60, 3)), axis=1)
    each = [mean_pinball_loss(actual, quantiles[:, k], alpha=level) for k, level in enumerate(levels)]
    assert metrics.pinball(quantiles, actual, levels).mean() == pytest.approx(np.mean(each))
    assert metrics.mae(quantiles[:, 1], actual) == pytest.approx(mean_absolute_error(actual, quantiles[:, 1]))
    assert metrics.rmse(quantiles[:, 1], actual) == pytest.approx(root_mean_squared_error(actual, quantiles[:, 1]))


def test_pinball_over_many_levels_is_half_the_crps() -> None:
    paths = np.sort(np.random.default_rng(3).normal(size=4000))
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = metrics.quantile_sorted(paths, levels)
    loss = metrics.pinball(quantiles[None], np.array([0.4]), levels).item()
    assert 2 * loss == pytest.approx(metrics.crps_paths(paths, np.array(0.4)).item(), rel=2e-3)


def test_mase_of_the_naive_forecast_on_its_own_history_is_1() -> None:
    history = np.array([10.0, 12.0, 11.0, 15.0])
    scale = np.full(3, metrics.naive_scale(history))
    assert metrics.mase(history[:-1], history[1:], scale) == pytest.approx(1.0)
    assert np.isnan(metrics.mase(history[:-1], history[1:], np.zeros(3)))
    with_still = metrics.mase(history[:-1], history[1:], np.array([0.0, 2.0, 2.0]))
    assert with_still == pytest.approx((1 / 2 + 4 / 2) / 2)
    assert np.isnan(metrics.naive_scale(history[:1]))


def test_coverage_counts_the_edges_as_inside() -> None:
    actual = np.array([0.0, 1.0, 2.0, 3.0])
    assert metrics.coverage(np.full(4, 1.0), np.full(4, 2.0), actual) == 0.5


def test_a_price_computed_in_two_ways_is_the_same_price() -> None:
    actual, again = np.array([100.0]), np.array([100.0 + 2.8e-14])
    for edges in ((again, again), (again - 2 * (again - actual), actual - (again - actual))):
        assert metrics.coverage(*edges, actual) == 1.0
    assert metrics.coverage(actual * (1 + 1e-6), actual * 2, actual) == 0.0
    assert metrics.pit_sorted(np.full((1, 20), again), actual) == 0.5


def test_smape_and_direction() -> None:
    assert metrics.smape(np.array([100.0]), np.array([300.0])) == pytest.approx(100.0)
    last = np.full(4, 100.0)
    predicted, observed = np.array([101.0, 101.0, 99.0, 100.0]), np.array([105.0, 95.0, 95.0, 95.0])
    assert metrics.direction(predicted, observed, last) == pytest.approx(2 / 3)
    assert np.isnan(metrics.direction(last, observed, last))
    assert np.isnan(metrics.direction(last * (1 + 1.7e-7), observed, last))  # a median of symmetric paths
    assert metrics.direction(last * (1 - 1e-4), observed, last) == pytest.approx(3 / 4)


def test_ties_and_edges_count_at_a_value_of_zero_too() -> None:
    """There `ROUNDING` has no width."""
    zeros = np.zeros(3)
    assert metrics.pit_sorted(zeros, np.array(0.0)) == 0.5
    assert metrics.coverage(zeros, zeros, zeros) == 1.0
    assert np.isnan(metrics.mase(np.ones(3), zeros, zeros))


def test_many_rows_have_the_scores_of_each_row() -> None:
    rng = np.random.default_rng(4)
    ordered, actual, levels = np.sort(rng.normal(size=(5, 20)), axis=1), rng.normal(size=5), np.array([0.1, 0.6])
    quantiles = metrics.quantile_sorted(ordered, levels)
    each = [metrics.pit_sorted(row, np.array(value)) for row, value in zip(ordered, actual, strict=True)]
    np.testing.assert_array_equal(metrics.pit_sorted(ordered, actual), each)
    losses = [metrics.pinball(quantiles[k : k + 1], actual[k : k + 1], levels).item() for k in range(5)]
    np.testing.assert_allclose(metrics.pinball(quantiles, actual, levels), losses)
    np.testing.assert_array_equal(metrics.crps_sorted(ordered, actual), metrics.crps_paths(ordered, actual))


def test_a_move_within_rounding_of_the_price_is_none() -> None:
    last, up = np.full(2, 100.0), np.array([101.0, 101.0])
    still_and_up = last * (1 + np.array([1e-12, 1e-7]))
    assert metrics.direction(up, still_and_up, last) == 1.0
    assert metrics.direction(last - 1, still_and_up, last) == 0.0
    assert np.isnan(metrics.direction(up[:1], still_and_up[:1], last[:1]))
    assert np.isnan(metrics.mase(up, last, np.full(2, 1e-8)))
    assert metrics.mase(up, last, np.full(2, 1e-6)) == pytest.approx(1e6)
    assert metrics.naive_scale(np.array([10.0, 12.0])) == 2.0


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_scores_without_a_unit_do_not_depend_on_the_currency(factor: float) -> None:
    rng = np.random.default_rng(5)
    last = rng.uniform(50, 150, 40)
    median, actual = last * np.exp(0.01 * rng.normal(size=(2, 40)))
    ordered = np.sort(last[:, None] * np.exp(0.01 * rng.normal(size=(40, 30))), axis=1)

    def scores(unit: float) -> list[float]:
        prices = (median * unit, actual * unit)
        return [
            metrics.direction(*prices, last * unit),
            metrics.smape(*prices),
            metrics.mase(*prices, np.full(40, unit)),
            metrics.coverage(ordered[:, 3] * unit, ordered[:, -3] * unit, actual * unit),
            *metrics.pit_sorted(ordered * unit, actual * unit),
        ]

    assert scores(factor) == pytest.approx(scores(1.0))
