"""The verdict that risk answers carry: how often the daily value at risk was crossed of late, did levels hold."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gatecast.errors import TooFewRows
from gatecast.judge.recent import ITEMS, ORIGINS, STEPS, RecentWalk, judged_model, recent_days
from gatecast.judge.risk_record import LEAST_PATHS, risk_record
from gatecast.judge.risk_verdict import RiskVerdict, risk_verdict, untested_risk
from gatecast.judge.verdict_text import COMBINED
from gatecast.judge.walkforward import Progress, backtest
from gatecast.models.baselines import Historical
from gatecast.models.choice import Choice
from gatecast.models.forecaster import Forecaster
from gatecast.prices import PriceTable

DAYS = ORIGINS * STEPS  # of all items together; at 5% ten crossings are expected


def recent_risk(
    choice: Choice,
    prices: PriceTable,
    walk: RecentWalk,
    *,
    seed: int = 0,
    forecaster: Forecaster | None = None,
    progress: Progress | None = None,
) -> RiskVerdict:
    """What the chosen network's risk answers would have been worth on recent days, beside historical simulation's.

    `walk` is the test of its forecasts with risk=True. Of fewer than `ITEMS` items its days are too few for the daily
    value at risk: that is judged on each of the last `DAYS` days, or as many as there are, the network fitted once
    before them, if it is one that is fitted. `forecaster` as in `recent_walk`.
    """
    if walk.report is None or walk.report.risk is None:
        return untested_risk(walk.model, walk.reason or "no answers on risk were kept")
    answers = walk.report.risk[walk.report.risk["model"].isin([walk.model, Historical().name])]
    if answers.loc[answers["question"] == "loss", "item_id"].nunique() < ITEMS:
        try:
            daily = _daily(choice, prices, seed=seed, forecaster=forecaster, progress=progress)
        except TooFewRows as error:
            return untested_risk(walk.model, str(error))
        answers = pd.concat([daily, answers[answers["step"] > 1]], ignore_index=True)
    verdict = risk_verdict(risk_record(answers), walk.model)
    combined = [COMBINED] if any(note.kind == "combined" for note in walk.report.notes) else []
    return replace(verdict, text=" ".join([verdict.text, *combined, *walk.limits]))


def _daily(
    choice: Choice, prices: PriceTable, *, seed: int, forecaster: Forecaster | None, progress: Progress | None
) -> pd.DataFrame:
    """What can be lost in a day, asked on every day."""
    days = recent_days(choice, prices, STEPS)
    if isinstance(days, str):
        raise TooFewRows(days)
    report = backtest(
        [judged_model(choice, prices, 1, forecaster), Historical()],
        prices.select(days.items),
        horizon=1,
        every=1,
        cutoffs=min(DAYS // len(days.items), days.rows),
        refit=0,
        min_rows=days.least,
        paths=LEAST_PATHS,
        seed=seed,
        risk=True,
        progress=progress,
    )
    assert report.risk is not None
    return report.risk[report.risk["question"].isin(["loss", "portfolio"])]
