"""Plotly figures: each takes values and returns a `Figure`; none reads a file or opens a window."""

from __future__ import annotations

from gatecast.faces.figures.contributions import band_sources, band_stretch, contribution_map, feature_contributions
from gatecast.faces.figures.fans import fan, loss_curve
from gatecast.faces.figures.ingredients import collapsed_bands, losses, price_and_returns, recency, squashing
from gatecast.faces.figures.inside import attention_map, cell_states, half_lives, receptive_field
from gatecast.faces.figures.judged import ablation_bars, pit_histogram, reliability, score_by_step, skill_bars
from gatecast.faces.figures.palette import DARK
from gatecast.faces.figures.prices import closes, two_fans
from gatecast.faces.figures.recall import gradients, memory_errors, memory_gradients
from gatecast.faces.figures.recorded import coverage_over_time, crps_over_time, recorded_pit
from gatecast.faces.figures.risk import drawdown_fan, joint_cloud, shortfall_bars, touch_surface
from gatecast.faces.figures.strips import fan_strip

__all__ = [
    "DARK",
    "ablation_bars",
    "attention_map",
    "band_sources",
    "band_stretch",
    "cell_states",
    "closes",
    "collapsed_bands",
    "contribution_map",
    "coverage_over_time",
    "crps_over_time",
    "drawdown_fan",
    "fan",
    "fan_strip",
    "feature_contributions",
    "gradients",
    "half_lives",
    "joint_cloud",
    "loss_curve",
    "losses",
    "memory_errors",
    "memory_gradients",
    "pit_histogram",
    "price_and_returns",
    "recency",
    "receptive_field",
    "recorded_pit",
    "reliability",
    "score_by_step",
    "shortfall_bars",
    "skill_bars",
    "squashing",
    "touch_surface",
    "two_fans",
]
