"""Reports: a self-contained HTML file each, the same bytes for the same values."""

from __future__ import annotations

from gatecast.faces.report.ablation import ablation_report
from gatecast.faces.report.backtest import backtest_report
from gatecast.faces.report.forecast import forecast_report
from gatecast.faces.report.page import write_html
from gatecast.faces.report.risk import risk_report

__all__ = ["ablation_report", "backtest_report", "forecast_report", "risk_report", "write_html"]
