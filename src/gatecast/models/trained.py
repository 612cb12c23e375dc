"""One network trained on the user's own prices, and all that gives its numbers meaning: learned, described, revived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.config import Config
from gatecast.features.indicator_windows import Indicators
from gatecast.features.indicators import FeatureSpec, log_range, log_volume, volatility, windows_of
from gatecast.features.targets import CLIP, Scaler
from gatecast.features.windows import Panel, assemble, learn_scaler, long_enough, split_timestamp
from gatecast.models.shipped import tensors_at
from gatecast.nn.network import Network, build, own_memory, pick_device
from gatecast.nn.next_day import HeldOutDays, shrinkage_of
from gatecast.nn.sampling.sampler import PathModel
from gatecast.nn.together import ALONE, Group
from gatecast.nn.training.loop import Checkpoint, Progress, TrainingRecord
from gatecast.nn.training.recipe import residuals, train_recipe
from gatecast.notes import Note
from gatecast.prices import PriceSeries, stamp_text
from gatecast.text import counted

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network and all that gives its numbers meaning, as learned from the rows of `items`."""

    network: Network
    features: Indicators
    config: Config
    record: TrainingRecord
    items: tuple[str, ...]
    notes: tuple[Note, ...]
    until: np.datetime64  # the last day whose target it learned from; later days were held out

    @property
    def model(self) -> PathModel:
        """What its paths are made of."""
        mc_dropout, noise = self.config.mc_dropout, self.config.noise != "none"
        return PathModel(networks=(self.network,), features=self.features, mc_dropout=mc_dropout, noise=noise)

    @property
    def held_out(self) -> HeldOutDays:
        """The days that its paths resample."""
        assert self.network.held_out is not None
        return self.network.held_out


def learn(
    group: Sequence[PriceSeries],
    config: Config,
    checkpoint: Checkpoint | None,
    progress: Callable[[Progress], None] | None,
    together: Group = ALONE,
) -> Trained:
    """Train a network on the items of `group` that are long enough; the rest of the arguments as `train` has them."""
    series = long_enough(group, config)
    spec = FeatureSpec.of(series, config)
    split = split_timestamp(series, config)
    scaler = learn_scaler(series, spec, split)
    panel = assemble(series, spec, scaler, config)
    network = build(config, len(spec.names), pick_device(config))
    record = train_recipe(network, panel, split, config, checkpoint=checkpoint, progress=progress, group=together)
    own_memory(network)
    error, rows = residuals(network, panel, split, config)
    predicted = panel.target[rows] - error
    shrunk = config.shrink and config.head == "point" and config.returns != "none"
    shrinkage = shrinkage_of(predicted, panel.target[rows]) if shrunk else 1.0
    network.held_out = _held_out_days(error + (1 - shrinkage) * predicted, rows, panel, series, spec, shrinkage)
    return Trained(
        network=network,
        features=Indicators(spec=spec, scaler=scaler, context_length=config.context_length),
        config=config,
        record=record,
        items=tuple(item.item_id for item in series),
        until=split,
        notes=_training_notes(record, len(group) - len(series), shrinkage, config),
    )


def _held_out_days(
    error: Float[np.ndarray, " held_out"],
    rows: np.ndarray,
    panel: Panel,
    series: Sequence[PriceSeries],
    spec: FeatureSpec,
    shrinkage: float,
) -> HeldOutDays:
    """What the held-out rows did; errors centred, so that the network alone decides the drift."""
    range_ratio, volume_ratio = np.zeros(len(panel.target)), np.zeros(len(panel.target))
    for first, item in zip(panel.first_rows, series, strict=True):
        here = slice(first, first + len(item) - 1)  # row t holds what day t + 1 did
        if spec.has_range:
            range_ratio[here] = log_range(item)[1:] - np.log(volatility(item.close))[:-1]
        if spec.has_volume:
            logs = log_volume(item)
            volume_ratio[here] = logs[1:] - windows_of(logs)[:-1, -20:].mean(axis=1)
    return HeldOutDays(
        error=np.clip(error - error.mean(), -CLIP, CLIP),
        range_ratio=range_ratio[rows],
        volume_ratio=volume_ratio[rows],
        shrinkage=shrinkage,
    )


