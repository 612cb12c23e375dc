"""What every report shares: the page around it, figures as data, verdict and settings, and the file on disk."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from gatecast.errors import GatecastError
from gatecast.faces.figures import DARK
from gatecast.faces.options import as_options
from gatecast.faces.wording import setting_text, typeset
from gatecast.files import write_whole
from gatecast.text import clean
from gatecast.version import __version__

CHIPS = {"median": "Median", "bands": "Bands", "honest": "Bands honest", "origins": "Origins"}


@functools.cache
def environment(*packages: str) -> jinja2.Environment:
    """The templates of these packages, the first that has a name; of reports unless named. Values are escaped."""
    loaders = [jinja2.PackageLoader(package, "templates") for package in packages or ("gatecast.faces",)]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    environment.filters["as_options"] = as_options
    return environment


def render(template: str, figures: Mapping[str, go.Figure], values: Mapping[str, object]) -> str:
    """The page as text: the template filled with `values` (escaped), the figures as JSON under their ids.

    The title may hold the name of a file whose bytes are no text.
    """
    specs = {id: figure_json(figure) for id, figure in figures.items()}
    return (
        environment()
        .get_template(template)
        .render(
            **{**values, "title": clean(values["title"])},
            figures=specs,
            dark=dark_colours(),
            version=__version__,
            plotly=Markup(get_plotlyjs()),
        )
    )


def figure_json(figure: go.Figure) -> Markup:
    """A figure as JSON in which no text can end its <script>: Plotly's "json" engine escapes < and >."""
    return Markup(figure.to_json(validate=False, engine="json"))


def dark_colours() -> Markup:
    """The counterpart of each colour of a figure on a dark page, as JSON for the script that draws."""
    return Markup(json.dumps(DARK))


def verdict_values(verdict: Mapping[str, object] | None) -> dict[str, object] | None:
    """The verdict's paragraph and its findings as short labels; None where there is no verdict."""
    if verdict is None:
        return None
    # Without origins nothing was judged: it is not known whether there is evidence.
    words = {**verdict, **({"median": None, "bands": None} if verdict.get("origins") == 0 else {})}
    chips = [(label, _chip(words[key])) for key, label in CHIPS.items() if key in verdict]
    return {"text": verdict.get("text", ""), "chips": chips}


def _chip(value: object) -> str:
    """A finding in a word or two; of a band's honesty its `ok`, with the share the band held.

    >>> _chip(True), _chip(None), _chip(1200), _chip({"ok": False, "level": 0.9, "coverage": 0.855})
    ('yes', 'cannot tell', '1,200', 'no (90% held 85.5%)')
    """
    if isinstance(value, Mapping):
        held, level = value.get("coverage"), value.get("level")
        share = isinstance(held, float) and isinstance(level, float)
        return _chip(value.get("ok")) + (f" ({level:.0%} held {held:.1%})" if share else "")
    if value is None or isinstance(value, bool):
        return {None: "cannot tell", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def setting_pairs(config: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """The name and the text of each setting."""
    return [(key, "not set" if value is None else setting_text(value)) for key, value in (config or {}).items()]


def write_html(path: str | os.PathLike[str], text: str) -> None:
    """Write a report whole or not at all; raises `GatecastError` (a single line) where the disk refuses.

    What stood at `path` before stays until the new text is on disk. A device such as /dev/stdout is written to
    directly.
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
        refusal = f"the report could not be written to '{target}': {error.strerror or error}"
        raise GatecastError(f"{refusal}. Make room there or name another file.") from None
