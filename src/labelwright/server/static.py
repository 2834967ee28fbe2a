"""Serves the built browser app from a closed list of files, and the one-time sign-in link.

No path of a request ever becomes a path on disk: it is looked up in the list made at start.
"""

import mimetypes
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from labelwright.core.errors import NotFound, SignInRequired
from labelwright.flows import people
from labelwright.server.edge import COOKIE, problem_response, workbench_of

_NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>Labelwright</title>
<body style="font: 16px/24px system-ui; max-width: 40rem; margin: 4rem auto">
<h1>The browser app is not built</h1>
<p>The server and its API run. To build the app, run this in the checkout and start again:</p>
<pre>make ui</pre></body>"""


def set_cookie(request: Request, response: Response, cookie: str) -> None:
    """Sign this browser in."""
    response.set_cookie(
        COOKIE, cookie, max_age=int(people.SESSION_LIFE.total_seconds()), httponly=True, samesite="lax", path="/",
        secure=workbench_of(request).settings.behind_tls,
    )  # fmt: skip


def add_browser_app(app: FastAPI, folder: Path) -> None:
    """Add the sign-in link, the files of the app, and its page for every other path."""
    files = {
        "/" + path.relative_to(folder).as_posix(): path
        for path in (folder.rglob("*") if folder.is_dir() else ())
        if path.is_file()
    }
    app.state.has_ui = "/index.html" in files

    @app.get("/sign-in", include_in_schema=False)
    def sign_in_by_link(request: Request, link: str = "") -> Response:
        if not link:
            return _page(files, request)
        try:
            _, cookie = people.sign_in_by_link(
                workbench_of(request), link, request.headers.get("user-agent", "")
            )
        except SignInRequired as error:
            return HTMLResponse(
                "<!doctype html><meta charset=utf-8><title>Labelwright</title>"
                "<body style='font:16px/24px system-ui;max-width:40rem;margin:4rem auto'>"
                f"<h1>This link does not work</h1><p>{error.message}.</p><p>{error.hint}.</p>"
                "<p><a href='/'>Go to Labelwright</a></p>",
                status_code=401,
            )
        response = RedirectResponse("/", status_code=303)
        set_cookie(request, response, cookie)
        return response

    @app.get("/{path:path}", include_in_schema=False)
    def browser_app(request: Request, path: str) -> Response:
        if path == "api" or path.startswith("api/"):
            return problem_response(404, "no_route", f"there is no route /{path[:200]}")
        name = "/" + path
        if name in files and name != "/index.html" and not name.endswith(".gz"):
            return _file(files, name, request)
        if "." in path.rsplit("/", 1)[-1]:
            raise NotFound("no_file", "there is no such file")
        return _page(files, request)


def _page(files: dict[str, Path], request: Request) -> Response:
    if "/index.html" not in files:
        return HTMLResponse(_NOT_BUILT, status_code=503)
    return HTMLResponse(files["/index.html"].read_bytes(), headers={"Cache-Control": "no-cache"})


def _file(files: dict[str, Path], name: str, request: Request) -> Response:
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if name.startswith("/assets/") else "no-cache"
    }
    path = files[name]
    if f"{name}.gz" in files:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            path = files[f"{name}.gz"]
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(path.read_bytes(), media_type=kind, headers=headers)
