"""The recipe in Darts: a BlockRNN for the epoch; BlockRNN and RNNModel for sampling.

Darts has no Monte Carlo dropout inside its recurrent networks (`mc_dropout=True` is refused there), so its paths are
drawn from a Gaussian likelihood. That is less work than a mask for every path, and counts in its favour.
"""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

import numpy as np
from darts import TimeSeries
from darts.models import BlockRNNModel, RNNModel
from darts.utils.likelihood_models.torch import GaussianLikelihood, TorchLikelihood
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from rivals.recipe import BATCH, CONTEXT, DENSE, DROPOUT, HIDDEN, LAYERS, LEARNING_RATE, answer, rows

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


class Clock(Callback):
    """When each epoch began and ended."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start."""
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.began)


def quiet(clock: Clock) -> dict[str, Any]:
    """A trainer that writes nothing and runs on the processor."""
    return {
        "accelerator": "cpu",
        "callbacks": [clock],
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }


def block(clock: Clock, epochs: int, ahead: int, likelihood: TorchLikelihood | None = None) -> BlockRNNModel:
    """The recipe's network, `ahead` steps at a stroke."""
    return BlockRNNModel(
        input_chunk_length=CONTEXT,
        output_chunk_length=ahead,
        model="LSTM",
        hidden_dim=HIDDEN,
        n_rnn_layers=LAYERS,
        hidden_fc_sizes=list(DENSE),
        activation="ReLU",
        dropout=DROPOUT,
        batch_size=BATCH,
        n_epochs=epochs,
        loss_fn=None if likelihood else nn.HuberLoss(),
        likelihood=likelihood,
        optimizer_kwargs={"lr": LEARNING_RATE},
        pl_trainer_kwargs=quiet(clock),
        random_state=0,
    )


def epoch(windows: int, epochs: int) -> dict[str, Any]:
    """Seconds of each epoch after the first; Darts makes one window for each step that can be predicted."""
    features, target = rows(windows)
    clock = Clock()
    model = block(clock, 1 + epochs, 1)
    model.fit(TimeSeries.from_values(target[:, None]), past_covariates=TimeSeries.from_values(features[:, 1:]))
    return {"seconds": clock.seconds[1:]}


def sample(runs: int, days: int, tries: int) -> dict[str, Any]:
    """Median seconds to draw so many paths: all days at a stroke, and day by day with the state carried."""
    series = TimeSeries.from_values(rows(300)[0])
    carried = RNNModel(
        input_chunk_length=CONTEXT,
        training_length=CONTEXT + days,
        model="LSTM",
        hidden_dim=HIDDEN,
        n_rnn_layers=LAYERS,
        dropout=DROPOUT,
        batch_size=BATCH,
        n_epochs=1,
        likelihood=GaussianLikelihood(),
        pl_trainer_kwargs=quiet(Clock()),
        random_state=0,
    )
    found = {}
    for name, model in (("BlockRNN", block(Clock(), 1, days, GaussianLikelihood())), ("RNNModel", carried)):
        model.fit(series)
        seconds = []
        for _ in range(1 + tries):
            began = time.perf_counter()
            model.predict(n=days, num_samples=runs, verbose=False)
            seconds.append(time.perf_counter() - began)
        found[name] = float(np.median(seconds[1:]))
    return {"seconds": found}


if __name__ == "__main__":
    answer({"epoch": epoch, "sample": sample})
