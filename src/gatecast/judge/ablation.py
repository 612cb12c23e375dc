"""What each of the five improvements is worth: the judge's walk with it on and with it off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.config import Config
from gatecast.errors import UsageError, check_type, check_whole
from gatecast.features.indicators import WARMUP, FeatureSpec, series_features
from gatecast.judge.comparisons import overlap_of
from gatecast.judge.decision import LEAST_ORIGINS, LEVEL, MATERIAL
from gatecast.judge.plan import plan_walk
from gatecast.judge.scores import held
from gatecast.judge.significance import by_date, change_interval
from gatecast.judge.walkforward import Progress, backtest
from gatecast.models.forecaster import Forecaster
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, check_prices, stamp_text
from gatecast.text import listed

Word = Literal["helps", "no difference", "cannot tell", "hurts", "breaks"]
Score = Literal["crps", "mae", "coverage_90"]

OFF: Mapping[str, Any] = {
    "loss": "mse",
    "weights": "none",
    "returns": "none",
    "mc_dropout": False,
    "bollinger_guard": False,
}
GUARD = "bollinger_guard"
STILL = 25  # rows of the stretch shown to the naive formula: 20 collapse a band, five more show that it stays
_NETWORK = (
    "the five improvements are parts of a network trained on these prices, so that network is taken apart here; the "
    "base network that ships with gatecast has none of these switches, and its forecasts are not what is measured"
)
ALL = "all five"
ALL_BUT_GUARD = "all but the guard"
SCORES: tuple[Score, ...] = ("crps", "mae", "coverage_90")
LEAST_SEEDS = 3  # tell a network's luck from its merit; the variance of two is hardly known
MATERIAL_COVERAGE = 0.01  # of outcomes; a smaller change alters no decision
NEGLIGIBLE = 0.01  # of CRPS or MAE; an interval that holds zero and reaches farther cannot rule a difference out


@dataclass(frozen=True, kw_only=True)
class Row:
    """One score of one switch. `change` is the score without the improvement less the score with it.

    Of `crps` and `mae`, `change`, `low` and `high` are shares of the score with it (0.02: 2% larger without);
    of `coverage_90` they are shares of outcomes (-0.02: the band held two in a hundred fewer without).
    `low` and `high` bound the 95% interval. Numbers are None where there are none: where the variant breaks,
    or the origins are too few.
    """

    switch: str
    off: str
    score: Score
    with_it: float | None = None
    without: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    word: Word = "cannot tell"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What turning each improvement off did, over the same `origins` and `seeds`; immutable.

    `rows` has three scores for each switch, and for all of them at once.
    """

    rows: tuple[Row, ...]
    origins: int
    seeds: int
    items: int
    horizon: int
    refit: int
    notes: tuple[Note, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: plain types; None where a number does not exist."""
        about = {name: getattr(self, name) for name in ("origins", "seeds", "items", "horizon", "refit")}
        return {"ablation": [asdict(row) for row in self.rows], **about, "notes": [str(note) for note in self.notes]}

    def to_rows(self, score: Score = "crps") -> list[dict[str, Any]]:
        """A row a switch for one score, as `figures.ablation_bars` and a table want them."""
        return [asdict(row) for row in self.rows if row.score == score]

    @property
    def text(self) -> str:
        """One sentence on CRPS for a person."""
        texts = {"breaks": "breaks without it"}
        words: dict[str, list[str]] = {}
        for row in self.to_rows():
            words.setdefault(texts.get(row["word"], row["word"]), []).append(row["switch"])
        found = "; ".join(f"{word}: {', '.join(switches)}" for word, switches in words.items())
        return f"By CRPS over {self.origins} origins and {self.seeds} seeds: {found}."


class _Pair(NamedTuple):
    """Two settings that differ in one switch, or in all of them; `off` is None where it cannot be trained."""

    switch: str
    on: Config
    off: Config | None


_Scored = Mapping[Config, Float[np.ndarray, "score seed origin"]]


def ablate(
    config: Config,
    prices: PriceTable,
    *,
    horizon: int = 5,
    cutoffs: int = 48,
    seeds: int = 3,
    refit: int = 12,
    paths: int = 1000,
    jobs: int = 1,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Ablation:
    """Turn each improvement off, one at a time and all at once, and judge both ways on the same days.

    Each variant is trained with the same `seeds` seeds (`config.seed` and those after it), at every `refit`-th
    of the same `cutoffs` origins (0: at the first alone), and simulates with the same seeds. An
    improvement that `config` has off is turned on for its own comparison, the others as `config` has them. The
    interval of a change is Student's t at 95% over origins and seeds (`change_interval`). Of 18 such intervals,
    about one excludes zero by luck. `jobs`, `store` and `progress` are those of `backtest`.

    Where the naive Bollinger formula is undefined in the history, its variant cannot be trained: its word is
    "breaks", a note says where, and the guard stays on in every other run. Raises what `backtest` raises.
    """
    check_type("config", config, Config, 'Make one with Config.from_preset("quick").')
    check_prices(prices)
    check_whole("seeds", seeds, least=1, example=LEAST_SEEDS)
    if config.start != "scratch":
        config = config.replace(start="scratch", cross_section=True)
    if seeds < LEAST_SEEDS:
        raise UsageError(f"an ablation needs {LEAST_SEEDS} seeds or more; got {seeds}. Give {LEAST_SEEDS}.")
    plan: dict[str, Any] = {"horizon": horizon, "cutoffs": cutoffs, "refit": refit}
    walk = plan_walk(prices, **plan)
    breaks, notes = _inspect_guard(walk.visible(prices, walk.cutoffs[-1]))
    if breaks and not config.bollinger_guard:
        config = config.replace(bollinger_guard=True)
        notes.append(Note("test", f"{GUARD}: the settings turn it off, which cannot be run here; every run has it on."))
    pairs = _pairs(config, breaks=breaks)
    networks = _networks(pairs, config, seeds)
    every = [network for same in networks.values() for network in same]
    report = backtest(every, prices, **plan, paths=paths, jobs=jobs, store=store, progress=progress)
    tables = dict(iter(report.forecasts.groupby("model", sort=False)))
    scored = {
        settings: np.stack([_by_origin(tables[network.name]) for network in same], axis=1)
        for settings, same in networks.items()
    }
    overlap = overlap_of(report.forecasts)
    return Ablation(
        rows=tuple(row for pair in pairs for row in _rows(pair, scored, overlap)),
        origins=report.forecasts["cutoff"].nunique(),
        seeds=seeds,
        items=report.forecasts["item_id"].nunique(),
        horizon=horizon,
        refit=refit,
        notes=(Note("model", _NETWORK), *notes, *_test_notes(pairs, scored), *report.notes),
    )


def _pairs(config: Config, *, breaks: bool) -> list[_Pair]:
    """The comparisons; each has its own switch on and off, and all else as in `config`."""
    usual = Config()
    on = {switch: getattr(config if getattr(config, switch) != off else usual, switch) for switch, off in OFF.items()}
    kept = tuple(switch for switch in OFF if not (breaks and switch == GUARD))
    together = {switch: (switch,) for switch in OFF} | {ALL_BUT_GUARD if breaks else ALL: kept}
    return [
        _Pair(
            name,
            config.replace(**{switch: on[switch] for switch in switches}),
            None if breaks and name == GUARD else config.replace(**{switch: OFF[switch] for switch in switches}),
        )
        for name, switches in together.items()
    ]


def _networks(pairs: list[_Pair], config: Config, seeds: int) -> dict[Config, list[Forecaster]]:
    """For each distinct settings a forecaster a seed, named by what differs from `config`."""
    variants = [variant for pair in pairs for variant in (pair.on, pair.off) if variant is not None]
    names = {variant: _difference(variant, config) or "as set" for variant in variants}
    return {
        variant: [Forecaster(variant.replace(seed=config.seed + k), name=f"{name} (seed {k})") for k in range(seeds)]
        for variant, name in names.items()
    }


def _difference(config: Config, base: Config) -> str:
    """The switches in which `config` differs from `base`, as settings on the command line."""
    changed = [switch for switch in OFF if getattr(config, switch) != getattr(base, switch)]
    return ", ".join(f"{switch}={str(getattr(config, switch)).lower()}" for switch in changed)


def _by_origin(rows: pd.DataFrame) -> Float[np.ndarray, "score origin"]:
    """Each score of one network at each origin, averaged over steps and items."""
    errors = np.abs(rows["actual"].to_numpy() - rows["q50"].to_numpy())
    covered = held(rows, LEVEL).astype(float)
    values: dict[Score, np.ndarray] = {"crps": rows["crps"].to_numpy(), "mae": errors, "coverage_90": covered}
    return np.stack([by_date(values[score], rows["cutoff"].to_numpy()) for score in SCORES])


def _rows(pair: _Pair, scored: _Scored, overlap: int) -> list[Row]:
    if pair.off is None:
        return [Row(switch=pair.switch, off=f"{pair.switch}=false", score=score, word="breaks") for score in SCORES]
    rows = []
    for score, with_it, without in zip(SCORES, scored[pair.on], scored[pair.off], strict=True):
        mean, interval = float(with_it.mean()), change_interval(without - with_it, overlap=overlap)
        if score == "coverage_90":
            unit, word = 1.0, _coverage_word(with_it, without, overlap)
        else:
            unit = mean or math.nan
            word = _word(interval, material=MATERIAL * mean, negligible=NEGLIGIBLE * mean)
        change, low, high = (value / unit if math.isfinite(value / unit) else None for value in interval)
        rows.append(
            Row(
                switch=pair.switch,
                off=_difference(pair.off, pair.on),
                score=score,
                with_it=mean,
                without=float(without.mean()),
                change=change,
                low=low,
                high=high,
                word=word if with_it.shape[1] >= LEAST_ORIGINS else "cannot tell",
            )
        )
    return rows


def _word(interval: tuple[float, float, float], *, material: float, negligible: float) -> Word:
    """The word for a change of which more is worse; "no difference" where all of the interval is `negligible`."""
    change, low, high = interval
    if low <= 0 <= high:
        return "no difference" if max(-low, high) <= negligible else "cannot tell"
    if abs(change) < material:
        return "no difference"
    return "helps" if change > 0 else "hurts"


def _coverage_word(on: Float[np.ndarray, "seed origin"], off: Float[np.ndarray, "seed origin"], overlap: int) -> Word:
    """Whether the coverage is farther from its level without the improvement, on whichever side."""
    level = LEVEL / 100
    far_on, far_off = ((shares - level) * np.sign(shares.mean() - level) for shares in (on, off))
    interval = change_interval(far_off - far_on, overlap=overlap)
    return _word(interval, material=MATERIAL_COVERAGE, negligible=MATERIAL_COVERAGE)


def _test_notes(pairs: list[_Pair], scored: _Scored) -> list[Note]:
    """Whether the origins are too few, and which switches do nothing here; the guard has a note of its own."""
    origins = scored[pairs[0].on].shape[-1]
    few = [f"{origins} origins are too few to tell a difference from luck; ask for {LEAST_ORIGINS}."]
    same = [
        f"{_difference(pair.off, pair.on)}: the forecasts are the same with it and without."
        for pair in pairs
        if pair.off is not None and pair.switch != GUARD and np.array_equal(scored[pair.on], scored[pair.off])
    ]
    return [Note("test", text) for text in (few if origins < LEAST_ORIGINS else []) + same]


def _inspect_guard(prices: PriceTable) -> tuple[bool, list[Note]]:
    """Whether the naive Bollinger formula fails in these rows; notes of that, and of a still stretch."""
    rounding, holes = 0, []
    for series in prices:
        guarded, naive = _positions(series)
        undefined = np.flatnonzero(~np.isfinite(naive))
        rounding += int((guarded != naive).sum())
        if len(undefined):
            day = stamp_text(series.timestamps[WARMUP - 1 + undefined[0]])
            holes.append(f"{len(undefined)} rows of '{series.item_id}' (first on {day})")
    if holes:
        text = f"the naive formula divides by zero on {listed(holes)}, so it cannot be trained."
    elif rounding:
        text = f"bands collapse to rounding on {rounding} rows; there the guard gives 0.5."
    else:
        text = "no band collapses in this history, so the guard changes nothing in it."
    return bool(holes), [Note("test", f"{GUARD}: {text}"), Note("test", f"{GUARD}: {_still(prices.series[0])}")]


def _still(series: PriceSeries) -> str:
    """What the naive formula gives on a copy of the last rows after which the price does not move."""
    close = np.append(series.close[-60:], np.full(STILL, series.close[-1]))
    days = np.arange(len(close)).astype("datetime64[D]")
    guarded, naive = _positions(PriceSeries(item_id=series.item_id, timestamps=days, close=close))
    undefined = ~np.isfinite(naive)
    return (
        f"on a copy of the end of '{series.item_id}' with {STILL} equal closes after it, the naive formula is 0/0 on "
        f"{int(undefined.sum())} rows; the guard gives {guarded[undefined].mean():g} there."
    )


def _positions(series: PriceSeries) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """The Bollinger position with the guard and without, of the rows that have their 20 closes."""
    on, off = FeatureSpec(), FeatureSpec(bollinger_guard=False)
    at = on.names.index("bollinger_position")
    return series_features(series, on)[WARMUP - 1 :, at], series_features(series, off)[WARMUP - 1 :, at]
