"""The pages of the service: HTML over the same `Service` as the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import escape

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request) -> Response:
    """The first page."""
    return HTMLResponse(_page("gatecast", "<p>The API is under <code>/api/v1</code>.</p>"))


def login_page(request: Request, problem: str | None) -> str:
    """The form that asks for the token; `problem` says why it is asked again."""
    line = "" if problem is None else f'<p role="alert">{escape(problem)}</p>'
    field = '<label>Token <input name="token" type="password" autofocus></label>'
    form = f'<form method="post">{field}<button>Log in</button></form>'
    return _page("gatecast: log in", f"{line}{form}")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><body>{body}</body></html>'
    )
