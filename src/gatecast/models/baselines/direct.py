"""Direct forecasts: a centre for each step ahead, and bands from its own past errors at that step."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gatecast.features.contract import FLOOR
from gatecast.forecast import Density
from gatecast.models.baselines.contract import Unfit
from gatecast.models.baselines.noise import Draws, Simulation, fit_student_t

LEAST_ORIGINS = 20  # past forecasts from which a band may be drawn; a 90% band leaves two of them outside


def log_returns_ahead(log_close: Float[np.ndarray, " time"], horizon: int) -> Float[np.ndarray, "origin horizon"]:
    """Cumulative log return of steps 1..horizon from each row that has them all."""
    origins = max(len(log_close) - horizon, 0)
    return np.stack([log_close[step : step + origins] - log_close[:origins] for step in range(1, horizon + 1)], axis=1)


def simulate_direct(
    centre: Float[np.ndarray, " horizon"], sigma: float, errors: Float[np.ndarray, "origin horizon"], draws: Draws
) -> Simulation:
    """Paths about `centre` (log returns from the last close), each with the errors of a single past origin.

    `errors` are in trailing volatilities at their origin, `sigma` is today's. The errors of an origin stay
    together along a path, so that its steps keep their dependence. The density is a Student-t fitted to each
    step's errors; its arrays are (1, horizon). Raises `Unfit` with too few origins.
    """
    if len(errors) < LEAST_ORIGINS:
        raise Unfit(f"it needs {LEAST_ORIGINS} past forecasts of {len(centre)} steps, and there are fewer")
    drawn = draws.mirrored(errors[draws.rng.integers(len(errors), size=draws.half)])
    students = [fit_student_t(errors[:, step]) for step in range(len(centre))]
    density = Density(
        loc=centre[None],
        scale=np.maximum([[sigma * student.scale for student in students]], FLOOR),
        df=np.array([[student.df for student in students]]),
    )
    return Simulation(centre + sigma * drawn, density)
