"""The command: arguments in, one call to the library, one result on stdout. No mathematics here."""

from __future__ import annotations

import os
import sys

from gatecast.cli import forecasting, judging, looking
from gatecast.cli.app import app
from gatecast.cli.console import say
from gatecast.errors import GatecastError

__all__ = ["app", "forecasting", "judging", "looking", "main"]


def main() -> None:
    """Run the command; a refusal is one line on stderr and exit 1 (data, model) or 2 (command)."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments)
    except GatecastError as error:
        if debug:
            raise
        say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say(
            "interrupted; what was finished is kept, the same command goes on from there (a training: with --resume)"
        )
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
