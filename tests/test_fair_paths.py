"""The fair CRPS of paths that are no independent draws: equal models tie, however many paths each has."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from conftest import simulated_series
from gatecast.errors import ForeignError
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.judge.metrics import crps_paths, crps_sorted
from gatecast.models.baselines import Drift, RandomWalk
from gatecast.models.baselines.noise import noise_of
from gatecast.models.foreign.answers import predicted
from gatecast.models.foreign.quantiles import forecast_from
from gatecast.prices import PriceTable

TABLE = PriceTable(series=(simulated_series("A", 120, 1), simulated_series("B", 120, 2)))


def scored(drawn: np.ndarray, actual: float) -> float:
    return float(crps_sorted(np.sort(drawn.T, axis=1), np.array([actual]), noise=noise_of(drawn))[0])


@pytest.mark.parametrize("count", [4, 7, 10])
def test_mirrored_paths_score_as_many_independent_ones_do(count: int) -> None:
    """On average over what was drawn and what came; without their noise they would look 5 to 10% better."""
    rng = np.random.default_rng(0)
    whole, ours, plain = rng.standard_normal(2000), [], []
    actuals = rng.standard_normal(40)
    for _ in range(400):
        half = rng.standard_normal(((count + 1) // 2, 1))
        drawn = np.concatenate([half, -half])[:count]
        ours.append(np.mean([scored(drawn, actual) for actual in actuals]))
        plain.append(np.mean([crps_paths(drawn[:, 0], np.array(actual)) for actual in actuals]))
    true = np.mean([crps_paths(whole, np.array(actual)) for actual in actuals])
    assert np.mean(ours) == pytest.approx(true, rel=0.02)
    assert np.mean(plain) < 0.97 * true


def test_the_score_is_that_of_the_pairs_that_are_no_mirrors() -> None:
    drawn = np.array([[0.3], [-1.0], [2.0], [-0.3], [1.0], [-2.0]])
    pairs = [(i, j) for i in range(6) for j in range(i) if i - j != 3]
    spread = np.mean([abs(drawn[i, 0] - drawn[j, 0]) for i, j in pairs])
    assert scored(drawn, 0.5) == pytest.approx(np.abs(drawn - 0.5).mean() - spread / 2, rel=1e-12)
    still = np.zeros((6, 1))
    assert noise_of(still).tolist() == [1.0] and noise_of(drawn[[0, 3]]).tolist() == [0.0]


def test_baselines_and_quantiles_say_how_large_their_sampling_error_is() -> None:
    for item in RandomWalk().fit(TABLE).predict(TABLE, 3, paths=50):
        assert item.noise is not None
        np.testing.assert_allclose(item.noise, noise_of(item.log_returns()), rtol=1e-6)
    close = TABLE["A"].close[-1]
    levels = {level: [close * (1 + level)] for level in (0.1, 0.5, 0.9)}
    few, many = (
        forecast_from(TABLE.select(("A",)), 1, {"A": levels}, paths=paths, seed=0).items[0] for paths in (100, 4000)
    )
    scores = [
        crps_sorted(np.sort(item.log_returns().T, axis=1), np.array([0.4]), noise=item.noise)[0] for item in (few, many)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=0.02)


def altered(thing: Any, **values: object) -> Any:
    """A frozen thing with other values, which no check has seen."""
    other = copy.copy(thing)
    for name, value in values.items():
        object.__setattr__(other, name, value)
    return other


class Own:
    """A class of the user's that changes one thing of each item of a drift's forecast."""

    name: ClassVar[str] = "own"

    def __init__(self, **changed: object) -> None:
        self.changed = changed

    def fit(self, prices: PriceTable) -> Own:
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        drift = Drift().fit(prices).predict(prices, horizon, paths=paths, seed=seed)
        changed = [
            {name: of(item) if callable(of) else of for name, of in self.changed.items()} for item in drift.items
        ]
        return replace(drift, items=tuple(altered(item, **of) for item, of in zip(drift, changed, strict=True)))


def test_a_forecast_of_a_class_keeps_its_noise_and_the_prices_own_last_row() -> None:
    drift = Drift().fit(TABLE).predict(TABLE, 3, paths=40)
    ours = predicted(
        Own(last_close=float("nan"), last_timestamp=np.datetime64("1999-01-01")), TABLE, 3, paths=40, seed=0
    )
    for item, other, series in zip(ours, drift, TABLE, strict=True):
        assert (item.last_close, item.last_timestamp) == (series.close[-1], series.timestamps[-1])
        assert item.noise is not None and other.noise is not None
        np.testing.assert_array_equal(item.noise, np.clip(other.noise, 0, 1))
    for wrong in (np.full(3, np.inf), np.ones(2)):
        assert predicted(Own(noise=wrong), TABLE, 3, paths=40, seed=0).items[0].noise is None


def density(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[ItemForecast], Density]:
    """One whose scale is changed."""

    def changed(item: ItemForecast) -> Density:
        assert item.density is not None
        return altered(item.density, scale=change(item.density.scale))

    return changed


def test_months_may_be_stamped_by_either_end() -> None:
    firsts = pd.date_range("2015-01-01", periods=100, freq="MS").to_numpy()
    months = PriceTable.from_close({"A": (TABLE["A"].close[:100], firsts)})
    late = Own(timestamps=lambda item: item.timestamps + np.timedelta64(30, "D"))
    assert len(predicted(late, months, 1, paths=10, seed=0).items) == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"paths": lambda item: item.paths[: 20 + 5 * (item.item_id == "A")], "density": None}, "got 20, 25"),
        ({"timestamps": lambda item: item.timestamps + np.timedelta64(400, "D")}, "its timestamp is"),
        ({"timestamps": lambda item: item.timestamps[:1]}, "3 steps have a timestamp each"),
        ({"timestamps": None}, "3 steps have a timestamp each|its timestamp is"),
        ({"density": density(lambda scale: 0 * scale)}, "above 0"),
        ({"density": density(lambda scale: scale[:, :1])}, "of shape"),
    ],
)
def test_a_forecast_of_a_class_is_checked_whole(changed: dict[str, object], why: str) -> None:
    with pytest.raises(ForeignError, match=why):
        predicted(Own(**changed), TABLE, 3, paths=40, seed=0)
