"""The record of risk answers on past days: was value at risk crossed as often as promised, did chances come true?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.errors import UsageError
from gatecast.forecast import BANDS
from gatecast.judge.comparisons import apart_of, overlap_of
from gatecast.judge.coverage import design_effect, miss_tests
from gatecast.judge.risk_tests import brier, fz0, reliability
from gatecast.judge.significance import by_date, coverage_interval, diebold_mariano, holm

RIVALS = ("garch", "historical")  # whose value at risk and expected shortfall the others' are held against
LEAST_PATHS = 1000  # of each forecast; the 1% quantile of fewer is the luck of a handful


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskRecord:
    """What past forecasts said of risk against what came; immutable. Every table has the column `model`.

    `losses`: a row a step and level of value at risk (VaR): `n` forecasts from `origins` cutoffs, `apart` of which
    share no days; `crossed`, the share of returns below the VaR; Kupiec's and Christoffersen's tests with both together
    (`coverage.miss_tests`); `effective`, how many independent forecasts have as much evidence; `fz0`, the mean
    Fissler-Ziegel score (`risk_tests.fz0`).
    `against`: a row a step, level and rival of `RIVALS`: both mean scores, and a Diebold-Mariano test of their
    difference, `dm` > 0 where the model has the smaller; `p_holm` is Holm's over all of the model's.
    `chances`: a row a question ("touch", or "stop": a stop before its target), step and distance `at`, in usual moves
    (`risk_answers.risk_answers`; "all": together): mean chance `predicted`, share `observed`, Brier scores of the model
    and of a random walk with the volatility at the cutoff, and the test of their difference; `ranged`: the share of
    rows in which highs and lows count.
    `reliability`: a row a question, step and tenth of the chance: `predicted`, `observed`, `n`.
    `portfolio`: a row a step and band, with joint paths and with independent ones: the share of an equal-weight
    portfolio's values in the band, with its 95% interval. Empty for a table of one item.

    Outcomes several steps ahead overlap where origins stand closer: Kupiec's ratio is divided by the design effect of
    a HAC variance, which is at least their overlap where fewer were crossed than promised; Christoffersen's looks at
    forecasts that share no days; Diebold-Mariano tests count the overlap.
    """

    losses: pd.DataFrame
    against: pd.DataFrame
    chances: pd.DataFrame
    reliability: pd.DataFrame
    portfolio: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; None where a number does not exist."""
        tables = vars(self).items()
        return {name: json.loads(table.to_json(orient="records", double_precision=15)) for name, table in tables}


def check_paths(paths: int) -> None:
    """Refuse fewer paths than a 1% quantile needs."""
    if paths < LEAST_PATHS:
        raise UsageError(
            f"risk=True needs {LEAST_PATHS} paths or more, as the 1% quantile of fewer is luck; got {paths}. "
            f"Give paths={LEAST_PATHS}."
        )


def risk_record(answers: pd.DataFrame) -> RiskRecord:
    """Hold the answers of a walk-forward test with `risk=True` (`Report.risk`) against what came.

    >>> from gatecast import RandomWalk, backtest
    >>> from gatecast.prices import PriceTable
    >>> days = pd.bdate_range("2020-01-01", periods=300)
    >>> walk = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, 300).cumsum())
    >>> table = PriceTable.from_close({"X": (walk, days)})
    >>> report = backtest([RandomWalk()], table, horizon=1, every=1, cutoffs=100, refit=0, risk=True)
    >>> risk_record(report.risk).losses[["level", "n", "crossed"]].values.tolist()
    [[0.01, 100.0, 0.02], [0.05, 100.0, 0.05]]
    """
    question = answers["question"]
    losses, chances = answers[question == "loss"], answers[question.isin(["touch", "stop"])]
    return RiskRecord(
        losses=_table(losses, ["model", "step", "at"], _loss).rename(columns={"at": "level"}),
        against=_against(losses),
        chances=_chances(chances),
        reliability=_reliability(chances),
        portfolio=_portfolio(answers[question == "portfolio"]),
    )


def _table(rows: pd.DataFrame, keys: list[str], about: Any) -> pd.DataFrame:
    """A row of `about(part)` for each combination of `keys`, models in their order."""
    groups = rows.groupby(keys, sort=False) if len(rows) else ()
    return pd.DataFrame([{**dict(zip(keys, key, strict=True)), **about(part)} for key, part in groups])


def _evidence(rows: pd.DataFrame) -> dict[str, int]:
    return {"n": len(rows), "origins": rows["cutoff"].nunique(), "apart": apart_of(rows)}


