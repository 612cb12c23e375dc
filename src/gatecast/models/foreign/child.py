"""The process in which a foreign model runs: requests on its standard input, answers on its standard output.

`python -P -m gatecast.models.foreign.child`. What the model itself prints goes to standard error.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import queue
import random
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gatecast.errors import ForeignError
from gatecast.models.foreign.answers import as_model, failure, predicted
from gatecast.models.foreign.targets import GROUP, Target


def load(target: Target) -> Any:
    """The class, object or function that a target names; the user's file is run, with its folder to import from."""
    if target.kind == "entry point":
        (found, *_) = entry_points(group=GROUP, name=target.place)
        return found.load()
    if target.kind == "adapter":
        return getattr(importlib.import_module(target.place), target.attribute)
    path = Path(target.place)
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("own_model", path)
    if spec is None or spec.loader is None:
        raise ForeignError(f"'{path.name}' is no Python file. Give FILE.py:NAME.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_model"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return getattr(module, target.attribute)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request in turn: ("fit", target, prices), then ("predict", prices, horizon, paths, seed)."""
    waiting: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    model, file = None, ""
    while True:
        number, what, *arguments = waiting.get()
        try:
            if what == "fit":
                target, prices = arguments
                file = target.place if target.kind == "file" else ""
                _seed(0)
                model = as_model(load(target), target.argument)
                model = model.fit(prices) or model
                answer: tuple[str, Any] = ("done", None)
            else:
                prices, horizon, paths, seed = arguments
                _seed(seed)
                answer = ("done", predicted(model, prices, horizon, paths=paths, seed=seed))
        except BaseException as error:
            answer = ("failed", failure(error, what, file))
        pickle.dump((number, os.getpid(), *answer), answers)
        answers.flush()


def _receive(requests: BinaryIO, waiting: queue.SimpleQueue[tuple[Any, ...]]) -> None:
    """Take requests as they come; where the process that sends them is gone, end, whatever the model is doing."""
    try:
        while True:
            waiting.put(pickle.load(requests))
    except (EOFError, OSError):
        os._exit(0)


def _seed(seed: int) -> None:
    """For models that draw from a global stream: the same numbers in every run."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the user's model may use it)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed % 2**63)


def main() -> None:
    """Keep the pipes for the protocol, and give the model a closed input and standard error instead."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()
