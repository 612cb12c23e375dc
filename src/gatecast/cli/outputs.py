"""Where results go: refused before the work where a file cannot be written, or would take the place of another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from gatecast.cli.console import say
from gatecast.errors import GatecastError, UsageError

if TYPE_CHECKING:
    import pandas as pd

OTHER_FORMATS = (".py", ".pdf", ".png", ".jpg", ".svg", ".csv", ".json", ".parquet", ".xlsx", ".docx", ".md", ".txt")
_OF_A_MODEL = re.compile(r"model\.json|(weights|training)-.*\.safetensors")  # what a model's folder holds


def check_outputs(
    source: str,
    *,
    page: Path | None = None,
    table: Path | None = None,
    rows: Path | None = None,
    save: Path | None = None,
    model: Path | None = None,
    judge: Path | None = None,
    weights: str | None = None,
    models: str | None = None,
    events: object = None,
    database: str | None = None,
) -> None:
    """Refuse, before hours of work and not after, outputs that cannot be written or would cost a file that is needed.

    `page` is HTML, `table` CSV, `rows` Parquet; `save` is the folder of a model to come, `model` that of one to read,
    `judge` a file of forecasts to read, `weights` one of weights, `models` the models as `--models` names them,
    `events` a file of events, `database` the ledger that the run writes to.
    """
    _check_page(page)
    _check_table(table)
    files = [path for path in (page, table, rows) if path is not None]
    for path in files:
        _check_writable(path)
    read = Path("/dev/stdin" if source == "-" else source)
    needed = {
        "the source": read,
        "the file to judge": judge,
        "the file of weights": None if weights in (None, "equal") else Path(weights),
        "the file of events": Path(events) if isinstance(events, str) else None,
        "the ledger": None if database is None else Path(database.removeprefix("sqlite:///")),
    }
    outputs = [*files, *([] if save is None else [save])]
    for path in outputs:
        for what, file in (*needed.items(), *(("the file of a model", file) for file in _model_files(models))):
            if file is not None and is_same_file(path, file):
                raise UsageError(f"an output must not be {what}; '{path}' is both. Choose another path.")
    for path in files:
        if read.is_dir() and _in_folder(path, read):
            raise UsageError(
                f"an output must not be among the prices of the source; '{path}' would be one of '{read}'. Choose "
                "another folder."
            )
    for path, other in combinations(outputs, 2):
        if is_same_file(path, other):
            raise UsageError(f"each output needs a path of its own; '{path}' is given twice. Choose another path.")
    for folder, others in ((save, [*files, read]), (model, files)):
        for path in others:
            if folder is not None and _of_the_model(path, folder):
                raise UsageError(f"the folder '{folder}' holds a model, and '{path}' is a file of it. Choose another.")


def _model_files(models: str | None) -> list[Path]:
    """The files of Python among the models."""
    words = [] if models is None else models.split(",")
    return [Path(word.rpartition(":")[0] or word) for word in words if ".py" in word]


def is_same_file(path: Path, other: Path) -> bool:
    """Whether both are one file, by whatever names, or would be; a device takes any number of outputs."""
    try:
        return os.path.samefile(path, other) and (path.is_file() or path.is_dir())
    except OSError:  # one of them is not there yet
        return os.path.realpath(path) == os.path.realpath(other)


def _in_folder(path: Path, folder: Path) -> bool:
    """Whether an output would be read as an asset of a folder of prices, or is one of its files under another name."""
    if os.path.realpath(path.parent) == os.path.realpath(folder):
        return True
    with suppress(OSError):
        if path.is_file():
            return any(is_same_file(path, Path(entry.path)) for entry in os.scandir(folder))
    return False


def _of_the_model(path: Path, folder: Path) -> bool:
    where, name = os.path.split(os.path.realpath(path))
    return where == os.path.realpath(folder) and _OF_A_MODEL.fullmatch(name) is not None


def _check_writable(path: Path) -> None:
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"lies in no folder '{path.parent}'"
        raise UsageError(f"an output is a file in a folder that exists; '{path}' {what}. Choose another path.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"an output can be written; '{path}' cannot. Choose another path.")


def _check_page(path: Path | None) -> None:
    """The name must not promise another format than HTML."""
    if path is not None and path.suffix.lower() in OTHER_FORMATS:
        raise UsageError(f"a page is HTML; '{path.name}' says {path.suffix}. Name it '{path.stem}.html'.")


def _check_table(path: Path | None) -> None:
    """The name must not promise another format than CSV."""
    if path is not None and path.suffix.lower() in {*OTHER_FORMATS, ".html"} - {".csv", ".txt"}:
        raise UsageError(f"a table is CSV; '{path.name}' says {path.suffix}. Name it '{path.stem}.csv'.")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """One line where the disk refuses a file."""
    try:
        yield
    except OSError as error:
        raise GatecastError(f"'{path}' cannot be written ({error.strerror or error}). Free some space.") from None


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """A frame with a column `item_id` as CSV; a name that a spreadsheet would take for a formula is no formula."""
    from gatecast.faces.wording import as_cell
    from gatecast.files import write_whole

    text = frame.assign(item_id=frame["item_id"].map(as_cell)).to_csv(index=False)
    with writing(path):
        if path.exists() and not path.is_file():  # a device such as /dev/stdout
            path.write_text(text, encoding="utf-8")
        else:
            write_whole(path, text.encode())
    say(f"table written to {path}")
