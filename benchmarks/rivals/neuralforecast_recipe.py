"""The recipe in neuralforecast: its LSTM with seven past covariates, 64 windows an update."""

from __future__ import annotations

import logging
import math
import time
import warnings
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import HuberLoss
from neuralforecast.models import LSTM
from pytorch_lightning import Callback, LightningModule, Trainer

from rivals.recipe import BATCH, CONTEXT, DENSE, DROPOUT, FEATURES, HIDDEN, LAYERS, LEARNING_RATE, answer, rows

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


class Clock(Callback):
    """When each update ended; one list for all copies, because neuralforecast trains a copy of what it is given."""

    ends: ClassVar[list[float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def epoch(windows: int, epochs: int) -> dict[str, Any]:
    """Seconds of as many updates as an epoch has, after those of a first one."""
    features, target = rows(windows - 1)
    names = [f"x{number}" for number in range(1, FEATURES)]
    frame = pd.DataFrame(features[:, 1:], columns=names)
    frame["unique_id"], frame["y"] = "a", target
    frame["ds"] = pd.date_range("2000-01-01", periods=len(frame))
    updates = math.ceil(windows / BATCH)
    model = LSTM(
        h=1,
        input_size=CONTEXT,
        encoder_n_layers=LAYERS,
        encoder_hidden_size=HIDDEN,
        encoder_dropout=DROPOUT,
        decoder_hidden_size=DENSE[0],
        decoder_layers=len(DENSE),
        hist_exog_list=names,
        loss=HuberLoss(),
        learning_rate=LEARNING_RATE,
        max_steps=updates * (1 + epochs),
        batch_size=1,
        windows_batch_size=BATCH,
        scaler_type="identity",
        accelerator="cpu",
        callbacks=[Clock()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
    )
    NeuralForecast(models=[model], freq="D").fit(frame)
    ends = np.array(Clock.ends)[updates - 1 :: updates]
    return {"seconds": np.diff(ends).tolist()}


if __name__ == "__main__":
    answer({"epoch": epoch})
