"""Brings files in: upload, preview, and an import job that streams, can be resumed, and never makes duplicates.

Rows are committed in chunks together with the place to go on from, so that after a crash the job continues by itself
and no row is stored twice.
"""

import itertools
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.errors import Invalid, NotFound, PrivacyRefused
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology, with_colours
from labelwright.core.ports import Files
from labelwright.core.problem import Problem
from labelwright.core.project import Modality, Project
from labelwright.core.transfer import Incoming
from labelwright.core.value import Value
from labelwright.flows import guard
from labelwright.flows.arrivals import Arrival, Quarantined, files_at, of_images, of_text, on_the_web
from labelwright.flows.arrivals import is_address as is_address
from labelwright.flows.jobs import Control, Report
from labelwright.flows.storing import ImportOptions as ImportOptions
from labelwright.flows.storing import LabelsAre, Tally, store_chunk
from labelwright.formats import READERS, Mapping, open_source, sniff
from labelwright.formats import mapping as maps
from labelwright.formats.edge import printable
from labelwright.formats.registry import (
    for_modality,
    head,
    holds_images,
    image_questions,
    open_images,
    sniff_images,
)
from labelwright.store import history, jobs
from labelwright.store import project as projects
from labelwright.store import transfer as store
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

CHUNK = 2_000
ADDRESSES = "image_addresses"
"""The format whose images lie on the web and not in the source."""
IMAGE_CHUNK, IMAGE_CHUNK_S = 500, 2.0
MAX_UPLOAD_BYTES = 8 * 2**30
PREVIEW_ROWS = 200


class Upload(Value):
    """A file that was sent and is kept until it is imported."""

    upload_id: str
    name: str
    size_bytes: int
    sha256: str
    format: str | None
    problem: str = ""


class FilePreview(Value):
    """What a file holds, before anything is imported.

    Attributes:
        mapping: As given, else guessed.
        rows: The first rows as the mapping reads them.
        suggested: An ontology made from columns or annotations that look like labels; None when there are none.
    """

    format: str
    modality: Modality
    needs_mapping: bool
    columns: tuple[maps.Column, ...]
    mapping: Mapping
    rows: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]
    suggested: Ontology | None = None


class ImportWanted(Value):
    """An import as asked for."""

    upload_id: str = Field(max_length=100)
    format: str | None = None
    mapping: Mapping | None = None
    options: ImportOptions = ImportOptions()


def keep_upload(workbench: Workbench, actor: Actor, name: str, chunks: Iterable[bytes]) -> Upload:
    """Store a file; only its content and, as data, its name are kept."""
    name = printable(Path(name.replace("\\", "/")).name[:300]) or "upload"
    blob, size = workbench.blobs.put(chunks, limit_bytes=MAX_UPLOAD_BYTES)
    upload_id = uuid.uuid4().hex
    with workbench.store.write() as tx:
        store.add_upload(tx, upload_id, actor.user_id, name, blob, size, workbench.now())
    form, problem = None, ""
    try:
        form = format_of(workbench, workbench.blobs.path(blob), name, None)
    except Invalid as error:
        problem = error.message
    return Upload(upload_id=upload_id, name=name, size_bytes=size, sha256=blob, format=form, problem=problem)


def format_of(workbench: Workbench, where: Path | str, name: str, modality: Modality | None) -> str:
    """The format of a file, folder or address, by what is in it.

    Args:
        workbench: For looking into archives.
        where: A path on this machine, or an address of a bucket.
        name: What it is called.
        modality: Of the project it is for; None when that is not known: images are looked for first.

    Raises:
        NotFound: There is no such file.
        Invalid: It is none that can be read.
    """
    if isinstance(where, Path) and not where.exists():
        raise NotFound("no_file", f"there is no file {where}")
    if modality == "text" and isinstance(where, Path):
        return sniff(where, name)
    try:
        with files_at(workbench, where, name) as files:
            return sniff_images(files, name)
    except Invalid:
        if modality == "image" or isinstance(where, str):
            raise
        return sniff(where, name)


def _fitting(workbench: Workbench, where: Path | str, name: str, form: str | None, project: Project) -> str:
    """The format as wanted, if it fits the project; else the one that is found.

    Raises:
        Invalid: It fits no project of this kind.
    """
    if form is None:
        return format_of(workbench, where, name, project.modality)
    _with_columns(form)
    fitting = [reader.name for reader in for_modality(project.modality)[0]]
    if form not in fitting:
        raise Invalid(
            "wrong_format", f"the format {form!r} is not for projects of {project.modality}s",
            f"formats: {', '.join(fitting)}",
        )  # fmt: skip
    return form


