"""What a request may ask for, checked where it enters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gatecast.config import Config
from gatecast.errors import UsageError
from gatecast.readers.choices import ReadOptions

MOST_VALUES = 100_000_000  # simulated prices of a job: 0.8 GB of closes, and as much for highs and lows each
_READ = ("date", "close", "open", "high", "low", "volume", "item", "sheet", "header", "day_first", "decimal")
# No control characters: no name holds them, and PostgreSQL keeps no zero byte.
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="Of a source or a job.")]
Price = Annotated[float, Field(gt=0, le=1e300, allow_inf_nan=False)] | Word
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


# Said in the schema, too: a name is a `Word`, and there are no others.
_Weights = Annotated[
    dict[Word, Annotated[float, Field(allow_inf_nan=False)]], Field(json_schema_extra={"additionalProperties": False})
]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(_Request):
    """How a source is read, as `read_prices` has it; null leaves a thing to be found."""

    date: Word | None = None
    close: Word | None = None
    open: Word | None = None
    high: Word | None = None
    low: Word | None = None
    volume: Word | None = None
    item: Word | None = None
    sheet: Word | None = None
    header: bool = True
    day_first: bool | None = None
    decimal: Literal[".", ","] | None = None
    calendar: Word | None = Field(default=None, description="An exchange such as XNYS, whose sessions are followed.")
    repair: bool = Field(default=False, description="Make the repairs that are a guess.")

    def options(self) -> ReadOptions:
        """Raises `UsageError` for values that cannot be meant together."""
        return ReadOptions(**{name: getattr(self, name) for name in _READ})


class PortfolioRequest(_Request):
    """A portfolio of the items of a source."""

    weights: Literal["equal"] | _Weights = "equal"
    rebalanced: bool = False
    value: Annotated[float, Field(gt=0, le=1e300, allow_inf_nan=False)] | None = None


class Questions(_Request):
    """What is asked of the simulated paths, as `RiskQuestions` has it: a price is a number, or ITEM=PRICE."""

    touch: list[Price] = Field(default=[], max_length=50)
    above: list[Price] = Field(default=[], max_length=50)
    stop: Price | None = None
    target: Price | None = None
    levels: list[Share] = Field(default=[0.01, 0.05, 0.1], min_length=1, max_length=20)
    falls: list[Share] = Field(default=[0.05, 0.1, 0.2], max_length=20)
    portfolio: PortfolioRequest | None = None
    given: Word | None = Field(default=None, description="A scenario such as SPY<=-5%@5.")


class JobRequest(_Request):
    """A forecast of a source, or (`risk`) one with a verdict on risk answers. Settings are those of the command."""

    kind: Literal["forecast", "risk"] = "forecast"
    source: Id
    horizon: int = Field(default=30, ge=1, le=2000, description="Steps ahead.")
    paths: int = Field(default=1000, ge=1, le=100_000, description="Simulated paths of each item.")
    level: Share = Field(default=0.9, description="Share of the paths inside the band.")
    seed: int = Field(default=0, ge=0, le=2**53 - 1)  # that every reader of JSON holds exactly
    preset: Literal["default", "base", "reference", "quick"] = "default"
    settings: list[Word] = Field(default=[], max_length=50, description="Settings such as epochs=20.")
    verdict: bool = Field(default=True, description="Judge the model on recent days.")
    reading: Reading = Reading()
    questions: Questions = Questions()

    def config(self) -> Config:
        """The settings of the model; the seed is the training's too. Raises `ConfigError`."""
        chosen = any(setting.partition("=")[0].strip() == "seed" for setting in self.settings)
        return Config.from_preset(self.preset, self.settings if chosen else [*self.settings, f"seed={self.seed}"])

    def check_size(self, items: int) -> None:
        """Raise `UsageError` where the simulated paths of so many items would not fit in a worker."""
        values = items * self.horizon * self.paths
        if values > MOST_VALUES:
            raise UsageError(
                f"items x horizon x paths is at most {MOST_VALUES:,} here; this job has {values:,}. Take fewer paths."
            )


class ScoreRequest(_Request):
    """Prices that came since: a source against which recorded forecasts are settled."""

    source: Id
    reading: Reading = Reading()


def plain(request: BaseModel) -> Mapping[str, Any]:
    """A request as plain types for JSON."""
    return request.model_dump(mode="json")
