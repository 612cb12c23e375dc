"""Two runs beside each other, on an asset that both have."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gatecast.errors import NotFound
from gatecast.web.pages.frame import PageRoute, page, service_of
from gatecast.web.pages.results import screen
from gatecast.web.pages.start import source_names
from gatecast.web.requests import Id
from gatecast.web.store import Job

router = APIRouter(route_class=PageRoute)
_OFFERED = 100  # runs to choose from


@router.get("/compare")
async def compare(
    request: Request,
    first: Id | None = None,
    second: Id | None = None,
    item: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Two runs; without them, a choice of two."""
    store = service_of(request).store
    jobs = [job for job in await asyncio.to_thread(store.jobs, limit=_OFFERED) if job.has_result]
    chosen = [None if own is None else await asyncio.to_thread(store.job, own) for own in (first, second)]
    offered = {job.id: job for job in [*jobs, *filter(None, chosen)]}
    names = await asyncio.to_thread(source_names, request, list(offered.values()))
    found = None
    if chosen[0] is not None and chosen[1] is not None:
        folders = [_folder(job) for job in chosen if job is not None]
        found = await screen(request, "compared", {"first": folders[0], "second": folders[1], "item_id": item or None})
    values = {
        "title": "Compare two runs", "jobs": list(offered.values()), "names": names, "chosen": chosen, "found": found,
    }  # fmt: skip
    return page(request, "compare.html", values)


def _folder(job: Job) -> str:
    if not job.has_result:
        raise NotFound(f"a run without a forecast cannot be compared; this one is {job.state}. Choose another.")
    return str(job.folder)
