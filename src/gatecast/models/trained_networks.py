"""Networks trained on the user's own prices as one model: one over all items of a table, or one for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatecast.config import Config
from gatecast.errors import DataError, TooFewRows, UsageError
from gatecast.features.indicators import WARMUP, FeatureSpec
from gatecast.forecast import Forecast, ItemForecast
from gatecast.model import Request
from gatecast.models.shipped import tensors_of
from gatecast.models.simulated import forecasts_of, places_of
from gatecast.models.trained import Trained, describe, learn, revive
from gatecast.nn.together import ALONE, Group
from gatecast.nn.training.loop import Checkpoint, Progress
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable
from gatecast.text import listed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TrainedNetworks:
    """One network over all items of a table, or one for each (`per_asset`)."""

    networks: tuple[Trained, ...]
    config: Config

    kind: ClassVar[str] = "trained"

    @classmethod
    def learn(
        cls,
        prices: PriceTable,
        config: Config,
        checkpoint: Checkpoint | None,
        progress: Callable[[Progress], None] | None,
        together: Group = ALONE,
    ) -> TrainedNetworks:
        """Train on every row of `prices`; `checkpoint` is of a folder that holds the state after each epoch."""
        groups = [[series] for series in prices] if config.per_asset else [list(prices)]
        networks = []
        for number, group in enumerate(groups):
            own = checkpoint and replace(checkpoint, path=checkpoint.path / f"training-{number}.safetensors")
            networks.append(learn(group, config, own, progress, together))
        return cls(tuple(networks), config)

    @property
    def until(self) -> np.datetime64:
        """The last day any of them learned from."""
        return max(trained.until for trained in self.networks)

    @property
    def items(self) -> tuple[str, ...]:
        """The items they learned from."""
        return tuple(item for trained in self.networks for item in trained.items)

    @property
    def least(self) -> int:
        """Rows an item needs before an origin to take part in calibration."""
        return self.config.context_length + WARMUP

    min_rows = least  # nor fewer to be forecast

    def varied(self, *, mc_dropout: bool, noise: bool) -> TrainedNetworks:
        """The same networks with one source of spread shut off along their paths."""
        off = ({} if mc_dropout else {"mc_dropout": False}) | ({} if noise else {"noise": "none"})
        parts = (replace(trained, config=trained.config.replace(**off)) for trained in self.networks)
        return replace(self, networks=tuple(parts))

    @property
    def losses(self) -> list[tuple[int, float, float]]:
        """(epoch, training loss, held-out loss) of the first network."""
        return self.networks[0].record.losses

    @property
    def interrupted(self) -> bool:
        """Whether a training was cut short by hand."""
        return any(trained.record.interrupted for trained in self.networks)

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        """Paths as the networks give them, from the last row of each item at each cutoff.

        `prices` may hold rows that training has not seen: weights stay, the context moves on. Raises `TooFewRows` for
        an item without a full context.
        """
        table = prices.until(request.cutoffs[-1])
        of = {series.item_id: self.network_of(series.item_id) for series in table}
        by_item: dict[tuple[str, int], ItemForecast] = {}
        places = places_of(prices, request) if self.config.joint else {}
        for trained in {id(network): network for network in of.values()}.values():
            mine = table.select(tuple(item for item, network in of.items() if network is trained))
            first = min(series.timestamps[0] for series in mine)
            begun = [number for number, cutoff in enumerate(request.cutoffs) if first <= cutoff]
            own = {(item, begun.index(number)): of for (item, number), of in places.items() if number in begun}
            check = partial(_checked, trained=trained)
            forecasts = forecasts_of(trained.model, mine, request.at(begun), check=check, places=own)
            for number, forecast in zip(begun, forecasts, strict=True):
                by_item |= {(item.item_id, number): item for item in forecast}
        return [
            Forecast(
                items=tuple(by_item[series.item_id, number] for series in prices.until(cutoff)),
                seed=seed,
                joint=bool(places),
            )
            for number, (cutoff, seed) in enumerate(zip(request.cutoffs, request.seeds, strict=True))
        ]

    def network_of(self, item_id: str) -> Trained:
        """The network that learned from this item, or the first; raises `UsageError` where each item has its own."""
        for trained in self.networks:
            if item_id in trained.items:
                return trained
        if self.config.per_asset and len(self.networks) > 1:
            raise UsageError(f"with per_asset=true each item has its network; '{item_id}' has none. Fit it.")
        return self.networks[0]

    def to_dict(self) -> dict[str, Any]:
        """All but the weights, as plain types for JSON."""
        return {"networks": [describe(trained) for trained in self.networks]}

    def settings(self) -> dict[str, Any]:
        """What its forecasts depend on beside the weights."""
        return {"config": self.config.model_dump(mode="json", exclude={"seed"}), **self.to_dict()}

    def tensors(self) -> dict[str, Tensor]:
        """The weights of all networks, each name with the network's number before it."""
        return tensors_of([trained.network for trained in self.networks])

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], tensors: Mapping[str, Tensor], config: Config) -> TrainedNetworks:
        """What `to_dict` and `tensors` gave; raises `ValueError` where they do not fit each other."""
        networks = tuple(
            revive(described, number, tensors, config) for number, described in enumerate(document["networks"])
        )
        if not networks:
            raise ValueError("it describes no network")
        return cls(networks, config)


def _checked(series: PriceSeries, trained: Trained) -> tuple[Note, ...]:
    """The network's notes for a series; raises where it cannot be forecast."""
    context = trained.config.context_length
    if len(series) < context + WARMUP:
        raise TooFewRows(
            f"a forecast needs at least {context + WARMUP} rows (context_length {context} + {WARMUP} to warm up); "
            f"'{series.item_id}' has {len(series)}. Give more history, a smaller context_length, or leave it out."
        )
    check_columns(series, trained.features.spec)
    text = _events_text(series, trained)
    if text:
        trained = replace(trained, notes=(*trained.notes, Note("model", text)))
    if series.item_id in trained.items:
        return trained.notes
    stranger = (
        f"the network was trained on {listed(trained.items, 5)} and not on this item; a verdict or a backtest tells "
        "how well it forecasts it"
    )
    return (*trained.notes, Note("model", stranger, (series.item_id,)))


def _events_text(series: PriceSeries, trained: Trained) -> str:
    """What becomes of dates of events; empty where there are none and none were asked for."""
    kinds = trained.features.spec.event_kinds
    if series.events is None:
        wanted = trained.config.events and not kinds
        return "events=true changes nothing: there were no dates of events to learn from" if wanted else ""
    if not kinds:
        return "the network takes no dates of events: those given are shown; events=true takes them"
    return f"known dates of {listed(kinds)} enter the forecast"


def check_columns(series: PriceSeries, spec: FeatureSpec) -> None:
    """A network sees what it was trained on: no feature is made up for a column that is not there."""
    missing = ["high and low"] if spec.has_range and not series.has_range else []
    if spec.has_volume and series.volume is None:
        missing.append("volume")
    if missing:
        raise DataError(
            f"a model needs the columns it was trained on; '{series.item_id}' has no {' and no '.join(missing)}. Give "
            "them, or train on closes alone."
        )
