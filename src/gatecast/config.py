"""The settings of a forecaster: frozen, checked, every default with its unit and reason."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from gatecast.errors import ConfigError, check_texts

Precision = Literal["float32", "bfloat16", "auto"]
GROUPS = {  # by their first setting
    "start": "Which network",
    "context_length": "The network",
    "loss": "Training",
    "mc_dropout": "Sampling and bands",
    "seed": "How it runs",
}


def _setting(default: Any, description: str, **bounds: Any) -> Any:
    """A field with its unit and reason; the first sentence says what it is, the rest why the default is what it is."""
    return Field(default, description=description, **bounds)


class Config(BaseModel):
    """How a network sees, learns and samples. Frozen; an unknown key or a bad value is a `ConfigError`.

    >>> Config(loss="mae").loss
    'mae'
    >>> Config.from_preset("reference", ["epochs=2"]).epochs
    2
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    _given: tuple[str, ...] = PrivateAttr(())

    start: Literal["scratch", "base", "adapt"] = _setting(
        "scratch",
        "Where the weights come from. scratch: trained on your prices; base: the base network that comes with "
        "gatecast, no training; adapt: the base network, trained further where held-out days gain from it.",
    )
    cross_section: bool = _setting(
        True, "Recent moves of all items of a table enter the base network's forecast of each."
    )
    joint: bool = _setting(
        True,
        "Items of a table are simulated together: path p of each is one future of all, with their past dependence.",
    )

    context_length: int = _setting(60, "Rows of lookback. 60 sessions are a quarter of a year.", ge=2, le=20_000)
    returns: Literal["log", "simple", "none"] = _setting(
        "log", "First feature and target. none: price levels, scaled, as the naive recipe has them."
    )
    bollinger_guard: bool = _setting(
        True, "Bollinger position 0.5 where the bands collapse. The naive formula divides by 0 there."
    )
    events: bool = _setting(
        False,
        "Known dates of events as features, three a kind: days until, days since, own past reaction; two for values.",
    )
    encoder: Literal["lstm", "gru", "rnn", "tcn", "transformer"] = _setting("lstm", "The family of the network.")
    layers: int = _setting(
        1, "Layers of the encoder. One learns as much from a few thousand noisy days as three.", ge=1, le=16
    )
    hidden: int = _setting(32, "Units per layer. More units tend to overfit a single asset.", ge=1, le=4096)
    dropout: float = _setting(0.2, "Share of units dropped after each layer, 0 to 1.", ge=0, lt=1)
    dense: tuple[int, ...] = _setting(
        (), "Widths of ReLU layers before the output, such as 64,32. None is one linear map."
    )
    head: Literal["point", "normal", "student_t", "mixture"] = _setting(
        "point", "What is predicted: a value, or its distribution, learned by likelihood in place of loss."
    )

    loss: Literal["huber", "mse", "mae", "pinball"] = _setting(
        "huber", "Loss of a point forecast. Huber counts large errors linearly, so that a crash does not dominate."
    )
    huber_delta: float = _setting(
        1.0, "Error where the Huber loss turns linear, in trailing volatilities. One sigma.", gt=0, le=1e6
    )
    quantile: float = _setting(0.5, "Quantile of the pinball loss, 0 to 1. The median.", gt=0, lt=1)
    weights: Literal["none", "linear", "exponential", "half_life"] = _setting(
        "linear", "Recency weights of training days, mean 1. A market of long ago may follow other rules."
    )
    half_life_days: float = _setting(730.0, "Calendar days until a training day counts half. Two years.", gt=0, le=1e6)
    training: Literal["dense", "windows"] = _setting(
        "dense", "Targets: at every step of a chunk, or after each window only, as the recipe has it."
    )
    chunk_length: int = _setting(
        120, "Rows of a dense chunk. Two contexts, so that the later half sees a full one.", ge=2
    )
    epochs: int = _setting(30, "Passes over the training days, at most.", ge=1, le=100_000)
    batch: int = _setting(32, "Windows, or chunks, per update.", ge=1, le=100_000)
    learning_rate: float = _setting(1e-3, "Step size of Adam. Its own default.", gt=0, le=1)
    weight_decay: float = _setting(0.0, "Decoupled weight decay (AdamW). 0 is Adam.", ge=0, le=1)
    clip_norm: float = _setting(
        1.0, "Ceiling of the gradient's norm; 0 for none. Keeps one wild batch from undoing others.", ge=0, le=1e6
    )
    validation: float = _setting(
        0.1, "Share of the last timestamps held out, 0 to 0.9. It stops training and measures errors.", gt=0, lt=0.9
    )
    patience: int = _setting(5, "Epochs without gain before stopping; 0 never stops. 5 outlasts one noisy epoch.", ge=0)
    per_asset: bool = _setting(False, "One network for each item rather than one for all.")

    mc_dropout: bool = _setting(
        True, "One dropout mask per path, held along it (Gal and Ghahramani 2016): model uncertainty."
    )
    shrink: bool = _setting(
        True, "The predicted mean move counts by the share that held-out days confirm; for a point head on returns."
    )
    noise: Literal["residuals", "none"] = _setting(
        "residuals", "Errors of held-out days, scaled by volatility, along paths. none: as the recipe has it."
    )
    calibrate: bool = _setting(False, "Widen or narrow the bands by what those of past days, held out, have covered.")
    combine: bool = _setting(
        False,
        "Average the quantiles with those of GARCH, HAR and EWMA, weighted by past forecasts. Takes calibrate=true.",
    )

    seed: int = _setting(0, "Seed of training: initial weights, order of batches, dropout.", ge=0, lt=2**63)
    precision: Precision = _setting(
        "float32",
        "Of products in LSTM, GRU and RNN layers. bfloat16: 16 bits, twice as fast on processors that have it "
        "(avx512_bf16, AMX); auto: where a trial shows that it is faster. Unless asked, processors differ in "
        "the last digits alone.",
    )
    device: Literal["auto", "cpu", "cuda"] = _setting("auto", "Where it is computed. auto: a GPU where there is one.")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.start == "scratch" and not self.cross_section:
            raise ValueError(
                "cross_section: a network trained on your prices sees no cross-section in any case; "
                "cross_section=false is for the base network. Leave it out, or add start=base"
            )
        if self.start != "scratch":
            shaped = self.model_fields_set - _OF_EVERY_START
            changed = sorted(key for key in shaped if getattr(self, key) != type(self).model_fields[key].default)
            if changed:
                raise ValueError(
                    f"{changed[0]}: the base network cannot be changed; with start={self.start} only "
                    f"{', '.join(sorted(_OF_EVERY_START))} may be set. Add start=scratch to train a network"
                )
        if len(self.dense) > 16 or not all(1 <= width <= 4096 for width in self.dense):
            raise ValueError("dense: at most 16 widths, each from 1 to 4096. Write for example dense=64,32")
        return self

    @classmethod
    def from_preset(cls, preset: str = "default", settings: Sequence[str] = ()) -> Config:
        """A preset with `key=value` settings on top; raises `ConfigError` naming what exists.

        A setting that shapes a network trained on the prices makes the default preset start from scratch.
        """
        check_texts("settings", settings, "loss=mae")
        if preset not in PRESETS:
            raise ConfigError(f"no preset '{preset}'. There are: {', '.join(PRESETS)}.")
        given = parse_settings(settings)
        if preset not in ("default", "base") and given.get("start", "scratch") != "scratch":
            raise ConfigError(
                f"start: the preset {preset} trains a network on your prices; got start={given['start']}. "
                'Take preset="base", or leave start out.'
            )
        own = preset == "default" and not given.keys() <= _OF_EVERY_START
        config = cls(**{**parse_settings(["start=scratch"] if own else _PRESETS[preset].split()), **given})
        config._given = tuple(given)
        return config

    def replace(self, **values: Any) -> Config:
        """A copy with these values instead, checked again."""
        return Config(**{**self.model_dump(), **values})

    @property
    def combined(self) -> bool:
        """Whether forecasts are combined: weights are learned in the walk that calibrates."""
        return self.combine and self.calibrate

    def without_effect(self) -> dict[str, str]:
        """Of the settings given to `from_preset`, those that change nothing here, each with what it takes.

        >>> Config.from_preset("quick", ["half_life_days=90"]).without_effect()
        {'half_life_days': 'weights=half_life'}
        """
        return {key: takes for key, (takes, holds) in _TAKES.items() if key in self._given and not holds(self)}


