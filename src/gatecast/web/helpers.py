"""The helpers of a server: a few processes that answer short questions, each within a time limit."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatecast import errors
from gatecast.errors import DataError, GatecastError, QueueFull

_LINE = 1 << 27  # bytes of an answer
_LIMITS = {"read": 60.0, "settle": 600.0}  # seconds
_LIMIT = 30.0  # of any other question


@dataclass
class Helpers:
    """`ask` sends a question to the first helper that is free."""

    count: int = 2
    waiting_limit: int = 32  # questions that wait; more are refused with a time to come back
    _free: asyncio.Queue[asyncio.subprocess.Process | None] = field(default_factory=asyncio.Queue)
    _waiting: int = 0

    def __post_init__(self) -> None:
        for _ in range(self.count):
            self._free.put_nowait(None)  # started when first asked

    async def ask(self, question: str, **of: Any) -> dict[str, Any]:
        """The answer of `helper.QUESTIONS`; raises `GatecastError` as it does, `QueueFull` where too many ask."""
        if self._waiting >= self.waiting_limit:
            raise QueueFull("too many questions are waiting. Come back in 5 seconds.", seconds=5)
        self._waiting += 1
        try:
            helper = await self._free.get()
        finally:
            self._waiting -= 1
        kept = None
        try:
            helper = helper or await _start()
            told = await asyncio.wait_for(_told(helper, {"ask": question, "of": of}), _LIMITS.get(question, _LIMIT))
            kept = helper
        except TimeoutError:
            raise DataError(
                f"this took more than {_LIMITS.get(question, _LIMIT):.0f} seconds. Give fewer rows or assets."
            ) from None
        except (OSError, ValueError, asyncio.IncompleteReadError):
            raise DataError("the process that read this died, likely for want of memory. Give less at once.") from None
        finally:
            if kept is None and helper is not None:
                _kill(helper)
            self._free.put_nowait(kept)
        if "error" in told:
            kind = getattr(errors, str(told.get("kind")), DataError)
            raise (kind if kind is not QueueFull and issubclass(kind, GatecastError) else DataError)(told["error"])
        answer: dict[str, Any] = told["answer"]
        return answer

    async def close(self) -> None:
        """End the helpers that are free; one that is at work ends as its input does."""
        for _ in range(self._free.qsize()):
            helper = self._free.get_nowait()
            if helper is not None:
                _kill(helper)
                await helper.wait()
            self._free.put_nowait(None)


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatecast.web.helper"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # threads take addresses
    )


async def _told(helper: asyncio.subprocess.Process, question: Mapping[str, Any]) -> dict[str, Any]:
    assert helper.stdin is not None
    assert helper.stdout is not None
    helper.stdin.write(json.dumps(question).encode() + b"\n")
    await helper.stdin.drain()
    line = await helper.stdout.readuntil(b"\n")
    told: dict[str, Any] = json.loads(line)
    return told


def _kill(helper: asyncio.subprocess.Process) -> None:
    if helper.returncode is None:
        helper.kill()
