"""The wide panel in neuralforecast: its LSTM on the log returns of all assets, 64 windows an update.

Its direct network learns one target a window. Its recurrent one (`recurrent=True`, `h_train`) learns a target at each
of the last steps, but is another network: torch's LSTM with a projection to one number, which is all that a layer
hands on from step to step.

An update draws its windows from those of `batch_size` assets, 32 unless told: it lays out every window of theirs, and
takes 64. With one asset an update there is the least to lay out, and the least variety in what is learned from.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import HuberLoss
from neuralforecast.models import LSTM
from pytorch_lightning import Callback, LightningModule, Trainer

from rivals.panel import SEQUENCE, SHAPES, WARM, WAYS, Clock, Shape, returns
from rivals.recipe import BATCH, CONTEXT, LEARNING_RATE, answer

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


class Ticks(Callback):
    """Tells the clock of each update; one for all copies, for neuralforecast trains a copy."""

    clock: ClassVar[Clock]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """An update has ended."""
        Ticks.clock.tick()


def train(path: str, updates: dict[str, int], assets: list[int], precision: str = "32-true") -> dict[str, Any]:
    """Seconds of so many updates of each network, from so many assets each; `precision` as Lightning has it."""
    frame = frame_of(returns(path))
    found = {}
    for name, timed in updates.items():
        for way in WAYS:
            for count in assets:
                model = network(SHAPES[name], way, count, WARM + timed, precision)
                Ticks.clock = Clock(updates=timed)
                NeuralForecast(models=[model], freq=1).fit(frame)
                targets = BATCH * (1 if way == "windows" else SEQUENCE - CONTEXT)
                found[f"{name}, {way}, {count}"] = Ticks.clock.found(targets)
    return found


def network(shape: Shape, way: str, assets: int, updates: int, precision: str) -> LSTM:
    """A network of this shape, untrained."""
    ways = {"recurrent": True, "h_train": SEQUENCE - CONTEXT} if way == "steps" else {}
    return LSTM(
        h=1,
        input_size=CONTEXT,
        encoder_n_layers=shape.layers,
        encoder_hidden_size=shape.hidden,
        encoder_dropout=shape.dropout,
        decoder_hidden_size=shape.dense[0] if shape.dense else shape.hidden,
        decoder_layers=max(1, len(shape.dense)),
        loss=HuberLoss(),
        learning_rate=LEARNING_RATE,
        max_steps=updates,
        batch_size=assets,
        windows_batch_size=BATCH,
        scaler_type="identity",
        accelerator="cpu",
        precision=precision,
        callbacks=[Ticks()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        **ways,
    )


def frame_of(moves: list[np.ndarray]) -> pd.DataFrame:
    """The long table that neuralforecast reads."""
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"A{number:04d}" for number in range(len(moves))], [len(move) for move in moves]),
            "ds": np.concatenate([np.arange(len(move)) for move in moves]),
            "y": np.concatenate(moves),
        }
    )


if __name__ == "__main__":
    answer({"train": train})
