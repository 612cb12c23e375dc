"""The typer application every command hangs on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gatecast.errors import UsageError

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


class Command(TyperCommand):
    """A command that takes an option once: of two values that differ, neither is known to be meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, after the check."""
        self._check_said_once(args)
        return super().parse_args(ctx, args)

    def _check_said_once(self, args: Iterable[str]) -> None:
        options = {name: option for option in self.params for name in (*option.opts, *option.secondary_opts)}
        said: dict[str | None, str] = {}
        words = iter(args)
        for word in words:
            if word == "--":  # what follows is no option
                return
            name, _, value = word.partition("=")
            if not name.startswith("--") or name not in options:
                continue
            option = options[name]
            text = name
            if not getattr(option, "is_flag", False):
                text = f"{name} {value if '=' in word else next(words, '')}"
            if not getattr(option, "multiple", False) and said.setdefault(option.name, text) != text:
                raise UsageError(f"an option is given once; got '{said[option.name]}' and '{text}'. Leave one out.")