def _holds(
    workbench: Workbench, where: Path | str, name: str, form: str, wanted: Modality | None
) -> Modality:
    """Whether texts or images are read from this; of a format that can hold both, what is wanted, else what is in it."""
    found = next(reader.modalities for reader in READERS if reader.name == form)
    if len(found) == 1:
        return found[0]
    if wanted is not None:
        return wanted
    try:
        with files_at(workbench, where, name) as files:
            return "image" if holds_images(files, form) else "text"
    except Invalid:
        return "text"


def file_of(workbench: Workbench, tx: Tx, actor: Actor, upload_id: str) -> tuple[Path, str]:
    """Where an upload lies, and its name.

    Raises:
        NotFound: The actor has no such upload.
    """
    row = store.upload(tx, upload_id)
    if row is None or (row.user_id != actor.user_id and not actor.is_admin):
        raise NotFound("no_upload", "this upload is not known", "send the file again")
    return workbench.blobs.path(row.blob), row.name


def preview(
    workbench: Workbench,
    actor: Actor,
    upload_id: str,
    form: str | None,
    mapping: Mapping | None,
    modality: Modality | None = None,
) -> FilePreview:
    """Columns, first rows, a guessed mapping and a suggested ontology.

    Args:
        workbench: The windows to the world.
        actor: Who sent the file.
        upload_id: Of the file.
        form: Its format; found out when None.
        mapping: What columns mean; guessed when None.
        modality: Of the project it is for, where that is known.

    Raises:
        Invalid: The file as a whole cannot be read.
    """
    with workbench.store.read() as tx:
        path, name = file_of(workbench, tx, actor, upload_id)
    form = form or format_of(workbench, path, name, modality)
    with_columns = _with_columns(form)
    if _holds(workbench, path, name, form, modality) == "image":
        return _preview_images(workbench, path, name, form)
    columns: list[maps.Column] = []
    problems: list[Problem] = []
    encoding = mapping.encoding if mapping is not None else None
    if with_columns:
        raw, problems = head(path, name, form, encoding, PREVIEW_ROWS)
        columns = maps.columns_of(raw)
    chosen = mapping or maps.guess(columns)
    shown: list[Incoming] = []
    for each in itertools.islice(open_source(path, name, form, chosen), PREVIEW_ROWS):
        if isinstance(each, Problem):
            problems.append(each)
        else:
            shown.append(each)
    seen = list({(p.where, p.code): p for p in problems}.values())
    return FilePreview(
        format=form,
        modality="text",
        needs_mapping=with_columns,
        columns=tuple(columns),
        mapping=chosen,
        rows=tuple(_shown(each) for each in shown[:20]),
        problems=tuple(seen[:100]),
        suggested=_suggest(columns, chosen, shown),
    )


def _preview_images(workbench: Workbench, path: Path, name: str, form: str) -> FilePreview:
    from labelwright.flows.setup import parse_ontology

    with files_at(workbench, path, name) as files:
        problems = list(files.problems[:100])
        shown: list[Incoming] = []
        for each in itertools.islice(open_images(files, name, form), PREVIEW_ROWS):
            if isinstance(each, Problem):
                problems.append(each)
            else:
                shown.append(each)
        asked = image_questions(files, form, shown)
    try:
        suggested = with_colours(parse_ontology({"questions": asked})) if asked else None
    except Invalid:
        suggested = None
    return FilePreview(
        format=form, modality="image", needs_mapping=False, columns=(), mapping=Mapping(), rows=tuple(_shown(each) for each in shown[:20]),
        problems=tuple(problems[:100]), suggested=suggested,
    )  # fmt: skip


def _with_columns(form: str) -> bool:
    found = next((reader for reader in READERS if reader.name == form), None)
    if found is None:
        names = ", ".join(reader.name for reader in READERS)
        raise Invalid("unknown_format", f"there is no import format {form!r}", f"formats: {names}")
    return found.columns


def _shown(row: Incoming) -> dict[str, Any]:
    opinions = [{"by": o.by, "name": o.name, "answers": o.answers} for o in row.opinions]
    return {
        "where": row.where, "text": row.text[:500], "image": row.image, "external_id": row.external_id,
        "metadata": row.metadata, "opinions": opinions,
    }  # fmt: skip


