"""The fleet run: every asset of a source forecast once, in blocks that are spread over an engine's workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecast.config import Config
from gatecast.errors import GatecastError, UsageError, check_path, check_type, check_whole
from gatecast.executors import LOCAL, Engine, run_tasks
from gatecast.fleet.progress import FleetProgress
from gatecast.fleet.store import FleetStore
from gatecast.fleet.work import Block, BlockAnswer, Settings, forecast_block, lost_block, names_in_blocks
from gatecast.ledger.database import Database
from gatecast.ledger.recording import keep
from gatecast.models.forecaster import check_sizes
from gatecast.readers.folders import Refused
from gatecast.readers.large import Progress as ReadProgressed
from gatecast.readers.panels import Door, Panel, open_panel
from gatecast.version import __version__

BLOCK = 40  # assets forecast together; some 300 MB of the base network at work


@dataclass(frozen=True, kw_only=True, eq=False)
class FleetRun:
    """What came of a fleet: `made` in this run, `kept` from an earlier one, and `failed` with the reason."""

    out: Path
    made: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[Refused, ...]
    recorded: int
    seconds: float
    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The document of `summary.json`, and of `gatecast fleet --json`.

        {"source", "gatecast", "config", "horizon", "paths", "seed", "per_asset", "block",
         "assets": how many, "made", "kept", "recorded": counts, "failed": [{"item", "reason"}],
         "files": {item: path in the folder}, "seconds"}
        """
        return self.document


def run_fleet(
    source: object,
    config: Config | None = None,
    *,
    out: Path | str,
    per_asset: bool = False,
    block: int = BLOCK,
    horizon: int = 30,
    paths: int = 1000,
    seed: int = 0,
    engine: Engine = LOCAL,
    door: Door | None = None,
    database: Database | None = None,
    progress: Callable[[FleetProgress], None] | None = None,
    reading: ReadProgressed | None = None,
) -> FleetRun:
    """Forecast every asset of `source` and write a file each to the folder `out`, as they end.

    Assets are forecast in blocks of `block`, jointly within each, or with `per_asset` each by itself. What is in `out`
    from the same data and settings is not made again. An asset that cannot be read or forecast, or whose file cannot
    be written, is in `failed`; the others are done. With `database` each forecast is recorded before it is written.
    The same blocks give the same files on every engine. Raises `GatecastError` where nothing can be done.
    """
    began = time.monotonic()
    config, door = config or Config.from_preset(), door or Door()
    check_path("out", out)
    check_whole("block", block, least=1, example=BLOCK)
    check_sizes(horizon, paths, seed)
    check_type("engine", engine, Engine, 'Make one with Engine(kind="ray").')
    panel = open_panel(source, door, progress=reading)
    if isinstance(source, str | Path) and Path(out).resolve() == Path(source).resolve():
        raise UsageError(f"an output must not be the source; '{out}' is both. Choose another path.")
    store = FleetStore(Path(out))
    told = None if database is None else str(source)
    settings = Settings(config=config, horizon=horizon, paths=paths, seed=seed, source=told)
    tally = _Tally(store=store, database=database, failed={each.item: each for each in panel.refused})
    total = len(panel.names) + len(panel.refused)
    size = 1 if per_asset else block
    blocks = _blocks(panel, store, size, recorded=database is not None)
    for answer in run_tasks(forecast_block, settings, blocks, engine=engine, lost=lost_block):
        tally.take(answer)
        if progress is not None:
            progress(tally.progress(total))
    seconds = time.monotonic() - began
    about = {"per_asset": per_asset, "block": size, "assets": total, "seconds": round(seconds, 1)}
    document = {**_about(source, settings), **tally.to_dict(), **about}
    store.summarize(document)
    return FleetRun(
        out=store.folder,
        made=tuple(tally.made),
        kept=tuple(tally.kept),
        failed=tuple(tally.failed.values()),
        recorded=tally.recorded,
        seconds=seconds,
        document=document,
    )


def _about(source: object, settings: Settings) -> dict[str, Any]:
    """What was asked for, as plain types."""
    return {
        "source": str(source) if isinstance(source, str | Path) else type(source).__name__,
        "gatecast": __version__,
        "config": settings.config.model_dump(mode="json"),
        "horizon": settings.horizon,
        "paths": settings.paths,
        "seed": settings.seed,
    }


def _blocks(panel: Panel, store: FleetStore, size: int, *, recorded: bool) -> Iterator[Block]:
    """The blocks, each made as a worker becomes free, so that few are in memory."""
    done, failed = store.done(recorded=recorded), store.failed()
    for names in names_in_blocks(panel.names, size):
        yield Block(
            names=names,
            part=panel.part(names),
            done={name: done[name] for name in names if name in done},
            failed={name: failed[name] for name in names if name in failed},
        )


class _Tally:
    """What has come of the blocks so far; writes it down."""

    def __init__(self, *, store: FleetStore, database: Database | None, failed: dict[str, Refused]) -> None:
        self.store, self.database, self.failed = store, database, failed
        self.made: list[str] = []
        self.kept: list[str] = []
        self.recorded = 0

    def take(self, answer: BlockAnswer) -> None:
        """Record and write what was made, and keep why the others were not."""
        self.kept += answer.kept
        self.failed |= {each.item: each for each in answer.refused}
        ids: dict[str, str] = {}
        values = [forecast.recorded for forecast in answer.made if forecast.recorded is not None]
        if self.database is not None and values:
            ids = dict(zip((value.item for value in values), keep(self.database, values), strict=True))
            self.recorded += len(ids)
        for forecast in answer.made:
            try:
                self.store.save(forecast, answer.key, ids.get(forecast.item))
                self.made.append(forecast.item)
            except GatecastError as error:
                self.failed[forecast.item] = Refused(forecast.item, str(error))
        for each in answer.refused:
            if each.item in answer.final:
                try:
                    self.store.save_failure(each.item, answer.key, each.reason)
                except GatecastError:
                    continue  # it is tried again by the next run

    def progress(self, total: int) -> FleetProgress:
        """Where the run stands."""
        done = len(self.made) + len(self.kept)
        return FleetProgress(done=done, total=total, kept=len(self.kept), failed=len(self.failed))

    def to_dict(self) -> dict[str, Any]:
        """The part of the summary that tells of the assets, as plain types."""
        there = sorted(self.made + self.kept)
        return {
            "made": len(self.made),
            "kept": len(self.kept),
            "recorded": self.recorded,
            "failed": [{"item": each.item, "reason": each.reason} for each in self.failed.values()],
            "files": {item: str(self.store.file_of(item).relative_to(self.store.folder)) for item in there},
        }
