"""A small Python client for a running workbench: projects, imports, the queue, runs, exports.

    from labelwright.client import Client
    bench = Client("http://127.0.0.1:8080", token="lw_…")
    project = bench.create_project("Reviews", labels=["positive", "negative"])
    bench.import_file(project["id"], "reviews.csv")
    bench.export(project["id"], "csv", "reviews.zip")

Everything else of the HTTP API is reachable with `get`, `post`, `put`, `patch` and `delete`. Standard library only.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from labelwright.core.errors import Conflict, Invalid, LabelwrightError, NotAllowed, NotFound, SignInRequired
from labelwright.core.problem import Problem

Json = Any

_BY_STATUS: dict[int, type[LabelwrightError]] = {
    401: SignInRequired, 403: NotAllowed, 404: NotFound, 409: Conflict,
}  # fmt: skip


class Client:
    """Speaks to one workbench with an API token."""

    def __init__(self, url: str, token: str, timeout_s: float = 60.0) -> None:
        """Make a client.

        Args:
            url: Where the workbench runs, such as `http://127.0.0.1:8080`.
            token: An API token, `lw_<id>_<secret>`, made in Settings.
            timeout_s: For one request.
        """
        self._url, self._token, self._timeout_s = url.rstrip("/"), token, timeout_s

    # --- any route ----------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Json:
        """`GET /api{path}`; arguments that are None are left out."""
        wanted = {key: value for key, value in query.items() if value is not None}
        return self._call("GET", f"{path}?{urllib.parse.urlencode(wanted)}" if wanted else path)

    def post(self, path: str, body: Json = None) -> Json:
        """`POST /api{path}` with a JSON body."""
        return self._call("POST", path, {} if body is None else body)

    def put(self, path: str, body: Json) -> Json:
        """`PUT /api{path}` with a JSON body."""
        return self._call("PUT", path, body)

    def patch(self, path: str, body: Json) -> Json:
        """`PATCH /api{path}` with a JSON body."""
        return self._call("PATCH", path, body)

    def delete(self, path: str) -> Json:
        """`DELETE /api{path}`."""
        return self._call("DELETE", path)

    # --- the usual things ---------------------------------------------------------------------------------------

    def create_project(
        self,
        name: str,
        *,
        labels: Sequence[str] = (),
        entities: Sequence[str] = (),
        ontology: Json = None,
        settings: Json = None,
    ) -> Json:
        """Make a project from an ontology, or from plain lists of classes or entity types."""
        questions = []
        if labels:
            questions.append({"kind": "choice", "name": "Label", "labels": list(labels)})
        if entities:
            questions.append({"kind": "span", "name": "Entities", "labels": list(entities)})
        body = {"name": name, "ontology": ontology or {"questions": questions}, "settings": settings or {}}
        return self.post("/projects", body)

    def import_file(
        self, project_id: int, path: str | Path, *, mapping: Json = None, dry_run: bool = False
    ) -> Json:
        """Send a file, import it, wait; returns the report.

        Raises:
            LabelwrightError: The import failed; what was committed before stays.
        """
        path = Path(path)
        with path.open("rb") as file:
            upload = self._call(
                "POST", f"/uploads?name={urllib.parse.quote(path.name)}", file, size=path.stat().st_size
            )
        body = {"upload_id": upload["upload_id"], "mapping": mapping, "options": {"dry_run": dry_run}}
        job = self.post(f"/projects/{project_id}/imports", body)
        return self.wait(project_id, job["id"])["report"]

    def export(self, project_id: int, form: str, target: str | Path, **wanted: Any) -> Json:
        """Export, wait, and write the zip to `target`; returns the report."""
        job = self.post(f"/projects/{project_id}/exports", {"format": form, **wanted})
        done = self.wait(project_id, job["id"])
        request = self._request("GET", f"/projects/{project_id}/exports/{job['id']}/file")
        target = Path(target)
        partial = target.with_name(target.name + ".part")
        with self._open(request) as answer, partial.open("wb") as file:
            while chunk := answer.read(1 << 20):
                file.write(chunk)
        partial.replace(target)
        return done["report"]

    def assets(self, project_id: int, **wanted: Any) -> Iterator[Json]:
        """Every row of the data table that a filter finds (`status=`, `label=`, `confidence_below=`, `text=`, …)."""
        after = None
        while True:
            page = self.get(f"/projects/{project_id}/assets", after=after, limit=200, **wanted)
            yield from page["rows"]
            after = page["next"]
            if after is None:
                return

    def wait(
        self,
        project_id: int,
        job_id: int,
        on_progress: Callable[[Json], None] = lambda _: None,
        pause_s: float = 0.2,
    ) -> Json:
        """Wait for a job; returns it.

        Raises:
            LabelwrightError: It failed or was cancelled.
        """
        while True:
            job = self.get(f"/projects/{project_id}/jobs/{job_id}")
            on_progress(job)
            if job["state"] == "done":
                return job
            if job["state"] in ("failed", "cancelled"):
                raise LabelwrightError(
                    f"job_{job['state']}", f"the {job['kind']} {job['state']}: {job['message']}"
                )
            time.sleep(pause_s)

    # --- the wire -----------------------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, body: Json | BinaryIO = None, size: int | None = None
    ) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data: Any = None
        if size is not None:
            data = body
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return urllib.request.Request(f"{self._url}/api{path}", data=data, headers=headers, method=method)  # noqa: S310

    def _call(self, method: str, path: str, body: Json | BinaryIO = None, size: int | None = None) -> Json:
        with self._open(self._request(method, path, body, size)) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            return urllib.request.urlopen(request, timeout=self._timeout_s)  # noqa: S310 - the user's own address
        except urllib.error.HTTPError as error:
            raise _error(error.code, error.read()) from None
        except urllib.error.URLError as error:
            message = f"{self._url} cannot be reached: {error.reason}"
            raise LabelwrightError("unreachable", message, "start it with: labelwright start") from None


def _error(status: int, content: bytes) -> LabelwrightError:
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    code, detail, hint = body.get("code", "error"), body.get("detail", f"HTTP {status}"), body.get("hint", "")
    if status == 422:
        return Invalid(code, detail, hint, [Problem(**each) for each in body.get("problems", [])])
    return _BY_STATUS.get(status, LabelwrightError)(code, detail, hint)
