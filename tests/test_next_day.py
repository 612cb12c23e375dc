"""The next day's three forms: log densities on paper, draws from the streams of their starts, shrinkage."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import ndtri, stdtrit

from gatecast.config import Config
from gatecast.features.targets import CLIP
from gatecast.nn.base_network import DROPOUT, BaseNetwork
from gatecast.nn.heads import mixture
from gatecast.nn.masks import draw_masks
from gatecast.nn.next_day import (
    FARTHEST,
    LEAST_DF,
    HeldOutDays,
    JointDay,
    MixtureDay,
    PointDay,
    joined,
    shrinkage_of,
    student_t_at,
    student_t_log_prob,
)

HELD_OUT = HeldOutDays(
    error=np.array([-1.0, 0.5, 2.0]), range_ratio=np.array([1.0, 2.0, 4.0]), volume_ratio=np.array([-1.0, 0.0, 3.0])
)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def streams(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def joint(rows: int = 4, **changes: torch.Tensor) -> JointDay:
    values = {
        "location": 0.1,
        "scale": 0.5,
        "df": 5.0,
        "range_level": -0.3,
        "range_slope": 0.4,
        "range_spread": 0.2,
        "volume_level": 0.1,
        "volume_slope": 0.3,
        "volume_spread": 0.25,
        "has_range": 1.0,
    }
    parts = {name: torch.full((rows,), value, dtype=torch.float64) for name, value in values.items()}
    return JointDay(**{**parts, **changes})


def test_a_student_t_is_scipys_and_with_infinite_df_a_normal() -> None:
    z, scale = tensor(-2.0, 0.3, 4.0), tensor(0.5, 1.0, 2.0)
    for df in (2.5, 30.0):
        ours = student_t_log_prob(z.square(), torch.full_like(z, df), scale.log())
        np.testing.assert_allclose(ours, stats.t.logpdf(z * scale, df, scale=scale), rtol=1e-12)
    ours = student_t_log_prob(z.square(), torch.full_like(z, torch.inf), scale.log())
    np.testing.assert_allclose(ours, stats.norm.logpdf(z * scale, scale=scale), rtol=1e-12)


def test_held_out_days_are_drawn_whole_and_each_start_from_its_own_stream() -> None:
    day = HELD_OUT.draw(50, streams(1, 2), noise=True)
    rows = {tuple(row) for row in zip(day.value, day.log_range, day.log_volume, strict=True)}
    assert rows == {(-1.0, 1.0, -1.0), (0.5, 2.0, 0.0), (2.0, 4.0, 3.0)}
    second = HELD_OUT.draw(50, streams(2), noise=True)
    np.testing.assert_array_equal(day.value[50:], second.value)
    assert (day.value[:50] != second.value).any()
    quiet = HELD_OUT.draw(3, streams(1, 2), noise=False)
    np.testing.assert_array_equal(quiet.value, np.zeros(6))
    np.testing.assert_array_equal(quiet.log_range, np.full(6, 2.0))
    np.testing.assert_array_equal(quiet.log_volume, np.zeros(6))
    assert quiet.density is None


def test_shrinkage_is_the_slope_less_two_standard_errors_within_0_and_1() -> None:
    rng = np.random.default_rng(3)
    predicted = rng.normal(size=200)
    observed = 0.5 * predicted + 0.8 * rng.normal(size=200)
    slope = (predicted @ observed) / (predicted @ predicted)
    residual = observed - slope * predicted
    error = np.sqrt(np.mean(residual**2) / (predicted @ predicted))
    assert 0.05 < error < 0.2
    assert shrinkage_of(predicted, observed) == pytest.approx(slope - 2 * error, rel=1e-12)
    assert shrinkage_of(predicted, 9 * predicted) == 1.0
    assert shrinkage_of(predicted, -predicted) == 0.0
    weak = 0.05 * predicted + rng.normal(size=200)
    assert shrinkage_of(predicted, weak) == 0.0  # a slope within its error is no evidence
    assert shrinkage_of(predicted[:2], predicted[:2]) == 0.0 < shrinkage_of(predicted[:3], predicted[:3])
    assert shrinkage_of(np.zeros(9), observed[:9]) == 0.0


@pytest.mark.parametrize("shrinkage", [0.0, 0.25, 1.0])
def test_a_point_day_shrinks_the_mean_of_each_start_and_keeps_the_paths_apart(shrinkage: float) -> None:
    value = tensor(1.0, 3.0, -4.0, -2.0)
    day = PointDay(value=value, config=Config(), held_out=replace(HELD_OUT, shrinkage=shrinkage))
    quiet = day.sample(streams(1, 2), noise=False)
    np.testing.assert_allclose(quiet.value, np.array([-1, 1, -1, 1]) + shrinkage * np.array([2, 2, -3, -3]))
    drawn = day.sample(streams(1, 2))
    errors = HELD_OUT.draw(2, streams(1, 2), noise=True)
    np.testing.assert_allclose(drawn.value - quiet.value, errors.value)
    np.testing.assert_array_equal(drawn.log_range, errors.log_range)
    np.testing.assert_array_equal(drawn.log_volume, errors.log_volume)
    assert day.density() is None and drawn.density is None
    assert torch.equal(day.mean, value)


def test_losses_of_a_point_are_negative_log_densities_up_to_a_constant() -> None:
    error = tensor(-3.0, -0.5, 0.0, 0.5, 3.0)
    for loss, expected in {
        "huber": [4.0, 0.125, 0.0, 0.125, 4.0],
        "mse": [9.0, 0.25, 0.0, 0.25, 9.0],
        "mae": [3.0, 0.5, 0.0, 0.5, 3.0],
        "pinball": [0.6, 0.1, 0.0, 0.4, 2.4],
    }.items():
        day = PointDay(value=tensor(1.0), config=Config(loss=loss, huber_delta=2.0, quantile=0.8))
        np.testing.assert_allclose(-day.log_prob(1.0 + error), expected, atol=1e-12)


def test_a_mixture_draws_its_components_by_weight_and_its_errors_are_clipped() -> None:
    weights, rows = np.array([0.2, 0.5, 0.3]), 20_000
    day = mixture("mixture", torch.zeros(rows, 9, dtype=torch.float64), HELD_OUT)
    day = replace(
        day,
        log_weight=torch.log(torch.from_numpy(np.broadcast_to(weights, (rows, 3)).copy())),
        location=torch.from_numpy(np.broadcast_to([-100.0, 0.0, 100.0], (rows, 3)).copy()),
        scale=torch.ones(rows, 3, dtype=torch.float64),
    )
    sample = day.sample(streams(5, 6))
    share = [np.mean(np.abs(sample.value - place) < 50) for place in (-100, 0, 100)]
    np.testing.assert_allclose(share, weights, atol=0.015)
    assert sample.density is not None
    np.testing.assert_array_equal(sample.density.location, np.round(sample.value, -2))
    assert np.abs(sample.value - sample.density.location).std() == pytest.approx(np.sqrt(1 - 2 / np.pi), rel=0.05)
    assert day.density() is None
    halves = [day_half.sample([stream]).value for day_half, stream in zip(halved(day), streams(5, 6), strict=True)]
    np.testing.assert_array_equal(sample.value, np.concatenate(halves))
    wild = mixture("student_t", torch.tensor([[0.0, 0.0, -50.0]]).repeat(5000, 1).double(), HELD_OUT)
    drawn = wild.sample(streams(1))
    assert np.abs(drawn.value).max() == CLIP
    single = wild.density()
    assert single is not None and single.df[0] == pytest.approx(2.1) and single.scale.shape == (5000,)
    np.testing.assert_array_equal(wild.sample(streams(1), noise=False).value, np.zeros(5000))


def three(weights: np.ndarray) -> MixtureDay:
    """Rows of one mixture of three Student-t distributions, with these weights a row."""
    rows = len(weights)
    parts = {"location": [-1.0, 0.5, 2.0], "scale": [0.5, 2.0, 1.0], "df": [4.0, 3.0, 30.0]}
    tensors = {name: torch.from_numpy(np.tile(part, (rows, 1))) for name, part in parts.items()}
    return MixtureDay(log_weight=torch.from_numpy(np.log(weights)), held_out=HELD_OUT, **tensors)


def test_a_mixture_is_its_components_densities_by_weight() -> None:
    weights = np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]])
    observed = np.array([0.3, -2.0])
    each = [stats.t(4, -1.0, 0.5), stats.t(3, 0.5, 2.0), stats.t(30, 2.0, 1.0)]
    expected = np.log(sum(weight * part.pdf(observed) for weight, part in zip(weights.T, each, strict=True)))
    day = three(weights)
    np.testing.assert_allclose(day.log_prob(torch.from_numpy(observed)), expected, rtol=1e-12)
    np.testing.assert_allclose(day.mean, weights @ [-1.0, 0.5, 2.0], rtol=1e-12)
    again = replace(day, **{name: part[:, None].expand(2, 4, 3) for name, part in tensors_of(day).items()})
    many = again.log_prob(torch.from_numpy(observed)[:, None].expand(2, 4))
    np.testing.assert_allclose(many, np.tile(expected[:, None], 4), rtol=1e-12)
    two = replace(day, **{name: getattr(day, name)[:, :2] for name in ("log_weight", "location", "scale", "df")})
    assert day.density() is None and two.density() is None


def test_an_expected_mixture_day_is_the_mean_with_the_median_range_and_its_first_component() -> None:
    day = three(np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]]))
    quiet = day.sample(streams(1, 2), noise=False)
    np.testing.assert_array_equal(quiet.value, day.mean)
    np.testing.assert_array_equal(quiet.log_range, [2.0, 2.0])
    assert quiet.density is not None
    np.testing.assert_array_equal(quiet.density.location, [-1.0, -1.0])
    np.testing.assert_array_equal(quiet.density.scale, [0.5, 0.5])
    np.testing.assert_array_equal(quiet.density.df, [4.0, 4.0])


def test_a_draw_above_the_sum_of_the_weights_takes_the_last_component() -> None:
    """In single precision weights may add up to a little under 1."""
    day = three(np.full((500, 3), [1e-6, 1e-6, 0.5]))
    drawn = day.sample(streams(1))
    assert drawn.density is not None
    np.testing.assert_array_equal(drawn.density.location, 2.0)


def test_a_single_component_adds_its_error_and_tells_its_density() -> None:
    parts = {"location": 0.3, "scale": 2.0, "df": np.inf}
    tensors = {name: torch.full((6, 1), value, dtype=torch.float64) for name, value in parts.items()}
    day = MixtureDay(log_weight=torch.zeros(6, 1, dtype=torch.float64), held_out=HELD_OUT, **tensors)
    drawn = day.sample(streams(4))
    rng = np.random.default_rng(4)
    rng.integers(3, size=6)
    rng.random(6)
    np.testing.assert_allclose(drawn.value, 0.3 + 2.0 * rng.standard_normal(6), rtol=1e-12)
    density = day.density()
    assert density is not None
    np.testing.assert_array_equal(density.location, np.full(6, 0.3))


def tensors_of(day: MixtureDay | JointDay) -> dict[str, torch.Tensor]:
    parts = {field.name: getattr(day, field.name) for field in fields(day)}
    return {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}


def halved(day):
    count = len(day.location) // 2
    for rows in (slice(0, count), slice(count, None)):
        yield replace(day, **{name: part[rows] for name, part in tensors_of(day).items()})


def test_a_joint_day_is_a_student_t_and_two_normals_on_paper() -> None:
    day, y, log_range, volume = joint(1), 0.9, -0.4, 0.35
    z = (y - 0.1) / 0.5
    centre = np.log(0.5) - 0.3 + 0.4 * 0.5 * np.log(0.2 + z**2)
    range_error = (log_range - centre) / 0.2
    of_return = stats.t.logpdf(y, 5, loc=0.1, scale=0.5)
    of_range = stats.norm.logpdf(log_range, centre, 0.2)
    of_volume = stats.norm.logpdf(volume, 0.1 + 0.3 * range_error, 0.25)
    nan = float("nan")
    for observed, expected in (
        ((y, log_range, volume), of_return + of_range + of_volume),
        ((y, nan, nan), of_return),
        ((y, log_range, nan), of_return + of_range),
        ((y, nan, volume), of_return + stats.norm.logpdf(volume, 0.1, 0.25)),
        ((nan, nan, nan), 0.0),
    ):
        assert float(day.log_prob(tensor(*observed)[None])) == pytest.approx(expected, rel=1e-10)
    assert float(day.return_log_prob(tensor(y))) == pytest.approx(of_return, rel=1e-12)
    grid = replace(day, **{name: part.expand(2, 3) for name, part in tensors_of(day).items()})
    assert grid.log_prob(tensor(y, log_range, volume).expand(2, 3, 3)) == pytest.approx(
        np.full((2, 3), of_return + of_range + of_volume), rel=1e-10
    )
    far = day.log_prob(tensor(1e6, nan, nan)[None])
    assert float(far) == pytest.approx(stats.t.logpdf(FARTHEST, 5, loc=0.1, scale=0.5), rel=1e-10)
    far = day.log_prob(tensor(-1e6, nan, nan)[None])
    assert float(far) == pytest.approx(stats.t.logpdf(-FARTHEST, 5, loc=0.1, scale=0.5), rel=1e-10)
    of_middle = stats.norm.logpdf(log_range, np.log(0.5) - 0.3 + 0.2 * np.log(0.2 + (0.1 / 0.5) ** 2), 0.2)
    assert float(day.log_prob(tensor(nan, log_range, nan)[None])) == pytest.approx(of_middle, rel=1e-10)


def test_a_joint_day_draws_return_range_and_volume_that_fit() -> None:
    day = joint(40_000)
    drawn = day.sample(streams(1, 2))
    z = (drawn.value - 0.1) / 0.5
    assert stats.kstest(z[:20_000], stats.t(5).cdf).pvalue > 0.01
    range_error = (drawn.log_range - (np.log(0.5) - 0.3 + 0.2 * np.log(0.2 + z**2))) / 0.2
    assert stats.kstest(range_error, stats.norm.cdf).pvalue > 0.01
    volume_error = (drawn.log_volume - 0.1 - 0.3 * range_error) / 0.25
    assert stats.kstest(volume_error, stats.norm.cdf).pvalue > 0.01
    assert abs(np.corrcoef(range_error, volume_error)[0, 1]) < 0.02
    assert drawn.density is not None and drawn.density.df[0] == 5 and drawn.density.scale[0] == 0.5
    np.testing.assert_array_equal(drawn.density.location, 0.1)
    rng = np.random.default_rng(1)
    student, (_, volumes) = rng.standard_t(np.full(20_000, 5.0)), rng.standard_normal((2, 20_000))
    np.testing.assert_allclose(drawn.value[:20_000], 0.1 + 0.5 * student, rtol=1e-12)
    np.testing.assert_allclose(volume_error[:20_000], volumes, atol=1e-9)
    again = [half.sample([stream]) for half, stream in zip(halved(day), streams(1, 2), strict=True)]
    np.testing.assert_array_equal(drawn.log_volume, np.concatenate([half.log_volume for half in again]))


def test_without_ranges_the_volume_does_not_follow_them() -> None:
    with_range, without = (
        joint(2000, has_range=torch.full((2000,), has, dtype=torch.float64)).sample(streams(3)) for has in (1.0, 0.0)
    )
    np.testing.assert_array_equal(with_range.value, without.value)
    assert np.corrcoef(with_range.log_range, with_range.log_volume)[0, 1] > 0.3
    assert abs(np.corrcoef(without.log_range, without.log_volume)[0, 1]) < 0.1


def test_the_expected_joint_day_has_no_errors_and_wild_days_are_bounded() -> None:
    quiet = joint(3).sample(streams(1), noise=False)
    np.testing.assert_allclose(quiet.value, 0.1)
    np.testing.assert_allclose(quiet.log_range, np.log(0.5) - 0.3 + 0.2 * np.log(0.2))
    np.testing.assert_allclose(quiet.log_volume, 0.1)
    wild = joint(2000, scale=torch.full((2000,), 100.0).double(), volume_spread=torch.full((2000,), 9.0).double())
    drawn = wild.sample(streams(1))
    assert np.abs(drawn.value).max() == FARTHEST and np.abs(drawn.log_volume).max() == 3.0


def test_parts_are_joined_in_the_order_of_their_rows() -> None:
    parts = [
        PointDay(value=torch.tensor([3.0, 1.0]), config=Config(), held_out=HELD_OUT),
        PointDay(value=torch.tensor([2.0, 0.0]), config=Config(), held_out=HELD_OUT),
    ]
    whole = joined(parts, np.argsort([3, 1, 2, 0]))
    assert whole.value.dtype == torch.float64 and whole.held_out is HELD_OUT
    np.testing.assert_array_equal(joined(parts[:1], np.array([1, 0])).value, [1.0, 3.0])
    np.testing.assert_array_equal(whole.value, [0.0, 1.0, 2.0, 3.0])


def test_masks_keep_the_mean_of_what_they_drop() -> None:
    """A kept unit counts 1 / (1 - dropout): without that every sum along a path would shrink."""
    masks = BaseNetwork().draw_masks(4000, torch.Generator().manual_seed(0))
    (layer,) = masks.layers
    assert layer.shape == (4000, 64) and float(layer.mean()) == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(np.unique(layer), [0.0, 1 / (1 - DROPOUT)], rtol=1e-6)
    both = draw_masks(2, 500, 8, 0.25, torch.Generator().manual_seed(0))
    assert len(both.layers) == 2 and not torch.equal(*both.layers)
    assert both.rows(slice(2, 5)).layers[1].shape == (3, 8)


def test_quantiles_of_student_t_are_those_of_its_distribution() -> None:
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.random(4000), 10.0 ** -rng.uniform(1, 15, 500), [2.0**-53, 0.5, 1 - 2.0**-53]])
    df = LEAST_DF + rng.exponential(8.0, len(places))
    np.testing.assert_allclose(student_t_at(places, df), stdtrit(df, places), rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(
        student_t_at(places, np.full(len(places), LEAST_DF)), stdtrit(LEAST_DF, places), rtol=2e-4, atol=1e-6
    )
    np.testing.assert_allclose(student_t_at(places, np.full(len(places), np.inf)), ndtri(places), 1e-4, 1e-6)
