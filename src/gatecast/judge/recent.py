"""The verdict a forecast carries: a short walk-forward over recent origins, fitted once before the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gatecast.calibration.bands import HORIZON
from gatecast.calibration.online import LEAST_ORIGINS
from gatecast.errors import TooFewRows
from gatecast.executors import Engine
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.features.windows import rows_needed
from gatecast.forecast import Forecast
from gatecast.judge.fold_store import Fold, Key
from gatecast.judge.plan import WalkForward, plan_walk
from gatecast.judge.report import Report, report_of
from gatecast.judge.risk_record import LEAST_PATHS
from gatecast.judge.verdict import Verdict, cannot_tell
from gatecast.judge.walkforward import FoldProgress, Progress, run_folds
from gatecast.model import Model, Request
from gatecast.models.baselines import Har, Historical, RandomWalk
from gatecast.models.choice import Choice
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import MIN_ROWS
from gatecast.nn.parallel import side_by_side
from gatecast.prices import PriceSeries, PriceTable

ORIGINS = 40  # recent origins; enough for a t-test, few enough for seconds
STEPS = 5  # ahead at most: skill, where there is any, is found in the first days
ITEMS = 4  # of a table at most; more cost time and, moving together, add little evidence
PATHS = 200  # of each forecast; the fair CRPS does not depend on their number
PARTS = 8  # of its origins, which are forecast and scored at the same time
ALONE = Engine(workers=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class AsItWas:
    """A fitted forecaster at days before the last, each answered by what was known there: the rows up to it alone.

    So its network must have learned from none of the days it is judged on, as a base network that is used as it comes.
    Bands are calibrated by those of all items of `prices`, as the forecaster's are.
    """

    forecaster: Forecaster
    prices: PriceTable

    learns: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The forecaster's."""
        return self.forecaster.name

    def __deepcopy__(self, memo: object) -> AsItWas:
        return self

    def fit(self, prices: PriceTable) -> AsItWas:
        """Nothing is learned."""
        return self

    def knew(self, cutoff: np.datetime64) -> bool:
        """Whether enough was known of its bands at a day to calibrate them, if they are calibrated at all."""
        calibration = self.forecaster.calibration_
        if calibration is None:
            return True
        (known,) = calibration.known_at(self.forecaster.source_, self.prices, [cutoff])
        return known.calibrator.origins >= LEAST_ORIGINS

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Of these items from the last row."""
        last = max(series.timestamps[-1] for series in prices)
        (forecast,) = self.predict_at(prices, Request(cutoffs=[last], horizon=horizon, paths=paths, seeds=[seed]))
        return forecast

    def predict_at(self, prices: PriceTable, request: Request) -> Iterator[Forecast]:
        """Of these items from each cutoff."""
        return self.forecaster.predict_at(self.prices, request, prices.item_ids)


@dataclass(frozen=True, kw_only=True)
class RecentDays:
    """Which recent days can judge: `rows` of each of these items, the network fitted before them on `least` or more."""

    items: tuple[str, ...]
    rows: int
    least: int

    def limits(self, choice: Choice, prices: PriceTable) -> list[str]:
        """What a verdict adds where other items were not judged."""
        if len(self.items) == len(prices):
            return []
        crossed = choice.folder is not None and choice.config.cross_section and len(prices) >= LEAST_ITEMS
        alone = ", without the cross-section of all items" if crossed else ""
        return [f"It was judged on {len(self.items)} of the {len(prices)} items{alone}: {', '.join(self.items)}."]


@dataclass(frozen=True, kw_only=True, eq=False)
class RecentWalk:
    """The walk-forward test over recent days, or the reason why there is none; `limits` are what a verdict adds."""

    model: str
    report: Report | None
    limits: tuple[str, ...] = ()
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """That of the report, with its limits."""
        if self.report is None:
            return cannot_tell(self.model, self.reason)
        return replace(self.report.verdict, text=" ".join([self.report.verdict.text, *self.limits]))


def recent_verdict(
    choice: Choice,
    prices: PriceTable,
    *,
    horizon: int,
    seed: int = 0,
    forecaster: Forecaster | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """How the chosen network would have done on recent days (`recent_walk`)."""
    return recent_walk(choice, prices, horizon=horizon, seed=seed, forecaster=forecaster, progress=progress).verdict


def recent_walk(
    choice: Choice,
    prices: PriceTable,
    *,
    horizon: int,
    seed: int = 0,
    risk: bool = False,
    forecaster: Forecaster | None = None,
    progress: Progress | None = None,
) -> RecentWalk:
    """The chosen network on recent days, against the random walk and HAR.

    A network that is trained on the prices is trained anew on the rows before the first of the recent origins, so that
    every day it is judged on is new to it; a base network is judged on days after the last it learned from, by what was
    known of its bands there. Of a table the first few items are judged that still trade and have rows enough for all
    origins, or where none has, for some. `risk`: keep what each forecast says of risk, too, and what historical
    simulation does. `forecaster`: one of this choice that was fitted on these prices; nothing that it has simulated is
    simulated again.
    """
    # HAR stands for the models of volatility: GARCH is no stronger a rival, and takes as long to import as all this.
    rivals: list[Model] = [RandomWalk(), Har(), *([Historical()] if risk else [])]
    steps = min(horizon, STEPS)
    model = judged_model(choice, prices, steps, forecaster)
    days = recent_days(choice, prices, steps)
    if isinstance(days, str):
        return RecentWalk(model=model.name, report=None, reason=days)
    table = prices.select(days.items)

    def folds(models: list[Model], walk: WalkForward, progress: Progress | None) -> dict[Key, Fold]:
        told = risk and (model.name, Historical().name)
        paths = LEAST_PATHS if risk else PATHS
        return run_folds(
            models, table, walk, paths=paths, seed=seed, folder=None, engine=ALONE, risk=told, progress=progress
        )

    try:
        cutoffs = min(ORIGINS, days.rows // steps)
        walk = plan_walk(table, horizon=steps, every=steps, cutoffs=cutoffs, refit=0, min_rows=days.least)
        if isinstance(model, AsItWas) and not model.knew(walk.cutoffs[0]):  # where some items are weekly, or rows few
            model = Forecaster(steps=steps, choice=choice, walked=model.forecaster.walked_)
        if isinstance(model, AsItWas):  # nothing is learned on the way: parts of the walk at the same time
            parts: list[tuple[list[Model], WalkForward]] = [([model], part) for part in _parts(walk)]
            parts += [([rival], walk) for rival in rivals]
            found = side_by_side(lambda part: folds(*part, None), parts)
            if progress:  # of parts that run elsewhere nothing is heard before the last has ended
                done = (1 + len(rivals)) * len(walk.cutoffs)
                progress(FoldProgress(done=done, total=done, resumed=0, model=model.name, cutoff=walk.cutoffs[-1]))
        else:
            found = [folds([model, *rivals], walk, progress)]
        of_all = {key: fold for part in found for key, fold in part.items()}
        report = report_of([model.name, *(rival.name for rival in rivals)], walk, of_all, table)
    except TooFewRows as error:
        return RecentWalk(model=model.name, report=None, reason=str(error))
    limits = [f"Steps beyond {steps} were not judged."] if horizon > steps else []
    return RecentWalk(model=model.name, report=report, limits=(*limits, *days.limits(choice, prices)))


def _parts(walk: WalkForward) -> list[WalkForward]:
    """A walk in so many parts, whatever the number of cores: last digits depend on what is simulated together."""
    parts = np.array_split(np.array(walk.cutoffs), min(PARTS, len(walk.cutoffs)))
    return [replace(walk, groups=(tuple(part),)) for part in parts]


def judged_model(choice: Choice, prices: PriceTable, steps: int, forecaster: Forecaster | None) -> Model:
    """The chosen network for a test over recent days of these prices, up to so many steps.

    A base network as it comes is fitted once, on all rows, for it learns from none of them. `forecaster` as
    `recent_walk` takes it.
    """
    walked = None if forecaster is None else forecaster.walked_
    if choice.config.start != "base":
        # Of few items the days that the forecast's own calibration walked over serve, as far ahead as it did.
        return Forecaster(steps=HORIZON if len(prices) <= ITEMS else steps, choice=choice, walked=walked)
    if forecaster is None or not forecaster.knows_past_of(prices):
        forecaster = Forecaster(choice=choice, walked=walked).fit(prices)
    return AsItWas(forecaster=forecaster, prices=prices)


def recent_days(choice: Choice, prices: PriceTable, steps: int) -> RecentDays | str:
    """The first few items that still trade and have rows enough for all origins, or where none has, for some.

    Where none has enough for two origins `steps` rows apart: the reason.
    """
    least = rows_needed(choice.config) if choice.folder is None else MIN_ROWS  # before the first origin
    last = max(series.timestamps[-1] for series in prices)
    live = [series for series in prices if series.timestamps[-1] == last]
    # The last rows that may judge: with enough before them, the first origin too new to the base network.
    fresh = {series.item_id: min(len(series) - least, _new(choice, series) - 1) for series in live}
    judged = [series for series in live if fresh[series.item_id] >= 2 * steps]
    # A short item would leave few origins to all.
    judged = ([item for item in judged if fresh[item.item_id] >= ORIGINS * steps] or judged)[:ITEMS]
    if not judged:
        most = max(live, key=lambda item: fresh[item.item_id])
        needed = f"{least + 2 * steps} rows are needed, {2 * steps} of them new to the network"
        there = f"there are {len(most)}, {_new(choice, most)} of them new"
        return f"{needed}, to judge it on days it has not seen; {there}"
    items = tuple(series.item_id for series in judged)
    return RecentDays(items=items, rows=min(fresh[item] for item in items), least=least)


def _new(choice: Choice, series: PriceSeries) -> int:
    """The rows that the network has not learned from before its fit."""
    return len(series) if choice.until is None else int(np.sum(series.timestamps > choice.until))
