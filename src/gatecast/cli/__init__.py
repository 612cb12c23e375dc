"""The command: arguments in, one call to the library, one result on stdout. No mathematics here."""

from __future__ import annotations

import gc
import os
import sys

from typer.exceptions import TyperException

from gatecast.cli import explaining, fleet, forecasting, judging, ledger, risk, serve, training, tuning
from gatecast.cli.app import app
from gatecast.cli.console import say
from gatecast.errors import GatecastError, briefly

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_NEW_OBJECTS = 100_000  # between two collections; imports alone make as many, and almost all of them stay

__all__ = [
    "app",
    "explaining",
    "fleet",
    "forecasting",
    "judging",
    "ledger",
    "main",
    "risk",
    "serve",
    "training",
    "tuning",
]


def main() -> None:
    """Run the command; a refusal is one line on stderr and exit 1 (data, model) or 2 (command)."""
    gc.set_threshold(_NEW_OBJECTS)
    # numpy's products are small: its threads would spin beside those that compute, and the last digits depend on them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    if sys.stdout is None:
        say("standard output is closed, so there is nowhere to put a result. Leave it open, or send it to a file.")
        sys.exit(1)
    try:
        try:
            code = app(args=arguments, prog_name="gatecast", standalone_mode=False)
        finally:
            gc.freeze()  # the process ends: to look for garbage among all that torch made would take a quarter second
            sys.stdout.flush()
    except TyperException as error:  # of the command line itself
        _say_misused(error)
        sys.exit(error.exit_code)
    except GatecastError as error:
        if debug:
            raise
        say(str(error))
        sys.exit(error.exit_code)
    except MemoryError:
        if debug:
            raise
        say("not enough memory for these prices. Free some, give fewer rows or assets, or take fewer --paths.")
        sys.exit(1)
    except BrokenPipeError:
        _silence_stdout()
        sys.exit(1)
    except OSError as error:  # standard output on a full disk, a cache folder that cannot be made
        if debug:
            raise
        where = error.filename or "standard output"
        say(f"the system refused '{where}': {error.strerror or error}. Free some space or name another place.")
        _silence_stdout()
        sys.exit(1)
    if code == INTERRUPTED:
        say("interrupted")
    sys.exit(code)


def _say_misused(error: TyperException) -> None:
    """What is wrong with the command line, and whose help tells more; nothing where typer has shown the help itself."""
    from pydantic import ValidationError

    from gatecast.config import broken_rule

    if isinstance(error.__cause__, ValidationError):
        error.message = f"{broken_rule(error.__cause__)}; got {briefly(error.__cause__.errors()[0]['input'])}"
    message = " ".join(error.format_message().split()).rstrip(".?")
    context = getattr(error, "ctx", None)
    if message:
        say(f"{message}. See {'gatecast' if context is None else context.command_path} --help.")


def _silence_stdout() -> None:
    """What could not be written must not be tried again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
