"""Uploads, imports, exports."""

import queue
import threading
from collections.abc import Iterator
from pathlib import PurePosixPath

from fastapi import Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from labelwright.core.errors import Invalid
from labelwright.core.job import Job
from labelwright.core.problem import Problem
from labelwright.core.project import Modality
from labelwright.core.value import Value
from labelwright.flows import export, ingest, jobs
from labelwright.formats import READERS, WRITERS, Mapping
from labelwright.formats.registry import Reader, Writer
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()


class Formats(Value):
    """What can be read and written."""

    readers: tuple[Reader, ...]
    writers: tuple[Writer, ...]


class PreviewWanted(Value):
    """How to look at an upload; everything may be left to guessing."""

    format: str | None = None
    mapping: Mapping | None = None
    modality: Modality | None = None


class BadRows(Value):
    """A page of bad rows.

    Attributes:
        numbers: One per row: names it in `…/problems/{number}/file`, where the bytes of a bad image were kept.
    """

    rows: list[Problem]
    numbers: list[int]
    next: int | None


@router.get("/formats")
def list_formats(actor: SignedIn) -> Formats:
    """The import and export formats."""
    return Formats(readers=READERS, writers=WRITERS)


@router.post("/uploads", status_code=201)
async def upload(request: Request, actor: SignedIn, bench: Bench, name: str) -> ingest.Upload:
    """Send a file as the raw body; it is streamed to disk."""
    chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=16)
    cut = threading.Event()

    def received() -> Iterator[bytes]:
        while (chunk := chunks.get()) is not None:
            yield chunk
        if cut.is_set():
            raise Invalid("cut_upload", "the upload was cut off", "send the file again")

    async def feed() -> None:
        try:
            async for chunk in request.stream():
                if chunk:
                    await run_in_threadpool(chunks.put, chunk)
        except BaseException:
            cut.set()
            raise
        finally:
            await run_in_threadpool(chunks.put, None)

    import asyncio

    keeping = asyncio.ensure_future(run_in_threadpool(ingest.keep_upload, bench, actor, name, received()))
    feeding = asyncio.ensure_future(feed())
    done, _ = await asyncio.wait({keeping, feeding}, return_when=asyncio.FIRST_COMPLETED)
    if keeping in done and not feeding.done():
        # Refused (too large, disk full): stop reading what still comes, and free a blocked put.
        feeding.cancel()
        while not chunks.empty():
            chunks.get_nowait()
    return await keeping


@router.post("/uploads/{upload_id}/preview")
def preview(upload_id: str, actor: SignedIn, bench: Bench, body: PreviewWanted) -> ingest.FilePreview:
    """Columns, first rows, a guessed mapping and a suggested ontology; stores nothing."""
    return ingest.preview(bench, actor, upload_id, body.format, body.mapping, body.modality)


@router.post("/projects/{project_id}/imports", status_code=202)
def start_import(project_id: int, actor: SignedIn, bench: Bench, body: ingest.ImportWanted) -> Job:
    """Queue an import (or a dry run of one)."""
    return ingest.start_import(bench, actor, project_id, body)


@router.get("/projects/{project_id}/imports/{job_id}/problems")
def import_problems(
    project_id: int, job_id: int, actor: SignedIn, bench: Bench, after: int = 0, limit: int = 200
) -> BadRows:
    """Every bad row of an import."""
    limit = min(max(limit, 1), 1000)
    rows = ingest.import_problems(bench, actor, project_id, job_id, after, limit)
    return BadRows(
        rows=[problem for _, problem in rows],
        numbers=[number for number, _ in rows],
        next=rows[-1][0] if len(rows) == limit else None,
    )


@router.get("/projects/{project_id}/imports/{job_id}/problems/{number}/file", response_class=FileResponse)
def bad_file(project_id: int, job_id: int, number: int, actor: SignedIn, bench: Bench) -> FileResponse:
    """The bytes of an image that could not be used, to be saved."""
    path, name = ingest.bad_file(bench, actor, project_id, job_id, number)
    # Nothing is known of it but that it is no image that can be used: it is never shown, only saved.
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return FileResponse(
        path,
        filename=PurePosixPath(name).name or "file",
        media_type="application/octet-stream",
        headers=headers,
    )


@router.post("/projects/{project_id}/exports", status_code=202)
def start_export(project_id: int, actor: SignedIn, bench: Bench, body: export.ExportWanted) -> Job:
    """Queue an export."""
    return export.start_export(bench, actor, project_id, body)


@router.get("/projects/{project_id}/exports")
def list_exports(project_id: int, actor: SignedIn, bench: Bench) -> list[Job]:
    """Exports, newest first."""
    return jobs.list_jobs(bench, actor, project_id, ("export",))


@router.get("/projects/{project_id}/exports/{job_id}/file", response_class=FileResponse)
def export_file(project_id: int, job_id: int, actor: SignedIn, bench: Bench) -> FileResponse:
    """The finished zip."""
    path, name = export.export_file(bench, actor, project_id, job_id)
    return FileResponse(path, filename=name, media_type="application/zip")
