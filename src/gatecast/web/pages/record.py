"""The record: every forecast that was issued, held against what came."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from gatecast.faces import figures, record_text
from gatecast.faces.report.page import figure_json
from gatecast.faces.report.risk import table
from gatecast.ledger.issued import issued
from gatecast.ledger.periods import score_by_period
from gatecast.ledger.summary import summarize
from gatecast.text import counted
from gatecast.web.pages.frame import PageRoute, page, service_of
from gatecast.web.pages.start import reading_of
from gatecast.web.requests import Id, ScoreRequest, Word

router = APIRouter(route_class=PageRoute)
_ITEMS = 200  # in the table of assets
_FORECASTS = 20  # of an asset, the latest


@router.get("/record")
async def record(
    request: Request,
    item: Annotated[str, Query(max_length=200)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
    step: Annotated[str, Query(max_length=10)] = "all",
) -> Response:
    """The record of all forecasts, or of an asset, a model, a step."""
    values = await asyncio.to_thread(_values, request, item or None, model or None, step)
    return page(request, "record.html", values)


def _values(request: Request, item: Word | None, model: Word | None, step: str) -> dict[str, Any]:
    database = service_of(request).store.database
    told = summarize(database, item=item, model=model).to_dict()
    models = [_model_values(database, each, item, step) for each in told["record"]]
    return {
        "title": "Record" if item is None else f"Record of {item}",
        "told": told,
        "rows": counted(told["rows"], "row"),
        "models": models,
        "item": item,
        "model": model,
        "step": step,
        "latest": [] if item is None else [_latest(each) for each in issued(database, item, most=_FORECASTS)],
    }


def _model_values(database: Any, told: dict[str, Any], item: str | None, step: str) -> dict[str, Any]:
    parts = told["parts"]
    part = next((part for part in parts if str(part["step"]) == step), parts[0])
    periods = record_text.documents(score_by_period(database, told["model"], item=item))
    drawn = {"pit": figures.recorded_pit(part)}
    if len(periods) > 1:
        drawn |= {"crps": figures.crps_over_time(periods), "held": figures.coverage_over_time(periods)}
    return {
        "name": told["model"],
        "sentence": record_text.sentence(told["model"], part),
        "enough": part["enough"],
        "steps": table(record_text.step_columns(parts)),
        "step_names": [str(part["step"]) for part in parts],
        "pit": record_text.pit_text(part),
        "drift": record_text.drift_lines(told),
        "links": {each["item"]: f"?{urlencode({'item': each['item']})}" for each in told["items"]},
        "items": [each["item"] for each in told["items"][:_ITEMS]],
        "item_table": table(record_text.item_columns(told["items"][:_ITEMS])) if len(told["items"]) > 1 else None,
        "misses": table(record_text.miss_columns(told["misses"])) if told["misses"] else None,
        "figures": {name: str(figure_json(figure)) for name, figure in drawn.items()},
    }


def _latest(each: Any) -> dict[str, str]:
    forecast = each.forecast
    return {
        "id": each.id[:12],
        "issued": forecast.issued,
        "cutoff": forecast.last_timestamp[:10],
        "model": forecast.model,
    }


@router.post("/sources/{source_id}/score")
async def score(request: Request, source_id: Id) -> Response:
    """Hold the forecasts that are due against the prices of a source."""
    form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    found = await service_of(request).settle(ScoreRequest(source=source_id, reading=reading_of(form)))
    steps, forecasts = counted(found["steps"], "step"), counted(found["forecasts"], "recorded forecast")
    said = f"{steps} of {forecasts} settled; {found['waiting']:,} of these assets still wait for days to come."
    return page(request, "scored.html", {"title": "Held against new prices", "found": found, "said": said})
