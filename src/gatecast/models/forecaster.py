"""The Forecaster: one class for every network; learns from prices, simulates what may come, keeps both in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gatecast.calibration.bands import HORIZON
from gatecast.calibration.online import OnlineCalibration, calibrate, revived, timestamps
from gatecast.calibration.walked import WalkedDays, WalkedNetwork
from gatecast.config import Config
from gatecast.errors import ModelError, UsageError, check_path, check_type, check_whole
from gatecast.features.indicators import CLOSES
from gatecast.forecast import Forecast
from gatecast.model import Request
from gatecast.models.base import BaseNetworks
from gatecast.models.choice import Choice, choose
from gatecast.models.rivals import RivalModels
from gatecast.models.shipped import fitting, shipped
from gatecast.models.trained_networks import TrainedNetworks
from gatecast.nn.model_files import load_model, save_model
from gatecast.nn.parallel import side_by_side
from gatecast.nn.together import ALONE, Group
from gatecast.nn.training.loop import Checkpoint, Progress
from gatecast.notes import Note
from gatecast.prices import PriceTable, check_prices
from gatecast.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

Networks = TrainedNetworks | BaseNetworks
MAX_CELLS = 100_000_000  # paths x (window + horizon) of one item: 0.8 GB of prices, a few times that at work
_KINDS: Mapping[str, type[Networks]] = {kind.kind: kind for kind in (TrainedNetworks, BaseNetworks)}


class Forecaster:
    """An LSTM forecaster of prices: a network trained on them, or the base network, as `Config.start` has it.

    Without a `config` it takes the preset `default`, as the command does.

    Follows the contract of every model here: `fit(prices)` chooses the network once (`models.choice`) and learns,
    `predict(prices, horizon)` simulates paths from the last row of `prices` with what was learned. With calibrate=true
    the first `steps` steps of a forecast are calibrated each by itself, and the last one's stretch falls beyond. With
    combine=true their quantiles are averaged with those of GARCH, HAR and EWMA before.
    Attributes ending in `_` exist after `fit` or `load`.

    >>> Forecaster(Config.from_preset("base")).config.start
    'base'
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        name: str = "gatecast",
        steps: int = HORIZON,
        choice: Choice | None = None,
        walked: WalkedDays | None = None,
    ) -> None:
        """`choice` is taken in place of one by the prices; `walked` keeps the past days that calibration walks over."""
        if config is not None:
            check_type("config", config, Config, 'Make one with Config.from_preset("quick").')
        check_whole("steps", steps, least=1, example=HORIZON)
        check_type("name", name, str, "Give a text.")
        given = Config.from_preset() if config is None else config
        self.config = given if choice is None else choice.config
        self.steps = steps
        self.name = name
        self.choice = choice
        self.walked_ = WalkedDays() if walked is None else walked
        # A file's name holds its hash: a stored fold is not taken for that of a network remade in the same place.
        folders = [] if self.config.start == "scratch" else shipped()
        if choice is not None and choice.folder is not None:
            folders = [choice.folder]
        self.weights = [path.name for folder in folders for path in folder.glob("weights-*.safetensors")]

    def fit(
        self,
        prices: PriceTable,
        *,
        checkpoint: Path | str | None = None,
        resume: bool = False,
        progress: Callable[[Progress], None] | None = None,
        together: Group = ALONE,
    ) -> Forecaster:
        """Learn from every row of `prices`; returns self.

        `checkpoint` is a folder that holds the state of a training after each epoch; `resume` goes on from it. Where
        processes train a network `together`, each calls this with the same arguments and its own place in the group.
        Raises `TooFewRows`, `DataError` or `TrainingError` with one line.
        """
        check_prices(prices)
        if checkpoint is not None:
            check_path("checkpoint", checkpoint)
        choice = self.choice_ = self.choice or choose(self.config, prices)
        self.data_hash_ = prices.data_hash()
        state = None if checkpoint is None else Checkpoint(Path(checkpoint), self.fingerprint(prices), resume)
        networks: Networks
        if choice.folder is not None:
            networks = BaseNetworks.learn(prices, choice.config, choice.folder)
            if networks.adaptation is not None and not networks.adaptation.kept:  # judged as what it is
                self.choice_ = replace(choice, config=choice.config.replace(start="base"))
        else:
            networks = TrainedNetworks.learn(prices, choice.config, state, progress, together)
        self._hold(networks, choice.notes)
        self.calibration_: OnlineCalibration | None = None
        if self.config.calibrate:  # a walk over days that the network has not learned from
            known = prices if networks.items is None else prices.select(networks.items)
            self.calibration_ = calibrate(
                self.source_,
                known,
                after=networks.until,
                least=networks.least,
                steps=self.steps,
                rivals=RivalModels() if self.config.combined else None,
            )
        return self

    def predict(self, prices: PriceTable, horizon: int = 30, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Simulate `paths` price paths of `horizon` steps after the last row of each item.

        `prices` may hold rows that `fit` has not seen: weights stay, the context moves on. Raises `TooFewRows` for an
        item with too few rows for the network, `UsageError` for a horizon or paths under 1.
        """
        check_prices(prices)
        check_sizes(horizon, paths, seed)
        last = [timestamps(prices)[-1]]
        (forecast,) = self.predict_at(prices, Request(cutoffs=last, horizon=horizon, paths=paths, seeds=[seed]))
        return forecast

    def predict_at(
        self, prices: PriceTable, request: Request, items: Sequence[str] | None = None
    ) -> Iterator[Forecast]:
        """`predict(prices.until(cutoff))` for each cutoff, many in one batch, each as it is asked for.

        Of the table these `items` alone, if given: the others count in what is known of past bands, not as a market.
        """
        self._check_fitted()
        forecasts = self._raw(prices if items is None else prices.select(tuple(items)), request)
        if self.calibration_ is not None:
            forecasts = self.calibration_.apply(self.source_, prices, request.cutoffs, forecasts)
        for forecast in forecasts:
            if not all(np.isfinite(item.paths).all() for item in forecast):
                raise ModelError(
                    "simulated prices are finite; the weights of this network give others. Train it again."
                )
            yield forecast.noted(*self.notes_)
            del forecast  # before the next is made

    def _raw(self, prices: PriceTable, request: Request) -> Iterator[Forecast]:
        """What the networks say, each forecast no longer held here: the paths of a large table are hundreds of MB."""
        for block in request.blocks(len(prices)):
            forecasts = self.networks_.predict_at(prices, block)
            while forecasts:
                yield forecasts.pop(0)

    @property
    def learns(self) -> bool:
        """Whether `fit` trains weights; the base network as it comes learns nothing but its calibration."""
        return self.config.start != "base"

    def knows_past_of(self, prices: PriceTable) -> bool:
        """Whether it tells what was known of its bands at days of these prices: it was fitted on them, not loaded."""
        if not hasattr(self, "networks_") or self.data_hash_ != prices.data_hash():
            return False
        return self.calibration_ is None or bool(self.calibration_.past)

    @property
    def losses(self) -> list[tuple[int, float, float]]:
        """(epoch, training loss, held-out loss) of the training or adaptation; empty where there was none."""
        self._check_fitted()
        return self.networks_.losses

    @property
    def interrupted(self) -> bool:
        """Whether training was cut short by hand; its checkpoint then waits for a resume."""
        self._check_fitted()
        return self.networks_.interrupted

    def fingerprint(self, prices: PriceTable) -> str:
        """Names these prices and settings: the same text means the same weights."""
        text = json.dumps([prices.data_hash(), self.config.model_dump(exclude={"device"})], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def tensors(self) -> dict[str, Tensor]:
        """Every weight by name, the number of its network first."""
        self._check_fitted()
        return self.networks_.tensors()

    def save(self, folder: Path | str) -> None:
        """Write the model to `folder` (JSON and safetensors, no code); raises `TrainingError` where it cannot.

        The document holds `kind` ("trained" or "base"), `config`, `data_hash`, `gatecast` (the version), `choice`
        (notes on why this network), `calibration`, and what `to_dict` of its networks gives.
        """
        self._check_fitted()
        check_path("folder", folder)
        document = {
            "kind": self.networks_.kind,
            "config": self.config.model_dump(mode="json"),
            "data_hash": self.data_hash_,
            "gatecast": __version__,
            "choice": [note.text for note in self.choice_notes_],
            "calibration": None if self.calibration_ is None else self.calibration_.to_dict(),
            **self.networks_.to_dict(),
        }
        save_model(Path(folder), self.tensors(), document)

    @classmethod
    def load(cls, folder: Path | str, *, walked: WalkedDays | None = None) -> Forecaster:
        """The model saved in `folder`; raises `ModelError` where it is damaged, foreign or does not fit itself.

        `walked` as a `Forecaster` takes it.
        """
        check_path("folder", folder)
        tensors, document = load_model(Path(folder))
        with fitting(folder):
            config = Config(**document["config"])
            networks = _KINDS[document["kind"]].from_dict(document, tensors, config)
            forecaster = cls(config, walked=walked)
            forecaster.data_hash_ = str(document["data_hash"])
            forecaster._hold(networks, tuple(Note("model", str(text)) for text in document["choice"]))
            forecaster.calibration_ = revived(document["calibration"], RivalModels() if config.combined else None)
            forecaster.choice_ = Choice(config=config)
            if isinstance(networks, BaseNetworks):  # a saved base network is judged and used as it is
                as_it_is = config.replace(start="base")
                forecaster.choice_ = Choice(config=as_it_is, folder=Path(folder), until=networks.until)
        return forecaster

    def _hold(self, networks: Networks, choice_notes: tuple[Note, ...]) -> None:
        self.networks_ = networks
        self.choice_notes_ = choice_notes
        self.notes_ = choice_notes + (networks.notes if isinstance(networks, BaseNetworks) else ())
        self.source_ = WalkedNetwork(
            network=networks, days=self.walked_, identity=self._identity(networks), side_by_side=side_by_side
        )

    def _identity(self, networks: Networks) -> str:
        """Names weights and settings: networks of the same name make the same forecasts."""
        digest = hashlib.sha256(json.dumps([networks.kind, networks.settings()], sort_keys=True).encode())
        for name, tensor in sorted(networks.tensors().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
        return digest.hexdigest()

    def _check_fitted(self) -> None:
        if not hasattr(self, "networks_"):
            raise UsageError("a forecaster predicts after it was fitted; this one was not. Call fit(prices) first.")


def check_sizes(horizon: int, paths: int, seed: int = 0) -> None:
    """Refuse a horizon, a number of paths or a seed that cannot be simulated."""
    check_whole("horizon", horizon, least=1, example=30)
    check_whole("paths", paths, least=1, example=1000)
    check_whole("seed", seed, least=0, example=0)
    cells = paths * (horizon + CLOSES)
    if cells > MAX_CELLS:
        raise UsageError(
            f"paths x (horizon + {CLOSES} rows of history) is at most {MAX_CELLS:,}; got {cells:,}. Ask for fewer."
        )
