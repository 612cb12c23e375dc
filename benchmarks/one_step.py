"""How sharp are base networks one day ahead, with the dates of events and without?

Each folder of `--networks` holds a base network; the first is what the others are held against. Every day of the period
is forecast from the day before: the 80 stocks of the panel as one table, with their earnings dates and without, and the
other markets item by item. CRPS is in percent of the first network's, negative where it is better; DM is the
Diebold-Mariano statistic over dates, positive where it is better; the log score is in nats a day, the difference to the
first network's. Nothing is simulated beyond the one day, so that a minute a network is enough to choose by.

Needs the real series in ../shared/data.

    python benchmarks/one_step.py --networks A,B [--after 2011-12-31] [--to 2015-12-31] [--tables panel,markets]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "scripts")]

from bands import DATA
from make_base import EVENTS, MARKETS, PANEL, cut, enough, other_markets

from gatecast.judge.metrics import crps_paths
from gatecast.models.shipped import load_ensemble
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.training.sequences import Chunks, TrainingSequence
from gatecast.prices import PriceSeries
from gatecast.readers.events import read_events
from gatecast.readers.read import read_prices

MASKS, DRAWS = 8, 200  # dropout masks a member, and draws a day of all members together
LAGS = 5  # days over which the statistic allows for memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", required=True, help="folders, by commas; the first is the one to beat")
    parser.add_argument("--after", default="2011-12-31", help="the last day before the period")
    parser.add_argument("--to", default="2015-12-31", help="the last day of the period")
    parser.add_argument("--tables", default="panel,markets")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    folders = [Path(folder) for folder in arguments.networks.split(",")]
    period = (np.datetime64(arguments.after), np.datetime64(arguments.to))
    rows = []
    print(f"{'table':14s} {'network':28s} events    CRPS     DM  log score     days", flush=True)
    for name, tables in sequences_of(arguments.data, arguments.tables.split(","), arguments.to).items():
        against: dict[str, Any] | None = None
        for folder in folders:
            members = load_ensemble(folder).members
            for with_events in (False, True) if name == "panel" and members[0].known_events else (False,):
                scored = scores(members, tables, period, with_events=with_events)
                against = against or scored
                row = {"table": name, "network": str(folder), "events": with_events, **compared(scored, against)}
                rows.append(row)
                print(
                    f"{name:14s} {str(folder)[-28:]:28s} {'yes' if with_events else 'no':6s} {row['crps']:+6.2f}%  "
                    f"{row['dm']:5.1f}  {row['log_score']:+9.4f} {row['days']:8,d}",
                    flush=True,
                )
    if arguments.out:
        arguments.out.write_text(json.dumps({"after": arguments.after, "to": arguments.to, "rows": rows}, indent=1))


def sequences_of(data: Path, names: Sequence[str], to: str) -> dict[str, list[TrainingSequence]]:
    """By table the sequences of its items."""
    found: dict[str, list[TrainingSequence]] = {}
    if "panel" in names:
        panel = read_prices(cut(data / PANEL, to), repair=True).with_events(read_events(data / EVENTS))
        found["panel"] = TrainingSequence.of_table(enough(panel))
    if "markets" in names:
        for name, table in other_markets(cut(data / MARKETS, to)).items():
            found[name] = [alone(series) for series in table]
    return found


def alone(series: PriceSeries) -> TrainingSequence:
    (sequence,) = TrainingSequence.of_table([series])
    return sequence


@torch.no_grad()
def scores(
    members: Sequence[BaseNetwork],
    sequences: Sequence[TrainingSequence],
    period: tuple[np.datetime64, np.datetime64],
    *,
    with_events: bool,
) -> dict[str, Any]:
    """CRPS, in units of a log return, and log score of every item and day of the period."""
    days, crps, logs = [], [], []
    for number, sequence in enumerate(sequences):
        dates = sequence.days.astype("datetime64[D]")
        first, stop = np.searchsorted(dates, period, side="right")
        if stop - first < 20 or first < 100:
            continue
        first = max(int(first), 1)
        begin = max(first - 500, 0)
        chunks = Chunks.of([sequence.rows(begin, int(stop))])
        inputs = chunks.inputs
        if not with_events:
            inputs = replace(inputs, known=torch.zeros_like(inputs.known), passed=torch.zeros_like(inputs.passed))
        generator = torch.Generator().manual_seed(number)
        parts = []
        for member in members:
            masks = member.draw_masks(MASKS, generator)
            day = member(inputs, masks=masks, last=int(stop) - first)[0]
            parts.append((day.location, day.scale, day.df))
        location, scale, df = (torch.cat(of, dim=1).double().numpy() for of in zip(*parts, strict=True))
        observed = sequence.observed[first : int(stop), 0].double().numpy()
        unit = sequence.scale[first : int(stop)]
        rng = np.random.default_rng(number)
        every = max(DRAWS // location.shape[1], 1)
        shape = (len(observed), location.shape[1], every)
        drawn = location[..., None] + scale[..., None] * rng.standard_t(
            np.broadcast_to(df[..., None], shape), size=shape
        )
        crps.append(unit * crps_paths(drawn.reshape(len(observed), -1), observed))
        logs.append(mixture_log_density(location, scale, df, observed) - np.log(unit))
        days.append(dates[first : int(stop)])
    return {"days": np.concatenate(days), "crps": np.concatenate(crps), "log": np.concatenate(logs)}


def mixture_log_density(location: np.ndarray, scale: np.ndarray, df: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Log density of the equal mixture over the second axis."""
    density = torch.distributions.StudentT(*(torch.from_numpy(part) for part in (df, location, scale)))
    each = density.log_prob(torch.from_numpy(observed)[:, None])
    return np.asarray((torch.logsumexp(each, dim=1) - np.log(each.shape[1])).numpy())


def compared(scored: dict[str, Any], against: dict[str, Any]) -> dict[str, Any]:
    """Differences to another network's scores of the same days."""
    difference = against["crps"] - scored["crps"]
    dates, place = np.unique(scored["days"], return_inverse=True)
    by_date = np.bincount(place, difference) / np.bincount(place)
    centred = by_date - by_date.mean()
    variance = (centred**2).mean() + 2 * sum(
        (1 - lag / (LAGS + 1)) * (centred[lag:] * centred[:-lag]).sum() / len(dates) for lag in range(1, LAGS + 1)
    )
    return {
        "crps": float(100 * (scored["crps"].mean() / against["crps"].mean() - 1)),
        "dm": float(by_date.mean() / np.sqrt(variance / len(dates))) if variance > 0 else 0.0,
        "log_score": float(scored["log"].mean() - against["log"].mean()),
        "days": len(difference),
    }


if __name__ == "__main__":
    main()
