"""Plotly figures: each takes values and returns a `Figure`; none reads a file or opens a window."""

from __future__ import annotations

from gatecast.figures.fans import fan, loss_curve
from gatecast.figures.judged import (
    ablation_bars,
    pit_histogram,
    reliability,
    score_by_step,
    skill_bars,
)
from gatecast.figures.strips import fan_strip
from gatecast.figures.style import DARK

__all__ = [
    "DARK",
    "ablation_bars",
    "fan",
    "fan_strip",
    "loss_curve",
    "pit_histogram",
    "reliability",
    "score_by_step",
    "skill_bars",
]
