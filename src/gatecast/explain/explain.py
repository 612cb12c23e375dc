"""Takes a forecast apart: opens the network that made it, follows its gradients, shuts off its noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gatecast.calibration.online import timestamps
from gatecast.errors import UsageError
from gatecast.explain.explanation import Bands, Explanation
from gatecast.explain.opened import open_base, open_trained
from gatecast.model import Model, Request
from gatecast.models.base import BaseNetworks
from gatecast.models.forecaster import Forecaster
from gatecast.nn import introspection
from gatecast.prices import PriceSeries, PriceTable

LEVEL = 0.9  # of the bands that are taken apart


def explain(
    model: Model,
    prices: PriceTable,
    *,
    item_id: str | None = None,
    member: int = 1,
    horizon: int = 20,
    paths: int = 1000,
    seed: int = 0,
) -> Explanation:
    """Take the forecast after the last row of an item apart (the first item unless named).

    `model` is a fitted `Forecaster`, whose network is opened: the one it was trained with, or a `member` of the base
    network. With calibrate=true the bands are shown with what calibration does to them. Raises `TooFewRows` for an
    item that is too short, `UsageError` for an item or member that is not there or a model of another kind.
    """
    series = prices[item_id or prices.item_ids[0]]
    if not isinstance(model, Forecaster):
        raise UsageError(f"explain opens the network of a Forecaster; '{model.name}' is none. Give it one.")
    if not hasattr(model, "networks_"):
        raise UsageError("a forecaster is explained after it was fitted; this one was not. Call fit(prices) first.")
    networks = model.networks_
    if isinstance(networks, BaseNetworks):
        opened = open_base(networks, prices, series, member)
        own_rows = bool(series.timestamps[0] <= networks.until)
        settings = model.config
        config = settings.replace(start="scratch", cross_section=True, hidden=opened.parts["units"])
    else:
        if member != 1:
            raise UsageError(f"a network trained on the prices has one member; got {member}. Leave the member out.")
        opened, own_rows = open_trained(networks, series), model.data_hash_ == prices.data_hash()
        # With start=adapt, too, this network was trained from scratch: no shipped network is new to the prices.
        settings = config = model.config.replace(start="scratch", cross_section=True)
    contributions, value, base = introspection.integrated_gradients(opened.value, opened.rows)
    shown = opened.shown(opened.rows)
    fresh = {}  # untrained, for the vanishing gradient
    for kind in ("rnn", "gru", "lstm"):
        untrained = introspection.point_value(introspection.untrained(config, kind, shown.shape[1]))
        fresh[kind] = introspection.gradient_by_lag(untrained, shown)
    return Explanation(
        config=settings,
        history=series,
        own_rows=own_rows,
        inputs=shown,
        value=value,
        base=base,
        contributions=opened.shown(contributions),
        gradient=introspection.gradient_by_lag(opened.value, opened.rows),
        fresh=fresh,
        bands=_bands(model, prices, series, horizon=horizon, paths=paths, seed=seed),
        **opened.parts,
    )


def _bands(
    forecaster: Forecaster, prices: PriceTable, series: PriceSeries, *, horizon: int, paths: int, seed: int
) -> Bands:
    """The bands as the network gives them, with one of its two sources of spread shut off; combined; calibrated."""
    # A calibrator sets the bands of all items that are long enough together.
    prices = prices.select(tuple(item.item_id for item in prices if len(item) >= forecaster.networks_.min_rows))
    last = [timestamps(prices)[-1]]
    request = Request(cutoffs=last, horizon=horizon, paths=paths, seeds=[seed])

    def width(log_returns: Float[np.ndarray, "paths horizon"]) -> Float[np.ndarray, " horizon"]:
        edges = np.quantile(log_returns, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return np.asarray(edges[1] - edges[0])

    def drawn(*, mc_dropout: bool = True, noise: bool = True) -> Float[np.ndarray, " horizon"]:
        networks = forecaster.networks_.varied(mc_dropout=mc_dropout, noise=noise)
        (forecast,) = networks.predict_at(prices, request)
        return width(forecast[series.item_id].log_returns())

    bands = Bands(whole=drawn(), noise=drawn(mc_dropout=False), dropout=drawn(noise=False))
    if forecaster.calibration_ is None:
        return bands
    stretched = forecaster.predict(prices, horizon, paths=paths, seed=seed)[series.item_id]
    (known,) = forecaster.calibration_.known_at(forecaster.source_, prices, last)
    bands = replace(bands, calibrated=width(stretched.log_returns()), origins=known.calibrator.origins)
    rivals = forecaster.calibration_.rivals
    if known.combination is None or rivals is None or all(note.kind != "combined" for note in stretched.notes):
        return bands
    (raw,) = forecaster.networks_.predict_at(prices, request)
    combined = known.combination.apply(raw, prices, rivals)[series.item_id]
    return replace(bands, combined=width(combined.log_returns()))
