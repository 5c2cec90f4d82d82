"""The ASGI application: routes, the page, and what every answer has in common."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaiwa import __version__
from kaiwa.errors import Forbidden, KaiwaError, StreamStalled, TooManyTries
from kaiwa.web import auth, events, invites, models, replies, sound, talks, voices
from kaiwa.web.asking import COOKIES, signed_in
from kaiwa.web.page import page_router
from kaiwa.web.security_log import note_refusal, route_of
from kaiwa.web.services import Services
from kaiwa.web.sound import error_values

_UPLOAD: Final = re.compile(r"/talks/[^/]+/stream")
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PART_TIMEOUT_S: Final = 5.0
MAX_BODY: Final = 256 * 1024
"""Bytes of a request body that is not sound; the longest instructions are 8,000 characters."""
MAX_IMPORT: Final = 32 * 1024 * 1024
BODY_S: Final = 60.0
"""How long a request may take to bring all of itself; sound has limits of its own."""
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; media-src 'self'; worker-src 'self'; "
        "manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
}

log = structlog.get_logger()


def create_application(services: Services) -> FastAPI:
    """The application over its parts; it starts and stops nothing itself."""
    application = FastAPI(
        title="kaiwa",
        version=__version__,
        description="Talk by voice with each other and with a language model on your own machine.",
        license_info={"name": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy that speaks TLS it would lead to plain HTTP
    )
    application.state.services = services
    for module in (auth, talks, invites, sound, events, replies, voices, models):
        application.include_router(module.router)
    _add_system_routes(application, services)
    application.include_router(page_router())
    application.add_exception_handler(KaiwaError, _on_error)
    application.add_exception_handler(RequestValidationError, _on_invalid)
    application.add_exception_handler(ValidationError, _on_invalid)
    application.add_exception_handler(HTTPException, _on_http)
    application.add_middleware(_Everywhere, services=services)
    return application


def _add_system_routes(application: FastAPI, services: Services) -> None:
    @application.get("/healthz", tags=["the server"])
    async def healthz() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok", "version": __version__}

    @application.get("/readyz", tags=["the server"])
    async def readyz(request: Request) -> JSONResponse:
        """The database answers and the models are loaded; reasons are for this machine itself."""
        names = list(services.parts)
        told = _is_of_this_machine(services, request)
        states = await asyncio.gather(*(_state(services, name, told) for name in names))
        parts = dict(zip(names, states, strict=True))
        ready = not services.closing.is_set() and all(state == "ok" for state in states)
        return JSONResponse({"ready": ready, "parts": parts}, 200 if ready else 503)

    @application.get("/metrics", tags=["the server"], response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """In Prometheus's text format: for this machine itself, and for its owner's token."""
        if not _is_of_this_machine(services, request):
            found = await signed_in(request)
            if not await services.accounts.is_machine_owner(found.user.id):
                raise Forbidden("only this machine's owner may read this")
        return Response(services.measures.text(), media_type=CONTENT_TYPE)


def _is_of_this_machine(services: Services, request: Request) -> bool:
    """A proxy on this machine asks for strangers."""
    if services.site.proxy_origin or "x-forwarded-for" in request.headers:
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _state(services: Services, part: str, told: bool) -> str:
    try:
        async with asyncio.timeout(PART_TIMEOUT_S):
            await services.parts[part]()
    except KaiwaError as error:
        return error.message if told else error.code
    except TimeoutError:
        return "loading"
    return "ok"


class _Everywhere:
    """Checks the Host, adds the security headers, limits what is read at once, answers for what
    crashed; pure ASGI, so that streams stay streams."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        scope[COOKIES] = []
        answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal answered
            answered = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for cookie in scope[COOKIES]:
                    headers.append("set-cookie", cookie)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if self._services.site.cookie_secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        try:
            self._services.site.check_host(Headers(scope=scope))
        except Forbidden as error:
            note_refusal(HTTPConnection(scope), error.code)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await _answer(error)(scope, receive, send_with_headers)
            return
        if scope["type"] == "http" and not _is_upload(scope):
            large = scope["method"] == "POST" and scope["path"] == "/talks/import"
            receive = _limited(receive, MAX_IMPORT if large else MAX_BODY)
        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass
        except Exception:
            log.exception("request_crashed", method=scope.get("method"), route=route_of(scope))
            if answered or scope["type"] == "websocket":
                raise
            crashed = _plain_error(500, "internal", "kaiwa failed here; its log says where")
            await crashed(scope, receive, send_with_headers)


def _is_upload(scope: Scope) -> bool:
    """Sound has limits of its own, and is not read before its sender is known."""
    return scope["method"] in ("POST", "PUT") and _UPLOAD.fullmatch(scope["path"]) is not None


def _limited(receive: Receive, most: int) -> Receive:
    received = 0
    whole = False
    late_at: float | None = None

    async def receive_so_much() -> Message:
        nonlocal received, whole, late_at
        if whole:
            return await receive()
        late_at = late_at or asyncio.get_running_loop().time() + BODY_S
        try:
            async with asyncio.timeout_at(late_at):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "the rest of the request did not come") from error
        received += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if received > most:
            raise HTTPException(413, f"a request has at most {most // 1024} KiB")
        return message

    return receive_so_much


def _answer(error: KaiwaError) -> JSONResponse:
    headers = {"retry-after": str(error.wait_s)} if isinstance(error, TooManyTries) else None
    return JSONResponse({"error": error_values(error)}, error.status, headers)


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, KaiwaError):
        raise error
    if error.status < 500:
        note_refusal(request, error.code)
    return _answer(error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError | ValidationError):
        raise error
    message = "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    )
    note_refusal(request, "bad_request")
    return _plain_error(422, "bad_request", message)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == StreamStalled.status:
        return await _on_error(request, StreamStalled(error.detail))
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_much"}
    code = codes.get(error.status_code, "bad_request")
    if error.status_code != 404:
        note_refusal(request, code)
    return _plain_error(error.status_code, code, str(error.detail))


def _plain_error(status: int, code: str, message: str) -> JSONResponse:
    values: dict[str, Any] = {"code": code, "message": message, "retryable": False}
    return JSONResponse({"error": values}, status)
