"""What each part of the base network's bands is worth: the protocol of `bands.py` with one part taken away at a time.

- head: networks remade with normal returns in place of Student-t
- range: closes alone, of the same networks
- cross-section: each stock by itself, as if it came alone in its file
- base network: one trained on the panel's own rows up to 2017 instead
- ensemble: one of the five members
- calibration: the bands as the networks give them

All but the last are calibrated. Prints a table and writes benchmarks/results/bands_parts.json; finished forecasts
wait in --store. Needs the real series in ../shared/data. The networks without a head are made anew (a few minutes).

    python benchmarks/bands_parts.py [--paths 250] [--parts head,range]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "scripts")]

from bands import AGAINST, DATA, EVERY, PANEL, RAW, closes, judged, show, summary
from make_base import curriculum, histories, trained

import gatecast
from gatecast.calibration.online import OnlineCalibration, calibrate, timestamps
from gatecast.config import Config
from gatecast.forecast import Forecast
from gatecast.model import Model, Request
from gatecast.models.base import BaseNetworks
from gatecast.models.choice import choose
from gatecast.models.forecaster import Forecaster
from gatecast.models.registry import parse_models
from gatecast.models.shipped import day_of, load_ensemble, save_ensemble, suited
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.next_day import JointDay
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

UNTIL = "2015-12-31"
NORMAL_DF = 1e4  # of a Student-t that nobody can tell from a normal
WHOLE = "gatecast:base"
PARTS = ("head", "range", "cross-section", "base network", "ensemble", "calibration")


class NormalNetwork(BaseNetwork):
    """The base network without heavy tails."""

    def _next_day(
        self,
        hidden: Float[Tensor, "*rows hidden"],
        seen: Float[Tensor, "*rows input"],
        events: Float[Tensor, "*rows event"],
    ) -> JointDay:
        day = super()._next_day(hidden, seen, events)
        return replace(day, df=torch.full_like(day.df, NORMAL_DF))


@dataclass
class Members:
    """Networks of any kind as a calibrated model, as `Forecaster` is with its own."""

    name: str
    network: BaseNetworks
    calibration_: OnlineCalibration | None = None

    def fit(self, prices: PriceTable) -> Members:
        self.calibration_ = calibrate(self.network, prices, after=load_ensemble(suited(prices)).until)
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        last = [timestamps(prices)[-1]]
        return self.predict_at(prices, Request(cutoffs=last, horizon=horizon, paths=paths, seeds=[seed]))[0]

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        assert self.calibration_ is not None, "fit comes before predict"
        raw = self.network.predict_at(prices, request)
        return self.calibration_.apply(self.network, prices, request.cutoffs, raw)


def main() -> None:
    arguments = parse_arguments()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    prices = read_prices(DATA / PANEL)
    rivals = [named(AGAINST, AGAINST), named(WHOLE, "gatecast whole")]
    tables = [score(model, prices, arguments) for model in rivals]
    for part in arguments.parts:
        table = closes(prices) if part == "range" else prices
        tables.append(score(without(part, arguments.networks, prices), table, arguments))
    rows = summary(pd.concat(tables, ignore_index=True))
    show("80 US stocks, 2018-2021, a part taken away", rows)
    document = {"version": gatecast.__version__, "paths": arguments.paths, "parts": rows}
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {arguments.out}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--paths", type=int, default=250)
    parser.add_argument("--store", type=Path, default=results / "folds")
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where remade ones wait")
    parser.add_argument("--out", type=Path, default=results / "bands_parts.json")
    arguments = parser.parse_args()
    arguments.jobs = 1
    arguments.parts = [part for part in arguments.parts.split(",") if part]
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}. There are: {', '.join(PARTS)}.")
    return arguments


def score(model: Model, prices: PriceTable, arguments: argparse.Namespace) -> pd.DataFrame:
    return judged(model, prices, every=EVERY, paths=arguments.paths, arguments=arguments)


def without(part: str, networks: Path, prices: PriceTable) -> Model:
    """The model with this part taken away."""
    name = f"without {part}"
    if part == "head":
        members = normal_members(networks / "normal")
        return Members(f"gatecast {name}", BaseNetworks(members=members, until=load_ensemble(suited(prices)).until))
    if part == "ensemble":
        base = load_ensemble(suited(prices))
        folder = networks / "single"
        save_ensemble(folder, base.members[:1], until=day_of(base.until), items=base.items)
        choice = choose(Config.from_preset("base"), prices, folder=folder)
        return Forecaster(name=f"gatecast {name}", choice=choice)
    settings = {
        "range": WHOLE,
        "cross-section": "gatecast:preset=base,cross_section=false",
        "calibration": RAW,
        "base network": "gatecast:start=scratch,calibrate=true",
    }
    return named(settings[part], f"gatecast {name}")


def named(text: str, name: str) -> Any:
    """The model of this text under a name that says what it shows."""
    (model,) = parse_models(text)
    if text != AGAINST:
        model.name = name  # type: ignore[misc]
    return model


def normal_members(folder: Path) -> tuple[BaseNetwork, ...]:
    """Networks with normal returns by the recipe of `scripts/make_base.py`, made once."""
    file = folder / "weights.pt"
    if not file.exists():
        networks = trained(*curriculum(histories(DATA, UNTIL)), kind=NormalNetwork)
        made = [network.state_dict() for network in networks]
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(made, file)
    members = []
    for weights in torch.load(file, weights_only=True):
        member = NormalNetwork()
        member.load_state_dict(weights)
        members.append(member.eval())
    return tuple(members)


if __name__ == "__main__":
    main()
