"""The rivals: simple models behind the same door as the networks, `fit` and `predict`."""

from __future__ import annotations

from gatecast.baselines.contract import Model
from gatecast.baselines.random_walk import Drift, RandomWalk

__all__ = ["Drift", "Model", "RandomWalk"]
