"""The Forecaster: learns a network from prices, simulates what may come, and keeps both in a folder."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatecast.bounds import check_columns, check_context, check_sizes
from gatecast.config import Config
from gatecast.errors import ModelError, UsageError
from gatecast.features import FeatureSpec
from gatecast.forecast import Forecast, ItemForecast
from gatecast.nn.checkpoint import load_model, save_model
from gatecast.nn.network import Network, build, pick_device
from gatecast.nn.sampling import Shocks, Simulator, worth
from gatecast.nn.training import Progress, TrainingRecord, residuals, train
from gatecast.prices import PriceSeries, PriceTable
from gatecast.sessions import future_timestamps
from gatecast.windows import Scaler, assemble, learn_scaler, long_enough, split_timestamp

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network and all that gives its numbers meaning, as learned from the rows of `items`."""

    simulator: Simulator
    record: TrainingRecord
    items: tuple[str, ...]
    notes: tuple[str, ...]


class Forecaster:
    """An LSTM forecaster of prices: one network over all items of a table, or one each (`per_asset`).

    Follows the contract of every model here: `fit(prices)` learns, `predict(prices, horizon)` simulates paths from
    the last row of `prices` with what was learned. Attributes ending in `_` exist after `fit` or `load`.
    """

    def __init__(self, config: Config | None = None, *, name: str = "gatecast") -> None:
        self.config = config or Config()
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
            _learn(
                group,
                self.config,
                checkpoint=None if checkpoint is None else checkpoint / f"training-{number}.safetensors",
                fingerprint=self.fingerprint(prices),
                resume=resume,
                progress=progress,
            )
            for number, group in enumerate(groups)
        )
        return self

    def predict(self, prices: PriceTable, horizon: int = 30, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Simulate `paths` price paths of `horizon` steps after the last row of each item.

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
            "networks": [_describe(trained) for trained in self._fitted()],
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
                _revive(described, number, tensors, forecaster.config)
                for number, described in enumerate(document["networks"])
            )
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


def _learn(
    group: Sequence[PriceSeries],
    config: Config,
    *,
    checkpoint: Path | None,
    fingerprint: str,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> Trained:
    series = long_enough(group, config)
    spec = FeatureSpec.of(series, config)
    split = split_timestamp(series, config)
    scaler = learn_scaler(series, spec, split)
    panel = assemble(series, spec, scaler, config)
    network = build(config, len(spec.names), pick_device(config))
    record = train(
        network,
        panel,
        split,
        config,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        resume=resume,
        progress=progress,
    )
    error, rows = residuals(network, panel, split, config)
    foretold = panel.target[rows] - error
    shrunk = config.shrink and config.head == "point" and config.returns != "none"
    trust = worth(foretold, panel.target[rows]) if shrunk else 1.0
    shocks = Shocks.of(error + (1 - trust) * foretold, rows, panel, series, spec)
    return Trained(
        simulator=Simulator(
            network=network, config=config, spec=spec, scaler=scaler, shocks=shocks, trust=trust
        ),
        record=record,
        items=tuple(one.item_id for one in series),
        notes=_training_notes(record, len(group) - len(series), trust, config),
    )


def _training_notes(record: TrainingRecord, left_out: int, trust: float, config: Config) -> tuple[str, ...]:
    notes = list(record.notes)
    if trust < 1:
        notes.append(
            f"of the moves that the network foretold on its held-out days {trust:.0%} is borne out beyond doubt; its "
            "median moves by that share"
        )
    if record.interrupted:
        notes.append(
            f"training was interrupted after {len(record.losses)} of {config.epochs} epochs; the best so far, epoch "
            f"{record.best_epoch}, is used"
        )
    if left_out:
        notes.append(f"{left_out} items were too short to train on; the network learned from the others")
    return tuple(notes)


def _stranger(series: PriceSeries, trained: Trained) -> tuple[str, ...]:
    if series.item_id in trained.items:
        return ()
    names = ", ".join(trained.items[:5]) + (" and others" if len(trained.items) > 5 else "")
    return (f"the network was trained on {names}; '{series.item_id}' is new to it",)


def _describe(trained: Trained) -> dict[str, Any]:
    simulator, record = trained.simulator, trained.record
    return {
        "features": list(simulator.spec.names),
        "spec": asdict(simulator.spec),
        "scaler": {
            "mean": simulator.scaler.mean.tolist(),
            "std": simulator.scaler.std.tolist(),
            "levels": {item: list(level) for item, level in simulator.scaler.levels.items()},
        },
        "shocks": {name: values.tolist() for name, values in vars(simulator.shocks).items()},
        "trust": simulator.trust,
        "items": list(trained.items),
        "notes": list(trained.notes),
        "losses": record.losses,
        "best_epoch": record.best_epoch,
        "best_loss": record.best_loss,
    }


def _revive(
    described: Mapping[str, Any], number: int, tensors: Mapping[str, Tensor], config: Config
) -> Trained:
    spec = FeatureSpec(**described["spec"])
    if list(spec.names) != described["features"]:
        raise ValueError(f"features {described['features']} are not those of this version")
    network = _filled(number, tensors, config, len(spec.names))
    scaler = described["scaler"]
    simulator = Simulator(
        network=network,
        config=config,
        spec=spec,
        scaler=Scaler(
            mean=_vector(scaler["mean"], len(spec.names)),
            std=_vector(scaler["std"], len(spec.names)),
            levels={
                str(item): (float(level[0]), float(level[1])) for item, level in scaler["levels"].items()
            },
        ),
        trust=float(np.clip(_vector([described["trust"]])[0], 0, 1)),
        shocks=Shocks(**{name: _vector(values) for name, values in described["shocks"].items()}),
    )
    record = TrainingRecord(
        losses=[(int(epoch), float(loss), float(held_out)) for epoch, loss, held_out in described["losses"]],
        best_epoch=int(described["best_epoch"]),
        best_loss=float(described["best_loss"]),
    )
    return Trained(
        simulator=simulator,
        record=record,
        items=tuple(map(str, described["items"])),
        notes=tuple(map(str, described["notes"])),
    )


def _filled(number: int, tensors: Mapping[str, Tensor], config: Config, inputs: int) -> Network:
    """A network with the stored weights; their names and shapes are compared before any memory is taken."""
    import torch

    prefix = f"{number}."
    stored = {
        name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
    }
    with torch.device("meta"):
        wanted = Network(config, inputs).state_dict()
    if {name: tensor.shape for name, tensor in stored.items()} != {
        name: t.shape for name, t in wanted.items()
    }:
        raise ValueError("the weights do not fit the settings")
    # Trained on a GPU that is not here, a model runs where it can.
    network = build(
        config, inputs, pick_device(config if config.device == "cpu" else config.replace(device="auto"))
    )
    network.load_state_dict(stored)
    return network


def _vector(values: Sequence[float], length: int | None = None) -> np.ndarray:
    vector = np.array(values, dtype=np.float64)
    if vector.ndim != 1 or not np.isfinite(vector).all() or (length is not None and len(vector) != length):
        raise ValueError("a list of numbers has the wrong length or holds what is no number")
    return vector


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__


def _version() -> str:
    import gatecast

    return gatecast.__version__
