"""Brings files in: upload, preview, and an import job that streams, can be resumed, and never makes duplicates.

Rows are committed in chunks together with the place to go on from, so that after a crash the job continues by itself
and no row is stored twice.
"""

import itertools
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Keyed
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from labelwright.core.access import Actor
from labelwright.core.annotation import Annotation
from labelwright.core.answer import Answers
from labelwright.core.errors import Invalid, NotFound
from labelwright.core.job import Job
from labelwright.core.ontology import Ontology, with_colours
from labelwright.core.predictor import ImportedModel, Predictor, Reading
from labelwright.core.problem import Problem, excerpt
from labelwright.core.project import Modality, Project
from labelwright.core.queue import shuffle_key
from labelwright.core.transfer import Incoming, Opinion, resolve
from labelwright.core.value import Value
from labelwright.core.workflow import Facts, is_open, status
from labelwright.flows import guard
from labelwright.flows.arrivals import Arrival, Quarantined, files_at, of_images, of_text
from labelwright.flows.jobs import Control, Report
from labelwright.formats import READERS, Mapping, open_source, sniff
from labelwright.formats import mapping as maps
from labelwright.formats.edge import printable
from labelwright.formats.registry import for_modality, head, image_questions, open_images, sniff_images
from labelwright.store import asset as assets
from labelwright.store import economics, history, jobs, people, work
from labelwright.store import picture as pictures
from labelwright.store import project as projects
from labelwright.store import run as runs
from labelwright.store import transfer as store
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

CHUNK = 2_000
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
    needs_mapping: bool
    columns: tuple[maps.Column, ...]
    mapping: Mapping
    rows: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]
    suggested: Ontology | None = None


class ImportOptions(Value):
    """How an import treats what is known already.

    Attributes:
        changed: A row whose external id is known with another text: `report` it, or `add` it as a new asset without an
            external id. The content of a stored asset never changes.
        dry_run: Read, check and count, but store nothing.
    """

    changed: Literal["report", "add"] = "report"
    dry_run: bool = False


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
        Invalid: It is none that can be read.
    """
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


def is_image_format(form: str) -> bool:
    """Whether a format is read from files: images, and labels of images."""
    return any(reader.name == form and "image" in reader.modalities for reader in READERS)


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
    workbench: Workbench, actor: Actor, upload_id: str, form: str | None, mapping: Mapping | None
) -> FilePreview:
    """Columns, first rows, a guessed mapping and a suggested ontology.

    Raises:
        Invalid: The file as a whole cannot be read.
    """
    with workbench.store.read() as tx:
        path, name = file_of(workbench, tx, actor, upload_id)
    form = form or format_of(workbench, path, name, None)
    with_columns = _with_columns(form)
    if is_image_format(form):
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
        format=form, needs_mapping=False, columns=(), mapping=Mapping(), rows=tuple(_shown(each) for each in shown[:20]),
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


class _Tally:
    """Counts of an import, kept in the job's report so that they survive a restart."""

    def __init__(self, report: Report) -> None:
        self.n: dict[str, int] = {
            key: int(report.get(key, 0))
            for key in (
                "new",
                "same",
                "changed",
                "duplicates",
                "bad",
                "annotations",
                "predictions",
                "gold",
                "dropped_answers",
                "flagged",
            )
        }
        self.sample: list[dict[str, Any]] = list(report.get("problems", []))

    def problem(self, problems: list[Problem]) -> None:
        room = 100 - len(self.sample)
        self.sample += [p.model_dump() for p in problems[: max(room, 0)]]

    def report(self) -> Report:
        return {**self.n, "problems": self.sample}


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
        tally = _Tally({} if wanted.options.dry_run else job.report)
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
                _store_chunk(tx, workbench, job, wanted.options, chunk, tally, seen)
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
    where, name = str(job.params["path"]), str(job.params["name"])
    done = 0 if wanted.options.dry_run else int(job.cursor.get("read", 0))
    if not is_image_format(wanted.format):
        texts = open_source(Path(where), name, wanted.format, wanted.mapping or Mapping())
        return map(of_text, itertools.islice(texts, done, None)), None, False
    files = open_things.enter_context(
        files_at(workbench, where if "://" in where[:12] else Path(where), name)
    )
    rows = itertools.chain(files.problems, open_images(files, name, wanted.format))
    total = len(files.problems) + len(files.names()) if wanted.format == "images" else None
    # What a restart committed already is read again but neither opened nor decoded.
    rest = itertools.islice(rows, done, None)
    arriving = of_images(workbench, files, rest, dry_run=wanted.options.dry_run)
    return open_things.enter_context(closing(arriving)), total, True


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


