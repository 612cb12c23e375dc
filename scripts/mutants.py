"""Does a test notice? Changes one operator or constant at a time in the files that decide; runs their tests.

    python scripts/mutants.py [--only metrics,decision] [--keep DIR]

mutmut makes the mutants and runs, for each, the guarding tests that reach it, in a copy of the tree. Prints the share
killed by file, then every survivor that `tests/mutants.toml` does not explain; ends with 1 under 85% or where a
survivor is explained that is none. Some 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAST = 0.85
GUARDS = {  # file: its tests
    "judge/metrics": ["test_metrics"],
    "judge/significance": ["test_significance"],
    "judge/decision": ["test_decision"],
    "judge/verdict": ["test_decision"],
    "judge/verdict_text": ["test_verdict_text"],
    "calibration/bands": ["test_calibration", "test_bands_by_hand"],
    "calibration/online": ["test_online_calibration"],
    "nn/next_day": ["test_next_day"],
    "nn/sampling/sampler": ["test_sampler"],
}
CONFIG = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/gatecast/{file}.py"]
also_copy = ["benchmarks", "docs", "README.md"]
pytest_add_cli_args = ["-x", "--timeout=60", "-m", "not slow", "-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = [{tests}]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="files by the end of their name, such as metrics,decision")
    parser.add_argument("--keep", type=Path, help="a folder for mutmut's own output, to look at a survivor")
    arguments = parser.parse_args()
    chosen = [file for file in GUARDS if not arguments.only or file.split("/")[-1] in arguments.only.split(",")]
    explained = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())
    failed = False
    for file in chosen:
        with tempfile.TemporaryDirectory() as folder:
            results = mutated(file, Path(folder) / "tree")
            if arguments.keep is not None:
                shutil.copytree(Path(folder) / "tree", arguments.keep / file.replace("/", "-"), dirs_exist_ok=True)
        failed |= not report(file, results, explained.get(file.replace("/", "."), {}))
    sys.exit(failed)


def mutated(file: str, tree: Path) -> dict[str, str]:
    """What became of each mutant of a file, by its name."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    tests = ", ".join(f'"tests/{test}.py"' for test in GUARDS[file] if (tree / "tests" / f"{test}.py").exists())
    with (tree / "pyproject.toml").open("a") as config:
        config.write(CONFIG.format(file=file, tests=tests))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [sys.executable, "-m", "mutmut"]
    run = subprocess.run([*command, "run"], cwd=tree, env=env, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"mutmut could not run on {file}:\n{run.stdout[-3000:]}{run.stderr[-3000:]}")
    listed = subprocess.run(
        [*command, "results", "--all", "true"], cwd=tree, env=env, capture_output=True, text=True, check=True
    )
    pairs = (line.strip().rsplit(": ", 1) for line in listed.stdout.splitlines() if ": " in line)
    return {name.partition("x_" if ".x_" in name else "x\u01c1")[2] or name: outcome for name, outcome in pairs}


def report(file: str, results: dict[str, str], explained: dict[str, str]) -> bool:
    """Print what became of the mutants of a file; whether enough were killed and every explanation is needed."""
    counts = Counter(results.values())
    killed = counts["killed"] + counts["timeout"] + counts["suspicious"] + counts["segfault"]
    share = killed / max(len(results), 1)
    print(f"{file}: {share:.1%} of {len(results)} killed ({dict(counts)})", flush=True)
    alive = {name for name, outcome in results.items() if outcome in ("survived", "no tests")}
    for name in sorted(alive - explained.keys()):
        print(f"  {results[name]}: {name}")
    stale = sorted(explained.keys() - alive)
    for name in stale:
        print(f"  explained as a survivor, but it is none: {name}")
    return share >= LEAST and not stale


if __name__ == "__main__":
    main()
