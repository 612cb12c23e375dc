"""A batch in shares: the same numbers on any number of cores, and nothing of the process is changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import pytest
import torch

from conftest import TINY, simulated_series
from gatecast.config import Config
from gatecast.executors import caught_warnings
from gatecast.models.forecaster import Forecaster
from gatecast.nn.network import build
from gatecast.nn.parallel import SHARE, STEPS, on_one_core, shares, workers_on
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.prices import PriceTable

CPU = torch.device("cpu")
Result = TypeVar("Result")


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def in_a_fresh_thread(work: Callable[[], Result]) -> Result:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


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


def test_tiny_numbers_count_as_zero_in_workers_and_nowhere_else(threads: int) -> None:
    tiny = torch.full((100,), 1e-39)

    def halved(_: int = 0) -> float:
        return float((tiny * 0.5).sum())

    with workers_on(CPU) as workers:
        assert workers.map(halved, [0]) == [0.0]
        assert halved() > 0
        assert on_one_core(halved) > 0
        assert in_a_fresh_thread(halved) > 0


def test_results_are_in_order_from_threads_of_one_core(threads: int) -> None:
    with workers_on(CPU) as workers:
        seen = workers.map(lambda part: (part, torch.get_num_threads(), threading.get_ident()), range(20))
        assert torch.get_num_threads() == threads
        assert in_a_fresh_thread(torch.get_num_threads) == threads
    assert [part for part, _, _ in seen] == list(range(20))
    assert {cores for _, cores, _ in seen} == {1}
    assert threading.get_ident() not in {thread for _, _, thread in seen}
    assert torch.get_num_threads() == in_a_fresh_thread(torch.get_num_threads) == threads


@pytest.mark.parametrize("kind", ["product", "elementwise", "factorisation", "layer"])
def test_no_other_thread_takes_part_in_what_a_worker_computes(kind: str, threads: int) -> None:
    """Of the process's processor time nearly all is the worker's: OpenMP and MKL both keep to one core."""
    matrix, layer = torch.randn(900, 900), torch.nn.LSTM(64, 128)
    sequences = torch.randn(40, 128, 64)
    work: dict[str, Callable[[], object]] = {
        "product": lambda: matrix @ matrix,
        "elementwise": lambda: torch.exp(matrix),
        "factorisation": lambda: torch.linalg.qr(matrix[:400, :400]),
        "layer": lambda: torch.autograd.grad(layer(sequences)[0].sum(), list(layer.parameters())),
    }

    def share(_: int = 0) -> float:
        began, own = time.process_time(), time.thread_time()
        while time.thread_time() - own < 0.1:
            work[kind]()
        return (time.thread_time() - own) / (time.process_time() - began)

    with workers_on(CPU, 1) as workers:
        assert max(workers.map(share, range(3))) > 0.9
    assert max(on_one_core(share) for _ in range(3)) > 0.9


def test_an_error_in_a_share_is_raised_and_what_has_not_begun_is_dropped(threads: int) -> None:
    done = []

    def fails(part: int) -> None:
        if part == 0:
            raise ValueError(f"share {part}")
        time.sleep(0.02)
        done.append(part)

    with pytest.raises(ValueError, match="share 0"), workers_on(CPU) as workers:
        workers.map(fails, range(100))
    assert len(done) < 50
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupt_ends_work_that_is_shared_out_by_a_worker_at_its_next_step(count: int) -> None:
    """As in sampling: a worker simulates a block, and has others predict each day."""
    steps = []

    def simulate(_: int) -> None:
        for step in range(1000):
            several.map(time.sleep, [0.005])
            steps.append(step)
            if step == 3:
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), workers_on(CPU, 1) as single, workers_on(CPU, count) as several:
            single.map(simulate, [0])
    finally:
        signal.signal(signal.SIGINT, before)
    assert 4 <= len(steps) < 20


def idents(count: int) -> set[int]:
    with workers_on(CPU, count) as workers:
        return set(workers.map(lambda _: (time.sleep(0.01), threading.get_ident())[1], range(2 * count)))


def test_a_thread_keeps_its_workers_and_ends_them_when_it_ends() -> None:
    mine = idents(2)
    assert idents(2) == mine
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(idents, 2).result()
        assert theirs.isdisjoint(mine)
    limit = time.monotonic() + 10
    while theirs & {thread.ident for thread in threading.enumerate()} and time.monotonic() < limit:
        time.sleep(0.01)
    assert not theirs & {thread.ident for thread in threading.enumerate()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_workers_of_its_own() -> None:
    """In a process of its own: a fork of this one would copy pytest."""
    code = (
        "import os, sys, torch\n"
        "from gatecast.nn.parallel import workers_on\n"
        "def total():\n"
        "    with workers_on(torch.device('cpu'), 2) as workers: return sum(workers.map(abs, [-1, -2]))\n"
        "assert total() == 3\n"
        "child = os.fork()\n"
        "if not child: os._exit(total())\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr.decode()


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_hands_work_to_several_others_and_not_to_one(count: int) -> None:
    def inner(_: int) -> int:
        return threading.get_ident()

    def outer(_: int) -> tuple[int, list[int]]:
        return threading.get_ident(), several.map(inner, range(4))

    with workers_on(CPU, 1) as single, workers_on(CPU, count) as several:
        ((own, others),) = single.map(outer, [0])
        assert (own in others) == (count == 1)
        assert threading.get_ident() not in several.map(inner, [0])
        exact, others = on_one_core(lambda: outer(0))  # no worker: it keeps denormal numbers
        assert exact not in others


@pytest.mark.parametrize("encoder", ["lstm", "gru", "transformer"])
def test_the_gradients_of_shares_add_up_to_the_gradient(encoder: str) -> None:
    network = build(TINY.replace(encoder=encoder), 3, CPU).double()
    inputs = torch.randn(12, 70, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    optimiser = FlatAdam(network, AdamSettings.of(TINY))

    def gradient(part: torch.Tensor) -> torch.Tensor:
        return optimiser.gradient_of(network(part)[0].value.square().sum())

    parts = [gradient(inputs[:, share]) for share in shares(70, 12, CPU)]
    assert len(parts) == 3
    torch.testing.assert_close(sum(parts), gradient(inputs), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("preset", "paths"),
    [
        ("reference", 1507),
        ("quick", 3007),
        ("quick", 700),
        ("quick", 5000),
    ],  # one block, of one share or more; two blocks
)
def test_training_and_paths_give_the_same_bytes_on_one_core_and_on_two(
    preset: str, paths: int, table: PriceTable
) -> None:
    config = Config.from_preset(preset, ["epochs=1", "hidden=128", "batch=96"])
    before, weights, simulated = torch.get_num_threads(), [], []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            forecaster = Forecaster(config).fit(table)
            forecast = forecaster.predict(table, 3, paths=paths)
        finally:
            torch.set_num_threads(before)
        weights.append(forecaster.tensors())
        simulated.append(b"".join(item.paths.tobytes() for item in forecast))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert simulated[0] == simulated[1]


def fitted_and_predicted(config: Config, table: PriceTable) -> bytes:
    """The weights and paths of a network, as bytes."""
    forecaster = Forecaster(config).fit(table)
    forecast = forecaster.predict(table, 4, paths=300, seed=2)
    weights = [tensor.numpy().tobytes() for tensor in forecaster.tensors().values()]
    return b"".join(weights + [item.paths.tobytes() for item in forecast])


def test_two_threads_at_a_time_get_the_numbers_of_a_single_one(table: PriceTable, threads: int) -> None:
    recent = PriceTable(series=tuple(simulated_series(name, 700, start="2022-01-03") for name in "CD"))
    work = [
        partial(fitted_and_predicted, TINY.replace(epochs=6), table),
        partial(fitted_and_predicted, TINY.replace(encoder="transformer", seed=1), table),
        partial(fitted_and_predicted, TINY.replace(encoder="tcn", training="windows"), table),
        partial(fitted_and_predicted, Config(start="adapt"), recent),
    ]
    expected = [part() for part in work]
    state = torch.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda part: part(), work))
    assert both == expected
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == in_a_fresh_thread(torch.get_num_threads) == threads


def test_warnings_of_two_threads_are_not_mixed_and_the_filters_are_as_before() -> None:
    def caught(name: str) -> list[str]:
        with caught_warnings() as found:
            for _ in range(3):
                warnings.warn(name, stacklevel=1)
                time.sleep(0.005)
        return [str(warning.message) for warning in found]

    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        for name, found in zip("ab" * 5, pool.map(caught, "ab" * 5), strict=True):
            assert found == [name] * 3
    assert list(warnings.filters) == before