def _store_chunk(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    options: ImportOptions,
    chunk: list[Arrival | Problem],
    tally: _Tally,
    seen: dict[str, str],
) -> None:
    assert job.project_id is not None
    project = projects.get(tx, job.project_id)
    if project is None:
        raise NotFound("no_project", "the project is in the trash")
    problems = [each for each in chunk if isinstance(each, Problem)]
    tally.n["bad"] += len(problems)
    arrivals = [each for each in chunk if isinstance(each, Arrival)]
    known, rest, unknown = _answers_alone(tx, project, arrivals)
    problems += unknown
    tally.n["bad"] += len(unknown)
    tally.n["same"] += len(known)
    by_id = store.known_by_external_id(
        tx, project.id, [each.row.external_id for each in rest if each.row.external_id is not None]
    )
    is_image = project.modality == "image"
    by_hash = store.known_by_content(
        tx,
        project.id,
        [
            each.sha256
            for each in rest
            if is_image or each.row.external_id is None or options.changed == "add"
        ],
    )
    fresh: list[Arrival] = []
    for each in rest:
        row, digest = each.row, each.sha256
        key = row.external_id if row.external_id is not None else f"\0{digest}"
        found = by_id.get(row.external_id) if row.external_id is not None else None
        if row.external_id is None and digest in by_hash:
            found = (by_hash[digest], digest)
        if found is None and key in seen:
            found = (0, seen[key])
        if found is None:
            if is_image and row.external_id is not None and (digest in by_hash or digest in seen):
                tally.n["duplicates"] += 1
                message = "the same image is here under another name too; both are kept"
                problems.append(Problem(where=row.where, code="same_image", message=message))
            fresh.append(each)
        elif found[1] != digest:
            if options.changed == "add" and digest in by_hash:
                tally.n["same"] += 1  # added by an earlier import
                continue
            tally.n["changed"] += 1
            if options.changed == "add":
                by_hash[digest] = 0
                fresh.append(replace(each, row=replace(row, external_id=None)))
            else:
                what = "another image" if is_image else "another text"
                message = f"the id {row.external_id!r} is stored with {what}; the stored one was kept"
                problems.append(Problem(where=row.where, code="changed", message=message))
        else:
            tally.n["same"] += 1
            if found[0] > 0:
                known.append((each, found[0]))
        # Within a chunk a second row with the same key is "same" or "changed" like one of an earlier chunk.
        if row.external_id is not None and found is None:
            by_id.setdefault(row.external_id, (0, digest))
        if found is None and (is_image or row.external_id is None):
            by_hash.setdefault(digest, 0)
        if options.dry_run:
            seen.setdefault(key, digest)
            if is_image:
                seen.setdefault(digest, digest)
    tally.n["new"] += len(fresh)
    ontology = projects.ontology(tx, project.id, project.ontology_version)
    assert ontology is not None
    sizes = pictures.sizes(tx, [asset_id for each, asset_id in known if each.extent is None])
    known = [
        (each if each.extent is not None else replace(each, extent=sizes.get(asset_id)), asset_id)
        for each, asset_id in known
    ]
    if options.dry_run:
        for each in [*fresh, *(each for each, _ in known if not each.sha256)]:
            for opinion in each.row.opinions:
                problems += _resolved(opinion, ontology, each)[2]
    else:
        problems += _insert(tx, workbench, job, project, ontology, fresh, tally)
        for each, asset_id in known:
            for opinion in each.row.opinions:
                problems += _attach(tx, workbench, job, project, ontology, each, asset_id, opinion, tally)
    store.add_problems(tx, job.id, problems, {p: p.sha256 for p in problems if isinstance(p, Quarantined)})
    tally.problem(problems)


def _answers_alone(
    tx: Tx, project: Project, arrivals: Sequence[Arrival]
) -> tuple[list[tuple[Arrival, int]], list[Arrival], list[Problem]]:
    """Answers to images that are here already, with the asset each is for; the other arrivals; and what fits nothing."""
    alone = [each for each in arrivals if not each.sha256]
    if not alone:
        return [], list(arrivals), []
    wanted = [each.row.external_id for each in alone if each.row.external_id]
    by_id = store.known_by_external_id(tx, project.id, wanted)
    by_name: Keyed[str, int] = {}
    if any(name not in by_id for name in wanted):
        by_name = pictures.by_name(tx, project.id, [name for name in wanted if name not in by_id])
    known, problems = [], []
    for each in alone:
        name = each.row.external_id or ""
        asset_id = by_id[name][0] if name in by_id else by_name.get(name)
        if asset_id is not None:
            known.append((each, asset_id))
        else:
            message = (
                f"no image {excerpt(name)!r} is in this project, or several are; import the images first"
            )
            problems.append(Problem(where=each.row.where, code="no_image", message=message))
    return known, [each for each in arrivals if each.sha256], problems


def _resolved(opinion: Opinion, ontology: Ontology, arrival: Arrival) -> tuple[Answers, Any, list[Problem]]:
    assert arrival.extent is not None
    answers, confidence, found = resolve(opinion, ontology, arrival.extent)
    return answers, confidence, [p.under(arrival.row.where) for p in found]