def _training_notes(record: TrainingRecord, left_out: int, shrinkage: float, config: Config) -> tuple[Note, ...]:
    texts = []
    if shrinkage == 0:
        texts.append(
            "held-out days show no evidence that the network predicts direction; its drift is switched off "
            "(shrinkage 0%)"
        )
    elif shrinkage < 1:
        texts.append(
            f"held-out days confirm {shrinkage:.0%} of the moves that the network predicts; its drift is shrunk to "
            "that share"
        )
    if record.interrupted:
        texts.append(
            f"training was interrupted after {len(record.losses)} of {config.epochs} epochs; the best epoch so far, "
            f"{record.best_epoch}, is used"
        )
    if left_out:
        texts.append(f"{counted(left_out, 'item')} had too few rows to train on; the network learned from the others")
    return (*record.notes, *(Note("model", text) for text in texts))


def describe(trained: Trained) -> dict[str, Any]:
    """All but the weights, as plain types for JSON."""
    spec, scaler, record, held_out = (trained.features.spec, trained.features.scaler, trained.record, trained.held_out)
    return {
        "features": list(spec.names),
        "spec": asdict(spec),
        "scaler": {
            "mean": scaler.mean.tolist(),
            "std": scaler.std.tolist(),
            "levels": {item: list(level) for item, level in scaler.levels.items()},
        },
        "held_out": {name: getattr(held_out, name).tolist() for name in _HELD_OUT},
        "shrinkage": held_out.shrinkage,
        "items": list(trained.items),
        "notes": [note.text for note in trained.notes],
        "losses": record.losses,
        "best_epoch": record.best_epoch,
        "best_loss": record.best_loss,
        "until": stamp_text(trained.until),
    }


_HELD_OUT = ("error", "range_ratio", "volume_ratio")


def revive(described: Mapping[str, Any], number: int, tensors: Mapping[str, Tensor], config: Config) -> Trained:
    """What `describe` wrote with the `number`th network's weights; raises `ValueError` where they do not fit."""
    kinds = {name: tuple(map(str, described["spec"].get(name, ()))) for name in ("event_kinds", "valued_kinds")}
    spec = FeatureSpec(**{**described["spec"], **kinds})
    if list(spec.names) != described["features"]:
        raise ValueError(f"features {described['features']} are not those of this version")
    network = _filled(number, tensors, config, len(spec.names))
    count = len(described["held_out"]["error"])
    scaler, until = described["scaler"], pd.Timestamp(described["until"])
    levels = {str(item): _vector(level, 2) for item, level in scaler["levels"].items()}
    if not count or pd.isna(until) or not isinstance(described["items"], list):
        raise ValueError("it names no held-out days, no last day or no items")
    if not all(spread > 0 for spread in (*_vector(scaler["std"]), *(level[1] for level in levels.values()))):
        raise ValueError("a scale must be above 0")
    network.held_out = HeldOutDays(
        **{name: _vector(described["held_out"][name], count) for name in _HELD_OUT},
        shrinkage=float(np.clip(_vector([described["shrinkage"]])[0], 0, 1)),
    )
    features = Indicators(
        spec=spec,
        scaler=Scaler(
            mean=_vector(scaler["mean"], len(spec.names)),
            std=_vector(scaler["std"], len(spec.names)),
            levels={item: (float(level[0]), float(level[1])) for item, level in levels.items()},
        ),
        context_length=config.context_length,
    )
    record = TrainingRecord(
        losses=[(int(epoch), float(loss), float(held_out)) for epoch, loss, held_out in described["losses"]],
        best_epoch=int(described["best_epoch"]),
        best_loss=float(described["best_loss"]),
    )
    return Trained(
        network=network,
        features=features,
        config=config,
        record=record,
        items=tuple(map(str, described["items"])),
        until=until.as_unit("ns").to_datetime64(),
        notes=tuple(Note("model", str(text)) for text in described["notes"]),
    )


def _filled(number: int, tensors: Mapping[str, Tensor], config: Config, inputs: int) -> Network:
    """A network with the stored weights; their names and shapes are compared before any memory is taken."""
    import torch

    stored = tensors_at(tensors, number)
    with torch.device("meta"):
        wanted = Network(config, inputs).state_dict()
    if {name: tensor.shape for name, tensor in stored.items()} != {name: t.shape for name, t in wanted.items()}:
        raise ValueError("the weights do not fit the settings")
    # Trained on a GPU that is not here, a model runs where it can.
    network = build(config, inputs, pick_device(config if config.device == "cpu" else config.replace(device="auto")))
    network.load_state_dict(stored)
    return network


def _vector(values: Sequence[float], length: int | None = None) -> np.ndarray:
    vector = np.array(values, dtype=np.float64)
    if vector.ndim != 1 or not np.isfinite(vector).all() or (length is not None and len(vector) != length):
        raise ValueError("a list of numbers has the wrong length or holds what is no number")
    return vector
