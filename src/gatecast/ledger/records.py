"""What the ledger keeps, as values: a forecast, its outcome, a void; and the text whose hash stands for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatecast.errors import LedgerError
from gatecast.forecast import BANDS, QUANTILES
from gatecast.prices import stamp_text
from gatecast.text import clean

RIVALS = ("random_walk", "har", "garch")  # that are recorded beside each forecast
START = "0" * 64  # what stands for the hash before the first row
TENTHS = 10  # of a forecast's distribution, in which its outcomes are counted
_EPOCH = date(1970, 1, 1).toordinal()

Quantiles = tuple[tuple[float, ...], ...]  # (horizon, levels): price units


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    def content(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return self.model_dump(mode="json")


class Recorded(_Value):
    """A forecast of one item, kept before its outcome.

    `issued` is UTC. `model`, `config` (SHA-256 of its settings) and `version` of gatecast made it, from a table of
    `source` with the hash `data`, whose last row of the item is `last_timestamp`, `last_close`; `recent` are its last
    closes by timestamp, by which revised prices are known. `timestamps` are those forecast. `quantiles` (horizon,
    levels) are prices at the levels of `forecast.QUANTILES`; `rivals` the same of `RIVALS`, None of one that had no
    forecast of its own.
    """

    kind: Literal["forecast"] = "forecast"
    issued: str
    item: str
    model: str
    config: str
    version: str
    data: str
    source: str
    seed: int
    paths: int
    last_timestamp: str
    last_close: float = Field(gt=0)
    recent: tuple[tuple[str, float], ...]
    timestamps: tuple[str, ...]
    quantiles: Quantiles
    rivals: Mapping[str, Quantiles | None]

    @property
    def horizon(self) -> int:
        """Number of steps ahead."""
        return len(self.timestamps)


class Step(_Value):
    """What came at a step, and how good the forecast of it was.

    `log_return`: of the observed close from the recorded last close. `crps`: of the log return, from the quantiles
    (`metrics.crps_quantiles`), by model: "forecast" and `RIVALS`; None where a rival had none. `held`: the levels of
    the bands that held it. `tenth`: 0 to 9, that of the forecast's distribution in which it fell. `miss`: its distance
    from the median in half widths of the 90% band.
    """

    step: int = Field(ge=1)
    timestamp: str
    log_return: float
    crps: Mapping[str, float | None]
    held: tuple[int, ...]
    tenth: int = Field(ge=0, lt=TENTHS)
    miss: float


class Outcome(_Value):
    """The steps of a recorded forecast that were due when new prices came; `forecast` is its id.

    `ratio`: how many times the recorded last close the same close is in the new prices; 1 unless they were adjusted.
    `revised`: the largest relative change of a recorded close that the ratio does not explain.
    """

    kind: Literal["outcome"] = "outcome"
    forecast: str
    settled: str
    source: str
    data: str
    ratio: float = Field(gt=0)
    revised: float = Field(ge=0)
    steps: tuple[Step, ...]


class Void(_Value):
    """A recorded forecast that shall not be scored; it stays, with the reason."""

    kind: Literal["void"] = "void"
    forecast: str
    voided: str
    reason: str


Value = Recorded | Outcome | Void
_KINDS: dict[str, type[Value]] = {"forecast": Recorded, "outcome": Outcome, "void": Void}


def canonical(content: Mapping[str, Any]) -> str:
    """The one text of a content: JSON in ASCII, keys sorted, no spaces, shortest digits that give the same number.

    >>> canonical({"b": 0.1, "a": None})
    '{"a":null,"b":0.1}'
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def id_of(text: str) -> str:
    """The name of a row: SHA-256 of its canonical text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def chained(seq: int, previous: str, text: str) -> str:
    """The hash of a row: SHA-256 of its number, the hash of the row before and its canonical text, a line each."""
    return hashlib.sha256(f"{seq}\n{previous}\n{text}".encode()).hexdigest()


def subject_of(content: Mapping[str, Any], own: str) -> str:
    """The id of the forecast that a row is about; a forecast is about itself."""
    return own if content["kind"] == "forecast" else str(content["forecast"])


def value_of(content: Any, where: str) -> Value:
    """The checked value of a content from outside; raises `LedgerError` where it is none."""
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind not in _KINDS:
        raise LedgerError(f"a row is a forecast, an outcome or a void; {where} is none. Export the ledger again.")
    try:
        value = _KINDS[kind].model_validate_json(canonical(content))
    except (ValidationError, ValueError) as error:
        why = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error), "loc": ()}
        place = ".".join(map(str, why["loc"]))
        raise LedgerError(
            f"the row of {where} is no {kind} of this gatecast: {place}: {clean(why['msg'], 80)}. Export it again."
        ) from None
    if isinstance(value, Recorded):
        _check_shapes(value, where)
    return value


def _check_shapes(value: Recorded, where: str) -> None:
    tables = [value.quantiles, *(table for table in value.rivals.values() if table is not None)]
    if not value.horizon or any(
        len(table) != value.horizon or any(len(row) != len(QUANTILES) or min(row) <= 0 for row in table)
        for table in tables
    ):
        raise LedgerError(
            f"a forecast has {len(QUANTILES)} positive quantiles for each timestamp; that of {where} has not. "
            "Export the ledger again."
        )


def utc_text(moment: datetime) -> str:
    """A moment in UTC to the microsecond: `2024-05-01T16:30:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_text(stamp: np.datetime64) -> str:
    """A timestamp of prices as text, with every digit it has below a second."""
    nanoseconds = stamp.astype("datetime64[ns]")
    whole = nanoseconds.astype("datetime64[s]")
    return stamp_text(stamp) if whole == nanoseconds else str(np.datetime_as_string(nanoseconds)).rstrip("0")


def known_at(timestamp: str) -> datetime:
    """When a close of this timestamp is known, in UTC: that of a date alone when the day has ended.

    >>> known_at("2024-05-01").isoformat(), known_at("2024-05-01T16:30:00").isoformat()
    ('2024-05-02T00:00:00+00:00', '2024-05-01T16:30:00+00:00')
    """
    moment = datetime.fromisoformat(timestamp).replace(tzinfo=UTC)
    return moment + timedelta(days=1) if "T" not in timestamp else moment


def day_of(timestamp: str) -> int:
    """Days from 1970 to the day of a timestamp.

    >>> day_of("1970-01-02T12:00:00")
    1
    """
    return date.fromisoformat(timestamp[:10]).toordinal() - _EPOCH


BAND_LEVELS = tuple(BANDS)