def _insert(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    project: Project,
    ontology: Ontology,
    fresh: list[Arrival],
    tally: _Tally,
) -> list[Problem]:
    """Insert new assets in bulk; those that bring answers get them one by one afterwards."""
    now, order = workbench.now(), project.settings.order
    seed = projects.learning(tx, project.id).seed
    stage = status(Facts(people_wanted=project.settings.people_per_asset))
    rows, contents, with_opinions, flagged = [], [], [], 0
    for each in fresh:
        if each.made is not None:
            made = each.made
            shown = {
                "display": made.display,
                "preview": made.preview,
                "thumbnail": made.thumbnail,
                "tiles": made.tiles,
            }
            pictures.add(tx, each.sha256, made.picture, shown, now)
    for asset_id, each in zip(store.new_asset_ids(tx, len(fresh)), fresh, strict=True):
        row = each.row
        shuffle = shuffle_key(asset_id, seed)
        flags = assets.flags_of(row.text, row.metadata)
        flagged += flags != 0
        rows.append(
            {
                "id": asset_id,
                "project_id": project.id,
                "modality": "image" if each.made is not None else "text",
                "external_id": row.external_id,
                "sha256": each.sha256,
                "size": each.size,
                "status": stage,
                "open": is_open(stage),
                "order_key": assets.order_key(order, None, shuffle, skipped=False),
                "shuffle": shuffle,
                "annotations": 0,
                "gold": False,
                "flags": flags,
                "updated_at": now,
            }
        )
        contents.append(
            {"asset_id": asset_id, "text": row.text, "metadata": row.metadata, "file_name": row.image}
        )
        if row.opinions:
            with_opinions.append((each, asset_id))
    store.insert_assets(tx, rows, contents)
    assets.count(tx, project.id, {stage: len(rows), "flagged": flagged})
    tally.n["flagged"] += flagged
    problems: list[Problem] = []
    for each, asset_id in with_opinions:
        for opinion in each.row.opinions:
            problems += _attach(tx, workbench, job, project, ontology, each, asset_id, opinion, tally)
    return problems


def _attach(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    project: Project,
    ontology: Ontology,
    arrival: Arrival,
    asset_id: int,
    opinion: Opinion,
    tally: _Tally,
) -> list[Problem]:
    """Store answers that came along: a model's as a prediction, a person's as an annotation, gold as gold."""
    answers, confidence, problems = _resolved(opinion, ontology, arrival)
    tally.n["dropped_answers"] += len(problems)
    if not answers.root:
        return problems
    now = workbench.now()
    if opinion.by == "gold":
        if store.set_gold(tx, project.id, asset_id, answers, now):
            assets.count(tx, project.id, {"gold": 1})
        economics.judge_asset(tx, project.id, asset_id)
        tally.n["gold"] += 1
    elif opinion.by == "model":
        predictor = Predictor(
            engine=ImportedModel(name=opinion.name or "import"), ontology_version=project.ontology_version
        )
        predictor_sha256 = runs.add_predictor(tx, predictor)
        current = work.current_predictions(tx, [asset_id]).get(asset_id)
        if current and current.predictor_sha256 == predictor_sha256 and current.answers == answers:
            return problems  # the same file again
        reading = Reading(answers=answers, confidence=confidence, problems=tuple(problems))
        prediction_id = runs.add_prediction(
            tx,
            project.id,
            asset_id,
            None,
            predictor_sha256,
            project.ontology_version,
            reading,
            now,
        )
        changes = {"prediction_id": prediction_id, "confidence": reading.lowest}
        assets.refresh(tx, project.id, asset_id, project.settings, now, changes)
        tally.n["predictions"] += 1
    else:
        _annotate(tx, workbench, job, project, asset_id, answers, opinion.name)
        tally.n["annotations"] += 1
    return problems


def _annotate(
    tx: Tx, workbench: Workbench, job: Job, project: Project, asset_id: int, answers: Answers, author: str
) -> None:
    found = people.by_name(tx, author) if author else None
    author_id = found[0].user_id if found is not None else job.created_by
    assert author_id is not None
    mine = work.current_of(tx, asset_id, author_id)
    if mine is not None and mine.answers == answers:
        return
    now = workbench.now()
    # The id is made from the content, so that importing the same file again stores nothing twice.
    key = uuid.uuid5(uuid.NAMESPACE_URL, f"{project.id}:{asset_id}:{author_id}:{answers.model_dump_json()}")
    if work.annotation_exists(tx, str(key)):
        return
    new = Annotation(
        id=str(key), asset_id=asset_id, author_id=author_id, ontology_version=project.ontology_version,
        answers=answers, parent_id=mine.id if mine is not None else None, created_at=now,
    )  # fmt: skip
    assets.count(tx, project.id, {"submissions": 1})
    work.add_annotation(tx, project.id, new, changed=False, seq=assets.counter(tx, project.id, "submissions"))
    economics.judge_asset(tx, project.id, asset_id)
    assets.refresh(tx, project.id, asset_id, project.settings, now)


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
