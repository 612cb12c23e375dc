"""Recurrent layers in 16 bits, where that is asked for: products of bfloat16, sums and weights of 32 bits.

bfloat16 has the range of a 32-bit number and 8 bits of precision (Kalamkar et al. 2019, "A study of BFLOAT16 for deep
learning training"). Processors with avx512_bf16 or AMX multiply it in half of the time; others in many times of it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch
from torch import Tensor, nn

from gatecast.config import Precision
from gatecast.nn.parallel import on_one_core

FASTER = 1.1  # times as fast it must be for auto to take it
_ROUNDS = 5  # of the trial, both precisions in turn
_SEQUENCES, _STEPS, _UNITS = 32, 60, 128  # of the trial: a share of the recipe's batch


def in_sixteen_bits(precision: Precision) -> bool:
    """Whether recurrent layers compute in bfloat16; `auto`: where this processor is faster with it."""
    return precision == "bfloat16" or (precision == "auto" and supported() and speed() >= FASTER)


@cache
def supported() -> bool:
    """Whether the processor multiplies bfloat16 by itself (avx512_bf16 or AMX)."""
    has = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(check is not None and check() for check in has)


@cache
def _whole_layers() -> bool:
    """Whether oneDNN has an LSTM layer in bfloat16 for this processor; before AVX-512 it has none and says so."""
    try:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
    except RuntimeError:
        return False
    return True


@contextmanager
def _kernels() -> Iterator[None]:
    """Within it a layer in bfloat16 runs on any processor: where oneDNN has none, torch's own steps, slower, do."""
    mkldnn = torch.backends.mkldnn
    before, *_ = mkldnn.set_flags(_enabled=_whole_layers(), _fp32_precision=None)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        mkldnn.set_flags(_enabled=before, _fp32_precision=None)  # type: ignore[no-untyped-call]


@cache
def speed() -> float:
    """How many times as fast a layer of the recipe learns in bfloat16 on a core; a trial of some tenths of a second."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.LSTM(_UNITS, _UNITS)
    inputs = torch.randn(_STEPS, _SEQUENCES, _UNITS, generator=generator)

    def seconds(sixteen_bits: bool) -> float:
        began = time.perf_counter()
        torch.autograd.grad(recurrent(layer, inputs, None, sixteen_bits)[0].square().mean(), list(layer.parameters()))
        return time.perf_counter() - began

    def rounds() -> list[tuple[float, float]]:
        with torch.enable_grad():
            return [(seconds(False), seconds(True)) for _ in range(1 + _ROUNDS)][1:]

    return statistics.median(single / half for single, half in on_one_core(rounds))


def recurrent(
    layer: nn.LSTM | nn.GRU | nn.RNN, inputs: Tensor, before: Tensor | tuple[Tensor, ...] | None, sixteen_bits: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What a layer gives for inputs (time, batch, feature), and what it carries on, both as precise as the inputs."""
    kernels = _kernels() if sixteen_bits and inputs.device.type == "cpu" else nullcontext()
    with kernels, torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=sixteen_bits):
        outputs, end = layer(inputs, before)
    carried = end if isinstance(end, tuple) else (end,)
    return outputs.to(inputs.dtype), tuple(part.to(inputs.dtype) for part in carried)
