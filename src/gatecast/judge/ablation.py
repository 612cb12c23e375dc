"""What each of the five improvements is worth: the judge's walk with it on and with it off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.forecast import BANDS
from gatecast.judge.bollinger import GUARD, inspect_guard
from gatecast.judge.comparisons import overlap_of
from gatecast.judge.decision import LEAST_ORIGINS, LEVEL, MATERIAL
from gatecast.judge.metrics import inside
from gatecast.judge.plan import plan_walk
from gatecast.judge.significance import by_date, change_interval
from gatecast.judge.walkforward import Progress, Report, backtest
from gatecast.models.forecaster import Forecaster
from gatecast.notes import Note
from gatecast.prices import PriceTable

Word = Literal["helps", "no difference", "hurts", "breaks"]
Score = Literal["crps", "mae", "coverage_90"]

OFF: Mapping[str, Any] = {
    "loss": "mse",
    "weights": "none",
    "returns": "none",
    "mc_dropout": False,
    "bollinger_guard": False,
}
_NETWORK = (
    "the five improvements are parts of a network trained on these prices, so that network is taken apart here; the "
    "base network that ships with gatecast has none of these switches, and its forecasts are not what is measured"
)
ALL = "all five"
ALL_BUT_GUARD = "all but the guard"
SCORES: tuple[Score, ...] = ("crps", "mae", "coverage_90")
LEAST_SEEDS = 3  # tell a network's luck from its merit; the variance of two is hardly known
MATERIAL_COVERAGE = 0.01  # of outcomes; a smaller change alters no decision


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
    word: Word = "no difference"


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
        texts = {"no difference": "no difference found", "breaks": "breaks without it"}
        words: dict[str, list[str]] = {}
        for row in self.to_rows():
            words.setdefault(texts.get(row["word"], row["word"]), []).append(row["switch"])
        found = "; ".join(f"{word}: {', '.join(switches)}" for word, switches in words.items())
        return f"By CRPS over {self.origins} origins and {self.seeds} seeds: {found}."


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two settings that differ in one switch, or in all of them."""

    switch: str
    on: Config
    off: Config


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
    if config.start != "scratch":
        config = config.replace(start="scratch", cross_section=True)
    if seeds < LEAST_SEEDS:
        raise UsageError(f"an ablation needs {LEAST_SEEDS} seeds or more; got {seeds}. Give {LEAST_SEEDS}.")
    walk = plan_walk(prices, horizon=horizon, cutoffs=cutoffs, refit=refit)
    breaks, notes = inspect_guard(walk.visible(prices, walk.cutoffs[-1]))
    if breaks and not config.bollinger_guard:
        config = config.replace(bollinger_guard=True)
        notes.append(Note("test", f"{GUARD}: the settings turn it off, which cannot be run here; every run has it on."))
    pairs = _pairs(config, breaks=breaks)
    networks = _networks(pairs, config, seeds)
    report = backtest(
        [network for same in networks.values() for network in same],
        prices,
        horizon=horizon,
        cutoffs=cutoffs,
        refit=refit,
        paths=paths,
        jobs=jobs,
        store=store,
        progress=progress,
    )
    return _ablation(pairs, networks, report, notes, breaks=breaks, horizon=horizon, refit=refit)


def _ablation(
    pairs: list[_Pair],
    networks: Mapping[Config, list[Forecaster]],
    report: Report,
    notes: list[Note],
    *,
    breaks: bool,
    horizon: int,
    refit: int,
) -> Ablation:
    """The comparison of every pair in a walk-forward report of all their networks."""
    tables = dict(iter(report.forecasts.groupby("model", sort=False)))
    held = {
        config: np.stack([_by_origin(tables[network.name]) for network in same], axis=1)
        for config, same in networks.items()
    }
    first = next(iter(tables.values()))
    origins = int(first["cutoff"].nunique())
    return Ablation(
        rows=tuple(_all_rows(pairs, held, overlap_of(first), breaks=breaks)),
        origins=origins,
        seeds=len(next(iter(networks.values()))),
        items=int(first["item_id"].nunique()),
        horizon=horizon,
        refit=refit,
        notes=(Note("model", _NETWORK), *notes, *_few_origins(origins), *_same_notes(pairs, held), *report.notes),
    )


def _few_origins(origins: int) -> list[Note]:
    if origins >= LEAST_ORIGINS:
        return []
    text = f"{origins} origins are too few to tell a difference from luck; ask for {LEAST_ORIGINS}."
    return [Note("test", text)]


