"""The networks that come with gatecast: ensembles on disk, which of them suits some prices, and their raw forecasts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatecast.calendars import future_timestamps
from gatecast.errors import ModelError, TooFewRows, UsageError
from gatecast.features.signals import START
from gatecast.forecast import Forecast, ItemForecast
from gatecast.nn.checkpoint import load_model, save_model
from gatecast.nn.joint import JointNetwork, build_joint
from gatecast.nn.sampling.base import Simulated, simulate
from gatecast.nn.sampling.context import Stand
from gatecast.prices import PriceSeries, PriceTable

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = (
    Path(__file__).parents[1] / "data" / "base"
)  # a folder a network, named by the last day it learned from
LEAST_AFTER = (
    250  # rows that a network has not learned from, to calibrate and to judge it by: a year of sessions
)
MIN_ROWS = START + 2  # a price, START moves to look back on, and one to see
FARTHEST = 10.0  # of a log return; 22,000-fold is enough for any price
_KIND, ADAPTED = "base", "adapted base"


@dataclass(frozen=True, kw_only=True)
class Base:
    """The members of the ensemble, and the end of the last day they learned from."""

    members: tuple[JointNetwork, ...]
    until: np.datetime64
    items: tuple[str, ...]


def shipped() -> list[Path]:
    """The networks that come with gatecast, the oldest first."""
    return sorted(file.parent for file in SHIPPED.glob("*/model.json"))


def suited(prices: PriceTable) -> Path:
    """The youngest of them to which the last LEAST_AFTER days of every item that still trades are new; else the oldest.

    Of an item that has fewer days, all must be new.
    """
    last = max(one.timestamps[-1] for one in prices)
    live = [np.unique(one.timestamps.astype("datetime64[D]")) for one in prices if one.timestamps[-1] == last]
    folders = shipped()
    fresh = [
        folder
        for folder in folders
        if all((days > np.datetime64(folder.name)).sum() >= min(LEAST_AFTER, len(days)) for days in live)
    ]
    return (fresh or folders[:1])[-1]


def day_of(moment: np.datetime64) -> str:
    """The day of a `Base.until`, as `save_base` takes it."""
    return str(moment.astype("datetime64[D]"))


def _end_of(day: str) -> np.datetime64:
    return np.datetime64(day, "D") + np.timedelta64(1, "D") - np.timedelta64(1, "ns")


def save_base(folder: Path, members: Sequence[JointNetwork], *, until: str, items: Sequence[str]) -> None:
    """Write an ensemble as a model folder."""
    document = {"kind": _KIND, "until": until, "members": len(members), "items": list(items)}
    save_model(folder, tensors_of(members), document)


def tensors_of(members: Sequence[JointNetwork]) -> dict[str, Tensor]:
    """The weights of all members, each name with the member's number before it."""
    return {
        f"{number}.{name}": tensor.clone()
        for number, member in enumerate(members)
        for name, tensor in member.state_dict().items()
    }


def load_base(folder: Path) -> Base:
    """The ensemble in a folder, be it shipped or saved; raises `ModelError` where it is damaged or foreign."""
    tensors, document = load_model(folder)
    with fitting(folder):
        expect(document, _KIND, ADAPTED)
        return Base(
            members=_members(tensors, int(document["members"])),
            until=_end_of(document["until"]),
            items=tuple(map(str, document.get("items", ()))),
        )


@contextmanager
def fitting(folder: Path | str) -> Iterator[None]:
    """Turn what a description that does not fit raises into a `ModelError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, UsageError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(
            f"a model's description must fit this gatecast; that in '{folder}' does not ({reason}). "
            "Save the model again."
        ) from None


def expect(document: Mapping[str, Any], *kinds: str) -> None:
    """Raise `ValueError` where a model folder holds another kind of model."""
    if document["kind"] not in kinds:
        raise ValueError(f"it is of kind {document['kind']!r}")


def _members(tensors: Mapping[str, Tensor], count: int) -> tuple[JointNetwork, ...]:
    """What `tensors_of` made; raises `ValueError` or `RuntimeError` where it is something else."""
    members = []
    for number in range(count):
        prefix = f"{number}."
        stored = {
            name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
        }
        member = build_joint(0)
        member.load_state_dict(stored)
        members.append(member.eval())
    if not members:
        raise ValueError("it has no members")
    return tuple(members)


@dataclass(frozen=True)
class BaseNetwork:
    """The members' forecasts as they are, before any calibration; without `market`, each item's by itself."""

    members: tuple[JointNetwork, ...]
    market: bool = True

    def predict_at(
        self,
        prices: PriceTable,
        cutoffs: Sequence[np.datetime64],
        horizon: int,
        *,
        paths: int,
        seeds: Sequence[int],
    ) -> list[Forecast]:
        """Paths from the last row of each item at each cutoff, in one batch; raises `TooFewRows` under MIN_ROWS."""
        tables = [prices.until(cutoff) for cutoff in cutoffs]
        stands = [
            [_stand(one, table, horizon, seed) for one in table]
            for table, seed in zip(tables, seeds, strict=True)
        ]
        alone = [[one] for standing in stands for one in standing]
        simulated = iter(simulate(self.members, stands if self.market else alone, paths))
        return [
            Forecast(items=tuple(_item(one, next(simulated), table) for one in standing), seed=seed)
            for table, seed, standing in zip(tables, seeds, stands, strict=True)
        ]


def _stand(series: PriceSeries, prices: PriceTable, horizon: int, seed: int) -> Stand:
    if len(series) < MIN_ROWS:
        raise TooFewRows(
            f"the base network needs at least {MIN_ROWS} rows; '{series.item_id}' has {len(series)}. Give more "
            "history, or leave it out."
        )
    return Stand(
        series=series,
        future=future_timestamps(series, horizon, prices.calendar),
        rng=np.random.default_rng([seed, zlib.crc32(series.item_id.encode())]),
    )


def _item(stand: Stand, simulated: Simulated, prices: PriceTable) -> ItemForecast:
    series, (log_returns, density) = stand.series, simulated
    last_close = float(series.close[-1])
    return ItemForecast(
        item_id=series.item_id,
        last_timestamp=series.timestamps[-1],
        last_close=last_close,
        timestamps=stand.future,
        paths=last_close * np.exp(np.clip(log_returns, -FARTHEST, FARTHEST)),
        density=density,
        notes=prices.notes + series.notes,
    )
