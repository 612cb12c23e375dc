"""Runs: those of the past, and one while it works, with its losses, the time it still takes and a way to stop it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from gatecast.faces.sparks import loss_lines
from gatecast.web.pages.frame import PageRoute, left_text, page, service_of
from gatecast.web.pages.results import result_page
from gatecast.web.pages.start import source_names
from gatecast.web.requests import Id
from gatecast.web.store import ENDED, Job

router = APIRouter(route_class=PageRoute)
_A_PAGE = 30  # runs
_PHASES = {
    "waiting": "Waiting for a free worker",
    "reading": "Reading the prices",
    "going on": "Going on from where it was cut off",
    "training": "Training the network",
    "judging": "Judging it on past days",
    "writing": "Writing the results",
}


@router.get("/jobs")
async def runs(request: Request, before: Annotated[int | None, Query(ge=1, le=2**62)] = None) -> Response:
    """The latest runs."""
    found = await asyncio.to_thread(service_of(request).store.jobs, limit=_A_PAGE + 1, before=before)
    shown, more = found[:_A_PAGE], len(found) > _A_PAGE
    names = await asyncio.to_thread(source_names, request, shown)
    values = {"title": "Runs", "jobs": shown, "names": names, "before": shown[-1].seq if more else None}
    return page(request, "runs.html", {**values, "first": before is None})


@router.get("/jobs/{job_id}")
async def run(request: Request, job_id: Id) -> Response:
    """A run that works, or its result."""
    job = await asyncio.to_thread(service_of(request).store.job, job_id)
    if job.has_result and job.state in ENDED:
        return await result_page(request, job)
    source = await asyncio.to_thread(service_of(request).store.source, job.source_id)
    return page(request, "job.html", {"title": source.name, "job": job, "source": source, **_standing(job)})


@router.get("/jobs/{job_id}/progress")
async def progress(request: Request, job_id: Id) -> Response:
    """The part of the page that changes while a run works; once it has ended the page is loaded anew."""
    job = await asyncio.to_thread(service_of(request).store.job, job_id)
    answer = page(request, "progress.html", {"job": job, **_standing(job)})
    if job.state in ENDED:
        answer.headers["hx-refresh"] = "true"
    return answer


@router.post("/jobs/{job_id}/stop")
async def stop(request: Request, job_id: Id) -> Response:
    """Stop a run; what it has trained is kept and forecasts."""
    await asyncio.to_thread(service_of(request).store.cancel, job_id)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/jobs/{job_id}", 303)


def _standing(job: Job) -> dict[str, object]:
    """Where a run is, in words."""
    now = job.progress
    phase = _PHASES.get(str(now.get("phase")), str(now.get("phase", "")))
    fraction = now.get("fraction")
    told = "" if fraction is None else f", {10 * int(10 * fraction)} per cent done"
    losses = now.get("losses") or []
    ended = losses[:-1] if now.get("phase") == "training" else losses  # that of an epoch's first batches jumps about
    return {
        "phase": phase,
        "fraction": fraction,
        "left": left_text(now.get("seconds_left")) if job.state == "running" else "",
        "about": now.get("text", ""),
        "spoken": f"{phase}{told}",
        "losses": loss_lines(ended),
        "latest": losses[-1] if losses else None,
        "working": job.state not in ENDED,
    }
