"""What the page shows is what the network does: equations, contributions, gradients and spreads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import TINY, simulated_series
from gatecast.config import Config
from gatecast.errors import TooFewRows, UsageError
from gatecast.explain.explain import explain
from gatecast.explain.explanation import Explanation
from gatecast.models.baselines import Drift
from gatecast.models.forecaster import Forecaster
from gatecast.nn import introspection as inside
from gatecast.nn.cells import trace
from gatecast.nn.network import Network, build
from gatecast.prices import PriceTable

CPU = torch.device("cpu")
TABLE = PriceTable(series=(simulated_series("A", 160, 1), simulated_series("B", 140, 2)))


def random_network(encoder: str, seed: int, **settings: object) -> tuple[Network, Config]:
    config = TINY.replace(encoder=encoder, seed=seed, **settings)
    network = inside.exact(build(config, 4, CPU))
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.data += 0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return network, config


def explained(encoder: str, **settings: object) -> Explanation:
    forecaster = Forecaster(TINY.replace(encoder=encoder, **settings)).fit(TABLE)
    return explain(forecaster, TABLE, horizon=4, paths=100)


@pytest.mark.parametrize("seed", range(100))
def test_gates_cell_and_hidden_are_the_networks_own(seed: int) -> None:
    """The equations, unrolled in float64, end in the network's own output, on 100 random networks."""
    encoder, layers = ("lstm", "gru", "rnn", "lstm")[seed % 4], 1 + seed % 2
    network, config = random_network(encoder, seed, layers=layers, hidden=2 + seed % 7)
    inputs = np.random.default_rng(seed).normal(size=(15, 4))
    ours, below = [], inputs
    for weights in inside.layer_weights(network):
        ours.append(trace(config.encoder, weights, below))
        below = ours[-1]["hidden"]
    theirs, state = network.encoder(torch.from_numpy(inputs)[:, None])
    np.testing.assert_allclose(ours[-1]["hidden"], theirs[:, 0].detach().numpy(), atol=1e-6)
    for layer, parts in zip(ours, state, strict=True):
        last = [layer["hidden"][-1]] + ([layer["cell_state"][-1]] if encoder == "lstm" else [])
        for mine, carried in zip(last, parts, strict=True):
            np.testing.assert_allclose(mine, carried[0, 0].detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
def test_the_terms_of_each_gate_make_its_value(encoder: str) -> None:
    cell = explained(encoder).cell
    assert cell is not None
    for gate in cell.bias:
        heard = cell.from_hidden[gate] + cell.hidden_bias[gate]
        if encoder == "gru" and gate == "candidate":
            heard = cell.values["reset_gate"] * heard
        total = cell.from_inputs[gate] + heard + cell.bias[gate]
        squashed = 1 / (1 + np.exp(-total)) if gate.endswith("gate") else np.tanh(total)
        np.testing.assert_allclose(squashed, cell.values[gate], atol=1e-12)


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn", "tcn", "transformer"])
def test_contributions_add_up_to_the_change(encoder: str) -> None:
    """Within 1% (Sundararajan's completeness), with ReLU layers before the output too."""
    for seed in range(4):
        network, _ = random_network(encoder, seed, dense=(6, 4), hidden=8)
        inputs = np.random.default_rng(seed).normal(size=(12, 4))
        contributions, value, base = inside.integrated_gradients(inside.point_value(network), inputs)
        assert contributions.sum() == pytest.approx(value - base, rel=0.01)
        assert value == pytest.approx(inside.value_at(inside.point_value(network), inputs))


def test_an_input_that_is_not_read_contributes_nothing() -> None:
    network, _ = random_network("lstm", 1)
    network.encoder.layers[0].weight_ih_l0.data[:, 2] = 0
    inputs = np.random.default_rng(0).normal(size=(9, 4))
    contributions, _, _ = inside.integrated_gradients(inside.point_value(network), inputs)
    assert np.abs(contributions[:, 2]).max() < 1e-15 < np.abs(contributions[:, 1]).max()


@pytest.mark.parametrize("encoder", ["lstm", "tcn", "transformer"])
def test_the_gradient_by_lag_is_the_slope(encoder: str) -> None:
    network, _ = random_network(encoder, 2, hidden=8)
    inputs = np.random.default_rng(3).normal(size=(9, 4))
    gradients = inside.gradient_by_lag(inside.point_value(network), inputs)
    for lag in (0, 3, 8):
        slopes = []
        for feature in range(4):
            sides = []
            for shift in (1e-5, -1e-5):
                moved = inputs.copy()
                moved[8 - lag, feature] += shift
                sides.append(inside.value_at(inside.point_value(network), moved))
            slopes.append((sides[0] - sides[1]) / 2e-5)
        assert gradients[lag] == pytest.approx(np.linalg.norm(slopes), rel=1e-4, abs=1e-9)


def test_a_half_life_is_the_time_to_a_half() -> None:
    cell = explained("lstm").cell
    assert cell is not None and cell.half_lives is not None
    mean_gate = np.exp(np.log(cell.values["forget_gate"]).mean(axis=0))
    np.testing.assert_allclose(mean_gate**cell.half_lives, 0.5)
    assert explained("rnn").cell.half_lives is None


def test_the_forecast_explained_is_the_forecast_made() -> None:
    """Without dropout and noise every path is the value that the page takes apart."""
    forecaster = Forecaster(TINY.replace(mc_dropout=False, noise="none", shrink=False)).fit(TABLE)
    explanation = explain(forecaster, TABLE, item_id="B", horizon=1, paths=2)
    made = forecaster.predict(TABLE, 1, paths=2)["B"].log_returns()[0, 0]
    assert explanation.log_return == pytest.approx(made, abs=1e-6)
    assert explanation.history.item_id == "B"


def test_the_bands_owe_to_dropout_and_noise_what_they_owe() -> None:
    whole = explained("lstm", dropout=0.5).bands
    assert (whole.dropout > 0).all() and (whole.noise > 0).all()
    assert (whole.whole > whole.dropout).all()
    without = explained("lstm", dropout=0.0).bands
    np.testing.assert_allclose(without.dropout, 0, atol=1e-9)
    np.testing.assert_allclose(without.noise, without.whole, rtol=0.2)


def test_untrained_curves_vanish_in_their_order() -> None:
    """At a distance the LSTM's forget gate at +1 keeps more than the GRU's at a half: Jozefowicz et al. (2015)."""
    network = {kind: inside.untrained(Config(hidden=32), kind, 8) for kind in ("lstm", "gru")}
    inputs = np.random.default_rng(0).normal(size=(60, 8))
    curves = {kind: inside.gradient_by_lag(inside.point_value(member), inputs) for kind, member in network.items()}
    assert curves["lstm"][50] > 10 * curves["gru"][50]
    assert curves["lstm"][50] < 1e-3 * curves["lstm"][0]


def test_explaining_leaves_the_network_as_it_was() -> None:
    forecaster = Forecaster(TINY).fit(TABLE)
    before = {name: value.clone() for name, value in forecaster.networks_.networks[0].network.state_dict().items()}
    first = explain(forecaster, TABLE, horizon=3, paths=20)
    again = explain(forecaster, TABLE, horizon=3, paths=20)
    after = forecaster.networks_.networks[0].network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    np.testing.assert_array_equal(first.bands.whole, again.bands.whole)
    np.testing.assert_array_equal(first.inputs, forecaster.networks_.networks[0].features.scaled(TABLE.series[0]))


def test_what_cannot_be_explained_is_refused() -> None:
    forecaster = Forecaster(TINY).fit(TABLE)
    with pytest.raises(TooFewRows, match="takes 30 rows; 'S' has 25"):
        explain(forecaster, PriceTable(series=(simulated_series("S", 25),)))
    with pytest.raises(UsageError, match="no item 'Z'"):
        explain(forecaster, TABLE, item_id="Z")
    with pytest.raises(UsageError, match="fit"):
        explain(Forecaster(TINY), TABLE)
    with pytest.raises(UsageError, match="'drift' is none"):
        explain(Drift().fit(TABLE), TABLE)


def test_calibration_is_told_beside_what_the_network_gives() -> None:
    """The network's own width, that of the calibrated forecast, and how many past forecasts stand behind it."""
    model, raw = (
        Forecaster(TINY.replace(calibrate=calibrate, validation=0.5)).fit(TABLE) for calibrate in (True, False)
    )
    bands = explain(model, TABLE, item_id="B", horizon=6, paths=200, seed=3).bands
    assert bands.calibrated is not None and bands.stretch is not None
    for width, forecaster in ((bands.whole, raw), (bands.calibrated, model)):
        moves = forecaster.predict(TABLE, 6, paths=200, seed=3)["B"].log_returns()
        np.testing.assert_allclose(width, np.diff(np.quantile(moves, [0.05, 0.95], axis=0), axis=0)[0])
    assert bands.origins >= 10
    np.testing.assert_allclose(bands.stretch * bands.whole, bands.calibrated)
    assert (bands.stretch != 1).any()
    alone = explain(raw, TABLE, item_id="B", horizon=6, paths=200, seed=3).bands
    np.testing.assert_array_equal(alone.whole, bands.whole)
    assert alone.calibrated is None and alone.stretch is None


def test_calibration_without_a_past_changes_nothing() -> None:
    short = PriceTable(series=(simulated_series("A", 66, 1),))
    bands = explain(Forecaster(TINY.replace(calibrate=True)).fit(short), short, horizon=3, paths=50).bands
    assert bands.origins == 0
    np.testing.assert_allclose(bands.calibrated, bands.whole)


def test_what_the_network_learned_from_is_told() -> None:
    forecaster = Forecaster(TINY).fit(TABLE)
    ours = explain(forecaster, TABLE, horizon=2, paths=20)
    assert ours.own_rows and ours.learned_from == ("A", "B")
    later = PriceTable(series=(simulated_series("A", 170, 1),))
    assert not explain(forecaster, later, horizon=2, paths=20).own_rows
