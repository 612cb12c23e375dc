"""What is watched, as the first page shows it: the last run of each file and ticker, and the next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from gatecast.text import clean
from gatecast.web.watch import diary
from gatecast.web.watch.days import next_moment
from gatecast.web.watch.diary import Run
from gatecast.web.watch.places import places
from gatecast.web.watch.watch import Watch

MOST = 50  # files and tickers in the table
_SAID = {"seen": "not yet", "unchanged": "no new prices", "failed": "failed"}


def watched_values(watch: Watch | None) -> dict[str, Any] | None:
    """The table of what is watched; None where nothing is. Each row: `name`, `day`, `said`, `job`, `state`, `error`."""
    if watch is None:
        return None
    found, problems = places(watch.settings)
    some, store, moment = found[:MOST], watch.service.store, watch.clock()
    last = diary.last_runs(store, [place.key for place in some])
    jobs = diary.job_states(store, [run.job for run in last.values() if run.job is not None])
    following = {
        calendar: next_moment(moment, watch.settings.at, calendar) for calendar in {each.calendar for each in some}
    }
    rows = [
        {"name": clean(place.name, 80), "next": _moment(following[place.calendar])} | _run(last.get(place.key), jobs)
        for place in some
    ]
    return {
        "rows": rows,
        "problems": problems,
        "at": f"{watch.settings.at:%H:%M}",
        "more": f"and {len(found) - MOST:,} more" if len(found) > MOST else "",
    }


def _run(run: Run | None, jobs: Mapping[str, str]) -> dict[str, Any]:
    """The cells of the last run."""
    if run is None or run.state == "seen":
        return {"day": "", "said": _SAID["seen"], "job": None, "state": None, "error": None}
    state = jobs.get(run.job or "", "failed" if run.state == "failed" else None)
    return {"day": _day(run.day), "said": _SAID.get(run.state, ""), "job": run.job, "state": state, "error": run.error}


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%b %Y}"


def _moment(moment: datetime) -> str:
    return f"{moment:%a} {moment.day} {moment:%b, %H:%M}"
