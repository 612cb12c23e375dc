"""The forecast run: read a source, train or load a network, simulate, and judge it on recent days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecast.calendars import describe, likely_holidays
from gatecast.config import Config
from gatecast.forecast import Forecast, check_level
from gatecast.judge.recent import recent_verdict
from gatecast.judge.verdict import Verdict
from gatecast.judge.walkforward import FoldProgress
from gatecast.models.forecaster import Forecaster, check_sizes
from gatecast.nn.training.loop import Progress as TrainingProgress
from gatecast.notes import Note, merged
from gatecast.prices import PriceTable
from gatecast.readers.choices import AS_FOUND, ReadOptions
from gatecast.readers.large import ReadProgress
from gatecast.readers.read import read_source
from gatecast.runs.workspace import cache, clear_checkpoint, model_target, timed, walked_days
from gatecast.text import counted

MANY = 100_000  # paths; more take minutes
LEAST_BEYOND = 5  # paths beyond each end of a band; with fewer the end is a few paths' luck
_NOT_RESUMED = Note("model", "there was no training to resume: the base network is used as it is")
Progress = Callable[[TrainingProgress | FoldProgress | ReadProgress], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class ForecastRun:
    """What a forecast run made: the value, the model that made it, its verdict, and what a reader should know.

    `notes` are merged over the items; `timings` are seconds by part: read, fit, simulate, judge.
    """

    prices: PriceTable
    forecaster: Forecaster
    forecast: Forecast
    level: float
    verdict: Verdict | None
    notes: tuple[Note, ...]
    timings: Mapping[str, float]

    @property
    def config(self) -> Config:
        """The settings of the model."""
        return self.forecaster.config

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `gatecast forecast --json`: items, level, paths, seed, config, verdict."""
        return {
            "items": self._items(),
            "level": self.level,
            "paths": self.forecast.n_paths,
            "seed": self.forecast.seed,
            # `market` is `cross_section` under the name that documents have had.
            "config": {**self.config.model_dump(mode="json"), "market": self.config.cross_section},
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
        }

    def _items(self) -> list[dict[str, Any]]:
        """The items as `Forecast.to_dict` has them; of those with known events, `events` [{step, kind}] ahead."""
        items = self.forecast.to_dict(self.level)
        for told, item in zip(items, self.forecast, strict=True):
            events = self.prices[item.item_id].events
            if events is not None:
                ahead = events.steps(item.last_timestamp, item.timestamps)
                told["events"] = [{"step": step, "kind": kind} for step, kind in ahead]
        return items


def run_forecast(
    source: Any,
    config: Config | None = None,
    *,
    model: Path | None = None,
    horizon: int = 30,
    paths: int = 1000,
    level: float = 0.9,
    seed: int = 0,
    save: Path | str | None = None,
    resume: bool = False,
    verdict: bool = True,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    check: Callable[[PriceTable], None] | None = None,
    progress: Progress | None = None,
) -> ForecastRun:
    """Forecast what `source` (as `read_prices` takes it) may do next, with a network of `config` or a saved `model`.

    `reading` holds what the caller says about the source; `check` is called with its prices before the work begins.
    A training leaves a checkpoint in `save`, or in the user's cache folder, until it has ended; `resume` goes on from
    it. `progress` is called with values of reading a large file, of training and of the verdict's folds; where it
    raises `KeyboardInterrupt` in a training, the best weights so far are used and the checkpoint stays, elsewhere the
    run ends. Raises `GatecastError` with one line.
    """
    check_level(level)
    check_sizes(horizon, paths, seed)
    save = None if save is None else model_target(save)
    timings: dict[str, float] = {}
    with timed(timings, "read"):
        prices = read_source(source, reading, calendar=calendar, repair=repair, progress=progress)
    if check is not None:
        check(prices)
    with timed(timings, "fit"):
        forecaster = fitted(prices, config, model, save=save, resume=resume, progress=progress)
    with timed(timings, "simulate"):
        forecast = forecaster.predict(prices, horizon, paths=paths, seed=seed)
    judged = None
    if verdict:
        with timed(timings, "judge"):
            judged = recent_verdict(
                forecaster.choice_, prices, horizon=horizon, seed=seed, forecaster=forecaster, progress=progress
            )
    if model is None:
        clear(forecaster, prices, save)
    not_resumed = [_NOT_RESUMED] if resume and forecaster.config.start == "base" else []
    return ForecastRun(
        prices=prices,
        forecaster=forecaster,
        forecast=forecast,
        level=level,
        verdict=judged,
        notes=(*settings_notes(forecaster.config), *not_resumed, *_notes(forecast), *_limits(prices, forecast, level)),
        timings=timings,
    )