def _loss(rows: pd.DataFrame) -> dict[str, Any]:
    level, dates, overlap = float(rows["at"].iloc[0]), rows["cutoff"].to_numpy(), overlap_of(rows)
    crossed = (rows["observed"] < rows["value"]).to_numpy()
    # Crossings that did not happen do not show how they would have come together. Without this, true values at risk
    # five and twenty steps ahead, a day apart, were called too cautious at 5% in 9 and 14% of trials; with it, in none.
    least = overlap + 1.0 if crossed.mean() < level else 1.0
    effect = max(design_effect(crossed.astype(float), dates, overlap=overlap), least)
    scores = _fz0(rows)
    return {
        **_evidence(rows),
        "crossed": float(crossed.mean()),
        "effective": len(rows) / effect,
        **miss_tests(crossed, rows["item_id"].to_numpy(), dates, rate=level, overlap=overlap, least_effect=least),
        "fz0": float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan,
    }


def _fz0(rows: pd.DataFrame) -> Float[np.ndarray, " rows"]:
    """Scores of rows of one level."""
    var, es, observed = (rows[name].to_numpy() for name in ("value", "shortfall", "observed"))
    return fz0(var, es, observed, float(rows["at"].iloc[0]))


def _against(losses: pd.DataFrame) -> pd.DataFrame:
    """Each model's FZ0 against each rival's, over the forecasts that both have a score of."""
    found: list[dict[str, Any]] = []
    names = list(losses["model"].unique())
    for (step, level), part in losses.groupby(["step", "at"], sort=False):
        scored = {
            name: rows.assign(score=_fz0(rows)).set_index(["cutoff", "item_id"])[["score", "timestamp"]]
            for name, rows in part.groupby("model")
        }
        for model in names:
            about = {"model": model, "step": step, "level": level}
            rivals = [rival for rival in RIVALS if rival in names and rival != model]
            found += [{**about, "against": rival, **_duel(scored[model], scored[rival])} for rival in rivals]
    table = pd.DataFrame(found)
    if found:
        table["p_holm"] = table.groupby("model")["p_value"].transform(lambda p_values: holm(p_values.to_numpy()))
    return table


def _duel(mine: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    both = mine.join(theirs["score"].rename("rival")).dropna().sort_index().reset_index()
    if both.empty:
        return {"n": 0, "apart": 0, "fz0": np.nan, "fz0_against": np.nan, "dm": np.nan, "p_value": 1.0}
    difference = by_date((both["rival"] - both["score"]).to_numpy(), both["cutoff"].to_numpy())
    test = diebold_mariano(difference, overlap=overlap_of(both))
    means = {"fz0": float(both["score"].mean()), "fz0_against": float(both["rival"].mean())}
    return {"n": test.n, "apart": apart_of(both), **means, "dm": test.dm, "p_value": test.p_value}


def _chances(rows: pd.DataFrame) -> pd.DataFrame:
    """All distances together, then each."""
    keys = ["model", "question", "step"]
    parts = [part for _, part in rows.groupby(keys, sort=False)]
    tables = [_table(of, [*keys, "at"], _chance) for part in parts for of in (part.assign(at="all"), part)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _chance(rows: pd.DataFrame) -> dict[str, Any]:
    happened = rows["observed"].to_numpy() > 0.5
    mine, walk = (brier(rows[name].to_numpy(), happened) for name in ("value", "walk"))
    test = diebold_mariano(by_date(walk - mine, rows["cutoff"].to_numpy()), overlap=overlap_of(rows))
    return {
        **_evidence(rows),
        "predicted": float(rows["value"].mean()),
        "observed": float(happened.mean()),
        "brier": float(mine.mean()),
        "brier_walk": float(walk.mean()),
        "dm": test.dm,
        "p_value": test.p_value,
        "ranged": float(rows["ranged"].mean()),
    }


def _reliability(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["model", "question", "step"]
    return pd.DataFrame(
        [
            {**dict(zip(keys, key, strict=True)), **vars(tenth)}
            for key, part in (rows.groupby(keys, sort=False) if len(rows) else ())
            for tenth in reliability(part["value"].to_numpy(), part["observed"].to_numpy() > 0.5)
        ]
    )


def _portfolio(rows: pd.DataFrame) -> pd.DataFrame:
    found: list[dict[str, Any]] = []
    for (model, joint, step), part in rows.groupby(["model", "joint", "step"], sort=False) if len(rows) else ():
        dates, overlap, pit = part["cutoff"].to_numpy(), overlap_of(part), part["value"].to_numpy()
        about = {"model": model, "joint": joint, "step": step, "items": int(part["at"].max()), **_evidence(part)}
        for level in BANDS:
            inside = np.abs(pit - 0.5) <= level / 200 + 1e-9
            share, low, high = coverage_interval(inside.astype(float), dates, overlap=overlap)
            found.append({**about, "level": level, "held": share, "low": low, "high": high})
    return pd.DataFrame(found)
