"""The exception tree: every refusal gatecast makes, in one place.

GatecastError                 one clear line: the rule, the culprit, the remedy
├── UsageError                the command or an argument is wrong        (exit 2)
│   └── ConfigError           an unknown key, or a value out of range    (exit 2)
├── DataError                 the prices cannot be used                  (exit 1)
│   ├── UnreadableSource      no table could be made of the source
│   ├── UnsafeData            a repair would be a guess; `--repair` makes it
│   └── TooFewRows            the history is shorter than the model needs
├── ModelError                a saved model cannot be used               (exit 1)
└── TrainingError             training cannot go on (loss is NaN, disk full)  (exit 1)
"""

from __future__ import annotations


class GatecastError(Exception):
    """Base of all refusals; `str(error)` is one line made for a person."""

    exit_code = 1


class UsageError(GatecastError):
    """The command or an argument is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting that does not exist, or a value outside its range."""


class DataError(GatecastError):
    """The prices cannot be used."""


class UnreadableSource(DataError):
    """No price table could be made of the source."""


class UnsafeData(DataError):
    """The data can only be used after a repair that would be a guess."""


class TooFewRows(DataError):
    """The history is shorter than the model needs."""


class ModelError(GatecastError):
    """A saved model is damaged, foreign, too new, or does not fit its own description."""


class TrainingError(GatecastError):
    """Training cannot go on; what was good before is kept."""
