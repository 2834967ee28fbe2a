"""Takes labels out: a background job over one snapshot, with a manifest and a report of every loss.

The finished zip is a blob; a half-written one is never downloadable. The same snapshot gives the same bytes.
"""

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from labelwright import __version__
from labelwright.core.access import Actor
from labelwright.core.asset import Asset
from labelwright.core.errors import Conflict, Invalid, NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import SpanQuestion
from labelwright.core.transfer import Outgoing
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.flows.browse import MOST_IDS, Filter
from labelwright.flows.jobs import Control, Report
from labelwright.formats import WRITERS, writer
from labelwright.formats.output import Exporting, Losses, safe_name
from labelwright.formats.pictures import is_image
from labelwright.formats.registry import for_modality, holds_everybody
from labelwright.store import asset as assets
from labelwright.store import history, jobs, people
from labelwright.store import project as projects
from labelwright.store import transfer as store
from labelwright.workbench import Workbench

Which = Literal["latest", "majority", "each"]


class ExportWanted(Value):
    """An export as asked for.

    Attributes:
        which: Whose answers a format writes that holds one set per asset: the `latest` submission; the `majority` (the
            whole set that most people share by `core.answer.same_meaning`, as the last of them gave it; the later of
            two equally frequent ones); or `each` person's, in a folder `people/<name>` of their own.
        include: `all` assets, those `answered` by a person or a model, those `labelled` by people, or those
            `trusted`: labelled by people, or accepted from a model by rule.
        asset_ids: Only these, of what the filter finds; all of it when empty.
        with_images: Whether the images lie beside their labels, byte for byte as they came.
    """

    format: str
    which: Which = "latest"
    include: Literal["all", "answered", "labelled", "trusted"] = "all"
    filter: Filter = Filter()
    asset_ids: tuple[int, ...] = Field(default=(), max_length=MOST_IDS)
    with_images: bool = False

    @property
    def conditions(self) -> dict[str, Any]:
        """The filter as the store takes it."""
        found = self.filter.model_dump(exclude_none=True)
        return found | {"asset_ids": self.asset_ids} if self.asset_ids else found


def start_export(workbench: Workbench, actor: Actor, project_id: int, wanted: ExportWanted) -> Job:
    """Queue an export.

    Raises:
        Invalid: There is no such format, or it holds no assets of this kind.
    """
    writer(wanted.format)
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "export")
        fitting = [each.name for each in for_modality(project.modality)[1]]
        if wanted.format not in fitting:
            message = f"{wanted.format} holds no {project.modality} assets"
            raise Invalid("wrong_modality", message, f"formats: {', '.join(fitting)}")
        job_id = jobs.add(
            tx,
            "export",
            project_id,
            wanted.model_dump(mode="json", exclude_none=True),
            actor.user_id,
            workbench.now(),
        )
        job = jobs.get(tx, job_id)
    assert job is not None
    return job


