"""A worker: a process of a server that does one job after another, and ends when its server does."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatecast.errors import GatecastError, LedgerError
from gatecast.executors import prepare_process
from gatecast.web.leases import LostJob, claim, end, report
from gatecast.web.settings import ServeSettings
from gatecast.web.store import Job, Store

IDLE = 0.3  # seconds between two looks at an empty queue
DATABASE_AWAY = 75  # exit code; EX_TEMPFAIL of sysexits.h
_NICE = 10  # so that the server answers while its workers train


def main() -> None:
    """Read what the server says on one line of standard input, and work until that input ends."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    os.nice(_NICE)
    prepare_process()
    import gatecast.web.work  # noqa: F401 (torch is loaded before a job waits for it)

    settings = ServeSettings(**{**told["settings"], "data": Path(told["settings"]["data"])})
    store = Store(settings)
    try:
        while True:
            job = claim(store, server=told["server"], owner=told["owner"])
            if job is None:
                time.sleep(IDLE)
            else:
                do(store, job, told["owner"])
    except LedgerError:  # a full disk, a database that is away: the supervisor gives the job back and starts anew
        log("database_error")
        sys.exit(DATABASE_AWAY)


def do(store: Store, job: Job, owner: str) -> None:
    """Do a claimed job to its end, whatever that is; what was given to another worker meanwhile is dropped."""
    from gatecast.web.work import Reporter, Stopped, perform

    began = time.monotonic()
    ended: dict[str, Any]
    try:
        reporter = Reporter(report=lambda progress: report(store, job, owner, progress))
        made = perform(job, store.source(job.source_id), reporter)
        ended = {"state": "stopped" if made.stopped else "done", "made": True, "records": made.records}
    except LostJob:
        return
    except Stopped:
        ended = {"state": "stopped"}
    except LedgerError:
        raise  # the database cannot be used: the job goes to another attempt
    except GatecastError as error:
        ended = {"state": "failed", "error": str(error)}
    except MemoryError:
        ended = {"state": "failed", "error": "not enough memory for this job. Give fewer rows, assets or paths."}
    except OSError as error:
        line = f"the results cannot be written ({error.strerror or error}). Free some space and ask again."
        ended = {"state": "failed", "error": line}
    except Exception as error:
        log("job_error", job=job.id, kind=type(error).__name__, where=where(error))
        line = f"the forecast failed inside gatecast ({type(error).__name__}). Please report it with the server's log."
        ended = {"state": "failed", "error": line}
    try:
        end(store, job, owner, seconds=time.monotonic() - began, **ended)
    except LostJob:
        return
    _leave_only(job.folder)
    log("job", job=job.id, kind=job.kind, state=ended["state"], seconds=round(time.monotonic() - began, 3))


def _leave_only(folder: Path) -> None:
    """Remove the checkpoint of a job that has ended, and what attempts before the last one left."""
    for path in folder.parent.iterdir() if folder.parent.is_dir() else ():
        if path != folder:
            shutil.rmtree(path, ignore_errors=True)


def log(event: str, **fields: object) -> None:
    """A line of JSON on standard error; never with prices or names in it."""
    line: Mapping[str, object] = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **fields}
    print(json.dumps(line), file=sys.stderr, flush=True)


def where(error: BaseException) -> str:
    """File and line of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _end_with_server() -> None:
    """The server holds the other end of standard input: with it this process ends, however the server ended."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
