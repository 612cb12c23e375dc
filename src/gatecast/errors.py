"""The exception tree: every refusal gatecast makes, in one place; and the checks of arguments that several make.

GatecastError                 one clear line: the rule, the culprit, the remedy
├── UsageError                the command or an argument is wrong        (exit 2)
│   └── ConfigError           an unknown key, or a value out of range    (exit 2)
├── DataError                 the prices cannot be used                  (exit 1)
│   ├── UnreadableSource      no table could be made of the source
│   ├── UnsafeData            a repair would be a guess; `repair=True` makes it
│   └── TooFewRows            the history is shorter than the model needs
├── ModelError                a saved model cannot be used               (exit 1)
├── ForeignError              a model or forecasts brought along break their contract  (exit 1)
├── LedgerError               a ledger is broken, newer, locked or full (exit 1)
├── ServiceError              the service cannot do this, or not now       (exit 1)
│   ├── NotFound              it has no such source, job or file
│   ├── TooLarge              more bytes than it takes
│   └── QueueFull             as much work waits as it keeps; says when to come back
├── TrainingError             training cannot go on (loss is NaN, disk full)  (exit 1)
└── WorkerError               a process at work died each time               (exit 1)

A remedy is written as the library has it, `repair=True`; the command says `--repair` (`faces.options.as_options`).
"""

from __future__ import annotations

import math
import numbers
import os

from gatecast.text import clean


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


class ForeignError(GatecastError):
    """A model or a file of forecasts that gatecast did not make fails, or breaks its contract."""


class LedgerError(GatecastError):
    """A ledger cannot be used: it is broken, made by a newer gatecast, locked, or the disk is full."""


class ServiceError(GatecastError):
    """The service cannot do what a request asks, or not now."""


class NotFound(ServiceError):
    """The service has no such source, job or file."""


class TooLarge(ServiceError):
    """More bytes were sent than the service takes."""


class QueueFull(ServiceError):
    """As much work waits as the service keeps; `seconds` says when to come back."""

    def __init__(self, line: str, *, seconds: int) -> None:
        super().__init__(line)
        self.seconds = seconds


class TrainingError(GatecastError):
    """Training cannot go on; what was good before is kept."""


class WorkerError(GatecastError):
    """A process that worked on a task died, and so did the one that took its place."""


def check_type(name: str, value: object, kind: type, remedy: str) -> None:
    """Refuse an argument of another type, by the argument's name."""
    if not isinstance(value, kind):
        raise UsageError(f"{name} is of type {kind.__name__}; got {briefly(value)}. {remedy}")


def check_whole(name: str, value: object, *, least: int, example: int) -> None:
    """Refuse what is no whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise UsageError(f"{name} is a whole number; got {briefly(value)}. Give for example {name}={example}.")
    if value < least:
        raise UsageError(f"{name} is at least {least}; got {value}. Give for example {name}={example}.")


def check_number(name: str, value: object, *, example: float) -> None:
    """Refuse what is no single finite number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        given = f"{name}={example}" if name.isidentifier() else f"{example}"
        raise UsageError(f"{name} is a number; got {briefly(value)}. Give for example {given}.")


def check_path(name: str, value: object) -> None:
    """Refuse what names no file or folder."""
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise UsageError(f'{name} is a path; got {briefly(value)}. Give for example {name}="model".')


def check_texts(name: str, value: object, example: str) -> None:
    """Refuse what is no list of texts; a text alone is none."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise UsageError(f"{name} is a list of texts; got {briefly(value)}. Give for example {name}=[{example!r}].")


def briefly(value: object) -> str:
    """A number, a text or a short list as it was written; of anything else its type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    plain = value is None or isinstance(value, str | numbers.Number | list | tuple)
    return clean(repr(value), 60) if plain else f"a value of type {type(value).__name__}"
