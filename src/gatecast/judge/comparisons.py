"""Which model has the smaller loss, step by step and over all steps, and whether that is more than luck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.judge.plan import apart, overlaps
from gatecast.judge.scores import by_step
from gatecast.judge.significance import by_date, diebold_mariano, holm

RANDOM_WALK = "random_walk"
LOSSES = ("absolute_error", "squared_error", "crps", "log_score")
TEST_COLUMNS = ("model", "against", "loss", "step", "dm", "p_value", "n", "p_holm", "mean_loss", "mean_loss_against")


def loss(rows: pd.DataFrame, name: str) -> Float[np.ndarray, " rows"]:
    """Each row's loss; smaller is better.

    `absolute_error`: of the median's log return, the loss a median minimises (Gneiting 2011), and not
    dominated by a crash. `squared_error`: of the mean's return. `crps`: of the log return. `log_score`: nats,
    its sign turned.
    """
    actual, last = rows["actual"].to_numpy(), rows["last_close"].to_numpy()
    if name == "absolute_error":
        return np.asarray(np.abs(np.log(actual / rows["q50"].to_numpy())))
    if name == "squared_error":
        return np.asarray(((actual - rows["mean"].to_numpy()) / last) ** 2)
    return rows["crps"].to_numpy() if name == "crps" else -rows["log_score"].to_numpy()


def compare(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Diebold-Mariano tests: the subject against every rival, and every other model against the random walk.

    `dm` > 0 where `model` has the smaller loss; `p_value` is two-sided; `n` counts cutoffs. Losses are
    averaged over assets (and over steps for "all") by cutoff first. `p_holm` is Holm's over the tests of one
    loss and step: over the subject's rivals, and over the other models against the random walk. `mean_loss`
    and `mean_loss_against` are in the loss's own unit and count every cutoff once, where the score table counts
    every row once. Log scores are compared where both models have them.
    """
    names = list(forecasts["model"].unique())
    first = subject_of(names)
    rivals = [name for name in names if name != first]
    others = [name for name in rivals if name != RANDOM_WALK and RANDOM_WALK in rivals]
    families = [[(first, rival) for rival in rivals], [(name, RANDOM_WALK) for name in others]]
    tables = {name: dict(by_step(forecasts[forecasts["model"] == name])) for name in names}
    rows: list[dict[str, Any]] = []
    for step, mine in tables[first].items():
        dates, overlap = mine["cutoff"].to_numpy(), overlap_of(mine)
        for what in LOSSES:
            losses = {name: by_date(loss(table[step], what), dates) for name, table in tables.items()}
            for pairs in families:
                rows += [{"loss": what, "step": step, **row} for row in _family(pairs, losses, overlap)]
    return pd.DataFrame(rows, columns=list(TEST_COLUMNS))


def _family(
    pairs: list[tuple[str, str]], losses: dict[str, Float[np.ndarray, " cutoffs"]], overlap: int
) -> list[dict[str, Any]]:
    """One test a pair, with Holm's correction over the pairs that both have the loss."""
    rows: list[dict[str, Any]] = []
    for model, against in pairs:
        difference = losses[against] - losses[model]
        if not np.isfinite(difference).all():
            continue
        test = diebold_mariano(difference, overlap=overlap)
        means = {"mean_loss": losses[model].mean(), "mean_loss_against": losses[against].mean()}
        about = {"model": model, "against": against, "dm": test.dm, "p_value": test.p_value, "n": test.n}
        rows.append({**about, **{name: float(mean) for name, mean in means.items()}})
    adjusted = holm(np.array([row["p_value"] for row in rows]))
    return [{**row, "p_holm": float(p)} for row, p in zip(rows, adjusted, strict=True)]


def subject_of(models: list[str]) -> str:
    """The model under judgement: the first that is not the random walk, where there is one."""
    return next((name for name in models if name != RANDOM_WALK), models[0])


def overlap_of(rows: pd.DataFrame) -> int:
    """The most later cutoffs that share days with one cutoff's forecasts in these rows."""
    ends = rows.groupby("cutoff")["timestamp"].max()
    return overlaps(ends.index.to_numpy(), ends.to_numpy())


def apart_of(rows: pd.DataFrame) -> int:
    """How many of the cutoffs have forecasts in these rows that share no days with each other."""
    ends = rows.groupby("cutoff")["timestamp"].max()
    return apart(ends.index.to_numpy(), ends.to_numpy())
