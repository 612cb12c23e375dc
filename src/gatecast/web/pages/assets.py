"""What every page is drawn with: style sheets, scripts, htmx and Plotly, each under a name that its content changes."""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from pathlib import Path

import plotly
from fastapi import APIRouter, Request, Response

import gatecast.faces
from gatecast.errors import NotFound
from gatecast.text import shown

router = APIRouter()
_OWN = Path(__file__).parents[1] / "static"
_REPORTS = Path(gatecast.faces.__file__).parent / "templates"
_CSS, _SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
ASSETS = {
    "page.css": (_REPORTS / "page.css", _CSS),
    "web.css": (_OWN / "web.css", _CSS),
    "page.js": (_REPORTS / "page.js", _SCRIPT),
    "web.js": (_OWN / "web.js", _SCRIPT),
    "price.js": (_OWN / "price.js", _SCRIPT),
    "icon.svg": (_OWN / "icon.svg", "image/svg+xml"),
    "htmx.min.js": (_OWN / "htmx.min.js", _SCRIPT),
    "plotly.min.js": (Path(plotly.__file__).parent / "package_data" / "plotly.min.js", _SCRIPT),
}
_FOREVER = "public, max-age=31536000, immutable"  # an address changes with its content
# A style that Plotly would add to the page unless an element has this id.
_ADDED_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


@functools.cache
def content(name: str) -> bytes:
    """The bytes of an asset."""
    return ASSETS[name][0].read_bytes()


@functools.cache
def _packed(name: str) -> bytes:
    return gzip.compress(content(name), 6, mtime=0)


@functools.cache
def address(name: str) -> str:
    """The address of an asset under the root of the site."""
    return f"/static/{name}?v={hashlib.sha256(content(name)).hexdigest()[:12]}"


@functools.cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of elements that keep Plotly from adding styles, which the content security policy forbids.

    The rules that a chart needs are in web.css.
    """
    return tuple(dict.fromkeys(found.decode() for found in _ADDED_STYLE.findall(content("plotly.min.js"))))


@router.get("/static/{name}")
def asset(request: Request, name: str) -> Response:
    """An asset, packed where the browser takes that."""
    if name not in ASSETS:
        raise NotFound(f"there is no asset {shown(name)}. Open a page anew.")
    headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_packed(name), media_type=ASSETS[name][1], headers={**headers, "content-encoding": "gzip"})
    return Response(content(name), media_type=ASSETS[name][1], headers=headers)
