"""Same input, same bytes, wherever weights and windows lie in memory: on any processor, in MKL's every mode.

The last digits of a matrix product may depend on the alignment of its factors. Networks hold their weights in aligned
memory of their own, and windows reach them as fresh tensors, so that a network that was just trained, whose weights
are views at any offset, and the same network loaded from a file give the same paths.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import TINY, base_networks, simulated_series
from gatecast.features.indicator_windows import IndicatorWindows
from gatecast.features.signal_rows import BaseInputs
from gatecast.features.signal_windows import SignalWindows
from gatecast.model import Request
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import shipped
from gatecast.nn.sampling.sampler import PathModel
from gatecast.prices import PriceTable

ENCODERS = ["lstm", "gru", "rnn", "tcn", "transformer", "base"]
OFFSETS = (0, 1, 2, 3, 5, 9)
TABLE = PriceTable(series=(simulated_series("A", 160, 1),))


def laid_at(network: torch.nn.Module, offset: int) -> None:
    """Move every weight to an offset of so many floats, as views into one vector lie while they are learned."""
    for parameter in network.parameters():
        room = torch.zeros(parameter.numel() + 16)
        room[offset : offset + parameter.numel()] = parameter.detach().flatten()
        parameter.data = room[offset : offset + parameter.numel()].view(parameter.shape)
        assert parameter.data_ptr() % 64 == 4 * offset % 64


def array_at(values: np.ndarray, offset: int) -> np.ndarray:
    """A copy of an array at an offset of so many items."""
    room = np.zeros(values.size + 32, dtype=values.dtype)
    room[offset : offset + values.size] = values.ravel()
    return room[offset : offset + values.size].reshape(values.shape)


def digests(encoder: str) -> set[str]:
    """A hash of the paths for each offset of weights and windows."""
    if encoder == "base":
        networks = base_networks(shipped()[0])
        members = networks.members
    else:
        networks = Forecaster(TINY.replace(encoder=encoder, hidden=7, epochs=1)).fit(TABLE).networks_
        members = (networks.networks[0].network,)
    found = set()
    for offset in OFFSETS:
        with pytest.MonkeyPatch.context() as patch:
            for kind in (IndicatorWindows, SignalWindows):
                patch.setattr(kind, "inputs", shifted(kind.inputs, offset))
            for member in members:
                laid_at(member, offset)
            day = [TABLE.series[0].timestamps[-1]]
            (forecast,) = networks.predict_at(TABLE, Request(cutoffs=day, horizon=5, paths=33, seeds=[1]))
        found.add(hashlib.sha256(forecast.items[0].paths.tobytes()).hexdigest())
    return found


def shifted(inputs, offset: int):
    """The inputs of windows, at an offset."""

    def at_offset(self):
        made = inputs(self)
        if isinstance(made, BaseInputs):
            parts = {name: part if part is None else array_at(part, offset) for name, part in vars(made).items()}
            return BaseInputs(**parts)
        return array_at(made, offset)

    return at_offset


@pytest.mark.parametrize("encoder", ENCODERS)
def test_paths_do_not_depend_on_where_weights_and_windows_lie(encoder: str) -> None:
    assert len(digests(encoder)) == 1


@pytest.mark.parametrize("mode", [None, "AUTO"])
def test_nor_in_any_mode_of_mkl(mode: str | None) -> None:
    """In processes of their own: MKL reads its mode when torch is loaded."""
    code = "from test_alignment import ENCODERS, digests\nprint([len(digests(encoder)) for encoder in ENCODERS])"
    env = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [env.get("PYTHONPATH")])])
    env |= {} if mode is None else {"MKL_CBWR": mode}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=200, check=False
    )
    assert result.stdout.strip() == str([1] * len(ENCODERS)), result.stderr


def test_a_model_gives_its_weights_memory_of_their_own() -> None:
    networks = base_networks(shipped()[0])
    laid_at(networks.members[0], 3)
    model: PathModel = networks.model
    for network in model.networks:
        assert all(parameter.data_ptr() % 64 == 0 for parameter in network.parameters())
