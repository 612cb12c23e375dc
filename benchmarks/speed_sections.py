"""What is measured, section by section; each answers with rows for the table and figures for the file.

Every ratio is a rival's seconds over gatecast's: above one, gatecast is the faster. Rivals take turns, round by
round, and a figure is the median over rounds.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rivals import recipe, targets
from speed_process import ROOT, Failed, ask, check, cold_seconds

DATA = ROOT.parent / "shared" / "data"
STOCK = "daily/ko_ohlcv_2000_2021.csv"
OURS = "gatecast"
NAMES = {
    "keras": "Keras on TensorFlow",
    "darts": "Darts BlockRNN",
    "neuralforecast": "neuralforecast LSTM",
    "torch": "plain torch nn.LSTM",
    OURS: "gatecast",
}

# Of gatecast where it races for quality. Chosen on the windows before those reported, of both targets.
QUALITY_SETTINGS = {
    "layers": 2,
    "hidden": 32,
    "dropout": 0.4,
    "chunk_length": 60,
    "batch": 8,
    "learning_rate": 5e-3,
    "epochs": 300,
}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is done. The full run takes about an hour on two cores; the quick one shows that everything runs."""

    rounds: int = 3
    windows: int = 1000
    epochs: int = 2  # timed in each round, after one to warm up
    quality_windows: int = 1500  # of each target, of which the last 10% are held out
    quality_earlier: bool = False  # the windows before those reported, where settings are chosen
    quality_epochs: int = 100
    quality_settings: dict[str, Any] = field(default_factory=lambda: QUALITY_SETTINGS)
    seeds: int = 5
    loop_runs: int = 2
    loop_days: int = 30
    tries: int = 7
    cold_tries: int = 5
    cutoffs: int = 12
    contexts: tuple[int, ...] = (60, 365, 1460)
    memory_windows: int = 512  # eight updates: memory peaks in the first, time is that of each times eight
    memory_held_out: int = 500
    scale_rows: int = 10_000
    scale_factors: tuple[int, ...] = (1, 2, 4, 8)
    scale_assets: tuple[int, ...] = (1, 10, 80)
    asset_rows: int = 2500
    scale_epochs: int = 10


QUICK = Sizes(
    rounds=1,
    windows=128,
    epochs=1,
    quality_windows=200,
    quality_epochs=2,
    quality_settings={**QUALITY_SETTINGS, "epochs": 30},
    seeds=1,
    loop_runs=1,
    loop_days=2,
    tries=1,
    cold_tries=1,
    cutoffs=2,
    contexts=(60, 120),
    memory_windows=64,
    memory_held_out=50,
    scale_rows=1000,
    scale_factors=(1, 2),
    scale_assets=(1, 4),
    asset_rows=400,
    scale_epochs=2,
)


@dataclass(kw_only=True)
class Found:
    """Rows of the table (name, value with its unit), the figures promised by name, and the rest."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    figures: dict[str, float | None] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


def parity(sizes: Sizes) -> Found:
    """Whether the recipe equals Keras, number for number."""
    answer = check(ROOT / "benchmarks" / "parity.py")
    rows = [
        ("forward pass, farthest", f"{answer['forward']:.1e}"),
        ("one step of Adam, farthest", f"{answer['step']:.1e}"),
        ("equals Keras", "yes" if answer["agrees"] else "NO"),
    ]
    return Found(rows=rows, figures={"parity": float(answer["agrees"])}, detail=answer)


def epoch(sizes: Sizes) -> Found:
    """One epoch of the recipe, and the share of the machine's peak that ours reaches."""
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    peaks = []
    for _ in range(sizes.rounds):
        peaks.append(ask("torch", "sgemm", size=2048, tries=10)["flops_per_second"])
        for name in NAMES:
            seconds[name] += ask(name, "epoch", windows=sizes.windows, epochs=sizes.epochs)["seconds"]
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ours, peak = medians[OURS], max(peaks)
    best = min(medians[name] for name in medians if name != OURS)
    rate = recipe.flops(sizes.windows) / ours
    rows = [(NAMES[name], f"{median:.2f} s") for name, median in medians.items()]
    rows.append(("of the sgemm peak", f"{rate / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s"))
    figures = {
        "recipe_epoch_vs_keras": medians["keras"] / ours,
        "recipe_epoch_vs_best_rival": best / ours,
        "sgemm_fraction": rate / peak,
    }
    return Found(rows=rows, figures=figures, detail={"seconds": seconds, "sgemm_flops_per_second": peaks})


