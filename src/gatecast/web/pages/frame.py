"""What all pages share: the templates, the frame around a page, refusals as pages, and words for times."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from markupsafe import Markup
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from gatecast.errors import GatecastError, LedgerError, NotFound, QueueFull, TooLarge, UsageError
from gatecast.faces.report.page import dark_colours, environment
from gatecast.text import clean, counted
from gatecast.version import __version__
from gatecast.web.pages.assets import address, plotly_style_ids
from gatecast.web.service import Service, error_text

_STATUS = ((NotFound, 404), (TooLarge, 413), (QueueFull, 429), (LedgerError, 503))
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route that shows a refusal as a page, or as a part of one where htmx asked for a part."""

    def get_route_handler(self) -> _Handler:
        """As FastAPI has it."""
        handler = super().get_route_handler()

        async def shown_as_page(request: Request) -> Response:
            try:
                return await handler(request)
            except (RequestValidationError, ValidationError) as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
                return refusal(request, f"{clean(field, 80)}: {clean(first['msg'], 160)}. Correct it.", 422)
            except GatecastError as error:
                status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
                answer = refusal(request, error_text(error), status)
                if isinstance(error, QueueFull):
                    answer.headers["retry-after"] = str(error.seconds)
                return answer
            except HTTPException as error:
                answer = refusal(request, str(error.detail), error.status_code)
                answer.headers.update(error.headers or {})
                return answer

        return shown_as_page


def service_of(request: Request) -> Service:
    """The service behind a request."""
    found: Service = request.app.state.service
    return found


def page(request: Request, template: str, values: Mapping[str, object], *, status: int = 200) -> HTMLResponse:
    """A template filled with `values`, which are escaped; `title` is the page's."""
    return HTMLResponse(text_of(request, template, values), status)


def text_of(request: Request, template: str, values: Mapping[str, object]) -> str:
    """The text of a page or of a part of one."""
    root = str(request.scope.get("root_path", ""))
    frame = {
        "url": lambda path: f"{root}{path}",
        "asset": lambda name: f"{root}{address(name)}",
        "style_ids": plotly_style_ids(),
        "dark": dark_colours(),
        "version": __version__,
        "here": request.url.path.removeprefix(root),
    }
    return _templates().get_template(template).render(**frame, **values)


def refusal(request: Request, line: str, status: int) -> HTMLResponse:
    """A clear line, on a page of its own or where a part was asked for."""
    if request.headers.get("hx-request") == "true":
        # htmx puts only answers of success in their place.
        return page(request, "problem.html", {"problem": line})
    return page(request, "error.html", {"title": "This cannot be done", "problem": line}, status=status)


def login_page(request: Request, problem: str | None) -> str:
    """The form that asks for the token; `problem` says why it is asked again."""
    return text_of(request, "login.html", {"title": "Log in", "problem": problem})


@functools.cache
def _templates() -> jinja2.Environment:
    found = environment("gatecast.web", "gatecast.faces")
    found.filters |= {"moment": moment_text, "left": left_text, "figure_data": Markup}
    return found


def moment_text(moment: str | None) -> str:
    """A moment in UTC as it is said.

    >>> moment_text("2026-03-01T09:05:11.000000Z")
    '1 Mar 2026, 09:05 UTC'
    """
    if not moment:
        return ""
    found = datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(UTC)
    return f"{found.day} {found:%b %Y, %H:%M} UTC"


def left_text(seconds: float | None) -> str:
    """A time that is left, roughly.

    >>> left_text(4.0), left_text(95.0), left_text(7300.0), left_text(None)
    ('a few seconds left', 'about 2 minutes left', 'about 2 hours left', '')
    """
    if seconds is None:
        return ""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {5 * round(seconds / 5)} seconds left"
    if seconds < 3300:
        return f"about {counted(round(seconds / 60), 'minute')} left"
    return f"about {counted(round(seconds / 3600), 'hour')} left"


def number(text: str | None, what: str) -> float | None:
    """A number that was typed; None where nothing was. Raises `UsageError`.

    >>> number(" 1,234.5 ", "a price"), number("", "a price")
    (1234.5, None)
    """
    if text is None or not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "").replace("\u202f", "").replace(" ", ""))
    except ValueError:
        raise UsageError(f"{what} is a number; got '{clean(text, 40)}'. Type for example 61.5.") from None
