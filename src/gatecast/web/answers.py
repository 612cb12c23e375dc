"""The shapes of the API's answers, for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

_MEANINGS = {
    400: "The request cannot be meant, or its prices cannot be used.",
    401: "The token is missing or wrong.",
    403: "A request from another site.",
    404: "There is no such source, job or file.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    421: "The service was addressed by a name that is not its own.",
    422: "The request does not have the declared shape.",
    429: "As much waits as may; Retry-After says when to come back, in seconds.",
    503: "The database cannot be used now.",
    507: "The disk is full.",
}


class ErrorAnswer(BaseModel):
    """A refusal."""

    error: str  # the rule, the culprit, the remedy


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is told of these statuses."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses}


class _Open(BaseModel):
    """A document to which fields may be added."""

    model_config = ConfigDict(extra="allow")


class SampleAnswer(BaseModel):
    """A price history that comes with gatecast."""

    name: str
    about: str


class SourceAnswer(_Open):
    """A source that was brought."""

    id: str
    name: str
    size: int
    sha256: str
    created: str


class PointAnswer(BaseModel):
    """A close."""

    timestamp: str
    close: float


class ItemAnswer(_Open):
    """An item of a source; `chart` holds up to 400 of its closes, of the first items."""

    item_id: str
    rows: int
    first: str
    last: str
    last_close: float
    columns: list[str]
    chart: list[PointAnswer]


class ColumnAnswer(BaseModel):
    """A column of a source and what it was taken for; null: for nothing."""

    name: str
    used_as: str | None
    item_id: str | None


class ReadingAnswer(SourceAnswer):
    """What is read of a source; with a `problem` nothing is, and it says what to do."""

    rows: int
    items: list[ItemAnswer]
    columns: list[ColumnAnswer]
    notes: list[str]
    problem: str | None


class ProgressAnswer(_Open):
    """How far a job is; `losses` are [epoch, training loss, held-out loss of the best epoch so far or null]."""

    phase: str
    fraction: float | None = None
    seconds_left: float | None = None
    text: str = ""
    losses: list[list[float | None]] = []


class JobAnswer(_Open):
    """A job."""

    id: str
    seq: int
    kind: str
    source: str
    request: dict[str, Any]
    state: Literal["queued", "running", "done", "failed", "stopped"]
    created: str
    started: str | None
    finished: str | None
    progress: ProgressAnswer
    error: str | None
    stopping: bool
    has_result: bool
    files: list[str]


class JobsAnswer(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobAnswer]


class ResultAnswer(_Open):
    """A forecast; `items` and `verdict` as `ForecastRun.to_dict`, `risk` as `Risk.to_dict` of the library."""

    items: list[dict[str, Any]]
    level: float
    paths: int
    seed: int
    config: dict[str, Any]
    verdict: dict[str, Any] | None
    risk: dict[str, Any]
    risk_verdict: dict[str, Any] | None
    notes: list[str]
    model: str
    source: str
    stopped: bool
    explained: bool


class RiskAnswer(_Open):
    """Answers about risk, as `Risk.to_dict` of the library."""

    items: list[dict[str, Any]]
    notes: list[str]


class LedgerAnswer(_Open):
    """The record, as `gatecast ledger show --json`."""

    rows: int
    head: str
    waiting: int
    voided: list[dict[str, Any]]
    record: list[dict[str, Any]]


class ScoreAnswer(_Open):
    """What was settled."""

    forecasts: int
    steps: int
    waiting: int
    items: list[str]
    notes: list[str]