_PRESETS = {  # as settings that a user could give
    "default": "start=adapt calibrate=true combine=true",
    "base": "start=base calibrate=true combine=true",
    # The recipe: three LSTM layers of 128, dropout 0.2 after each, dense 64-32-1, Huber, Adam, windows of 60 x 8.
    "reference": "context_length=60 layers=3 hidden=128 dropout=0.2 dense=64,32 loss=huber huber_delta=1 "
    "weights=linear training=windows epochs=100 batch=64 clip_norm=0 patience=0 validation=0.1 shrink=false",
    "quick": "hidden=16 epochs=12 patience=3",
}
PRESETS = tuple(_PRESETS)
# Settings that mean the same for the base network.
_OF_EVERY_START = {
    "start",
    "seed",
    "device",
    "precision",
    "validation",
    "calibrate",
    "combine",
    "cross_section",
    "joint",
}
# What a setting takes to have an effect: in words, and as a check.
_TAKES: Mapping[str, tuple[str, Callable[[Config], bool]]] = {
    "precision": ("encoder=lstm, gru or rnn", lambda config: config.encoder in ("lstm", "gru", "rnn")),
    "validation": ("a training: start=scratch or start=adapt", lambda config: config.start != "base"),
    "huber_delta": ("loss=huber and head=point", lambda config: config.loss == "huber" and config.head == "point"),
    "quantile": ("loss=pinball and head=point", lambda config: config.loss == "pinball" and config.head == "point"),
    "loss": ("head=point", lambda config: config.head == "point"),
    "half_life_days": ("weights=half_life", lambda config: config.weights == "half_life"),
    "chunk_length": ("training=dense", lambda config: config.training == "dense"),
    "shrink": (
        "head=point and returns other than none",
        lambda config: config.head == "point" and config.returns != "none",
    ),
    "mc_dropout": ("dropout above 0", lambda config: config.dropout > 0),
    "combine": ("calibrate=true", lambda config: config.calibrate or not config.combine),
    "bollinger_guard": ("a training: start=scratch", lambda config: config.start == "scratch"),
}


