"""The adapters to other libraries, against the real ones; without the extra `rivals` they skip."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest

from conftest import simulated_series
from gatecast.errors import ForeignError, UsageError
from gatecast.models.adapters import ADAPTERS
from gatecast.models.registry import parse_models
from gatecast.prices import PriceTable


def needed(library: str) -> None:
    """Skip where the library is absent; with CI=true those that the extra `test` has must be there."""
    if importlib.util.find_spec(library) is None:
        if os.environ.get("CI") == "true" and library != "darts":
            pytest.fail(f"CI needs {library}: it is in the extra 'test'")
        pytest.skip(f"needs {library}: pip install 'gatecast[rivals]'")


def prices() -> PriceTable:
    return PriceTable(series=(simulated_series("A", 120, 1), simulated_series("B", 100, 2)))


@pytest.mark.slow(reason="imports another library, compiled by numba or with torch, in a process of its own")
@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("statsforecast:AutoETS", True),
        ("statsforecast:SeasonalNaive", True),
        ("statsforecast:SimpleExponentialSmoothingOptimized", False),
        ("darts:ExponentialSmoothing", True),
        ("darts:Theta", False),
        ("fracast", True),
    ],
)
def test_a_model_of_another_library_forecasts_every_item(name: str, bands: bool) -> None:
    needed(name.partition(":")[0])
    (model,) = parse_models(name, timeout=120.0)
    table = prices()
    fitted = model.fit(table)
    forecast = fitted.predict(table, 3, paths=200, seed=1)
    assert [item.item_id for item in forecast] == ["A", "B"]
    for item in forecast:
        assert item.paths.shape == (200, 3)
        assert np.abs(np.log(item.median / item.last_close)).max() < 0.1
        low, high = item.interval(0.9)
        assert ((high > low) if bands else (high == low)).all()
    again = fitted.predict(table, 3, paths=200, seed=1)
    np.testing.assert_array_equal(again["B"].paths, forecast["B"].paths)


@pytest.mark.slow(reason="imports another library, compiled by numba, in a process of its own")
def test_a_model_that_the_library_does_not_have_is_refused() -> None:
    needed("statsforecast")
    (model,) = parse_models("statsforecast:AutoEST", timeout=120.0)
    with pytest.raises(ForeignError, match="statsforecast has no model 'AutoEST'"):
        model.fit(prices())


@pytest.mark.parametrize("library", ADAPTERS)
def test_a_library_that_is_absent_is_named_with_its_remedy(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"is not installed. Install it with: pip install 'gatecast\[rivals\]'"):
        parse_models(ADAPTERS[library].example or library)