def run_export(workbench: Workbench, job: Job, control: Control) -> Report:
    """The work of an export job; it starts anew after a restart, because its snapshot is gone."""
    wanted = ExportWanted.model_validate(job.params)
    assert job.project_id is not None
    folder = Path(tempfile.mkdtemp(prefix="export-", dir=workbench.settings.home))
    try:
        losses = Losses()
        with workbench.store.read() as tx:
            project = projects.get(tx, job.project_id)
            if project is None:
                raise NotFound("no_project", "the project is in the trash")
            ontology = projects.ontology(tx, project.id, project.ontology_version)
            assert ontology is not None
            conditions = wanted.conditions
            names = people.display_names(tx, [p.user_id for p in people.all_people(tx)])
            counters = {k: n for k, n in assets.counters(tx, project.id).items() if ":" not in k}
            answered_by: Counter[str] = Counter()
            content = folder / "content"
            content.mkdir()
            to = Exporting(ontology, content, losses, _original(workbench) if wanted.with_images else None)
            write = writer(wanted.format)
            apart = wanted.which == "each" and not holds_everybody(wanted.format)
            authors = store.authors(tx, project.id, conditions) if apart else {}
            total = sum(authors.values()) if apart else store.count(tx, project.id, conditions)
            watch = _Watch(workbench, control, total)
            n_written = 0
            if not apart:
                rows = store.outgoing(tx, project.id, conditions, wanted.which, names)
                rows = _counted(_included(rows, wanted, losses), answered_by)
                n_written = write(watch.over(rows), to).rows
            for author_id, inside in _one_each(to, {author: names[author] for author in authors}):
                rows = store.outgoing(tx, project.id, conditions, wanted.which, names, author_id=author_id)
                n_written += write(watch.over(_counted(rows, answered_by)), inside).rows
            if apart and (nobody := store.unanswered(tx, project.id, conditions)):
                losses.left_out_counts["not_labelled"] = nobody
        for sha256 in sorted(
            {q.knowledge for q in ontology.active_questions if isinstance(q, SpanQuestion) and q.knowledge}
        ):
            # Links are ids of this list; without it they mean nothing to whoever reads the files.
            shutil.copyfile(workbench.blobs.path(sha256), content / f"entities_{sha256[:12]}.jsonl")
        losses.write(content)
        manifest = {
            "labelwright": __version__,
            "project": {"id": project.id, "name": project.name, "ontology_version": project.ontology_version},
            "format": wanted.format,
            "answers": "each person's submission that counts, apart"
            if apart
            else f"{wanted.which} submission that counts, else the model's prediction",
            "with_images": wanted.with_images,
            "include": wanted.include,
            "filter": wanted.filter.model_dump(exclude_none=True),
            **({"asset_ids": list(wanted.asset_ids)} if wanted.asset_ids else {}),
            "rows": n_written,
            "left_out": losses.left_out_counts,
            "answered_by": dict(sorted(answered_by.items())),
            "counts": counters,
            "files": {name: _sha256(path) for name, path in _files_in(content)},
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (content / "manifest.json").write_text(text, encoding="utf-8")
        archive = folder / "export.zip"
        _zip(content, archive)
        control.check()
        with archive.open("rb") as file:
            blob, size = workbench.blobs.put(iter(lambda: file.read(1 << 20), b""))
        report: Report = {
            "blob": blob, "size_bytes": size, "rows": n_written, "left_out": losses.left_out_counts,
            "lost": losses.counts, "notes": losses.notes, "file_name": _file_name(project.name, wanted.format),
        }  # fmt: skip
        with workbench.store.write() as tx:
            history.record(
                tx, workbench.now(), "exported", project_id=project.id, user_id=job.created_by,
                body={"format": wanted.format, "rows": n_written},
            )  # fmt: skip
            control.save(tx, done=total, total=total, message=f"{n_written:,} rows written")
        return report
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _included(rows: Iterator[Outgoing], wanted: ExportWanted, losses: Losses) -> Iterator[Outgoing]:
    for row in rows:
        if wanted.include == "labelled" and row.chosen_by != "person":
            losses.left_out(row.asset, "not_labelled")
        elif wanted.include == "trusted" and row.chosen_by != "person" and not row.accepted:
            losses.left_out(row.asset, "not_trusted")
        elif wanted.include == "answered" and row.chosen is None:
            losses.left_out(row.asset, "not_answered")
        else:
            yield row


def _counted(rows: Iterator[Outgoing], answered_by: Counter[str]) -> Iterator[Outgoing]:
    """Counts whose answers are written, so that the manifest tells machine-made ones from people's."""
    for row in rows:
        answered_by["model, accepted" if row.accepted else row.chosen_by or "nobody"] += 1
        yield row


class _Watch:
    """Tells how far the export is, over all of its passes."""

    def __init__(self, workbench: Workbench, control: Control, total: int) -> None:
        self.workbench, self.control, self.total, self.done = workbench, control, total, 0

    def over(self, rows: Iterator[Outgoing]) -> Iterator[Outgoing]:
        """The same rows."""
        for row in rows:
            if self.done % 500 == 0:
                self.control.check()
                with self.workbench.store.write() as tx:
                    self.control.save(tx, done=self.done, total=self.total)
            self.done += 1
            yield row


def _one_each(to: Exporting, names: dict[int, str]) -> Iterator[tuple[int, Exporting]]:
    """(author, where their answers go), in the order of their ids."""
    taken: set[str] = set()
    for author_id, name in sorted(names.items()):
        folder = safe_name(name)
        if folder.casefold() in taken:
            folder = f"{folder}_{author_id}"
        taken.add(folder.casefold())
        yield author_id, to.inside(f"people/{folder}", name)


def _original(workbench: Workbench) -> Callable[[Asset], Path]:
    return lambda asset: workbench.blobs.path(asset.sha256)


def _files_in(folder: Path) -> list[tuple[str, Path]]:
    """(name inside, path) of every file below a folder, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _zip(folder: Path, target: Path) -> None:
    # Fixed times, so that the same content gives the same bytes.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in _files_in(folder):
            info = zipfile.ZipInfo(name, date_time=(2000, 1, 1, 0, 0, 0))
            # Images are compressed already.
            info.compress_type = zipfile.ZIP_STORED if is_image(name) else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def _file_name(project: str, form: str) -> str:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in project).strip("_")
    return f"{safe or 'project'}-{form}.zip"


def export_file(workbench: Workbench, actor: Actor, project_id: int, job_id: int) -> tuple[Path, str]:
    """(path of the finished zip, name for the download).

    Raises:
        NotFound: The project has no such export.
        Conflict: It is not finished.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "export")
        job = jobs.get(tx, job_id)
    if job is None or job.project_id != project_id or job.kind != "export":
        raise NotFound("no_export", f"project {project_id} has no export {job_id}")
    if job.state != "done":
        raise Conflict("not_finished", f"this export is {job.state}", job.message)
    if "blob" not in job.report:
        raise NotFound("no_file", f"export {job_id} has no file", "export again")
    return workbench.blobs.path(str(job.report["blob"])), str(job.report["file_name"])


def list_formats() -> tuple[Any, ...]:
    """The export formats."""
    return WRITERS
