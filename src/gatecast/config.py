"""The settings of a forecaster: frozen, checked, every default with its unit and reason."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gatecast.errors import ConfigError

Preset = Literal["default", "base", "reference", "quick"]
PRESETS: tuple[str, ...] = get_args(Preset)


class Config(BaseModel):
    """How a network sees, learns and samples. Frozen; an unknown key or a bad value is a `ConfigError`.

    >>> Config(loss="mae").loss
    'mae'
    >>> Config.from_preset("reference", ["epochs=2"]).epochs
    2
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    start: Literal["scratch", "base", "adapt"] = (
        "scratch"  # of the weights; base: the network that comes with gatecast; adapt: it, trained further
    )
    cross_section: bool = (
        True  # recent moves of all items of a table enter the base network's forecast of each
    )

    # What the network sees
    context_length: int = Field(60, ge=2, le=20_000)  # rows of lookback; 60 sessions are a quarter of a year
    returns: Literal["log", "simple", "none"] = "log"  # first feature and target; none: price levels, scaled
    bollinger_guard: bool = (
        True  # position 0.5 where the bands collapse; without it the naive formula divides by 0
    )

    # The network
    encoder: Literal["lstm", "gru", "rnn", "tcn", "transformer"] = "lstm"
    layers: int = Field(1, ge=1, le=16)  # one layer learns as much from a few thousand noisy days as three
    hidden: int = Field(32, ge=1, le=4096)  # units per layer; more overfit a single asset
    dropout: float = Field(0.2, ge=0, lt=1)  # share of units dropped after each layer
    dense: tuple[int, ...] = ()  # widths of ReLU layers before the output; () is one linear map
    head: Literal["point", "normal", "student_t", "mixture"] = (
        "point"  # what is foretold: a value, or its distribution, learned by likelihood in place of `loss`
    )

    # What it learns from
    loss: Literal["huber", "mse", "mae", "pinball"] = "huber"
    huber_delta: float = Field(
        1.0, gt=0, le=1e6
    )  # in trailing volatilities: errors beyond one sigma count linearly
    quantile: float = Field(0.5, gt=0, lt=1)  # of the pinball loss
    weights: Literal["none", "linear", "exponential", "half_life"] = "linear"  # recency; mean 1
    half_life_days: float = Field(
        730.0, gt=0, le=1e6
    )  # calendar days until a sample counts half, for weights=half_life
    training: Literal["dense", "windows"] = (
        "dense"  # a target at every step of a chunk, or after each window only
    )
    chunk_length: int = Field(
        120, ge=2
    )  # steps of a dense chunk: two contexts, so the later half sees a full one
    epochs: int = Field(30, ge=1, le=100_000)
    batch: int = Field(32, ge=1)  # windows, or chunks, per update
    learning_rate: float = Field(1e-3, gt=0, le=1)  # Adam's own default
    weight_decay: float = Field(0.0, ge=0, le=1)  # decoupled (AdamW); 0 is Adam
    clip_norm: float = Field(1.0, ge=0, le=1e6)  # gradient norm ceiling; 0 for none
    validation: float = Field(0.1, gt=0, lt=0.9)  # share of the last timestamps held out
    patience: int = Field(
        5, ge=0
    )  # epochs without gain before stopping; 5 outlasts one noisy epoch; 0 never stops
    per_asset: bool = False  # one network for each item rather than one for all

    # How it samples
    mc_dropout: bool = True  # one dropout mask per path, held along it (Gal and Ghahramani 2016)
    shrink: bool = (
        True  # the mean move counts by what it was worth on held-out days; a point head's, of returns
    )
    noise: Literal["residuals", "none"] = (
        "residuals"  # out-of-sample errors scaled by volatility; none: the recipe's
    )

    calibrate: bool = False  # stretch the bands by what those of past days, held out, have covered

    # How it runs
    seed: int = Field(0, ge=0, lt=2**63)  # of training: initial weights, order of batches, dropout
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU where there is one

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    @model_validator(mode="after")
    def _start_alone(self) -> Config:
        if self.start == "scratch" and not self.cross_section:
            raise ValueError(
                "cross_section: a network trained on your prices sees no cross-section in any case; "
                "cross_section=false is for the base network. Leave it out, or add start=base"
            )
        if self.start != "scratch":
            shaped = self.model_fields_set - _OF_EVERY_START
            changed = sorted(
                key for key in shaped if getattr(self, key) != type(self).model_fields[key].default
            )
            if changed:
                raise ValueError(
                    f"{changed[0]}: the base network is as it is; with start={self.start} only "
                    f"{', '.join(sorted(_OF_EVERY_START))} may be set. Add start=scratch for a network of your own"
                )
        return self

    @model_validator(mode="after")
    def _dense_widths(self) -> Config:
        if any(width < 1 for width in self.dense):
            raise ValueError("dense: every width must be at least 1")
        return self

    @classmethod
    def from_preset(cls, preset: str = "default", settings: Sequence[str] = ()) -> Config:
        """A preset with `key=value` settings on top; raises `ConfigError` naming what exists.

        A setting that shapes a network of one's own makes the default preset start from scratch.
        """
        if preset not in PRESETS:
            raise ConfigError(f"no preset '{preset}'. There are: {', '.join(PRESETS)}.")
        given = parse_settings(settings)
        own = preset == "default" and not given.keys() <= _OF_EVERY_START
        return cls(**{**(_SCRATCH if own else _PRESETS[preset]), **given})

    def replace(self, **values: Any) -> Config:
        """A copy with these values instead, checked again."""
        return Config(**{**self.model_dump(), **values})


