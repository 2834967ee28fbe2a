"""Brings files in: upload, preview, and an import job that streams, can be resumed, and never makes duplicates.

Rows are committed in chunks together with the place to go on from, so that after a crash the job continues by itself
and no row is stored twice.
"""

import hashlib
import itertools
import uuid
from collections.abc import Iterable
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
from labelwright.core.problem import Problem
from labelwright.core.project import Project
from labelwright.core.queue import shuffle_key
from labelwright.core.transfer import Incoming, Opinion, resolve
from labelwright.core.value import Value
from labelwright.core.workflow import Facts, is_open, status
from labelwright.flows import guard
from labelwright.flows.jobs import Control, Report
from labelwright.formats import READERS, Mapping, open_source, sniff
from labelwright.formats import mapping as maps
from labelwright.formats.edge import printable
from labelwright.formats.registry import head
from labelwright.store import asset as assets
from labelwright.store import economics, history, jobs, people, work
from labelwright.store import project as projects
from labelwright.store import run as runs
from labelwright.store import transfer as store
from labelwright.store.db import Tx
from labelwright.workbench import Workbench

CHUNK = 2_000
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
        form = sniff(workbench.blobs.path(blob), name)
    except Invalid as error:
        problem = error.message
    return Upload(upload_id=upload_id, name=name, size_bytes=size, sha256=blob, format=form, problem=problem)


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
    form = form or sniff(path, name)
    with_columns = _with_columns(form)
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


def _with_columns(form: str) -> bool:
    found = next((reader for reader in READERS if reader.name == form), None)
    if found is None:
        names = ", ".join(reader.name for reader in READERS)
        raise Invalid("unknown_format", f"there is no import format {form!r}", f"formats: {names}")
    return found.columns


def _shown(row: Incoming) -> dict[str, Any]:
    opinions = [{"by": o.by, "name": o.name, "answers": o.answers} for o in row.opinions]
    return {
        "where": row.where, "text": row.text[:500], "external_id": row.external_id,
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
        guard.project(tx, actor, project_id, "import")
        path, name = file_of(workbench, tx, actor, wanted.upload_id)
        form = wanted.format or sniff(path, name)
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
    path: Path,
    form: str | None,
    mapping: Mapping | None,
    options: ImportOptions,
) -> Job:
    """Queue an import of a file or folder on this machine, without a copy of it; for the command line only.

    Raises:
        NotFound: There is no such file.
    """
    if not path.exists():
        raise NotFound("no_file", f"there is no file {path}")
    form = form or sniff(path, path.name)
    if mapping is None:
        raw = head(path, path.name, form, None, PREVIEW_ROWS)[0] if _with_columns(form) else []
        mapping = maps.guess(maps.columns_of(raw))
    params = ImportWanted(upload_id="", format=form, mapping=mapping, options=options).model_dump(mode="json")
    with workbench.store.write() as tx:
        guard.project(tx, actor, project_id, "import")
        job_id = jobs.add(
            tx, "import", project_id, params | {"name": path.name, "path": str(path.resolve())},
            actor.user_id, workbench.now(),
        )  # fmt: skip
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
    path, name = Path(job.params["path"]), str(job.params["name"])
    mapping = wanted.mapping or Mapping()
    assert wanted.format is not None and job.project_id is not None
    source = open_source(path, name, wanted.format, mapping)
    # A dry run stored nothing it could go on from.
    done = 0 if wanted.options.dry_run else int(job.cursor.get("read", 0))
    tally = _Tally({} if wanted.options.dry_run else job.report)
    for _ in itertools.islice(source, done):  # already committed before a restart
        pass
    seen: dict[str, str] = {}  # a dry run stores nothing, so it remembers what it met itself
    while True:
        control.check()
        if not wanted.options.dry_run:
            workbench.blobs.check_space()
        chunk = list(itertools.islice(source, CHUNK))
        if not chunk:
            break
        done += len(chunk)
        with workbench.store.write() as tx:
            _store_chunk(tx, workbench, job, wanted.options, chunk, tally, seen)
            control.save(
                tx, done=done, cursor={"read": done}, report=tally.report(), message=f"{done:,} rows read"
            )
    with workbench.store.write() as tx:
        counts = {key: value for key, value in tally.n.items() if value}
        if not wanted.options.dry_run:
            history.record(
                tx, workbench.now(), "imported", project_id=job.project_id, user_id=job.created_by,
                body={"file": name, **counts},
            )  # fmt: skip
        control.save(tx, total=done, done=done)
    return tally.report()