def _suggest(columns: list[maps.Column], mapping: Mapping, rows: list[Incoming]) -> Ontology | None:
    from labelwright.flows.setup import parse_ontology

    questions: list[dict[str, Any]] = []
    for question, names in _labels_seen(rows).items():
        kind, labels = names
        questions.append({"kind": kind, "name": question, "labels": sorted(labels)})
    mapped = {*mapping.answers.values(), *mapping.gold.values(), *mapping.predictions.values()}
    for column in maps.label_columns(columns, mapping):
        if column.name not in mapped:
            questions.append({"kind": "choice", "name": column.name, "labels": sorted(column.values)})
    if not questions:
        return None
    try:
        return with_colours(parse_ontology({"questions": questions[:5]}))
    except Invalid:
        return None


def _labels_seen(rows: list[Incoming]) -> dict[str, tuple[str, set[str]]]:
    seen: dict[str, tuple[str, set[str]]] = {}
    for opinion in itertools.chain.from_iterable(row.opinions for row in rows):
        for question, value in opinion.answers.items():
            values = value if isinstance(value, list) else [value]
            for each in values:
                if isinstance(each, dict) and isinstance(each.get("label"), str):
                    seen.setdefault(question, ("span", set()))[1].add(each["label"])
                elif isinstance(each, str) and len(each) <= 60:
                    seen.setdefault(question, ("choice", set()))[1].add(each)
    return {q: (kind, labels) for q, (kind, labels) in seen.items() if len(labels) <= 200}


def start_import(workbench: Workbench, actor: Actor, project_id: int, wanted: ImportWanted) -> Job:
    """Queue an import.

    Raises:
        Invalid: The format is unknown or the file as a whole cannot be read.
    """
    with workbench.store.write() as tx:
        project = guard.project(tx, actor, project_id, "import")
        path, name = file_of(workbench, tx, actor, wanted.upload_id)
        form = _fitting(workbench, path, name, wanted.format, project)
        if wanted.mapping is None and _with_columns(form):
            raw, _ = head(path, name, form, None, PREVIEW_ROWS)
            wanted = wanted.model_copy(update={"mapping": maps.guess(maps.columns_of(raw))})
        wanted = wanted.model_copy(update={"format": form})
        params = wanted.model_dump(mode="json") | {"name": name, "path": str(path)}
        job_id = jobs.add(tx, "import", project_id, params, actor.user_id, workbench.now())
        job = jobs.get(tx, job_id)
    assert job is not None
    return job


def start_import_of_path(
    workbench: Workbench,
    actor: Actor,
    project_id: int,
    where: Path | str,
    form: str | None,
    mapping: Mapping | None,
    options: ImportOptions,
) -> Job:
    """Queue an import of a file or folder on this machine, without a copy of it, or of a bucket; for the command line only.

    Raises:
        NotFound: There is no such file.
        PrivacyRefused: The project is private and the address is on another machine.
    """
    if isinstance(where, Path) and not where.exists():
        raise NotFound("no_file", f"there is no file {where}")
    name = where.name if isinstance(where, Path) else where
    with workbench.store.read() as tx:
        project = guard.project(tx, actor, project_id, "import")
    if isinstance(where, str) and project.settings.private and not where.startswith("memory://"):
        raise PrivacyRefused(
            "private_project", f"this project is private; nothing is fetched from {where[:100]}",
            "download the files and import them from this machine",
        )  # fmt: skip
    form = _fitting(workbench, where, name, form, project)
    if mapping is None and isinstance(where, Path):
        raw = head(where, name, form, None, PREVIEW_ROWS)[0] if _with_columns(form) else []
        mapping = maps.guess(maps.columns_of(raw))
    params = ImportWanted(upload_id="", format=form, mapping=mapping, options=options).model_dump(mode="json")
    lies = where if isinstance(where, str) else str(where.resolve())
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "import")
        job_id = jobs.add(
            tx, "import", project_id, params | {"name": name, "path": lies}, actor.user_id, workbench.now()
        )
        job = jobs.get(tx, job_id)
    assert job is not None
    return job


# --- the job ----------------------------------------------------------------------------------------------------


def run_import(workbench: Workbench, job: Job, control: Control) -> Report:
    """The work of an import job."""
    wanted = ImportWanted.model_validate(
        {k: v for k, v in job.params.items() if k in ImportWanted.model_fields}
    )
    name = str(job.params["name"])
    with ExitStack() as open_things:
        source, total, is_image = _arriving(workbench, job, wanted, open_things)
        # A dry run stored nothing it could go on from.
        done = 0 if wanted.options.dry_run else int(job.cursor.get("read", 0))
        tally = Tally({} if wanted.options.dry_run else job.report)
        seen: dict[str, str] = {}  # a dry run stores nothing, so it remembers what it met itself
        what = "images" if is_image else "rows"
        while True:
            control.check()
            if not wanted.options.dry_run:
                workbench.blobs.check_space()
            chunk = _take(source, control, is_image=is_image)
            if not chunk:
                break
            done += len(chunk)
            if not wanted.options.dry_run:
                workbench.blobs.sync(_blobs_of(chunk))
            with workbench.store.write() as tx:
                store_chunk(tx, workbench, job, wanted.options, chunk, tally, seen)
                control.save(
                    tx, done=done, total=total, cursor={"read": done}, report=tally.report(),
                    message=f"{done:,} {what} read",
                )  # fmt: skip
    with workbench.store.write() as tx:
        counts = {key: value for key, value in tally.n.items() if value}
        if not wanted.options.dry_run:
            history.record(
                tx, workbench.now(), "imported", project_id=job.project_id, user_id=job.created_by,
                body={"file": name, **counts},
            )  # fmt: skip
        control.save(tx, total=done, done=done)
    return tally.report()


