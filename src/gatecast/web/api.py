"""The HTTP API under /api/v1, thin over `Service`. Every refusal is `{"error": line}`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse

from gatecast.errors import UsageError
from gatecast.readers.sources import SAMPLES
from gatecast.web.answers import (
    JobAnswer,
    JobsAnswer,
    LedgerAnswer,
    ReadingAnswer,
    ResultAnswer,
    RiskAnswer,
    SampleAnswer,
    ScoreAnswer,
    SourceAnswer,
    refusals,
)
from gatecast.web.guard import SANDBOX
from gatecast.web.requests import Id, JobRequest, Questions, Reading, ScoreRequest, Word
from gatecast.web.service import FILES, Service, job_dict, source_dict

router = APIRouter(prefix="/api/v1", responses=refusals(400, 401, 403, 421, 503))
_FileName = Literal["csv", "json", "html", "explain", "parquet", "model"]


def service_of(request: Request) -> Service:
    """The service behind a request."""
    found: Service = request.app.state.service
    return found


@router.get("/samples", response_model=list[SampleAnswer], responses=refusals(422))
async def samples() -> Response:
    """The price histories that come with gatecast."""
    return JSONResponse([{"name": name, "about": about} for name, about in SAMPLES.items()])


@router.post("/sources", status_code=201, response_model=SourceAnswer, responses=refusals(408, 413, 422, 507))
async def add_source(
    request: Request,
    file: Annotated[UploadFile | None, File(description="A file of prices.")] = None,
    text: Annotated[str | None, Form(description="A pasted table, up to 1 MB.", min_length=1)] = None,
    sample: Annotated[str | None, Form(description="The name of a sample, such as eurusd.", max_length=40)] = None,
    name: Annotated[str | None, Form(description="What to call a pasted table.", max_length=200)] = None,
) -> Response:
    """Bring a source: one of a file, a pasted table, the name of a sample. See what is read of it with GET."""
    service = service_of(request)
    if sum(given is not None for given in (file, text, sample)) != 1:
        raise UsageError("a source is one of file, text and sample; got none or several. Give one of them.")
    if file is not None:
        source = await asyncio.to_thread(service.add_upload, file.filename or "prices", file.file)
    elif text is not None:
        pasted = io.BytesIO(text.encode("utf-8", "replace"))
        source = await asyncio.to_thread(service.add_upload, name or "pasted", pasted)
    else:
        source = await asyncio.to_thread(service.add_sample, sample or "")
    return JSONResponse(source_dict(source), 201)


@router.get("/sources/{source_id}", response_model=ReadingAnswer, responses=refusals(404, 422, 429))
async def read_source(request: Request, source_id: Id, reading: Annotated[Reading, Query()]) -> Response:
    """What is read of a source, with these choices: rows, items, columns and their use, notes, or the problem."""
    service = service_of(request)
    found = await service.read(source_id, reading)
    source = await asyncio.to_thread(service.store.source, source_id)
    return JSONResponse({**source_dict(source), **found})


@router.post("/jobs", status_code=202, response_model=JobAnswer, responses=refusals(404, 422, 429))
async def add_job(request: Request, asked: JobRequest) -> Response:
    """Queue a forecast. A full queue answers 429, with Retry-After in seconds."""
    job = await service_of(request).submit(asked)
    place = f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"
    return JSONResponse(job_dict(job), 202, headers={"location": place})


@router.get("/jobs", response_model=JobsAnswer, responses=refusals(422))
async def jobs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="The `seq` of the last job that was seen.")] = None,
) -> Response:
    """The latest jobs first."""
    found = await asyncio.to_thread(service_of(request).store.jobs, limit=limit, before=before)
    return JSONResponse({"jobs": [job_dict(job) for job in found]})


@router.get("/jobs/{job_id}", response_model=JobAnswer, responses=refusals(404, 422))
async def job(request: Request, job_id: Id) -> Response:
    """A job and how far it is."""
    return JSONResponse(job_dict(await asyncio.to_thread(service_of(request).store.job, job_id)))


@router.post("/jobs/{job_id}/stop", response_model=JobAnswer, responses=refusals(404, 422))
async def stop(request: Request, job_id: Id) -> Response:
    """Stop a job; one that has trained for an epoch keeps the best so far and forecasts with it."""
    return JSONResponse(job_dict(await asyncio.to_thread(service_of(request).store.cancel, job_id)))


@router.get("/jobs/{job_id}/result", response_model=ResultAnswer, responses=refusals(404, 422))
async def result(request: Request, job_id: Id) -> Response:
    """The forecast, its verdict and risk, as `gatecast forecast --json` and `gatecast risk --json` have them."""
    path = await asyncio.to_thread(service_of(request).file, job_id, "json")
    return FileResponse(path, media_type="application/json")


@router.get(
    "/jobs/{job_id}/files/{name}",
    response_class=FileResponse,
    responses={
        200: {"description": "The file.", "content": {media: {} for _, media in FILES.values()}},
        **refusals(404, 422),
    },
)
async def file(request: Request, job_id: Id, name: _FileName) -> Response:
    """A file of a result: the model is a ZIP archive."""
    service, (_, media) = service_of(request), FILES[name]
    if name == "model":
        content = await asyncio.to_thread(service.model_archive, job_id)
        return Response(content, media_type=media, headers=_attached(f"gatecast-{job_id}-model.zip"))
    path = await asyncio.to_thread(service.file, job_id, name)
    headers = {"content-security-policy": SANDBOX} if path.suffix == ".html" else _attached(_named(job_id, path))
    return FileResponse(path, media_type=media, headers=headers)


@router.post("/jobs/{job_id}/risk", response_model=RiskAnswer, responses=refusals(404, 422, 429))
async def risk(request: Request, job_id: Id, questions: Questions) -> Response:
    """Ask more of the simulated paths of a job: touches, stops, portfolios, scenarios. Nothing is simulated anew."""
    return JSONResponse(await service_of(request).risk(job_id, questions))


@router.get("/ledger", response_model=LedgerAnswer, responses=refusals(404, 422))
async def ledger(
    request: Request,
    item: Annotated[Word | None, Query(description="One asset alone.")] = None,
    model: Annotated[Word | None, Query(description="One model alone.")] = None,
    misses: Annotated[int, Query(ge=0, le=1000, description="How many of the largest misses.")] = 10,
) -> Response:
    """The record of forecasts against what came, as `gatecast ledger show --json`."""
    service = service_of(request)
    found = await asyncio.to_thread(service.record, item=item, model=model, misses=misses)
    return JSONResponse(found)


@router.post("/ledger/score", response_model=ScoreAnswer, responses=refusals(404, 422, 429))
async def score(request: Request, asked: ScoreRequest) -> Response:
    """Hold recorded forecasts that are due against the prices of a source; each step is settled once."""
    return JSONResponse(await service_of(request).settle(asked))


def _named(job_id: str, path: Path) -> str:
    return f"gatecast-{job_id}{path.suffix}"


def _attached(name: str) -> Mapping[str, Any]:
    return {"content-disposition": f'attachment; filename="{name}"'}
