"""The first page, and what was read of a source: bring prices, see them, say how to read them, ask for a forecast."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask

from gatecast.errors import GatecastError, UsageError
from gatecast.faces import figures
from gatecast.faces.report.page import figure_json
from gatecast.faces.wording import date_text, price_text
from gatecast.ledger.issued import due
from gatecast.prices import PriceSeries
from gatecast.readers.choices import COLUMNS
from gatecast.readers.sources import SAMPLES
from gatecast.text import counted
from gatecast.web.pages.frame import PageRoute, page, service_of
from gatecast.web.pages.watched import watched_values
from gatecast.web.requests import Id, JobRequest, Reading, ScoreRequest

router = APIRouter(route_class=PageRoute)
_RECENT = 6  # runs on the first page
_MOST_ITEMS = 200  # in the table of what was read
ROLES = {
    "date": "Date", "close": "Close", "open": "Open", "high": "High", "low": "Low", "volume": "Volume", "item": "Asset",
}  # fmt: skip
PRESETS_SAID = {
    "default": ("Default", "The base network, trained further on your prices where that helps. A minute or so."),
    "base": ("Base", "The base network as it comes. Seconds."),
    "quick": ("Quick", "A small network, trained on your prices alone. A minute or two."),
    "reference": ("Reference", "Three LSTM layers of 128 units, trained on your prices for 100 epochs. Slow."),
}
HORIZONS = ((5, "a week"), (20, "a month"), (30, "six weeks"), (60, "a quarter"))


@router.get("/")
async def start(request: Request) -> Response:
    """Bring prices, or go on with what was done."""
    recent = await asyncio.to_thread(service_of(request).store.jobs, limit=_RECENT)
    names = await asyncio.to_thread(source_names, request, recent)
    watched = await asyncio.to_thread(watched_values, request.app.state.watch)
    return page(
        request,
        "start.html",
        {"title": "gatecast", "samples": SAMPLES, "jobs": recent, "names": names, "watched": watched, "problem": None},
    )


def source_names(request: Request, jobs: list[Any]) -> dict[str, str]:
    """The name of the source of each of these jobs."""
    store = service_of(request).store
    return {own: store.source(own).name for own in {job.source_id for job in jobs}}


@router.post("/sources")
async def bring(
    request: Request,
    file: Annotated[UploadFile | None, File()] = None,
    text: Annotated[str | None, Form()] = None,
    sample: Annotated[str | None, Form(max_length=40)] = None,
) -> Response:
    """Keep a file, a pasted table or the name of a sample, and show what is read of it."""
    service = service_of(request)
    if sample is not None:
        source = await asyncio.to_thread(service.add_sample, sample)
    elif text is not None and text.strip():
        source = await asyncio.to_thread(
            service.add_upload, "pasted table", io.BytesIO(text.encode("utf-8", "replace"))
        )
    elif file is not None and file.filename:
        source = await asyncio.to_thread(service.add_upload, file.filename, file.file)
    else:
        raise UsageError("a forecast needs prices; nothing was sent. Choose a file, a sample or paste a table.")
    return RedirectResponse(f"{request.scope.get('root_path', '')}/sources/{source.id}", 303)


@router.get("/sources/{source_id}")
async def source(request: Request, source_id: Id) -> Response:
    """What is read of a source, with the choices of the address."""
    return await _source_page(request, source_id, request.query_params, None)


@router.post("/sources/{source_id}/jobs")
async def ask(request: Request, source_id: Id) -> Response:
    """Queue the forecast that the form asks for."""
    form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    wanted = {key: form[key] for key in ("horizon", "paths", "seed", "preset", "level") if form.get(key, "").strip()}
    asked = JobRequest(
        kind="risk" if form.get("audit") else "forecast",
        source=source_id,
        settings=form.get("settings", "").split(),
        verdict=bool(form.get("verdict")),
        reading=reading_of(form),
        **wanted,  # type: ignore[arg-type]
    )
    job = await service_of(request).submit(asked)
    place = f"{request.scope.get('root_path', '')}/jobs/{job.id}"
    return RedirectResponse(place, 303, background=BackgroundTask(_settle, request, asked))


def reading_of(said: Mapping[str, str]) -> Reading:
    """How to read a source, from the fields of a form: an empty one leaves a thing to be found."""
    found: dict[str, Any] = {
        name: said[name] for name in (*COLUMNS, "sheet", "decimal", "calendar") if said.get(name, "").strip()
    }
    if said.get("days") in ("day", "month"):
        found["day_first"] = said["days"] == "day"
    return Reading(**found, header=not said.get("no_header"), repair=bool(said.get("repair")))


async def _source_page(request: Request, source_id: str, said: Mapping[str, str], problem: str | None) -> Response:
    service = service_of(request)
    kept = await asyncio.to_thread(service.store.source, source_id)
    found = await service.read(source_id, reading_of(said))
    items = found["items"]
    waiting = await asyncio.to_thread(_waiting, request, items)
    values = {
        "title": kept.name,
        "source": kept,
        "found": found,
        "problem": problem or found["problem"],
        "facts": _facts(found) if items else [],
        "said": dict(said),
        "roles": ROLES,
        "used": _used(found["columns"]),
        "names": [column["name"] for column in found["columns"]],
        "waiting": counted(waiting, "forecast") if waiting else "",
        "items": [_item_texts(item) for item in items[:_MOST_ITEMS]],
        "more": counted(len(items) - _MOST_ITEMS, "more asset") if len(items) > _MOST_ITEMS else "",
        "chart": _chart(items[0]) if items else None,
        "presets": PRESETS_SAID,
        "horizons": HORIZONS,
    }
    return page(request, "source.html", values)


def _waiting(request: Request, items: list[Mapping[str, Any]]) -> int:
    """How many recorded forecasts these prices may settle."""
    ends = {item["item_id"]: np.datetime64(item["last"]) for item in items}
    return due(service_of(request).store.database, ends) if ends else 0


async def _settle(request: Request, asked: JobRequest) -> None:
    """Hold the forecasts that are due against prices that are forecast anyway; what is refused waits."""
    service = service_of(request)
    found = await service.read(asked.source, asked.reading)
    if await asyncio.to_thread(_waiting, request, found["items"]):
        with suppress(GatecastError):
            await service.settle(ScoreRequest(source=asked.source, reading=asked.reading))


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    items = found["items"]
    first, last = (date_text(np.datetime64(pick(item[end] for item in items))) for end, pick in _ENDS)
    latest = items[0]
    return [
        ("Rows", f"{found['rows']:,}", counted(len(items), "asset")),
        ("From", first, "the first day"),
        ("To", last, "the last day"),
        ("Last close", price_text(latest["last_close"], latest["last_close"]), latest["item_id"]),
    ]


_ENDS = (("first", min), ("last", max))


def _used(columns: list[Mapping[str, Any]]) -> dict[str, str]:
    """The column that was taken for each role, where one was for all items."""
    return {column["used_as"]: column["name"] for column in columns if column["used_as"] and not column["item_id"]}


def _item_texts(item: Mapping[str, Any]) -> dict[str, str]:
    close = item["last_close"]
    return {
        "name": item["item_id"],
        "rows": f"{item['rows']:,}",
        "first": date_text(np.datetime64(item["first"])),
        "last": date_text(np.datetime64(item["last"])),
        "close": price_text(close, close),
        "columns": ", ".join(item["columns"]),
    }


def _chart(item: Mapping[str, Any]) -> str:
    points = item["chart"]
    stamps = np.array([point["timestamp"] for point in points], dtype="datetime64[ns]")
    closes = np.array([point["close"] for point in points])
    series = PriceSeries(item_id=item["item_id"], timestamps=stamps, close=closes)
    return str(figure_json(figures.closes(series)))
