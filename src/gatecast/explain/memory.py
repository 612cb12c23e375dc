"""The memory experiment: which families recall a value seen k steps ago, and how far their gradients reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatecast.errors import UsageError
from gatecast.executors import Engine, run_tasks

MODELS: dict[str, tuple[str, float | None]] = {  # name: (encoder, where its forget gate's bias starts)
    "rnn": ("rnn", None),
    "gru": ("gru", None),
    "lstm": ("lstm", None),
    "lstm_forget_5": ("lstm", 5.0),
    "tcn": ("tcn", None),
    "transformer": ("transformer", None),
}
LAGS = (10, 30, 60, 120, 240, 400)
SEEDS = (0, 1, 2)
UPDATES = 1200  # at most, for each run; some 5 minutes on 2 cores in all
RECALLED = 0.5  # of the variance: with more error a network knows less than half of what it was to keep
CLAIM_LAG = 60


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A row for every run.

    Columns: `model, k, seed, error, gradient_before, gradient_after, updates`, as in `nn.training.recall.Recall`.
    """

    rows: pd.DataFrame

    @property
    def lags(self) -> list[int]:
        """The distances tried, ascending."""
        return sorted(int(k) for k in self.rows["k"].unique())

    @property
    def models(self) -> list[str]:
        """The networks tried, in their order."""
        return list(dict.fromkeys(self.rows["model"]))

    def median(self, column: str = "error") -> pd.DataFrame:
        """The median over seeds: a row for each model, a column for each lag."""
        table = self.rows.pivot_table(index="model", columns="k", values=column, aggfunc="median")
        return table.loc[self.models, self.lags]

    @property
    def reach(self) -> dict[str, int]:
        """The longest lag up to which the median error stays under `RECALLED`; 0 where there is none."""
        held = (self.median() < RECALLED).cummin(axis=1)
        return {str(model): int(max((k for k in self.lags if row[k]), default=0)) for model, row in held.iterrows()}

    @property
    def finding(self) -> str:
        """The result, and whether it agrees with the textbook claim about RNN and LSTM."""
        reach = self.reach
        far = ", ".join(f"{model} {steps or 'under ' + str(self.lags[0])}" for model, steps in reach.items())
        text = f"Steps over which each recalled more than half: {far} (of {self.lags[-1]} tried)."
        if CLAIM_LAG not in self.lags or not {"rnn", "lstm"} <= set(self.models):
            return text
        error = self.median()[CLAIM_LAG]
        forgets, keeps = error["rnn"] >= RECALLED, error["lstm"] < RECALLED
        numbers = f"the RNN's error is {error['rnn']:.2f} of the variance, the LSTM's {error['lstm']:.2f}"
        verdict = {
            (True, True): "as the textbook says",
            (True, False): "neither remembers, so the LSTM's gates alone are not enough",
            (False, True): "both remember, so the RNN does better than the textbook says",
            (False, False): "the RNN remembers and the LSTM does not: the reverse of the textbook",
        }[(bool(forgets), bool(keeps))]
        if "lstm_forget_5" in error and reach["lstm_forget_5"] > reach["lstm"]:
            verdict += f"; an LSTM whose forget gate starts open (bias +5) reaches {reach['lstm_forget_5']}"
        return f"{text} The claim: at {CLAIM_LAG} steps {numbers}; {verdict}."

    def to_dict(self) -> dict[str, Any]:
        """Numbers and text for JSON: `rows`, `reach` and `finding`."""
        return {"rows": self.rows.to_dict(orient="records"), "reach": self.reach, "finding": self.finding}


def run_memory(
    *,
    models: Sequence[str] = tuple(MODELS),
    lags: Sequence[int] = LAGS,
    seeds: Sequence[int] = SEEDS,
    updates: int = UPDATES,
    jobs: int = -1,
) -> Memory:
    """Train every model at every lag from every seed, `jobs` at a time (-1: as many as cores); raises `UsageError`."""
    for model in models:
        if model not in MODELS:
            raise UsageError(f"no model '{model}' in the memory experiment. There are: {', '.join(MODELS)}.")
    if not models or not seeds or not lags or min(lags) < 1 or updates < 1:
        raise UsageError(
            "the memory experiment needs a model, a seed, a lag of at least 1 and an update. Give what is missing."
        )
    runs = [(model, k, seed) for k in sorted(lags, reverse=True) for model in models for seed in seeds]  # long first
    results = run_tasks(_run, updates, runs, engine=Engine(workers=None if jobs == -1 else jobs))
    rows = sorted(results, key=lambda row: (models.index(row["model"]), row["k"], row["seed"]))
    return Memory(rows=pd.DataFrame(rows))


def _run(updates: int, run: tuple[str, int, int]) -> dict[str, Any]:
    from gatecast.nn.training.recall import recall

    model, k, seed = run
    encoder, bias = MODELS[model]
    result = recall(encoder, k, seed, updates=updates, forget_bias=bias)
    assert np.isfinite(result.error)
    return {"model": model, "k": k, "seed": seed, **asdict(result)}