def precision(sizes: Sizes) -> Found:
    """One epoch of the recipe in 32 bits and in bfloat16, ours and Keras's; and what `auto` makes of this processor."""
    asked = [("keras", {"policy": policy}) for policy in ("float32", "mixed_bfloat16")]
    asked += [(OURS, {"precision": bits}) for bits in ("float32", "bfloat16", "auto")]
    seconds: dict[str, list[float]] = {}
    has = ask(OURS, "sixteen_bits")
    for _ in range(sizes.rounds):
        for name, how in asked:
            taken = ask(name, "epoch", windows=sizes.windows, epochs=sizes.epochs, **how)["seconds"]
            seconds.setdefault(f"{name} {next(iter(how.values()))}", []).extend(taken)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    single, half, auto = (medians[f"{OURS} {bits}"] for bits in ("float32", "bfloat16", "auto"))
    rows = [(name, f"{median:.2f} s") for name, median in medians.items()]
    rows.append(("the processor multiplies bfloat16", "yes" if has["supported"] else "no"))
    rows.append(("auto decides in", f"{has['decided_in']:.2g} s"))
    figures = {
        "bfloat16_epoch_vs_own": single / half if has["supported"] else None,
        "bfloat16_epoch_vs_keras": medians["keras float32"] / half,
        "bfloat16_epoch_vs_keras_mixed_bfloat16": medians["keras mixed_bfloat16"] / half,
        "auto_epoch_over_float32": auto / single,
    }
    return Found(rows=rows, figures=figures, detail={"seconds": seconds, **has})


def quality(sizes: Sizes) -> Found:
    """Time until Keras's best validation loss is reached, on two targets with something to learn."""
    found = Found()
    if not DATA.is_dir():
        raise Failed("the targets need the real series in ../shared/data, which are not here")
    ratios: list[float | None] = []
    for name in targets.TARGETS:
        task = targets.make(DATA, name, sizes.quality_windows, earlier=sizes.quality_earlier)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "task.npz"
            task.write(path)
            theirs = ask("keras", "quality", path=str(path), epochs=sizes.quality_epochs)
            best = int(np.argmin(theirs["losses"]))
            goal, their_time = theirs["losses"][best], theirs["seconds"][best]
            ours = ask(OURS, "quality", path=str(path), settings=sizes.quality_settings, seeds=sizes.seeds, goal=goal)[
                "seeds"
            ]
        times = [run["seconds"][-1] if run["losses"][-1] <= goal else math.inf for run in ours]
        our_time = statistics.median(times)
        reached = math.isfinite(our_time)
        ratios.append(their_time / our_time if reached else None)
        found.rows += [
            (f"{name}: {kind.replace('_', ' ')}", f"loss {loss:.4f}") for kind, loss in task.simple().items()
        ]
        found.rows += [
            (f"{name}: Keras, epoch {best + 1}", f"loss {goal:.4f} after {their_time:.1f} s"),
            (f"{name}: gatecast", f"after {our_time:.2f} s" if reached else "not reached"),
        ]
        found.detail[name] = {
            "windows": sizes.quality_windows,
            "simple": task.simple(),
            "keras": theirs,
            "goal": goal,
            "keras_seconds": their_time,
            "gatecast": ours,
            "gatecast_seconds": our_time if reached else None,
            "ratio": ratios[-1],
        }
    found.figures["time_to_quality_vs_keras"] = None if None in ratios else min(filter(None, ratios))
    return found


def sampling(sizes: Sizes) -> Found:
    """Monte Carlo of 30 days: ours with features recomputed, the recipe's loop (scaled), Darts."""
    if not DATA.is_dir():
        raise Failed("the recipe's loop needs a price file of ../shared/data, which is not here.")
    ours = ask(OURS, "sample", runs=[50, 1000], days=30, tries=sizes.tries)["seconds"]
    loop = ask("keras", "loop", path=str(DATA / STOCK), runs=sizes.loop_runs, days=sizes.loop_days)
    darts = ask("darts", "sample", runs=50, days=30, tries=sizes.tries)["seconds"]
    scaled = loop["seconds"] * (50 * 30) / (sizes.loop_runs * sizes.loop_days)
    rows = [
        ("gatecast, 50 x 30", f"{ours['50']:.3f} s"),
        ("gatecast, 1,000 x 30", f"{ours['1000']:.2f} s"),
        (f"Keras loop, 50 x 30, from {sizes.loop_runs} x {sizes.loop_days}", f"{scaled:.0f} s"),
        *((f"Darts {name}, 50 x 30, no features", f"{value:.3f} s") for name, value in darts.items()),
    ]
    figures = {
        "mc_50x30_vs_loop": scaled / ours["50"],
        "mc_1000_vs_50": ours["1000"] / ours["50"],
        "mc_50x30_vs_darts": min(darts.values()) / ours["50"],
    }
    return Found(
        rows=rows, figures=figures, detail={"gatecast": ours, "loop": loop, "loop_scaled": scaled, "darts": darts}
    )


