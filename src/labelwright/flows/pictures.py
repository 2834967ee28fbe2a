"""Looking at an image: which blob shows it, for whom. Reads only."""

from typing import Any, Literal

from labelwright.core.access import Actor
from labelwright.core.errors import NotFound
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.store import picture as pictures
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

Version = Literal["display", "preview", "thumbnail", "original"]


class Shown(Value):
    """A file that shows an image.

    Attributes:
        blob: Its name; the same content has the same name, so it serves as a tag for caches.
        file_name: What the image was called.
        format: Of the original, as decoded.
    """

    blob: str
    file_name: str
    format: str


def find(workbench: Workbench, actor: Actor, project_id: int, asset_id: int, version: Version) -> Shown:
    """The file with one version of an image, for every member of its project: whoever may label it may see it.

    Raises:
        NotFound: There is no such image, or the actor is a stranger to the project.
    """
    with workbench.store.read() as tx:
        row, name = _row(tx, actor, project_id, asset_id)
    blob = row.sha256 if version == "original" else getattr(row, version)
    return Shown(blob=blob, file_name=name, format=row.format)


def tile(
    workbench: Workbench, actor: Actor, project_id: int, asset_id: int, level: int, x: int, y: int
) -> bytes:
    """A tile of a large image as JPEG.

    Raises:
        NotFound: There is no such image or tile, or the actor is a stranger to the project.
    """
    with workbench.store.read() as tx:
        row, _ = _row(tx, actor, project_id, asset_id)
    if row.tiles is None:
        raise NotFound("no_tile", "this image is shown whole, it has no tiles")
    return workbench.pictures.tile(row.tiles, level, x, y)


def _row(tx: Tx, actor: Actor, project_id: int, asset_id: int) -> tuple[Any, str]:
    guard.project(tx, actor, project_id, "see_project")
    asset = guard.asset(tx, project_id, asset_id)
    row = pictures.row(tx, asset.sha256) if asset.modality == "image" else None
    if row is None:
        raise NotFound("no_image", f"asset {asset_id} is no image")
    return row, (asset.image.file_name if asset.image else "") or asset.external_id or str(asset_id)
