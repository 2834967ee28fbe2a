"""What stands between the network and the routes: host and origin checks, security headers, errors as problem details.

Hides how a person is known (cookie or token) and how exceptions become HTTP answers.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelwright.core.access import Actor
from labelwright.core.errors import Invalid, LabelwrightError, RateLimited, TooLarge
from labelwright.core.problem import Problem
from labelwright.flows import people
from labelwright.server import strict
from labelwright.workbench import Workbench

log = logging.getLogger(__name__)

COOKIE = "lw_session"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Edge:
    """ASGI middleware: refuses foreign hosts and cross-site writes, adds security headers to every answer."""

    def __init__(self, app: ASGIApp, host_names: frozenset[str]) -> None:
        """Wrap `app`; only these host names (without port) are answered."""
        self.app, self.host_names = app, host_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {key.lower() for key, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in _HEADERS.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def _refusal(self, method: str, headers: dict[str, str]) -> Response | None:
        # DNS rebinding: a foreign page may point its own name at this machine, but it cannot change the Host header.
        if host_name(headers.get("host", "")) not in self.host_names:
            return problem_response(421, "wrong_host", "this server does not answer to that host name",
                                    "start it with --host-name NAME to allow another name")  # fmt: skip
        if method in ("GET", "HEAD", "OPTIONS"):
            return None
        # A write must come from our own page or from a program (which sends neither header).
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site not in (None, "same-origin", "none"):
            return problem_response(403, "cross_site", "a page of another site may not change anything here")
        if origin not in (None, "null") and host_name(urlsplit(origin).netloc) != host_name(
            headers.get("host", "")
        ):
            return problem_response(403, "cross_site", "a page of another site may not change anything here")
        if origin == "null":
            return problem_response(
                403, "cross_site", "a page without an origin may not change anything here"
            )
        return None


def host_name(netloc: str) -> str:
    """The lower-case name in `name:port`."""
    name = netloc.rsplit("@", 1)[-1].lower()
    if name.startswith("["):
        return name.split("]", 1)[0] + "]"
    return name.split(":", 1)[0]


class StrictRoute(APIRoute):
    """A route whose parameters and JSON bodies are read strictly, see `labelwright.server.strict`."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()
        whole = _whole_numbers(self)

        async def handle(request: Request) -> Response:
            for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
                try:
                    strict.check_parameter(name, whole=False)
                    strict.check_parameter(value, whole=name in whole)
                except ValueError as error:
                    raise Invalid("bad_request", f"{name[:60]!r} {error}") from error
            return await handler(_StrictRequest(request.scope, request.receive))

        return handle


def _whole_numbers(route: APIRoute) -> set[str]:
    """Names of the parameters in path and query that are whole numbers, also those of a model of them."""
    found: dict[str, Any] = {}
    for field in (*route.dependant.path_params, *route.dependant.query_params):
        kind: Any = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= {name: each.annotation for name, each in kind.model_fields.items()}
        else:
            found[field.alias] = kind
    return {name for name, kind in found.items() if kind is int or int in get_args(kind)}


def new_router() -> APIRouter:
    """A router for a module of routes: strict JSON, errors documented as problem details."""
    return APIRouter(route_class=StrictRoute)


class Refused(HTTPException):
    """Carries one of our errors through FastAPI's body parsing, which lets only this kind of exception pass."""

    def __init__(self, error: LabelwrightError) -> None:
        """Wrap an error."""
        super().__init__(error.status, error.message)
        self.error = error


class _StrictRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            declared = self.headers.get("content-length", "0")
            parts, size = [], 0
            if declared.isdigit() and int(declared) > strict.MAX_BODY_BYTES:
                raise TooLarge("body_too_large", f"at most {strict.MAX_BODY_BYTES} bytes are allowed")
            async for part in self.stream():
                size += len(part)
                if size > strict.MAX_BODY_BYTES:
                    raise TooLarge("body_too_large", f"at most {strict.MAX_BODY_BYTES} bytes are allowed")
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            try:
                self._json = strict.loads(await self.body())
            except LabelwrightError as error:
                raise Refused(error) from error
        return self._json


# --- who and what -----------------------------------------------------------------------------------------------


def workbench_of(request: Request) -> Workbench:
    """The workbench of the running application."""
    found = request.app.state.workbench
    assert isinstance(found, Workbench)
    return found


async def _workbench(request: Request) -> Workbench:
    # Asynchronous, because FastAPI hands every other function to another thread, which costs more than this does.
    return workbench_of(request)


Bench = Annotated[Workbench, Depends(_workbench)]


def actor_of(request: Request, bench: Bench) -> Actor:
    """Who is asking: by bearer token, else by cookie.

    Raises:
        SignInRequired: Nobody.
    """
    header = request.headers.get("authorization", "")
    token = header[7:].strip() if header[:7].lower() == "bearer " else None
    return people.who_is(bench, cookie=request.cookies.get(COOKIE), token=token)


SignedIn = Annotated[Actor, Depends(actor_of)]


# --- errors -----------------------------------------------------------------------------------------------------


def problem_response(
    status: int, code: str, detail: str, hint: str = "", problems: tuple[Problem, ...] = ()
) -> JSONResponse:
    """An `application/problem+json` answer."""
    body: dict[str, Any] = {
        "type": f"urn:labelwright:{code}", "title": code.replace("_", " "), "status": status, "code": code,
        "detail": detail, "hint": hint,
    }  # fmt: skip
    if problems:
        body["problems"] = [problem.model_dump() for problem in problems[:1000]]
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def handle_errors(app: FastAPI) -> None:
    """Turn exceptions into problem details."""

    @app.exception_handler(LabelwrightError)
    async def _ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, LabelwrightError)
        return _answer(error)

    def _answer(error: LabelwrightError) -> Response:
        problems = error.problems if isinstance(error, Invalid) else ()
        response = problem_response(error.status, error.code, error.message, error.hint, problems)
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            response.headers["Retry-After"] = str(int(error.retry_after_s) + 1)
        return response

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        problems = tuple(
            Problem(
                where="/".join(str(part) for part in each["loc"])[:500],
                code=str(each["type"]),
                message=each["msg"],
            )
            for each in error.errors()
        )
        return problem_response(
            422, "bad_request", "the request is not of the form this route takes", "", problems
        )

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error, Refused):
            return _answer(error.error)
        code = {404: "no_route", 405: "wrong_method"}.get(error.status_code, "http_error")
        return problem_response(error.status_code, code, str(error.detail))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem_response(
            500, "internal", "something went wrong in the server; nothing was stored", "its log says more"
        )