def setting_rows(configs: Sequence[Config]) -> Iterable[tuple[str, str, tuple[Any, ...], str]]:
    """(group, key, its value in each config, description) of every setting, group by group; None: has no effect there.

    The base network is as it was trained, so that most settings have none on it.
    """
    group = ""
    for key, field in Config.model_fields.items():
        group = GROUPS.get(key, group)
        values = (in_effect(config, base=config.start == "base")[key] for config in configs)
        choices = f" One of {', '.join(get_args(field.annotation))}." if get_origin(field.annotation) is Literal else ""
        yield group, key, tuple(values), f"{field.description}{choices}"


def in_effect(config: Config, *, base: bool) -> dict[str, Any]:
    """The value of each setting; None where it has no effect, as most have none on the `base` network."""
    return {
        key: getattr(config, key) if key in _OF_EVERY_START or not base else None for key in type(config).model_fields
    }


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
    if not key:
        return f"{reason}."
    default = Config.model_fields[key].default
    example = ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower()
    remedy = f"Write for example {key}={example or '64,32'}."
    return f"setting '{key}' cannot be {first['input']!r}: {broken_rule(error)}. {remedy}"


def broken_rule(error: ValidationError) -> str:
    """The first rule that was broken, in our words."""
    first = error.errors()[0]
    return _RULES.get(first["type"], first["msg"].replace("Input should be", "it is").removeprefix("Value error, "))


_RULES = {  # by pydantic's types of errors
    "int_parsing": "it is a whole number",
    "int_from_float": "it is a whole number",
    "int_type": "it is a whole number",
    "float_parsing": "it is a number",
    "float_type": "it is a number",
    "bool_parsing": "it is true or false",
    "bool_type": "it is true or false",
}
