"""How fast is gatecast beside what one would use otherwise? One machine, one run, everything in turn, medians.

Sections (`--only epoch,cold`): `parity` (the recipe equals Keras), `epoch` (one epoch of the reference recipe),
`precision` (the same in bfloat16), `sampling` (Monte Carlo of 30 days), `cold` (commands from a cold process),
`memory`, `scale`, `quality` (time until Keras's best validation loss; the longest, because Keras runs its 100 epochs
twice).

Prints a table and writes benchmarks/results/speed.json after each section, so that a run cut short keeps what it has;
sections not run are kept from the file. Every library runs in a process of its own, with as many threads as it
takes by itself. The rivals live in an environment of their own, with gatecast beside them: see `make bench-speed`.
`quality` and `sampling` need the real series in ../shared/data. `--quick` shows in a few minutes that all of it runs,
`--earlier` takes `quality` to the windows before those reported, where settings are chosen; their figures are not
for telling and go to speed_trial.json.

    python benchmarks/speed.py [--only epoch,sampling] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from speed_process import ROOT, Failed, machine, say
from speed_sections import DATA, QUICK, SECTIONS, Found, Sizes, chosen

RESULTS = ROOT / "benchmarks" / "results"
LIBRARIES = ("torch", "keras", "tensorflow-cpu", "darts", "neuralforecast", "numpy", "pandas")
AT_LEAST = {
    "parity": 1.0,
    "recipe_epoch_vs_keras": 2.3,
    "recipe_epoch_vs_best_rival": 1.0,
    "bfloat16_epoch_vs_own": 1.5,
    "time_to_quality_vs_keras": 20.0,
    "mc_50x30_vs_loop": 3000.0,
}
AT_MOST = {
    "mc_1000_vs_50": 20.0,
    "peak_gib_context_1460": 2.0,
    "rows_exponent": 1.1,
    "context_exponent": 1.1,
    "help_seconds": 0.3,
    "base_cold_seconds": 5.0,
}


def main() -> None:
    arguments = parse_arguments()
    sizes = replace(QUICK if arguments.quick else Sizes(), quality_earlier=arguments.earlier)
    trial = arguments.quick or arguments.earlier
    out = arguments.out or RESULTS / ("speed_trial.json" if trial else "speed.json")
    if not DATA.is_dir():
        say("../shared/data is not here: sections that need it will be left out")
    failures = []
    for name in chosen(arguments.only):
        load = os.getloadavg()[0]
        try:
            found = SECTIONS[name](sizes)
        except Failed as failure:
            failures.append(name)
            print(f"\n{name}: not measured. {failure}", flush=True)
            continue
        show(name, found)
        write(out, name, found, load)
        if found.figures.get("parity") == 0:
            failures.append("parity (the recipe does not equal Keras)")
    if not trial:
        judge(json.loads(out.read_text()) if out.exists() else {})
    if out.exists():
        print(f"\nresults are in {out}")
    if failures:
        sys.exit(f"failed: {', '.join(failures)}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="some of the sections, with commas between")
    parser.add_argument("--quick", action="store_true", help="toy sizes")
    parser.add_argument("--earlier", action="store_true", help="quality: on the windows before those reported")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def show(name: str, found: Found) -> None:
    """A section's table."""
    print(f"\n{name}")
    for label, value in found.rows:
        print(f"  {label:46s} {value}")
    for key, figure in found.figures.items():
        print(f"  {key:46s} {'-' if figure is None else f'{figure:.4g}'}", flush=True)


def write(path: Path, name: str, found: Found, load: float) -> None:
    """Put a section into the file, beside those that stand there."""
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    sections = document.pop("sections", {})
    sections[name] = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_before": round(load, 2),
        "machine": machine(LIBRARIES),  # a section's own, for sections are run again elsewhere
        "rows": found.rows,
        **found.detail,
    }
    document |= found.figures
    document["sections"] = sections
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")


def judge(document: dict[str, Any]) -> None:
    """Every promised figure beside its bound."""
    print("\npromised")
    bounds = {key: ("at least", bound) for key, bound in AT_LEAST.items()}
    bounds |= {key: ("at most", bound) for key, bound in AT_MOST.items()}
    if document.get("base_cold_allowed"):
        bounds["base_cold_seconds"] = ("at most", document["base_cold_allowed"])
    for key, (side, bound) in bounds.items():
        figure = document.get(key)
        if figure is None:
            print(f"  {key:28s} {'-':>9s}  {side} {bound:.3g}  NOT MEASURED")
            continue
        kept = figure >= bound if side == "at least" else figure <= bound
        print(f"  {key:28s} {figure:9.3g}  {side} {bound:.3g}  {'kept' if kept else 'MISSED'}")


if __name__ == "__main__":
    main()
