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
from gatecast.models.registry import parse_models, takes_settings
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
    for twice in ("gatecast:preset=base,preset=quick", "gatecast:preset=base:hidden=8"):
        with pytest.raises(ConfigError, match="names one preset, then settings after commas"):
            parse_models(twice)
    with pytest.raises(UsageError, match="once"):
        parse_models("gatecast:preset=quick,gatecast:preset=quick")


@pytest.mark.parametrize(
    ("models", "takes"),
    [
        ("gatecast", True),
        ("random_walk,gatecast:gru", True),
        ("calibrated:gatecast:loss=mse", True),
        ("random_walk,garch", False),
        ("gatecast:base,gatecast:preset=quick,loss=mse", False),
    ],
)
def test_which_models_take_the_settings_given_for_all(models: str, takes: bool) -> None:
    assert takes_settings(models) is takes


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=abc", "setting 'epochs' cannot be 'abc': it is a whole number. Write for example epochs=30."),
        ("mc_dropout=perhaps", "cannot be 'perhaps': it is true or false. Write for example mc_dropout=true."),
        ("dropout=1", "cannot be '1': it is less than 1. Write for example dropout=0.2."),
        ("encoder=foo", "it is 'lstm', 'gru', 'rnn', 'tcn' or 'transformer'. Write for example encoder=lstm."),
        ("dense=4097", "dense: at most 16 widths, each from 1 to 4096. Write for example dense=64,32."),
        ("start=base", "the preset quick trains a network on your prices; got start=base."),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_rule_and_an_example(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_preset("quick", [setting])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_setting_may_be_is_said_and_what_the_base_network_does_not_take_is_left_out() -> None:
    rows = {key: (values, text) for _, key, values, text in setting_rows([Config.from_preset("base"), Config()])}
    assert rows["encoder"][1].endswith("One of lstm, gru, rnn, tcn, transformer.")
    assert rows["hidden"][0] == (None, 32)
    assert rows["calibrate"][0] == (True, False)
