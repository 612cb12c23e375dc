"""Convolutions and attention: causal, as far-sighted as they say, and as large as the LSTM they are compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import TINY
from gatecast.config import Config
from gatecast.models.forecaster import Forecaster
from gatecast.models.registry import parse_models
from gatecast.nn.families import CausalAttention, dilations
from gatecast.nn.introspection import dilations_of
from gatecast.nn.network import Network, build, matched, parameter_count
from gatecast.prices import PriceTable

CPU = torch.device("cpu")


def network_of(encoder: str, **settings: object) -> Network:
    """A network in float64 with every weight moved from where it starts."""
    network = build(TINY.replace(encoder=encoder, **settings), 3, CPU).double()
    generator = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return network


def sequence(length: int, batch: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(length, batch, 3)))


@pytest.mark.parametrize("encoder", ["tcn", "transformer"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_path_goes_on_beyond_the_context_as_one_long_run(encoder: str, layers: int) -> None:
    """Carried in pieces of any size, three contexts long: the same values."""
    network = network_of(encoder, context_length=5, layers=layers)
    inputs = sequence(17, batch=2)
    whole, _ = network.encoder(inputs)
    state, parts = None, []
    for piece in inputs.split([4, 1, 1, 7, 1, 3]):
        out, state = network.encoder(piece, None, state)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts), whole)
    torch.testing.assert_close(network.encoder(inputs, last=3)[0], whole[-3:])


@pytest.mark.parametrize("encoder", ["tcn", "transformer"])
def test_reach_is_what_it_says_and_causal(encoder: str) -> None:
    """A change moves its own step and those within reach after it, and none before."""
    network = network_of(encoder, context_length=6, hidden=16)
    reach = 1 + 4 * sum(dilations_of(network)) if encoder == "tcn" else 6  # as an explanation says
    inputs = sequence(40)
    moved = inputs.clone()
    moved[10] += 1.0
    changed = (network.encoder(moved)[0] - network.encoder(inputs)[0]).abs().sum((1, 2)) > 1e-12
    assert changed[10 : 10 + reach].all()
    assert not changed[:10].any() and not changed[10 + reach :].any()


def test_a_tcn_sees_the_whole_context() -> None:
    for context in (2, 3, 5, 6, 60, 61, 62, 365, 1460):
        seen = 1 + 4 * sum(dilations(context))
        assert seen >= context
        assert context <= 5 or 1 + 4 * sum(dilations(context)[:-1]) < context  # and no block too many


def test_attention_maps_are_causal_windows_that_sum_to_one() -> None:
    network = network_of("transformer", context_length=4, layers=2, hidden=8)
    assert isinstance(network.encoder, CausalAttention)
    maps = network.encoder.attention(sequence(9)).numpy()
    assert maps.shape == (2, 4, 9, 9)
    np.testing.assert_allclose(maps.sum(-1), 1)
    back = np.arange(9)[:, None] - np.arange(9)
    assert (maps[..., (back < 0) | (back >= 4)] == 0).all()
    assert (maps[..., (back >= 0) & (back < 4)] > 0).all()


def test_one_head_on_paper() -> None:
    """A layer of one head equals Vaswani's equation 1 worked out row by row."""
    network = network_of("transformer", context_length=3, hidden=5)
    layer, inputs = network.encoder.layers[0], sequence(6)
    hidden = network.encoder.embed(inputs)[:, 0]
    query, key, value = (part[:, 0] for part in layer.project(hidden[:, None]))
    prefer = layer.distance(layer._sinusoids(query))[:, 0]
    rows = []
    for t in range(6):
        seen = range(max(t - 2, 0), t + 1)
        score = torch.stack([query[t] @ key[s] / 5**0.5 + prefer[t - s] for s in seen])
        mixed = torch.softmax(score, 0) @ value[list(seen)]
        out = hidden[t] + layer.mix(mixed)
        rows.append(out + layer.narrow(torch.relu(layer.wide(layer.norm_2(out)))))
    torch.testing.assert_close(network.encoder(inputs)[0][:, 0], network.encoder.norm(torch.stack(rows)))


@pytest.mark.parametrize("preset", ["default", "quick", "reference"])
@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn", "tcn", "transformer"])
def test_families_are_compared_at_equal_size(preset: str, encoder: str) -> None:
    config = Config.from_preset(preset).replace(start="scratch")
    assert parameter_count(matched(config, encoder)) == pytest.approx(parameter_count(config), rel=0.08)
    assert matched(config, "lstm") == config


def test_the_short_name_means_equal_size_and_the_setting_means_itself() -> None:
    short, explicit, wide = parse_models("gatecast:tcn,gatecast:encoder=tcn,gatecast:tcn,hidden=64", preset="quick")
    assert isinstance(short, Forecaster) and isinstance(explicit, Forecaster) and isinstance(wide, Forecaster)
    assert short.config == matched(Config.from_preset("quick"), "tcn")
    assert explicit.config.hidden == Config.from_preset("quick").hidden
    assert wide.config == matched(Config.from_preset("quick", ["hidden=64"]), "tcn")


@pytest.mark.parametrize("encoder", ["tcn", "transformer"])
def test_outputs_stay_in_bounds_however_wild_the_inputs(encoder: str) -> None:
    """A simulated path feeds itself: what a network says of one wild day must not grow with it."""
    network = network_of(encoder, hidden=16, layers=2)
    calm, wild = (network.encoder(size * sequence(30))[0].abs().max() for size in (1.0, 1000.0))
    assert wild < 5 * calm


@pytest.mark.parametrize("encoder", ["tcn", "transformer"])
def test_paths_differ_by_dropout_and_stay_the_same_for_a_seed(encoder: str, table: PriceTable) -> None:
    forecaster = Forecaster(TINY.replace(encoder=encoder, layers=2, epochs=1)).fit(table)
    first, again = (forecaster.predict(table, 12, paths=40, seed=3).items[0].paths for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first[:, -1])) == 40
