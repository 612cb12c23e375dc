"""What a worker does: reads a block of assets, forecasts those that are not done, and says which it could not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from gatecast.config import Config
from gatecast.errors import GatecastError
from gatecast.features.indicators import WARMUP
from gatecast.forecast import QUANTILES, Forecast, ItemForecast
from gatecast.judge.metrics import quantile_sorted
from gatecast.ledger.recording import settings_hash, to_record
from gatecast.ledger.records import Recorded
from gatecast.models.choice import choose
from gatecast.models.forecaster import Forecaster
from gatecast.models.shipped import MIN_ROWS
from gatecast.prices import PriceTable
from gatecast.readers.folders import Refused
from gatecast.readers.panels import Part
from gatecast.text import clean, shown
from gatecast.version import __version__

FORMAT = 1  # raised when what an asset's file holds, or how it is made, changes
_LEVELS = np.array(list(QUANTILES.values()))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every block is forecast with; `source` is set where forecasts are recorded, and says what of."""

    config: Config
    horizon: int
    paths: int
    seed: int
    source: str | None = None

    def key(self, prices: PriceTable) -> str:
        """Names all that the forecasts of a block depend on: the same key means the same forecasts."""
        about = {
            "format": f"{__version__}/{FORMAT}",
            "data": prices.data_hash(),
            "calendar": prices.calendar,
            "config": self.config.model_dump(mode="json", exclude={"device"}),
            "weights": Forecaster(self.config).weights,
            "horizon": self.horizon,
            "paths": self.paths,
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Block:
    """Assets that are forecast together, and of those met before the key of what is known of them."""

    names: tuple[str, ...]
    part: Part
    done: Mapping[str, str]  # forecast
    failed: Mapping[str, tuple[str, str]]  # could not be: (key, reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class AssetForecast:
    """What is kept of an asset's forecast; prices in the asset's currency, quantiles by the names of `QUANTILES`."""

    item: str
    last_timestamp: np.datetime64
    last_close: float
    timestamps: np.ndarray
    quantiles: Float[np.ndarray, "horizon levels"]
    mean: Float[np.ndarray, " horizon"]
    notes: tuple[str, ...]
    recorded: Recorded | None = None

    @classmethod
    def of(cls, item: ItemForecast, recorded: Recorded | None) -> AssetForecast:
        """Of simulated paths."""
        ordered = np.sort(np.ascontiguousarray(item.paths.T), axis=1)  # (H, P)
        return cls(
            item=item.item_id,
            last_timestamp=item.last_timestamp,
            last_close=item.last_close,
            timestamps=item.timestamps,
            quantiles=quantile_sorted(ordered, _LEVELS),
            mean=ordered.mean(axis=1),
            notes=tuple(dict.fromkeys(note.text for note in item.notes)),
            recorded=recorded,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockAnswer:
    """What came of a block: forecasts made, assets that were done before, and those that could not be forecast.

    Of the latter, `final` names those that would fail again on the same data with the same settings.
    """

    key: str = ""
    made: tuple[AssetForecast, ...] = ()
    kept: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    final: frozenset[str] = field(default_factory=frozenset)


def forecast_block(settings: Settings, block: Block) -> BlockAnswer:
    """Forecast the assets of a block, unless all of them are done; an asset that cannot be forecast costs no other."""
    try:
        table, refused = block.part.read()
    except Exception as error:  # a file that disappeared, a lack of memory: this block's, and no other's
        return BlockAnswer(refused=tuple(Refused(name, reason_of(error)) for name in block.names))
    if table is None:
        return BlockAnswer(refused=refused)
    key = settings.key(table)
    kept = tuple(item for item in table.item_ids if block.done.get(item) == key)
    known = {item: Refused(item, block.failed[item][1]) for item in table.item_ids if _failed_so(block, item, key)}
    if len(kept) + len(known) == len(table):
        return BlockAnswer(key=key, kept=kept, refused=(*refused, *known.values()), final=frozenset(known))
    forecast, more = _forecast(settings, _without(table, known))
    failures = {**known, **{each.item: each for each in more}}
    made = () if forecast is None else _kept_of(settings, forecast, table, frozenset(kept))
    return BlockAnswer(key=key, made=made, kept=kept, refused=(*refused, *failures.values()), final=frozenset(failures))


def _failed_so(block: Block, item: str, key: str) -> bool:
    return item in block.failed and block.failed[item][0] == key


def _without(table: PriceTable, left_out: Mapping[str, object]) -> PriceTable | None:
    names = tuple(item for item in table.item_ids if item not in left_out)
    return table.select(names) if names else None


def _forecast(settings: Settings, table: PriceTable | None) -> tuple[Forecast | None, list[Refused]]:
    """The joint forecast of all assets that can be forecast, and the others."""
    if table is None:
        return None, []
    short = _too_short(settings.config, table)
    bad = {each.item: each for each in short}
    while (good := _without(table, bad)) is not None:
        try:
            return _predicted(settings.config, settings, good), list(bad.values())
        except Exception as error:
            found = [Refused(good.item_ids[0], reason_of(error))] if len(good) == 1 else _culprits(settings, good)
            # Where each can be forecast alone, it is the block as a whole that cannot.
            bad |= {each.item: each for each in found or (Refused(item, reason_of(error)) for item in good.item_ids)}
    return None, list(bad.values())


def _predicted(config: Config, settings: Settings, table: PriceTable) -> Forecast:
    forecaster = Forecaster(config).fit(table)
    return forecaster.predict(table, settings.horizon, paths=settings.paths, seed=settings.seed)


def _too_short(config: Config, table: PriceTable) -> list[Refused]:
    """The assets that have fewer rows than the network needs."""
    choice = choose(config, table)
    least = MIN_ROWS if choice.folder is not None else choice.config.context_length + WARMUP
    reason = f"a forecast with these settings needs at least {least} rows; {{}} has {{}}. Give more history."
    return [
        Refused(series.item_id, reason.format(shown(series.item_id), len(series)))
        for series in table
        if len(series) < least
    ]


def _culprits(settings: Settings, table: PriceTable) -> list[Refused]:
    """The assets that cannot be forecast alone either."""
    found = []
    quick = settings.config.replace(calibrate=False)
    for series in table:
        try:
            _predicted(quick, settings, table.select((series.item_id,)))
        except Exception as error:
            found.append(Refused(series.item_id, reason_of(error)))
    return found


def _kept_of(
    settings: Settings, forecast: Forecast, table: PriceTable, kept: frozenset[str]
) -> tuple[AssetForecast, ...]:
    """What is kept of the assets that were not done before."""
    recorded: dict[str, Recorded] = {}
    if settings.source is not None:
        seen = table.select(tuple(item.item_id for item in forecast))
        about = settings_hash(settings.config, Forecaster(settings.config).weights)
        values = to_record(forecast, seen, model="gatecast", settings=about, source=settings.source)
        recorded = {value.item: value for value in values}
    return tuple(AssetForecast.of(item, recorded.get(item.item_id)) for item in forecast if item.item_id not in kept)


def reason_of(error: Exception) -> str:
    """One line of why something could not be done; of an error that is not gatecast's its kind too."""
    if isinstance(error, GatecastError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there was not enough memory. Take fewer workers, smaller blocks, or fewer paths."
    return f"it failed with {type(error).__name__}: {clean(error, 200)}"


def lost_block(block: Block) -> BlockAnswer:
    """The answer for a block whose worker died each time."""
    reason = "the process that forecast it died twice, most often for want of memory. Take fewer workers or paths."
    return BlockAnswer(refused=tuple(Refused(name, reason) for name in block.names))


def names_in_blocks(names: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """The names in their order, so many at a time.

    >>> names_in_blocks(["A", "B", "C"], 2)
    [('A', 'B'), ('C',)]
    """
    return [tuple(names[at : at + size]) for at in range(0, len(names), size)]
