"""Heads that predict a distribution: densities that integrate to one, learned by likelihood, drawn along paths."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from conftest import TINY, simulated_series
from gatecast.models.forecaster import Forecaster
from gatecast.nn.heads import mixture
from gatecast.nn.next_day import HeldOutDays
from gatecast.prices import PriceSeries, PriceTable

KINDS = {"normal": 2, "student_t": 3, "mixture": 9}


def parameters(kind: str, rows: int = 4) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(0, 0.5, (rows, KINDS[kind])))


@pytest.mark.parametrize("kind", KINDS)
def test_a_density_integrates_to_one_and_has_its_mean(kind: str) -> None:
    day = mixture(kind, parameters(kind))
    grid = torch.linspace(-400, 400, 400_001, dtype=torch.float64)
    for row in range(4):
        of_row = mixture(kind, parameters(kind)[row].expand(len(grid), -1))
        density = of_row.log_prob(grid).exp() * (grid[1] - grid[0])
        assert float(density.sum()) == pytest.approx(1, abs=1e-3)
        assert float((density * grid).sum()) == pytest.approx(float(day.mean[row]), abs=1e-2)


def test_densities_equal_scipys() -> None:
    value = torch.tensor([-1.0, 0.2, 3.0, 0.0], dtype=torch.float64)
    for kind in ("normal", "student_t"):
        day = mixture(kind, parameters(kind))
        loc, scale, df = (part[:, 0].numpy() for part in (day.location, day.scale, day.df))
        theirs = scipy.stats.norm(loc, scale) if kind == "normal" else scipy.stats.t(df, loc=loc, scale=scale)
        np.testing.assert_allclose(day.log_prob(value), theirs.logpdf(value.numpy()), rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_distribution_they_are_drawn_from(kind: str) -> None:
    single = parameters(kind, rows=1)
    many = np.broadcast_to(single.numpy(), (40_000, KINDS[kind]))
    held_out = HeldOutDays(error=np.zeros(1), range_ratio=np.zeros(1), volume_ratio=np.zeros(1))
    day = mixture(kind, torch.from_numpy(np.array(many)), held_out)
    sample = day.sample([np.random.default_rng(3)])
    drawn, component = sample.value, sample.density
    grid = torch.linspace(-6, 6, 1201, dtype=torch.float64)
    below = torch.cumsum(mixture(kind, single.expand(1201, -1)).log_prob(grid).exp(), 0) * 0.01
    share = np.searchsorted(np.sort(drawn), grid.numpy()) / 40_000
    offset = float(np.mean(drawn < -6))
    assert np.abs(below.numpy() + offset - share).max() < 0.015
    assert (component.scale > 0).all()
    quiet = day.sample([np.random.default_rng(3)], noise=False).value
    assert np.ptp(quiet) == 0 and quiet[0] == pytest.approx(float(mixture(kind, single).mean))


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_negative_log_likelihood_and_has_a_gradient(kind: str) -> None:
    given = parameters(kind).requires_grad_()
    day = mixture(kind, given)
    loss = -day.log_prob(torch.tensor([0.1, -0.2, 5.0, 0.0], dtype=torch.float64))
    assert loss.shape == (4,)
    (slope,) = torch.autograd.grad(loss.sum(), given)
    assert torch.isfinite(slope).all() and float(slope.abs().sum()) > 0
    assert day.mean.shape == (4,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_with_a_head_fits_saves_and_tells_its_density(kind: str, tmp_path: object, table: PriceTable) -> None:
    forecaster = Forecaster(TINY.replace(head=kind)).fit(table)
    item = forecaster.predict(table, 4, paths=300, seed=1).items[0]
    assert item.density is not None and item.density.scale.shape == (300, 4)
    assert np.isfinite(item.density.log_pdf(item.log_returns()[0])).all()
    forecaster.save(str(tmp_path))
    again = Forecaster.load(str(tmp_path)).predict(table, 4, paths=300, seed=1).items[0]
    assert again.paths.tobytes() == item.paths.tobytes()
    scaled = PriceTable(
        series=tuple(
            PriceSeries(
                item_id=series.item_id,
                timestamps=series.timestamps,
                **{name: v if name == "volume" else 1e-4 * v for name, v in series.columns().items()},
            )
            for series in table
        )
    )
    theirs = forecaster.predict(scaled, 4, paths=300, seed=1).items[0]
    np.testing.assert_allclose(theirs.paths, 1e-4 * item.paths, rtol=1e-4)


def test_likelihood_finds_the_noise_of_a_known_walk() -> None:
    """On Student-t noise around a steady volatility the learned one-step scale is near the truth."""
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(1500)))
    days = simulated_series("X", 1500).timestamps
    table = PriceTable(series=(PriceSeries(item_id="X", timestamps=days, close=close),))
    config = TINY.replace(head="normal", epochs=15, learning_rate=0.01, dropout=0.0)
    item = Forecaster(config).fit(table).predict(table, 1, paths=4000).items[0]
    assert np.std(item.log_returns()[:, 0]) == pytest.approx(0.01, rel=0.25)


def test_other_targets_have_no_density_of_the_log_return(table: PriceTable) -> None:
    forecaster = Forecaster(TINY.replace(head="student_t", returns="simple")).fit(table)
    assert forecaster.predict(table, 2, paths=10).items[0].density is None
    assert Forecaster(TINY).fit(table).predict(table, 2, paths=10).items[0].density is None
