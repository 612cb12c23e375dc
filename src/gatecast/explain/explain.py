"""Takes a forecast apart: opens the network, unrolls its cells, follows its gradients, shuts off its noise."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gatecast.calibration.online import timestamps
from gatecast.config import Config
from gatecast.errors import TooFewRows, UsageError
from gatecast.explain.explanation import Bands, Cell, Explanation
from gatecast.features.indicators import WARMUP, WINDOW, series_features, volatility
from gatecast.features.windows import to_log_return
from gatecast.model import Model
from gatecast.models.forecaster import Forecaster, Uncalibrated
from gatecast.models.limits import check_columns
from gatecast.models.trained import Trained
from gatecast.nn import introspection as inside
from gatecast.nn.cells import CellWeights, trace
from gatecast.nn.network import Network
from gatecast.nn.sampling.recipe import Simulator
from gatecast.prices import PriceSeries, PriceTable

LEVEL = 0.9  # of the bands that are taken apart
_UNFITTED = "a forecaster is explained after it was fitted; this one was not. Call fit(prices) first."
_FRESH = ("rnn", "gru", "lstm")  # untrained, for the vanishing gradient
_GATES = {  # as torch stacks them
    "lstm": ("input_gate", "forget_gate", "candidate", "output_gate"),
    "gru": ("reset_gate", "update_gate", "candidate"),
    "rnn": ("hidden",),
}


def explain(
    model: Model,
    prices: PriceTable,
    *,
    item_id: str | None = None,
    horizon: int = 20,
    paths: int = 1000,
    seed: int = 0,
) -> Explanation:
    """Take the forecast after the last row of an item apart (the first item unless named).

    `model` is a fitted `Forecaster`; one with calibrate=true has its bands told with what calibration does to them.
    Raises `TooFewRows` for an item without a full context, `UsageError` for one that is not there or a model
    of another kind.
    """
    series = prices[item_id or prices.item_ids[0]]
    forecaster = _opened(model)
    trained = _trained_on(forecaster, series)
    simulator, config = trained.simulator, forecaster.config
    needed = config.context_length + WARMUP
    if len(series) < needed:
        raise TooFewRows(
            f"to explain a forecast takes {needed} rows; '{series.item_id}' has {len(series)}. Give more."
        )
    check_columns(series, simulator.spec)
    inputs = context_inputs(simulator, series)
    network = inside.exact(simulator.network)
    contributions, value, base = inside.integrated_gradients(network, inputs)
    sigma = float(volatility(series.close)[-1])
    return Explanation(
        config=config,
        history=series,
        features=simulator.spec.names,
        learned_from=trained.items,
        own_rows=forecaster.data_hash_ == prices.data_hash(),
        inputs=inputs,
        cell=_cell(network, config, inputs),
        value=value,
        base=base,
        log_return=_log_return(simulator, series, value, sigma),
        trust=simulator.trust,
        sigma=sigma,
        contributions=contributions,
        gradient=inside.gradient_by_lag(network, inputs),
        fresh={
            kind: inside.gradient_by_lag(inside.untrained(config, kind, inputs.shape[1]), inputs)
            for kind in _FRESH
        },
        bands=_bands(
            forecaster, simulator, _long(prices, needed), series, horizon=horizon, paths=paths, seed=seed
        ),
        errors=simulator.shocks.error,
        dilations=inside.dilations_of(network),
        attention=inside.attention(network, inputs),
    )


def context_inputs(simulator: Simulator, series: PriceSeries) -> Float[np.ndarray, "time feature"]:
    """The scaled features of the last context, as the network sees them."""
    length = simulator.config.context_length
    tail = series.rows(max(len(series) - length - WINDOW, 0), len(series))
    return simulator.scaler.apply(series_features(tail, simulator.spec)[-length:], series.item_id)


def unrolled(
    network: Network, config: Config, inputs: Float[np.ndarray, "time feature"]
) -> list[dict[str, np.ndarray]]:
    """All that each recurrent layer computes, by the equations; the last layer's `hidden` is the network's own."""
    layers, below = [], inputs.astype(np.float64)
    for weights in inside.layer_weights(network):
        layers.append(trace(config.encoder, weights, below))
        below = layers[-1]["hidden"]
    return layers


def _cell(network: Network, config: Config, inputs: Float[np.ndarray, "time feature"]) -> Cell | None:
    layers = inside.layer_weights(network)
    if not layers:
        return None
    values, first = unrolled(network, config, inputs)[0], layers[0]
    previous = np.vstack([np.zeros(values["hidden"].shape[1]), values["hidden"][:-1]])
    gates = _GATES[config.encoder]
    return Cell(
        kind=config.encoder,
        values=values,
        from_inputs=dict(
            zip(gates, np.split(inputs @ first.input_weight.T, len(gates), axis=1), strict=True)
        ),
        from_hidden=dict(
            zip(gates, np.split(previous @ first.hidden_weight.T, len(gates), axis=1), strict=True)
        ),
        **_biases(first, gates),
    )


def _biases(weights: CellWeights, gates: tuple[str, ...]) -> dict[str, dict[str, np.ndarray]]:
    def split(bias: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(gates, np.split(bias, len(gates)), strict=True))

    return {"bias": split(weights.input_bias), "hidden_bias": split(weights.hidden_bias)}


def _opened(model: Model) -> Forecaster:
    """The forecaster whose network is taken apart."""
    if not isinstance(model, Forecaster):
        raise UsageError(
            f"explain takes apart a network of your own; '{model.name}' is none. Train one with --save."
        )
    return model


def _trained_on(forecaster: Forecaster, series: PriceSeries) -> Trained:
    """The network that learned from this item, or the first."""
    if not hasattr(forecaster, "trained_"):
        raise UsageError(_UNFITTED)
    knows = [trained for trained in forecaster.trained_ if series.item_id in trained.items]
    return (knows or list(forecaster.trained_))[0]


def _log_return(simulator: Simulator, series: PriceSeries, value: float, sigma: float) -> float:
    center, scale = simulator.scaler.target_frame(series.item_id, np.array([sigma]))
    return float(to_log_return(simulator.spec.returns, np.log(series.close[-1:]), center + scale * value)[0])


def _long(prices: PriceTable, rows: int) -> PriceTable:
    """The items with this many rows or more: a calibrator sets the bands of all of them against each other."""
    return prices.select(tuple(one.item_id for one in prices if len(one) >= rows))


def _bands(
    forecaster: Forecaster,
    simulator: Simulator,
    prices: PriceTable,
    series: PriceSeries,
    *,
    horizon: int,
    paths: int,
    seed: int,
) -> Bands:
    """The bands as the network gives them, with one of its two sources of spread shut off, and calibrated."""

    def width(log_returns: Float[np.ndarray, "paths horizon"]) -> Float[np.ndarray, " horizon"]:
        edges = np.quantile(log_returns, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return np.asarray(edges[1] - edges[0])

    def drawn(**settings: object) -> Float[np.ndarray, " horizon"]:
        variant = replace(simulator, config=simulator.config.replace(**settings))
        rng = np.random.default_rng([seed, zlib.crc32(series.item_id.encode())])  # as the forecaster's own
        return width(np.log(variant.paths(series, horizon, paths, rng)[0] / series.close[-1]))

    bands = Bands(whole=drawn(), noise=drawn(mc_dropout=False), dropout=drawn(noise="none"))
    if forecaster.following_ is None:
        return bands
    stretched = forecaster.predict(prices, horizon, paths=paths, seed=seed)[series.item_id]
    (known,) = forecaster.following_.at(Uncalibrated(forecaster), prices, [timestamps(prices)[-1]])
    return replace(bands, calibrated=width(stretched.log_returns()), origins=known.origins)
