"""The login of a browser: the token once, a cookie from then on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gatecast.web.guard import COOKIE, cookie_value, same
from gatecast.web.pages import login_page
from gatecast.web.settings import ServeSettings

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def ask(request: Request) -> Response:
    """The form."""
    return HTMLResponse(login_page(request, None))


@router.post("/login")
async def log_in(request: Request, token: Annotated[str, Form(max_length=1000)]) -> Response:
    """A cookie that only this site's own pages send, where the token is right."""
    settings: ServeSettings = request.app.state.settings
    if settings.token is None or not same(token.strip(), settings.token):
        return HTMLResponse(
            login_page(request, "this is not the token of the service. Look where it was started."), 401
        )
    answer = RedirectResponse(f"{settings.root_path}/", 303)
    answer.set_cookie(
        COOKIE,
        cookie_value(settings.token),
        max_age=30 * 24 * 3600,
        path=settings.root_path or "/",
        httponly=True,
        samesite="strict",
        secure=request.headers.get("x-forwarded-proto", request.url.scheme) == "https",
    )
    return answer
