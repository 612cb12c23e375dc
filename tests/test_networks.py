"""Networks equal the equations on paper, in value and in gradient; losses equal theirs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from conftest import TINY
from gatecast.config import Config
from gatecast.features.event_calendar import EVENTS, SUMMARY
from gatecast.features.signal_windows import BaseInputs
from gatecast.features.signals import SIGNALS
from gatecast.models.shipped import load_ensemble, shipped
from gatecast.nn import encoders
from gatecast.nn.base_network import build_base
from gatecast.nn.cells import CellWeights, trace
from gatecast.nn.network import build
from gatecast.nn.next_day import PointDay
from gatecast.nn.training.adam import AdamSettings, FlatAdam
from gatecast.nn.training.recipe import weighted_mean

CPU = torch.device("cpu")
SIZES = {"signals": SIGNALS, "events": EVENTS, "expected": SUMMARY}
KINDS = ["lstm", "gru", "rnn"]
FAMILIES = [*KINDS, "tcn", "transformer"]


def random_network(kind: str, seed: int, layers: int = 1):
    config = TINY.replace(encoder=kind, seed=seed, hidden=5, layers=layers, dense=(4,))
    network = build(config, 3, CPU).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():  # biases too, so that every term of the equations is seen
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return network


def cell_weights(layer: torch.nn.RNNBase) -> CellWeights:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return CellWeights(
        **{
            field: getattr(layer, name).detach().numpy()
            for field, name in zip(("input_weight", "hidden_weight", "input_bias", "hidden_bias"), names, strict=True)
        }
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_layers_equal_the_equations(kind: str, seed: int) -> None:
    network = random_network(kind, seed, layers=2)
    inputs = np.random.default_rng(seed).normal(size=(12, 3))
    expected = inputs
    for layer in network.encoder.layers:
        expected = trace(kind, cell_weights(layer), expected)["hidden"]
    outputs, _ = network.encoder(torch.from_numpy(inputs)[:, None])
    np.testing.assert_allclose(outputs[:, 0].detach().numpy(), expected, atol=1e-6)


def test_the_base_networks_lstm_equals_the_equations() -> None:
    """In the shipped members too: what `forward` hands its LSTM comes out as on paper."""
    for shared in (build_base(3), *load_ensemble(shipped()[0]).members[:2]):
        member = copy.deepcopy(shared).double()
        seen: list[torch.Tensor] = []
        member.lstm.register_forward_hook(lambda _, given, out, seen=seen: seen.extend((given[0], out[0])))
        generator = torch.Generator().manual_seed(1)
        parts = {name: torch.randn(12, 1, size, generator=generator).double() for name, size in SIZES.items()}
        member(BaseInputs(flags=torch.ones(12, 1, 2).double(), cross_section=None, **parts))
        inputs, hidden = (part[:, 0].detach().numpy() for part in seen)
        expected = trace("lstm", cell_weights(member.lstm), inputs)["hidden"]
        np.testing.assert_allclose(hidden, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences_of_the_equations(kind: str) -> None:
    network = random_network(kind, 3)
    layer = network.encoder.layers[0]
    inputs = np.random.default_rng(0).normal(size=(6, 3))
    for parameter in layer.parameters():
        parameter.requires_grad_(True)
    outputs, _ = network.encoder(torch.from_numpy(inputs)[:, None])
    outputs.square().sum().backward()
    weights = cell_weights(layer)
    for field, name in (
        ("input_weight", "weight_ih_l0"),
        ("hidden_weight", "weight_hh_l0"),
        ("input_bias", "bias_ih_l0"),
    ):
        gradient = getattr(layer, name).grad.numpy()
        for index in np.ndindex(*gradient.shape):
            sides = []
            for shift in (1e-6, -1e-6):
                moved = getattr(weights, field).copy()
                moved[index] += shift
                shifted = CellWeights(**{**vars(weights), field: moved})
                sides.append(np.square(trace(kind, shifted, inputs)["hidden"]).sum())
            assert gradient[index] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-6)


@pytest.mark.parametrize("kind", FAMILIES)
def test_carried_state_equals_one_long_run(kind: str) -> None:
    network = random_network(kind, 1, layers=2)
    inputs = torch.from_numpy(np.random.default_rng(1).normal(size=(9, 4, 3)))
    masks = network.draw_masks(4, torch.Generator().manual_seed(0))
    whole = network(inputs, masks=masks)[0].value
    day, state = network(inputs[:5], None, masks, last=1)
    torch.testing.assert_close(day.value[0], whole[4])
    for step in range(5, 9):
        day, state = network(inputs[step : step + 1], state, masks, last=1)
        torch.testing.assert_close(day.value[0], whole[step])


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("sequences", [1, 2])
def test_a_sequence_under_many_masks_equals_many_copies(kind: str, sequences: int) -> None:
    network = random_network(kind, 2, layers=3)
    inputs = torch.from_numpy(np.random.default_rng(2).normal(size=(7, sequences, 3)))
    masks = network.draw_masks(6, torch.Generator().manual_seed(0))
    copies = inputs.repeat_interleave(6 // sequences, dim=1)
    torch.testing.assert_close(network(inputs, masks=masks)[0].value, network(copies, masks=masks)[0].value)


def test_masks_drop_the_share_asked_for_and_keep_the_mean() -> None:
    network = build(Config(hidden=64, dropout=0.2, layers=2), 8, CPU)
    masks = torch.stack(network.draw_masks(500, torch.Generator().manual_seed(0)).layers)
    assert (masks == 0).double().mean() == pytest.approx(0.2, abs=0.01)
    assert masks.mean() == pytest.approx(1.0, abs=0.01)
    assert build(Config(dropout=0), 8, CPU).draw_masks(3, torch.Generator()) is None


def test_the_reference_recipe_has_its_shape() -> None:
    network = build(Config.from_preset("reference"), 8, CPU)
    assert [(layer.input_size, layer.hidden_size) for layer in network.encoder.layers] == [
        (8, 128),
        (128, 128),
        (128, 128),
    ]
    assert [(layer.in_features, layer.out_features) for layer in network.head.layers] == [(128, 64), (64, 32), (32, 1)]
    config = Config.from_preset("reference")
    assert (config.loss, config.huber_delta, config.batch, config.epochs, config.validation) == (
        "huber",
        1,
        64,
        100,
        0.1,
    )
    assert (config.dropout, config.context_length, config.weights) == (0.2, 60, "linear")


def test_building_a_network_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = build(TINY, 8, CPU), build(TINY, 8, CPU)
    torch.testing.assert_close(torch.random.get_rng_state(), before)
    for left, right in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(left, right)
    other = build(TINY.replace(seed=1), 8, CPU)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_losses_on_paper() -> None:
    forecast, target = torch.zeros(4), torch.tensor([0.5, -0.5, 3.0, -3.0])
    expected = {
        "mse": [0.25, 0.25, 9, 9],
        "mae": [0.5, 0.5, 3, 3],
        "huber": [0.125, 0.125, 4, 4],
        "pinball": [0.4, 0.1, 2.4, 0.6],
    }
    for loss, values in expected.items():
        config = Config(loss=loss, huber_delta=2.0, quantile=0.8)
        day = PointDay(value=forecast, config=config)
        torch.testing.assert_close(-day.log_prob(target), torch.tensor(values, dtype=torch.float32))


def test_huber_equals_torch_and_weights_count() -> None:
    forecast, target = torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).unbind()
    ours = -PointDay(value=forecast, config=Config(huber_delta=0.7)).log_prob(target)
    torch.testing.assert_close(ours, torch.nn.functional.huber_loss(forecast, target, reduction="none", delta=0.7))
    weights = torch.tensor([2.0, 0.0, 1.0])
    losses = torch.tensor([1.0, 100.0, 4.0])
    assert weighted_mean(losses, weights, 2) == pytest.approx(3.0)
    shares = [weighted_mean(losses[part], weights[part], 2) for part in (slice(0, 1), slice(1, 3))]
    assert sum(shares) == pytest.approx(3.0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_flat_adam_equals_torchs(decay: float) -> None:
    """From the gradients of two shares."""
    config = TINY.replace(weight_decay=decay, clip_norm=0.5, learning_rate=0.01)
    ours, theirs = build(config, 3, CPU), build(config, 3, CPU)
    flat = FlatAdam(ours, AdamSettings.of(config))
    learned = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    reference = torch.optim.AdamW(learned, lr=0.01, weight_decay=decay, eps=1e-7)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 6):
        inputs = torch.randn(6, 4, 3, generator=generator)
        halves = [flat.gradient_of(5 * ours(part)[0].value.square().mean()) for part in (inputs[:, :2], inputs[:, 2:])]
        flat.step(halves)
        (10 * theirs(inputs)[0].value.square().mean()).backward()
        torch.nn.utils.clip_grad_norm_(learned, 0.5)
        reference.param_groups[0]["eps"] = 1e-7 / (1 - 0.999**step) ** 0.5  # where Keras has it
        reference.step()
        reference.zero_grad()
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_long_sequence_read_in_stretches_is_the_same_sequence(
    encoder: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs, carried state and gradients; with masks, and where one sequence is given the masks of four paths."""
    network = build(TINY.replace(encoder=encoder, layers=2), 3, CPU).double()
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(23, batch, 3, dtype=torch.float64, generator=generator)
    masks = network.draw_masks(4, generator)
    assert len(masks.layers) == 2

    def outputs_of(last: int | None) -> list[torch.Tensor]:
        outputs, state = network.encoder(inputs, masks, None, last)
        again, _ = network.encoder(inputs.expand(-1, 4, -1), masks, encoders.expanded(state, 4), last)
        learned = [part for part in network.encoder.parameters() if part.requires_grad]
        ends = [part for layer in state for part in layer]
        return [outputs, again, *ends, *torch.autograd.grad(again.square().sum(), learned)]

    for last in (None, 1, 9):
        monkeypatch.setattr(encoders, "STRETCH", 10_000)
        whole = outputs_of(last)
        monkeypatch.setattr(encoders, "STRETCH", 5 * batch)
        for ours, theirs in zip(outputs_of(last), whole, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
