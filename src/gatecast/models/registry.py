"""From words to models: `gatecast:encoder=gru,loss=mse,garch:errors=normal,random_walk` and the like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gatecast.calibration.walked import WalkedDays
from gatecast.config import Config, broken_rule
from gatecast.errors import ConfigError, UsageError
from gatecast.model import Model
from gatecast.models.adapters import ADAPTERS
from gatecast.models.baselines import BASELINES
from gatecast.models.calibrated import Calibrated
from gatecast.models.forecaster import Forecaster
from gatecast.models.foreign.isolated import TIMEOUT, Isolated
from gatecast.models.foreign.targets import entry_names, find
from gatecast.nn.network import matched

NETWORK = "gatecast"
CALIBRATED = "calibrated"
MOST = 50  # models in one run; a list that long is a slip of the keyboard


def parse_models(
    text: str,
    *,
    preset: str = "default",
    settings: tuple[str, ...] = (),
    timeout: float = TIMEOUT,
    walked: WalkedDays | None = None,
) -> list[Model]:
    """Models by name, in the order given; a name may carry settings after a colon.

    `gatecast` is the network with `preset` and `settings`; `gatecast:gru` is another family with as many weights as
    that LSTM, `gatecast:encoder=gru,loss=mse` changes any setting and nothing beside, `gatecast:preset=quick,loss=mse`
    is another preset, `gatecast:base` short for `gatecast:preset=base`; `sma:window=50` is a
    baseline's; `calibrated:garch` is any of these with bands stretched by what its past bands held.
    `my_model.py:MyModel`, `statsforecast:AutoETS` and the entry points of packages run in processes of their own
    (`foreign.targets.find`), `timeout` seconds for a fit or a forecast. `walked` keeps the past days that networks are
    walked over. Raises `UsageError`.

    >>> [model.name for model in parse_models("gatecast:encoder=gru,loss=mse,sma:window=5,random_walk")]
    ['gatecast:encoder=gru,loss=mse', 'sma:window=5', 'random_walk']
    """
    words = _words(text)
    if len(set(words)) != len(words) or not words or len(words) > MOST:
        raise UsageError(f"models are named once each, 1 to {MOST} of them; got '{text[:200]}'. Name each one once.")
    return [_model(word, preset, settings, timeout, walked) for word in words]


def takes_settings(text: str) -> bool:
    """Whether a model that a text names takes the settings given for all: a network that names no preset of its own."""
    words = (word.removeprefix(f"{CALIBRATED}:").partition(":") for word in _words(text))
    return any(kind == NETWORK and rest != "base" and "preset=" not in rest for kind, _, rest in words)


def _words(text: str) -> list[str]:
    """Split at commas that begin a model: one that begins `key=value`, or a number, belongs to the model before."""
    parts = filter(None, (part.strip() for part in text.split(",")))
    return _joined(parts, lambda part: part.isdigit() or ("=" in part and ":" not in part.partition("=")[0]))


def _joined(parts: Iterable[str], continues: Callable[[str], bool]) -> list[str]:
    """The parts, each that continues the one before put back to it."""
    words: list[str] = []
    for part in parts:
        if words and continues(part):
            words[-1] += f",{part}"
        else:
            words.append(part)
    return words


def _model(word: str, preset: str, settings: tuple[str, ...], timeout: float, walked: WalkedDays | None) -> Model:
    kind, _, rest = word.partition(":")
    if kind == CALIBRATED and rest:
        inner = _model(rest, preset, settings, timeout, walked)
        if isinstance(inner, Forecaster):  # one calibration, not two on top of each other
            inner.config = inner.config.replace(calibrate=False)
        return Calibrated(inner)
    if kind == NETWORK:
        return Forecaster(_config(rest, preset, settings), name=word, walked=walked)
    if kind not in BASELINES:
        target = find(word)
        if target is not None:
            return Isolated(target, name=word, timeout=timeout)
        known = ", ".join([NETWORK, *BASELINES, *ADAPTERS, *entry_names()])
        raise UsageError(
            f"no model '{kind[:80]}'. There are: {known}; any may follow "
            f"{CALIBRATED}:, as in {CALIBRATED}:garch; a file's model is named FILE.py:NAME."
        )
    model = _baseline(BASELINES[kind], rest)
    if rest:
        object.__setattr__(model, "name", word)
    return model


def _config(rest: str, preset: str, settings: tuple[str, ...]) -> Config:
    """The settings of `gatecast:rest`; where it names a preset of its own, of the settings for all only the seed."""
    parts = [f"preset={rest}"] if rest == "base" else rest.split(",")
    own = [part.removeprefix("preset=") for part in parts if part.startswith("preset=")]
    given = _network_settings(",".join(part for part in parts if not part.startswith("preset=")))
    if len(own) > 1 or any(":" in preset for preset in own):
        raise ConfigError(f"a model names one preset, then settings after commas; got '{rest[:80]}'.")
    if own:
        seeds = [setting for setting in settings if setting.partition("=")[0].strip() == "seed"]
        return Config.from_preset(own[-1], [*seeds, *given])
    config = Config.from_preset(preset, [*settings, *given])
    family = parts[0]
    return matched(config, family) if family and "=" not in family else config


def _network_settings(rest: str) -> list[str]:
    """`gru` is short for `encoder=gru`; a part without a sign continues a list, as in dense=64,32."""
    parts = _joined(filter(None, rest.split(",")), lambda part: "=" not in part)
    return [part if "=" in part else f"encoder={part}" for part in parts]


def _baseline(kind: type[Any], rest: str) -> Model:
    values = dict(part.partition("=")[::2] for part in filter(None, rest.split(",")))
    known = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    for key in values:
        if key not in known:
            has = ", ".join(known) or "no settings"
            raise ConfigError(f"{kind.name} has no setting '{key[:80]}'. It has: {has}.")
    try:
        model: Model = TypeAdapter(kind).validate_python(values) if values else kind()
    except ValidationError as error:
        setting, rule = error.errors()[0]["loc"][0], broken_rule(error).removeprefix("it ")
        raise ConfigError(
            f"{kind.name} cannot have {rest[:80]}: {setting} {rule}. Correct it, or leave it out."
        ) from None
    return model
