"""On a GPU: the same networks, learned and sampled there, and models that leave it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import TINY, simulated_series
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    # While they are learned, weights are views into one vector, which cuDNN copies at each call.
    pytest.mark.filterwarnings("ignore:RNN module weights"),
]
TABLE = PriceTable(series=(simulated_series("A", 400, 1), simulated_series("B", 380, 2)))


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn", "tcn", "transformer"])
def test_what_is_learned_on_a_gpu_forecasts_the_same_on_the_processor(encoder: str, tmp_path: Path) -> None:
    config = TINY.replace(encoder=encoder, device="cuda", mc_dropout=False, noise="none")
    there = Forecaster(config).fit(TABLE)
    assert {tensor.device.type for tensor in there.tensors().values()} == {"cuda"}
    there.save(tmp_path)
    document = (tmp_path / "model.json").read_text()
    assert '"device": "cuda"' in document
    here = Forecaster(config.replace(device="cpu")).fit(TABLE)
    here.networks_ = Forecaster.load(tmp_path).networks_
    for network in here.networks_.networks:
        network.network.to("cpu")
    ours, theirs = (model.predict(TABLE, 5, paths=20, seed=1) for model in (there, here))
    for item, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(item.paths, other.paths, rtol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"head": "student_t"}, {"per_asset": True}, {"training": "windows"}], ids=str)
def test_paths_of_a_gpu_have_the_spread_of_those_of_the_processor(settings: dict[str, object]) -> None:
    spreads = []
    for device in ("cuda", "cpu"):
        forecast = Forecaster(TINY.replace(device=device, **settings)).fit(TABLE).predict(TABLE, 5, paths=4000, seed=3)
        assert all(np.isfinite(item.paths).all() for item in forecast)
        spreads.append([item.log_returns().std(axis=0) for item in forecast])
    np.testing.assert_allclose(spreads[0], spreads[1], rtol=0.15)


def test_the_same_seed_gives_the_same_paths_again() -> None:
    model = Forecaster(TINY.replace(device="cuda")).fit(TABLE)
    first, second = (model.predict(TABLE, 5, paths=50, seed=7).items[0].paths for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_benchmark_of_a_gpu_tells_every_part_in_five_minutes() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "gpu.py"
    told = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=True).stdout
    for part in ("an epoch of the recipe", "1,000 paths of 30 days", "80 assets by the base network"):
        assert part in told
    for precision in ("float32", "bfloat16"):
        assert told.count(f"the layer alone, {precision}, cuda") == 2
        assert told.count(f"recipe, {precision}, cuda") == 2
