"""The recipe as people write it: Keras on TensorFlow, and a Python loop for Monte Carlo."""

from __future__ import annotations

import sys
import time
from typing import Any

import keras
import numpy as np
import pandas as pd

from rivals.recipe import (
    BATCH,
    CONTEXT,
    DENSE,
    DROPOUT,
    FEATURES,
    HIDDEN,
    LAYERS,
    LEARNING_RATE,
    PROGRESS,
    answer,
    rows,
    windows_of,
)


def build(*, dropout: float = DROPOUT, seed: int = 0) -> keras.Model:
    """The compiled network."""
    keras.utils.set_random_seed(seed)
    layers: list[keras.Layer] = [keras.Input((CONTEXT, FEATURES))]
    for depth in range(LAYERS):
        layers += [keras.layers.LSTM(HIDDEN, return_sequences=depth + 1 < LAYERS), keras.layers.Dropout(dropout)]
    layers += [keras.layers.Dense(width, activation="relu") for width in DENSE]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss=keras.losses.Huber(delta=1.0))
    return model


class Clock(keras.callbacks.Callback):
    """Seconds since the start at the end of each epoch."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start."""
        self.began, self.ends = time.perf_counter(), []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note the time; tell it now and then."""
        self.ends.append(time.perf_counter() - self.began)
        if len(self.ends) % 10 == 0:
            print(f"{PROGRESS}keras, epoch {len(self.ends)}", file=sys.stderr, flush=True)


def epoch(windows: int, epochs: int, policy: str = "float32") -> dict[str, Any]:
    """Seconds of each epoch after the first; `policy` says how precise layers compute, such as mixed_bfloat16."""
    keras.config.set_dtype_policy(policy)
    inputs, target = windows_of(*rows(windows - 1))
    clock = Clock()
    build().fit(inputs, target, batch_size=BATCH, epochs=1 + epochs, verbose=0, callbacks=[clock])
    return {"seconds": np.diff(clock.ends).tolist()}


def quality(path: str, epochs: int) -> dict[str, Any]:
    """The 100 epochs with the last 10% held out: validation loss and seconds since the start, by epoch."""
    with np.load(path) as data:
        inputs, target, share = data["windows"], data["targets"][:, None], float(data["validation"])
    clock = Clock()
    fitted = build().fit(
        inputs, target, batch_size=BATCH, epochs=epochs, validation_split=share, verbose=0, callbacks=[clock]
    )
    return {"seconds": clock.ends, "losses": fitted.history["val_loss"]}


def loop(path: str, runs: int, days: int) -> dict[str, Any]:
    """The recipe's Monte Carlo: for each run and each day all features anew, one window, one call."""
    prices = pd.read_csv(path)
    model = build()
    scale = features_of(prices).agg(["mean", "std"])
    model(np.zeros((1, CONTEXT, FEATURES), np.float32), training=True)  # the first call builds
    began = time.perf_counter()
    for _ in range(runs):
        path_so_far = prices.copy()
        for _ in range(days):
            scaled = (features_of(path_so_far) - scale.loc["mean"]) / scale.loc["std"]
            window = scaled.to_numpy(np.float32)[None, -CONTEXT:]
            move = float(model(window, training=True)[0, 0]) * 0.01
            last = path_so_far.iloc[-1]
            close = last["close"] * np.exp(move)
            spread = (last["high"] - last["low"]) / last["close"] * close / 2
            row = {"close": close, "high": close + spread, "low": close - spread, "volume": last["volume"]}
            path_so_far = pd.concat([path_so_far, pd.DataFrame([row])], ignore_index=True)
    return {"seconds": time.perf_counter() - began, "runs": runs, "days": days}


def features_of(prices: pd.DataFrame) -> pd.DataFrame:
    """The eight features of gatecast's table, in pandas, over the whole history."""
    close = prices["close"]
    returns = np.log(close).diff()
    mean, std = close.rolling(20).mean(), close.rolling(20).std()
    gain = returns.clip(lower=0).ewm(alpha=1 / 14).mean()
    loss = (-returns.clip(upper=0)).ewm(alpha=1 / 14).mean()
    volume = np.log1p(prices["volume"])
    columns = {
        "log_return": returns,
        "log_volatility": np.log(returns.pow(2).ewm(alpha=0.06).mean() + 1e-12),
        "sma_20_ratio": close / mean - 1,
        "macd": close.ewm(span=12).mean() / close - close.ewm(span=26).mean() / close,
        "rsi": gain / (gain + loss + 1e-12),
        "bollinger": (close - mean + 2 * std) / (4 * std + 1e-12),
        "log_range": np.log((prices["high"] / prices["low"]).clip(lower=1.0001) - 1),
        "volume_z": (volume - volume.rolling(20).mean()) / (volume.rolling(20).std() + 1e-12),
    }
    return pd.DataFrame(columns).fillna(0.0)


if __name__ == "__main__":
    answer({"epoch": epoch, "quality": quality, "loop": loop})
