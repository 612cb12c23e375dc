"""Which network a forecaster uses, chosen once by its settings and the prices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatecast.config import Config
from gatecast.models.shipped import day_of, load_ensemble, suited
from gatecast.notes import Note
from gatecast.prices import PriceTable


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The settings that hold for these prices, and the folder of the base network where they start from it.

    `until` is the end of the last day that this base network learned from. `notes` say why the choice fell so.
    """

    config: Config
    folder: Path | None = None
    until: np.datetime64 | None = None
    notes: tuple[Note, ...] = ()


def choose(config: Config, prices: PriceTable, *, folder: Path | None = None) -> Choice:
    """A network trained on the prices (start=scratch), or a base network: the one in `folder`, or the suited one.

    A table that ends before the last day the base network learned from cannot test it: with start=adapt a network is
    trained on the table instead; with start=base a note of the forecast says so.
    """
    if config.start == "scratch":
        return Choice(config=config)
    folder = folder or suited(prices)
    until = load_ensemble(folder).until
    if config.start == "adapt" and max(series.timestamps[-1] for series in prices) <= until:
        note = Note(
            "model",
            f"the base network learned from days up to {day_of(until)}, so these prices cannot test it: a network was "
            "trained on them alone",
        )
        return Choice(config=config.replace(start="scratch", cross_section=True), notes=(note,))
    return Choice(config=config, folder=folder, until=until)
