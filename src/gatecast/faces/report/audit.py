"""The audit of one model as the page shows it."""

from __future__ import annotations

import math

from gatecast.judge.audit import ALPHA, Audit


def audit_values(audit: Audit, model: str) -> dict[str, object]:
    """`levels`, `groups` and `tests` for the template: texts, and whether each is a finding."""
    coverage = audit.coverage[audit.coverage["model"] == model]
    groups = [
        {
            "name": "all" if by == "all" else f"{by} {group}",
            "cells": [
                {
                    "text": f"{held:.0%} ({low:.0%} to {high:.0%})",
                    "found": not low <= level / 100 <= high,
                }
                for level, held, low, high in rows[["level", "held", "low", "high"]].itertuples(index=False)
            ],
        }
        for (by, group), rows in coverage.groupby(["by", "group"], sort=False)
    ]
    tests = audit.violations[audit.violations["model"] == model]
    shown = tests[tests["step"].isin([tests["step"].min(), tests["step"].max()])]
    rows = [
        {
            "name": f"{row['event']}, step {row['step']}",
            "shares": [f"{row['expected']:.0%}", f"{row['found']:.1%}"],
            "cells": [
                {"text": _p_text(row[name]), "found": row[name] < ALPHA}
                for name in ("kupiec_p", "christoffersen_p", "both_p")
            ],
        }
        for row in shown.to_dict("records")
    ]
    pit = audit.pit[(audit.pit["model"] == model) & (audit.pit["step"].astype(str) == "all")]
    return {
        "levels": [f"{level}%" for level in dict.fromkeys(coverage["level"])],
        "groups": groups,
        "tests": rows,
        "pit": _p_text(float(pit["p_value"].iloc[0])),
    }


def _p_text(value: float) -> str:
    if math.isnan(value):
        return "\u2013"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
