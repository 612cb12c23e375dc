"""The base network as a model: as it comes, or adapted to the user's prices where held-out days gain from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatecast.calendars import describe
from gatecast.calibration.online import LEAST_BEFORE
from gatecast.config import Config, Precision
from gatecast.errors import TooFewRows
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.features.known_events import KIND
from gatecast.features.signal_windows import SignalFeatures
from gatecast.forecast import Forecast
from gatecast.model import Request
from gatecast.models.shipped import MIN_ROWS, day_of, end_of, load_ensemble, members_of, tensors_of
from gatecast.models.simulated import forecasts_of, places_of
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.precision import in_sixteen_bits
from gatecast.nn.sampling.sampler import PathModel
from gatecast.nn.training.adapting import Adaptation, adapt
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable

if TYPE_CHECKING:
    from torch import Tensor

_UNITS = {"h": "hours or minutes", "W": "weeks", "M": "months"}


@dataclass(frozen=True, kw_only=True)
class BaseNetworks:
    """The members of the ensemble, the last day they learned from, and what adapting them said.

    Without `cross_section` each item is forecast by itself; without `joint` its paths are drawn by themselves.
    """

    members: tuple[BaseNetwork, ...]
    until: np.datetime64
    cross_section: bool = True
    joint: bool = True
    mc_dropout: bool = True
    noise: bool = True
    adaptation: Adaptation | None = None
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "base"
    items: ClassVar[None] = None  # any may be calibrated: the network is of none in particular
    least: ClassVar[int] = LEAST_BEFORE  # rows an item needs before an origin to take part in calibration
    min_rows: ClassVar[int] = MIN_ROWS  # to be forecast
    interrupted: ClassVar[bool] = False  # an adaptation is too short to be cut short

    @classmethod
    def learn(cls, prices: PriceTable, config: Config, folder: Path) -> BaseNetworks:
        """The ensemble in `folder`; with start=adapt trained further on `prices`, and kept so where that helps."""
        ensemble = load_ensemble(folder)
        _compute_in(config.precision, ensemble.members)
        as_it_comes = cls(
            members=ensemble.members, until=ensemble.until, cross_section=config.cross_section, joint=config.joint
        )
        if config.start == "base":
            return as_it_comes
        adaptation = adapt(ensemble.members, list(prices), config, known=ensemble.until)
        until = max(ensemble.until, adaptation.until) if adaptation.kept else ensemble.until
        notes = (Note("adapted", _adaptation_text(adaptation)),)
        return replace(as_it_comes, members=adaptation.members, until=until, adaptation=adaptation, notes=notes)

    @property
    def model(self) -> PathModel:
        """What its paths are made of."""
        features = SignalFeatures(self.cross_section)
        return PathModel(networks=self.members, features=features, mc_dropout=self.mc_dropout, noise=self.noise)

    def varied(self, *, mc_dropout: bool, noise: bool) -> BaseNetworks:
        """The same networks with one source of spread shut off along their paths."""
        return replace(self, mc_dropout=mc_dropout, noise=noise)

    @property
    def losses(self) -> list[tuple[int, float, float]]:
        """(epoch, training loss, held-out loss) of the adaptation; empty without one."""
        return [] if self.adaptation is None else list(self.adaptation.losses)

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        """Paths as the members give them, from the last row of each item at each cutoff, in one batch.

        Raises `TooFewRows` for an item under MIN_ROWS rows.
        """
        places = places_of(prices, request) if self.joint else None
        forecasts = forecasts_of(
            self.model, prices, request, check=self._checked, together=self.cross_section, places=places
        )
        for number, forecast in enumerate(forecasts):
            if self.cross_section and len(forecast.items) >= LEAST_ITEMS:
                text = f"recent moves of all {len(forecast.items)} items enter the forecast of each"
                forecasts[number] = forecast.noted(Note("model", text))
        return forecasts

    def _checked(self, series: PriceSeries) -> tuple[Note, ...]:
        """Notes of what the network learned from, and of rows that are not days; refuses a series that is too short."""
        if len(series) < MIN_ROWS:
            raise TooFewRows(
                f"the base network needs at least {MIN_ROWS} rows; '{series.item_id}' has {len(series)}. Give more "
                "history, or leave it out."
            )
        learned = f"the network learned from days up to {day_of(self.until)}"
        if series.timestamps[-1] <= self.until:
            notes = [Note("seen", f"{learned}: it may have learned from these very rows, so they cannot test it")]
        elif series.timestamps[0] > self.until:
            notes = [Note("learned", f"{learned}: none of your rows, so they can test it")]
        else:
            notes = [Note("learned", f"{learned}: rows after that day are new to it")]
        if series.events is not None:
            notes.append(Note("model", self._events_text(series)))
        kind = describe(series.timestamps).freq
        if kind not in "BD":
            notes.append(Note("model", f"{_UNITS[kind]} are read as if daily: a verdict or a backtest tells how well"))
        return tuple(notes)

    def _events_text(self, series: PriceSeries) -> str:
        """Which of the events that are given enter the forecast."""
        if not all(member.known_events for member in self.members):
            return "the base network has not learned from dates of events: those given are shown, and not used"
        if series.events is None or series.events.of_kind(KIND) is None:
            return f"the base network has learned from dates of {KIND} alone: those given are shown, and not used"
        if describe(series.timestamps).freq not in "BD":
            return f"dates of {KIND} enter forecasts of days alone: those given are shown, and not used"
        return f"known dates of {KIND} enter the forecast"

    def to_dict(self) -> dict[str, Any]:
        """All but the weights, as plain types for JSON."""
        return {"members": len(self.members), "until": day_of(self.until), "notes": [n.text for n in self.notes]}

    def settings(self) -> dict[str, Any]:
        """What its forecasts depend on beside the weights."""
        switches = {name: getattr(self, name) for name in ("cross_section", "joint", "mc_dropout", "noise")}
        return {**switches, "sixteen_bits": [member.sixteen_bits for member in self.members]}

    def tensors(self) -> dict[str, Tensor]:
        """The weights of all members, each name with the member's number before it."""
        return tensors_of(self.members)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], tensors: Mapping[str, Tensor], config: Config) -> BaseNetworks:
        """What `to_dict` and `tensors` gave; raises `ValueError` or `RuntimeError` where they do not fit."""
        members = members_of(tensors, int(document["members"]))
        _compute_in(config.precision, members)
        return cls(
            members=members,
            until=end_of(document["until"]),
            cross_section=config.cross_section,
            joint=config.joint,
            notes=tuple(Note("adapted", str(text)) for text in document["notes"]),
        )


def _compute_in(precision: Precision, members: Sequence[BaseNetwork]) -> None:
    sixteen_bits = in_sixteen_bits(precision)
    for member in members:
        member.sixteen_bits = sixteen_bits


def _adaptation_text(adaptation: Adaptation) -> str:
    as_it_comes = "the base network is used as it comes"
    if adaptation.held_out == 0:
        return f"{as_it_comes}: there are too few rows to adapt it to these prices"
    held_out = f"the last {adaptation.held_out:,} days, held out"
    if adaptation.gain == 0:
        return f"{as_it_comes}: adapting it to these prices did not help on {held_out}"
    measured = f"{adaptation.gain:+.3f} ± {adaptation.error:.3f} nats a day on {held_out}"
    if adaptation.kept:
        return f"the base network was adapted to these prices: {measured}"
    return f"{as_it_comes}: adapting it to these prices gained less than two standard errors, {measured}"
