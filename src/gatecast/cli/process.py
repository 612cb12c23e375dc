"""What the command sets for its whole process, once, before any work: the library sets nothing process-wide."""

from __future__ import annotations


def prepare() -> None:
    """Keep freed memory for the next batch; worker processes are prepared likewise by `executors`."""
    from gatecast.executors import prepare_process

    prepare_process()
