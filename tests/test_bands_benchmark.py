"""The bands' protocol runs from end to end in its quick form, and tells what it found in one shape."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "benchmarks" / "bands.py"


def test_the_quick_protocol_writes_its_table(shared_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), "--quick", "--jobs", "1"]
    command += ["--out", str(tmp_path / "bands.json"), "--store", str(tmp_path / "folds")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert result.returncode == 0, result.stderr
    document = json.loads((tmp_path / "bands.json").read_text())
    rows = {(row["model"], row["step"]): row for row in document["panel"]}
    assert {model for model, _ in rows} == {"garch", "ewma_t", "calibrated:ewma_t"}
    assert {step for _, step in rows} == {1, 5, 20}
    for row in rows.values():
        shares = [row["coverage"][level] for level in ("50", "80", "90", "95")]
        assert shares == sorted(shares)
        assert set(row["years"]) == {"2018", "2019", "2020", "2021"}
        assert row["width_90"] > 0
    assert rows["garch", 1]["dm"] is None
    judged = rows["ewma_t", 1]
    assert math.isclose(judged["crps_change"], judged["crps"] / rows["garch", 1]["crps"] - 1, rel_tol=1e-9)
    assert "calibrated:ewma_t" in result.stdout
