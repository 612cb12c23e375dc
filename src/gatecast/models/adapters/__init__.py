"""Models of other libraries, by name: each is loaded in a process of its own, and only when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Adapter:
    """The class of an adapter, in the module of the library's name; `example` where the library has many models."""

    attribute: str
    example: str = ""


ADAPTERS: dict[str, Adapter] = {
    "statsforecast": Adapter("StatsForecast", "statsforecast:AutoETS"),
    "darts": Adapter("Darts", "darts:ExponentialSmoothing"),
    "fracast": Adapter("Fracast"),
}