def _networks(pairs: list[_Pair], config: Config, seeds: int) -> dict[Config, list[Forecaster]]:
    """For each distinct settings a forecaster a seed, named by what differs from `config`."""
    names = {variant: _difference(variant, config) or "as set" for pair in pairs for variant in (pair.on, pair.off)}
    return {
        variant: [Forecaster(variant.replace(seed=config.seed + k), name=f"{name} (seed {k})") for k in range(seeds)]
        for variant, name in names.items()
    }


def _pairs(config: Config, *, breaks: bool) -> list[_Pair]:
    """The comparisons; each has its own switch on and off, and all else as in `config`."""
    usual = Config()
    on = {switch: getattr(config if getattr(config, switch) != off else usual, switch) for switch, off in OFF.items()}
    kept = [switch for switch in OFF if not (breaks and switch == GUARD)]
    together = {switch: (switch,) for switch in kept} | {ALL_BUT_GUARD if breaks else ALL: tuple(kept)}
    return [
        _Pair(
            switch=name,
            on=config.replace(**{switch: on[switch] for switch in switches}),
            off=config.replace(**{switch: OFF[switch] for switch in switches}),
        )
        for name, switches in together.items()
    ]


def _difference(config: Config, base: Config) -> str:
    """The switches in which `config` differs from `base`, as settings on the command line."""
    changed = [switch for switch in OFF if getattr(config, switch) != getattr(base, switch)]
    return ", ".join(f"{switch}={str(getattr(config, switch)).lower()}" for switch in changed)


def _by_origin(rows: pd.DataFrame) -> Float[np.ndarray, "score origin"]:
    """Each score of one network at each origin, averaged over steps and items."""
    low, high = BANDS[LEVEL]
    actual = rows["actual"].to_numpy()
    values = {
        "crps": rows["crps"].to_numpy(),
        "mae": np.abs(actual - rows["q50"].to_numpy()),
        "coverage_90": inside(rows[low].to_numpy(), rows[high].to_numpy(), actual).astype(float),
    }
    return np.stack([by_date(values[score], rows["cutoff"].to_numpy()) for score in SCORES])


def _all_rows(
    pairs: list[_Pair], held: Mapping[Config, Float[np.ndarray, "origin seed score"]], overlap: int, *, breaks: bool
) -> list[Row]:
    """A row a pair and score; a guard that cannot be turned off stands before the last pair."""
    rows = [row for pair in pairs for row in _rows(pair, held[pair.on], held[pair.off], overlap)]
    if breaks:
        broken = [Row(switch=GUARD, off=f"{GUARD}=false", score=score, word="breaks") for score in SCORES]
        rows[-len(SCORES) : -len(SCORES)] = broken
    return rows


def _rows(
    pair: _Pair, on: Float[np.ndarray, "score seed origin"], off: Float[np.ndarray, "score seed origin"], overlap: int
) -> list[Row]:
    rows = []
    for score, with_it, without in zip(SCORES, on, off, strict=True):
        mean, interval = float(with_it.mean()), change_interval(without - with_it, overlap=overlap)
        if score == "coverage_90":
            unit, word = 1.0, _coverage_word(with_it, without, overlap)
        else:
            unit, word = mean or math.nan, _word(interval, material=MATERIAL * mean)
        change, low, high = (value / unit if math.isfinite(value / unit) else None for value in interval)
        enough = on.shape[-1] >= LEAST_ORIGINS
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
                word=word if enough else "no difference",
            )
        )
    return rows


def _word(interval: tuple[float, float, float], *, material: float) -> Word:
    """The word for a change of which more is worse."""
    change, low, high = interval
    if low <= 0 <= high or abs(change) < material:
        return "no difference"
    return "helps" if change > 0 else "hurts"


def _coverage_word(on: Float[np.ndarray, "seed origin"], off: Float[np.ndarray, "seed origin"], overlap: int) -> Word:
    """Whether the coverage is farther from its level without the improvement, on whichever side."""
    level = LEVEL / 100
    far_on, far_off = ((held - level) * np.sign(held.mean() - level) for held in (on, off))
    return _word(change_interval(far_off - far_on, overlap=overlap), material=MATERIAL_COVERAGE)


def _same_notes(pairs: Iterable[_Pair], held: Mapping[Config, np.ndarray]) -> list[Note]:
    """Switches that do nothing with these settings and prices; the guard has a note of its own."""
    same = [pair for pair in pairs if pair.switch != GUARD and np.array_equal(held[pair.on], held[pair.off])]
    return [
        Note("test", f"{_difference(pair.off, pair.on)}: the forecasts are the same with it and without.")
        for pair in same
    ]
