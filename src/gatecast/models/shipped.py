"""The base networks that come with gatecast, as ensembles on disk, and which of them suits some prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gatecast.errors import ModelError, UsageError
from gatecast.features.signals import START
from gatecast.nn.base_network import BaseNetwork, of_weights
from gatecast.nn.model_files import load_model, save_model
from gatecast.prices import PriceTable

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

SHIPPED = Path(__file__).parents[1] / "data" / "base"  # a folder a network, named by the last day it learned from
LEAST_AFTER = 250  # rows that are new to a network, to calibrate and to judge it by: a year of sessions
MIN_ROWS = START + 2  # a price, START moves to look back on, and one to see
KIND = "base"


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The members of a base network, and the end of the last day they learned from."""

    members: tuple[BaseNetwork, ...]
    until: np.datetime64
    items: tuple[str, ...]


def shipped() -> list[Path]:
    """The networks that come with gatecast, the oldest first."""
    return sorted(file.parent for file in SHIPPED.glob("*/model.json"))


def suited(prices: PriceTable) -> Path:
    """The youngest of them to which the last LEAST_AFTER days of every item that still trades are new; else the oldest.

    Of an item that has fewer days, all must be new.
    """
    last = max(series.timestamps[-1] for series in prices)
    live = [np.unique(series.timestamps.astype("datetime64[D]")) for series in prices if series.timestamps[-1] == last]
    folders = shipped()
    fresh = [
        folder
        for folder in folders
        if all((days > np.datetime64(folder.name)).sum() >= min(LEAST_AFTER, len(days)) for days in live)
    ]
    return (fresh or folders[:1])[-1]


def day_of(moment: np.datetime64) -> str:
    """The day of an `Ensemble.until`, as `save_ensemble` takes it."""
    return str(moment.astype("datetime64[D]"))


def end_of(day: str) -> np.datetime64:
    """The last nanosecond of a day."""
    return np.datetime64(day, "D") + np.timedelta64(1, "D") - np.timedelta64(1, "ns")


def save_ensemble(folder: Path, members: Sequence[BaseNetwork], *, until: str, items: Sequence[str]) -> None:
    """Write an ensemble as a model folder."""
    document = {"kind": KIND, "until": until, "members": len(members), "items": list(items)}
    save_model(folder, tensors_of(members), document)


def load_ensemble(folder: Path) -> Ensemble:
    """The ensemble in a folder, shipped or saved; raises `ModelError` where it is damaged or foreign."""
    tensors, document = load_model(folder)
    with fitting(folder):
        if document["kind"] != KIND:
            raise ValueError(f"it is of kind {document['kind']!r}")
        return Ensemble(
            members=members_of(tensors, int(document["members"])),
            until=end_of(document["until"]),
            items=tuple(map(str, document.get("items", ()))),
        )


def tensors_of(members: Sequence[Module]) -> dict[str, Tensor]:
    """The weights of all members, each name with the member's number before it."""
    return {
        f"{number}.{name}": tensor.clone()
        for number, member in enumerate(members)
        for name, tensor in member.state_dict().items()
    }


def tensors_at(tensors: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The weights of the `number`th member among what `tensors_of` gave."""
    prefix = f"{number}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def members_of(tensors: Mapping[str, Tensor], count: int) -> tuple[BaseNetwork, ...]:
    """What `tensors_of` made; raises `ValueError` or `RuntimeError` where it is something else."""
    members = [of_weights(tensors_at(tensors, number)) for number in range(count)]
    if not members:
        raise ValueError("it has no members")
    return tuple(members)


@contextmanager
def fitting(folder: Path | str) -> Iterator[None]:
    """Turn what a description that does not fit raises into a `ModelError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, AttributeError, UsageError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(
            f"a model's description must fit this gatecast; that in '{folder}' does not ({reason}). "
            "Save the model again."
        ) from None