def fitted(
    prices: PriceTable,
    config: Config | None,
    model: Path | None,
    *,
    save: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Forecaster:
    """The saved model, or one trained; its checkpoint waits for `clear`, so that nothing that fails later costs it."""
    if model is not None:
        return Forecaster.load(model, walked=walked_days())
    forecaster = Forecaster(config, walked=walked_days())
    forecaster.fit(prices, checkpoint=_checkpoint(forecaster, prices, save), resume=resume, progress=progress)
    if save is not None:
        forecaster.save(save)
    return forecaster


def clear(forecaster: Forecaster, prices: PriceTable, save: Path | None = None) -> None:
    """Remove the checkpoint of a run that has ended; that of a training cut short stays."""
    if not forecaster.interrupted:
        clear_checkpoint(_checkpoint(forecaster, prices, save), keep_folder=save is not None)


def _checkpoint(forecaster: Forecaster, prices: PriceTable, save: Path | None) -> Path:
    return save or cache() / forecaster.fingerprint(prices)[:16]


def settings_notes(config: Config) -> tuple[Note, ...]:
    """One note of the settings that were given and change nothing for the chosen network."""
    unused = config.without_effect()
    if not unused:
        return ()
    each = ", ".join(f"{key} (takes {takes})" for key, takes in unused.items())
    return (Note("model", f"settings without effect on this network: {each}"),)


def _notes(forecast: Forecast) -> tuple[Note, ...]:
    """Every note of the items once; a note of one item alone names it."""
    own = (Note(note.kind, note.text, (item.item_id,)) for item in forecast for note in dict.fromkeys(item.notes))
    return merged(own, [item.item_id for item in forecast])


def _limits(prices: PriceTable, forecast: Forecast, level: float) -> tuple[Note, ...]:
    """What the reader should not take for granted."""
    return (*_holidays(prices, forecast), *_few_paths(forecast.n_paths, level))


def _holidays(prices: PriceTable, forecast: Forecast) -> tuple[Note, ...]:
    """A note of the days that may be holidays, which only a calendar knows."""
    if prices.calendar is not None:
        return ()
    found: set[str] = set()
    short = False
    for item in forecast:
        spacing = describe(prices[item.item_id].timestamps)
        if spacing.freq in "BDh":
            days = likely_holidays(prices[item.item_id].timestamps, item.timestamps, spacing.weekdays)
            short |= days is None
            found.update([] if days is None else days.astype(str).tolist())
    if not found and not short:
        return ()
    text = "which days of the forecast are holidays is not known from less than a year of prices"
    if found:
        more = f" and {counted(len(found) - 1, 'other day')}" if len(found) > 1 else ""
        text = f"{min(found)}{more} of the forecast may be holidays, which these prices alone do not tell"
    return (Note("data", f'{text}; name the exchange, such as calendar="XNYS", and they are left out'),)


def _few_paths(paths: int, level: float) -> tuple[Note, ...]:
    enough = math.ceil(round(2 * LEAST_BEYOND / (1 - level), 6))
    if paths >= enough:
        return ()
    remedy = f"use {enough} or more" if enough <= MANY else "take a lower level"
    return (Note("bands", f"{paths} paths draw a band of {100 * level:.6g}% only roughly; {remedy}"),)
