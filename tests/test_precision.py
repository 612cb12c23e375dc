"""Recurrent layers in bfloat16: near those of 32 bits, asked for, and the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conftest import TINY, simulated_series
from gatecast.config import Config
from gatecast.models.forecaster import Forecaster
from gatecast.nn import precision
from gatecast.nn.precision import in_sixteen_bits, recurrent
from gatecast.prices import PriceTable

TABLE = PriceTable(series=(simulated_series("A", 300, 1),))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_layer_is_near_its_own_in_32_bits_and_answers_in_32(kind: type[nn.LSTM | nn.GRU | nn.RNN]) -> None:
    torch.manual_seed(0)
    layer, inputs = kind(5, 16), torch.randn(30, 4, 5)
    whole, end = recurrent(layer, inputs, None, False)
    half, half_end = recurrent(layer, inputs, None, True)
    assert half.dtype == torch.float32 and all(part.dtype == torch.float32 for part in half_end)
    assert 1e-5 < float((whole - half).detach().abs().max()) < 0.03
    first, between = recurrent(layer, inputs[:10], None, True)
    rest, _ = recurrent(layer, inputs[10:], between if len(between) > 1 else between[0], True)
    torch.testing.assert_close(torch.cat([first, rest]), half, atol=0.03, rtol=0)
    half.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in layer.parameters())


def test_auto_takes_it_where_the_processor_has_it_and_a_trial_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_sixteen_bits("float32") and in_sixteen_bits("bfloat16")
    for has, ratio, taken in ((True, 1.5, True), (True, 1.0, False), (False, 1.5, False)):
        monkeypatch.setattr(precision, "supported", lambda has=has: has)
        monkeypatch.setattr(precision, "speed", lambda ratio=ratio: ratio)
        assert in_sixteen_bits("auto") is taken
    for preset in ("default", "base", "quick", "reference"):
        assert Config.from_preset(preset).precision == "float32"


def test_the_trial_measures() -> None:
    assert 0.01 < precision.speed() < 100
    assert precision.speed() == precision.speed()  # once a process


@pytest.mark.parametrize("config", [TINY, Config.from_preset("base", ["calibrate=false"])])
def test_forecasts_are_near_those_of_32_bits_and_the_same_each_time(config: Config) -> None:
    def paths(kind: str) -> np.ndarray:
        fitted = Forecaster(config.replace(precision=kind)).fit(TABLE)
        return fitted.predict(TABLE, 10, paths=400).items[0].log_returns()

    whole, half = paths("float32"), paths("bfloat16")
    assert not np.array_equal(whole, half)
    np.testing.assert_array_equal(half, paths("bfloat16"))
    width = np.ptp(np.quantile(whole, [0.05, 0.95], axis=0), axis=0)
    ends = np.abs(np.quantile(whole, [0.05, 0.95], axis=0) - np.quantile(half, [0.05, 0.95], axis=0))
    assert (ends / width).max() < 0.1


def test_a_setting_that_changes_nothing_is_said_and_a_saved_model_keeps_it(tmp_path: Path) -> None:
    assert "precision" in Config.from_preset("quick", ["encoder=tcn", "precision=bfloat16"]).without_effect()
    fitted = Forecaster(Config.from_preset("base", ["calibrate=false", "precision=bfloat16"])).fit(TABLE)
    fitted.save(tmp_path)
    again = Forecaster.load(tmp_path)
    assert again.networks_.settings() == fitted.networks_.settings()
    np.testing.assert_array_equal(
        again.predict(TABLE, 3, paths=20).items[0].paths, fitted.predict(TABLE, 3, paths=20).items[0].paths
    )
