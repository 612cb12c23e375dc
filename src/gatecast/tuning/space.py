"""What is searched: eight settings, each over the values that a series of some thousand days can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatecast.config import Config, parse_settings
from gatecast.errors import UsageError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SEARCHED = ("layers", "hidden", "context_length", "dropout", "learning_rate", "loss", "head", "encoder")


def space(settings: Sequence[str] = ()) -> dict[str, BaseDistribution]:
    """The values of each setting, but for those that `settings` fix; raises `UsageError` where these fix all.

    hidden and learning_rate are searched by their logarithm. `loss` has an effect with head=point alone.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values: dict[str, BaseDistribution] = {
        "layers": IntDistribution(1, 3),
        "hidden": IntDistribution(8, 128, log=True),
        "context_length": IntDistribution(20, 120, step=20),
        "dropout": FloatDistribution(0.0, 0.5, step=0.1),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "loss": CategoricalDistribution(("huber", "mse", "mae")),
        "head": CategoricalDistribution(("point", "normal", "student_t", "mixture")),
        "encoder": CategoricalDistribution(("lstm", "gru", "tcn")),
    }
    fixed = parse_settings(settings)
    left = {key: values[key] for key in SEARCHED if key not in fixed}
    if not left:
        raise UsageError(f"a search needs a setting to change; got all of {', '.join(SEARCHED)} fixed. Leave one out.")
    return left


def as_settings(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a trial as a user would give them; the learning rate to three digits, so that these are all of it.

    >>> as_settings({"hidden": 16, "learning_rate": 0.00123456, "loss": "mae"})
    ('hidden=16', 'learning_rate=0.00123', 'loss=mae')
    """
    return tuple(
        f"{key}={params[key]:.3g}" if isinstance(params[key], float) else f"{key}={params[key]}"
        for key in SEARCHED
        if key in params
    )


def defaults(config: Config, searched: Mapping[str, object]) -> dict[str, Any]:
    """What the settings under search are without one."""
    return {key: getattr(config, key) for key in searched}