def _arriving(
    workbench: Workbench, job: Job, wanted: ImportWanted, open_things: ExitStack
) -> tuple[Iterator[Arrival | Problem], int | None, bool]:
    """What is still to be stored, how many rows there are in all where that is known, and whether they are images."""
    assert wanted.format is not None and job.project_id is not None
    where, name = _where(job.params["path"]), str(job.params["name"])
    done = 0 if wanted.options.dry_run else int(job.cursor.get("read", 0))
    with workbench.store.read() as tx:
        project = projects.get(tx, job.project_id)
    if project is None:
        raise NotFound("no_project", "the project is in the trash")
    if _holds(workbench, where, name, wanted.format, project.modality) == "text":
        assert isinstance(where, Path)
        texts = open_source(where, name, wanted.format, wanted.mapping or Mapping())
        return map(of_text, itertools.islice(texts, done, None)), None, False
    files = open_things.enter_context(files_at(workbench, where, name))
    rows = itertools.chain(files.problems, open_images(files, name, wanted.format))
    total = len(files.problems) + len(files.names()) if wanted.format == "images" else None
    # What a restart committed already is read again but neither opened nor decoded.
    rest = (_labelled_by(row, wanted.options.labels_are) for row in itertools.islice(rows, done, None))
    lie_in: Files = files
    if wanted.format == ADDRESSES:
        lie_in = on_the_web(workbench, project)
    arriving = of_images(workbench, lie_in, rest, dry_run=wanted.options.dry_run)
    return open_things.enter_context(closing(arriving)), total, True


def _labelled_by(row: Incoming | Problem, who: LabelsAre) -> Incoming | Problem:
    if isinstance(row, Problem) or who == "as_said":
        return row
    return replace(row, opinions=tuple(replace(each, by=who) for each in row.opinions))


def _where(path: Any) -> Path | str:
    return str(path) if is_address(str(path)) else Path(str(path))


def _take(
    source: Iterator[Arrival | Problem], control: Control, *, is_image: bool
) -> list[Arrival | Problem]:
    """What is committed together: as many rows as are quick to store, of images what a short time brings."""
    if not is_image:
        return list(itertools.islice(source, CHUNK))
    until = time.monotonic() + IMAGE_CHUNK_S
    found: list[Arrival | Problem] = []
    for each in itertools.islice(source, IMAGE_CHUNK):
        control.check()
        found.append(each)
        if time.monotonic() > until:
            break
    return found


def _blobs_of(chunk: Sequence[Arrival | Problem]) -> set[str]:
    found = {each.sha256 for each in chunk if isinstance(each, Quarantined)}
    return found.union(*(each.blobs for each in chunk if isinstance(each, Arrival)))


def import_problems(
    workbench: Workbench, actor: Actor, project_id: int, job_id: int, after: int, limit: int
) -> list[tuple[int, Problem]]:
    """Bad rows of an import, in order."""
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "import")
        job = jobs.get(tx, job_id)
        if job is None or job.project_id != project_id:
            raise NotFound("no_job", f"project {project_id} has no job {job_id}")
        return store.problems(tx, job_id, after, limit)


def bad_file(
    workbench: Workbench, actor: Actor, project_id: int, job_id: int, problem_id: int
) -> tuple[Path, str]:
    """The bytes of an image that could not be used, and what it was called.

    Raises:
        NotFound: The import has no such problem, or the bytes of this one were not kept.
    """
    with workbench.store.read() as tx:
        guard.project(tx, actor, project_id, "import")
        job = jobs.get(tx, job_id)
        kept = store.kept_of_problem(tx, job_id, problem_id)
    if job is None or job.project_id != project_id or kept is None:
        raise NotFound("no_file", f"import {job_id} kept no file for problem {problem_id}")
    return workbench.blobs.path(kept[0]), kept[1]
