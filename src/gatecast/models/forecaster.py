"""The Forecaster: learns a network from prices, simulates what may come, and keeps both in a folder."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gatecast.calendars import future_timestamps
from gatecast.calibration.bands import HORIZON
from gatecast.calibration.online import Following, follow, revived, timestamps
from gatecast.config import Config
from gatecast.errors import ModelError, UsageError
from gatecast.features.indicators import WARMUP
from gatecast.forecast import Forecast, ItemForecast
from gatecast.models.limits import check_columns, check_context, check_sizes
from gatecast.models.trained import Trained, describe, learn, revive
from gatecast.nn.checkpoint import load_model, save_model
from gatecast.nn.training.loop import Progress
from gatecast.prices import PriceSeries, PriceTable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Uncalibrated:
    """A forecaster's paths before any calibration."""

    forecaster: Forecaster

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The paths of `Forecaster.simulate`."""
        return self.forecaster.simulate(prices, horizon, paths=paths, seed=seed)


class Forecaster:
    """An LSTM forecaster of prices: one network over all items of a table, or one each (`per_asset`).

    Follows the contract of every model here: `fit(prices)` learns, `predict(prices, horizon)` simulates paths from
    the last row of `prices` with what was learned. With calibrate=true the first `steps` steps of a forecast are
    calibrated each by itself, later ones as the last. Attributes ending in `_` exist after `fit` or `load`.
    """

    def __init__(self, config: Config | None = None, *, name: str = "gatecast", steps: int = HORIZON) -> None:
        self.config = config or Config()
        self.steps = steps
        self.name = name

    def fit(
        self,
        prices: PriceTable,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Forecaster:
        """Train on every row of `prices`; returns self.

        `checkpoint` is a folder that holds the state of training after each epoch; `resume` goes on from it.
        Raises `TooFewRows`, `DataError` or `TrainingError` with one line.
        """
        groups = [[one] for one in prices] if self.config.per_asset else [list(prices)]
        self.data_hash_ = prices.data_hash()
        self.trained_ = tuple(
            learn(
                group,
                self.config,
                checkpoint=None if checkpoint is None else checkpoint / f"training-{number}.safetensors",
                fingerprint=self.fingerprint(prices),
                resume=resume,
                progress=progress,
            )
            for number, group in enumerate(groups)
        )
        self.following_ = self._followed(prices) if self.config.calibrate else None
        return self

    def _followed(self, prices: PriceTable) -> Following:
        """The calibrator after a walk over the days held out of the training."""
        held_out_from = max(trained.until for trained in self.trained_)
        known = tuple(one for trained in self.trained_ for one in trained.items)
        least = self.config.context_length + WARMUP
        return follow(
            Uncalibrated(self), prices.select(known), after=held_out_from, least=least, steps=self.steps
        )

    def predict(self, prices: PriceTable, horizon: int = 30, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The paths of `simulate`, with calibrate=true stretched by what the bands of past days have covered."""
        raw = self.simulate(prices, horizon, paths=paths, seed=seed)
        if self.following_ is None:
            return raw
        return self.following_.apply(Uncalibrated(self), prices, [timestamps(prices)[-1]], [raw])[0]

    def simulate(self, prices: PriceTable, horizon: int, *, paths: int, seed: int) -> Forecast:
        """`paths` price paths of `horizon` steps after the last row of each item, as the network gives them.

        `prices` may hold rows that `fit` has not seen: weights stay, the context moves on. Each item draws from a
        random stream of its own (seed and item id), so its paths do not depend on the items beside it.
        Raises `TooFewRows` for an item without a full context, `UsageError` for a horizon or paths under 1.
        """
        check_sizes(horizon, paths, seed)
        items = []
        for one in prices:
            trained = self._trained_on(one)
            check_context(one, self.config)
            check_columns(one, trained.simulator.spec)
            rng = np.random.default_rng([seed, zlib.crc32(one.item_id.encode())])
            simulated, density = trained.simulator.paths(one, horizon, paths, rng)
            items.append(
                ItemForecast(
                    item_id=one.item_id,
                    last_timestamp=one.timestamps[-1],
                    last_close=float(one.close[-1]),
                    timestamps=future_timestamps(one, horizon, prices.calendar),
                    paths=simulated,
                    density=density,
                    notes=prices.notes + one.notes + trained.notes + _stranger(one, trained),
                )
            )
        return Forecast(items=tuple(items), seed=seed)

    @property
    def losses(self) -> list[tuple[int, float, float]]:
        """(epoch, training loss, validation loss) of the first network."""
        return self._fitted()[0].record.losses

    @property
    def interrupted(self) -> bool:
        """Whether training was cut short by hand; its checkpoint then waits for a resume."""
        return any(trained.record.interrupted for trained in self._fitted())

    def fingerprint(self, prices: PriceTable) -> str:
        """Names these prices and settings: the same text means the same weights."""
        text = json.dumps([prices.data_hash(), self.config.model_dump(exclude={"device"})], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder` (JSON and safetensors, no code); raises `TrainingError` where it cannot."""
        tensors: dict[str, Tensor] = {}
        for number, trained in enumerate(self._fitted()):
            state = trained.simulator.network.state_dict()
            tensors |= {f"{number}.{name}": tensor for name, tensor in state.items()}
        document = {
            "config": self.config.model_dump(mode="json"),
            "data_hash": self.data_hash_,
            "gatecast": _version(),
            "networks": [describe(trained) for trained in self._fitted()],
            "calibration": None if self.following_ is None else self.following_.to_dict(),
        }
        save_model(Path(folder), tensors, document)

    @classmethod
    def load(cls, folder: Path | str) -> Forecaster:
        """The model saved in `folder`; raises `ModelError` where it is damaged, foreign or does not fit itself."""
        tensors, document = load_model(Path(folder))
        try:
            forecaster = cls(Config(**document["config"]))
            forecaster.data_hash_ = str(document["data_hash"])
            forecaster.trained_ = tuple(
                revive(described, number, tensors, forecaster.config)
                for number, described in enumerate(document["networks"])
            )
            forecaster.following_ = revived(document["calibration"])
            if not forecaster.trained_:
                raise ValueError("it describes no network")
        except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
            raise ModelError(
                f"a model's description must fit this gatecast; that in '{folder}' does not ({_short(error)}). "
                "Save the model again."
            ) from None
        return forecaster

    def _fitted(self) -> tuple[Trained, ...]:
        if not hasattr(self, "trained_"):
            raise UsageError(
                "a forecaster predicts after it was fitted; this one was not. Call fit(prices) first."
            )
        return self.trained_

    def _trained_on(self, series: PriceSeries) -> Trained:
        fitted = self._fitted()
        for trained in fitted:
            if series.item_id in trained.items:
                return trained
        if self.config.per_asset and len(fitted) > 1:
            raise UsageError(
                f"with per_asset=true each item has its network; '{series.item_id}' has none. Fit it."
            )
        return fitted[0]


def _stranger(series: PriceSeries, trained: Trained) -> tuple[str, ...]:
    if series.item_id in trained.items:
        return ()
    names = ", ".join(trained.items[:5]) + (" and others" if len(trained.items) > 5 else "")
    return (f"the network was trained on {names}; '{series.item_id}' is new to it",)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__


def _version() -> str:
    from gatecast.version import __version__

    return __version__
