"""A forecaster's network opened for one item: its inputs, the number it predicts, and its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gatecast.calendars import future_timestamps
from gatecast.errors import TooFewRows, UsageError
from gatecast.explain.explanation import Cell
from gatecast.features.cross_section import CROSS_SECTION
from gatecast.features.event_calendar import EVENTS
from gatecast.features.indicators import WARMUP, volatility
from gatecast.features.signal_windows import SignalFeatures
from gatecast.features.signals import NAMES, SIGNALS
from gatecast.features.targets import to_log_return
from gatecast.models.base import BaseNetworks
from gatecast.models.shipped import MIN_ROWS
from gatecast.models.trained_networks import TrainedNetworks, check_columns
from gatecast.nn import introspection
from gatecast.nn.cells import CellWeights, trace
from gatecast.prices import PriceSeries, PriceTable

BASE_NAMES = (
    *NAMES,
    *("all_move", "all_move_size", "all_range_today", "all_range_2_days", "all_range_5_days", "all_range_50_days"),
    *("all_spread", "all_mean_move", "own_against_all"),  # the cross-section ends here
    *("expected_quarters", "expected_near", "expected_excess", "expected_near_excess"),
    "next_day_events",
)
_GATES = {  # as torch stacks them
    "lstm": ("input_gate", "forget_gate", "candidate", "output_gate"),
    "gru": ("reset_gate", "update_gate", "candidate"),
    "rnn": ("hidden",),
}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One network on the last rows of one item; `parts` are the fields of an `Explanation` that depend on its kind.

    `rows` are its inputs as one array; `shown` sums them, or contributions to them, into named features.
    """

    value: introspection.Value
    rows: Float[np.ndarray, "time input"]
    groups: int = 0  # trailing inputs that are shown as one feature
    parts: Mapping[str, Any]

    def shown(self, values: Float[np.ndarray, "time input"]) -> Float[np.ndarray, "time feature"]:
        """Values of the inputs as values of the named features."""
        if not self.groups:
            return values
        last = values[:, -self.groups :].sum(axis=1, keepdims=True)
        return np.hstack([values[:, : -self.groups], last])


def open_trained(networks: TrainedNetworks, series: PriceSeries) -> Opened:
    """The network that learned from this item, or the first; raises `TooFewRows` without a full context."""
    trained = next((known for known in networks.networks if series.item_id in known.items), networks.networks[0])
    config = trained.config
    _check_rows(series, config.context_length + WARMUP)
    check_columns(series, trained.features.spec)
    inputs = trained.features.scaled(series)
    network = introspection.exact(trained.network)
    value = introspection.point_value(network)
    sigma = float(volatility(series.close)[-1])
    center, scale = trained.features.scaler.target_frame(series.item_id, np.array([sigma]))
    mean = introspection.value_at(value, inputs)
    move = to_log_return(trained.features.spec.returns, np.log(series.close[-1:]), center + scale * mean)
    return Opened(
        value=value,
        rows=inputs,
        parts={
            "cell": _cell(introspection.layer_weights(network), config.encoder, inputs),
            "network": "trained",
            "encoder": config.encoder,
            "layers": config.layers,
            "units": config.hidden,
            "features": trained.features.spec.names,
            "learned_from": trained.items,
            "learned_until": trained.until,
            "log_return": float(move[0]),
            "shrinkage": trained.held_out.shrinkage,
            "sigma": sigma,
            "next_sigma": None,
            "errors": trained.held_out.error,
            "dilations": introspection.dilations_of(network),
            "attention": introspection.attention(network, inputs),
        },
    )


def open_base(networks: BaseNetworks, prices: PriceTable, series: PriceSeries, member: int) -> Opened:
    """One member of the base network, with the cross-section of the whole table; `member` counts from 1."""
    if not 1 <= member <= len(networks.members):
        raise UsageError(f"the base network has members 1 to {len(networks.members)}; got {member}.")
    _check_rows(series, MIN_ROWS)
    features = SignalFeatures(networks.cross_section)
    long = [item for item in prices if len(item) >= MIN_ROWS]
    history = features.history([long])[long.index(series)]
    inputs = features.context(history, future_timestamps(series, 1, prices.calendar))
    network = introspection.exact(networks.members[member - 1])
    value, rows = introspection.log_scale_value(network, inputs)
    sigma = float(history.signals.scale[-1])
    known = np.isfinite(history.cross_section[:, :1]).astype(float)
    told = [history.expected, history.passed] if network.known_events else [history.expected]
    read = np.hstack([rows[:, : SIGNALS + CROSS_SECTION], inputs.flags[:, 0], known, *told])  # by the LSTM
    weights = introspection.layer_weights(network)
    return Opened(
        value=value,
        rows=rows,
        groups=EVENTS,
        parts={
            "cell": _cell(weights, "lstm", read),
            "network": "base",
            "member": member,
            "members": len(networks.members),
            "encoder": "lstm",
            "layers": 1,
            "units": weights[0].hidden_weight.shape[1],
            "features": BASE_NAMES,
            "learned_from": (),
            "learned_until": networks.until,
            "log_return": float(network.location.detach()) * sigma,
            "shrinkage": 1.0,
            "sigma": sigma,
            "next_sigma": sigma * float(np.exp(introspection.value_at(value, rows))),
            "errors": np.zeros(0),
        },
    )


def _check_rows(series: PriceSeries, needed: int) -> None:
    if len(series) < needed:
        raise TooFewRows(f"to explain a forecast takes {needed} rows; '{series.item_id}' has {len(series)}. Give more.")


def _cell(weights: list[CellWeights], encoder: str, inputs: Float[np.ndarray, "time input"]) -> Cell | None:
    """The first layer, taken apart gate by gate."""
    if not weights:
        return None
    first, gates = weights[0], _GATES[encoder]
    values = trace(encoder, first, inputs.astype(np.float64))
    previous = np.vstack([np.zeros(values["hidden"].shape[1]), values["hidden"][:-1]])

    def split(whole: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(gates, np.split(whole, len(gates), axis=-1), strict=True))

    return Cell(
        kind=encoder,
        values=values,
        from_inputs=split(inputs @ first.input_weight.T),
        from_hidden=split(previous @ first.hidden_weight.T),
        bias=split(first.input_bias),
        hidden_bias=split(first.hidden_bias),
    )
