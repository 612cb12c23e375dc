"""Plotly figures: each takes values and returns a `Figure`; none reads a file or opens a window."""

from __future__ import annotations

from gatecast.figures.fans import fan, loss_curve
from gatecast.figures.style import DARK

__all__ = ["DARK", "fan", "loss_curve"]
