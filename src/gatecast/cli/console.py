"""What a person sees on stderr while work goes on: notes, and bars with the time left."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from gatecast.faces.options import as_options

if TYPE_CHECKING:
    from gatecast.fleet.progress import FleetProgress
    from gatecast.judge.walkforward import FoldProgress
    from gatecast.nn.training.loop import Progress as TrainingProgress
    from gatecast.notes import Note
    from gatecast.readers.large import ReadProgress
    from gatecast.tuning.progress import TuningProgress

    Shown = TrainingProgress | FoldProgress | ReadProgress | FleetProgress | TuningProgress

QUIET = 30.0  # seconds between two lines where there is no bar: a sign of life, not a log


def say(text: str) -> None:
    """A note on stderr, free of control characters, with the command's own options."""
    clean = "".join(character if character.isprintable() else " " for character in as_options(text))
    if sys.stderr is not None:  # closed by the shell: a note nobody reads must not cost the result
        print(f"gatecast: {clean}", file=sys.stderr)


def say_notes(notes: Iterable[Note]) -> None:
    """Every note on a line of its own."""
    for note in notes:
        say(str(note))


def print_json(document: Mapping[str, object]) -> None:
    """A result as one JSON document on stdout, its notes with the command's own options."""
    print(json.dumps(_with_options(document), allow_nan=False))


def _with_options(value: object, key: str = "") -> object:
    if isinstance(value, Mapping):
        return {name: _with_options(inner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_options(inner, key) for inner in value]
    return as_options(value) if key == "notes" and isinstance(value, str) else value


@contextmanager
def progress_bar(what: str, *, training_kept: str = "", folds_kept: str = "") -> Iterator[Callable[[Shown], None]]:
    """Progress of a run: of reading a large file, of its training, then of its folds.

    Where Ctrl-C ends it, what was kept of its training or of its folds is said, if there was any.
    """
    kept: dict[str, None] = {}
    try:
        with _progress(what, lambda fold: kept.setdefault(folds_kept if fold else training_kept)) as show:
            yield show
    except KeyboardInterrupt:
        for sentence in filter(None, kept):
            say(sentence)
        raise


@contextmanager
def _progress(what: str, began_part: Callable[[bool], None]) -> Iterator[Callable[[Shown], None]]:
    """Calls `began_part` with whether it is a fold that ended, or an epoch of a training."""
    with _bar() as update:
        from gatecast.fleet.progress import FleetProgress
        from gatecast.judge.walkforward import FoldProgress
        from gatecast.readers.large import ReadProgress
        from gatecast.tuning.progress import TuningProgress

        began = time.monotonic()

        def show(now: Shown) -> None:
            nonlocal began
            if isinstance(now, ReadProgress):
                update("reading", now.done / now.total, f"{now.done / 1e6:,.0f} of {now.total / 1e6:,.0f} MB")
                began = time.monotonic()
                return
            if isinstance(now, FleetProgress | TuningProgress):
                began_part(True)
                left = _clock((time.monotonic() - began) / max(now.ended - now.kept, 1) * (now.total - now.ended))
                update(what, now.ended / now.total, f"{now.text}, about {left} left")
                return
            began_part(isinstance(now, FoldProgress))
            if not isinstance(now, FoldProgress):
                began = time.monotonic()  # the clock of the folds starts where the training ended
                best = "" if now.validation_loss is None else f", held out {now.validation_loss:.4f}"
                text = f"epoch {now.epoch}/{now.epochs}, loss {now.loss:.4f}{best}, {now.rows_per_second:,.0f} rows/s"
                left = f"at most {_clock(now.seconds_left)} left (Ctrl-C keeps the best so far)"
                update("training", now.share, f"{text}, {left}")
                return
            last = "from an earlier run" if now.model is None else f"{now.model} at {str(now.cutoff)[:10]}"
            left = _clock((time.monotonic() - began) / max(now.done - now.resumed, 1) * (now.total - now.done))
            update(what, now.done / now.total, f"{now.done}/{now.total} folds, {last}, about {left} left")

        yield show


@contextmanager
def _bar() -> Iterator[Callable[[str, float, str], None]]:
    """A bar from 0 to 1 with a text beside it; where stderr is no terminal, a line now and then."""
    if sys.stderr is None or not sys.stderr.isatty():
        last = time.monotonic()

        def line(what: str, share: float, text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= QUIET:
                last = time.monotonic()
                say(f"{what} {share:.0%}: {text}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.fields[what]}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, what="")
        yield lambda what, share, text: bar.update(task, completed=share, description=text, what=what)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
