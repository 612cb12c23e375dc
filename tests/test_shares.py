"""A batch in shares: the same numbers on any number of cores, and torch left as it was."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from gatecast.nn.sampling.recipe import PATHS_AT_ONCE

from conftest import TINY
from gatecast.config import Config
from gatecast.models.forecaster import Forecaster
from gatecast.nn.network import build
from gatecast.nn.parallel import SHARE, STEPS, shares, side_by_side
from gatecast.nn.training.adam import FlatAdam
from gatecast.prices import PriceTable

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, SHARE, SHARE + 1, 5 * SHARE - 3])
def test_shares_hold_every_sequence_once_and_are_as_good_as_equal(count: int) -> None:
    parts = [np.arange(count)[share] for share in shares(count, 60, CPU)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(count))
    sizes = [len(part) for part in parts]
    assert max(sizes) <= SHARE
    assert max(sizes) - min(sizes) <= 1
    assert shares(count, 60, torch.device("meta")) == [slice(0, count)]


def test_a_share_of_long_sequences_is_no_larger() -> None:
    for length in (60, 1460, STEPS, 20 * STEPS):
        sizes = [share.stop - share.start for share in shares(64, length, CPU)]
        assert sum(sizes) == 64
        assert max(sizes) == 1 or max(sizes) * length <= STEPS


def test_what_fades_away_counts_as_zero_and_only_meanwhile(threads: int) -> None:
    faded = torch.full((100,), 1e-39)
    with side_by_side(CPU) as crew:
        assert crew.map(lambda _: float((faded * 0.5).sum()), [0]) == [0.0]
    assert float((faded * 0.5).sum()) > 0


def test_results_come_in_order_from_threads_of_one_core(threads: int) -> None:
    with side_by_side(CPU) as crew:
        told = crew.map(lambda part: (part, torch.get_num_threads(), threading.get_ident()), range(20))
    assert [part for part, _, _ in told] == list(range(20))
    assert {cores for _, cores, _ in told} == {1}
    assert (threading.get_ident() in {thread for _, _, thread in told}) == (threads == 1)
    assert torch.get_num_threads() == threads


def test_an_error_in_a_share_is_raised_and_the_threads_are_given_back(threads: int) -> None:
    def fails(part: int) -> None:
        raise ValueError(f"share {part}")

    with pytest.raises(ValueError, match="share 0"), side_by_side(CPU) as crew:
        crew.map(fails, range(4))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("encoder", ["lstm", "gru", "transformer"])
def test_the_gradients_of_shares_add_up_to_the_gradient(encoder: str) -> None:
    network = build(TINY.replace(encoder=encoder), 3, CPU).double()
    inputs = torch.randn(12, 70, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    optimiser = FlatAdam(network, TINY)
    whole = optimiser.gradient_of(network(inputs).square().sum())
    parts = [optimiser.gradient_of(network(inputs[:, share]).square().sum()) for share in shares(70, 12, CPU)]
    assert len(parts) == 3
    torch.testing.assert_close(sum(parts), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("preset", ["reference", "quick"])
def test_training_and_paths_give_the_same_bytes_on_one_core_and_on_two(
    preset: str, table: PriceTable
) -> None:
    config = Config.from_preset(preset, ["epochs=1", "hidden=128", "batch=96"])
    before, weights, paths = torch.get_num_threads(), [], []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            forecaster = Forecaster(config).fit(table)
            paths.append(forecaster.predict(table, 3, paths=2 * PATHS_AT_ONCE + 7).items[0].paths)
        finally:
            torch.set_num_threads(before)
        weights.append(forecaster.trained_[0].simulator.network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert paths[0].tobytes() == paths[1].tobytes()
