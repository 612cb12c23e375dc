"""The calls to the webhook: kept before they are made, each made at least once, or dropped after the last try."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from gatecast.ledger.recording import now
from gatecast.ledger.records import utc_text
from gatecast.version import __version__
from gatecast.web.store import Store
from gatecast.web.tables import CALLS
from gatecast.web.watch.alerts import Alert
from gatecast.web.worker import log

MOST_WAITING = 1000  # calls; more are dropped
MOST_TRIES = 10  # of a call; with the pauses between them four hours
TIMEOUT = 10.0  # seconds of a try, from the connection to the status; shorter than the first pause
_FIRST, _LONGEST = 30.0, 6 * 3600.0  # seconds of the pause after a try, doubled with each
_AT_ONCE = 20  # calls in a round

Post = Callable[[str, dict[str, Any]], Awaitable[int]]  # an address and a document; the status of the answer


def keep_calls(connection: Connection, alerts: Iterable[Alert]) -> int:
    """Keep calls to be made, in a transaction; how many are new. One that is there already is not doubled."""
    waiting = connection.execute(select(func.count()).select_from(CALLS).where(CALLS.c.state == "waiting")).scalar_one()
    new = 0
    for alert in alerts:
        values = {
            "id": alert.id, "kind": alert.kind, "body": json.dumps(alert.document(), allow_nan=False),
            "state": "waiting" if waiting < MOST_WAITING else "dropped", "tries": 0, "created": utc_text(now()),
        }  # fmt: skip
        # Both databases know this form; SQLAlchemy has one for each alone.
        done = connection.execute(
            text(
                "INSERT INTO calls (id, kind, body, state, tries, created) VALUES (:id, :kind, :body, :state, :tries, "
                ":created) ON CONFLICT (id) DO NOTHING"
            ),
            values,
        )
        new += done.rowcount
        waiting += done.rowcount
    return new


async def post(address: str, document: dict[str, Any]) -> int:
    """POST a document as JSON: the status of the answer, whose body is not read; no redirect is followed."""
    import httpx

    headers = {"user-agent": f"gatecast/{__version__}", "idempotency-key": str(document["id"])}
    async with (
        httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
        client.stream("POST", address, json=document, headers=headers) as answer,
    ):
        return answer.status_code


@dataclass
class Caller:
    """Makes the calls that wait, one after another; of several servers on one database each call is one's at a time.

    A try is taken by counting it: whoever adds it makes it. A server that dies in it leaves the call to the next try,
    after the pause. Pauses go by this server's monotonic clock, so that no clock set back delays a call.
    """

    store: Store
    address: str = field(repr=False)
    post: Post = post
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, tuple[int, float]] = field(default_factory=dict)  # id: tries, since when

    async def round(self) -> int:
        """Make the calls whose time has come; how many were answered well."""
        sent = 0
        for own, tries, body in await asyncio.to_thread(self._due):
            if await asyncio.to_thread(self._take, own, tries):
                good = await self._call(body)
                sent += good
                if good or tries + 1 >= MOST_TRIES:
                    await asyncio.to_thread(self._end, own, "sent" if good else "dropped")
                    log("call", state="sent" if good else "dropped", tries=tries + 1)
        return sent

    async def _call(self, body: str) -> bool:
        """One try; whatever the other side does, it ends in time and raises nothing."""
        try:
            status = await asyncio.wait_for(self.post(self.address, json.loads(body)), TIMEOUT)
        except Exception as error:
            log("call_failed", kind=type(error).__name__)  # its text may hold the address
            return False
        if not 200 <= status < 300:
            log("call_failed", status=status)
        return 200 <= status < 300

    def _due(self) -> list[tuple[str, int, str]]:
        asked = select(CALLS.c.id, CALLS.c.tries, CALLS.c.body).where(CALLS.c.state == "waiting")
        with self.store.database.reading() as connection:
            rows = connection.execute(asked.order_by(CALLS.c.created)).all()
        moment, before, self._since, due = self.clock(), self._since, {}, []
        for own, tries, body in rows:
            known = before.get(own, (-1, 0.0))
            since = known[1] if known[0] == tries else moment
            self._since[own] = (tries, since)
            if moment - since >= pause(tries):
                due.append((own, tries, body))
        return due[:_AT_ONCE]

    def _take(self, own: str, tries: int) -> bool:
        mine = (CALLS.c.id == own) & (CALLS.c.tries == tries) & (CALLS.c.state == "waiting")
        with self.store.database.changing() as connection:
            return connection.execute(update(CALLS).where(mine).values(tries=tries + 1)).rowcount == 1

    def _end(self, own: str, state: str) -> None:
        with self.store.database.changing() as connection:
            connection.execute(update(CALLS).where(CALLS.c.id == own).values(state=state))


def pause(tries: int) -> float:
    """Seconds to wait after so many tries.

    >>> [pause(tries) for tries in (0, 1, 2, 3)], sum(map(pause, range(MOST_TRIES))) / 3600
    ([0.0, 30.0, 60.0, 120.0], 4.258333333333334)
    """
    return 0.0 if tries == 0 else min(_FIRST * 2 ** (tries - 1), _LONGEST)
