"""The typer application every command hangs on."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="gatecast",
    help="LSTM price forecasts as fans of simulated paths, held against history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; goes anywhere.")] = False,
) -> None:
    if version:
        from gatecast.version import __version__

        print(__version__)
        raise typer.Exit
