"""Parts of one work done in copies of this process at the same time: a fork a core, for the command on Linux.

Two threads that each call small operations wait for Python's lock more than they gain. A fork has all that was read and
learned, where a new process would first have to import what this one has. What it answers is sent back.
"""

from __future__ import annotations

import math
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, TypeVar

from gatecast.executors import belong_to, caught_warnings, prepare_process

Part = TypeVar("Part")
Answer = TypeVar("Answer")

SideBySide = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]  # `map`, whose parts may run at the same time

_NUMBER = struct.Struct("I")
_MOST = 1024  # numbers in a pipe: a page, which every pipe holds
_allowed = False


def prepare_command() -> None:
    """For the command alone, no thread of which holds what a copy would need: `prepare_process`, and leave to copy."""
    global _allowed  # noqa: PLW0603 (what holds for a process)
    prepare_process()
    _allowed = sys.platform == "linux"


def forks_allowed() -> bool:
    """Whether this process shares its work with copies of itself."""
    return _allowed


def called(part: Callable[[], Answer]) -> Answer:
    """The work of parts that know what they do."""
    return part()


def one_by_one(work: Callable[[Part], Answer], parts: Sequence[Part]) -> list[Answer]:
    """`work` of each part, in order, in this process."""
    return [work(part) for part in parts]


def in_forks(work: Callable[[Part], Answer], parts: Sequence[Part], processes: int) -> list[Answer]:
    """`work` of each part, in order, in so many processes, this one among them; each takes the next part when free.

    An error in one of them is raised here. Where one dies, as for want of memory, its parts are done here.
    """
    if not _allowed or processes < 2 or len(parts) < 2:
        return one_by_one(work, parts)
    answers: dict[int, Any] = {}
    with _left(len(parts)) as left, _copies(work, parts, left, min(processes, len(parts)) - 1, answers):
        for number in _taken(left, len(parts)):
            answers[number] = work(parts[number])
    for number, part in enumerate(parts):
        if number not in answers:
            answers[number] = work(part)
        elif isinstance(answers[number], _Raised):
            raise answers[number].error
    return [answers[number] for number in range(len(parts))]


class _Raised:
    """What was raised in another process."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


@contextmanager
def _left(count: int) -> Iterator[int]:
    """A pipe with the number of the first part of each run of them; who reads it takes the run."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b"".join(_NUMBER.pack(first) for first in range(0, count, _run(count))))
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _taken(left: int, count: int) -> Iterator[int]:
    while number := os.read(left, _NUMBER.size):
        (first,) = _NUMBER.unpack(number)
        yield from range(first, min(first + _run(count), count))


def _run(count: int) -> int:
    """How many parts are taken at a time: one, but of thousands more."""
    return math.ceil(count / _MOST)


@contextmanager
def _copies(
    work: Callable[[Part], Answer], parts: Sequence[Part], left: int, count: int, answers: dict[int, Any]
) -> Iterator[None]:
    """Copies of this process at work, whose answers are in `answers` at the end; killed where an error ends the block.

    Where the system has no room for one, there are fewer.
    """
    children, readers = [], []
    try:
        for _ in range(count):
            reading, writing = Pipe(duplex=False)
            try:
                with caught_warnings():  # Python 3.12 warns of threads beside a fork; those here wait, and hold nothing
                    child = os.fork()
            except OSError:
                break
            if child == 0:
                _serve(work, parts, left, writing)
            writing.close()
            children.append(child)
            readers.append(Thread(target=_receive, args=(reading, answers), daemon=True))
            readers[-1].start()
        yield
    except BaseException:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        raise
    finally:
        for reader in readers:
            reader.join()
        for child in children:
            os.waitpid(child, 0)


def _serve(work: Callable[[Part], Answer], parts: Sequence[Part], left: int, writing: Connection) -> None:
    """The life of a copy: take parts, send answers, and end without what a process does at its end."""
    try:
        belong_to(os.getppid())
        for number in _taken(left, len(parts)):
            try:
                writing.send((number, work(parts[number])))
            except Exception as error:  # raised again where the work was asked for
                writing.send((number, _Raised(error)))
    finally:
        os._exit(0)


def _receive(reading: Connection, answers: dict[int, Any]) -> None:
    with reading, suppress(EOFError, OSError):
        while True:
            number, answer = reading.recv()
            answers[number] = answer
