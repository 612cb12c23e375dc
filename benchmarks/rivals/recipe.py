"""The reference recipe's sizes and data, one definition for gatecast and every rival; and how a rival answers.

LSTM 3 x 128, dropout 0.2 after each, dense 64-32-1 with ReLU, Huber, Adam, batch 64, windows of 60 x 8.

A rival is a program: in `benchmarks`, `python -m rivals.torch_recipe epoch '{"windows": 1000, "epochs": 2}'` prints
one line of JSON. Each runs in a process of its own, so that no library's threads or memory spoil another's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

CONTEXT, FEATURES = 60, 8
LAYERS, HIDDEN, DROPOUT, DENSE = 3, 128, 0.2, (64, 32)
BATCH, LEARNING_RATE = 64, 1e-3
PROGRESS = "progress: "  # begins a line of standard error that is passed on

Task = Callable[..., dict[str, Any]]


def rows(windows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random features (row, feature) and targets (row,), float32, enough for so many windows end to end."""
    rng = np.random.default_rng(seed)
    count = windows + CONTEXT
    features = rng.standard_normal((count, FEATURES)).astype(np.float32)
    target = (0.3 * features[:, 0] + rng.standard_normal(count)).astype(np.float32)
    return features, target


def windows_of(features: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every window (window, time, feature), copied as the recipe does, and the target of its last row (window, 1)."""
    views = np.lib.stride_tricks.sliding_window_view(features, CONTEXT, axis=0)
    return np.ascontiguousarray(views.transpose(0, 2, 1)), target[CONTEXT - 1 :, None]


def flops(windows: int) -> float:
    """Floating point operations of one training epoch: two a weight and step, and twice that for the way back."""
    step, width = 0, FEATURES
    for _ in range(LAYERS):
        step += 2 * 4 * HIDDEN * (width + HIDDEN)
        width = HIDDEN
    dense = 0
    for following in (*DENSE, 1):
        dense += 2 * width * following
        width = following
    return 3.0 * windows * (CONTEXT * step + dense)


def answer(tasks: Mapping[str, Task]) -> None:
    """Run the task named on the command line with the settings given there, and print what it found."""
    name, settings = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(tasks[name](**settings)))