# The recipe: three LSTM layers of 128, dropout 0.2 after each, dense 64-32-1, Huber, Adam, windows of 60 x 8.
_REFERENCE: dict[str, Any] = {
    "context_length": 60,
    "layers": 3,
    "hidden": 128,
    "dropout": 0.2,
    "dense": (64, 32),
    "loss": "huber",
    "huber_delta": 1.0,
    "weights": "linear",
    "training": "windows",
    "epochs": 100,
    "batch": 64,
    "clip_norm": 0.0,
    "patience": 0,
    "validation": 0.1,
    "shrink": False,
}
_QUICK: dict[str, Any] = {"hidden": 16, "epochs": 12, "patience": 3}
_SCRATCH: dict[str, Any] = {"start": "scratch"}
_PRESETS: dict[str, dict[str, Any]] = {
    "default": {"start": "adapt", "calibrate": True},
    "base": {"start": "base", "calibrate": True},
    "reference": _REFERENCE,
    "quick": _QUICK,
}
_OF_EVERY_START = {
    "start",
    "seed",
    "device",
    "validation",
    "calibrate",
    "cross_section",
}  # settings that mean the same for the base network


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`["loss=mae", "dense=64,32"]` as a dictionary of known keys; values stay text for `Config` to check.

    >>> parse_settings(["dense=64,32", "loss=mae"])
    {'dense': ('64', '32'), 'loss': 'mae'}
    """
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        key, value = key.strip(), value.strip()
        if not sign:
            raise ConfigError(f"a setting is key=value; got '{setting}'. Write for example loss=mae.")
        if key not in Config.model_fields:
            raise ConfigError(_unknown_key(key))
        parsed[key] = tuple(filter(None, value.split(","))) if key == "dense" else value
    return parsed


def _unknown_key(key: str) -> str:
    close = difflib.get_close_matches(key, Config.model_fields, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"no setting '{key}'.{hint} There are: {', '.join(sorted(Config.model_fields))}."


def _explain(error: ValidationError) -> str:
    """One line for the first breach: the rule, the culprit, and the values that exist."""
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return _unknown_key(key)
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    return f"setting '{key}' cannot be {first['input']!r}: {reason}." if key else f"{reason}."