def _store_chunk(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    options: ImportOptions,
    chunk: list[Incoming | Problem],
    tally: _Tally,
    seen: dict[str, str],
) -> None:
    assert job.project_id is not None
    project = projects.get(tx, job.project_id)
    if project is None:
        raise NotFound("no_project", "the project is in the trash")
    problems = [each for each in chunk if isinstance(each, Problem)]
    tally.n["bad"] += len(problems)
    rows = [each for each in chunk if isinstance(each, Incoming)]
    hashes = [hashlib.sha256(row.text.encode()).hexdigest() for row in rows]
    by_id = store.known_by_external_id(
        tx, project.id, [row.external_id for row in rows if row.external_id is not None]
    )
    by_hash = store.known_by_content(
        tx,
        project.id,
        [
            h
            for row, h in zip(rows, hashes, strict=True)
            if row.external_id is None or options.changed == "add"
        ],
    )
    fresh: list[tuple[Incoming, str]] = []
    known: list[tuple[Incoming, int]] = []
    for row, digest in zip(rows, hashes, strict=True):
        key = row.external_id if row.external_id is not None else f"\0{digest}"
        found = by_id.get(row.external_id) if row.external_id is not None else None
        if row.external_id is None and digest in by_hash:
            found = (by_hash[digest], digest)
        if found is None and key in seen:
            found = (0, seen[key])
        if found is None:
            fresh.append((row, digest))
        elif found is not None and found[1] != digest:
            if options.changed == "add" and digest in by_hash:
                tally.n["same"] += 1  # added by an earlier import
                continue
            tally.n["changed"] += 1
            if options.changed == "add":
                by_hash[digest] = 0
                fresh.append((Incoming(row.where, row.text, None, row.metadata, row.opinions), digest))
            else:
                message = f"the id {row.external_id!r} is stored with another text; the stored one was kept"
                problems.append(Problem(where=row.where, code="changed", message=message))
        else:
            tally.n["same"] += 1
            if found is not None and found[0] > 0:
                known.append((row, found[0]))
        # Within a chunk a second row with the same key is "same" or "changed" like one of an earlier chunk.
        if row.external_id is not None and found is None:
            by_id.setdefault(row.external_id, (0, digest))
        elif row.external_id is None and found is None:
            by_hash.setdefault(digest, 0)
        if options.dry_run:
            seen.setdefault(key, digest)
    tally.n["new"] += len(fresh)
    ontology = projects.ontology(tx, project.id, project.ontology_version)
    assert ontology is not None
    if options.dry_run:
        for row, _ in fresh:
            for opinion in row.opinions:
                problems += _resolved(opinion, ontology, row)[2]
    else:
        problems += _insert(tx, workbench, job, project, ontology, fresh, tally)
        for row, asset_id in known:
            for opinion in row.opinions:
                problems += _attach(tx, workbench, job, project, ontology, row, asset_id, opinion, tally)
    store.add_problems(tx, job.id, problems)
    tally.problem(problems)


def _resolved(opinion: Opinion, ontology: Ontology, row: Incoming) -> tuple[Answers, Any, list[Problem]]:
    answers, confidence, found = resolve(opinion, ontology, len(row.text))
    return answers, confidence, [p.under(row.where) for p in found]


def _insert(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    project: Project,
    ontology: Ontology,
    fresh: list[tuple[Incoming, str]],
    tally: _Tally,
) -> list[Problem]:
    """Insert new assets in bulk; those that bring answers get them one by one afterwards."""
    now, order = workbench.now(), project.settings.order
    seed = projects.learning(tx, project.id).seed
    stage = status(Facts(people_wanted=project.settings.people_per_asset))
    rows, contents, with_opinions, flagged = [], [], [], 0
    for asset_id, (row, digest) in zip(store.new_asset_ids(tx, len(fresh)), fresh, strict=True):
        shuffle = shuffle_key(asset_id, seed)
        flags = assets.flags_of(row.text, row.metadata)
        flagged += flags != 0
        rows.append(
            {
                "id": asset_id,
                "project_id": project.id,
                "modality": "text",
                "external_id": row.external_id,
                "sha256": digest,
                "size": len(row.text),
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
        contents.append({"asset_id": asset_id, "text": row.text, "metadata": row.metadata})
        if row.opinions:
            with_opinions.append((row, asset_id))
    store.insert_assets(tx, rows, contents)
    assets.count(tx, project.id, {stage: len(rows), "flagged": flagged})
    tally.n["flagged"] += flagged
    problems: list[Problem] = []
    for row, asset_id in with_opinions:
        for opinion in row.opinions:
            problems += _attach(tx, workbench, job, project, ontology, row, asset_id, opinion, tally)
    return problems


def _attach(
    tx: Tx,
    workbench: Workbench,
    job: Job,
    project: Project,
    ontology: Ontology,
    row: Incoming,
    asset_id: int,
    opinion: Opinion,
    tally: _Tally,
) -> list[Problem]:
    """Store answers that came along: a model's as a prediction, a person's as an annotation, gold as gold."""
    answers, confidence, problems = _resolved(opinion, ontology, row)
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
