"""Images of assets: whole, smaller, in tiles, and as they were imported."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import FileResponse, Response

from labelwright.flows import pictures
from labelwright.server.edge import Bench, SignedIn, new_router

router = new_router()

_HEADERS = {
    # The content of an asset never changes; whoever may not see it any more keeps what the browser kept anyway.
    "Cache-Control": "private, max-age=31536000, immutable",
    # Opened by itself, nothing in it runs, whatever it is.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_MEDIA_TYPES = {
    "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "tiff": "image/tiff",
    "bmp": "image/bmp", "heic": "image/heic",
}  # fmt: skip


def _is_known(request: Request, tag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return tag in {each.strip().removeprefix("W/") for each in known.split(",")} or known.strip() == "*"


def _shown(
    request: Request, bench: Bench, actor: SignedIn, project_id: int, asset_id: int, version: pictures.Version
) -> Response:
    found = pictures.find(bench, actor, project_id, asset_id, version)
    tag = f'"{found.blob}"'
    headers = _HEADERS | {"ETag": tag}
    if _is_known(request, tag):
        return Response(status_code=304, headers=headers)
    path = bench.blobs.path(found.blob)
    with path.open("rb") as file:
        start = file.read(12)
    if start.startswith(b"\xff\xd8\xff"):
        kind = "image/jpeg"
    elif start.startswith(b"\x89PNG"):
        kind = "image/png"
    else:
        kind = "image/webp"
    return FileResponse(path, media_type=kind, headers=headers)


@router.get("/projects/{project_id}/assets/{asset_id}/image", response_class=FileResponse)
def image(project_id: int, asset_id: int, request: Request, actor: SignedIn, bench: Bench) -> Response:
    """The whole image, upright, 8 bits per channel: JPEG, PNG or WebP."""
    return _shown(request, bench, actor, project_id, asset_id, "display")


@router.get("/projects/{project_id}/assets/{asset_id}/image/preview", response_class=FileResponse)
def image_preview(
    project_id: int, asset_id: int, request: Request, actor: SignedIn, bench: Bench
) -> Response:
    """The image within 1600 x 1600 pixels."""
    return _shown(request, bench, actor, project_id, asset_id, "preview")


@router.get("/projects/{project_id}/assets/{asset_id}/image/thumbnail", response_class=FileResponse)
def image_thumbnail(
    project_id: int, asset_id: int, request: Request, actor: SignedIn, bench: Bench
) -> Response:
    """The image within 256 x 256 pixels."""
    return _shown(request, bench, actor, project_id, asset_id, "thumbnail")


@router.get("/projects/{project_id}/assets/{asset_id}/image/original", response_class=FileResponse)
def image_original(project_id: int, asset_id: int, actor: SignedIn, bench: Bench) -> FileResponse:
    """The file as it was imported, to be saved."""
    found = pictures.find(bench, actor, project_id, asset_id, "original")
    name = re.sub(r"[\x00-\x1f\x7f]", "_", PurePosixPath(found.file_name).name) or "image"
    headers = _HEADERS | {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
    kind = _MEDIA_TYPES.get(found.format, "application/octet-stream")
    return FileResponse(bench.blobs.path(found.blob), media_type=kind, headers=headers)


@router.get("/projects/{project_id}/assets/{asset_id}/image/tiles/{level}/{x}/{y}", response_class=Response)
def image_tile(
    project_id: int,
    asset_id: int,
    level: int,
    x: int,
    y: int,
    request: Request,
    actor: SignedIn,
    bench: Bench,
) -> Response:
    """A tile of 512 x 512 pixels (less at the right and bottom edge) of a large image; level 0 is the smallest."""
    tag = f'"{pictures.find(bench, actor, project_id, asset_id, "original").blob}-{level}-{x}-{y}"'
    headers = _HEADERS | {"ETag": tag}
    if _is_known(request, tag):
        return Response(status_code=304, headers=headers)
    content = pictures.tile(bench, actor, project_id, asset_id, level, x, y)
    return Response(content, media_type="image/jpeg", headers=headers)
