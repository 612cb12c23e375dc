"""Recording: a forecast that was issued, with those of its rivals, kept before its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from gatecast.config import Config
from gatecast.errors import LedgerError, UsageError, check_type
from gatecast.forecast import QUANTILES, Forecast, ItemForecast
from gatecast.judge.metrics import quantile_sorted
from gatecast.ledger.chain import append
from gatecast.ledger.database import Database
from gatecast.ledger.records import RIVALS, Quantiles, Recorded, Void, canonical, id_of, moment_text, utc_text
from gatecast.ledger.tables import ENTRIES
from gatecast.models.baselines import BASELINES
from gatecast.prices import PriceTable, check_prices
from gatecast.text import clean, counted, shown
from gatecast.version import __version__

RECENT = 20  # closes that are kept: a month of sessions shows whether new prices are the old ones, or a multiple
_LEVELS = np.array(list(QUANTILES.values()))
Clock = Callable[[], datetime]


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def record(
    database: Database,
    forecast: Forecast,
    prices: PriceTable,
    *,
    model: str,
    settings: str = "",
    source: str = "",
    rivals: Mapping[str, Forecast] | None = None,
    clock: Clock = now,
) -> list[str]:
    """Keep the forecast of each item, made from all rows of `prices`, in one transaction; the ids of its records.

    `model` names what made it, `settings` is the hash of what it was made with (`settings_hash`), `source` says in
    words what the prices are. Beside it stand the forecasts of `records.RIVALS`, fitted to the same prices with the
    same seed and number of paths, unless given by name in `rivals`.

    Raises `UsageError` where the forecast is not of these prices, `LedgerError` where it cannot be kept.
    """
    values = to_record(forecast, prices, model=model, settings=settings, source=source, rivals=rivals, clock=clock)
    with database.writing() as connection:
        return [row.id for row in append(connection, values)]


def to_record(
    forecast: Forecast,
    prices: PriceTable,
    *,
    model: str,
    settings: str = "",
    source: str = "",
    rivals: Mapping[str, Forecast] | None = None,
    clock: Clock = now,
) -> list[Recorded]:
    """What `record` keeps, for a caller that appends it in a transaction of its own."""
    check_type("forecast", forecast, Forecast, "Make one with predict(...).")
    check_prices(prices)
    for item in forecast:
        if item.item_id not in prices.item_ids or prices[item.item_id].timestamps[-1] != item.last_timestamp:
            raise UsageError(
                f"a forecast is recorded with the prices it was made from; {shown(item.item_id)} has others. "
                "Give the table that predict was given."
            )
    beside = {name: _rival(name, forecast, prices) for name in RIVALS} if rivals is None else rivals
    about = {
        "issued": utc_text(clock()), "model": clean(model), "config": settings, "version": __version__,
        "data": prices.data_hash(), "source": clean(source), "seed": forecast.seed, "paths": forecast.n_paths,
    }  # fmt: skip
    return [_recorded(item, prices, beside, about) for item in forecast]


def settings_hash(config: Config, weights: Sequence[str] = ()) -> str:
    """SHA-256 of every setting of a model, and of the names of the weight files it began with, in hex."""
    return id_of(canonical({"config": config.model_dump(mode="json"), "weights": list(weights)}))


def void(database: Database, name: str, reason: str, *, clock: Clock = now) -> str:
    """Leave a recorded forecast out of every score, from now on; it stays, with the reason. The id of the record.

    `name` is its id or the first characters of it, 6 or more. Raises `UsageError` where it names none, or several, or
    one that is void already, or where there is no reason.
    """
    reason = clean(reason)
    if not reason:
        raise UsageError('a record is voided for a reason; got none. Say it, for example reason="wrong file".')
    with database.writing() as connection:
        own = _id_of(connection, name)
        mine = ENTRIES.c.subject == own
        if connection.execute(ENTRIES.select().where(mine, ENTRIES.c.kind == "void")).first() is not None:
            raise UsageError(
                f"a record is voided once; {own[:12]} is void already. See `gatecast ledger show --voided`."
            )
        append(connection, [Void(forecast=own, voided=utc_text(clock()), reason=reason)])
    return own


def _id_of(connection: Any, name: str) -> str:
    text = name.strip().lower()
    found: Sequence[str] = []
    if len(text) >= 6 and set(text) <= set("0123456789abcdef"):
        asked = ENTRIES.select().where(ENTRIES.c.id.startswith(text), ENTRIES.c.kind == "forecast")
        found = connection.execute(asked.with_only_columns(ENTRIES.c.id).limit(2)).scalars().all()
    if len(found) != 1:
        what = counted(len(found), "record") if len(found) < 2 else "several records"
        raise UsageError(f"an id, or its first 6 characters or more, names one record; {shown(name)} names {what}.")
    return found[0]


def _rival(name: str, forecast: Forecast, prices: PriceTable) -> Forecast:
    seen = prices.select(tuple(item.item_id for item in forecast))
    predicted: Forecast = (
        BASELINES[name]().fit(seen).predict(seen, forecast.horizon, paths=forecast.n_paths, seed=forecast.seed)
    )
    return predicted


def _recorded(
    item: ItemForecast, prices: PriceTable, rivals: Mapping[str, Forecast], about: Mapping[str, Any]
) -> Recorded:
    series = prices[item.item_id]
    recent = series.rows(max(len(series) - RECENT, 0), len(series))
    closes = zip(map(moment_text, recent.timestamps), recent.close.tolist(), strict=True)
    return Recorded(
        item=item.item_id,
        last_timestamp=moment_text(item.last_timestamp),
        last_close=item.last_close,
        recent=tuple(closes),
        timestamps=tuple(moment_text(stamp) for stamp in item.timestamps),
        quantiles=_quantiles(item),
        rivals={name: _of_its_own(predicted[item.item_id]) for name, predicted in rivals.items()},
        **about,
    )


def _of_its_own(item: ItemForecast) -> Quantiles | None:
    """The quantiles of a rival; None where it could not forecast and the random walk stood in."""
    return None if any(note.kind == "fallback" for note in item.notes) else _quantiles(item)


def _quantiles(item: ItemForecast) -> Quantiles:
    ordered = np.sort(np.ascontiguousarray(item.paths.T), axis=1)
    found = quantile_sorted(ordered, _LEVELS)
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise LedgerError(f"a recorded forecast is of finite positive prices; that of {shown(item.item_id)} is not.")
    return tuple(map(tuple, found.tolist()))
