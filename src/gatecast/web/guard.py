"""What stands before every request: who may ask, from where, how much may be sent and how slowly.

ASGI middleware, outermost first: `Guard` (host, token, cross-site requests, headers), `Limits` (size, pace of a body).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatecast.web.settings import LOOPBACK, ServeSettings
from gatecast.web.worker import log, where

COOKIE = "gatecast"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_PATHS = ("/health", "/login")  # without a token; and /static/
_FORM = 64 * 1024  # bytes around an upload: the parts of a form
_JSON = 1024 * 1024  # bytes of any other body
_PACE = 8 * 1024  # bytes a second that a body must come with, beyond the time that any may take
# The explain page of a result carries its script inside: it is sandboxed, so that it is of no origin.
# The one style attribute is that of Plotly's heat maps with even steps, which asks for edges that stay sharp.
_SHARP_EDGES = "'unsafe-hashes' 'sha256-AR/cKIZjWPcPmBUPDA6oti9XBiTbJvz0Cro2J1VzzS8='"
POLICY = (
    f"default-src 'self'; img-src 'self' data:; style-src 'self'; style-src-attr {_SHARP_EDGES}; "
    "script-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SANDBOX = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "sandbox allow-scripts allow-downloads; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_CLOSE = {"connection": "close"}
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class _Refused(Exception):
    def __init__(self, status: int, line: str) -> None:
        self.status, self.line = status, line


class Limits:
    """Refuses a body that is too large, before it is read where it says so, or that comes too slowly."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = scope["path"].endswith("/sources") and scope["method"] == "POST"
        most = self.settings.upload_limit + _FORM if upload else _JSON
        answered, got, began = False, 0, time.monotonic()

        async def bounded() -> Message:
            nonlocal got
            patience = self.settings.body_timeout
            left = min(patience, patience + got / _PACE - (time.monotonic() - began))
            try:
                message = await asyncio.wait_for(receive(), None if answered else max(left, 0.0))
            except TimeoutError:
                late = "the rest of the request did not come in time. Send it again."
                raise HTTPException(408, late, headers=_CLOSE) from None
            got += len(message.get("body", b""))
            if got > most:
                raise HTTPException(413, _too_large(most), headers=_CLOSE)
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > most:
            await refuse(send, 413, _too_large(most), headers=[(b"connection", b"close")])
            return
        try:
            await self.app(scope, bounded, watched)
        except Exception as error:
            if answered:
                raise
            log("request_error", kind=type(error).__name__, where=where(error))
            await refuse(send, 500, f"this failed inside gatecast ({type(error).__name__}). Please report it.")


class Guard:
    """Refuses strangers, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self.app, self.settings = app, settings
        self.hosts = {*LOOPBACK, settings.host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_site(scope["method"], headers)
            self._check_token(scope, headers)
        except _Refused as refused:
            if refused.status == 401 and "text/html" in headers.get("accept", ""):
                place = f"{self.settings.root_path}/login".encode()
                await with_headers({"type": "http.response.start", "status": 303, "headers": [(b"location", place)]})
                await with_headers({"type": "http.response.body", "body": b""})
                return
            more = [(b"www-authenticate", b"Bearer")] if refused.status == 401 else []
            await refuse(with_headers, refused.status, refused.line, headers=more)
            return
        await self.app(scope, receive, with_headers)

    def _check_host(self, headers: Headers) -> None:
        """Without a token a page of another site could reach loopback under a name of its own (DNS rebinding)."""
        if self.settings.token is not None:
            return
        if _address(f"//{headers.get('host', '')}").hostname not in self.hosts:
            raise _Refused(421, "this service answers under its own name alone. Open it by the address it printed.")

    def _check_site(self, method: str, headers: Headers) -> None:
        """Requests that change something come from this site's own pages, or from no browser (Fetch Metadata)."""
        if method in SAFE_METHODS:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = site not in ("same-origin", "none") if site is not None else False
        if site is None and origin is not None:
            foreign = _address(origin).netloc.lower() != headers.get("host", "").lower()
        if foreign:
            raise _Refused(403, "a request from another site is refused. Use the service's own page, or its API.")

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        token = self.settings.token
        path = scope["path"].removeprefix(self.settings.root_path) or "/"
        if token is None or path in OPEN_PATHS or path.startswith("/static/"):
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and same(given.strip(), token):
            return
        if any(same(value, cookie_value(token)) for value in _cookies(headers.getlist("cookie"))):
            return
        raise _Refused(401, "this service asks for its token. Send it as `Authorization: Bearer TOKEN`, or log in.")


async def refuse(send: Send, status: int, line: str, *, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """An answer of one clear line."""
    body = json.dumps({"error": line}).encode()
    about = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})


def _address(text: str) -> SplitResult:
    """The parts of an address; none of what is no address."""
    try:
        found = urlsplit(text)
    except ValueError:
        return urlsplit("")
    return found


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def cookie_value(token: str) -> str:
    """What a browser keeps after the login: it proves the token and does not hold it."""
    return hmac.new(token.encode(), b"gatecast cookie", hashlib.sha256).hexdigest()


def _cookies(headers: Iterable[str]) -> Iterable[str]:
    for header in headers:
        try:
            cookie = SimpleCookie(header)
        except CookieError:
            continue
        if COOKIE in cookie:
            yield cookie[COOKIE].value


def _too_large(most: int) -> str:
    return f"a request has at most {most:,} bytes here; this one has more. Send a smaller file."
