"""A result: many assets at a glance, the screen of an asset, answers on a price, the look inside."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gatecast.errors import NotFound, UsageError
from gatecast.faces.change_text import change_texts
from gatecast.faces.headline import headline
from gatecast.faces.record_text import rival_rows
from gatecast.faces.report.page import setting_pairs, verdict_values
from gatecast.ledger.issued import Issued, change_between, issued
from gatecast.text import counted
from gatecast.web.pages.frame import PageRoute, number, page, service_of
from gatecast.web.requests import Id
from gatecast.web.service import FILES
from gatecast.web.store import Job

router = APIRouter(route_class=PageRoute)
_KEPT = 64  # screens in memory
_LOOKED_AT = 50  # forecasts of an item, among which that of a run is found
SORTS = ("name", "last", "change", "width", "move", "above")
DOWNLOADS = {
    "csv": ("CSV", "median, mean and band of each day"),
    "json": ("JSON", "everything, as the command prints it"),
    "html": ("HTML report", "one file that opens anywhere"),
    "parquet": ("Parquet", "the table for notebooks"),
    "model": ("Model", "a ZIP archive; --model takes its folder"),
}
_ENDINGS = {"csv": "csv", "json": "json", "html": "html", "parquet": "parquet", "model": "zip"}


async def screen(request: Request, name: str, of: Mapping[str, Any]) -> dict[str, Any]:
    """What a helper tells of a result (`screens.SCREENS`); a result does not change, so the latest are kept."""
    kept: OrderedDict[str, dict[str, Any]]
    if not hasattr(request.app.state, "screens"):
        request.app.state.screens = OrderedDict()
    kept = request.app.state.screens
    key = f"{name} {sorted(of.items())}"
    if key in kept:
        kept.move_to_end(key)
        return kept[key]
    found = await service_of(request).helpers.ask(name, **of)
    kept[key] = found
    while len(kept) > _KEPT:
        kept.popitem(last=False)
    return found


async def result_page(request: Request, job: Job) -> Response:
    """The only asset of a run, or all of them in a table."""
    told = await asyncio.to_thread(service_of(request).result, job.id)
    if len(told["items"]) == 1:
        return await _item_page(request, job, told, 0)
    found = await screen(request, "glance", {"folder": str(job.folder)})
    by = request.query_params.get("sort", "")
    by, down = (by if by in SORTS else "", request.query_params.get("down") == "1")
    rows = [{**row, "number": place} for place, row in enumerate(found["rows"])]
    if by:
        rows.sort(key=lambda row: row["name"].casefold() if by == "name" else row["by"][by], reverse=down)
    values = {"title": told["source"], "rows": rows, "level": found["level"], "sort": by, "down": down}
    return page(request, "many.html", {**_frame(job, told), **values})


@router.get("/jobs/{job_id}/items/{place}")
async def item(request: Request, job_id: Id, place: int) -> Response:
    """The screen of an asset, counted from 0."""
    job = await _ended(request, job_id)
    told = await asyncio.to_thread(service_of(request).result, job.id)
    return await _item_page(request, job, told, place)


async def _item_page(request: Request, job: Job, told: Mapping[str, Any], place: int) -> Response:
    found = await screen(request, "item", {"folder": str(job.folder), "number": place})
    mine, before = await asyncio.to_thread(_recorded, request, job, found["name"])
    change = None if mine is None or before is None else change_between(before, mine.forecast).to_dict()
    values = {
        "title": found["name"],
        "item": found,
        "place": place,
        "neighbours": _neighbours(told, place),
        "record": None if mine is None else mine.id,
        "before": None if before is None else before.forecast.issued,
        "changed": [] if change is None else change_texts(change),
        "rivals": [] if mine is None else rival_rows(mine.forecast.content(), told["verdict"]),
    }
    return page(request, "item.html", {**_frame(job, told), **values})


def _frame(job: Job, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the pages of a result share."""
    verdict, risk_verdict = told["verdict"], told["risk_verdict"]
    paths = f"{counted(told['paths'], 'simulated path')} of {counted(len(told['items'][0]['forecast']), 'step')}"
    files = {kind: DOWNLOADS[kind] for kind in DOWNLOADS if (job.folder / FILES[kind][0]).exists()}
    return {
        "job": job,
        "source_name": told["source"],
        "about": f"{paths} · {told['model']}, preset {job.request.get('preset', 'default')} · seed {told['seed']}",
        "headline": headline(verdict),
        "verdict": verdict_values(verdict),
        "past": None if risk_verdict is None else risk_verdict["text"],
        "notes": told["notes"],
        "config": setting_pairs(told["config"]),
        "downloads": files,
        "endings": _ENDINGS,
        "explained": told["explained"],
        "stopped": told["stopped"],
        "many": len(told["items"]) > 1,
    }


def _neighbours(told: Mapping[str, Any], place: int) -> list[tuple[int, str]]:
    """The asset before and the one after."""
    names = [item["item_id"] for item in told["items"]]
    return [(at, names[at]) for at in (place - 1, place + 1) if 0 <= at < len(names)]


def _recorded(request: Request, job: Job, name: str) -> tuple[Issued | None, Issued | None]:
    """The record of this forecast in the ledger, and of the one before of the same asset."""
    found = issued(service_of(request).store.database, name, most=_LOOKED_AT)
    for place, each in enumerate(found):
        if (job.started or "") <= each.forecast.issued <= (job.finished or ""):
            return each, next(iter(found[place + 1 :]), None)
    return None, None


@router.get("/jobs/{job_id}/items/{place}/chances")
async def chances(
    request: Request,
    job_id: Id,
    place: int,
    touch: Annotated[str, Query(max_length=40)] = "",
    stop: Annotated[str, Query(max_length=40)] = "",
    target: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The chances of prices that were typed or dragged, as a part of a page."""
    job = await _ended(request, job_id)
    price = number(touch, "a price")
    asked = {
        "touch": [] if price is None else [price], "stop": number(stop, "a stop"), "target": number(target, "a target"),
    }  # fmt: skip
    if not any(asked.values()):
        raise UsageError("a chance is asked of a price; none was given. Type one, or drag the line on the chart.")
    found = await screen(request, "chances", {"folder": str(job.folder), "number": place, **asked})
    return page(request, "chances.html", {"found": found})


@router.get("/jobs/{job_id}/inside")
async def inside(request: Request, job_id: Id) -> Response:
    """The network opened, in a frame of no origin."""
    job = await _ended(request, job_id)
    told = await asyncio.to_thread(service_of(request).result, job.id)
    if not told["explained"]:
        raise NotFound("this forecast has no look inside. Forecast again with another preset.")
    return page(request, "inside.html", {**_frame(job, told), "title": "Inside", "first": told["items"][0]["item_id"]})


async def _ended(request: Request, job_id: str) -> Job:
    """A run with a result; raises `NotFound`."""
    job = await asyncio.to_thread(service_of(request).store.job, job_id)
    if not job.has_result:
        raise NotFound(f"this run has no forecast: it is {job.state}. Look again when it is done.")
    return job
