"""Settings that can be read: every one has a unit and a reason, the page is printed from them, idle ones are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gatecast.cli import app
from gatecast.config import GROUPS, PRESETS, Config, setting_rows
from gatecast.errors import ConfigError, UsageError
from gatecast.models.forecaster import Forecaster
from gatecast.models.registry import parse_models
from gatecast.runs.forecast import settings_notes

ROOT = Path(__file__).parents[1]


def test_every_setting_is_described_and_stands_in_one_group() -> None:
    rows = list(setting_rows([Config()]))
    assert [key for _, key, _, _ in rows] == sorted(Config.model_fields, key=[key for _, key, _, _ in rows].index)
    assert {group for group, _, _, _ in rows} == set(GROUPS.values())
    assert all(len(description) > 20 and description.endswith(".") for _, _, _, description in rows)


def test_the_page_is_what_the_command_prints() -> None:
    page = CliRunner().invoke(app, ["settings", "--markdown"]).stdout
    assert page == (ROOT / "docs" / "settings.md").read_text()
    assert all(preset in page for preset in PRESETS)


def test_two_presets_beside_each_other() -> None:
    result = CliRunner().invoke(app, ["settings", "--preset", "base", "--beside", "reference", "--json"])
    rows = {row["key"]: row["values"] for row in json.loads(result.stdout)}
    assert rows["start"] == ["base", "scratch"]
    assert rows["hidden"] == [None, 128] and rows["dense"] == [None, [64, 32]]
    table = CliRunner().invoke(app, ["settings", "--preset", "quick"])
    assert table.exit_code == 0 and "patience" in table.stdout
    assert CliRunner().invoke(app, ["settings", "--preset", "none"]).exit_code != 0


@pytest.mark.parametrize(
    ("preset", "settings", "idle"),
    [
        ("quick", ["half_life_days=90"], ["half_life_days"]),
        ("quick", ["half_life_days=90", "weights=half_life"], []),
        ("quick", ["quantile=0.3", "huber_delta=2"], ["quantile"]),
        ("quick", ["head=normal", "loss=mae", "huber_delta=2"], ["huber_delta", "loss"]),
        ("quick", ["chunk_length=50", "training=windows"], ["chunk_length"]),
        ("quick", ["mc_dropout=true", "dropout=0"], ["mc_dropout"]),
        ("quick", ["returns=none", "shrink=true"], ["shrink"]),
        ("base", ["validation=0.2"], ["validation"]),
        ("default", ["validation=0.2"], []),
        ("reference", [], []),
    ],
)
def test_settings_without_effect_are_named_in_one_line(preset: str, settings: list[str], idle: list[str]) -> None:
    config = Config.from_preset(preset, settings)
    assert sorted(config.without_effect()) == idle
    notes = settings_notes(config)
    assert len(notes) == bool(idle)
    assert all(key in notes[0].text for key in idle)


def test_a_model_may_name_its_own_preset() -> None:
    quick, mixed, late, base = parse_models(
        "gatecast:preset=quick,gatecast:preset=quick,loss=mse,gatecast:hidden=8,preset=reference,gatecast:base",
        preset="default",
        settings=("seed=3", "epochs=2"),
    )
    models = [quick, mixed, late, base]
    assert all(isinstance(model, Forecaster) and model.config.seed == 3 for model in models)
    assert quick.config == Config.from_preset("quick", ["seed=3"])
    assert (mixed.config.loss, mixed.config.epochs) == ("mse", 12)
    assert (late.config.layers, late.config.hidden) == (3, 8)
    assert base.config == Config.from_preset("base", ["seed=3"])
    with pytest.raises(ConfigError, match="no preset 'fast'. There are"):
        parse_models("gatecast:preset=fast")
    with pytest.raises(UsageError, match="once"):
        parse_models("gatecast:preset=quick,gatecast:preset=quick")
