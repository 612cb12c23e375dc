"""The base network that comes with gatecast: forecasts without training, or with a little on the user's prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gatecast.calendars import describe
from gatecast.calibration.bands import HORIZON
from gatecast.calibration.online import Following, Remembering, follow, revived, timestamps
from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.forecast import TAUGHT, Forecast, ItemForecast
from gatecast.models.ensemble import (
    ADAPTED,
    BaseNetwork,
    day_of,
    expect,
    fitting,
    load_base,
    shipped,
    suited,
    tensors_of,
)
from gatecast.models.forecaster import Forecaster
from gatecast.models.limits import check_sizes
from gatecast.nn.checkpoint import load_model, save_model
from gatecast.nn.training.adapting import Adaptation, adapt
from gatecast.nn.training.loop import Progress
from gatecast.prices import PriceTable


def _noted(forecast: Forecast, notes: tuple[str, ...]) -> Forecast:
    return replace(forecast, items=tuple(replace(one, notes=one.notes + notes) for one in forecast))


class BaseForecaster:
    """The base network as a model: `fit` adapts it to the prices where that helps, or (start=base) does nothing.

    Of the networks that come with gatecast it takes the youngest that `ensemble.suited` finds, or that in `folder`.
    A table that ends before the last day it learned from cannot be forecast with it honestly: with start=adapt
    a network of its own is trained for it instead; with start=base a note says so. Attributes ending in `_` exist
    after `fit` or `load`.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        name: str = "gatecast:base",
        folder: Path | None = None,
        steps: int = HORIZON,
        walked: Remembering | None = None,
    ) -> None:
        """`walked`, with start=base alone: the base network with the past forecasts it has made already."""
        self.config = config or Config.from_preset("base")
        self.steps = steps
        self.name = name
        self.folder = folder
        self.spared_ = walked
        # A file's name holds its hash: a stored fold is not taken for that of a network remade in the same place.
        places = shipped() if folder is None else [folder]
        self.weights = [path.name for place in places for path in place.glob("weights-*.safetensors")]

    def fit(
        self,
        prices: PriceTable,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> BaseForecaster:
        """Adapt to `prices`, or not; returns self. `checkpoint`, `resume`, `progress` are for a network of its own."""
        base = load_base(self.folder or suited(prices))
        self.data_hash_ = prices.data_hash()
        self.own_: Forecaster | None = None
        self.adaptation_ = Adaptation(members=base.members, kept=False)
        self.notes_: tuple[str, ...] = ()
        self.until_ = base.until
        adapts = self.config.start != "base"
        if adapts and max(one.timestamps[-1] for one in prices) <= base.until:
            self.notes_ = (
                f"the base network learned from days up to {day_of(base.until)}, so that these prices cannot test it: "
                "a network of their own was trained",
            )
            own = Forecaster(
                self.config.replace(start="scratch", market=True), name=self.name, steps=self.steps
            )
            self.own_ = own.fit(prices, checkpoint=checkpoint, resume=resume, progress=progress)
        elif adapts:
            self.adaptation_ = adapt(base.members, list(prices), self.config, known=base.until)
            self.notes_ = (_told(self.adaptation_),)
            if self.adaptation_.kept:
                self.until_ = max(base.until, self.adaptation_.until)
        spared = None if adapts else self.spared_
        self.walked_ = spared or Remembering(self._network)
        self.following_: Following | None = None
        if self.config.calibrate and not self.own_:
            self.following_ = follow(self.walked_, prices, after=self.until_, steps=self.steps)
        return self

    def predict(self, prices: PriceTable, horizon: int = 30, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Simulate `paths` price paths of `horizon` steps after the last row of each item, with their density.

        Each item draws from a random stream of its own (seed and item id). With calibrate=true the bands are
        stretched by what those of past days have covered. Raises `TooFewRows` for an item under MIN_ROWS rows,
        `UsageError` for a horizon or paths under 1.
        """
        check_sizes(horizon, paths, seed)
        if not hasattr(self, "adaptation_"):
            raise UsageError(
                "a forecaster predicts after it was fitted; this one was not. Call fit(prices) first."
            )
        if self.own_ is not None:
            return _noted(self.own_.predict(prices, horizon, paths=paths, seed=seed), self.notes_)
        return self.predict_at(prices, [timestamps(prices)[-1]], horizon, paths=paths, seeds=[seed])[0]

    def predict_at(
        self,
        prices: PriceTable,
        cutoffs: Sequence[np.datetime64],
        horizon: int,
        *,
        paths: int,
        seeds: Sequence[int],
    ) -> list[Forecast]:
        """`predict(prices.until(cutoff))` for each cutoff, ascending, in one batch."""
        if self.own_ is not None:
            parts = zip(cutoffs, seeds, strict=True)
            return [self.predict(prices.until(at), horizon, paths=paths, seed=seed) for at, seed in parts]
        raw = self._network.predict_at(prices, cutoffs, horizon, paths=paths, seeds=seeds)
        raw = [_noted(one, self._company(one)) for one in raw]
        raw = [replace(one, items=tuple(self._warned(item, prices) for item in one)) for one in raw]
        if self.following_ is not None:
            raw = self.following_.apply(self.walked_, prices, cutoffs, raw)
        return [_noted(forecast, self.notes_) for forecast in raw]

    def _company(self, forecast: Forecast) -> tuple[str, ...]:
        """Which other items had a say."""
        if not self.config.market or len(forecast.items) < LEAST_ITEMS:
            return ()
        return (f"each item was told how all {len(forecast.items)} moved of late",)

    @property
    def _network(self) -> BaseNetwork:
        return BaseNetwork(self.adaptation_.members, market=self.config.market)

    def _warned(self, item: ItemForecast, prices: PriceTable) -> ItemForecast:
        """With notes of what the network has learned from, and of rows that are no days."""
        learned = f"the network learned from days up to {day_of(self.until_)}"
        if item.last_timestamp <= self.until_:
            learned += f"; {TAUGHT}"
        kind = describe(prices[item.item_id].timestamps).freq
        notes = [learned]
        if kind not in "BD":
            rows = {"h": "hours or minutes", "W": "weeks", "M": "months"}[kind]
            notes.append(
                f"the base network learned from days; the rows here are {rows}, which it reads as days"
            )
        return replace(item, notes=(*item.notes, *notes))

    @property
    def losses(self) -> list[tuple[int, float, float]]:
        """(epoch, training loss, validation loss) of the adaptation, or of the network of one's own."""
        return list(self.adaptation_.losses) if self.own_ is None else self.own_.losses

    @property
    def interrupted(self) -> bool:
        """Whether a training was cut short by hand; an adaptation is too short for that."""
        return self.own_ is not None and self.own_.interrupted

    def fingerprint(self, prices: PriceTable) -> str:
        """Names these prices and settings: the same text means the same weights."""
        return Forecaster(self.config).fingerprint(prices)

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder`: the network it forecasts with, whichever it is."""
        if self.own_ is not None:
            self.own_.save(folder)
            return
        document = {
            "kind": ADAPTED,
            "config": self.config.model_dump(mode="json"),
            "data_hash": self.data_hash_,
            "members": len(self.adaptation_.members),
            "until": day_of(self.until_),
            "notes": list(self.notes_),
            "calibration": None if self.following_ is None else self.following_.to_dict(),
        }
        save_model(Path(folder), tensors_of(self.adaptation_.members), document)

    @classmethod
    def load(cls, folder: Path | str) -> BaseForecaster:
        """The model saved in `folder`; raises `ModelError` where it is damaged or foreign."""
        document = load_model(Path(folder))[1]
        with fitting(folder):
            expect(document, ADAPTED)
            base = load_base(Path(folder))
            forecaster = cls(Config(**document["config"]))
            forecaster.data_hash_ = str(document["data_hash"])
            forecaster.own_ = None
            forecaster.adaptation_ = Adaptation(members=base.members, kept=False)
            forecaster.walked_ = Remembering(forecaster._network)
            forecaster.until_ = base.until
            forecaster.notes_ = tuple(map(str, document["notes"]))
            forecaster.following_ = revived(document["calibration"])
        return forecaster


def _told(adaptation: Adaptation) -> str:
    if adaptation.held_out == 0:
        return "the base network was used as it is: there are too few rows to adapt it to these prices"
    held_out = f"the last {adaptation.held_out:,} days held out"
    if adaptation.gain == 0:
        return f"the base network was used as it is: adapting it to these prices did not help on {held_out}"
    measured = f"{adaptation.gain:+.3f} ± {adaptation.error:.3f} nats a day on {held_out}"
    if adaptation.kept:
        return f"the base network was adapted to these prices: {measured}"
    return f"the base network was used as it is: adapting it to these prices did not help enough, {measured}"


def new_forecaster(
    config: Config,
    *,
    name: str = "gatecast",
    steps: int = HORIZON,
    folder: Path | None = None,
    walked: Remembering | None = None,
) -> Forecaster | BaseForecaster:
    """The forecaster that these settings ask for; one that will look no farther ahead than `steps` is made sooner.

    `folder` and `walked` are for those that start from the base network.
    """
    if config.start == "scratch":
        return Forecaster(config, name=name, steps=steps)
    return BaseForecaster(config, name=name, folder=folder, steps=steps, walked=walked)


def load_forecaster(folder: Path | str) -> Forecaster | BaseForecaster:
    """A saved model of either kind; raises `ModelError` where it is damaged or foreign."""
    kind = load_model(Path(folder))[1].get("kind")
    return Forecaster.load(folder) if kind is None else BaseForecaster.load(folder)
