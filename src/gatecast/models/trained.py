"""What training makes: a network and all that gives its numbers meaning; learned, described as JSON, and revived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gatecast.config import Config
from gatecast.features.indicators import FeatureSpec
from gatecast.features.windows import Scaler, assemble, learn_scaler, long_enough, split_timestamp
from gatecast.nn.network import Network, build, pick_device
from gatecast.nn.sampling.recipe import Shocks, Simulator, worth
from gatecast.nn.training.loop import Progress, TrainingRecord, residuals, train
from gatecast.prices import PriceSeries, stamp_text

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network and all that gives its numbers meaning, as learned from the rows of `items`."""

    simulator: Simulator
    record: TrainingRecord
    items: tuple[str, ...]
    notes: tuple[str, ...]
    until: np.datetime64  # the last day whose target it learned from; later ones were held out


def learn(
    group: Sequence[PriceSeries],
    config: Config,
    *,
    checkpoint: Path | None,
    fingerprint: str,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> Trained:
    """Train a network on the items of `group` that are long enough; the rest of the arguments as `train` has them."""
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
        until=split,
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


def describe(trained: Trained) -> dict[str, Any]:
    """All but the weights, as plain types for JSON."""
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
        "until": stamp_text(trained.until),
    }


def revive(
    described: Mapping[str, Any], number: int, tensors: Mapping[str, Tensor], config: Config
) -> Trained:
    """What `describe` wrote with the `number`th network's weights; raises `ValueError` where they do not fit."""
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
        until=pd.Timestamp(described["until"]).as_unit("ns").to_datetime64(),
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