def cold(sizes: Sizes) -> Found:
    """Commands from a cold process: files are in the system's memory, gatecast's own cache is empty."""
    prices = str(DATA / STOCK) if DATA.is_dir() else "sample:aapl"
    base = ("gatecast", "forecast", prices, "--preset", "base", "--json")
    folds = ("gatecast", "backtest", "sample:aapl", "--cutoffs", str(sizes.cutoffs), "--horizon", "5")
    backtest = f"backtest, {sizes.cutoffs} cutoffs"
    commands = {
        "import torch": ("python", "-c", "import torch"),
        "gatecast --help": ("gatecast", "--help"),
        "forecast --preset base": base,
        "the same --no-verdict": (*base, "--no-verdict"),
        backtest: folds,
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(sizes.cold_tries):
        for name, command in commands.items():
            if turn == 0 or name != backtest:
                seconds[name].append(cold_seconds(*command))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    figures = {
        "help_seconds": medians["gatecast --help"],
        "base_cold_seconds": medians["forecast --preset base"],
        "base_cold_allowed": min(5.0, 2 * medians["import torch"] + 1),
        f"backtest_{sizes.cutoffs}_seconds": medians[backtest],
    }
    rows = [(name, f"{median:.2f} s") for name, median in medians.items()]
    return Found(rows=rows, figures=figures, detail={"prices": Path(prices).name, "seconds": seconds})


def memory(sizes: Sizes) -> Found:
    """Peak resident memory on 5,000 rows by context: the reference network on windows, the default by `fit`."""
    found = Found()
    peaks, seconds = {}, {}
    for context in sizes.contexts:
        answer = ask(
            OURS, "memory", context=context, count=5000, windows=sizes.memory_windows, held_out=sizes.memory_held_out
        )
        default = ask(OURS, "default_memory", context=context, count=5000, epochs=2)
        seconds[context] = answer["seconds"]
        peaks[context] = max(answer["peak_gib"], default["peak_gib"])
        found.rows.append(
            (f"context {context:,}: reference; default", f"{answer['peak_gib']:.2f}; {default['peak_gib']:.2f} GiB")
        )
        found.detail[str(context)] = {"reference": answer, "default": default}
    longest = max(sizes.contexts)
    found.figures[f"peak_gib_context_{longest}"] = peaks[longest]
    found.figures["context_exponent"] = slope(seconds)
    found.rows.append(("time by context, exponent", f"{slope(seconds):.2f}"))
    return found


def scale(sizes: Sizes) -> Found:
    """Time of `fit` by rows and by assets; the exponents are slopes of log time on log size.

    Constant costs would flatter a slope. So there is a fit to warm up before each, the smallest size is large enough
    to take a second or so, and `rows_exponent` is the steeper of the slope over all sizes and that of the larger half.
    """
    by_rows, by_assets = {}, {}
    for factor in sizes.scale_factors:
        count = factor * sizes.scale_rows
        by_rows[count] = _fit_seconds(1, count, sizes)
    for assets in sizes.scale_assets:
        by_assets[assets] = _fit_seconds(assets, sizes.asset_rows, sizes)
    larger = dict(list(by_rows.items())[len(by_rows) // 2 :])
    exponent = max(slope(by_rows), slope(larger)) if len(larger) > 1 else slope(by_rows)
    rows = [
        *((f"{count:,} rows", f"{value:.2f} s") for count, value in by_rows.items()),
        *((f"{count} assets of {sizes.asset_rows:,}", f"{value:.2f} s") for count, value in by_assets.items()),
        ("time by rows, exponent", f"{exponent:.2f}"),
    ]
    figures = {"rows_exponent": exponent, "assets_exponent": slope(by_assets)}
    detail = {"rows": by_rows, "assets": by_assets, "all_rows": slope(by_rows)}
    return Found(rows=rows, figures=figures, detail=detail)


def _fit_seconds(assets: int, count: int, sizes: Sizes) -> float:
    answer = ask(OURS, "scale", assets=assets, count=count, epochs=sizes.scale_epochs, tries=min(sizes.tries, 3))
    return float(answer["seconds"])


def slope(seconds: dict[int, float]) -> float:
    """The exponent of time in size, by least squares on logarithms."""
    return float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0])


SECTIONS: dict[str, Callable[[Sizes], Found]] = {
    "parity": parity,
    "epoch": epoch,
    "precision": precision,
    "sampling": sampling,
    "cold": cold,
    "memory": memory,
    "scale": scale,
    "quality": quality,
}


def chosen(names: str | None) -> Sequence[str]:
    """The sections asked for, in their order."""
    if names is None:
        return list(SECTIONS)
    asked = names.split(",")
    strange = sorted(set(asked) - SECTIONS.keys())
    if strange:
        raise SystemExit(f"no section '{strange[0]}'. There are: {', '.join(SECTIONS)}.")
    return [name for name in SECTIONS if name in asked]
