"""The verdict that risk answers carry: how often the daily value at risk was crossed of late, did levels hold."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gatecast.calibration.cache import CachedForecasts
from gatecast.errors import TooFewRows
from gatecast.judge.recent import ORIGINS, STEPS, recent_days
from gatecast.judge.risk_record import LEAST_PATHS, risk_record
from gatecast.judge.risk_verdict import RiskVerdict, risk_verdict, untested_risk
from gatecast.judge.walkforward import Progress, backtest
from gatecast.model import Model
from gatecast.models.baselines import Historical
from gatecast.models.choice import Choice
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable

DAYS = ORIGINS * STEPS  # those that the verdict of a forecast looks at; at 5% ten crossings are expected
FORECASTS = DAYS  # of the daily value at risk, all items together: each takes as long as five of a verdict


def recent_risk(
    choice: Choice,
    prices: PriceTable,
    *,
    horizon: int,
    seed: int = 0,
    levels: bool = False,
    cached: CachedForecasts | None = None,
    progress: Progress | None = None,
) -> RiskVerdict:
    """What the chosen network's risk answers would have been worth on recent days, beside historical simulation's.

    The daily value at risk, and the daily bands of a portfolio, are judged on each of the last `DAYS` days of one item,
    or as many as there are; with more items on fewer days each. With `levels`, chances to touch a level and what can be
    lost in five days are judged too, on 40 origins. Items and days are those of `recent.recent_verdict`: new to the
    network, which is fitted once before them. `cached` as there.
    """
    model = Forecaster(steps=min(horizon, STEPS), choice=choice, cached=cached)
    days = recent_days(choice, prices, STEPS)
    if isinstance(days, str):
        return untested_risk(model.name, days)
    steps = min(horizon, STEPS) if levels else 1
    walks = {1: min(DAYS, FORECASTS // len(days.items), days.rows)}
    if steps > 1:
        walks[steps] = min(ORIGINS, days.rows // steps)
    models: list[Model] = [model, Historical()]
    answers: list[pd.DataFrame] = []
    for ahead, origins in walks.items():
        try:
            report = backtest(
                models,
                prices.select(days.items),
                horizon=ahead,
                every=ahead,
                cutoffs=origins,
                refit=0,
                min_rows=days.least,
                paths=LEAST_PATHS,
                seed=seed,
                risk=True,
                progress=progress,
            )
        except TooFewRows as error:
            return untested_risk(model.name, str(error))
        if report.risk is not None:
            answers.append(_own(report.risk, ahead))
    verdict = risk_verdict(risk_record(pd.concat(answers, ignore_index=True)), model.name)
    limits = [f"Steps beyond {steps} were not judged."] if horizon > steps else []
    return replace(verdict, text=" ".join([verdict.text, *limits, *days.limits(choice, prices)]))


def _own(answers: pd.DataFrame, ahead: int) -> pd.DataFrame:
    """Of the daily walk what can be lost, of the other what lies farther ahead: each question is asked of one walk."""
    return answers[answers["step"] > 1] if ahead > 1 else answers[answers["question"].isin(["loss", "portfolio"])]
