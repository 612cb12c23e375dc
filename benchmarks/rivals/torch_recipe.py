"""The recipe in plain torch: `nn.LSTM` with three layers, a data loader, Adam, and nothing clever."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rivals.recipe import BATCH, DENSE, DROPOUT, FEATURES, HIDDEN, LAYERS, LEARNING_RATE, answer, rows, windows_of


class Recipe(nn.Module):
    """LSTM, dropout, dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, HIDDEN, LAYERS, dropout=DROPOUT, batch_first=True)
        self.dense = nn.Sequential(
            nn.Dropout(DROPOUT),
            nn.Linear(HIDDEN, DENSE[0]),
            nn.ReLU(),
            nn.Linear(DENSE[0], DENSE[1]),
            nn.ReLU(),
            nn.Linear(DENSE[1], 1),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """One value a window."""
        return self.dense(self.lstm(inputs)[0][:, -1])


def epoch(windows: int, epochs: int) -> dict[str, Any]:
    """Seconds of each epoch after the first."""
    inputs, target = windows_of(*rows(windows - 1))
    data = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(target))
    loader = DataLoader(data, batch_size=BATCH, shuffle=True)
    network, judge = Recipe(), nn.HuberLoss()
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    seconds = []
    for _ in range(1 + epochs):
        began = time.perf_counter()
        for features, wanted in loader:
            optimiser.zero_grad()
            judge(network(features), wanted).backward()
            optimiser.step()
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds[1:]}


def sgemm(size: int, tries: int) -> dict[str, Any]:
    """The machine's best rate of float32 matrix products, operations a second."""
    left, right = torch.rand(size, size), torch.rand(size, size)
    best = float("inf")
    for _ in range(tries):
        began = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - began)
    return {"flops_per_second": 2 * size**3 / best, "threads": torch.get_num_threads()}


if __name__ == "__main__":
    answer({"epoch": epoch, "sgemm": sgemm})
