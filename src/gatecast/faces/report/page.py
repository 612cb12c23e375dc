"""What every report shares: the page around it, figures as data, and the file on disk."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from gatecast.errors import GatecastError
from gatecast.faces.figures import DARK
from gatecast.files import write_whole
from gatecast.version import __version__

CHIPS = {"median": "Median", "bands": "Bands", "honest": "Bands honest", "origins": "Origins"}


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("gatecast.faces", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, figures: Mapping[str, go.Figure], values: Mapping[str, object]) -> str:
    """The page as text: the template filled with `values` (escaped), the figures as JSON under their ids."""
    # Plotly's "json" engine writes < and > as escapes, so that no text in a figure can end its <script>.
    specs = {id: Markup(figure.to_json(validate=False, engine="json")) for id, figure in figures.items()}
    return (
        _templates()
        .get_template(template)
        .render(
            **values,
            figures=specs,
            dark=Markup(json.dumps(DARK)),
            version=__version__,
            css=Markup(_asset("page.css")),
            js=Markup(_asset("page.js")),
            plotly=Markup(get_plotlyjs()),
        )
    )


def _asset(name: str) -> str:
    return resources.files("gatecast.faces").joinpath("templates", name).read_text(encoding="utf-8")


def verdict_values(verdict: Mapping[str, object] | None) -> dict[str, object] | None:
    """The verdict's paragraph and its machine form as short labels; None where there is no verdict."""
    if verdict is None:
        return None
    # Without origins nothing was judged: no evidence was looked for, let alone not found.
    words = {**verdict, **({"median": None, "bands": None} if verdict.get("origins") == 0 else {})}
    chips = [(label, _chip(words[key])) for key, label in CHIPS.items() if key in verdict]
    return {"text": value_text(verdict.get("text", "")), "chips": chips}


def _chip(value: object) -> str:
    """A finding in a word or two; honesty is a table of its own, of which `ok` is the word."""
    if not isinstance(value, Mapping):
        return value_text(value)
    held, level = value.get("coverage"), value.get("level")
    share = f" ({level:.0%} held {held:.0%})" if isinstance(held, float) and isinstance(level, float) else ""
    return value_text(value.get("ok")) + share


def value_text(value: object) -> str:
    """A setting or finding as a person writes it.

    >>> value_text(True), value_text((64, 32)), value_text(()), value_text(None)
    ('yes', '64, 32', 'none', 'cannot tell')
    """
    if value is None:
        return "cannot tell"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_html(path: str | os.PathLike[str], text: str) -> None:
    """Write a report whole or not at all; raises `GatecastError` (one line) where the disk refuses.

    What stood at `path` before stays until the new text is safely on disk. A device such as /dev/stdout
    is written to as it is.
    """
    target = Path(path)
    if not target.name:
        raise GatecastError(f"a report is a file; '{path}' is a folder. Name a file in it.")
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_text(text, encoding="utf-8")
        else:
            write_whole(target, text.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise GatecastError(
            f"the report could not be written to '{target}': {reason}. Make room there or name another file."
        ) from None
