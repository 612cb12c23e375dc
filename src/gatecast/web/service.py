"""What the API and the page may ask of the service; both are thin over this."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatecast.errors import GatecastError, NotFound, UnreadableSource, UsageError
from gatecast.files import write_whole
from gatecast.ledger.summary import MISSES, summarize
from gatecast.readers.sources import SAMPLES
from gatecast.text import shown
from gatecast.web.helpers import Helpers
from gatecast.web.requests import JobRequest, Questions, Reading, ScoreRequest, plain
from gatecast.web.settings import ServeSettings
from gatecast.web.store import Job, Source, Store, Stream

# Of what is downloaded: the file in a job's folder, and its media type.
FILES = {
    "csv": ("forecast.csv", "text/csv; charset=utf-8"),
    "json": ("result.json", "application/json"),
    "html": ("report.html", "text/html; charset=utf-8"),
    "explain": ("explain.html", "text/html; charset=utf-8"),
    "parquet": ("forecast.parquet", "application/vnd.apache.parquet"),
    "model": ("model", "application/zip"),
}


class Service:
    """Sources, jobs, their results, and the ledger; everything that takes long is done by other processes.

    Methods that wait for a helper are coroutines, the others use the database and belong in a thread.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.helpers = Helpers()

    def add_sample(self, name: str) -> Source:
        """Raises `UsageError` where there is no such sample; `name` may begin with sample:."""
        name = name.removeprefix("sample:")
        if name not in SAMPLES:
            raise UsageError(f"no sample {shown(name)}. Give one of: {', '.join(SAMPLES)}.")
        return self.store.add_place(f"sample:{name}")

    def add_upload(self, name: str, stream: Stream) -> Source:
        """A file, or text that was pasted."""
        return self.store.add_source(name, stream)

    async def read(self, source_id: str, reading: Reading) -> dict[str, Any]:
        """What is read of a source, as `helper.read` tells it; kept, so that asking again costs nothing."""
        source = await asyncio.to_thread(self.store.source, source_id)
        kept = self._kept_reading(source, reading)
        if kept is not None and kept.is_file():
            found: dict[str, Any] = json.loads(await asyncio.to_thread(kept.read_bytes))
            return found
        found = await self.helpers.ask("read", place=source.place, reading=plain(reading))
        if kept is not None:
            await asyncio.to_thread(_keep, kept, json.dumps(found).encode())
        return found

    async def submit(self, request: JobRequest) -> Job:
        """Queue a job of a source that can be read so; raises `GatecastError` with what the run would say, at once."""
        request.config()
        found = await self.read(request.source, request.reading)
        if found["problem"] is not None:
            raise UnreadableSource(found["problem"])
        request.check_size(len(found["items"]))
        return await asyncio.to_thread(self.store.add_job, request.kind, request.source, plain(request))

    def result(self, own: str) -> dict[str, Any]:
        """`result.json` of a job: `ForecastRun.to_dict`, with `risk`, `risk_verdict`, `notes`, `model`, `source`,
        `losses`, `explained` (whether there is a look inside) and `stopped`. Raises `NotFound` before there is one.
        """
        found: dict[str, Any] = json.loads(self.file(own, "json").read_bytes())
        return found

    def file(self, own: str, kind: str) -> Path:
        """A file that a job made, by its name in `FILES`; of the model the folder. Raises `NotFound`."""
        job = self.store.job(own)
        name = FILES[kind][0]
        path = job.folder / name
        if not job.has_result or not path.exists():
            why = (
                f"it {'waits' if job.state == 'queued' else 'is ' + job.state}"
                if not job.has_result
                else "it made none"
            )
            raise NotFound(f"job {own} has no {kind}: {why}. Ask when it is done.")
        return path

    def model_archive(self, own: str) -> bytes:
        """The model of a job as a ZIP archive of its folder."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.file(own, "model").iterdir()):
                archive.write(path, f"model/{path.name}")
        return content.getvalue()

    async def risk(self, own: str, questions: Questions) -> dict[str, Any]:
        """The answers to more questions, from the paths that a job has kept; no new simulation."""
        job = await asyncio.to_thread(self.store.job, own)
        if not job.has_result:
            raise NotFound(f"job {own} has no forecast: it is {job.state}. Ask when it is done.")
        return await self.helpers.ask("risk", folder=str(job.folder), questions=plain(questions))

    def record(self, *, item: str | None = None, model: str | None = None, misses: int = MISSES) -> dict[str, Any]:
        """The record of forecasts, as `gatecast ledger show --json`. Raises `NotFound` for unknown names."""
        try:
            return summarize(self.store.database, item=item, model=model, misses=misses).to_dict()
        except UsageError as error:
            raise NotFound(str(error)) from None

    async def settle(self, request: ScoreRequest) -> dict[str, Any]:
        """Hold recorded forecasts that are due against a source: counts and notes."""
        source = await asyncio.to_thread(self.store.source, request.source)
        return await self.helpers.ask(
            "settle",
            database=self.settings.database,
            place=source.place,
            name=source.name,
            reading=plain(request.reading),
        )

    async def close(self) -> None:
        """Let go of helpers and database."""
        await self.helpers.close()
        self.store.close()

    def _kept_reading(self, source: Source, reading: Reading) -> Path | None:
        """Where the reading of a file stands; None of what may change: a ticker."""
        if source.place.startswith("sample:"):
            folder = self.settings.data / "readings"
        elif source.sha256:
            folder = self.store.sources_folder / source.id
        else:
            return None
        about = json.dumps([source.place, plain(reading)], sort_keys=True)
        return folder / f".reading-{hashlib.sha256(about.encode()).hexdigest()[:16]}.json"


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, content)
    except OSError:
        pass  # a full disk: it is read again the next time


def job_dict(job: Job) -> Mapping[str, Any]:
    """A job as the API shows it."""
    names = (
        "id",
        "kind",
        "state",
        "created",
        "started",
        "finished",
        "progress",
        "error",
        "stopping",
        "has_result",
        "seq",
    )
    return {
        **{name: getattr(job, name) for name in names},
        "source": job.source_id,
        "request": job.request,
        "files": sorted(name for name, (path, _) in FILES.items() if job.has_result and (job.folder / path).exists()),
    }


def source_dict(source: Source) -> Mapping[str, Any]:
    """A source as the API shows it; where it lies is the server's own matter."""
    return {name: getattr(source, name) for name in ("id", "name", "size", "sha256", "created")}


def error_text(error: GatecastError) -> str:
    """The line of a refusal."""
    return " ".join(str(error).split())
