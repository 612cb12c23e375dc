"""The wide panel in Darts: BlockRNNModel learns one target a window, RNNModel one at every step."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from darts import TimeSeries
from darts.models import BlockRNNModel, RNNModel
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from rivals.panel import SEQUENCE, SHAPES, WARM, WAYS, Clock, Shape, returns
from rivals.recipe import BATCH, CONTEXT, LEARNING_RATE, answer

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


class Ticks(Callback):
    """Tells the clock of each update."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """An update has ended."""
        self.clock.tick()


def train(path: str, updates: dict[str, int], precision: str = "32-true") -> dict[str, Any]:
    """Seconds of so many updates of each network; `precision` as Lightning has it."""
    series = [TimeSeries.from_values(move[:, None]) for move in returns(path)]
    found = {}
    for name, timed in updates.items():
        for way in WAYS:
            clock = Clock(updates=timed)
            network(SHAPES[name], way, clock, precision).fit(series)
            found[f"{name}, {way}"] = clock.found(BATCH * (1 if way == "windows" else SEQUENCE))
    return found


def network(shape: Shape, way: str, clock: Clock, precision: str) -> BlockRNNModel | RNNModel:
    """A network of this shape, untrained."""
    settings: dict[str, Any] = {
        "input_chunk_length": CONTEXT,
        "model": "LSTM",
        "hidden_dim": shape.hidden,
        "n_rnn_layers": shape.layers,
        "dropout": shape.dropout,
        "batch_size": BATCH,
        "n_epochs": 1,
        "loss_fn": nn.HuberLoss(),
        "optimizer_kwargs": {"lr": LEARNING_RATE},
        "random_state": 0,
        "pl_trainer_kwargs": {
            "accelerator": "cpu",
            "precision": precision,
            "callbacks": [Ticks(clock)],
            "limit_train_batches": WARM + clock.updates,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
            "logger": False,
        },
    }
    if way == "windows":
        return BlockRNNModel(
            output_chunk_length=1, hidden_fc_sizes=list(shape.dense) or None, activation="ReLU", **settings
        )
    return RNNModel(training_length=SEQUENCE, **settings)


if __name__ == "__main__":
    answer({"train": train})
