"""Takes labels out: a background job over one snapshot, with a manifest and a report of every loss.

The finished zip is a blob; a half-written one is never downloadable. The same snapshot gives the same bytes.
"""

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from labelwright import __version__
from labelwright.core.access import Actor
from labelwright.core.errors import Conflict, NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import SpanQuestion
from labelwright.core.transfer import Outgoing
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.flows.browse import Filter
from labelwright.flows.jobs import Control, Report
from labelwright.formats import WRITERS, writer
from labelwright.formats.output import Exporting, Losses
from labelwright.store import asset as assets
from labelwright.store import history, jobs, people
from labelwright.store import project as projects
from labelwright.store import transfer as store
from labelwright.workbench import Workbench

Which = Literal["latest", "majority"]


class ExportWanted(Value):
    """An export as asked for.

    Attributes:
        which: Whose answers a format writes that holds one set per asset: the `latest` submission, or the `majority`
            (most frequent whole set; the later of two equally frequent ones).
        include: `all` assets, those `answered` by a person or a model, those `labelled` by people, or those
            `trusted`: labelled by people, or accepted from a model by rule.
    """

    format: str
    which: Which = "latest"
    include: Literal["all", "answered", "labelled", "trusted"] = "all"
    filter: Filter = Filter()


def start_export(workbench: Workbench, actor: Actor, project_id: int, wanted: ExportWanted) -> Job:
    """Queue an export.

    Raises:
        Invalid: There is no such format.
    """
    writer(wanted.format)
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "export")
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
            conditions = wanted.filter.model_dump(exclude_none=True)
            total = store.count(tx, project.id, conditions)
            names = people.display_names(tx, [p.user_id for p in people.all_people(tx)])
            counters = {k: n for k, n in assets.counters(tx, project.id).items() if ":" not in k}
            rows = _included(store.outgoing(tx, project.id, conditions, wanted.which, names), wanted, losses)
            answered_by: Counter[str] = Counter()
            content = folder / "content"
            content.mkdir()
            written = writer(wanted.format)(
                _watched(_counted(rows, answered_by), workbench, control, total),
                Exporting(ontology, content, losses),
            )
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
            "answers": f"{wanted.which} submission that counts, else the model's prediction",
            "include": wanted.include,
            "filter": conditions,
            "rows": written.rows,
            "left_out": losses.left_out_counts,
            "answered_by": dict(sorted(answered_by.items())),
            "counts": counters,
            "files": {path.name: _sha256(path) for path in sorted(content.iterdir())},
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (content / "manifest.json").write_text(text, encoding="utf-8")
        archive = folder / "export.zip"
        _zip(content, archive)
        control.check()
        with archive.open("rb") as file:
            blob, size = workbench.blobs.put(iter(lambda: file.read(1 << 20), b""))
        report: Report = {
            "blob": blob, "size_bytes": size, "rows": written.rows, "left_out": losses.left_out_counts,
            "lost": losses.counts, "notes": losses.notes, "file_name": _file_name(project.name, wanted.format),
        }  # fmt: skip
        with workbench.store.write() as tx:
            history.record(
                tx, workbench.now(), "exported", project_id=project.id, user_id=job.created_by,
                body={"format": wanted.format, "rows": written.rows},
            )  # fmt: skip
            control.save(tx, done=total, total=total, message=f"{written.rows:,} rows written")
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


def _watched(
    rows: Iterator[Outgoing], workbench: Workbench, control: Control, total: int
) -> Iterator[Outgoing]:
    for n, row in enumerate(rows):
        if n % 2_000 == 0:
            control.check()
            with workbench.store.write() as tx:
                control.save(tx, done=n, total=total)
        yield row


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _zip(folder: Path, target: Path) -> None:
    # Fixed times, so that the same content gives the same bytes.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(folder.iterdir()):
            info = zipfile.ZipInfo(path.name, date_time=(2000, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
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
